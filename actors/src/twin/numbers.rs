//! Which numbers of a device's event storage the ledger has: facts arrive live and in batches
//! beside each other, so not in order; a replayed number is a no-op, and what is acknowledged is
//! without a gap (`no_lost_passage`).

use std::collections::{BTreeSet, HashSet};

use crate::ledger::SeenEvents;

/// How many numbers after a gap are kept in mind; a device that sends more at once is asked, by
/// silence, to send them again later.
const ABOVE_MAX: usize = 16_384;

/// How many gaps ahead of a missing number are kept in mind.
const GAPS_MAX: usize = 64;

/// The highest number of a fact: what the ledger's integers hold.
pub(crate) const SEQ_MAX: u64 = i64::MAX.cast_unsigned();

/// What to do with a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// New: write it.
    New,
    /// The ledger has it: only acknowledge.
    Known,
    /// On its way to the ledger: the acknowledgement will follow.
    OnItsWay,
    /// Too far ahead of a gap: not now.
    TooFar,
}

/// The numbers of one epoch.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    upto: u64,
    /// Some devices begin at 0; it is acknowledged with what follows it.
    zero: bool,
    above: BTreeSet<u64>,
    /// Ranges that the device declared lost: their numbers will never come.
    gaps: Vec<(u64, u64)>,
    on_their_way: HashSet<u64>,
}

impl Numbers {
    /// As the ledger has them.
    pub(crate) fn of(seen: SeenEvents) -> Self {
        let mut numbers = Self { upto: seen.upto, zero: seen.zero, ..Self::default() };
        for (seq, gap) in seen.above {
            numbers.committed(seq, gap);
        }
        numbers
    }

    /// The highest number with all before it.
    pub(crate) fn upto(&self) -> u64 {
        self.upto
    }

    /// A fact arrives.
    pub(crate) fn arrives(&mut self, seq: u64) -> Taken {
        let known = if seq == 0 { self.zero } else { seq <= self.upto };
        if known || self.above.contains(&seq) {
            Taken::Known
        } else if self.above.len() >= ABOVE_MAX && seq != 0 && seq != self.upto + 1 {
            Taken::TooFar
        } else if self.on_their_way.insert(seq) {
            Taken::New
        } else {
            Taken::OnItsWay
        }
    }

    /// The ledger has it, and with it perhaps a range that the device declares lost.
    pub(crate) fn committed(&mut self, seq: u64, gap: Option<(u64, u64)>) {
        self.on_their_way.remove(&seq);
        self.zero |= seq == 0;
        if seq > self.upto {
            self.above.insert(seq);
        }
        if let Some(gap) = gap
            && self.gaps.len() < GAPS_MAX
        {
            self.gaps.push(gap);
        }
        // Numbers end at `SEQ_MAX`, so there always is a next one.
        loop {
            let next = self.upto.saturating_add(1);
            let lost = |(from, to): &(u64, u64)| *from <= next && self.upto < *to;
            if let Some(at) = self.gaps.iter().position(lost) {
                self.upto = self.gaps.swap_remove(at).1;
            } else if self.above.contains(&next) {
                self.upto = next;
            } else {
                break;
            }
            self.above = self.above.split_off(&self.upto.saturating_add(1));
            if SEQ_MAX <= self.upto {
                break;
            }
        }
        self.gaps.retain(|(_, to)| self.upto < *to);
    }

    /// Whether facts of this epoch are on their way to the ledger.
    pub(crate) fn is_busy(&self) -> bool {
        !self.on_their_way.is_empty()
    }

    /// It did not get there; the device will send it again.
    pub(crate) fn failed(&mut self, seq: u64) {
        self.on_their_way.remove(&seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_acknowledged_over_a_gap() {
        let mut numbers = Numbers::default();
        for seq in [1, 2, 5, 4] {
            assert_eq!(numbers.arrives(seq), Taken::New);
            numbers.committed(seq, None);
        }
        assert_eq!(numbers.upto(), 2);
        assert_eq!(numbers.arrives(3), Taken::New);
        numbers.committed(3, None);
        assert_eq!(numbers.upto(), 5);
    }

    #[test]
    fn a_replay_is_known_and_a_second_copy_in_flight_waits() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.arrives(1), Taken::New);
        assert_eq!(numbers.arrives(1), Taken::OnItsWay);
        numbers.committed(1, None);
        assert_eq!(numbers.arrives(1), Taken::Known);
        assert_eq!(numbers.arrives(2), Taken::New);
        numbers.failed(2);
        assert_eq!(numbers.arrives(2), Taken::New);
    }

    #[test]
    fn the_ledgers_numbers_are_taken_over_at_a_start() {
        let mut numbers =
            Numbers::of(SeenEvents { upto: 3, zero: false, above: vec![(4, None), (6, None)] });
        assert_eq!(numbers.upto(), 4);
        assert_eq!(numbers.arrives(6), Taken::Known);
        assert_eq!(numbers.arrives(5), Taken::New);
    }

    #[test]
    fn what_a_device_declares_lost_is_not_waited_for() {
        let mut numbers = Numbers::default();
        numbers.committed(1, None);
        numbers.committed(9, Some((4, 9)));
        assert_eq!(numbers.upto(), 1, "2 and 3 are still to come");
        numbers.committed(2, None);
        numbers.committed(3, None);
        assert_eq!(numbers.upto(), 9);
        numbers.committed(10, None);
        assert_eq!(numbers.upto(), 10);
        assert_eq!(numbers.arrives(5), Taken::Known);
    }

    #[test]
    fn a_device_that_begins_at_zero_is_known_by_it() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.arrives(0), Taken::New);
        numbers.committed(0, None);
        assert_eq!(numbers.arrives(0), Taken::Known);
        assert_eq!(numbers.upto(), 0);
        numbers.committed(1, None);
        assert_eq!(numbers.upto(), 1);
    }

    #[test]
    fn the_last_number_of_all_ends_the_count() {
        let mut numbers = Numbers::default();
        numbers.committed(SEQ_MAX, Some((1, SEQ_MAX)));
        assert_eq!(numbers.upto(), SEQ_MAX);
    }
}
