//! Print jobs: each printed once, or nobody knows.
//!
//! Pure. A job is known by its id for as long as its record is kept: the same id again gets the
//! first answer, whatever it asks for. `started` is kept before the first byte goes to the printer,
//! and the end after the printer confirmed it; a job that was begun before a restart is `unknown`,
//! one that only waited has failed, and neither is printed again. It refuses more jobs than it has
//! room for. The printer and the kiosk call it, and keep what it says in one transaction with the
//! facts that it tells.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    device::{Body, JobState},
    ids::{CommandId, JobId},
};

use crate::print::{driver::Fault, ticket::TicketText};

/// The jobs that wait at once; one more is refused.
pub const WAITING_MAX: usize = 64;

/// The records kept; the oldest end of a job is forgotten first.
pub const RECORDS_MAX: usize = 10_000;

/// The most copies of one job.
pub const COPIES_MAX: u16 = 50;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not begun.
    Waiting,
    /// Bytes may be on their way to the printer.
    Started,
    /// It is printed.
    Done,
    /// Nothing of it is printed.
    Failed,
    /// Nobody knows: a person looks.
    Unknown,
}

impl State {
    /// Whether nothing more comes.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Started)
    }

    fn fact(self) -> Option<JobState> {
        match self {
            Self::Waiting => None,
            Self::Started => Some(JobState::Started),
            Self::Done => Some(JobState::Done),
            Self::Failed => Some(JobState::Failed),
            Self::Unknown => Some(JobState::Unknown),
        }
    }
}

/// What is kept of a job: neither its code nor a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// How it stands.
    pub state: State,
    /// Why it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Characters that stand on the paper as boxes, as `U+2CC56`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Its place in the order of all jobs.
    number: u64,
}

/// What is printed. Its `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A ticket in the layout.
    Ticket(Box<TicketText>),
    /// Bytes in the printer's own language.
    Raw(Vec<u8>),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ticket(_) => "Ticket",
            Self::Raw(_) => "Raw",
        })
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What is printed.
    pub content: Content,
    /// How often, 1 to [`COPIES_MAX`].
    pub copies: u16,
    /// The command that asked for it; none for a kiosk's own.
    pub command: Option<CommandId>,
}

/// What the spool wants done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Keep the record of this job.
    Keep(JobId, Record),
    /// Forget the record of this job.
    Forget(JobId),
    /// Tell this fact.
    Fact(Body),
    /// The job has ended like this: whoever asked for it is told.
    Ended(JobId, Option<CommandId>, Record),
    /// Once all of the above is kept: print it.
    Print(Job),
}

/// What comes of a job that is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It waits for its turn.
    Waits,
    /// It was handed in before, and stands like this.
    Again(Record),
    /// There is no room.
    Full,
}

/// The jobs of one printer.
#[derive(Clone, Debug, Default)]
pub struct Spool {
    records: BTreeMap<JobId, Record>,
    /// Ids by their number, oldest first.
    order: VecDeque<JobId>,
    next_number: u64,
    waiting: VecDeque<Job>,
    /// The job at the printer and who asked for it.
    active: Option<(JobId, Option<CommandId>)>,
}

impl Spool {
    /// The records of a shelf, after a restart: what was under way ends now, as `unknown` or as
    /// never begun. A value that cannot be read is a job that nobody knows of any more: `unknown`.
    pub fn recover(shelf: BTreeMap<String, String>, effects: &mut Vec<Effect>) -> Self {
        let mut spool = Self::default();
        for (key, value) in shelf {
            let Ok(id) = key.parse() else { continue };
            let record = serde_json::from_str(&value).unwrap_or(Record {
                state: State::Started,
                reason: None,
                missing: Vec::new(),
                number: 0,
            });
            spool.records.insert(id, record);
        }
        let mut order: Vec<_> =
            spool.records.iter().map(|(id, record)| (record.number, *id)).collect();
        order.sort_unstable();
        spool.next_number = order.last().map_or(0, |(number, _)| number + 1);
        spool.order = order.into_iter().map(|(_, id)| id).collect();
        let open = spool.records.iter().filter(|(_, record)| !record.state.is_final());
        let open: Vec<_> = open.map(|(id, record)| (*id, record.state)).collect();
        for (id, state) in open {
            let (state, reason) = match state {
                State::Waiting => (State::Failed, "restarted before it was begun"),
                _ => (State::Unknown, "restarted while it was printed"),
            };
            spool.end(id, None, state, Some(reason.to_owned()), Vec::new(), effects);
        }
        spool
    }

