//! Durations, times of day and dates as people write them: `1h30m`, `07:30`, `2026-10-01`.
//!
//! Owns the three small types and their text form; refuses what is ambiguous. Used by
//! [`crate::definition`] only: past it there are milliseconds, seconds of the day and days.

use std::{fmt, str::FromStr};

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The longest duration that a definition may name: ten years.
const SPAN_MAX_MS: i64 = 3_653 * DAY_MS;

/// The last date that a ticket's compact state can hold (2149-05-30).
pub(crate) const DAY_MAX: i32 = 65_528;

/// Why a text is not a duration, time or date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// Not a duration.
    #[error("a duration is written like \"1h30m\", \"15m\", \"0m\" or \"2d\", not {0:?}")]
    Span(String),
    /// Not a time of day.
    #[error("a time of day is written like \"07:30\" (to \"24:00\"), not {0:?}")]
    TimeOfDay(String),
    /// Not a date.
    #[error("a date is written like \"2026-10-01\", from 1970 to 2149, not {0:?}")]
    Day(String),
    /// Not a range of dates.
    #[error("a range of dates is written like \"2026-10-01/2026-10-07\", first to last, not {0:?}")]
    Days(String),
}

/// An exact duration in milliseconds, 0 to ten years. Text: `1h30m`; units d, h, m, s, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Milliseconds.
    pub ms: i64,
}

impl FromStr for Span {
    type Err = TextFault;

    fn from_str(text: &str) -> Result<Self, TextFault> {
        let fault = || TextFault::Span(text.to_owned());
        let mut rest = text;
        let mut ms: i64 = 0;
        let mut last_unit = i64::MAX;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: i64 = rest[..digits].parse().map_err(|_| fault())?;
            rest = &rest[digits..];
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = match &rest[..letters] {
                "d" => DAY_MS,
                "h" => HOUR_MS,
                "m" => MINUTE_MS,
                "s" => SECOND_MS,
                "ms" => 1,
                _ => return Err(fault()),
            };
            // "30m1h" and "1h1h" are slips of the pen.
            if unit >= last_unit {
                return Err(fault());
            }
            last_unit = unit;
            rest = &rest[letters..];
            ms =
                number.checked_mul(unit).and_then(|part| ms.checked_add(part)).ok_or_else(fault)?;
        }
        if last_unit == i64::MAX || ms > SPAN_MAX_MS {
            return Err(fault());
        }
        Ok(Self { ms })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ms == 0 {
            return f.write_str("0m");
        }
        let mut rest = self.ms;
        for (unit, name) in [(HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s"), (1, "ms")] {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

/// A local time of day in whole seconds since 00:00, 0 to 86,400 (`24:00`, an end only).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    /// Seconds since 00:00 of the local day.
    pub seconds: u32,
}

impl TimeOfDay {
    /// Midnight, the day's beginning.
    pub const MIDNIGHT: Self = Self { seconds: 0 };
    /// The day's end.
    pub const END_OF_DAY: Self = Self { seconds: 86_400 };

    /// The minute of the day; a ticket's slot is named by it.
    pub fn minutes(self) -> u16 {
        u16::try_from(self.seconds / 60).unwrap_or(1_440)
    }
}

impl FromStr for TimeOfDay {
    type Err = TextFault;

    fn from_str(text: &str) -> Result<Self, TextFault> {
        let fault = || TextFault::TimeOfDay(text.to_owned());
        let mut numbers = [0_u32; 3];
        let mut count = 0;
        for part in text.split(':') {
            if count == 3 || part.len() != 2 || !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(fault());
            }
            numbers[count] = part.parse().map_err(|_| fault())?;
            count += 1;
        }
        let [hour, minute, second] = numbers;
        let seconds = hour * 3_600 + minute * 60 + second;
        if count < 2 || minute > 59 || second > 59 || seconds > Self::END_OF_DAY.seconds {
            return Err(fault());
        }
        Ok(Self { seconds })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) =
            (self.seconds / 3_600, self.seconds / 60 % 60, self.seconds % 60);
        write!(f, "{hour:02}:{minute:02}")?;
        if second == 0 { Ok(()) } else { write!(f, ":{second:02}") }
    }
}

