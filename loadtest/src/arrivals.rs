//! When visitors come: a Poisson process, seeded, so that a run can be played again.
//!
//! Open loop: the moments are fixed before the first visitor comes, and nothing that the server
//! does moves them. Pure; the plan calls it.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::clock::ns_of;

/// The most arrivals of one run: an hour at 5,000 a second.
pub const ARRIVALS_MAX: usize = 18_000_000;

/// The moments of arrivals at `rate` a second for `length`, in nanoseconds from the start, in
/// order, at most [`ARRIVALS_MAX`].
pub fn poisson(rate: f64, length: Duration, seed: u64) -> Vec<u64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut at_s = 0.0_f64;
    let mut moments = Vec::new();
    while moments.len() < ARRIVALS_MAX {
        let chance: f64 = rng.random();
        // The chance is below 1, so that the logarithm is finite.
        at_s += -(1.0 - chance).ln() / rate;
        if at_s.is_nan() || length.as_secs_f64() <= at_s {
            break;
        }
        moments.push(ns_of(Duration::from_secs_f64(at_s)));
    }
    moments
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_seed_brings_the_same_visitors_again() {
        assert_eq!(poisson(500.0, MINUTE, 7), poisson(500.0, MINUTE, 7));
        assert_ne!(poisson(500.0, MINUTE, 7), poisson(500.0, MINUTE, 8));
    }

    #[test]
    fn visitors_come_at_the_rate_in_order_and_within_the_time() {
        let moments = poisson(500.0, MINUTE, 1);
        // 30,000 expected, with a standard deviation of 173.
        assert!((29_000..31_000).contains(&moments.len()), "{}", moments.len());
        assert!(moments.is_sorted());
        assert!(moments.last().copied().unwrap() < ns_of(MINUTE));
    }

    #[test]
    fn gaps_are_those_of_a_poisson_process() {
        let moments = poisson(1000.0, MINUTE, 3);
        let long = moments.windows(2).filter(|pair| pair[1] - pair[0] > 1_000_000).count();
        // A gap longer than the mean has the chance 1/e.
        let share = 1000 * long / moments.len();
        assert!((355..=380).contains(&share), "{share}");
    }

    #[test]
    fn no_rate_brings_nobody() {
        assert!(poisson(0.0, MINUTE, 1).is_empty());
    }
}
