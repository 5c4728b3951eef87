//! The pause before a driver tries its hardware again: longer each time, within bounds.

use std::time::Duration;

/// The first pause.
const SHORTEST: Duration = Duration::from_millis(250);

/// No pause is longer: whoever plugs the cable in again waits no longer than this.
const LONGEST: Duration = Duration::from_secs(5);

/// How often it was tried in vain.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    tried: u32,
}

impl Backoff {
    /// How long to pause now: 250 ms, then twice as long each time, up to 5 s.
    pub fn next_pause(&mut self) -> Duration {
        let pause = SHORTEST.saturating_mul(1 << self.tried.min(8)).min(LONGEST);
        self.tried = self.tried.saturating_add(1);
        pause
    }

    /// It works: the next pause is the first one again.
    pub fn reset(&mut self) {
        self.tried = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_within_bounds_and_begins_anew() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..7).map(|_| backoff.next_pause().as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        backoff.reset();
        assert_eq!(backoff.next_pause(), SHORTEST);
    }
}
