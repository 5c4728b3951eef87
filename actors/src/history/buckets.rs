//! Hours and days of the site's clock, as minutes since 1970: how a time span is cut to pieces.
//!
//! A piece begins where the site's clock shows a multiple of its length, and where the business day
//! turns: so hours add up to days, also in zones of half hours and where summer time begins.

use shanmen_protocols::time::UnixMs;
use shanmen_rules::{Calendar, Day};

const MINUTE_MS: i64 = 60_000;
const DAY_MIN: i64 = 24 * 60;

/// The most pieces of one span.
pub(crate) const BUCKETS_MAX: usize = 10_000;

/// What is asked for is too long for one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    /// The span has too many pieces.
    #[error(
        "{minutes} minutes by {step} are more than {BUCKETS_MAX} buckets: ask for a shorter span, or \
         for wider buckets"
    )]
    Buckets { minutes: i64, step: i64 },
    /// Pieces times keys are too many.
    #[error(
        "{buckets} buckets times {keys} keys (by {by}) are {counts} counts; one answer holds {} at \
         most: ask for a shorter span, for wider buckets, or by what there is less of",
        super::series::COUNTS_MAX
    )]
    Counts { buckets: usize, keys: usize, counts: usize, by: &'static str },
}

/// The minute of a moment.
pub(crate) fn minute_of(at: UnixMs) -> i64 {
    at.0.div_euclid(MINUTE_MS)
}

/// When a minute begins.
pub(crate) fn moment_of(minute: i64) -> UnixMs {
    UnixMs(minute.saturating_mul(MINUTE_MS))
}

/// The minute in which a business day begins.
pub(crate) fn turn_minute(calendar: &Calendar, day: Day) -> i64 {
    minute_of(calendar.turn_of(day))
}

/// The business day of a minute.
pub(crate) fn day_of(calendar: &Calendar, minute: i64) -> Day {
    calendar.moment(moment_of(minute)).day
}

/// The clock hour of a minute, cut where the business day turns: its first minute, and the first
/// one behind it.
pub(crate) fn hour_of(calendar: &Calendar, minute: i64) -> (i64, i64) {
    let start = floor(calendar, minute, 60);
    (start, next(calendar, start, 60))
}

/// The pieces of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// The first minute of each.
    pub(crate) starts: Vec<i64>,
    /// The first minute behind the last one.
    pub(crate) end: i64,
}

impl Buckets {
    /// Cuts a span into pieces of `step` minutes: 1 to 60, or a business day (1,440). The first one
    /// begins at `from` or before it.
    pub(crate) fn cut(
        calendar: &Calendar,
        from: UnixMs,
        until: UnixMs,
        step: i64,
    ) -> Result<Self, TooMany> {
        let until = minute_of(until.plus_ms(MINUTE_MS - 1));
        let mut start = floor(calendar, minute_of(from), step);
        let mut starts = Vec::new();
        while start < until {
            if BUCKETS_MAX <= starts.len() {
                return Err(TooMany::Buckets { minutes: until - minute_of(from), step });
            }
            starts.push(start);
            start = next(calendar, start, step);
        }
        Ok(Self { starts, end: start })
    }

    /// Which piece a minute lies in.
    pub(crate) fn place(&self, minute: i64) -> Option<usize> {
        if self.end <= minute {
            return None;
        }
        self.starts.partition_point(|start| *start <= minute).checked_sub(1)
    }

    /// The first minute of all.
    pub(crate) fn begin(&self) -> i64 {
        self.starts.first().copied().unwrap_or(self.end)
    }
}

fn floor(calendar: &Calendar, minute: i64, step: i64) -> i64 {
    let moment = calendar.moment(moment_of(minute));
    let turn = turn_minute(calendar, moment.day);
    if DAY_MIN <= step {
        return turn;
    }
    let of_day = i64::from(moment.second_of_day / 60);
    (minute - of_day % step).max(turn.min(minute))
}

