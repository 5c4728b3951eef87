//! Each answer against the reference model: the server's, and a lane's own.

use shanmen_protocols::{device::DecisionResult, reason::Reason};

use super::{At, Next, Oracle, Seen};
use crate::plan::Visit;

impl Oracle {
    pub(super) fn answered_by_server(&mut self, at: At, visit: Visit, seen: Seen) -> Next {
        if seen.result == DecisionResult::Deny {
            self.counts.denied(seen.reason);
        }
        if let Some(grant) = seen.grant
            && !self.grants.insert(grant)
        {
            self.breaks_at(at, visit, format!("{visit:?}: grant {grant} was given twice"));
        }
        let granted = seen.result == DecisionResult::Grant;
        let (right, next) = match visit {
            // What an earlier answer reserved, which nobody heard, is given back by the lane.
            Visit::Enter(ticket)
            | Visit::Part(ticket, _)
            | Visit::Linger(ticket)
            | Visit::Return(ticket)
                if denied_for(seen, Reason::InProgress) && self.tickets[ticket].doubtful =>
            {
                (true, Next::Again)
            }
            Visit::Enter(ticket) => {
                // At least one: somebody stands there, whom the server does let in.
                let rest = self.rest(ticket).max(1);
                (self.admits(ticket, seen), Next::Walk(rest))
            }
            Visit::Part(ticket, some) => (self.admits(ticket, seen), Next::Walk(some.into())),
            Visit::Linger(ticket) => (self.admits(ticket, seen), Next::Walk(0)),
            Visit::Race(ticket) if granted => (self.admits(ticket, seen), Next::Walk(1)),
            Visit::Race(_) => {
                let lost = [Reason::InProgress, Reason::AlreadyUsed];
                (lost.iter().any(|reason| denied_for(seen, *reason)), self.lost(visit))
            }
            Visit::Leave(ticket) => {
                let known = self.tickets[ticket];
                let inside = u32::from(known.inside());
                // On a conflict the second one in is somebody else, and not the ticket's.
                let good = is_grant(seen) && (seen.persons == inside || known.alone);
                (good, Next::Walk(seen.persons))
            }
            Visit::Return(ticket) => {
                let known = &mut self.tickets[ticket];
                if granted {
                    let persons = u16::try_from(seen.persons).unwrap_or(u16::MAX);
                    known.holding = known.holding.saturating_add(persons);
                }
                (is_grant(seen) && seen.persons == u32::from(known.persons), Next::Walk(1))
            }
            Visit::Used(ticket) => {
                // The re-entry's own reason stands in the place of the use's.
                let returns = self.tickets[ticket].returns;
                let reason = if returns { Reason::NotExited } else { Reason::AlreadyUsed };
                (denied_for(seen, reason), Next::Walk(1))
            }
            Visit::Unknown(_) => (denied_for(seen, Reason::UnknownTicket), Next::Walk(1)),
            Visit::Forged(_) => (denied_for(seen, Reason::Forged), Next::Walk(1)),
        };
        if !right {
            self.wrong(at, visit, seen);
        }
        match next {
            Next::Walk(_) if granted => next,
            Next::Walk(_) => Next::Done,
            Next::Done | Next::Again => next,
        }
    }

    /// Who lost a race goes away, unless the ticket's fate is not known: then both try again.
    fn lost(&self, visit: Visit) -> Next {
        let doubtful = visit.ticket().is_some_and(|ticket| {
            let known = self.tickets[ticket];
            known.doubtful && known.entered == 0 && known.holding == 0 && known.unsettled < 2
        });
        if doubtful { Next::Again } else { Next::Done }
    }

    /// Persons of a ticket who are not in, and have no grant.
    fn rest(&self, ticket: usize) -> u32 {
        let known = self.tickets[ticket];
        known.persons.saturating_sub(known.entered + known.holding).into()
    }

    /// A fresh use is granted for all who are not in yet, and only for them. Whom a lane alone has
    /// let in, and not yet reported, the server takes for still outside.
    fn admits(&mut self, ticket: usize, seen: Seen) -> bool {
        let rest = self.rest(ticket);
        let known = &mut self.tickets[ticket];
        let most = u32::from(known.persons.saturating_sub(
            known.entered.saturating_sub(known.unheard).saturating_add(known.holding),
        ));
        if seen.result == DecisionResult::Grant {
            let persons = u16::try_from(seen.persons).unwrap_or(u16::MAX);
            known.holding = known.holding.saturating_add(persons);
        }
        is_grant(seen) && seen.persons > 0 && (rest..=most).contains(&seen.persons)
    }

    /// A lane has decided by itself: right where a fault is on, and nobody without a real ticket
    /// gets in.
    pub(super) fn answered_alone(&mut self, at: At, visit: Visit, seen: Seen) -> Next {
        self.allowances.alone += 1;
        if !at.fault {
            self.unanswered += 1;
            self.breaks_at(at, visit, format!("{visit:?}: no answer of the server in time"));
        }
        let granted = seen.result == DecisionResult::Grant;
        if granted {
            self.allowances.alone_granted += 1;
        }
        let busy = seen.result == DecisionResult::Deny && seen.reason == Reason::Busy;
        match visit {
            Visit::Unknown(_) | Visit::Forged(_) => {
                if granted {
                    self.wrong(at, visit, seen);
                }
                if granted { Next::Walk(1) } else { Next::Done }
            }
            Visit::Used(_) if granted => Next::Walk(1),
            Visit::Used(_) => Next::Done,
            Visit::Enter(ticket)
            | Visit::Part(ticket, _)
            | Visit::Linger(ticket)
            | Visit::Race(ticket) => {
                let rest = self.rest(ticket).min(seen.persons);
                let known = &mut self.tickets[ticket];
                known.doubtful = true;
                if !granted && !at.fault {
                    known.given_up = true;
                }
                if !granted && !busy && !known.alone && !known.race {
                    self.wrong(at, visit, seen);
                }
                match visit {
                    _ if !granted && at.fault => Next::Again,
                    _ if !granted => Next::Done,
                    Visit::Part(_, some) => Next::Walk(some.into()),
                    Visit::Linger(_) => Next::Walk(0),
                    // Who lost a race elsewhere walks in here, if this lane knows no better.
                    Visit::Race(_) => Next::Walk(1),
                    _ => Next::Walk(rest),
                }
            }
            // The lane may not know of the exit at another gate; it is asked again then.
            Visit::Return(ticket) => {
                let known = &mut self.tickets[ticket];
                known.doubtful = true;
                match () {
                    () if granted => Next::Walk(1),
                    () if at.fault => Next::Again,
                    () => {
                        known.given_up = true;
                        Next::Done
                    }
                }
            }
            Visit::Leave(ticket) => {
                let inside = u32::from(self.tickets[ticket].inside());
                match () {
                    () if granted => Next::Walk(inside.min(seen.persons)),
                    () if at.fault => Next::Again,
                    () => Next::Done,
                }
            }
        }
    }

    fn wrong(&mut self, at: At, visit: Visit, seen: Seen) {
        let (result, reason) = (seen.result.as_str(), seen.reason.row().code);
        let (persons, by) = (seen.persons, seen.by);
        let what = format!("{visit:?}: answered {result} {reason} for {persons} by {by:?}");
        self.breaks_at(at, visit, what);
    }
}

fn is_grant(seen: Seen) -> bool {
    seen.result == DecisionResult::Grant && seen.reason == Reason::Ok && seen.grant.is_some()
}

fn denied_for(seen: Seen, reason: Reason) -> bool {
    seen.result == DecisionResult::Deny && seen.reason == reason && seen.grant.is_none()
}
