//! The device's clock: the only file of this crate that reads one.
//!
//! Everyone else takes time as an argument. The monotonic side is tokio's, so that a test may
//! pause it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shanmen_protocols::time::{ClockState, TimeBlock, UnixMs};
use tokio::time::Instant;

/// A device's clock: a wall clock, and the time since its boot.
///
/// Cheap to clone. Each call of [`Clock::boot`] is a boot of its own.
#[derive(Clone, Debug)]
pub struct Clock {
    booted: Instant,
    boot: u64,
    state: ClockState,
}

impl Clock {
    /// A boot at this very moment, with the machine's wall clock trusted as `state` says.
    pub fn boot(state: ClockState) -> Self {
        // 32 bits: a JSON number that every reader holds exactly.
        Self { booted: Instant::now(), boot: u64::from(rand::random::<u32>()), state }
    }

    /// The monotonic moment, for deadlines and latencies.
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Milliseconds since boot.
    pub fn up_ms(&self) -> u64 {
        whole_ms(self.booted.elapsed())
    }

    /// The instant at `up_ms` milliseconds since boot.
    pub fn instant_at(&self, up_ms: u64) -> Instant {
        self.booted + Duration::from_millis(up_ms)
    }

    /// The time block of an uplink that is made now.
    pub fn time_block(&self) -> TimeBlock {
        TimeBlock {
            at: self.unix(),
            up_ms: Some(self.up_ms()),
            boot: Some(self.boot),
            clock: self.unix().map_or(ClockState::None, |_set| self.state),
        }
    }

    /// The wall clock; `None` when the device has none, or it was never set: machines without a
    /// battery begin in 1970.
    pub fn unix(&self) -> Option<UnixMs> {
        if self.state == ClockState::None {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "this is the clock file")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        believable(i64::try_from(since.as_millis()).ok().map(UnixMs)?)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::boot(ClockState::Synced)
    }
}

/// 2025-01-01T00:00:00Z: no device of ours has worked before.
const FIRST_BELIEVABLE: UnixMs = UnixMs(1_735_689_600_000);

/// A moment that a clock which was set can show.
fn believable(at: UnixMs) -> Option<UnixMs> {
    (FIRST_BELIEVABLE <= at).then_some(at)
}

/// Whole milliseconds of `duration`, saturating.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_shows_no_time() {
        assert_eq!(believable(UnixMs(0)), None);
        assert_eq!(believable(UnixMs(86_400_000)), None);
        assert_eq!(believable(FIRST_BELIEVABLE), Some(FIRST_BELIEVABLE));
        let none = Clock::boot(ClockState::None).time_block();
        assert_eq!((none.at, none.clock), (None, ClockState::None));
    }
}
