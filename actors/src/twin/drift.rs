//! A lane's cumulative counters against the passages that it reports: where they part, somebody
//! passed whom no fact tells of, or a sensor counts wrongly.
//!
//! Pure. Facts come in any order (live ones go past a backlog), so they are compared in the order of
//! their numbers; what is missing is waited for, and a gap begins the comparison anew.

use std::collections::BTreeMap;

use shanmen_protocols::{
    device::{Outcome, Passage, Sensor},
    ids::Direction,
};

/// How many facts may wait for a missing one.
const AHEAD_MAX: usize = 1_024;

/// What one fact says of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: a fact that is no passage.
    Other,
    /// So many passed, and the counters stand there; none where the device does not tell.
    Passed { inward: u64, outward: u64, counters: Option<Sensor> },
}

impl Step {
    /// What a passage says.
    pub(super) fn of(passage: &Passage, granted: u32) -> Self {
        let persons = match passage.outcome {
            Outcome::NotTaken | Outcome::Reversed => 0,
            Outcome::Taken => passage.count.unwrap_or(granted.max(1)),
            _ => passage.count.unwrap_or(1),
        };
        let persons = u64::from(persons);
        let (inward, outward) = match passage.direction {
            Direction::In => (persons, 0),
            Direction::Out => (0, persons),
        };
        Self::Passed { inward, outward, counters: passage.counters }
    }
}

/// The comparison of one epoch.
#[derive(Debug, Default)]
pub(super) struct Drift {
    /// The last number that was compared.
    upto: Option<u64>,
    expected: Option<Sensor>,
    ahead: BTreeMap<u64, Step>,
}

impl Drift {
    /// Takes a new fact; true when the counters have parted from the passages by it.
    pub(super) fn takes(&mut self, seq: u64, step: Step) -> bool {
        match self.upto {
            // The first that is seen is where the comparison begins.
            None => self.upto = Some(seq.saturating_sub(1)),
            Some(upto) if seq <= upto => return false,
            Some(_) => {}
        }
        self.ahead.insert(seq, step);
        if AHEAD_MAX < self.ahead.len() {
            self.begin_anew();
        }
        let mut parted = false;
        while let Some(upto) = self.upto {
            let Some(step) = self.ahead.remove(&(upto + 1)) else { break };
            self.upto = Some(upto + 1);
            parted |= self.compare(step);
        }
        parted
    }

    /// Facts up to a number are lost, or taken elsewhere: what follows is compared from there.
    pub(super) fn lost(&mut self, to: u64) {
        self.ahead = self.ahead.split_off(&(to + 1));
        self.upto = Some(self.upto.unwrap_or(0).max(to));
        self.expected = None;
    }

    fn compare(&mut self, step: Step) -> bool {
        match step {
            Step::Other => false,
            Step::Passed { inward, outward, counters } => {
                let expected = self.expected.map(|before| Sensor {
                    inward: before.inward.saturating_add(inward),
                    outward: before.outward.saturating_add(outward),
                });
                let parted = matches!((expected, counters), (Some(e), Some(c)) if e != c);
                // From here on as the device says: one fault is told once.
                self.expected = counters.or(expected);
                parted
            }
        }
    }

    fn begin_anew(&mut self) {
        self.upto = self.ahead.first_key_value().map(|(seq, _)| seq.saturating_sub(1));
        self.expected = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(n: u64, total: u64) -> Step {
        let counters = Some(Sensor { inward: total, outward: 0 });
        Step::Passed { inward: n, outward: 0, counters }
    }

    #[test]
    fn counters_that_follow_the_passages_are_right_in_any_order() {
        let mut drift = Drift::default();
        assert!(!drift.takes(5, passed(1, 10)));
        assert!(!drift.takes(8, passed(1, 14)));
        assert!(!drift.takes(6, passed(3, 13)));
        assert!(!drift.takes(7, Step::Other));
        assert!(!drift.takes(9, passed(2, 16)));
    }

    #[test]
    fn somebody_whom_no_fact_tells_of_is_noticed_once() {
        let mut drift = Drift::default();
        assert!(!drift.takes(1, passed(1, 1)));
        assert!(drift.takes(2, passed(1, 3)));
        assert!(!drift.takes(3, passed(1, 4)));
    }

    #[test]
    fn after_lost_facts_the_comparison_begins_anew() {
        let mut drift = Drift::default();
        assert!(!drift.takes(1, passed(1, 1)));
        drift.lost(7);
        assert!(!drift.takes(8, passed(1, 40)));
        assert!(drift.takes(9, passed(1, 40)));
    }

    #[test]
    fn a_missing_fact_is_not_waited_for_for_ever() {
        let mut drift = Drift::default();
        assert!(!drift.takes(1, passed(1, 1)));
        for seq in 3..3 + 2 * AHEAD_MAX as u64 {
            assert!(!drift.takes(seq, passed(1, seq)));
        }
        assert!(drift.ahead.len() < AHEAD_MAX);
    }
}
