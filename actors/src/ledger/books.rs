//! The books' writer: takes the journal over into the tables that people ask, and writes what is
//! in no hurry (tickets, devices, accounts). Nobody at a gate waits for it.
//!
//! Small batches, each flushed: less would do, since the journal has it all, but what is written at
//! once must not be so much that the journal's own flush waits behind it (loadtest/README.md has
//! both forms).

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use shanmen_protocols::time::UnixMs;
use tokio::sync::mpsc;

use super::{
    BulkEntry, DirectEntry, LedgerFault, Record,
    history::Counter,
    journal::Progress,
    log::{Kept, encode},
    marks::Marks,
    sqlite::as_f64,
    write,
};
use crate::clock::{Clock, Stopwatch};

/// How many records are taken over at once.
pub(super) const TAKE_MAX: usize = 512;
/// From so many records on they are taken over without waiting for more.
const TAKE_AT_ONCE: i64 = 512;
/// How many direct writes share one commit at most.
const GROUP_MAX: usize = 64;
/// How long the books leave the journal alone: what comes meanwhile shares their pages. A reader
/// does not wait for it.
const REST: Duration = Duration::from_millis(50);
/// How often they look whether somebody waits.
const LOOK: Duration = Duration::from_millis(10);
/// How long they wait after a disk that failed.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// The books' one writer.
pub(super) struct BooksWriter {
    pub(super) books: Connection,
    pub(super) clock: Clock,
    pub(super) progress: Arc<Progress>,
    /// Records on their way into the tables: they stay here until they are there.
    pub(super) taking: Vec<Kept>,
    /// What is known beside the tables of what is taken over.
    pub(super) known: Known,
}

/// What the books' writer knows, so that it need not ask its tables for each record.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Counts what is taken over, for the history.
    pub(super) counter: Counter,
    /// How far each device's facts are complete.
    pub(super) marks: Marks,
}

impl Known {
    /// Writes what has changed.
    fn write(&mut self, to: &Connection) -> rusqlite::Result<()> {
        self.counter.write(to)?;
        self.marks.write(to)
    }

    /// Forgets what was not written: its transaction failed, and comes again.
    fn forget(&mut self) {
        self.counter.forget();
        self.marks = Marks::default();
    }
}

