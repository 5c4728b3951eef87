//! The oracle: what each visitor must be answered, and what the counts must be in the end.
//!
//! It knows every ticket and keeps its own count of entries, exits and refusals. It never asks the
//! server; the run compares. A broken expectation is kept with what led to it, and breaks the run.
//! While a fault is on at a lane more is allowed there, and written down: the lane may decide
//! alone as its policy says, and whoever was told to try again comes again. That no ticket is used
//! twice on the server's word, and that no passage is lost, holds at all times.

mod checks;
mod counts;
mod trail;

use std::collections::HashSet;

use serde::Serialize;
use shanmen_devices::lane::Ended;
use shanmen_protocols::{
    device::{Decision, DecisionResult, PassageBy},
    ids::GrantId,
    reason::Reason,
};

pub use self::counts::{Counts, compare};
use self::trail::{Trail, What};
use crate::{clock::Clock, park, plan::Visit};

/// How many broken expectations are kept in words; all are counted.
const KEPT_MAX: usize = 50;

/// How often one visitor comes again before that itself is a fault.
const TRIES_MAX: u32 = 500;

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

/// What the visitor does upon an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Goes away.
    Done,
    /// So many walk through; 0: the visitor stands there until the lane closes.
    Walk(u32),
    /// Comes again later.
    Again,
}

/// Where and when something is seen.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The number of the lane.
    pub lane: usize,
    /// Whether a fault is on there.
    pub fault: bool,
    /// Which try of this visitor it is, from 1.
    pub tries: u32,
}

impl At {
    /// A lane without a fault, the first try.
    pub fn lane(lane: usize) -> Self {
        Self { lane, fault: false, tries: 1 }
    }
}

/// A ticket as the oracle knows it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the ticket")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticket {
    /// Which class: an index into the park's.
    class: u8,
    /// Persons that it is for.
    persons: u16,
    /// Persons that open grants are for.
    holding: u16,
    /// Persons that walked in on it.
    entered: u16,
    /// Persons that left on it.
    left: u16,
    /// Whether one may come in again on it, once.
    returns: bool,
    /// Persons that came in again.
    returned: u16,
    /// Of its persons, those who were to have come in again by now.
    due_again: u16,
    /// Visits whose end the ledger does not have yet.
    unsettled: u8,
    /// It was presented.
    shown: bool,
    /// Let in on a lane's own word.
    alone: bool,
    /// Of these, persons whom the server does not know of yet.
    unheard: u16,
    /// An answer did not come in time once: the server may have reserved what nobody took.
    doubtful: bool,
    /// Of its persons, those who were to have come in by now.
    due: u16,
    /// Two present it at once.
    race: bool,
    /// Given up.
    given_up: bool,
}

impl Ticket {
    /// Persons in on it now.
    fn inside(&self) -> u16 {
        self.entered.saturating_add(self.returned).saturating_sub(self.left)
    }
}

/// An expectation that was broken, and what led there.
#[derive(Clone, Debug, Serialize)]
pub struct Broken {
    /// What.
    pub what: String,
    /// What happened before, at the lane and to the ticket.
    pub trail: Vec<String>,
}

/// What was allowed because a fault was on, or could not be as planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Allowances {
    /// Decided by a lane alone.
    pub alone: u64,
    /// Of these, let in.
    pub alone_granted: u64,
    /// Tickets that were let in once too often, since a lane had to decide alone.
    pub conflicts: u64,
    /// Times that somebody had to come again.
    pub again: u64,
    /// Visits that could not be as planned.
    pub replaced: u64,
}

/// Knows every ticket of a run.
#[derive(Debug)]
pub struct Oracle {
    clock: Clock,
    tickets: Vec<Ticket>,
    grants: HashSet<GrantId>,
    counts: Counts,
    walked_in: u32,
    allowances: Allowances,
    unanswered: u64,
    twice: u64,
    broken: u64,
    kept: Vec<Broken>,
    trail: Trail,
}

