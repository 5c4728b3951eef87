//! What each visitor does: the mix of good tickets, groups, exits, used, unknown and forged ones,
//! of people who do not walk through, and of races of one ticket at two lanes.
//!
//! A plan is made before the clock starts, from moments and a seed, and it is the same for the
//! same seed. Whether what it wants is possible by then is the oracle's part.

mod book;
#[cfg(test)]
mod tests;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};

use self::book::Book;
use crate::{
    park::Sold,
    scenario::{Groups, Scenario},
};

/// What a visitor does. Tickets are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visit {
    /// Comes in with a fresh ticket: all of a group that are not in yet.
    Enter(usize),
    /// So many of a group come in, and the others let the time pass.
    Part(usize, u16),
    /// Is let in, and does not walk through.
    Linger(usize),
    /// One of two who come in with the same fresh ticket at the same moment.
    Race(usize),
    /// Leaves with the ticket of the entry: all that are in on it.
    Leave(usize),
    /// Comes in again on a ticket that allows it, after the exit.
    Return(usize),
    /// Presents a ticket that was used before, and whose holder is in.
    Used(usize),
    /// Presents a code that was never sold; the number makes it unlike all others.
    Unknown(u64),
    /// Presents a ticket's code with one letter changed.
    Forged(usize),
}

impl Visit {
    /// The ticket that is presented, if it is a real one.
    pub fn ticket(self) -> Option<usize> {
        match self {
            Self::Enter(ticket)
            | Self::Part(ticket, _)
            | Self::Linger(ticket)
            | Self::Race(ticket)
            | Self::Leave(ticket)
            | Self::Return(ticket)
            | Self::Used(ticket)
            | Self::Forged(ticket) => Some(ticket),
            Self::Unknown(_) => None,
        }
    }
}

/// Who comes when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The intended moment, in nanoseconds from the start.
    pub at_ns: u64,
    /// What they do.
    pub visit: Visit,
    /// Whether the device sends the scan twice, as a bad network does.
    pub twice: bool,
}

/// Shares of a thousand; the rest come in with a fresh ticket for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Exits.
    pub leave: u32,
    /// Used tickets.
    pub used: u32,
    /// Unknown tickets.
    pub unknown: u32,
    /// Forged codes.
    pub forged: u32,
    /// Arrivals that race with the next one.
    pub race: u32,
    /// Groups on one ticket.
    pub group: u32,
    /// Groups of whom some come later. Their lane waits out the hold.
    pub part: u32,
    /// People who are let in and do not walk through, and come again. Their lane waits, too.
    pub linger: u32,
    /// Presentations of people who come in, leave, and come in again on the same ticket.
    pub reenter: u32,
    /// Of all presentations, whatever else they are, those whose scan is sent twice with the same
    /// id. Not one of the shares that make up the thousand.
    pub again: u32,
}

impl Default for Mix {
    fn default() -> Self {
        let (leave, used, unknown, forged, race) = (80, 50, 40, 10, 5);
        let (group, part, linger, reenter, again) = (0, 0, 0, 0, 0);
        Self { leave, used, unknown, forged, race, group, part, linger, reenter, again }
    }
}

impl Mix {
    /// All shares together; 4,294,967,295 where they are more.
    pub fn sum(&self) -> u32 {
        let Self { leave, used, unknown, forged, race, group, part, linger, reenter, .. } = *self;
        let shares = [leave, used, unknown, forged, race, group, part, linger, reenter];
        shares.into_iter().fold(0, u32::saturating_add)
    }

    /// What those share who present at a moment; none for a fresh ticket for one.
    fn kind(self, dice: u32) -> Option<Kind> {
        let shares = [
            (self.leave, Kind::Leave),
            (self.used, Kind::Used),
            (self.unknown, Kind::Unknown),
            (self.forged, Kind::Forged),
            (self.race, Kind::Race),
            (self.group, Kind::Group),
            (self.part, Kind::Part),
            (self.linger, Kind::Linger),
            (self.reenter, Kind::Reenter),
        ];
        let mut upto = 0;
        shares.into_iter().find_map(|(share, kind)| {
            upto += share;
            (dice < upto).then_some(kind)
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Leave,
    Used,
    Unknown,
    Forged,
    Race,
    Group,
    Part,
    Linger,
    Reenter,
}

/// All arrivals of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order of time.
    pub arrivals: Vec<Arrival>,
    /// The tickets that have to be issued.
    pub tickets: Vec<Sold>,
}

/// What a plan goes by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The mix of each phase.
    pub mixes: Vec<Mix>,
    /// The sizes of groups.
    pub groups: Groups,
    /// How long visitors stay, in seconds.
    pub stay_s: Option<f64>,
    /// The number of the first ticket.
    pub first: usize,
}

impl Rules {
    /// One mix, no stay.
    pub fn plain(mix: Mix) -> Self {
        Self { mixes: vec![mix], groups: Groups::default(), stay_s: None, first: 0 }
    }

    /// A scenario's.
    pub fn of(scenario: &Scenario) -> Self {
        let mixes = scenario.phases.iter().map(|phase| phase.mix.unwrap_or(scenario.mix));
        let (groups, stay_s) = (scenario.groups, scenario.stay_s);
        Self { mixes: mixes.collect(), groups, stay_s, first: 0 }
    }
}

/// Makes the plan for these moments, each with the number of its phase.
pub fn plan(moments: &[(u64, usize)], rules: &Rules, seed: u64) -> Plan {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x5348_414e_4d45_4e00);
    let mut book = Book::new(rules);
    let mut arrivals = Vec::with_capacity(moments.len());
    let mut moments = moments.iter().copied().enumerate();
    while let Some((n, (at_ns, phase))) = moments.next() {
        for (left_ns, ticket) in book.settle(at_ns) {
            let visit = Visit::Leave(ticket);
            arrivals.push(Arrival { at_ns: left_ns, visit, twice: false });
        }
        let mix = rules.mixes[phase.min(rules.mixes.len() - 1)];
        let visit = match mix.kind(rng.random_range(0..1000_u32)) {
            Some(Kind::Leave) => book.leaver(),
            Some(Kind::Used) => book.used(&mut rng),
            Some(Kind::Unknown) => Some(Visit::Unknown(u64::try_from(n).unwrap_or(u64::MAX))),
            Some(Kind::Forged) => book.forged(&mut rng),
            // The second one takes the next arrival's place, and comes at the same moment.
            Some(Kind::Race) => moments.next().map(|_| Visit::Race(book.fresh(1))),
            Some(Kind::Group) => Some(book.group(at_ns, &mut rng)),
            Some(Kind::Part) => Some(book.part(at_ns, &mut rng)),
            Some(Kind::Linger) => Some(book.linger(at_ns)),
            Some(Kind::Reenter) => Some(book.comes_and_goes(at_ns)),
            None => None,
        };
        let visit = visit.unwrap_or_else(|| book.enter(at_ns, &mut rng));
        // No dice where nothing is sent twice: the plan of a seed stays what it was.
        let twice = mix.again > 0 && rng.random_range(0..1000_u32) < mix.again;
        arrivals.push(Arrival { at_ns, visit, twice });
        if matches!(visit, Visit::Race(_)) {
            arrivals.push(Arrival { at_ns, visit, twice });
        }
    }
    // Exits lie between the moments of entries.
    arrivals.sort_by_key(|arrival| arrival.at_ns);
    Plan { arrivals, tickets: book.tickets }
}
