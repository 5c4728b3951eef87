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

#[cfg(test)]
mod tests {
    use shanmen_rules::{Day, Movements};

    use super::*;

    fn went(from: u16, to: u16, persons: u16) -> Movements {
        let one = [(AreaIx(from), AreaIx(to), persons, false)];
        postcard::from_bytes(&postcard::to_allocvec(&one.to_vec()).unwrap()).unwrap()
    }

    #[test]
    fn a_minute_keeps_its_peak_until_it_is_taken() {
        let park = Park::compile(
            &serde_json::from_value(serde_json::json!({
                "site": { "id": "p", "timezone": "UTC" },
                "areas": [{ "id": "park", "capacity": { "instant": 10 } },
                          { "id": "cave", "parent": "park" }],
            }))
            .unwrap(),
        )
        .unwrap();
        let (occupancy, peaks, day) = (Occupancy::new(&park, Day(0)), Peaks::default(), Day(0));
        let note = |at: i64| peaks.note(&park, &occupancy, UnixMs(at));
        note(0);
        occupancy.apply(&park, &went(0, 1, 8), day);
        note(100);
        occupancy.apply(&park, &went(1, 2, 3), day);
        note(200);
        occupancy.apply(&park, &went(2, 0, 3), day);
        note(300);
        note(60_000);
        let of = |tally: Tally| -> Vec<(FlowBy, i64, String, u32, u32)> {
            let cells = tally.cells.into_iter();
            cells.map(|(k, c)| (k.by, k.minute, k.id.to_string(), c.peak, c.above)).collect()
        };
        assert_eq!(
            of(peaks.take_before(&park, 1)),
            [
                (FlowBy::Site, 0, String::new(), 8, 1),
                (FlowBy::Area, 0, "cave".into(), 3, 0),
                (FlowBy::Area, 0, "park".into(), 8, 1),
            ]
        );
        assert_eq!(of(peaks.take_before(&park, 1)), []);
        let last = of(peaks.take_before(&park, i64::MAX));
        assert_eq!(last.first(), Some(&(FlowBy::Site, 1, String::new(), 5, 0)));
    }
}
