//! The `SQLite` ledger: its two files, connections and threads.
//!
//! `journal.sqlite` is what the gates wait for, `ledger.sqlite` holds the books that people ask; a
//! start takes over what a crash left between the two. WAL with `synchronous=FULL`. Automatic
//! checkpoints are off, since they would fall into a visitor's wait; a thread of their own makes
//! them.

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
    books::BooksWriter,
    history,
    journal::{BACKLOG_MAX, JournalWriter, Progress},
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
/// With so many pages of 4 KiB a log is begun anew. A log that does not grow any more is written
/// over: its flush then waits for no other file's blocks.
const BOOKS_LOG_PAGES: i64 = 64 * 1024;
const JOURNAL_LOG_PAGES: i64 = 16 * 1024;
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
const JOURNAL_SCHEMA: &[&str] = &[include_str!("schema/journal.sql")];

/// The ledger in two `SQLite` files.
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
        let (books_path, journal_path) =
            (folder.join("ledger.sqlite"), folder.join("journal.sqlite"));
        let mut books = connect(&books_path, BOOKS_SCHEMA)?;
        history::fill_once(&mut books)?;
        let journal = connect(&journal_path, JOURNAL_SCHEMA)?;
        let progress = Arc::new(Progress::default());
        progress.healthy.store(true, Ordering::Relaxed);
        progress.park_changed.store(true, Ordering::Release);
        let taken_over: i64 = books.query_row("SELECT n FROM taken_over", [], |row| row.get(0))?;
        let journaled: i64 =
            journal.query_row("SELECT coalesce(max(n), 0) FROM journal", [], |row| row.get(0))?;
        if journaled < taken_over {
            // A new journal beside old books: its numbers go on where the books are.
            journal.execute(
                "INSERT INTO journal (n, at, record) VALUES (?, ?, x'')",
                [taken_over, clock.now().0],
            )?;
        }
        let first: i64 =
            journal.query_row("SELECT coalesce(min(n), 1) FROM journal", [], |row| row.get(0))?;
        progress.taken_over.store(taken_over, Ordering::Release);
        progress.on_disk.store(taken_over, Ordering::Release);
        progress.journaled.store(journaled.max(taken_over), Ordering::Release);
        let mut books_writer = BooksWriter {
            books,
            journal: connect(&journal_path, &[])?,
            clock: clock.clone(),
            progress: Arc::clone(&progress),
            counter: history::Counter::default(),
        };
        let mut left = 0;
        loop {
            match books_writer.take_over()? {
                0 => break,
                taken => left += taken,
            }
        }
        if left > 0 {
            tracing::info!(records = left, "the books took over what was left in the journal");
        }
        let [reader, report_reader] = [reader(&books_path)?, reader(&books_path)?];
        let journal_writer = JournalWriter {
            connection: journal,
            clock,
            progress: Arc::clone(&progress),
            cut: first - 1,
        };
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let (direct, direct_receiver) = mpsc::channel(DIRECT_QUEUE_MAX);
        let (bulk, bulk_receiver) = mpsc::channel(BULK_QUEUE_MAX);
        let checkpoints = Checkpoints {
            books: books_path.clone(),
            paths: vec![journal_path, books_path.clone()],
            progress: Arc::clone(&progress),
        };
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

/// Moves committed pages from the logs into the files, off the writers' threads.
struct Checkpoints {
    books: PathBuf,
    paths: Vec<PathBuf>,
    progress: Arc<Progress>,
}

impl Checkpoints {
    fn run(self) {
        let mut files = Vec::with_capacity(self.paths.len());
        for path in &self.paths {
            match connect(path, &[]) {
                Ok(connection) => {
                    files.push((connection, path == &self.books));
                }
                Err(error) => {
                    tracing::error!(%error, "no checkpoints: the log will grow");
                    return;
                }
            }
        }
        while !self.progress.stopping.load(Ordering::Relaxed) {
            std::thread::park_timeout(CHECKPOINT_EVERY);
            for (connection, is_books) in &files {
                // A passive one never holds up the writer; one that begins the log anew does, so
                // it comes only when the log has grown, right after a passive one that left it
                // little. Truncating would take the file system a tenth of a second.
                let has = self.progress.taken_over.load(Ordering::Acquire);
                let (whole, pages) = Self::checkpoint(connection, "PASSIVE");
                if *is_books && whole {
                    // All that the log held is in the file, and the file on the disk.
                    self.progress.on_disk.store(has, Ordering::Release);
                }
                // What it holds, not how long its file is: that stays as long as it has been.
                let most = if *is_books { BOOKS_LOG_PAGES } else { JOURNAL_LOG_PAGES };
                if most < pages {
                    Self::checkpoint(connection, "RESTART");
                }
            }
        }
    }

    /// Makes a checkpoint; whether the whole log is in the file now, and how many pages it holds.
    fn checkpoint(connection: &Connection, mode: &'static str) -> (bool, i64) {
        let watch = Stopwatch::start();
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let done = connection.query_row(&sql, [], |row| {
            let (busy, log, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((busy == 0 && log == moved, log))
        });
        if let Err(error) = &done {
            tracing::warn!(%error, "a checkpoint failed; the log grows until one succeeds");
        }
        metrics::histogram!("shanmen_ledger_checkpoint_seconds", "mode" => mode)
            .record(watch.seconds());
        done.unwrap_or((false, 0))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
pub(super) fn as_f64(n: usize) -> f64 {
    n as f64
}
