//! The ledger on the disk: its files, connections and threads.
//!
//! The log in `journal/` is what the gates wait for, `ledger.sqlite` holds the books that people ask;
//! a start takes over what a crash left between the two. The books: WAL with `synchronous=FULL`.
//! Automatic checkpoints are off, since they would hold up the books' writer; a thread of its own
//! makes them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use thread_priority::{ThreadPriority, set_current_thread_priority};
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    BulkEntry, DirectEntry, Entry, LedgerFault,
    books::{self, BooksWriter},
    history,
    journal::{BACKLOG_MAX, JournalWriter, Progress},
    log::{Kept, Log, decode},
    old_journal,
};
use crate::clock::{Clock, Stopwatch};

/// How many records may wait for the journal.
const QUEUE_MAX: usize = 16_384;
/// How many direct writes may wait for the books.
const DIRECT_QUEUE_MAX: usize = 1_024;
/// How many bulk writes may wait.
const BULK_QUEUE_MAX: usize = 2;
/// How often the logs are checkpointed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// With so many pages of 4 KiB the books' log is begun anew. One that does not grow any more is
/// written over: its flush then waits for no other file's blocks.
const BOOKS_LOG_PAGES: i64 = 64 * 1024;
/// How long a reader waits for the books to have what the journal had when it came.
const CATCH_UP_WAIT: Duration = Duration::from_secs(5);
const CATCH_UP_STEP: Duration = Duration::from_millis(1);

pub(super) const BOOKS_SCHEMA: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
];

/// The ledger in a log and a `SQLite` file.
pub(crate) struct SqliteLedger {
    books: PathBuf,
    queue: Mutex<Option<mpsc::Sender<Entry>>>,
    sender: mpsc::WeakSender<Entry>,
    direct: mpsc::Sender<DirectEntry>,
    bulk: mpsc::Sender<BulkEntry>,
    progress: Arc<Progress>,
    reader: Mutex<Connection>,
    /// For the reports, which may take long: nobody else waits for it.
    report_reader: Mutex<Connection>,
    journal_thread: Mutex<Option<JoinHandle<()>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl SqliteLedger {
    pub(super) fn open(folder: &Path, clock: Clock) -> Result<Self, LedgerFault> {
        std::fs::create_dir_all(folder).map_err(|error| {
            LedgerFault::Broken(format!("cannot make the folder {}: {error}", folder.display()))
        })?;
        let books_path = folder.join("ledger.sqlite");
        let mut books = connect(&books_path, BOOKS_SCHEMA)?;
        history::fill_once(&mut books)?;
        let progress = Arc::new(Progress::default());
        progress.healthy.store(true, Ordering::Relaxed);
        progress.park_changed.store(true, Ordering::Release);
        let mut books_writer = BooksWriter {
            books,
            clock: clock.clone(),
            progress: Arc::clone(&progress),
            taking: Vec::new(),
            known: books::Known::default(),
        };
        let log = take_over_what_is_left(&mut books_writer, folder)?;
        progress.journaled.store(log.newest(), Ordering::Release);
        progress.taken_over.store(log.newest(), Ordering::Release);
        let [reader, report_reader] = [reader(&books_path)?, reader(&books_path)?];
        let journal_writer = JournalWriter { log, clock, progress: Arc::clone(&progress), cut: 0 };
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let (direct, direct_receiver) = mpsc::channel(DIRECT_QUEUE_MAX);
        let (bulk, bulk_receiver) = mpsc::channel(BULK_QUEUE_MAX);
        let checkpoints =
            Checkpoints { books: connect(&books_path, &[])?, progress: Arc::clone(&progress) };
        let runtime = Handle::try_current()
            .map_err(|error| LedgerFault::Broken(format!("no runtime: {error}")))?;
        let journal_thread = spawn("journal", move || journal_writer.run(receiver, &runtime))?;
        let threads = vec![
            spawn("books", move || {
                step_back();
                books_writer.run(direct_receiver, bulk_receiver);
            })?,
            spawn("checkpoint", move || {
                step_back();
                checkpoints.run();
            })?,
        ];
        Ok(Self {
            books: books_path,
            sender: sender.downgrade(),
            queue: Mutex::new(Some(sender)),
            direct,
            bulk,
            progress,
            reader: Mutex::new(reader),
            report_reader: Mutex::new(report_reader),
            journal_thread: Mutex::new(Some(journal_thread)),
            threads: Mutex::new(threads),
        })
    }

    /// Runs a read of the books, once they have what the journal has now. Blocks for some
    /// milliseconds: never called on the path of a scan.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        self.catch_up()?;
        work(&lock(&self.reader))
    }

