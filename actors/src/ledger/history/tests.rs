//! The history in the books: sums, thinning, and what an older ledger brings.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use rusqlite::{Connection, params};
use shanmen_protocols::time::UnixMs;
use shanmen_rules::{AreaIx, Calendar, Day, Movement, Park};

use super::*;
use crate::{
    history::{Buckets, moment_of, series, turn_minute},
    ledger::sqlite::{BOOKS_SCHEMA, connect},
};

const DAY: Day = Day(20_779);

fn park(zone: &str) -> Park {
    let definition = serde_json::from_value(serde_json::json!({
        "site": { "id": "p", "timezone": zone },
        "areas": [{ "id": "park", "capacity": { "instant": 10 } }, { "id": "cave", "parent": "park" }],
        "gates": [{ "id": "north", "to": "park" }, { "id": "mouth", "from": "park", "to": "cave" }],
        "lanes": [{ "id": "n1", "gate": "north" }, { "id": "c1", "gate": "mouth" }],
    }));
    Park::compile(&definition.unwrap()).unwrap()
}

fn books(folder: &tempfile::TempDir, schema: &[&str]) -> Connection {
    connect(&folder.path().join("ledger.sqlite"), schema).unwrap()
}

/// An older ledger: a visitor in and out at n1, one into the cave, one not taken, one refused.
fn older(books: &Connection, begin: i64) {
    let areas = [("park", r#"{"id":"park"}"#), ("cave", r#"{"id":"cave","parent":"park"}"#)];
    for (n, (id, text)) in (1..).zip(areas) {
        let given = params!["area", n, id, text];
        books.execute("INSERT INTO names VALUES (?, ?, ?, ?)", given).unwrap();
    }
    for (kind, n, id, text) in [
        ("gate", 0, "north", r#"{"id":"north","to":"park"}"#),
        ("gate", 1, "mouth", r#"{"id":"mouth","from":"park","to":"cave"}"#),
        ("lane", 0, "n1", r#"{"id":"n1","gate":"north"}"#),
        ("lane", 1, "c1", r#"{"id":"c1","gate":"mouth"}"#),
    ] {
        let given = params![kind, n, id, text];
        books.execute("INSERT INTO names VALUES (?, ?, ?, ?)", given).unwrap();
    }
    let product = r#"{"id":"adult-day","class":"adult"}"#;
    let sql = "INSERT INTO products VALUES (0, 'adult-day', 1, ?, 'config', 0, 0, 'config', '')";
    books.execute(sql, [product]).unwrap();
    let ticket = [7_u8; 16];
    books.execute("INSERT INTO tickets VALUES (?, x'00')", [ticket]).unwrap();
    let went = |n: i64, minute: i64, lane: u8, direction: u8, from: u16, to: u16, count: u16| {
        let walk = Movement { from: AreaIx(from), to: AreaIx(to), persons: count, reentry: false };
        let moves = if count == 0 { vec![] } else { vec![walk] };
        let given = params![
            n,
            (begin + minute) * 60_000,
            DAY.0,
            lane,
            direction,
            ticket,
            if count == 0 { "not_taken" } else { "taken" },
            count,
            postcard::to_allocvec(&moves).unwrap()
        ];
        let sql = "INSERT INTO passages
            (n, at, committed_at, day, device, lane, direction, ticket, product, grant_id, outcome,
             by_whom, count, reentry, moves, time_known)
            VALUES (?1, ?2, ?2, ?3, 't1', ?4, ?5, ?6, 0, NULL, ?7, 'sensor', ?8, 0, ?9, 1)";
        books.execute(sql, given).unwrap();
    };
    went(1, 0, 0, 0, 0, 1, 1);
    went(2, 30, 1, 0, 1, 2, 1);
    went(3, 31, 0, 0, 0, 1, 0);
    went(4, 100, 0, 1, 2, 0, 1);
    let sql =
        "INSERT INTO scans (id, device, at, day, lane, direction, result, reason, persons, needs)
               VALUES (?1, 't1', ?2, ?3, 0, 0, 2, 'already_used', 1, 0)";
    books.execute(sql, params![[9_u8; 16], (begin + 40) * 60_000, DAY.0]).unwrap();
}

fn sums(from: &Connection, by: FlowBy) -> Vec<(String, [u32; 5])> {
    let begin = turn_minute(park("Asia/Shanghai").calendar(), DAY);
    let found = day_sums(Books(from), by, begin, begin + 1_440).unwrap();
    let told = |cells: Cells| [cells.entered, cells.gone, cells.denied, cells.untaken, cells.peak];
    found.into_iter().map(|(key, cells)| (key, told(cells))).collect()
}

#[test]
fn an_older_ledger_brings_its_past_along_once() {
    let folder = tempfile::tempdir().unwrap();
    let begin = turn_minute(park("Asia/Shanghai").calendar(), DAY) + 600;
    older(&books(&folder, &BOOKS_SCHEMA[..4]), begin);
    for _ in 0..2 {
        let mut books = books(&folder, BOOKS_SCHEMA);
        fill_once(&mut books).unwrap();
        let of = |key: &str, counts| (key.to_owned(), counts);
        assert_eq!(sums(&books, FlowBy::Site), [of("", [1, 1, 1, 1, 1])]);
        assert_eq!(
            sums(&books, FlowBy::Gate),
            [of("mouth", [1, 0, 0, 0, 0]), of("north", [1, 1, 1, 1, 0])]
        );
        assert_eq!(
            sums(&books, FlowBy::Area),
            [of("cave", [1, 1, 0, 0, 1]), of("park", [1, 1, 1, 0, 1])]
        );
        assert_eq!(sums(&books, FlowBy::Class), [of("adult", [1, 1, 0, 0, 0])]);
        assert_eq!(sums(&books, FlowBy::Channel), [of("direct", [1, 1, 0, 0, 0])]);
        assert_eq!(sums(&books, FlowBy::Reason), [of("already_used", [0, 0, 1, 0, 0])]);
        assert_eq!(dwell(Books(&books), DAY).unwrap(), [(6, 1)], "an hour and forty minutes");
    }
}

#[test]
fn a_late_fact_of_a_thinned_hour_is_counted_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut books = books(&folder, BOOKS_SCHEMA);
    fill_once(&mut books).unwrap();
    let begin = turn_minute(park("Asia/Shanghai").calendar(), DAY);
    let one = |minute: i64, peak| {
        let mut tally = Tally::default();
        let cells = Cells { entered: 1, peak, ..Cells::default() };
        tally.add(FlowBy::Site, begin + minute, &"".into(), &cells);
        tally
    };
    counts::write_tally(&books, &one(10, 3)).unwrap();
    counts::write_tally(&books, &one(20, 5)).unwrap();
    let thin = HistoryWrite::Thin { from: begin, until: begin + 60 };
    write(&books, &thin).unwrap();
    assert_eq!(oldest_minute(Books(&books)).unwrap(), None);
    counts::write_tally(&books, &one(15, 4)).unwrap();
    assert_eq!(oldest_minute(Books(&books)).unwrap(), Some(begin + 15));
    write(&books, &thin).unwrap();
    let sum = sum_of(Books(&books), begin, begin + 60).unwrap();
    assert_eq!((sum.entered, sum.peak), (3, 5));
}

#[test]
fn a_forecast_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let books = books(&folder, BOOKS_SCHEMA);
    let expected = Expected {
        made_at: UnixMs(5),
        entries: 7,
        peak_in_site: 3,
        peak_at: UnixMs(9),
        curve: vec![3, 4],
        in_site: vec![1, 3],
        days: 8,
        sold: 2,
    };
    let what = HistoryWrite::Forecast { day: DAY, expected: Box::new(expected.clone()) };
    write(&books, &what).unwrap();
    assert_eq!(forecasts(Books(&books), DAY, DAY).unwrap(), [ForecastRow { day: DAY, expected }]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn counts_of_any_bucket_size_add_up_to_the_same_total_also_when_thinned(
        zone in prop::sample::select(vec!["Asia/Shanghai", "Europe/Berlin", "Asia/Kathmandu"]),
        came in prop::collection::vec((0_i64..3 * 1_440, 0_u32..50), 1..60),
        thinned in 0_i64..3 * 1_440,
        day in 20_500_i32..20_900,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let books = books(&folder, BOOKS_SCHEMA);
        let park = park(zone);
        let calendar: &Calendar = park.calendar();
        prop_assert!(TimeZone::get(zone).is_ok());
        let begin = turn_minute(calendar, Day(day));
        let end = turn_minute(calendar, Day(day + 4));
        let mut tally = Tally::default();
        for (minute, persons) in &came {
            let cells = Cells { entered: *persons, peak: *persons, ..Cells::default() };
            tally.add(FlowBy::Gate, begin + minute, &"north".into(), &cells);
        }
        counts::write_tally(&books, &tally).unwrap();
        let total: u32 = came.iter().map(|(_, persons)| persons).sum();
        let check = |books: &Connection| {
            for step in [1, 5, 15, 60, 1_440] {
                let buckets = Buckets::cut(calendar, moment_of(begin), moment_of(end), step).unwrap();
                let found = series(Books(books), &park, FlowBy::Gate, &buckets).unwrap().unwrap();
                let north = found.series.iter().find(|one| one.key == "north").unwrap();
                let sum: u32 = north.counts.iter().map(|one| one.entered).sum();
                prop_assert_eq!(sum, total, "{} min", step);
            }
            Ok(())
        };
        check(&books)?;
        let mut minute = begin;
        while minute < begin + thinned {
            let (from, until) = crate::history::hour_of(calendar, minute);
            write(&books, &HistoryWrite::Thin { from, until }).unwrap();
            minute = until;
        }
        check(&books)?;
    }
}

/// A park of 60 lanes: how many keys each dimension has.
const KEYS: [(FlowBy, u32); 8] = [
    (FlowBy::Site, 1),
    (FlowBy::Area, 6),
    (FlowBy::Gate, 12),
    (FlowBy::Lane, 60),
    (FlowBy::Product, 12),
    (FlowBy::Class, 8),
    (FlowBy::Channel, 5),
    (FlowBy::Reason, 4),
];
/// It is open from 7 to 20 o'clock.
const OPEN_MIN: std::ops::Range<i64> = 7 * 60..20 * 60;

fn years(books: &mut Connection, calendar: &Calendar, days: i32) {
    let transaction = books.transaction().unwrap();
    for (table, first, last, step) in
        [("flow_hours", days, 91, 60), ("flow_minutes", 90, 0, 1_usize)]
    {
        let sql = format!("INSERT INTO {table} VALUES (?, ?, ?, ?, 3, 1, 0, 0, 900, 0)");
        let mut insert = transaction.prepare(&sql).unwrap();
        for (by, keys) in KEYS {
            for day in (last..=first).rev().map(|ago| DAY.plus(-ago)) {
                let begin = turn_minute(calendar, day);
                for minute in OPEN_MIN.step_by(step) {
                    for key in 0..keys {
                        let name =
                            if by == FlowBy::Site { String::new() } else { format!("key-{key}") };
                        insert
                            .execute(params![number(by), begin + minute, name, minute % 7])
                            .unwrap();
                    }
                }
            }
        }
    }
    transaction.commit().unwrap();
}

#[test]
#[ignore = "measures: cargo test -p shanmen-actors three_years -- --ignored --nocapture"]
#[allow(clippy::print_stdout, reason = "a measurement tells what it measured")]
fn three_years_of_a_park_of_60_lanes() {
    use crate::{clock::Stopwatch, history};
    let folder = tempfile::tempdir().unwrap();
    let mut books = books(&folder, BOOKS_SCHEMA);
    let park = park("Asia/Shanghai");
    let watch = Stopwatch::start();
    years(&mut books, park.calendar(), 3 * 365);
    books.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let bytes = std::fs::metadata(folder.path().join("ledger.sqlite")).unwrap().len();
    println!("written in {:.1} s, {} MB", watch.seconds(), bytes / 1_000_000);
    let at = moment_of(turn_minute(park.calendar(), DAY) + 15 * 60);
    let now = history::Now { at, in_site: 700, sold: 100 };
    let measure = |what: &str, work: &dyn Fn()| {
        let mut times: Vec<f64> = (0..9)
            .map(|_| {
                let watch = Stopwatch::start();
                work();
                watch.seconds() * 1_000.0
            })
            .collect();
        let first = times[0];
        times.sort_by(f64::total_cmp);
        println!("{what}: median {:.1} ms, first {first:.1} ms", times[4]);
    };
    let inside = history::Inside { site: 700, ..history::Inside::default() };
    let day_of = |day: Day| drop(history::day(Books(&books), &park, day, at, &inside).unwrap());
    measure("flow/day, today", &|| day_of(DAY));
    measure("flow/day, two years ago", &|| day_of(DAY.plus(-730)));
    measure("its forecast, all read anew", &|| {
        let mut known = history::Known::default();
        drop(history::report(Books(&books), &park, &mut known, DAY, now).unwrap());
    });
    let month = |by, back: i32| {
        let from = park.calendar().turn_of(DAY.plus(-back - 30));
        let until = park.calendar().turn_of(DAY.plus(-back));
        let buckets = Buckets::cut(park.calendar(), from, until, 60).unwrap();
        drop(series(Books(&books), &park, by, &buckets).unwrap().unwrap());
    };
    measure("a month by site, 1h", &|| month(FlowBy::Site, 0));
    measure("a month by gate, 1h", &|| month(FlowBy::Gate, 0));
    measure("a month by lane, 1h", &|| month(FlowBy::Lane, 0));
    measure("a month by lane, 1h, two years ago", &|| month(FlowBy::Lane, 730));
    measure("a fortnight", &|| drop(history::week(Books(&books), &park, DAY).unwrap()));
    measure("the heat map of 8 weeks", &|| {
        drop(history::heatmap(Books(&books), &park, 8, DAY).unwrap());
    });
    let (from, until) =
        history::hour_of(park.calendar(), oldest_minute(Books(&books)).unwrap().unwrap() + 600);
    let watch = Stopwatch::start();
    write(&books, &HistoryWrite::Thin { from, until }).unwrap();
    println!("an hour thinned: {:.1} ms", watch.seconds() * 1_000.0);
}
