//! A made-up past, for a demonstration: what it would have counted, and the forecasts that would
//! have been made of it, by the very method that makes them every day.

use std::collections::BTreeMap;

use shanmen_rules::{Day, Park};

use super::{
    QUARTER_MIN, Shape, Tally,
    forecast::{Before, SoFar},
    minute_of, moment_of,
    past::expected,
    peaks, tally, turn_minute,
};
use crate::{
    api::{Expected, FlowBy, PastDay},
    history::{Cells, capacity_of},
    ledger::MadeUp,
};

/// The hours of the site's clock whose forecasts are made up.
const HOURS: std::ops::Range<i64> = 6..20;
/// For how many days before today they are.
const FORECAST_DAYS: usize = 28;

/// A day as the books take it.
pub(crate) fn day_made_up(park: &Park, past: &PastDay) -> MadeUp {
    let mut counts = Tally::default();
    for one in &past.counts {
        let capacity = match one.by {
            FlowBy::Site => capacity_of(park),
            FlowBy::Area => park.area_ix(&one.key).and_then(|ix| park.area(ix).capacity_instant),
            _ => None,
        };
        let cells = Cells {
            entered: one.counted.entered,
            gone: one.counted.gone,
            denied: one.counted.denied,
            reentered: one.counted.reentered,
            untaken: one.counted.not_taken,
            ..peaks::cells(one.counted.peak, capacity)
        };
        counts.add(one.by, minute_of(one.at), &one.key.as_str().into(), &cells);
    }
    for (minutes, persons) in &past.stays {
        let bin = tally::bin_of(i64::from(*minutes) * 60_000);
        *counts.dwell.entry((past.day, bin)).or_default() += persons;
    }
    let devices = past
        .devices
        .iter()
        .map(|one| (past.day, one.device.clone(), one.online_min, one.known_min))
        .collect();
    MadeUp { counts, devices, forecasts: Vec::new() }
}

/// The forecasts that would have been made, hour by hour, of the last of these days.
pub(crate) fn forecasts_made_up(
    park: &Park,
    shapes: &[Shape],
    sold: &BTreeMap<Day, u32>,
) -> Vec<(Day, Expected)> {
    let of = |shape: &Shape| sold.get(&shape.day).copied();
    let before: Vec<Before> =
        shapes.iter().map(|shape| Before { shape: shape.clone(), sold: of(shape) }).collect();
    let mut newest: Vec<&Shape> = shapes.iter().filter(|shape| 0 < shape.total()).collect();
    newest.sort_by_key(|shape| std::cmp::Reverse(shape.day));
    let mut made = Vec::new();
    for shape in newest.into_iter().take(FORECAST_DAYS) {
        for hour in HOURS {
            let so_far = until(shape, hour * 60, of(shape).unwrap_or(0));
            let made_at = turn_minute(park.calendar(), shape.day) + so_far.elapsed_min;
            let found = expected(park, &so_far, &before, moment_of(made_at));
            made.extend(found.map(|expected| (shape.day, expected)));
        }
    }
    made
}

/// A day as it was known after so many minutes.
fn until(shape: &Shape, elapsed_min: i64, sold: u32) -> SoFar {
    let quarter = usize::try_from(elapsed_min / QUARTER_MIN).unwrap_or(0).min(shape.entries.len());
    let mut known = shape.clone();
    known.entries[quarter..].fill(0);
    known.in_site[quarter..].fill(0);
    let in_site = quarter.checked_sub(1).map_or(0, |last| shape.in_site[last]);
    SoFar { shape: known, elapsed_min, in_site, sold }
}
