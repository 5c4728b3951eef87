//! When visitors come: a Poisson process whose rate follows a curve, seeded, so that a run can be
//! played again.
//!
//! Open loop: the moments are fixed before the first visitor comes, and nothing that the server
//! does moves them. Pure; the plan calls it.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    clock::{count_of, ns_of},
    scenario::{Arrivals, Phase},
};

/// The most arrivals of one run: an hour at 5,000 a second.
pub const ARRIVALS_MAX: usize = 18_000_000;

/// The moments of arrivals at `rate` a second for `length`, in nanoseconds from the start, in
/// order, at most [`ARRIVALS_MAX`].
pub fn poisson(rate: f64, length: Duration, seed: u64) -> Vec<u64> {
    let phases = [Phase::steady(length.as_secs_f64(), rate)];
    moments(&phases, seed).into_iter().map(|(at_ns, _)| at_ns).collect()
}

/// The moments of all arrivals of `phases`, one after the other, with the number of the phase.
///
/// Unit distances (exponential, or even) are laid along the integral of the rate, which is exact
/// for straight lines between the points of a curve.
pub fn moments(phases: &[Phase], seed: u64) -> Vec<(u64, usize)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut moments = Vec::new();
    let mut begin_s = 0.0;
    for (number, phase) in phases.iter().enumerate() {
        let at = |at_s: f64| ns_of(Duration::try_from_secs_f64(at_s).unwrap_or_default());
        moments.extend((0..phase.burst).map(|_| (at(begin_s), number)));
        let points = phase.points();
        let step_s = phase.seconds / count_of(points.len() - 1);
        let mut distance = || match phase.arrivals {
            // The chance is below 1, so that the logarithm is finite.
            Arrivals::Poisson => -(1.0 - rng.random::<f64>()).ln(),
            Arrivals::Even => 1.0,
        };
        let mut left = distance();
        let mut line_s = begin_s;
        for pair in points.windows(2) {
            let (rate, slope) = (pair[0], (pair[1] - pair[0]) / step_s);
            let mut gone_s = 0.0;
            while let Some(after_s) = reach(rate + slope * gone_s, slope, left)
                .filter(|after_s| gone_s + after_s < step_s)
            {
                gone_s += after_s;
                if ARRIVALS_MAX <= moments.len() {
                    return moments;
                }
                moments.push((at(line_s + gone_s), number));
                left = distance();
            }
            let rest_s = step_s - gone_s;
            left -= (rate + slope * gone_s + slope * rest_s / 2.0) * rest_s;
            line_s += step_s;
        }
        begin_s += phase.seconds;
    }
    moments
}

/// After how long the integral of a rate that begins at `rate` and grows by `slope` a second
/// reaches `area`; none where it never does.
fn reach(rate: f64, slope: f64, area: f64) -> Option<f64> {
    let root = rate * rate + 2.0 * slope * area;
    // This form of the solution holds for a slope of 0, too.
    (root >= 0.0 && rate + root.sqrt() > 0.0).then(|| 2.0 * area / (rate + root.sqrt()))
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

    #[test]
    fn a_ramp_brings_the_area_under_it_and_more_at_its_end() {
        let ramp = Phase { to: Some(1_000.0), ..Phase::steady(60.0, 0.0) };
        let all = moments(&[ramp], 9);
        assert!((29_000..31_000).contains(&all.len()), "{}", all.len());
        let early = all.iter().filter(|(at_ns, _)| *at_ns < ns_of(MINUTE) / 2).count();
        assert!((6_900..8_100).contains(&early), "{early}");
    }

    #[test]
    fn even_arrivals_are_even_and_a_burst_comes_first() {
        let even = Phase { arrivals: Arrivals::Even, burst: 5, ..Phase::steady(10.0, 10.0) };
        let all = moments(&[even], 1);
        assert!((103..=105).contains(&all.len()), "{}", all.len());
        assert!(all[..5].iter().all(|(at_ns, _)| *at_ns == 0));
        assert_eq!(all[6].0 - all[5].0, 100_000_000);
    }

    #[test]
    fn a_day_without_visitors_at_night_has_none_then() {
        let day = Phase { curve: vec![0.0, 0.0, 100.0, 0.0, 0.0], ..Phase::steady(40.0, 0.0) };
        let all = moments(&[day], 4);
        let night = |at_ns: u64| !(10_000_000_000..=30_000_000_000).contains(&at_ns);
        assert!(all.len() > 800 && !all.iter().any(|(at_ns, _)| night(*at_ns)));
    }
}
