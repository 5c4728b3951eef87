//! What a device keeps over a restart: its facts, its lists, and small values on named shelves.
//!
//! Everything is read once, at the start, and held in memory from then on; the storage only takes
//! writes. The writes of one step of the device are one transaction: all of it is kept, or nothing.
//! A device waits for [`Commit`] before it does what others can see (publish, acknowledge, open,
//! print), since what is not on the disk is gone after a power cut. A scan writes nothing and waits
//! for nothing. It knows no meaning of what it keeps. The [agent](crate::agent) calls it.

mod memory;
mod sqlite;

use std::{collections::BTreeMap, sync::Arc};

use shanmen_protocols::{device::LogEvent, ids::Epoch};
use tokio::sync::oneshot;

pub use self::{memory::MemoryStorage, sqlite::SqliteStorage};

/// One thing to keep, or to forget.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A fact by its number, in place of another one with this number.
    Fact(LogEvent),
    /// All facts up to and including this number are gone.
    DropFacts(u64),
    /// The fact of this number is gone.
    DropFact(u64),
    /// A value on a shelf, in place of the one before.
    Put {
        /// Whose value it is: `agent`, `lane`, `job` …
        shelf: &'static str,
        /// Its name there.
        key: String,
        /// What is kept, mostly JSON.
        value: String,
    },
    /// A value is gone.
    Remove {
        /// The shelf.
        shelf: &'static str,
        /// The name there.
        key: String,
    },
    /// A list, in place of the one of this name.
    List {
        /// Its name.
        name: String,
        /// What it is now.
        list: KeptList,
    },
}

/// A list as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptList {
    /// Its version.
    pub version: u64,
    /// SHA-256 of its text, in hex.
    pub sha256: String,
    /// All its lines.
    pub text: Arc<str>,
}

/// All that a storage held when it was opened.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The name of this storage: a fresh one has a fresh name.
    pub epoch: Epoch,
    /// The number that the next fact gets.
    pub next_seq: u64,
    /// Facts not acknowledged, oldest first.
    pub facts: Vec<LogEvent>,
    /// Values by shelf and name.
    pub shelves: BTreeMap<String, BTreeMap<String, String>>,
    /// Lists by name.
    pub lists: BTreeMap<String, KeptList>,
    /// How it was found.
    pub start: Start,
}

/// How a storage was found when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It was not there before.
    Fresh,
    /// With what was kept.
    Again,
    /// Damaged: what was kept is put aside.
    Lost,
}

impl Start {
    /// The reason of the `boot` fact.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "first start",
            Self::Again => "start",
            Self::Lost => "storage lost",
        }
    }
}

impl Kept {
    /// What a fresh storage holds: nothing, under a name that no other storage has.
    pub fn nothing() -> Self {
        let epoch = format!("{:016x}", rand::random::<u64>());
        Self {
            epoch: Epoch::new(&epoch).expect("16 digits are an epoch"),
            next_seq: 1,
            facts: Vec::new(),
            shelves: BTreeMap::new(),
            lists: BTreeMap::new(),
            start: Start::Fresh,
        }
    }
}

/// Why something is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The disk or the file refuses.
    #[error("{what} of {path}: {why}; check the disk, its room and who owns the folder")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: String,
        /// What the library says.
        why: String,
    },
    /// The writer has ended.
    #[error("the storage is closed")]
    Closed,
}

/// The end of a transaction: nothing to wait for, or the writer's word.
pub type Commit = Option<oneshot::Receiver<Result<(), StorageError>>>;

/// A device's storage.
pub trait Storage: Send {
    /// All that it held when it was opened; asked once.
    fn kept(&mut self) -> Kept;

    /// Keeps `writes` in this order, all or nothing. `None` when it is done already; else it is
    /// durable when the receiver says so.
    fn commit(&mut self, writes: Vec<Write>) -> Commit;
}
