//! The `SQLite` ledger: files, connections, and the writer thread with its group commit.
//!
//! WAL with `synchronous=FULL`. Automatic checkpoints are off, since they would fall into a
//! visitor's wait; a thread of their own makes them, and shortens the log when it has grown.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use shanmen_protocols::time::UnixMs;
use tokio::sync::mpsc;

use super::{
    After, BulkEntry, Committed, Entry, LedgerFault, Record,
    write::{self, Written},
};
use crate::clock::{Clock, Stopwatch};

/// How many writes may wait for the writer.
const QUEUE_MAX: usize = 16_384;
/// How many writes share one commit at most.
const GROUP_MAX: usize = 512;
/// How many bulk writes may wait.
const BULK_QUEUE_MAX: usize = 2;
/// How often the log is checkpointed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Above this size the log is emptied and cut, in bytes.
const WAL_HIGH_WATER_BYTES: u64 = 256 * 1024 * 1024;
/// How long the writer waits before it tries a commit again on a disk that fails.
const RETRY_AFTER: Duration = Duration::from_millis(250);

const SCHEMA: &[&str] = &[include_str!("schema/0001.sql")];

/// The ledger in one `SQLite` file.
pub(crate) struct SqliteLedger {
    path: PathBuf,
    queue: Mutex<Option<mpsc::Sender<Entry>>>,
    sender: mpsc::WeakSender<Entry>,
    bulk: mpsc::Sender<BulkEntry>,
    healthy: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
    reader: Mutex<Connection>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl SqliteLedger {
    pub(super) fn open(folder: &Path, clock: Clock) -> Result<Self, LedgerFault> {
        std::fs::create_dir_all(folder).map_err(|error| {
            LedgerFault::Broken(format!("cannot make the folder {}: {error}", folder.display()))
        })?;
        let path = folder.join("ledger.sqlite");
        let mut connection = connect(&path)?;
        migrate(&mut connection)?;
        let reader = connect(&path)?;
        reader.pragma_update(None, "query_only", true)?;
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let (bulk, bulk_receiver) = mpsc::channel(BULK_QUEUE_MAX);
        let healthy = Arc::new(AtomicBool::new(true));
        let stopping = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            connection,
            clock,
            healthy: Arc::clone(&healthy),
            stopping: Arc::clone(&stopping),
        };
        let checkpoints = Checkpoints { path: path.clone(), stopping: Arc::clone(&stopping) };
        let threads = vec![
            spawn("ledger", move || writer.run(receiver, bulk_receiver))?,
            spawn("checkpoint", move || checkpoints.run())?,
        ];
        Ok(Self {
            path,
            sender: sender.downgrade(),
            queue: Mutex::new(Some(sender)),
            bulk,
            healthy,
            stopping,
            reader: Mutex::new(reader),
            threads: Mutex::new(threads),
        })
    }

    /// Runs a read on the shared read connection.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        let connection = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        work(&connection)
    }

    /// Runs a write at the start, before the gates open, on a connection of its own.
    pub(super) fn write_alone<T>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        let mut connection = connect(&self.path)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let made = work(&transaction)?;
        transaction.commit()?;
        Ok(made)
    }

    pub(super) fn try_append(&self, entry: Entry) -> Result<(), Box<Entry>> {
        let Some(sender) = self.sender.upgrade() else { return Err(Box::new(entry)) };
        sender.try_send(entry).map_err(|refused| {
            metrics::counter!("shanmen_ledger_queue_overflow_total").increment(1);
            Box::new(refused.into_inner())
        })
    }

    pub(super) async fn send_bulk(&self, entry: BulkEntry) -> Result<(), LedgerFault> {
        let stopped = || LedgerFault::Broken("the ledger has stopped".into());
        self.bulk.send(entry).await.map_err(|_| stopped())?;
        let sender = self.sender.upgrade().ok_or_else(stopped)?;
        let nudge = Entry { record: Record::Nudge, after: After::Nothing };
        sender.send(nudge).await.map_err(|_| stopped())
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    pub(super) fn shut(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.stopping.store(true, Ordering::Relaxed);
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a ledger thread had failed");
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LedgerFault> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| LedgerFault::Broken(format!("cannot start the {name} thread: {error}")))
}

fn connect(path: &Path) -> Result<Connection, LedgerFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| LedgerFault::Broken(format!("{}: {error}", path.display())))?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), LedgerFault> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if SCHEMA.len() < done {
        return Err(LedgerFault::Broken(format!(
            "the ledger has schema {version}, this program knows {}: use the newer program",
            SCHEMA.len()
        )));
    }
    for (step, sql) in (1u32..).zip(SCHEMA).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", step)?;
        transaction.commit()?;
        tracing::info!(schema = step, "ledger migrated");
    }
    Ok(())
}

