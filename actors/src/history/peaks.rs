//! The most persons of each minute: noted by the flow ten times a second, taken by the keeper once
//! a minute. What a crash loses of it is the minute that was under way.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use shanmen_protocols::time::UnixMs;
use shanmen_rules::{AreaIx, Park};

use super::{Cells, Places, Tally, capacity_of, minute_of};
use crate::{api::FlowBy, flow::Occupancy};

/// How many minutes wait for the keeper at most; older ones are dropped, which is counted.
const MINUTES_MAX: usize = 60;
/// The share of the capacity from which on a minute counts as crowded, in percent.
const CROWDED_PERCENT: u64 = 80;

/// The peaks that the keeper has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Peaks(Mutex<BTreeMap<i64, Most>>);

/// The most persons of a minute.
#[derive(Clone, Debug, Default)]
struct Most {
    site: u32,
    areas: Vec<u32>,
}

impl Peaks {
    /// Notes who is inside now.
    pub(crate) fn note(&self, park: &Park, occupancy: &Occupancy, now: UnixMs) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = held.entry(minute_of(now)).or_default();
        most.areas.resize(park.areas().len(), 0);
        let mut site = 0;
        for ((ix, area), most) in (0u16..).zip(park.areas()).zip(&mut most.areas).skip(1) {
            let inside = occupancy.persons(AreaIx(ix)).inside;
            *most = (*most).max(inside);
            if area.parent.is_none() {
                site += inside;
            }
        }
        most.site = most.site.max(site);
        if MINUTES_MAX < held.len() {
            held.pop_first();
            metrics::counter!("shanmen_history_peaks_dropped_total").increment(1);
        }
    }

    /// Takes the minutes before `minute`.
    pub(crate) fn take_before(&self, park: &Park, minute: i64) -> Tally {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let later = held.split_off(&minute);
        let over = std::mem::replace(&mut *held, later);
        drop(held);
        let mut tally = Tally::default();
        for (minute, most) in over {
            let site = cells(most.site, capacity_of(park));
            tally.add(FlowBy::Site, minute, Places::default().site(), &site);
            for (persons, area) in most.areas.iter().zip(park.areas()).skip(1) {
                let cells = cells(*persons, area.capacity_instant);
                tally.add(FlowBy::Area, minute, &area.id.as_str().into(), &cells);
            }
        }
        tally
    }
}

/// A minute's cells of its peak against the capacity of the time.
pub(crate) fn cells(persons: u32, capacity: Option<u32>) -> Cells {
    let crowded = capacity.is_some_and(|capacity| {
        0 < persons && u64::from(capacity) * CROWDED_PERCENT <= u64::from(persons) * 100
    });
    Cells { peak: persons, above: u32::from(crowded), ..Cells::default() }
}
