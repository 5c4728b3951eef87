//! History: what came, counted by minute, kept for years, and what it says of today.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `tally.rs` | what a passage or a refusal adds to which count |
//! | `places.rs` | which gate a lane belongs to, which areas a way enters: what the tally goes by |
//! | `buckets.rs` | hours and days of the site's clock, as minutes since 1970 |
//! | `shape.rs`, `forecast.rs` | a day as quarters of an hour; what is to be expected of today |
//! | `peaks.rs` | the most persons of each minute |
//! | `series.rs`, `reports.rs` | what is told: counts over time; a day, a fortnight, the heat map |
//! | `past.rs` | the feed's `past`, and the forecast with its errors |
//! | `keeper.rs` | the task of once a minute |
//! | `names.rs` | what people call a key |
//! | `made_up.rs` | the made-up past of a demonstration |
//!
//! The counts are written by the books, in the transaction that takes the passages over: exact
//! once, whatever is killed, and off the path of a scan. The SQL is in `ledger/history`.
//!
//! Minutes are kept for 90 days, then summed up to hours of the site's clock, which never change
//! the sums. Dwell times are kept as a distribution only, never by ticket.
//!
//! Deliberately absent: any cross product of the dimensions, and anything of a ticket or a person.

mod buckets;
mod forecast;
mod keeper;
mod made_up;
mod names;
mod past;
mod peaks;
mod places;
mod reports;
mod series;
mod shape;
mod tally;

use shanmen_rules::{AreaIx, Park};

pub(crate) use self::{
    buckets::{Buckets, TooMany, hour_of, minute_of, moment_of, turn_minute},
    keeper::{Keeper, KeeperParts, now_of},
    made_up::{day_made_up, forecasts_made_up},
    past::{Known, Now, SharedKnown, report, told},
    peaks::Peaks,
    places::Places,
    reports::{Inside, capacity_of, day, heatmap, week},
    series::series,
    shape::Shape,
    tally::{BIN_MIN, BINS, Cells, Key, Tally},
};
use crate::flow::Occupancy;

/// How long minutes are kept, in days.
pub(crate) const MINUTES_KEPT_DAYS: i32 = 90;
/// A quarter of an hour in minutes: the step of a day's curve.
pub(crate) const QUARTER_MIN: i64 = 15;

/// Persons in the site now: in any of its top areas.
pub(crate) fn in_site(park: &Park, occupancy: &Occupancy) -> u32 {
    let areas = (0u16..).map(AreaIx).zip(park.areas()).skip(1);
    areas
        .filter(|(_, area)| area.parent.is_none())
        .map(|(ix, _)| occupancy.persons(ix).inside)
        .sum()
}
