//! Moments and days in few bytes, for a state of which ten million are held in memory.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shanmen_protocols::time::UnixMs;

use crate::span::{DAY_MAX, Day};

/// A moment in six bytes, or none. Holds 1970 to the year 10889; what lies outside is clamped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp([u16; 3]);

impl Stamp {
    pub(crate) const NONE: Self = Self([0; 3]);

    pub(crate) fn of(at: UnixMs) -> Self {
        // One is added, so that zero means none.
        Self::from_bits(u64::try_from(at.0).unwrap_or(0).saturating_add(1))
    }

    pub(crate) fn get(self) -> Option<UnixMs> {
        let bits = self.bits().checked_sub(1)?;
        Some(UnixMs(i64::try_from(bits).unwrap_or(i64::MAX)))
    }

    fn bits(self) -> u64 {
        self.0.iter().rev().fold(0, |bits, &word| (bits << 16) | u64::from(word))
    }

    fn from_bits(bits: u64) -> Self {
        let bits = bits.min((1 << 48) - 1);
        let word = |shift: u32| u16::try_from((bits >> shift) & 0xFFFF).unwrap_or(u16::MAX);
        Self([word(0), word(16), word(32)])
    }

    pub(crate) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The later of both; none is earlier than all.
    pub(crate) fn later(self, other: Self) -> Self {
        if self.bits() < other.bits() { other } else { self }
    }

    /// The earlier of both that is one.
    pub(crate) fn earlier(self, other: Self) -> Self {
        if other.is_none() || (!self.is_none() && self.bits() <= other.bits()) {
            self
        } else {
            other
        }
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.bits())
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u64::deserialize(from).map(Self::from_bits)
    }
}

/// A day in two bytes: 1970-01-01 to 2149-05-30.
pub(crate) fn short_day(day: Day) -> u16 {
    u16::try_from(day.0.clamp(0, DAY_MAX)).unwrap_or(0)
}

pub(crate) fn long_day(day: u16) -> Day {
    Day(i32::from(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_kept_to_the_millisecond_and_clamped_at_the_ends() {
        for ms in [0, 1, 65_534, 65_535, 65_536, 1_790_805_600_123, (1 << 48) - 2] {
            assert_eq!(Stamp::of(UnixMs(ms)).get(), Some(UnixMs(ms)));
        }
        assert_eq!(Stamp::of(UnixMs(-1)).get(), Some(UnixMs(0)));
        assert_eq!(Stamp::of(UnixMs(i64::MAX)).get(), Some(UnixMs((1 << 48) - 2)));
        assert_eq!(Stamp::NONE.get(), None);
    }

    #[test]
    fn none_is_neither_the_earlier_nor_the_later() {
        let (one, two) = (Stamp::of(UnixMs(1)), Stamp::of(UnixMs(2)));
        assert_eq!((one.later(two), two.later(one)), (two, two));
        assert_eq!((one.earlier(two), two.earlier(one)), (one, one));
        for (stamp, other) in [(one, Stamp::NONE), (Stamp::NONE, one)] {
            assert_eq!((stamp.later(other), stamp.earlier(other)), (one, one));
        }
    }
}
