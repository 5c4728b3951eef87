//! What is told of last week, against made-up minutes in the books.

use super::*;
use crate::ledger::MadeUpBooks;

const DAY_MIN: i64 = 24 * 60;
/// A business day that turns at midnight UTC.
const TODAY: i64 = 20_779;

fn park() -> Park {
    let definition = serde_json::json!({
        "site": { "id": "p", "timezone": "UTC" },
        "areas": [{ "id": "park" }],
    });
    Park::compile(&serde_json::from_value(definition).unwrap()).unwrap()
}

/// Books with persons in and out at times of day, `(hour, minute, in, out)`, a week ago.
fn a_week_ago(rows: &[(i64, i64, u32, u32)]) -> MadeUpBooks {
    let at = |hour: i64, minute: i64| (TODAY - 7) * DAY_MIN + hour * 60 + minute;
    MadeUpBooks::new(
        rows.iter().map(|&(hour, minute, entered, gone)| (at(hour, minute), entered, gone)),
    )
}

fn last_week(books: &MadeUpBooks, hour: i64, minute: i64) -> Option<DayBefore> {
    let now = moment_of(TODAY * DAY_MIN + hour * 60 + minute).plus_ms(30_000);
    past(books.books(), &park(), now).unwrap().last_week
}

#[test]
fn the_hour_of_last_week_is_told_whole_and_until_the_same_minute() {
    let books = a_week_ago(&[
        (9, 59, 900, 9),
        (10, 0, 10, 1),
        (10, 20, 20, 2),
        (10, 21, 40, 4),
        (11, 0, 80, 8),
    ]);
    let told = last_week(&books, 10, 20).unwrap();
    assert_eq!((told.entries_this_hour, told.exits_this_hour), (70, 7));
    assert_eq!((told.entries_this_hour_by_now, told.exits_this_hour_by_now), (30, 3));
    assert_eq!((told.entries_per_min, told.exits_per_min), (20, 2));
    assert_eq!((told.entries_by_now, told.exits_by_now), (930, 12));
}

#[test]
fn a_minute_in_which_nobody_moved_a_week_ago_is_zero_and_a_day_without_anybody_is_none() {
    let books = a_week_ago(&[(9, 59, 900, 9)]);
    let told = last_week(&books, 10, 20).unwrap();
    assert_eq!((told.entries_per_min, told.exits_per_min, told.exits_this_hour), (0, 0, 0));
    assert_eq!(last_week(&a_week_ago(&[]), 10, 20), None);
}
