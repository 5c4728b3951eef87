//! What each visitor does: the mix of good tickets, exits, used, unknown and forged ones, and
//! races of one ticket at two lanes.
//!
//! A plan is made before the clock starts, from moments and a seed, and it is the same for the
//! same seed. Whether what it wants is possible by then is the oracle's part.

use std::collections::VecDeque;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// How long after its entry a ticket may be presented again, in nanoseconds: by then its passage
/// is long on record.
const SETTLED_AFTER_NS: u64 = 2_000_000_000;

/// What a visitor does. Tickets are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visit {
    /// Comes in with a fresh ticket.
    Enter(usize),
    /// One of two who come in with the same fresh ticket at the same moment.
    Race(usize),
    /// Leaves with the ticket of the entry.
    Leave(usize),
    /// Presents a ticket that was used before.
    Used(usize),
    /// Presents a code that was never sold; the number makes it unlike all others.
    Unknown(u64),
    /// Presents a ticket's code with one letter changed.
    Forged(usize),
}

/// Who comes when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The intended moment, in nanoseconds from the start.
    pub at_ns: u64,
    /// What they do.
    pub visit: Visit,
}

/// Shares of a thousand; the rest come in with a fresh ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Exits.
    pub leave: u32,
    /// Used tickets.
    pub used: u32,
    /// Unknown tickets.
    pub unknown: u32,
    /// Forged codes.
    pub forged: u32,
    /// Races; each takes two arrivals.
    pub race: u32,
}

impl Default for Mix {
    fn default() -> Self {
        Self { leave: 80, used: 50, unknown: 40, forged: 10, race: 5 }
    }
}

/// All arrivals of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order of time.
    pub arrivals: Vec<Arrival>,
    /// How many tickets have to be issued.
    pub tickets: usize,
}

/// Makes the plan for these moments.
pub fn plan(moments: &[u64], mix: Mix, seed: u64) -> Plan {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x5348_414e_4d45_4e00);
    let mut book = Book::default();
    let mut arrivals = Vec::with_capacity(moments.len());
    let mut moments = moments.iter().copied().enumerate();
    while let Some((n, at_ns)) = moments.next() {
        book.settle(at_ns);
        let dice = rng.random_range(0..1000_u32);
        let visit = match () {
            () if dice < mix.leave => book.leaver(),
            () if dice < mix.leave + mix.used => book.used(&mut rng),
            () if dice < mix.leave + mix.used + mix.unknown => {
                Some(Visit::Unknown(u64::try_from(n).unwrap_or(u64::MAX)))
            }
            () if dice < mix.leave + mix.used + mix.unknown + mix.forged => book.forged(&mut rng),
            () if dice < mix.leave + mix.used + mix.unknown + mix.forged + mix.race => {
                // The second one takes the next arrival's place, and comes at the same moment.
                moments.next().map(|_| Visit::Race(book.fresh()))
            }
            () => None,
        };
        let visit = visit.unwrap_or_else(|| book.enter(at_ns));
        arrivals.push(Arrival { at_ns, visit });
        if matches!(visit, Visit::Race(_)) {
            arrivals.push(Arrival { at_ns, visit });
        }
    }
    Plan { arrivals, tickets: book.issued }
}

/// Which tickets are where by the plan.
#[derive(Default)]
struct Book {
    issued: usize,
    /// Came in a short while ago.
    recent: VecDeque<(u64, usize)>,
    /// Inside, and will leave.
    leavers: VecDeque<usize>,
    /// Inside, and will stay: what is presented again, so that no exit is under way meanwhile.
    stayers: Vec<usize>,
}

impl Book {
    fn fresh(&mut self) -> usize {
        self.issued += 1;
        self.issued - 1
    }

    fn enter(&mut self, at_ns: u64) -> Visit {
        let ticket = self.fresh();
        self.recent.push_back((at_ns, ticket));
        Visit::Enter(ticket)
    }

    fn settle(&mut self, at_ns: u64) {
        while self.recent.front().is_some_and(|(since, _)| since + SETTLED_AFTER_NS <= at_ns) {
            let Some((_, ticket)) = self.recent.pop_front() else { return };
            if ticket.is_multiple_of(2) {
                self.leavers.push_back(ticket);
            } else {
                self.stayers.push(ticket);
            }
        }
    }

    fn leaver(&mut self) -> Option<Visit> {
        self.leavers.pop_front().map(Visit::Leave)
    }

    fn used(&self, rng: &mut StdRng) -> Option<Visit> {
        self.any_stayer(rng).map(Visit::Used)
    }

    fn forged(&self, rng: &mut StdRng) -> Option<Visit> {
        self.any_stayer(rng).map(Visit::Forged)
    }

    fn any_stayer(&self, rng: &mut StdRng) -> Option<usize> {
        (!self.stayers.is_empty()).then(|| self.stayers[rng.random_range(0..self.stayers.len())])
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{HashMap, HashSet},
        time::Duration,
    };

    use super::*;
    use crate::arrivals::poisson;

    fn minute() -> Plan {
        plan(&poisson(1000.0, Duration::from_mins(1), 5), Mix::default(), 5)
    }

    #[test]
    fn a_seed_makes_the_same_plan_again() {
        assert_eq!(minute(), minute());
    }

    #[test]
    fn nobody_is_added_and_nobody_lost() {
        let moments = poisson(1000.0, Duration::from_mins(1), 5);
        assert_eq!(minute().arrivals.len(), moments.len());
    }

    #[test]
    fn a_ticket_leaves_once_and_only_after_its_entry() {
        let mut entered: HashMap<usize, u64> = HashMap::new();
        let mut left = HashSet::new();
        for arrival in minute().arrivals {
            match arrival.visit {
                Visit::Enter(ticket) => assert_eq!(entered.insert(ticket, arrival.at_ns), None),
                Visit::Leave(ticket) => {
                    assert!(entered[&ticket] + SETTLED_AFTER_NS <= arrival.at_ns);
                    assert!(left.insert(ticket));
                }
                Visit::Used(ticket) | Visit::Forged(ticket) => {
                    assert!(entered.contains_key(&ticket) && !left.contains(&ticket));
                }
                Visit::Race(_) | Visit::Unknown(_) => {}
            }
        }
        assert!(left.len() > 3_000);
    }

    #[test]
    fn races_come_in_pairs_at_one_moment() {
        let mut races: HashMap<usize, Vec<u64>> = HashMap::new();
        for arrival in minute().arrivals {
            if let Visit::Race(ticket) = arrival.visit {
                races.entry(ticket).or_default().push(arrival.at_ns);
            }
        }
        assert!(races.len() > 100);
        assert!(races.values().all(|at| at.len() == 2 && at[0] == at[1]));
    }
}