    /// Runs a read for people's reports, once the books have what the journal has now: on a connection
    /// of its own, so that no device's fact waits behind a page.
    pub(super) fn read_report<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        self.catch_up()?;
        self.peek_report(work)
    }

    /// The same as the books have it, a few milliseconds behind the gates.
    pub(super) fn peek_report<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        work(&lock(&self.report_reader))
    }

    fn catch_up(&self) -> Result<(), LedgerFault> {
        let newest = self.progress.journaled.load(Ordering::Acquire);
        let watch = Stopwatch::start();
        while self.progress.taken_over.load(Ordering::Acquire) < newest {
            if CATCH_UP_WAIT.as_secs_f64() < watch.seconds() {
                return Err(LedgerFault::Full);
            }
            self.progress.wanted.store(true, Ordering::Release);
            self.wake_books();
            std::thread::park_timeout(CATCH_UP_STEP);
        }
        Ok(())
    }

    /// What the books' writer knows of areas, lanes and products is no longer so.
    pub(super) fn park_changed(&self) {
        self.progress.park_changed.store(true, Ordering::Release);
    }

    /// Runs a write at the start, before the gates open, on a connection of its own.
    pub(super) fn write_alone<T>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        let mut connection = connect(&self.books, &[])?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let made = work(&transaction)?;
        transaction.commit()?;
        Ok(made)
    }

    pub(super) fn try_append(&self, entry: Entry) -> Result<(), Box<Entry>> {
        let Some(sender) = self.sender.upgrade() else { return Err(Box::new(entry)) };
        if BACKLOG_MAX < self.progress.backlog() {
            metrics::counter!("shanmen_ledger_backlog_overflow_total").increment(1);
            return Err(Box::new(entry));
        }
        sender.try_send(entry).map_err(|refused| {
            metrics::counter!("shanmen_ledger_queue_overflow_total").increment(1);
            Box::new(refused.into_inner())
        })
    }

    pub(super) fn try_direct(&self, entry: DirectEntry) -> Result<(), LedgerFault> {
        self.direct.try_send(entry).map_err(|_| {
            metrics::counter!("shanmen_ledger_direct_overflow_total").increment(1);
            LedgerFault::Full
        })?;
        self.wake_books();
        Ok(())
    }

    pub(super) async fn send_bulk(&self, entry: BulkEntry) -> Result<(), LedgerFault> {
        let stopped = |_| LedgerFault::Broken("the ledger has stopped".into());
        self.bulk.send(entry).await.map_err(stopped)?;
        self.wake_books();
        Ok(())
    }

    fn wake_books(&self) {
        for thread in lock(&self.threads).iter().take(1) {
            thread.thread().unpark();
        }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.progress.healthy.load(Ordering::Relaxed)
    }

    pub(super) fn shut(&self) {
        // The journal first: what it has, the books then take over.
        self.progress.closing.store(true, Ordering::Relaxed);
        lock(&self.queue).take();
        let join = |thread: JoinHandle<()>| {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a ledger thread had failed");
            }
        };
        if let Some(thread) = lock(&self.journal_thread).take() {
            join(thread);
        }
        self.progress.stopping.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut *lock(&self.threads));
        threads.into_iter().for_each(join);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LedgerFault> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| LedgerFault::Broken(format!("cannot start the {name} thread: {error}")))
}

