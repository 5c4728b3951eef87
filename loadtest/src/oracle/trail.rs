//! What happened at each lane lately: a bounded ring for each, told when an expectation breaks.
//!
//! It holds numbers of tickets, never a code.

use std::{collections::VecDeque, fmt};

use shanmen_devices::lane::Ended;

use super::Seen;
use crate::{clock::seconds_of, plan::Visit};

/// Events kept of each lane.
const KEPT_EACH: usize = 16;

/// Events told of one broken expectation.
const TOLD_MAX: usize = 24;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A visitor came to the scanner, on this try.
    Presented(u32),
    /// The lamp showed an answer; whether a fault was on at the lane.
    Answered(Seen, bool),
    /// There was none.
    NoAnswer,
    /// The opening is over.
    Ended(Ended),
    /// The device knows that the ledger has it.
    Acknowledged,
    /// The visitor comes again later.
    Again,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Presented(1) => f.write_str("presents"),
            Self::Presented(n) => write!(f, "presents, try {n}"),
            Self::Answered(seen, fault) => {
                let (result, reason) = (seen.result.as_str(), seen.reason.row().code);
                write!(f, "is answered {result} {reason} for {} by {:?}", seen.persons, seen.by)?;
                if let Some(grant) = seen.grant {
                    write!(f, ", grant {grant}")?;
                }
                if *fault { f.write_str(", a fault is on") } else { Ok(()) }
            }
            Self::NoAnswer => f.write_str("got no answer"),
            Self::Ended(Ended { outcome, passed }) => {
                write!(f, "ends: {outcome:?}, {passed} passed")
            }
            Self::Acknowledged => f.write_str("the fact is acknowledged"),
            Self::Again => f.write_str("will come again"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Event {
    at_ns: u64,
    visit: Visit,
    what: What,
}

/// The rings of all lanes.
#[derive(Debug, Default)]
pub(super) struct Trail(Vec<VecDeque<Event>>);

impl Trail {
    /// Something happened at lane number `lane`.
    pub(super) fn note(&mut self, lane: usize, at_ns: u64, visit: Visit, what: What) {
        if self.0.len() <= lane {
            self.0.resize_with(lane + 1, VecDeque::new);
        }
        let ring = &mut self.0[lane];
        if ring.len() == KEPT_EACH {
            ring.pop_front();
        }
        ring.push_back(Event { at_ns, visit, what });
    }

    /// What led to something about `visit`: all that is known of its ticket at any lane, and what
    /// happened last at this one. In order of time, the newest at the end.
    pub(super) fn led_to(&self, lane: usize, visit: Visit) -> Vec<String> {
        let ticket = visit.ticket();
        let mut events: Vec<(usize, Event)> = Vec::new();
        for (n, ring) in self.0.iter().enumerate() {
            let same = |event: &&Event| {
                let of_ticket = ticket.is_some() && event.visit.ticket() == ticket;
                of_ticket || event.visit == visit
            };
            events.extend(ring.iter().filter(same).map(|event| (n, *event)));
        }
        let at_lane = self.0.get(lane).into_iter().flatten().rev();
        for event in at_lane.take(TOLD_MAX.saturating_sub(events.len())) {
            if event.visit.ticket().is_none() || event.visit.ticket() != ticket {
                events.push((lane, *event));
            }
        }
        events.sort_by_key(|(_, event)| event.at_ns);
        let surplus = events.len().saturating_sub(TOLD_MAX);
        let told = events.into_iter().skip(surplus).map(|(n, Event { at_ns, visit, what })| {
            format!("{:>9.3} s lane {n:>4} {visit:?} {what}", seconds_of(at_ns))
        });
        told.collect()
    }
}
