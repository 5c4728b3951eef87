//! Which rate is tried next, from what was held and what was not. Pure; the search calls it.

/// How much the rate grows from one round to the next.
const GROWTH: f64 = 2.0;

/// Held and not held so near to each other end the search.
const NEAR: f64 = 1.1;

/// Rounds, at most.
pub(super) const ROUNDS_MAX: u32 = 8;

/// The lowest rate that is tried, a second.
const RATE_MIN: f64 = 10.0;

/// The highest rate that is tried, a second.
const RATE_MAX: f64 = 60_000.0;

/// A search for the highest rate that is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hunt {
    rate: f64,
    held: f64,
    failed: f64,
    rounds: u32,
    /// The present rate was not held once.
    again: bool,
}

impl Hunt {
    /// Begins at this rate.
    pub(super) fn from(rate: f64) -> Self {
        let rate = rate.clamp(RATE_MIN, RATE_MAX);
        Self { rate, held: 0.0, failed: f64::INFINITY, rounds: 0, again: false }
    }

    /// The rate of the next round; none when the search is over.
    pub(super) fn next(&self) -> Option<f64> {
        let near = self.held > 0.0 && self.failed <= self.held * NEAR;
        let over = ROUNDS_MAX <= self.rounds || near;
        (!over && (RATE_MIN..=RATE_MAX).contains(&self.rate)).then_some(self.rate)
    }

    /// What came of the round.
    pub(super) fn told(&mut self, held: bool) {
        self.rounds += 1;
        // A single stall of the machine is not the server's limit.
        self.again = !held && !self.again;
        if self.again {
            return;
        }
        if held {
            self.held = self.rate;
        } else {
            self.failed = self.rate;
        }
        self.rate = match () {
            () if self.failed.is_infinite() => self.rate * GROWTH,
            () if self.held > 0.0 => (self.held * self.failed).sqrt(),
            () => self.rate / GROWTH,
        };
    }

    /// The highest rate that was held; 0 for none.
    pub(super) fn held(&self) -> f64 {
        self.held
    }

    /// The lowest rate that was not.
    pub(super) fn failed(&self) -> Option<f64> {
        self.failed.is_finite().then_some(self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(from: f64, held: impl Fn(u32, f64) -> bool) -> (Hunt, u32) {
        let (mut hunt, mut rounds) = (Hunt::from(from), 0);
        while let Some(rate) = hunt.next() {
            hunt.told(held(rounds, rate));
            rounds += 1;
        }
        (hunt, rounds)
    }

    #[test]
    fn the_limit_is_found_within_a_third_in_few_rounds() {
        for limit in [120.0, 600.0, 3_100.0, 9_000.0] {
            let (hunt, rounds) = search(500.0, |_, rate| rate <= limit);
            assert!(rounds <= ROUNDS_MAX, "{rounds}");
            assert!(hunt.held() <= limit && limit < hunt.held() * 1.5, "{limit}: {hunt:?}");
            assert!(hunt.failed().is_some_and(|failed| limit < failed));
        }
    }

    #[test]
    fn a_single_stall_of_the_machine_is_not_the_limit() {
        let (hunt, _) = search(500.0, |round, rate| round != 1 && rate <= 3_000.0);
        assert!(hunt.held() > 1_900.0, "{hunt:?}");
    }

    #[test]
    fn what_never_holds_ends_too() {
        let (hunt, rounds) = search(500.0, |_, _| false);
        assert!(hunt.held().abs() < f64::EPSILON && rounds <= ROUNDS_MAX);
    }

    #[test]
    fn what_always_holds_has_no_bound_above() {
        assert_eq!(search(500.0, |_, _| true).0.failed(), None);
    }
}
