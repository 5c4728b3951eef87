//! The hub: one task that takes deltas from the source, numbers them as frames and hands each to
//! all viewers, and the handle that sessions and the program hold.
//!
//! Called by the program ([`start`]) and by the sessions. It never waits for a viewer: frames go
//! into one bounded ring, and whoever does not keep up with it gets a snapshot.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::body::Bytes;
use futures_util::future::BoxFuture;
use metrics::{counter, histogram};
use shanmen_protocols::{
    feed::{Delta, Snapshot},
    time::UnixMs,
};
use tokio::{
    sync::{Semaphore, broadcast, broadcast::error::RecvError},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Limits,
    addresses::Addresses,
    coalesce::{drop_known, merge},
    glass::{Glass, ReadyFrame},
    watch,
};

/// The feed as its sessions, its pages and the program hold it. Cloning is cheap.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    now: fn() -> UnixMs,
    glass: Mutex<Glass>,
    frames: broadcast::Sender<ReadyFrame>,
    seats: Arc<Semaphore>,
    addresses: Addresses,
    sessions: TaskTracker,
    closing: CancellationToken,
}

/// Starts the hub's task on the current tokio runtime.
///
/// `initial` is the state that `deltas` build upon. Where the hub falls behind `deltas` it asks
/// `resync` for the state as it is then. `now` is the wall clock that stamps frames. The feed ends,
/// and viewers are told so (1001), when `shutdown` is cancelled or the sender of `deltas` is gone.
pub fn start(
    initial: Snapshot,
    deltas: broadcast::Receiver<Arc<Delta>>,
    resync: impl Fn() -> BoxFuture<'static, Snapshot> + Send + Sync + 'static,
    now: fn() -> UnixMs,
    shutdown: &CancellationToken,
    limits: Limits,
) -> Hub {
    watch::describe();
    let hub = Hub {
        shared: Arc::new(Shared {
            limits,
            now,
            glass: Mutex::new(Glass::new(initial, now())),
            frames: broadcast::Sender::new(limits.queue_frames.max(1)),
            seats: Arc::new(Semaphore::new(limits.viewers_max.min(Semaphore::MAX_PERMITS))),
            addresses: Addresses::default(),
            sessions: TaskTracker::new(),
            closing: shutdown.child_token(),
        }),
    };
    let feeder = Feeder {
        hub: hub.clone(),
        deltas,
        resync,
        pending: Delta::default(),
        resync_from: Instant::now(),
    };
    tokio::spawn(feeder.run());
    hub
}

impl Hub {
    /// The state now as the JSON text of a snapshot frame: the very frame that a viewer gets
    /// first. Serialized at most once for each frame, whoever asks.
    pub fn snapshot_frame(&self) -> Bytes {
        self.whole().wire.text()
    }

    /// A state asked of its source just now, as a snapshot frame: nothing in it is older than the
    /// question, not even by the tenth of a second that frames may wait.
    pub fn frame_of(&self, state: &Snapshot, at: UnixMs) -> Bytes {
        self.with_glass(|glass| glass.frame_of(state, at)).text()
    }

    /// Viewers connected now.
    pub fn viewers(&self) -> usize {
        let shared = &self.shared;
        let seats = shared.limits.viewers_max.min(Semaphore::MAX_PERMITS);
        seats.saturating_sub(shared.seats.available_permits())
    }