impl Oracle {
    /// Knows no ticket yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            tickets: Vec::new(),
            grants: HashSet::new(),
            counts: Counts::default(),
            walked_in: 0,
            allowances: Allowances::default(),
            unanswered: 0,
            twice: 0,
            broken: 0,
            kept: Vec::new(),
            trail: Trail::default(),
        }
    }

    /// One more ticket, for so many persons, of this class; its number.
    pub fn add(&mut self, persons: u16, class: u8) -> usize {
        let returns = class == park::RETURN;
        self.tickets.push(Ticket { class, persons, returns, ..Ticket::default() });
        self.tickets.len() - 1
    }

    /// A visitor is about to present: what they really do. Where the plan's precondition does not
    /// hold (the entry is not on record yet), an unknown ticket takes its place, and is counted.
    pub fn present(&mut self, at: At, visit: Visit) -> Visit {
        let visit = if self.is_possible(visit) {
            visit
        } else {
            self.allowances.replaced += 1;
            Visit::Unknown(u64::MAX - self.allowances.replaced)
        };
        if let Visit::Enter(ticket)
        | Visit::Part(ticket, _)
        | Visit::Linger(ticket)
        | Visit::Race(ticket) = visit
        {
            let known = &mut self.tickets[ticket];
            known.shown = true;
            known.unsettled += 1;
            known.due = match visit {
                Visit::Part(_, some) => known.due.max(known.entered.saturating_add(some)),
                Visit::Linger(_) => known.due,
                _ => known.persons,
            };
            known.race |= matches!(visit, Visit::Race(_));
        }
        if let Visit::Leave(ticket) | Visit::Return(ticket) = visit {
            let known = &mut self.tickets[ticket];
            known.unsettled += 1;
            if matches!(visit, Visit::Return(_)) {
                known.due_again = known.persons;
            }
        }
        self.note(at, visit, What::Presented(at.tries));
        visit
    }

    fn is_possible(&self, visit: Visit) -> bool {
        match visit {
            Visit::Enter(ticket) | Visit::Part(ticket, _) | Visit::Linger(ticket) => {
                self.tickets[ticket].unsettled == 0
            }
            Visit::Leave(ticket) | Visit::Used(ticket) => {
                let known = self.tickets[ticket];
                let in_again = !known.returns || known.inside() > 0;
                known.unsettled == 0 && known.persons <= known.entered && in_again
            }
            Visit::Return(ticket) => {
                let known = self.tickets[ticket];
                let out = known.persons <= known.entered && known.inside() == 0;
                known.unsettled == 0 && out && known.returned == 0
            }
            Visit::Race(_) | Visit::Unknown(_) | Visit::Forged(_) => true,
        }
    }

    /// Checks an answer; says what the visitor does.
    pub fn answered(&mut self, at: At, visit: Visit, seen: Seen) -> Next {
        self.note(at, visit, What::Answered(seen, at.fault));
        let next = if seen.by == PassageBy::Server {
            self.answered_by_server(at, visit, seen)
        } else {
            self.answered_alone(at, visit, seen)
        };
        if let Next::Walk(persons) = next {
            // Counted before they walk: the server may know of it sooner than the lane tells.
            if !matches!(visit, Visit::Leave(_)) {
                self.walked_in += persons;
            }
            return next;
        }
        self.settle(visit);
        if next == Next::Again { self.again(at, visit) } else { next }
    }

    fn again(&mut self, at: At, visit: Visit) -> Next {
        if at.tries < TRIES_MAX {
            self.allowances.again += 1;
            self.note(at, visit, What::Again);
            return Next::Again;
        }
        if let Some(ticket) = visit.ticket() {
            self.tickets[ticket].given_up = true;
        }
        self.breaks_at(at, visit, format!("{visit:?}: not served in {TRIES_MAX} tries"));
        Next::Done
    }

    /// No answer at all came in time.
    pub fn no_answer(&mut self, at: At, visit: Visit) -> Next {
        self.note(at, visit, What::NoAnswer);
        self.unanswered += 1;
        self.settle(visit);
        if let Some(ticket) = visit.ticket() {
            self.tickets[ticket].doubtful = true;
        }
        if at.fault {
            return self.again(at, visit);
        }
        if let Some(ticket) = visit.ticket() {
            self.tickets[ticket].given_up = true;
        }
        self.breaks_at(at, visit, format!("{visit:?}: no answer in time"));
        Next::Done
    }

    /// The opening is over: so many walked, of so many whom it was for.
    pub fn ended(&mut self, at: At, visit: Visit, seen: Seen, ended: Ended) {
        self.note(at, visit, What::Ended(ended));
        let Some(ticket) = visit.ticket() else { return };
        let passed = u16::try_from(ended.passed).unwrap_or(u16::MAX);
        let known = &mut self.tickets[ticket];
        if matches!(visit, Visit::Leave(_)) {
            known.left = known.left.saturating_add(passed);
            return;
        }
        if matches!(visit, Visit::Return(_)) {
            known.returned = known.returned.saturating_add(passed);
            if seen.by == PassageBy::Server {
                known.holding =
                    known.holding.saturating_sub(u16::try_from(seen.persons).unwrap_or(0));
            }
            return;
        }
        if seen.by == PassageBy::Server {
            known.holding = known.holding.saturating_sub(u16::try_from(seen.persons).unwrap_or(0));
        } else if 0 < passed {
            known.alone = true;
            known.unheard = known.unheard.saturating_add(passed);
        }
        let before = known.entered;
        known.entered = known.entered.saturating_add(passed);
        if known.persons < known.entered {
            let alone = known.alone;
            self.allowances.conflicts += 1;
            if !alone {
                let what = format!("{visit:?}: {passed} more walked in after {before}");
                self.breaks_at(at, visit, what);
            }
        }
    }

    /// The ledger has it: `passed` persons walked through gate number `gate`, on whose word.
    pub fn acknowledged(
        &mut self,
        at: At,
        visit: Visit,
        gate: usize,
        (by, passed): (PassageBy, u32),
    ) {
        self.note(at, visit, What::Acknowledged);
        self.settle(visit);
        if by != PassageBy::Server
            && !matches!(visit, Visit::Leave(_) | Visit::Return(_))
            && let Some(ticket) = visit.ticket()
        {
            let known = &mut self.tickets[ticket];
            known.unheard = known.unheard.saturating_sub(u16::try_from(passed).unwrap_or(0));
        }
        match visit.ticket() {
            _ if passed == 0 => {}
            Some(_) if matches!(visit, Visit::Leave(_)) => self.counts.left(gate, passed),
            Some(ticket) => {
                self.counts.entered(gate, self.tickets[ticket].class, passed);
                if matches!(visit, Visit::Return(_)) {
                    self.counts.reentries += passed;
                }
            }
            None => self.breaks_at(at, visit, format!("{visit:?}: passed without a right to")),
        }
    }

    /// Whether the ticket's visit is over, and on record as far as it has to be.
    fn settle(&mut self, visit: Visit) {
        if let Visit::Enter(ticket)
        | Visit::Part(ticket, _)
        | Visit::Linger(ticket)
        | Visit::Race(ticket)
        | Visit::Leave(ticket)
        | Visit::Return(ticket) = visit
        {
            let known = &mut self.tickets[ticket];
            known.unsettled = known.unsettled.saturating_sub(1);
        }
    }

    /// All decisions about a scan that was sent twice with one id: two at least, unless a fault is
    /// on, and all alike. A grant that a second one would give is told by [`Oracle::answered`], the
    /// counts, and what stays open.
    pub fn repeated(&mut self, at: At, visit: Visit, decisions: &[Decision]) {
        self.twice += 1;
        if decisions.len() < 2 && !at.fault {
            let count = decisions.len();
            self.breaks_at(at, visit, format!("{visit:?}: sent twice, answered {count} times"));
        }
        for (one, next) in decisions.iter().zip(decisions.iter().skip(1)) {
            // Two grants for one scan differ, too: each has an id of its own.
            if one != next {
                let word = |d: &Decision| {
                    format!("{} {} for {}", d.result.as_str(), d.reason.row().code, d.persons)
                };
                let (one, next) = (word(one), word(next));
                let what = format!("{visit:?}: sent twice, answered {one} and then {next}");
                self.breaks_at(at, visit, what);
            }
        }
    }

    /// Scans that were sent twice on purpose.
    pub fn twice(&self) -> u64 {
        self.twice
    }

    /// Something else that must not be.
    pub fn breaks(&mut self, what: String) {
        self.broken += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(Broken { what, trail: Vec::new() });
        }
    }

    /// Something about a visit that must not be: kept with what led to it.
    pub fn breaks_at(&mut self, at: At, visit: Visit, what: String) {
        self.broken += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(Broken { what, trail: self.trail.led_to(at.lane, visit) });
        }
    }

    fn note(&mut self, at: At, visit: Visit, what: What) {
        self.trail.note(at.lane, self.clock.ns(), visit, what);
    }

    /// What can only be said when all is over: everybody with a right to was let in, of a group as
    /// many as came.
    pub fn finish(&mut self) {
        for number in 0..self.tickets.len() {
            let known = self.tickets[number];
            let open = known.holding > 0 || known.unsettled > 0;
            let out = known.entered < known.due || known.returned < known.due_again;
            if known.shown && !known.given_up && (open || out) {
                let race = if known.race { " in a race" } else { "" };
                let what = format!(
                    "ticket {number}{race}: {} let in, {} of {} came, {} of {} came again and are \
                     in, {} still granted, {} visits not ended",
                    known.entered,
                    known.due,
                    known.persons,
                    known.returned,
                    known.due_again,
                    known.holding,
                    known.unsettled
                );
                self.breaks_at(At::lane(usize::MAX), Visit::Enter(number), what);
            }
        }
    }

    /// Its own counts.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Persons that were let in so far, on record or not: what no viewer may see more of.
    pub fn walked_in(&self) -> u32 {
        self.walked_in
    }

    /// Presentations that were not answered in time.
    pub fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// What was allowed.
    pub fn allowances(&self) -> Allowances {
        self.allowances
    }

    /// Broken expectations, and the first of them in words.
    pub fn broken(&self) -> (u64, &[Broken]) {
        (self.broken, &self.kept)
    }
}

#[cfg(test)]
mod tests;
