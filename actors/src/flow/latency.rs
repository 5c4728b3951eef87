//! The latency of the last minute: sixty small histograms of a second, to two digits.

use hdrhistogram::Histogram;
use shanmen_protocols::feed::Latency;

const SECONDS: usize = 60;
/// Longer than this is counted as this, in microseconds.
const LONGEST_US: u64 = 10_000_000;

/// A sliding minute of latencies.
pub(crate) struct SlidingLatency {
    /// None where the histogram's limits were refused, which constants cannot be.
    seconds: Option<Vec<Histogram<u32>>>,
    newest: usize,
}

impl SlidingLatency {
    /// Nothing measured yet.
    pub(crate) fn new() -> Self {
        let one = || Histogram::new_with_bounds(1, LONGEST_US, 2).ok();
        Self { seconds: (0..SECONDS).map(|_| one()).collect(), newest: 0 }
    }

    /// Takes one, in microseconds.
    pub(crate) fn add(&mut self, micros: u32) {
        if let Some(newest) = self.seconds.as_mut().and_then(|all| all.get_mut(self.newest)) {
            newest.saturating_record(u64::from(micros));
        }
    }

    /// A second has passed: what the minute shows, and the oldest second is forgotten.
    pub(crate) fn second(&mut self) -> Latency {
        let Some(seconds) = &mut self.seconds else { return Latency::default() };
        let mut sum = seconds[self.newest].clone();
        for (n, one) in seconds.iter().enumerate() {
            if n != self.newest && !one.is_empty() && sum.add(one).is_err() {
                tracing::debug!("histograms of one make always add up");
            }
        }
        self.newest = (self.newest + 1) % SECONDS;
        seconds[self.newest].reset();
        let micros = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        if sum.is_empty() {
            return Latency::default();
        }
        Latency {
            p50_us: micros(sum.value_at_quantile(0.5)),
            p99_us: micros(sum.value_at_quantile(0.99)),
            count: micros(sum.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_shows_its_percentiles_and_forgets() {
        let mut latency = SlidingLatency::new();
        for micros in [100, 100, 100, 900] {
            latency.add(micros);
        }
        let shown = latency.second();
        assert_eq!((shown.count, shown.p50_us), (4, 100));
        assert!((890..=910).contains(&shown.p99_us), "{shown:?}");
        for _ in 0..58 {
            assert_eq!(latency.second().count, 4);
        }
        latency.second();
        assert_eq!(latency.second(), Latency::default());
    }
}
