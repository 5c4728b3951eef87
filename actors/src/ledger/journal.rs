//! The journal's writer: the thread that the gates wait for.
//!
//! One small table in a file of its own, appended in groups: a commit touches a page or two,
//! however many tables its records will touch in the books. What the books have is cut off.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior, params};
use shanmen_protocols::time::UnixMs;
use tokio::{runtime::Handle, sync::mpsc};

use super::{After, Committed, Entry, Journaled, LedgerFault, sqlite::as_f64};
use crate::clock::{Clock, Stopwatch};

/// How many records share one commit at most.
const GROUP_MAX: usize = 512;
/// How long a group of facts waits for company.
const FACTS_WAIT: Duration = Duration::from_millis(2);
/// How many records are cut off at once, at least: rarely enough that most commits have nothing to
/// cut, and little enough not to be felt.
const CUT_ROWS: i64 = 1_024;
/// How many records the books may be behind before the gates are told `busy`.
pub(super) const BACKLOG_MAX: i64 = 1_000_000;
/// How long the writer waits before it tries a commit again on a disk that fails.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// The first byte of a record.
const VERSION: u8 = 1;

/// How far journal and books are; shared by both threads and the readers.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The books should read the park anew, for what they count.
    pub(super) park_changed: AtomicBool,
    /// The newest record in the journal.
    pub(super) journaled: AtomicI64,
    /// The newest record that the books have.
    pub(super) taken_over: AtomicI64,
    /// The newest record that the books have on the disk: up to here the journal may be cut.
    pub(super) on_disk: AtomicI64,
    /// Somebody waits for the books.
    pub(super) wanted: AtomicBool,
    /// Commits go through.
    pub(super) healthy: AtomicBool,
    /// The end has begun: a disk that fails is not waited for any more.
    pub(super) closing: AtomicBool,
    /// The journal is closed: the books take over what is left, and end.
    pub(super) stopping: AtomicBool,
}

impl Progress {
    /// How many records the books are behind.
    pub(super) fn backlog(&self) -> i64 {
        self.journaled.load(Ordering::Acquire) - self.taken_over.load(Ordering::Acquire)
    }
}

/// The journal's one writer.
pub(super) struct JournalWriter {
    pub(super) connection: Connection,
    pub(super) clock: Clock,
    pub(super) progress: Arc<Progress>,
    /// Up to where the journal has been cut.
    pub(super) cut: i64,
}

impl JournalWriter {
    /// Commits in groups until every sender has gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Entry>, runtime: &Handle) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        // What follows a commit may go on beside this thread.
        let _entered = runtime.enter();
        while queue.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
            runtime.block_on(wait_for_company(&mut queue, &mut group));
            metrics::gauge!("shanmen_ledger_queue").set(as_f64(queue.len()));
            self.commit(&mut group);
        }
    }

    fn commit(&mut self, group: &mut Vec<Entry>) {
        let watch = Stopwatch::start();
        let size = group.len();
        let committed = loop {
            let at = self.clock.now();
            match self.try_commit(group, at) {
                Ok(first) => break (at, first),
                Err(error) => self.disk_fails(&error),
            }
            if self.progress.closing.load(Ordering::Relaxed) {
                for entry in group.drain(..) {
                    follow(entry.after, Err(LedgerFault::Broken("the disk failed".into())));
                }
                return;
            }
        };
        self.progress.healthy.store(true, Ordering::Relaxed);
        metrics::histogram!("shanmen_ledger_commit_seconds").record(watch.seconds());
        metrics::histogram!("shanmen_ledger_group_size").record(as_f64(size));
        let (at, first) = committed;
        for (n, entry) in (first..).zip(group.drain(..)) {
            self.progress.journaled.store(n, Ordering::Release);
            follow(entry.after, Ok(Committed { at, n }));
        }
    }

    /// Writes a group; gives the number of its first record.
    fn try_commit(&mut self, group: &[Entry], at: UnixMs) -> Result<i64, rusqlite::Error> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut insert =
            transaction.prepare_cached("INSERT INTO journal (at, record) VALUES (?, ?)")?;
        let mut last = 0;
        for entry in group {
            last = insert.insert(params![at.0, encode(&entry.record)?])?;
        }
        drop(insert);
        let newest = self.progress.journaled.load(Ordering::Acquire);
        let has = self.progress.on_disk.load(Ordering::Acquire).min(newest - 1);
        let cut =
            if self.cut + CUT_ROWS <= has { has.min(self.cut + 4 * CUT_ROWS) } else { self.cut };
        if self.cut < cut {
            transaction.prepare_cached("DELETE FROM journal WHERE n <= ?")?.execute([cut])?;
        }
        transaction.commit()?;
        self.cut = cut.max(self.cut);
        Ok(last + 1 - i64::try_from(group.len()).unwrap_or(0))
    }

    fn disk_fails(&self, error: &rusqlite::Error) {
        // Nothing is answered meanwhile: the queue fills, and the gates say `busy`.
        self.progress.healthy.store(false, Ordering::Relaxed);
        metrics::counter!("shanmen_ledger_commit_failures_total").increment(1);
        tracing::error!(%error, "the journal cannot commit: look at the disk; trying again");
        std::thread::park_timeout(RETRY_AFTER);
    }
}

/// A visitor waits for an answer; for a fact only a device's memory does. A group without an
/// answer waits a little for one, or for more facts, and saves a flush that others would wait for.
async fn wait_for_company(queue: &mut mpsc::Receiver<Entry>, group: &mut Vec<Entry>) {
    let deadline = tokio::time::Instant::now() + FACTS_WAIT;
    while group.len() < GROUP_MAX
        && !group.iter().any(|entry| matches!(entry.after, After::Answer(..)))
    {
        let more = queue.recv_many(group, GROUP_MAX);
        if !matches!(tokio::time::timeout_at(deadline, more).await, Ok(1..)) {
            return;
        }
    }
}

fn follow(after: After, committed: Result<Committed, LedgerFault>) {
    // A receiver that has gone (a lane that restarted) needs no answer: the record is committed.
    let heard = match after {
        After::Nothing => true,
        After::Answer(to, answer) => to.tell(committed.map(|_| answer)),
        After::Ack(to) => to.send(committed).is_ok(),
    };
    if !heard {
        metrics::counter!("shanmen_ledger_unheard_total").increment(1);
    }
}

fn encode(record: &Journaled) -> Result<Vec<u8>, rusqlite::Error> {
    postcard::to_extend(record, vec![VERSION])
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Reads a record as it is kept.
pub(super) fn decode(blob: &[u8]) -> Result<Journaled, LedgerFault> {
    match blob.split_first() {
        Some((&VERSION, body)) => postcard::from_bytes(body)
            .map_err(|error| LedgerFault::Refused(format!("cannot be read: {error}"))),
        _ => Err(LedgerFault::Refused("of an unknown version".into())),
    }
}