fn next(calendar: &Calendar, start: i64, step: i64) -> i64 {
    let day = day_of(calendar, start);
    let turn = turn_minute(calendar, day.plus(1));
    if DAY_MIN <= step {
        return turn.max(start + 1);
    }
    let (earliest, latest) = (start + 1, start + step);
    let begun = floor(calendar, latest, step);
    let next = if earliest <= begun { begun } else { latest };
    if start < turn { next.min(turn) } else { next }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn calendar(zone: &str, turn: &str) -> Calendar {
        Calendar::new(TimeZone::get(zone).unwrap(), turn.parse().unwrap())
    }

    fn at(zone: &str, text: &str) -> UnixMs {
        let wall: jiff::civil::DateTime = text.parse().unwrap();
        let zoned = wall.to_zoned(TimeZone::get(zone).unwrap()).unwrap();
        UnixMs(zoned.timestamp().as_millisecond())
    }

    fn count(zone: &str, turn: &str, from: &str, until: &str, step: i64) -> usize {
        let calendar = calendar(zone, turn);
        Buckets::cut(&calendar, at(zone, from), at(zone, until), step).unwrap().starts.len()
    }

    #[test]
    fn a_day_of_summer_times_begin_has_23_hours_and_one_of_its_end_25() {
        for (from, until, hours) in [
            ("2026-03-29T00:00", "2026-03-30T00:00", 23),
            ("2026-10-25T00:00", "2026-10-26T00:00", 25),
            ("2026-10-26T00:00", "2026-10-27T00:00", 24),
        ] {
            assert_eq!(count("Europe/Berlin", "00:00", from, until, 60), hours, "{from}");
            assert_eq!(count("Europe/Berlin", "00:00", from, until, 1_440), 1, "{from}");
        }
    }

    #[test]
    fn an_hour_is_one_of_the_sites_clock() {
        for zone in ["Asia/Kolkata", "Asia/Kathmandu", "Asia/Shanghai"] {
            let (start, end) =
                hour_of(&calendar(zone, "00:00"), minute_of(at(zone, "2026-11-22T09:59")));
            assert_eq!(moment_of(start), at(zone, "2026-11-22T09:00"), "{zone}");
            assert_eq!(moment_of(end), at(zone, "2026-11-22T10:00"), "{zone}");
        }
    }

    #[test]
    fn an_hour_ends_where_the_business_day_turns() {
        let zone = "Asia/Shanghai";
        let calendar = calendar(zone, "04:30");
        let of = |text| hour_of(&calendar, minute_of(at(zone, text)));
        assert_eq!(of("2026-11-22T04:10").1, minute_of(at(zone, "2026-11-22T04:30")));
        assert_eq!(of("2026-11-22T04:40").0, minute_of(at(zone, "2026-11-22T04:30")));
        assert_eq!(of("2026-11-22T04:40").1, minute_of(at(zone, "2026-11-22T05:00")));
        assert_eq!(count(zone, "04:30", "2026-11-22T04:30", "2026-11-23T04:30", 60), 25);
    }

    #[test]
    fn too_many_pieces_are_refused() {
        let calendar = calendar("Asia/Shanghai", "00:00");
        let week = UnixMs(7 * DAY_MIN * MINUTE_MS);
        let refused = Buckets::cut(&calendar, UnixMs(0), week, 1).unwrap_err().to_string();
        assert!(refused.starts_with("10080 minutes by 1 are more than 10000 buckets"), "{refused}");
        assert!(Buckets::cut(&calendar, UnixMs(0), week, 5).is_ok());
    }

    proptest! {
        #[test]
        fn every_minute_lies_in_one_piece_and_pieces_of_hours_in_days(
            zone in prop::sample::select(vec![
                "Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu",
                "Australia/Lord_Howe", "America/New_York",
            ]),
            turn in prop::sample::select(vec!["00:00", "04:30", "05:00"]),
            day in 19_000_i64..22_000,
            step in prop::sample::select(vec![1_i64, 5, 15, 60, 1_440]),
            offset in 0_i64..2_880,
        ) {
            let calendar = calendar(zone, turn);
            let from = moment_of(day * DAY_MIN + offset);
            let buckets = Buckets::cut(&calendar, from, from.plus_ms(2 * DAY_MIN * MINUTE_MS), step)
                .unwrap();
            prop_assert!(buckets.starts.is_sorted_by(|a, b| a < b));
            prop_assert!(buckets.begin() <= minute_of(from));
            for minute in [buckets.begin(), minute_of(from), buckets.end - 1] {
                let place = buckets.place(minute).unwrap();
                prop_assert!(buckets.starts[place] <= minute);
                let (start, end) = hour_of(&calendar, minute);
                prop_assert!(start <= minute && minute < end, "{start} {minute} {end}");
                prop_assert_eq!(day_of(&calendar, start), day_of(&calendar, end - 1));
            }
            prop_assert_eq!(buckets.place(buckets.end), None);
            prop_assert_eq!(buckets.place(buckets.begin() - 1), None);
        }
    }
}
