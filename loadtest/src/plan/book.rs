//! Which tickets are where by the plan.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use rand::{RngExt as _, rngs::StdRng};

use super::{Rules, Visit};
use crate::{clock::ns_of, park::Sold, scenario::Groups};

/// How long after its entry a ticket may be presented again, in nanoseconds: by then its passage
/// is long on record.
pub(super) const SETTLED_AFTER_NS: u64 = 2_000_000_000;

/// How long the rest of a group, and who did not walk, take to come again: the hold is over.
const AGAIN_AFTER_NS: u64 = 8_000_000_000;

/// Of so many who stay for a while, one stays to the end: their tickets are shown again.
const KEEPERS_OF: usize = 10;

/// Which tickets are where by the plan.
pub(super) struct Book {
    first: usize,
    groups: Groups,
    stay_ns: Option<u64>,
    /// What each ticket is sold as.
    pub(super) tickets: Vec<Sold>,
    /// Came in a short while ago.
    recent: VecDeque<(u64, usize)>,
    /// Inside, and will leave.
    leavers: VecDeque<usize>,
    /// Inside, and will leave at a moment.
    leaving: BinaryHeap<Reverse<(u64, usize)>>,
    /// Will come again from a moment on, with the rest of the group or on their second try.
    again: VecDeque<(u64, usize)>,
    /// Who may come in again: inside since their entry, outside since their exit, and back inside;
    /// each with the moment from which that is on record.
    inside: VecDeque<(u64, usize)>,
    outside: VecDeque<(u64, usize)>,
    back: VecDeque<(u64, usize)>,
    /// Inside, and will stay: what is presented again, so that no exit is under way meanwhile.
    stayers: Vec<usize>,
}

impl Book {
    pub(super) fn new(rules: &Rules) -> Self {
        let stay = rules.stay_s.and_then(|stay_s| Duration::try_from_secs_f64(stay_s).ok());
        Self {
            first: rules.first,
            groups: rules.groups,
            stay_ns: stay.map(ns_of),
            tickets: Vec::new(),
            recent: VecDeque::new(),
            leavers: VecDeque::new(),
            leaving: BinaryHeap::new(),
            again: VecDeque::new(),
            inside: VecDeque::new(),
            outside: VecDeque::new(),
            back: VecDeque::new(),
            stayers: Vec::new(),
        }
    }

    /// A ticket that nobody has shown yet.
    pub(super) fn fresh(&mut self, persons: u16) -> usize {
        self.sold(Sold::group(persons))
    }

    fn sold(&mut self, sold: Sold) -> usize {
        self.tickets.push(sold);
        self.first + self.tickets.len() - 1
    }

    /// Somebody comes in: with a fresh ticket, or who has to come again.
    pub(super) fn enter(&mut self, at_ns: u64, rng: &mut StdRng) -> Visit {
        let ticket = match self.again.front() {
            Some(&(from_ns, ticket)) if from_ns <= at_ns => {
                self.again.pop_front();
                ticket
            }
            _ => self.fresh(1),
        };
        self.came_in(at_ns, ticket, rng)
    }

    /// A whole group.
    pub(super) fn group(&mut self, at_ns: u64, rng: &mut StdRng) -> Visit {
        let ticket = self.fresh(rng.random_range(self.groups.min..=self.groups.max));
        self.came_in(at_ns, ticket, rng)
    }

    /// Some of a group; the others come later.
    pub(super) fn part(&mut self, at_ns: u64, rng: &mut StdRng) -> Visit {
        let persons = rng.random_range(self.groups.min..=self.groups.max);
        let ticket = self.fresh(persons);
        self.again.push_back((at_ns + AGAIN_AFTER_NS, ticket));
        Visit::Part(ticket, rng.random_range(1..persons))
    }

    /// Somebody who does not walk through, and comes again.
    pub(super) fn linger(&mut self, at_ns: u64) -> Visit {
        let ticket = self.fresh(1);
        self.again.push_back((at_ns + AGAIN_AFTER_NS, ticket));
        Visit::Linger(ticket)
    }

    /// Somebody who may come in again does the next thing that can be done: comes in again, leaves,
    /// or comes in.
    pub(super) fn comes_and_goes(&mut self, at_ns: u64) -> Visit {
        let settled_ns = at_ns + SETTLED_AFTER_NS;
        if let Some(ticket) = due(&mut self.outside, at_ns) {
            self.back.push_back((settled_ns, ticket));
            return Visit::Return(ticket);
        }
        if let Some(ticket) = due(&mut self.inside, at_ns) {
            self.outside.push_back((settled_ns, ticket));
            return Visit::Leave(ticket);
        }
        let ticket = self.sold(Sold { persons: 1, returns: true });
        self.inside.push_back((settled_ns, ticket));
        Visit::Enter(ticket)
    }

    fn came_in(&mut self, at_ns: u64, ticket: usize, rng: &mut StdRng) -> Visit {
        match self.stay_ns {
            Some(stay_ns) if !ticket.is_multiple_of(KEEPERS_OF) => {
                let stay_ns = stay_ns / 2 + rng.random_range(0..=stay_ns);
                self.leaving.push(Reverse((at_ns + stay_ns.max(SETTLED_AFTER_NS), ticket)));
            }
            _ => self.recent.push_back((at_ns, ticket)),
        }
        Visit::Enter(ticket)
    }

    /// What has come to pass by now; those whose time to leave has come, each with its moment.
    pub(super) fn settle(&mut self, at_ns: u64) -> Vec<(u64, usize)> {
        while self.recent.front().is_some_and(|(since, _)| since + SETTLED_AFTER_NS <= at_ns) {
            let Some((_, ticket)) = self.recent.pop_front() else { break };
            if self.stay_ns.is_none() && ticket.is_multiple_of(2) {
                self.leavers.push_back(ticket);
            } else {
                self.stayers.push(ticket);
            }
        }
        while let Some(ticket) = due(&mut self.back, at_ns) {
            self.stayers.push(ticket);
        }
        let mut leave = Vec::new();
        while self.leaving.peek().is_some_and(|Reverse((when, _))| *when <= at_ns) {
            leave.extend(self.leaving.pop().map(|Reverse(one)| one));
        }
        leave
    }

    pub(super) fn leaver(&mut self) -> Option<Visit> {
        self.leavers.pop_front().map(Visit::Leave)
    }

    pub(super) fn used(&self, rng: &mut StdRng) -> Option<Visit> {
        self.any_stayer(rng).map(Visit::Used)
    }

    pub(super) fn forged(&self, rng: &mut StdRng) -> Option<Visit> {
        self.any_stayer(rng).map(Visit::Forged)
    }

    fn any_stayer(&self, rng: &mut StdRng) -> Option<usize> {
        (!self.stayers.is_empty()).then(|| self.stayers[rng.random_range(0..self.stayers.len())])
    }
}

/// The first of a queue whose moment has come.
fn due(queue: &mut VecDeque<(u64, usize)>, at_ns: u64) -> Option<usize> {
    let &(from_ns, ticket) = queue.front()?;
    if at_ns < from_ns {
        return None;
    }
    queue.pop_front();
    Some(ticket)
}