/// Lets the gates' threads go first: nobody at a gate waits for this one.
fn step_back() {
    if let Err(error) = set_current_thread_priority(ThreadPriority::Min) {
        tracing::debug!(?error, "this thread keeps its priority");
    }
}

pub(super) fn connect(path: &Path, schema: &[&str]) -> Result<Connection, LedgerFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)
        .map_err(|error| LedgerFault::Broken(format!("{}: {error}", path.display())))?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    if !schema.is_empty() {
        migrate(&mut connection, schema)?;
    }
    Ok(connection)
}

fn reader(path: &Path) -> Result<Connection, LedgerFault> {
    let reader = connect(path, &[])?;
    reader.pragma_update(None, "query_only", true)?;
    Ok(reader)
}

fn migrate(connection: &mut Connection, schema: &[&str]) -> Result<(), LedgerFault> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if schema.len() < done {
        return Err(LedgerFault::Broken(format!(
            "the ledger has schema {version}, this program knows {}: use the newer program",
            schema.len()
        )));
    }
    for (step, sql) in (1u32..).zip(schema).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", step)?;
        transaction.commit()?;
        tracing::info!(schema = step, "ledger migrated");
    }
    Ok(())
}

/// Moves committed pages from the books' log into their file, off the writer's thread.
struct Checkpoints {
    books: Connection,
    progress: Arc<Progress>,
}

impl Checkpoints {
    fn run(self) {
        while !self.progress.stopping.load(Ordering::Relaxed) {
            std::thread::park_timeout(CHECKPOINT_EVERY);
            // A passive one never holds up the writer; one that begins the log anew does, so
            // it comes only when the log has grown, right after a passive one that left it
            // little. Truncating would take the file system a tenth of a second.
            // What it holds, not how long its file is: that stays as long as it has been.
            if BOOKS_LOG_PAGES < self.checkpoint("PASSIVE") {
                self.checkpoint("RESTART");
            }
        }
    }

    /// Makes a checkpoint; how many pages the log holds.
    fn checkpoint(&self, mode: &'static str) -> i64 {
        let watch = Stopwatch::start();
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let pages = self.books.query_row(&sql, [], |row| row.get(1));
        if let Err(error) = &pages {
            tracing::warn!(%error, "a checkpoint failed; the log grows until one succeeds");
        }
        metrics::histogram!("shanmen_ledger_checkpoint_seconds", "mode" => mode)
            .record(watch.seconds());
        pages.unwrap_or(0)
    }
}

/// Opens the log; what a crash left in it, and what is left in an earlier program's journal, is taken
/// over first.
fn take_over_what_is_left(writer: &mut BooksWriter, folder: &Path) -> Result<Log, LedgerFault> {
    let mut left = 0;
    let mut has: i64 = writer.books.query_row("SELECT n FROM taken_over", [], |row| row.get(0))?;
    let mut take = |n, at, body: &[u8]| {
        match decode(body) {
            Ok(record) => writer.taking.push(Kept { n, at, record }),
            Err(error) => books::set_aside(&writer.books, n, at, &error.to_string(), body)?,
        }
        left += 1;
        if writer.taking.len() < books::TAKE_MAX { Ok(()) } else { writer.take_over().map(drop) }
    };
    old_journal::read(folder, has, |n, at, body| {
        has = n;
        take(n, at, body)
    })?;
    let log = Log::open(folder.join("journal"), has, take)?;
    writer.take_over()?;
    if left > 0 {
        tracing::info!(records = left, "the books took over what was left in the journal");
    }
    old_journal::remove(folder)?;
    Ok(log)
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
pub(super) fn as_f64(n: usize) -> f64 {
    n as f64
}
