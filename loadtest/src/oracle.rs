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
    /// How far it has come.
    stage: Stage,
    /// Grants to come in.
    granted: u8,
    /// No answer came for it once, so that nothing more is expected of it.
    doubtful: bool,
    /// Two present it at once.
    race: bool,
}

impl Ticket {
    fn presented(&mut self) {
        if self.stage == Stage::Fresh {
            self.stage = Stage::Presented;
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nobody has shown it.
    #[default]
    Fresh,
    /// It was presented for an entry.
    Presented,
    /// Its entry is acknowledged: the ledger has it.
    Entered,
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
            Visit::Enter(ticket) => self.tickets[ticket].presented(),
            Visit::Race(ticket) => {
                self.tickets[ticket].presented();
                self.tickets[ticket].race = true;
            }
            Visit::Leave(ticket) | Visit::Used(ticket)
                if self.tickets[ticket].stage != Stage::Entered =>
            {
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
                self.tickets[ticket].stage = Stage::Entered;
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
                known.stage != Stage::Fresh && !known.doubtful && known.granted != 1
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
mod tests;
