//! The business day: it never goes back, it has no gap, and it begins once.

use crate::support::at;
use proptest::prelude::*;
use shanmen_protocols::time::UnixMs;
use shanmen_rules::Park;

fn park(timezone: &str, day_starts_at: &str) -> Park {
    let text =
        format!("[site]\nid = \"s\"\ntimezone = {timezone:?}\nday_starts_at = {day_starts_at:?}\n");
    Park::compile(&toml::from_str(&text).unwrap()).unwrap()
}

#[test]
fn a_day_that_turns_in_a_skipped_hour_begins_when_the_clock_jumps() {
    let park = park("Europe/Berlin", "02:30");
    let jump = at("2026-03-29T03:00:00+02:00");
    assert_eq!(park.next_turn(at("2026-03-28T12:00:00+01:00")), jump);
    assert_eq!(park.business_day(jump).to_string(), "2026-03-29");
    assert_eq!(park.business_day(jump.plus_ms(-1)).to_string(), "2026-03-28");
}

#[test]
fn a_day_that_turns_in_a_repeated_hour_begins_the_first_time() {
    let park = park("Europe/Berlin", "02:30");
    let first = at("2026-10-25T02:30:00+02:00");
    assert_eq!(park.next_turn(at("2026-10-24T12:00:00+02:00")), first);
    assert_eq!(park.business_day(at("2026-10-25T02:00:00+01:00")).to_string(), "2026-10-25");
}

#[test]
fn a_midnight_that_is_skipped_is_a_turn_all_the_same() {
    // Cairo sets its clocks forward at 00:00 on the last Friday of April.
    let park = park("Africa/Cairo", "00:00");
    let jump = at("2026-04-24T01:00:00+03:00");
    assert_eq!(park.business_day(jump).to_string(), "2026-04-24");
    assert_eq!(park.business_day(jump.plus_ms(-1)).to_string(), "2026-04-23");
    assert_eq!(park.next_turn(jump.plus_ms(-1)), jump);
}

#[test]
fn a_clock_set_back_by_two_hours_does_not_bring_yesterday_back() {
    // Troll station: on 2026-10-25 03:00 becomes 01:00.
    let park = park("Antarctica/Troll", "02:50");
    let before = at("2026-10-25T02:49:59+02:00");
    assert_eq!(park.business_day(before).to_string(), "2026-10-24");
    for time in ["2026-10-25T02:50:00+02:00", "2026-10-25T01:00:00+00:00"] {
        assert_eq!(park.business_day(at(time)).to_string(), "2026-10-25", "{time}");
    }
}

#[test]
fn a_day_may_turn_at_any_second() {
    let park = park("Asia/Shanghai", "03:00:30");
    let turn = at("2026-10-01T03:00:30+08:00");
    assert_eq!(park.calendar().turn_of("2026-10-01".parse().unwrap()), turn);
    assert_eq!(park.business_day(turn).to_string(), "2026-10-01");
    assert_eq!(park.business_day(turn.plus_ms(-1)).to_string(), "2026-09-30");
}

#[test]
fn a_slot_before_the_turn_is_of_the_night_that_follows() {
    let park = park("Asia/Shanghai", "03:00");
    let day = "2026-10-01".parse().unwrap();
    for (minutes, start) in [
        (3 * 60, "2026-10-01T03:00:00+08:00"),
        (23 * 60, "2026-10-01T23:00:00+08:00"),
        (0, "2026-10-02T00:00:00+08:00"),
        (2 * 60 + 59, "2026-10-02T02:59:00+08:00"),
    ] {
        assert_eq!(park.calendar().slot_start(day, minutes), at(start), "{minutes} min");
    }
}

const ZONES: [&str; 12] = [
    // Changed lately or later, or set back in winter by its own law.
    "Africa/Casablanca",
    "America/Vancouver",
    "Asia/Singapore",
    "Europe/Dublin",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Antarctica/Troll",
    "UTC",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_business_day_begins_at_its_turn_and_never_comes_back(
        zone in prop::sample::select(&ZONES[..]),
        half_hours in 0_u32..48,
        // 2026 to 2030.
        ms in 1_767_225_600_000_i64..1_893_456_000_000,
    ) {
        let starts = format!("{:02}:{:02}", half_hours / 2, half_hours % 2 * 30);
        let park = park(zone, &starts);
        let now = UnixMs(ms);
        let day = park.business_day(now);
        let turn = park.next_turn(now);
        prop_assert!(now < turn);
        prop_assert_eq!(park.business_day(turn), day.plus(1));
        prop_assert_eq!(park.business_day(turn.plus_ms(-1)), day);
        let length_min = park.next_turn(turn).since_ms(turn) / 60_000;
        prop_assert!((22 * 60..=26 * 60).contains(&length_min), "{length_min} min");
        let began = park.calendar().turn_of(day);
        prop_assert!(began <= now);
        prop_assert_eq!(park.business_day(began), day);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_wall_clock_is_the_zone_s_own_at_any_time(
        zone in prop::sample::select(&ZONES[..]),
        // 1970 to 2200: clocks that were once changed, and those that still are.
        ms in 0_i64..7_258_118_400_000,
    ) {
        let moment = park(zone, "00:00").moment(UnixMs(ms));
        let shown = jiff::Timestamp::from_millisecond(ms).unwrap().in_tz(zone).unwrap();
        let (hour, minute, second) = (shown.hour(), shown.minute(), shown.second());
        let seconds = i32::from(hour) * 3_600 + i32::from(minute) * 60 + i32::from(second);
        prop_assert_eq!(i64::from(moment.second_of_day), i64::from(seconds));
        prop_assert_eq!(moment.day.to_string(), shown.date().to_string());
    }
}
