//! Histograms of latencies, and what is read from them.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest latency that is told apart, in nanoseconds: ten minutes.
const LATENCY_MAX_NS: u64 = 600_000_000_000;

/// Latencies in nanoseconds, three digits exact.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1_000, LATENCY_MAX_NS, 3).expect("the bounds are right"))
    }
}

impl Latencies {
    /// Counts one, in nanoseconds.
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    /// Takes over all of another.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// How many.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The latency in microseconds at each of these percentiles, for a chart.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        const PERCENTILES: [f64; 16] = [
            0.0, 10.0, 25.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.9, 99.95,
            99.99, 100.0,
        ];
        PERCENTILES.map(|at| (at, micros(self.0.value_at_percentile(at)))).to_vec()
    }

    /// What is read from them.
    pub fn quantiles(&self) -> Quantiles {
        let at = |quantile| micros(self.0.value_at_quantile(quantile));
        Quantiles {
            count: self.0.len(),
            mean_us: self.0.mean() / 1000.0,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: micros(self.0.max()),
        }
    }
}

/// Quantiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many were measured.
    pub count: u64,
    /// Mean.
    pub mean_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 90th percentile.
    pub p90_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// Microseconds of `ns` nanoseconds.
pub fn micros(ns: u64) -> f64 {
    crate::clock::seconds_of(ns) * 1e6
}

/// One second of the run.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// From the intended moment to the server's answer.
    pub answered: Latencies,
    /// Answers that lanes gave by themselves, or none.
    pub alone: u64,
}

/// The four latencies of a round of visitors or of echoes.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// From the intended moment to the answer at the lamp: the figure that counts.
    pub intended: Latencies,
    /// From the device's sending to the answer.
    pub sent: Latencies,
    /// From the intended moment to the sending: pacer, queue before the lanes, device's task.
    pub late: Latencies,
    /// From the passage to its acknowledgement.
    pub acked: Latencies,
    /// How many were answered, those before the measuring began included.
    pub answered: u64,
    /// The first and last answer that was measured, in nanoseconds of the clock.
    pub span_ns: Option<(u64, u64)>,
}

impl Round {
    /// Counts one answer that came at `answered_ns`.
    pub fn answer(&mut self, intended_ns: u64, sent_ns: u64, answered_ns: u64) {
        self.intended.record(answered_ns.saturating_sub(intended_ns));
        self.sent.record(answered_ns.saturating_sub(sent_ns));
        self.late.record(sent_ns.saturating_sub(intended_ns));
        let (first, last) = self.span_ns.unwrap_or((answered_ns, answered_ns));
        self.span_ns = Some((first.min(answered_ns), last.max(answered_ns)));
    }

    /// Takes over all of another round.
    pub fn add(&mut self, other: &Self) {
        self.intended.add(&other.intended);
        self.sent.add(&other.sent);
        self.late.add(&other.late);
        self.acked.add(&other.acked);
        self.answered += other.answered;
    }
}

/// `a ÷ b`; 0 where `b` is 0.
pub fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_server_that_stalls_is_charged_for_those_who_waited_behind() {
        // One visitor a millisecond; the server stands still for 100 ms, then answers at once.
        // The device's own stop watch sees one slow answer, the visitors a hundred.
        let mut round = Round::default();
        for n in 0..1000_u64 {
            let intended = n * MS;
            let (sent, answered) = match n {
                500 => (intended, 600 * MS),
                501..600 => (600 * MS, 600 * MS + MS / 10),
                _ => (intended, intended + MS / 10),
            };
            round.answer(intended, sent, answered);
        }
        assert!(round.sent.quantiles().p99_us < 200.0);
        let waited = round.intended.quantiles().p99_us;
        assert!((88_000.0..92_000.0).contains(&waited), "{waited}");
    }

    #[test]
    fn rounds_add_up() {
        let mut one = Round::default();
        one.answer(0, 0, 1000);
        let mut both = one.clone();
        both.add(&one);
        assert_eq!(both.intended.len(), 2);
    }

    #[test]
    fn a_latency_beyond_the_range_is_the_longest() {
        let mut latencies = Latencies::default();
        latencies.record(u64::MAX);
        assert!(latencies.quantiles().max_us > 5e8);
    }
}