    /// Waits until the feed has ended and every viewer's socket is closed. Upgraded sockets are
    /// not the HTTP server's any more, so its own graceful shutdown does not wait for them.
    /// Bounded by [`Limits::send_timeout`] and [`Limits::close_timeout`] after the shutdown.
    pub async fn closed(&self) {
        self.shared.closing.cancelled().await;
        self.shared.sessions.close();
        self.shared.sessions.wait().await;
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn whole(&self) -> ReadyFrame {
        self.with_glass(Glass::whole)
    }

    pub(crate) fn frames(&self) -> broadcast::Receiver<ReadyFrame> {
        self.shared.frames.subscribe()
    }

    pub(crate) fn seats(&self) -> &Arc<Semaphore> {
        &self.shared.seats
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.shared.addresses
    }

    pub(crate) fn sessions(&self) -> &TaskTracker {
        &self.shared.sessions
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.shared.closing
    }

    fn now(&self) -> UnixMs {
        (self.shared.now)()
    }

    /// A poisoned lock is taken all the same: a frame half made is made whole by the next one.
    fn with_glass<T>(&self, run: impl FnOnce(&mut Glass) -> T) -> T {
        run(&mut self.shared.glass.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the next frame of `changes` and hands it to the viewers.
    ///
    /// Made and handed over under one lock: a viewer subscribes first and reads the snapshot then,
    /// so that it either finds the frame in the ring or its changes in the snapshot.
    fn emit(&self, changes: &Delta) {
        let at = self.now();
        let frames = &self.shared.frames;
        let kind = if changes.is_empty() { "heartbeat" } else { "delta" };
        for line in &changes.recent {
            let lag_ms = u64::try_from(at.since_ms(line.committed_at)).unwrap_or(0);
            histogram!(watch::LAG).record(Duration::from_millis(lag_ms));
        }
        let made = self.with_glass(|glass| {
            let frame = glass.advance(changes, at, frames.receiver_count() > 0)?;
            let seq = frame.seq;
            Some((seq, frames.send(frame).unwrap_or(0)))
        });
        counter!(watch::FRAMES, "kind" => kind).increment(1);
        if let Some((seq, viewers)) = made {
            tracing::trace!(seq, viewers, kind, "feed frame");
        }
    }

    fn emit_whole(&self, state: Snapshot) {
        let at = self.now();
        let frames = &self.shared.frames;
        let viewers =
            self.with_glass(|glass| frames.send(glass.replace(state, at)).unwrap_or_default());
        counter!(watch::FRAMES, "kind" => "snapshot").increment(1);
        tracing::info!(viewers, "feed taken anew from its source");
    }
}

/// The task behind the hub.
struct Feeder<Resync> {
    hub: Hub,
    deltas: broadcast::Receiver<Arc<Delta>>,
    resync: Resync,
    pending: Delta,
    /// The source is not asked for its state before this moment.
    resync_from: Instant,
}

impl<Resync> Feeder<Resync>
where
    Resync: Fn() -> BoxFuture<'static, Snapshot> + Send + Sync + 'static,
{
    async fn run(mut self) {
        let closing = self.hub.closing().clone();
        if closing.run_until_cancelled(self.feed()).await.is_some() {
            tracing::warn!("feed ended: its source is gone");
            closing.cancel();
        }
    }

    /// Runs until the source is gone.
    async fn feed(&mut self) {
        let limits = *self.hub.limits();
        let mut last: Option<Instant> = None;
        let mut due = Instant::now() + limits.heartbeat;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(due) => {
                    self.emit();
                    last = Some(Instant::now());
                    due = Instant::now() + limits.heartbeat;
                }
                got = self.deltas.recv() => match got {
                    Ok(delta) => {
                        self.take(&delta);
                        if !self.pending.is_empty() {
                            due = last.map_or_else(Instant::now, |last| last + limits.frame_gap);
                        }
                    }
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "feed hub fell behind its source");
                        self.take_anew().await;
                        last = Some(Instant::now());
                        due = Instant::now() + limits.heartbeat;
                    }
                    Err(RecvError::Closed) => {
                        if !self.pending.is_empty() {
                            self.emit();
                        }
                        return;
                    }
                },
            }
        }
    }

    fn take(&mut self, delta: &Delta) {
        merge(&mut self.pending, delta);
    }

    fn emit(&mut self) {
        let mut changes = std::mem::take(&mut self.pending);
        self.hub.with_glass(|glass| drop_known(&mut changes, glass.state()));
        self.hub.emit(&changes);
    }

    /// Asks the source for its state until it gives one. No frame goes out meanwhile, not even a
    /// heartbeat: what the hub holds is known to be wrong, so the pages shall see it age.
    async fn take_anew(&mut self) {
        let limits = *self.hub.limits();
        loop {
            sleep_until(self.resync_from).await;
            self.resync_from = Instant::now() + limits.resync_gap;
            counter!(watch::RESYNC, "what" => "asked").increment(1);
            // From here on, before the state is read: what comes in between is applied twice.
            self.deltas = self.deltas.resubscribe();
            if let Ok(state) = timeout(limits.resync_timeout, (self.resync)()).await {
                self.pending = Delta::default();
                self.hub.emit_whole(state);
                return;
            }
            counter!(watch::RESYNC, "what" => "timeout").increment(1);
            tracing::error!("the feed's source gives no snapshot");
        }
    }
}