    /// A job's record.
    pub fn record(&self, id: JobId) -> Option<&Record> {
        self.records.get(&id)
    }

    /// Jobs that wait or are being printed.
    pub fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.active.is_some())
    }

    /// Whether no job waits and none is printed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a job in.
    pub fn take(&mut self, job: Job, effects: &mut Vec<Effect>) -> Taken {
        if let Some(record) = self.records.get(&job.id) {
            return Taken::Again(record.clone());
        }
        if self.waiting.len() >= WAITING_MAX {
            return Taken::Full;
        }
        self.set(job.id, State::Waiting, None, Vec::new(), effects);
        self.waiting.push_back(job);
        self.begin_next(effects);
        Taken::Waits
    }

    /// Gives up a job that is not begun; false when there is none of that id.
    pub fn cancel(&mut self, id: JobId, effects: &mut Vec<Effect>) -> bool {
        let Some(at) = self.waiting.iter().position(|job| job.id == id) else { return false };
        let command = self.waiting.remove(at).and_then(|job| job.command);
        self.end(id, command, State::Failed, Some("cancelled".into()), Vec::new(), effects);
        true
    }

    /// The printer has ended a job. An end of a job that is not at the printer is ignored.
    pub fn printed(
        &mut self,
        id: JobId,
        end: Result<(), Fault>,
        missing: &[char],
        effects: &mut Vec<Effect>,
    ) {
        let Some((_, command)) = self.active.take_if(|(active, _)| *active == id) else { return };
        let missing = missing.iter().map(|c| format!("U+{:04X}", u32::from(*c))).collect();
        let (state, reason) = match end {
            Ok(()) => (State::Done, None),
            Err(Fault::Before(why)) => (State::Failed, Some(why)),
            Err(Fault::Amid(why)) => (State::Unknown, Some(why)),
        };
        self.end(id, command, state, reason, missing, effects);
        self.begin_next(effects);
    }

    fn begin_next(&mut self, effects: &mut Vec<Effect>) {
        if self.active.is_some() {
            return;
        }
        let Some(job) = self.waiting.pop_front() else { return };
        self.active = Some((job.id, job.command));
        self.set(job.id, State::Started, None, Vec::new(), effects);
        effects.push(Effect::Print(job));
    }

    fn end(
        &mut self,
        id: JobId,
        command: Option<CommandId>,
        state: State,
        reason: Option<String>,
        missing: Vec<String>,
        effects: &mut Vec<Effect>,
    ) {
        let record = self.set(id, state, reason, missing, effects);
        effects.push(Effect::Ended(id, command, record));
    }

    fn set(
        &mut self,
        id: JobId,
        state: State,
        reason: Option<String>,
        missing: Vec<String>,
        effects: &mut Vec<Effect>,
    ) -> Record {
        let number = self.records.get(&id).map_or(self.next_number, |record| record.number);
        if number == self.next_number {
            self.next_number += 1;
            self.order.push_back(id);
        }
        let record = Record { state, reason: reason.clone(), missing, number };
        self.records.insert(id, record.clone());
        effects.push(Effect::Keep(id, record.clone()));
        if let Some(state) = state.fact() {
            effects.push(Effect::Fact(Body::Job { job: id, state, serials: Vec::new(), reason }));
        }
        while self.order.len() > RECORDS_MAX {
            // The oldest is final: no more than WAITING_MAX and one are not, and those are young.
            let Some(oldest) = self.order.pop_front() else { break };
            self.records.remove(&oldest);
            effects.push(Effect::Forget(oldest));
        }
        record
    }
}

#[cfg(test)]
mod tests;
