//! The duplicate filter: the same scan id gets the first answer, and no rule is asked again
//! (`same_answer`).

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    sync::Arc,
};

use shanmen_protocols::ids::ScanId;

use crate::ledger::Answer;

/// Who waits for one answer: the first and its repeats.
pub(crate) type Waiting<R> = Vec<R>;

/// How many repeats may wait for one answer.
const WAITING_MAX: usize = 64;

/// How many times more ids than answers are kept in mind: a day of a busy lane.
const OLDER_FACTOR: usize = 64;

/// The newest answers of a device.
pub(crate) struct Answers<R> {
    known: HashMap<ScanId, Slot<R>>,
    order: VecDeque<ScanId>,
    limit: usize,
    /// Ids whose answers are in the ledger only.
    older: HashSet<ScanId>,
    older_order: VecDeque<ScanId>,
}

enum Slot<R> {
    Asked(Waiting<R>),
    Given(Arc<Answer>),
}

/// What is known of a scan id.
pub(crate) enum Known<R> {
    /// Never seen: ask, and keep the waiting one.
    New,
    /// Asked already: the repeat waits for the same answer.
    Waits,
    /// Answered so long ago that the answer is in the ledger only: the repeat waits for it.
    Older,
    /// Answered: here it is, and who asks again.
    Answered(Arc<Answer>, R),
    /// More repeats at once than can be right: dropped.
    TooMany,
}

impl<R> Answers<R> {
    /// Keeps the newest `limit` answers.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            known: HashMap::new(),
            order: VecDeque::new(),
            limit,
            older: HashSet::new(),
            older_order: VecDeque::new(),
        }
    }

    /// Looks a scan id up and notes who waits for its answer.
    pub(crate) fn look_up(&mut self, id: ScanId, who: R) -> Known<R> {
        match self.known.entry(id) {
            Entry::Vacant(vacant) => {
                vacant.insert(Slot::Asked(vec![who]));
                self.order.push_back(id);
                self.forget_oldest();
                if self.older.contains(&id) { Known::Older } else { Known::New }
            }
            Entry::Occupied(mut held) => match held.get_mut() {
                Slot::Given(answer) => Known::Answered(Arc::clone(answer), who),
                Slot::Asked(waiting) if waiting.len() < WAITING_MAX => {
                    waiting.push(who);
                    Known::Waits
                }
                Slot::Asked(_) => Known::TooMany,
            },
        }
    }

    /// Keeps an answer and gives those who wait for it.
    pub(crate) fn give(&mut self, id: ScanId, answer: Arc<Answer>) -> Waiting<R> {
        match self.known.insert(id, Slot::Given(answer)) {
            Some(Slot::Asked(waiting)) => waiting,
            Some(Slot::Given(_)) => Waiting::new(),
            None => {
                self.order.push_back(id);
                self.forget_oldest();
                Waiting::new()
            }
        }
    }

    /// Whether somebody waits for the answer.
    pub(crate) fn is_asked(&self, id: ScanId) -> bool {
        matches!(self.known.get(&id), Some(Slot::Asked(_)))
    }

    /// Forgets a question that got no answer (a full queue), so that a repeat is asked anew; gives
    /// those who wait.
    pub(crate) fn give_up(&mut self, id: ScanId) -> Waiting<R> {
        match self.known.remove(&id) {
            Some(Slot::Asked(waiting)) => waiting,
            _ => Waiting::new(),
        }
    }

    fn remember_id(&mut self, id: ScanId) {
        if self.older.insert(id) {
            self.older_order.push_back(id);
        }
        while self.older_order.len() > self.limit * OLDER_FACTOR {
            if let Some(oldest) = self.older_order.pop_front() {
                self.older.remove(&oldest);
            }
        }
    }

    fn forget_oldest(&mut self) {
        while self.order.len() > self.limit {
            if let Some(oldest) = self.order.pop_front()
                && let Some(Slot::Given(_)) = self.known.remove(&oldest)
            {
                self.remember_id(oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shanmen_protocols::{device::DecisionResult, ids::Direction, reason::Reason, time::UnixMs};
    use shanmen_rules::{LaneIx, Needs};

    use super::*;

    fn answer(id: ScanId) -> Arc<Answer> {
        Arc::new(Answer {
            scan: id,
            lane: LaneIx(0),
            direction: Direction::In,
            at: UnixMs(0),
            ticket: None,
            product: None,
            result: DecisionResult::Deny,
            reason: Reason::UnknownTicket,
            grant: None,
            persons: 0,
            needs: Needs::NONE,
            facts: None,
        })
    }

    #[test]
    fn a_repeat_before_the_answer_waits_and_one_after_it_gets_it_at_once() {
        let mut answers = Answers::new(8);
        let id = ScanId::fresh();
        assert!(matches!(answers.look_up(id, 1), Known::New));
        assert!(matches!(answers.look_up(id, 2), Known::Waits));
        assert_eq!(answers.give(id, answer(id)), vec![1, 2]);
        assert!(matches!(answers.look_up(id, 3), Known::Answered(given, 3) if given.scan == id));
    }

    #[test]
    fn only_the_newest_are_kept_and_older_ones_are_known_by_their_id() {
        let mut answers = Answers::new(2);
        let ids = [ScanId::fresh(), ScanId::fresh(), ScanId::fresh()];
        for id in ids {
            answers.look_up(id, ());
            answers.give(id, answer(id));
        }
        assert!(matches!(answers.look_up(ids[2], ()), Known::Answered(..)));
        assert!(matches!(answers.look_up(ids[0], ()), Known::Older));
        assert!(matches!(answers.look_up(ScanId::fresh(), ()), Known::New));
    }

    #[test]
    fn a_question_without_an_answer_is_asked_anew() {
        let mut answers = Answers::new(2);
        let id = ScanId::fresh();
        answers.look_up(id, 1);
        assert_eq!(answers.give_up(id), vec![1]);
        assert!(matches!(answers.look_up(id, 2), Known::New));
    }
}
