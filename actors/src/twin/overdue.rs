//! Answers that take too long: what was asked, in its order, with one timer for all of it. A plain
//! component; the twin runs the timer.

use std::{collections::VecDeque, time::Duration};

use shanmen_protocols::ids::ScanId;
use tokio::time::Instant;

/// How long a lane's answer may take before the lane is told `busy`.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// What was asked in the last seconds, most of which has been answered long since. `W`: where the
/// answer is told first.
pub(super) struct Overdue<W> {
    asked: VecDeque<(Instant, ScanId, W)>,
    /// A timer runs.
    timed: bool,
    /// Given up, and still to be answered: what comes for them is nobody's.
    given_up: Vec<ScanId>,
}

impl<W> Default for Overdue<W> {
    fn default() -> Self {
        Self { asked: VecDeque::new(), timed: false, given_up: Vec::new() }
    }
}

impl<W> Overdue<W> {
    /// Notes a question; when to look for overdue ones, if no timer runs yet.
    pub(super) fn wait_for(&mut self, id: ScanId, way: W, now: Instant) -> Option<Instant> {
        self.asked.push_back((now + ANSWER_WAIT, id, way));
        self.next()
    }

    /// The questions whose time is over, and when to look again.
    pub(super) fn due(&mut self, now: Instant) -> (Vec<(ScanId, W)>, Option<Instant>) {
        self.timed = false;
        let count = self.asked.iter().take_while(|(due, ..)| *due <= now).count();
        let due = self.asked.drain(..count).map(|(_, id, way)| (id, way)).collect();
        (due, self.next())
    }

    /// Notes that a question was given up: one answer for it is still to come.
    pub(super) fn gave_up(&mut self, id: ScanId) {
        self.given_up.push(id);
    }

    /// Whether an answer is that of a question that was given up. A repeat that was asked anew since
    /// has an answer of its own, which comes after it.
    pub(super) fn is_late(&mut self, id: ScanId) -> bool {
        let found = self.given_up.iter().position(|late| *late == id);
        found.map(|place| self.given_up.swap_remove(place)).is_some()
    }

    fn next(&mut self) -> Option<Instant> {
        let due = self.asked.front().map(|(due, ..)| *due).filter(|_| !self.timed);
        self.timed |= due.is_some();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_timer_serves_all_that_is_asked_meanwhile() {
        let (mut overdue, begun) = (Overdue::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        let [first, second] = [ScanId::fresh(), ScanId::fresh()];
        assert_eq!(overdue.wait_for(first, 1, begun), Some(after(5)));
        assert_eq!(overdue.wait_for(second, 2, after(3)), None, "the timer runs");
        assert_eq!(overdue.due(after(5)), (vec![(first, 1)], Some(after(8))));
        assert_eq!(overdue.due(after(8)), (vec![(second, 2)], None));
        assert_eq!(overdue.wait_for(first, 3, after(9)), Some(after(14)));
    }

    #[test]
    fn the_answer_of_a_question_given_up_is_not_taken_for_that_of_its_repeat() {
        let mut overdue = Overdue::<()>::default();
        let id = ScanId::fresh();
        overdue.gave_up(id);
        assert!(overdue.is_late(id), "of the question");
        assert!(!overdue.is_late(id), "of the repeat");
    }
}