impl BooksWriter {
    /// Writes until it is stopped, and then what is left.
    pub(super) fn run(
        mut self,
        mut direct: mpsc::Receiver<DirectEntry>,
        mut bulk: mpsc::Receiver<BulkEntry>,
    ) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        let mut rested = Stopwatch::start();
        loop {
            let stopping = self.progress.stopping.load(Ordering::Relaxed);
            while group.len() < GROUP_MAX
                && let Ok(entry) = direct.try_recv()
            {
                group.push(entry);
            }
            let mut worked = !group.is_empty();
            self.commit_direct(&mut group);
            let due = stopping
                || self.progress.wanted.swap(false, Ordering::AcqRel)
                || TAKE_AT_ONCE <= self.progress.backlog()
                || REST.as_secs_f64() <= rested.seconds();
            let taken = if due {
                rested = Stopwatch::start();
                self.take_over()
            } else {
                Ok(0)
            };
            match taken {
                Ok(taken) => worked |= taken > 0,
                Err(error) => {
                    metrics::counter!("shanmen_ledger_books_failures_total").increment(1);
                    tracing::error!(%error, "the books cannot be written: look at the disk");
                    std::thread::park_timeout(RETRY_AFTER);
                    if stopping {
                        // The journal has it all; the next start takes it over.
                        return;
                    }
                    continue;
                }
            }
            if let Ok(entry) = bulk.try_recv() {
                self.commit_bulk(entry);
                worked = true;
            }
            if !worked {
                if stopping {
                    return;
                }
                std::thread::park_timeout(LOOK);
            }
        }
    }

    /// Takes the next records of the journal over, in their order; gives how many there were.
    ///
    /// Where the books are is written in the same transaction: a record is taken over once.
    pub(super) fn take_over(&mut self) -> Result<usize, LedgerFault> {
        if self.progress.park_changed.swap(false, Ordering::AcqRel) {
            let seen = self.known.counter.look_around(&self.books);
            if seen.is_err() {
                self.progress.park_changed.store(true, Ordering::Release);
            }
            seen?;
        }
        let taken = self.take_batch();
        if taken.is_err() {
            self.known.forget();
        }
        taken
    }

    fn take_batch(&mut self) -> Result<usize, LedgerFault> {
        if self.taking.is_empty() {
            self.progress.take(TAKE_MAX, &mut self.taking);
        }
        let Some(newest) = self.taking.last().map(|kept| kept.n) else { return Ok(0) };
        let watch = Stopwatch::start();
        // Mostly all of them can be taken: a savepoint for each would cost as much as the rows.
        if let Err(error) = self.take_all(newest, Care::OfTheBatch) {
            let LedgerFault::Refused(_) = error else { return Err(error) };
            self.known.forget();
            self.take_all(newest, Care::OfEach)?;
        }
        self.progress.taken_over.store(newest, Ordering::Release);
        metrics::histogram!("shanmen_ledger_take_over_seconds").record(watch.seconds());
        metrics::gauge!("shanmen_ledger_backlog")
            .set(as_f64(usize::try_from(self.progress.backlog()).unwrap_or(0)));
        let taken = self.taking.len();
        self.taking.clear();
        Ok(taken)
    }

    fn take_all(&mut self, newest: i64, care: Care) -> Result<(), LedgerFault> {
        let transaction = self.books.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for kept in &self.taking {
            match care {
                Care::OfTheBatch => take(&transaction, kept, &mut self.known)?,
                Care::OfEach => take_or_set_aside(&transaction, kept, &mut self.known)?,
            }
        }
        self.known.write(&transaction)?;
        transaction.prepare_cached("UPDATE taken_over SET n = ?")?.execute([newest])?;
        Ok(transaction.commit()?)
    }

    fn commit_direct(&mut self, group: &mut Vec<DirectEntry>) {
        if group.is_empty() {
            return;
        }
        let at = self.clock.now();
        let mut answers = match self.try_direct(group, at) {
            Ok(answers) => answers,
            Err(_) if group.len() > 1 => group
                .iter()
                .map(|entry| {
                    self.try_direct(std::slice::from_ref(entry), at)
                        .map_or_else(|error| Err(refused(&error)), |mut one| one.remove(0))
                })
                .collect(),
            Err(error) => vec![Err(refused(&error))],
        };
        for (entry, written) in group.drain(..).zip(answers.drain(..)) {
            if entry.done.send(written.map(|()| at)).is_err() {
                tracing::debug!("nobody waits for this write any more");
            }
        }
    }

    fn try_direct(
        &mut self,
        group: &[DirectEntry],
        at: UnixMs,
    ) -> Result<Vec<write::Written>, rusqlite::Error> {
        let transaction = self.books.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written = group
            .iter()
            .map(|entry| write::record(&transaction, &entry.record, at))
            .collect::<Result<_, _>>()?;
        transaction.commit()?;
        if group.iter().any(|entry| matches!(entry.record, Record::Product { .. })) {
            self.progress.park_changed.store(true, Ordering::Release);
        }
        Ok(written)
    }

    fn commit_bulk(&mut self, entry: BulkEntry) {
        let watch = Stopwatch::start();
        let at = self.clock.now();
        let written = (|| {
            let transaction =
                self.books.transaction_with_behavior(TransactionBehavior::Immediate)?;
            write::tickets(&transaction, &entry.tickets)?;
            transaction.commit()
        })();
        metrics::histogram!("shanmen_ledger_bulk_seconds").record(watch.seconds());
        let answer = written.map(|()| at).map_err(|error: rusqlite::Error| refused(&error));
        if entry.done.send(answer).is_err() {
            tracing::debug!("nobody waits for this batch any more");
        }
    }
}

/// How carefully records are taken over.
#[derive(Clone, Copy)]
enum Care {
    /// All or none.
    OfTheBatch,
    /// One by one.
    OfEach,
}

fn take(to: &Connection, kept: &Kept, known: &mut Known) -> Result<(), LedgerFault> {
    write::take_over(to, &kept.record, kept.n, kept.at, known).map_err(|error| {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
            LedgerFault::Refused(error.to_string())
        } else {
            LedgerFault::from(error)
        }
    })
}

/// Takes one record over. One that the tables refuse is set aside for a person: it must not hold up
/// those behind it.
fn take_or_set_aside(
    to: &Transaction<'_>,
    kept: &Kept,
    known: &mut Known,
) -> Result<(), LedgerFault> {
    to.execute_batch("SAVEPOINT one")?;
    match take(to, kept, known) {
        Ok(()) => to.execute_batch("RELEASE one")?,
        Err(LedgerFault::Refused(why)) => {
            to.execute_batch("ROLLBACK TO one; RELEASE one")?;
            let record = encode(&kept.record, Vec::new()).unwrap_or_default();
            set_aside(to, kept.n, kept.at, &why, &record)?;
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Keeps a record that cannot be taken over.
pub(super) fn set_aside(
    to: &Connection,
    n: i64,
    at: UnixMs,
    why: &str,
    record: &[u8],
) -> Result<(), LedgerFault> {
    metrics::counter!("shanmen_ledger_set_aside_total").increment(1);
    tracing::error!(n, why, "a record of the journal was set aside");
    to.prepare_cached("INSERT OR REPLACE INTO set_aside VALUES (?, ?, ?, ?)")?
        .execute(params![n, at.0, why, record])?;
    Ok(())
}

fn refused(error: &rusqlite::Error) -> LedgerFault {
    metrics::counter!("shanmen_ledger_rows_refused_total").increment(1);
    LedgerFault::Refused(error.to_string())
}
