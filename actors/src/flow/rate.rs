//! How many in the last minute: sixty buckets of a second.

use shanmen_protocols::time::UnixMs;

const SECONDS: usize = 60;

/// A sliding minute.
#[derive(Clone, Debug)]
pub(crate) struct Minute {
    buckets: [u32; SECONDS],
    newest_s: i64,
}

impl Default for Minute {
    fn default() -> Self {
        Self { buckets: [0; SECONDS], newest_s: i64::MIN / 2 }
    }
}

impl Minute {
    /// Counts `count` at a moment; what is older than a minute no longer counts.
    pub(crate) fn add(&mut self, at: UnixMs, count: u32) {
        let second = at.0.div_euclid(1000);
        self.advance(second);
        if second > self.newest_s - 60 {
            self.buckets[bucket(second)] += count;
        }
    }

    /// The sum of the minute that ends at a moment.
    pub(crate) fn sum(&mut self, now: UnixMs) -> u32 {
        self.advance(now.0.div_euclid(1000));
        self.buckets.iter().sum()
    }

    fn advance(&mut self, second: i64) {
        let steps = second.saturating_sub(self.newest_s);
        if steps <= 0 {
            return;
        }
        if steps >= 60 {
            self.buckets = [0; SECONDS];
        } else {
            for passed in self.newest_s + 1..=second {
                self.buckets[bucket(passed)] = 0;
            }
        }
        self.newest_s = second;
    }
}

fn bucket(second: i64) -> usize {
    usize::try_from(second.rem_euclid(60)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_forgets_what_is_older() {
        let mut minute = Minute::default();
        minute.add(UnixMs(1_000), 2);
        minute.add(UnixMs(30_000), 3);
        assert_eq!(minute.sum(UnixMs(59_000)), 5);
        assert_eq!(minute.sum(UnixMs(61_500)), 3);
        assert_eq!(minute.sum(UnixMs(1_000_000)), 0);
    }

    #[test]
    fn a_late_report_counts_where_it_belongs_or_not_at_all() {
        let mut minute = Minute::default();
        minute.add(UnixMs(100_000), 1);
        minute.add(UnixMs(50_000), 1);
        minute.add(UnixMs(10_000), 1);
        assert_eq!(minute.sum(UnixMs(100_000)), 2);
    }
}