/// A date of the site: days since 1970-01-01. As "today" it is the **business** day, which turns
/// at the site's `day_starts_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The day `days` later (earlier when negative).
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// The weekday, 1 = Monday to 7 = Sunday (ISO 8601).
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        u8::try_from((self.0.saturating_add(3)).rem_euclid(7) + 1).unwrap_or(1)
    }

    /// The civil date; the calendar's last one when the day lies beyond it.
    pub(crate) fn date(self) -> Date {
        epoch()
            .checked_add(jiff::Span::new().days(self.0.clamp(-700_000, 2_900_000)))
            .unwrap_or(Date::MAX)
    }

    /// The day of a civil date.
    pub(crate) fn of(date: Date) -> Self {
        let span = date.since((jiff::Unit::Day, epoch())).map_or(0, |span| span.get_days());
        Self(span)
    }
}

fn epoch() -> Date {
    Date::constant(1970, 1, 1)
}

impl FromStr for Day {
    type Err = TextFault;

    fn from_str(text: &str) -> Result<Self, TextFault> {
        let fault = || TextFault::Day(text.to_owned());
        if text.len() != "2026-10-01".len() {
            return Err(fault());
        }
        let day = Self::of(text.parse::<Date>().map_err(|_| fault())?);
        if (0..=DAY_MAX).contains(&day.0) { Ok(day) } else { Err(fault()) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(f)
    }
}

/// A range of dates, both ends in. Text: `2026-10-01/2026-10-07`, or one date alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub until: Day,
}

impl Days {
    /// Whether `day` lies in the range.
    pub fn contains(self, day: Day) -> bool {
        self.from <= day && day <= self.until
    }
}

impl FromStr for Days {
    type Err = TextFault;

    fn from_str(text: &str) -> Result<Self, TextFault> {
        let (from, until) = text.split_once('/').unwrap_or((text, text));
        let days = Self { from: from.trim().parse()?, until: until.trim().parse()? };
        if days.from <= days.until { Ok(days) } else { Err(TextFault::Days(text.to_owned())) }
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.until {
            return self.from.fmt(f);
        }
        write!(f, "{}/{}", self.from, self.until)
    }
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    )*};
}
as_text!(Span TimeOfDay Day Days);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_and_written_alike() {
        for (text, ms) in [("1h30m", 5_400_000), ("15m", 900_000), ("0m", 0), ("90s", 90_000)] {
            assert_eq!(text.parse::<Span>().unwrap().ms, ms);
        }
        for text in ["1h30m", "250ms", "1s1ms", "0m"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("2d".parse::<Span>().unwrap().to_string(), "48h");
        // Ten years and no more.
        assert_eq!("3653d".parse::<Span>().unwrap().ms, SPAN_MAX_MS);
        assert!("3653d1ms".parse::<Span>().is_err());
        for text in ["", "1", "m", "30m1h", "1h1h", "-1h", "1.5h", "1 h", "99999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_of_day_ends_at_24() {
        assert_eq!("07:30".parse::<TimeOfDay>().unwrap().minutes(), 450);
        assert_eq!("24:00".parse::<TimeOfDay>().unwrap(), TimeOfDay::END_OF_DAY);
        let last = "23:59:59".parse::<TimeOfDay>().unwrap();
        assert_eq!((last.seconds, last.minutes()), (86_399, 1_439));
        assert_eq!(last.to_string(), "23:59:59");
        assert_eq!("07:30:00".parse::<TimeOfDay>().unwrap().to_string(), "07:30");
        for text in ["24:01", "7:30", "07:60", "07", "07:30:61", "aa:bb", "07:30:00:00"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }

    #[test]
    fn dates_know_leap_days_and_weekdays() {
        assert_eq!("2028-02-29".parse::<Day>().unwrap().weekday(), 2);
        assert_eq!("1970-01-01".parse::<Day>().unwrap(), Day(0));
        assert_eq!("2026-10-01".parse::<Day>().unwrap().to_string(), "2026-10-01");
        for text in ["2026-02-29", "2026-13-01", "1969-12-31", "2150-01-01", "2026-1-1"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        assert!("2026-10-07/2026-10-01".parse::<Days>().is_err());
    }
}
