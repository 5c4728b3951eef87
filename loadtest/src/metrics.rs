//! What the server says of itself: `/metrics`, before and after, and the difference.

use std::collections::BTreeMap;

use serde::Serialize;

/// A histogram of the server, over a span of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    /// How many.
    pub count: f64,
    /// Their mean, in the metric's own unit.
    pub mean: f64,
    /// At most this, for half of them: the bound of a bucket, interpolated within it.
    pub p50: f64,
    /// At most this, for 99 % of them.
    pub p99: f64,
}

/// One reading of `/metrics`: every series with its value.
#[derive(Clone, Debug, Default)]
pub struct Reading(BTreeMap<String, f64>);

impl Reading {
    /// Reads Prometheus text; lines that are none of ours are left out.
    pub fn parse(text: &str) -> Self {
        let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(series.collect())
    }

    /// The histogram `name` between `before` and this, over all of its labels.
    pub fn histogram(&self, before: &Self, name: &str) -> Measured {
        let grown = |prefix: &str| -> f64 {
            let of = |reading: &Self| {
                let starts = |series: &&String| {
                    *series == prefix
                        || series.strip_prefix(prefix).is_some_and(|r| r.starts_with('{'))
                };
                reading.0.iter().filter(|(series, _)| starts(series)).map(|(_, v)| v).sum::<f64>()
            };
            of(self) - of(before)
        };
        let count = grown(&format!("{name}_count"));
        let sum = grown(&format!("{name}_sum"));
        let mut buckets: BTreeMap<Bound, f64> = BTreeMap::new();
        let prefix = format!("{name}_bucket{{");
        for (series, value) in self.0.iter().filter(|(series, _)| series.starts_with(&prefix)) {
            let Some(bound) = bound_of(series) else { continue };
            let was = before.0.get(series).copied().unwrap_or(0.0);
            *buckets.entry(bound).or_default() += value - was;
        }
        let at = |quantile: f64| interpolated(&buckets, count * quantile);
        Measured { count, mean: crate::figures::ratio(sum, count), p50: at(0.5), p99: at(0.99) }
    }

    /// The gauge `name`, over all of its labels.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        let of = |series: &&String| {
            series.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        };
        let mut values = self.0.iter().filter(|(series, _)| of(series)).map(|(_, value)| *value);
        let first = values.next()?;
        Some(first + values.sum::<f64>())
    }

    /// Counters that tell of trouble and have grown since `before`.
    pub fn troubles(&self, before: &Self) -> Vec<(String, f64)> {
        const WORDS: [&str; 8] = [
            "overflow",
            "refused",
            "failures",
            "panics",
            "dropped",
            "unanswered",
            "unheard",
            "too_far",
        ];
        let troubling = |series: &str| {
            let name = series.split('{').next().unwrap_or_default();
            name.ends_with("_total") && WORDS.iter().any(|word| name.contains(word))
        };
        let grown = |(series, value): (&String, &f64)| {
            let more = value - before.0.get(series).copied().unwrap_or(0.0);
            (more > 0.0 && troubling(series)).then(|| (series.clone(), more))
        };
        self.0.iter().filter_map(grown).collect()
    }
}

/// A bucket's bound, in order.
#[derive(Clone, Copy, PartialEq)]
struct Bound(f64);

impl Eq for Bound {}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn bound_of(series: &str) -> Option<Bound> {
    let text = series.split_once("le=\"")?.1.split_once('"')?.0;
    match text {
        "+Inf" => Some(Bound(f64::INFINITY)),
        number => number.parse().ok().map(Bound),
    }
}

fn interpolated(buckets: &BTreeMap<Bound, f64>, wanted: f64) -> f64 {
    let (mut lower, mut below) = (0.0, 0.0);
    for (&Bound(upper), &count) in buckets {
        if wanted <= count && count > below {
            if upper.is_infinite() {
                return lower;
            }
            return lower + (upper - lower) * (wanted - below) / (count - below);
        }
        (lower, below) = (upper, count);
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str =
        "# HELP x\nx_seconds_bucket{kind=\"a\",le=\"1\"} 0\nx_seconds_sum{kind=\"a\"} 0\n";
    const AFTER: &str = "x_seconds_bucket{kind=\"a\",le=\"1\"} 50\n\
        x_seconds_bucket{kind=\"a\",le=\"2\"} 100\nx_seconds_bucket{kind=\"a\",le=\"+Inf\"} 100\n\
        x_seconds_sum{kind=\"a\"} 100\nx_seconds_count{kind=\"a\"} 100\ny_overflow_total 3\n";

    #[test]
    fn a_histogram_is_read_over_the_span_between() {
        let (before, after) = (Reading::parse(BEFORE), Reading::parse(AFTER));
        let x = after.histogram(&before, "x_seconds");
        assert_eq!((x.count, x.mean, x.p50), (100.0, 1.0, 1.0));
        assert!((x.p99 - 1.98).abs() < 1e-9);
    }

    #[test]
    fn an_overflow_is_trouble() {
        let (before, after) = (Reading::parse(BEFORE), Reading::parse(AFTER));
        assert_eq!(after.troubles(&before), [("y_overflow_total".to_owned(), 3.0)]);
    }
}
