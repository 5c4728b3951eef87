//! The oracle: what each visitor must be answered, and what the counts must be in the end.
//!
//! It knows every ticket and keeps its own count of entries, exits and refusals. It never asks the
//! server; the run compares. A broken expectation is kept with what led to it, and breaks the run.

mod counts;

use std::collections::HashSet;

use shanmen_protocols::{
    device::{DecisionResult, PassageBy},
    ids::GrantId,
    reason::Reason,
};

pub use self::counts::{Counts, compare};
use crate::plan::Visit;

/// How many broken expectations are kept in words; all are counted.
const KEPT_MAX: usize = 50;

/// What a lane, or a caller, was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// On whose word: the lane decides alone when no answer came in time.
    pub by: PassageBy,
    /// Open or not.
    pub result: DecisionResult,
    /// Why.
    pub reason: Reason,
    /// The permission to pass.
    pub grant: Option<GrantId>,
    /// For how many.
    pub persons: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticket {
    /// Presented for an entry at least once.
    presented: bool,
    /// Grants to come in.
    granted: u8,
    /// Its entry is acknowledged: the ledger has it.
    entered: bool,
    /// No answer came for it once, so that nothing more is expected of it.
    doubtful: bool,
    /// Two present it at once.
    race: bool,
}

/// Knows every ticket of a run.
#[derive(Debug, Default)]
pub struct Oracle {
    tickets: Vec<Ticket>,
    grants: HashSet<GrantId>,
    counts: Counts,
    unanswered: u64,
    replaced: u64,
    broken: u64,
    kept: Vec<String>,
}

impl Oracle {
    /// Knows tickets 0 to `tickets` − 1, all of them fresh.
    pub fn new(tickets: usize) -> Self {
        Self { tickets: vec![Ticket::default(); tickets], ..Self::default() }
    }

    /// A visitor is about to present: what they really do. Where the plan's precondition does not
    /// hold (the entry is not on record yet), an unknown ticket takes its place, and is counted.
    pub fn present(&mut self, visit: Visit) -> Visit {
        match visit {
            Visit::Enter(ticket) => self.tickets[ticket].presented = true,
            Visit::Race(ticket) => {
                self.tickets[ticket].presented = true;
                self.tickets[ticket].race = true;
            }
            Visit::Leave(ticket) | Visit::Used(ticket) if !self.tickets[ticket].entered => {
                self.replaced += 1;
                return Visit::Unknown(u64::MAX - self.replaced);
            }
            Visit::Leave(_) | Visit::Used(_) | Visit::Unknown(_) | Visit::Forged(_) => {}
        }
        visit
    }

    /// Checks an answer.
    pub fn answered(&mut self, visit: Visit, seen: Seen) {
        if seen.by != PassageBy::Server {
            self.no_answer(visit);
            return;
        }
        if seen.result == DecisionResult::Deny {
            self.counts.denied(seen.reason);
        }
        if let Some(grant) = seen.grant
            && !self.grants.insert(grant)
        {
            self.breaks(format!("{visit:?}: grant {grant} was given twice"));
        }
        let right = match visit {
            Visit::Enter(ticket) => self.admits(ticket, seen),
            Visit::Race(ticket) if seen.result == DecisionResult::Grant => {
                self.admits(ticket, seen)
            }
            Visit::Race(_) => {
                denied_for(seen, Reason::InProgress) || denied_for(seen, Reason::AlreadyUsed)
            }
            Visit::Leave(_) => is_grant(seen),
            Visit::Used(_) => denied_for(seen, Reason::AlreadyUsed),
            Visit::Unknown(_) => denied_for(seen, Reason::UnknownTicket),
            Visit::Forged(_) => denied_for(seen, Reason::Forged),
        };
        if !right {
            let (result, reason) = (seen.result.as_str(), seen.reason.row().code);
            let persons = seen.persons;
            self.breaks(format!("{visit:?}: answered {result} {reason} for {persons}"));
        }
    }

    fn admits(&mut self, ticket: usize, seen: Seen) -> bool {
        let known = &mut self.tickets[ticket];
        if seen.result == DecisionResult::Grant {
            known.granted = known.granted.saturating_add(1);
        }
        // `single_use`: the one fresh use is granted, and granted once.
        is_grant(seen) && known.granted == 1
    }

    /// No answer of the server came in time, or none at all.
    pub fn no_answer(&mut self, visit: Visit) {
        self.unanswered += 1;
        if let Visit::Enter(ticket) | Visit::Race(ticket) = visit {
            self.tickets[ticket].doubtful = true;
        }
        self.breaks(format!("{visit:?}: no answer of the server in time"));
    }

