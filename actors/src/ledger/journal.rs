//! The journal's writer: the thread that the gates wait for.
//!
//! Records go to a log of their own in groups, one flush for each, and from here to the books' writer
//! in memory; after a crash it reads them from the log. What the books have is cut off.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::mpsc};

use super::{
    After, Committed, Entry, LedgerFault,
    log::{Kept, Log},
    sqlite::as_f64,
};
use crate::clock::{Clock, Stopwatch};

/// How many records share one commit at most.
const GROUP_MAX: usize = 512;
/// How long a group of facts waits for company.
const FACTS_WAIT: Duration = Duration::from_millis(2);
/// After how many records the log is looked at for what can be thrown away.
const CUT_EVERY: i64 = 4_096;
/// How many records the books may be behind before the gates are told `busy`: they stand in memory,
/// at less than a KiB each.
pub(super) const BACKLOG_MAX: i64 = 250_000;
/// How long the writer waits before it tries a commit again on a disk that fails.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// How far journal and books are; shared by both threads and the readers.
#[derive(Default)]
pub(super) struct Progress {
    /// The books should read the park anew, for what they count.
    pub(super) park_changed: AtomicBool,
    /// The newest record in the journal.
    pub(super) journaled: AtomicI64,
    /// The newest record that the books have on the disk: up to here the journal may be cut.
    pub(super) taken_over: AtomicI64,
    /// Somebody waits for the books.
    pub(super) wanted: AtomicBool,
    /// Commits go through.
    pub(super) healthy: AtomicBool,
    /// The end has begun: a disk that fails is not waited for any more.
    pub(super) closing: AtomicBool,
    /// The journal is closed: the books take over what is left, and end.
    pub(super) stopping: AtomicBool,
    /// What is in the journal and on its way to the books, in order. Bounded by [`BACKLOG_MAX`].
    on_its_way: Mutex<VecDeque<Kept>>,
}

impl Progress {
    /// How many records the books are behind.
    pub(super) fn backlog(&self) -> i64 {
        self.journaled.load(Ordering::Acquire) - self.taken_over.load(Ordering::Acquire)
    }

    fn hand_over(&self, kept: Vec<Kept>) {
        self.on_its_way.lock().unwrap_or_else(PoisonError::into_inner).extend(kept);
    }

    /// For the books: takes the next records, `most` of them at most.
    pub(super) fn take(&self, most: usize, into: &mut Vec<Kept>) {
        let mut on_its_way = self.on_its_way.lock().unwrap_or_else(PoisonError::into_inner);
        let most = most.min(on_its_way.len());
        into.extend(on_its_way.drain(..most));
    }
}

/// The journal's one writer.
pub(super) struct JournalWriter {
    pub(super) log: Log,
    pub(super) clock: Clock,
    pub(super) progress: Arc<Progress>,
    /// Up to where the log has been looked at for what can be thrown away.
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
            self.cut();
        }
    }

    fn commit(&mut self, group: &mut Vec<Entry>) {
        let watch = Stopwatch::start();
        let size = group.len();
        let (at, first) = loop {
            let at = self.clock.now();
            let has = self.progress.taken_over.load(Ordering::Acquire);
            match self.log.commit(group.iter().map(|entry| &entry.record), at, has) {
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
        let mut kept = Vec::with_capacity(size);
        // Before anybody is told: who is told may ask the books at once.
        self.progress.journaled.store(self.log.newest(), Ordering::Release);
        for (n, entry) in (first..).zip(group.drain(..)) {
            follow(entry.after, Ok(Committed { at, n }));
            kept.push(Kept { n, at, record: entry.record });
        }
        self.progress.hand_over(kept);
    }

    fn cut(&mut self) {
        let has = self.progress.taken_over.load(Ordering::Acquire);
        if self.cut + CUT_EVERY <= has {
            self.cut = has;
            if let Err(error) = self.log.cut(has) {
                tracing::warn!(%error, "what the books have could not be cut off the journal");
            }
        }
    }

    fn disk_fails(&self, error: &LedgerFault) {
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
        After::Answer(to, answer) => to.answer(committed.map(|_| answer)),
        After::Ack(to) => to.send(committed).is_ok(),
    };
    if !heard {
        metrics::counter!("shanmen_ledger_unheard_total").increment(1);
    }
}