/// The one writer.
struct Writer {
    connection: Connection,
    clock: Clock,
    healthy: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Entry>, mut bulk: mpsc::Receiver<BulkEntry>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while queue.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
            metrics::gauge!("shanmen_ledger_queue").set(as_f64(queue.len()));
            self.commit_group(&mut group);
            // One bulk write at most between two groups of the gates: that is how long a visitor
            // can wait for an import.
            if let Ok(entry) = bulk.try_recv() {
                self.commit_bulk(entry);
            }
        }
        while let Ok(entry) = bulk.try_recv() {
            self.commit_bulk(entry);
        }
        if let Err(error) = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE") {
            tracing::warn!(%error, "the last checkpoint failed; the log is kept");
        }
    }

    fn commit_group(&mut self, group: &mut Vec<Entry>) {
        let watch = Stopwatch::start();
        let size = group.len();
        let mut answers = Vec::with_capacity(size);
        let mut at;
        loop {
            answers.clear();
            at = self.clock.now();
            match self.try_group(group, at, &mut answers) {
                Ok(()) => break,
                Err(error) if is_of_the_disk(&error) && !self.stopping.load(Ordering::Relaxed) => {
                    self.disk_fails(&error);
                }
                Err(error) => {
                    tracing::error!(%error, "a group failed; each of its rows alone");
                    self.one_by_one(group, at, &mut answers);
                    break;
                }
            }
        }
        self.healthy.store(true, Ordering::Relaxed);
        metrics::histogram!("shanmen_ledger_commit_seconds").record(watch.seconds());
        metrics::histogram!("shanmen_ledger_group_size").record(as_f64(size));
        for (entry, written) in group.drain(..).zip(answers.drain(..)) {
            follow(entry.after, written, at);
        }
    }

    fn try_group(
        &mut self,
        group: &[Entry],
        at: UnixMs,
        answers: &mut Vec<Written>,
    ) -> Result<(), rusqlite::Error> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for entry in group {
            answers.push(write::record(&transaction, &entry.record, at)?);
        }
        transaction.commit()
    }

    fn one_by_one(&mut self, group: &[Entry], at: UnixMs, answers: &mut Vec<Written>) {
        answers.clear();
        for entry in group {
            let mut one = Vec::with_capacity(1);
            match self.try_group(std::slice::from_ref(entry), at, &mut one) {
                Ok(()) => answers.append(&mut one),
                Err(error) => {
                    metrics::counter!("shanmen_ledger_rows_refused_total").increment(1);
                    tracing::error!(%error, "the ledger refused a row");
                    answers.push(Err(LedgerFault::Refused(error.to_string())));
                }
            }
        }
    }

    fn commit_bulk(&mut self, entry: BulkEntry) {
        let watch = Stopwatch::start();
        let at = self.clock.now();
        let written = (|| {
            let transaction =
                self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            write::tickets(&transaction, &entry.tickets)?;
            transaction.commit()
        })();
        metrics::histogram!("shanmen_ledger_bulk_seconds").record(watch.seconds());
        let answer = written.map(|()| at).map_err(LedgerFault::from);
        if entry.done.send(answer).is_err() {
            tracing::debug!("nobody waits for this batch any more");
        }
    }

    fn disk_fails(&self, error: &rusqlite::Error) {
        // Nothing is answered meanwhile: the queue fills, and the gates say `busy`.
        self.healthy.store(false, Ordering::Relaxed);
        metrics::counter!("shanmen_ledger_commit_failures_total").increment(1);
        tracing::error!(%error, "the ledger cannot commit: look at the disk; trying again");
        std::thread::park_timeout(RETRY_AFTER);
    }
}

fn follow(after: After, written: Written, at: UnixMs) {
    // A receiver that has gone (a lane that restarted) needs no answer: the row is committed.
    let heard = match after {
        After::Nothing => true,
        After::Answer(to, answer) => to.send(written.map(|_| answer)).is_ok(),
        After::Ack(to) => to.send(written.map(|passage| Committed { at, passage })).is_ok(),
    };
    if !heard {
        metrics::counter!("shanmen_ledger_unheard_total").increment(1);
    }
}

fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OutOfMemory, ReadOnly, SystemIoFailure,
    };
    matches!(
        error.sqlite_error_code(),
        Some(
            CannotOpen
                | DatabaseBusy
                | DatabaseLocked
                | DiskFull
                | OutOfMemory
                | ReadOnly
                | SystemIoFailure
        )
    )
}

/// Moves committed pages from the log into the file, off the writer's thread.
struct Checkpoints {
    path: PathBuf,
    stopping: Arc<AtomicBool>,
}

impl Checkpoints {
    fn run(self) {
        let connection = match connect(&self.path) {
            Ok(connection) => connection,
            Err(error) => {
                tracing::error!(%error, "no checkpoints: the log will grow");
                return;
            }
        };
        let log = self.path.with_extension("sqlite-wal");
        while !self.stopping.load(Ordering::Relaxed) {
            std::thread::park_timeout(CHECKPOINT_EVERY);
            // A passive one never holds up the writer; one that truncates does, so it comes only
            // when the log has grown, and right after a passive one that left it little to do.
            Self::checkpoint(&connection, "PASSIVE");
            let bytes = std::fs::metadata(&log).map_or(0, |meta| meta.len());
            if WAL_HIGH_WATER_BYTES < bytes {
                Self::checkpoint(&connection, "TRUNCATE");
            }
        }
    }

    fn checkpoint(connection: &Connection, mode: &'static str) {
        let watch = Stopwatch::start();
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        if let Err(error) = connection.query_row(&sql, [], |_| Ok(())) {
            tracing::warn!(%error, "a checkpoint failed; the log grows until one succeeds");
        }
        metrics::histogram!("shanmen_ledger_checkpoint_seconds", "mode" => mode)
            .record(watch.seconds());
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
fn as_f64(n: usize) -> f64 {
    n as f64
}