    /// The visitor passed, at gate number `gate`, and the ledger has it.
    pub fn passed(&mut self, visit: Visit, gate: usize) {
        match visit {
            Visit::Enter(ticket) | Visit::Race(ticket) => {
                self.tickets[ticket].entered = true;
                self.counts.entered(gate, ticket);
            }
            Visit::Leave(_) => self.counts.left(gate),
            Visit::Used(_) | Visit::Unknown(_) | Visit::Forged(_) => {
                self.breaks(format!("{visit:?}: passed without a right to"));
            }
        }
    }

    /// Something else that must not be.
    pub fn breaks(&mut self, what: String) {
        self.broken += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(what);
        }
    }

    /// What can only be said when all is over: every ticket that was presented was granted once.
    pub fn finish(&mut self) {
        let wrong: Vec<usize> = (0..self.tickets.len())
            .filter(|&n| {
                let known = self.tickets[n];
                known.presented && !known.doubtful && known.granted != 1
            })
            .collect();
        for ticket in wrong {
            let known = self.tickets[ticket];
            let (times, race) = (known.granted, if known.race { " in a race" } else { "" });
            self.breaks(format!("ticket {ticket}{race}: granted {times} times in all, not once"));
        }
    }

    /// Its own counts.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Presentations that the server did not answer in time.
    pub fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Visits that could not be as planned.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Broken expectations, and the first of them in words.
    pub fn broken(&self) -> (u64, &[String]) {
        (self.broken, &self.kept)
    }
}

fn is_grant(seen: Seen) -> bool {
    seen.result == DecisionResult::Grant
        && seen.reason == Reason::Ok
        && seen.grant.is_some()
        && seen.persons == 1
}

fn denied_for(seen: Seen, reason: Reason) -> bool {
    seen.result == DecisionResult::Deny && seen.reason == reason && seen.grant.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Seen {
        Seen {
            by: PassageBy::Server,
            result: DecisionResult::Grant,
            reason: Reason::Ok,
            grant: Some(GrantId::fresh()),
            persons: 1,
        }
    }

    fn deny(reason: Reason) -> Seen {
        Seen { result: DecisionResult::Deny, reason, grant: None, persons: 0, ..grant() }
    }

    fn after(answers: &[(Visit, Seen)]) -> u64 {
        let mut oracle = Oracle::new(10);
        for &(visit, seen) in answers {
            let visit = oracle.present(visit);
            oracle.answered(visit, seen);
            if seen.result == DecisionResult::Grant {
                oracle.passed(visit, 0);
            }
        }
        oracle.finish();
        oracle.broken().0
    }

    #[test]
    fn a_day_as_it_should_be_breaks_nothing() {
        let day = [
            (Visit::Enter(0), grant()),
            (Visit::Used(0), deny(Reason::AlreadyUsed)),
            (Visit::Leave(0), grant()),
            (Visit::Unknown(1), deny(Reason::UnknownTicket)),
            (Visit::Forged(0), deny(Reason::Forged)),
        ];
        assert_eq!(after(&day), 0);
    }

    #[test]
    fn a_good_ticket_refused_is_broken() {
        assert!(after(&[(Visit::Enter(0), deny(Reason::UnknownTicket))]) > 0);
    }

    #[test]
    fn a_used_ticket_granted_is_broken() {
        assert!(after(&[(Visit::Enter(0), grant()), (Visit::Used(0), grant())]) > 0);
    }

    #[test]
    fn a_race_has_one_winner() {
        let (lost, late) = (deny(Reason::InProgress), deny(Reason::AlreadyUsed));
        assert_eq!(after(&[(Visit::Race(3), grant()), (Visit::Race(3), lost)]), 0);
        assert_eq!(after(&[(Visit::Race(3), late), (Visit::Race(3), grant())]), 0);
        assert!(after(&[(Visit::Race(3), grant()), (Visit::Race(3), grant())]) > 0);
        assert!(after(&[(Visit::Race(3), lost), (Visit::Race(3), lost)]) > 0);
    }

    #[test]
    fn one_grant_for_two_visitors_is_broken() {
        let same = grant();
        assert_eq!(after(&[(Visit::Enter(0), same), (Visit::Enter(1), same)]), 1);
    }

    #[test]
    fn a_lane_that_had_to_decide_alone_is_broken_and_its_ticket_is_left_out() {
        let alone = Seen { by: PassageBy::Own, ..deny(Reason::Busy) };
        assert_eq!(after(&[(Visit::Enter(0), alone)]), 1);
    }

    #[test]
    fn who_is_not_on_record_yet_cannot_leave_and_shows_an_unknown_ticket() {
        let mut oracle = Oracle::new(1);
        assert!(matches!(oracle.present(Visit::Leave(0)), Visit::Unknown(_)));
        assert_eq!(oracle.replaced(), 1);
    }
}
