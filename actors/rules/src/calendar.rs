//! The site's calendar: which business day a moment belongs to, and when the next one begins.
//!
//! Owns the time zone and the day's turn. A business day begins at the first instant of its date
//! at which the wall clock shows `day_starts_at` or later: so it begins exactly once, also where
//! a daylight-saving change skips or repeats that hour. Called by the rules and by flow.

use jiff::{
    Timestamp,
    civil::{DateTime, Time},
    tz::{AmbiguousOffset, TimeZone},
};
use shanmen_protocols::time::UnixMs;

use crate::span::{Day, TimeOfDay};

const DAY_S: i64 = 86_400;

/// A wall clock this near the turn is looked at exactly: no zone is set back by more at once.
const SHIFT_MAX_S: i64 = 4 * 3_600;

/// A zone counts as steady from so long after its last change on: what is near a change is looked
/// at exactly.
const STEADY_AFTER_MS: i64 = 7 * DAY_S * 1_000;
/// A last change later than this (2200-01-01) is none: there is always another.
const NEVER_MS: i64 = 7_258_118_400_000;

/// A moment as the site sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The moment.
    pub at: UnixMs,
    /// Its business day.
    pub day: Day,
    /// The wall clock in seconds since 00:00, 0 to 86,399.
    pub second_of_day: u32,
}

/// The site's time zone and the turn of its business day.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    /// Since when the zone's clocks no longer change, if they do not: all is plain sums then, as
    /// in most of Asia.
    steady: Option<Steady>,
    day_starts_at: TimeOfDay,
}

/// From a moment on the wall clock is ahead of UTC by so much, for ever.
#[derive(Clone, Copy, Debug)]
struct Steady {
    since: UnixMs,
    offset_s: i64,
}

impl Steady {
    fn of(zone: &TimeZone) -> Option<Self> {
        let Some(last) = zone.preceding(Timestamp::MAX).next() else {
            let offset_s = zone.to_offset(Timestamp::UNIX_EPOCH).seconds().into();
            return Some(Self { since: UnixMs(i64::MIN), offset_s });
        };
        // A zone with summer time has its last change at the end of all time.
        let since = last.timestamp().as_millisecond() + STEADY_AFTER_MS;
        let offset_s = last.offset().seconds().into();
        (since < NEVER_MS).then_some(Self { since: UnixMs(since), offset_s })
    }
}

impl Calendar {
    /// A calendar of `zone`, whose business day begins at `day_starts_at`.
    pub fn new(zone: TimeZone, day_starts_at: TimeOfDay) -> Self {
        let steady = Steady::of(&zone);
        Self { zone, steady, day_starts_at }
    }

    /// What the site's calendar and clock show at `at`.
    pub fn moment(&self, at: UnixMs) -> Moment {
        let steady = self.steady.filter(|steady| steady.since <= at);
        let offset_s = steady.map_or_else(|| self.offset_s(at), |steady| steady.offset_s);
        let local_s = at.0.div_euclid(1_000) + offset_s;
        let (date, second) = (local_s.div_euclid(DAY_S), local_s.rem_euclid(DAY_S));
        let turn = i64::from(self.day_starts_at.seconds);
        let date = Day(i32::try_from(date).unwrap_or(i32::MAX));
        let plain = if second < turn { date.plus(-1) } else { date };
        // Ahead of the turn, a clock that was set back could show an hour of the day that has begun.
        let to_turn_s = (turn - second).rem_euclid(DAY_S);
        let near = to_turn_s <= SHIFT_MAX_S;
        let day = if near && steady.is_none() { self.exact_day(at, date) } else { plain };
        Moment { at, day, second_of_day: u32::try_from(second).unwrap_or_default() }
    }

    /// When `day` begins.
    pub fn turn_of(&self, day: Day) -> UnixMs {
        self.first_instant(day, self.day_starts_at.seconds)
    }

    /// The first instant on the calendar date of `date` at which the wall clock shows `second`
    /// of the day or later.
    pub(crate) fn first_instant(&self, date: Day, second: u32) -> UnixMs {
        let (date, second) =
            if i64::from(second) >= DAY_S { (date.plus(1), 0) } else { (date, second) };
        if let Some(steady) = self.steady {
            let at_s = i64::from(date.0) * DAY_S + i64::from(second) - steady.offset_s;
            if steady.since.0 <= at_s * 1_000 {
                return UnixMs(at_s * 1_000);
            }
        }
        let wall = DateTime::from_parts(date.date(), time_of(second));
        let ambiguous = self.zone.to_ambiguous_timestamp(wall);
        let instant = match ambiguous.offset() {
            AmbiguousOffset::Gap { before, .. } => {
                // The skipped hour: the clock jumps over it, so the jump itself is the instant.
                let after_jump = before.to_timestamp(wall).unwrap_or(Timestamp::MAX);
                let asked = after_jump.checked_sub(jiff::Span::new().hours(4));
                self.zone
                    .following(asked.unwrap_or(after_jump))
                    .next()
                    .map_or(after_jump, |jump| jump.timestamp().min(after_jump))
            }
            _ => ambiguous.compatible().unwrap_or(Timestamp::MAX),
        };
        UnixMs(instant.as_millisecond())
    }

    /// When a slot that is named by `minutes` of the local day begins on business day `day`.
    /// A slot before the day's turn lies on the next calendar date.
    pub fn slot_start(&self, day: Day, minutes: u16) -> UnixMs {
        let second = u32::from(minutes) * 60;
        let date = if second < self.day_starts_at.seconds { day.plus(1) } else { day };
        self.first_instant(date, second)
    }

    fn exact_day(&self, at: UnixMs, date: Day) -> Day {
        let tomorrow = date.plus(1);
        [tomorrow, date]
            .into_iter()
            .find(|&day| self.turn_of(day) <= at)
            .unwrap_or_else(|| date.plus(-1))
    }

    fn offset_s(&self, at: UnixMs) -> i64 {
        let at = Timestamp::from_millisecond(at.0).unwrap_or_default();
        i64::from(self.zone.to_offset(at).seconds())
    }
}

fn time_of(second: u32) -> Time {
    let part = |number: u32| i8::try_from(number).unwrap_or_default();
    Time::new(part(second / 3_600), part(second / 60 % 60), part(second % 60), 0)
        .unwrap_or(Time::midnight())
}
