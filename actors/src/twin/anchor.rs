//! A device's time in ours: anchored at its hello by the monotonic clock of its boot, so that a
//! wall clock at 1970 does no harm. What cannot be anchored is flagged, not guessed.

use shanmen_protocols::time::{ClockState, TimeBlock, UnixMs};

/// How far a synchronised clock may be off before it no longer counts, in milliseconds.
pub(super) const SKEW_MAX_MS: i64 = 5_000;
/// How old a fact may be, in milliseconds: ninety days.
const AGE_MAX_MS: i64 = 90 * 24 * 3_600_000;

/// When something happened, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// When.
    pub(crate) at: UnixMs,
    /// Whether it was rebuilt; if not, it is the moment of arrival.
    pub(crate) known: bool,
}

/// What ties a device's monotonic clock to ours.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Anchor {
    boot: Option<(u64, u64, UnixMs)>,
}

impl Anchor {
    /// Takes the anchor of a hello; gives how far the device's wall clock is ahead of ours, in
    /// milliseconds.
    pub(crate) fn set(&mut self, time: &TimeBlock, now: UnixMs) -> Option<i64> {
        if let (Some(boot), Some(up_ms)) = (time.boot, time.up_ms) {
            self.boot = Some((boot, up_ms, now));
        }
        time.at.map(|at| at.since_ms(now))
    }

    /// When a fact happened that arrives now.
    pub(crate) fn moment(&self, time: &TimeBlock, now: UnixMs) -> Moment {
        let unknown = Moment { at: now, known: false };
        match (self.boot, time.boot, time.up_ms) {
            (Some((boot, anchored_up_ms, anchored_at)), Some(its_boot), Some(up_ms))
                if boot == its_boot =>
            {
                let since = i64::try_from(i128::from(up_ms) - i128::from(anchored_up_ms));
                since.map_or(unknown, |ms| plausible(anchored_at.plus_ms(ms), now))
            }
            _ => match time.at {
                // A fact of an earlier boot: only a synchronised clock can place it.
                Some(at) if time.clock == ClockState::Synced => plausible(at, now),
                _ => unknown,
            },
        }
    }
}

/// A moment in the future is the present, within the skew that is allowed; otherwise unknown.
fn plausible(at: UnixMs, now: UnixMs) -> Moment {
    let ahead = at.since_ms(now);
    if (-AGE_MAX_MS..=SKEW_MAX_MS).contains(&ahead) {
        Moment { at: at.min(now), known: true }
    } else {
        Moment { at: now, known: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_760_000_000_000);

    fn time(at: i64, up_ms: u64, boot: u64, clock: ClockState) -> TimeBlock {
        TimeBlock { at: Some(UnixMs(at)), up_ms: Some(up_ms), boot: Some(boot), clock }
    }

    #[test]
    fn a_clock_at_1970_is_rebuilt_from_the_boot_s_monotonic_clock() {
        let mut anchor = Anchor::default();
        let skew = anchor.set(&time(0, 10_000, 7, ClockState::Free), NOW);
        assert_eq!(skew, Some(-NOW.0));
        let later = NOW.plus_ms(60_000);
        let moment = anchor.moment(&time(5, 40_000, 7, ClockState::Free), later);
        assert_eq!(moment, Moment { at: NOW.plus_ms(30_000), known: true });
    }

    #[test]
    fn a_fact_of_an_earlier_boot_needs_a_synchronised_clock() {
        let mut anchor = Anchor::default();
        anchor.set(&time(NOW.0, 10, 8, ClockState::Synced), NOW);
        let before = NOW.plus_ms(-3_600_000);
        let synced = anchor.moment(&time(before.0, 99, 7, ClockState::Synced), NOW);
        assert_eq!(synced, Moment { at: before, known: true });
        let free = anchor.moment(&time(before.0, 99, 7, ClockState::Free), NOW);
        assert_eq!(free, Moment { at: NOW, known: false });
    }

    #[test]
    fn the_future_is_never_believed() {
        let anchor = Anchor::default();
        let ahead = anchor.moment(&time(NOW.0 + 60_000, 0, 1, ClockState::Synced), NOW);
        assert_eq!(ahead, Moment { at: NOW, known: false });
        let a_little = anchor.moment(&time(NOW.0 + 500, 0, 1, ClockState::Synced), NOW);
        assert_eq!(a_little, Moment { at: NOW, known: true });
    }
}
