//! A turnstile whose hardware and visitors are made up: virtual drivers, and who walks.
//!
//! The device behind it is the real one, over its real connection; only the drivers are virtual.
//! A [`VirtualTurnstile`] lets one visitor at a time present a credential and walk, as the lane
//! does. Tests, the virtual park and the load test call it.

mod drivers;

use std::{
    borrow::Cow,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use shanmen_protocols::{
    device::{Confirm, Credential, CredentialKind, DecisionResult, Outcome, PassageBy},
    ids::{DeviceId, Direction, GrantId, LaneId, ScanId},
    reason::Reason,
};
use tokio::sync::{Mutex as Turn, oneshot};
use tokio_util::sync::CancellationToken;

pub use self::drivers::{DriverRecord, VirtualLane};
use crate::{
    clock::Clock,
    hardware::{Answered, Reading, Signal, Watcher},
    lane::{Ended, HOLD_MAX_MS},
    storage::{MemoryStorage, Storage},
    turnstile::{self, Stopped, TurnstileConfig, TurnstileHandle, TurnstileStats},
};

/// A visitor, or a group behind its guide, at a lane.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// What is presented.
    pub credential: Credential,
    /// Which way they want to go.
    pub direction: Direction,
    /// What was confirmed since an earlier `more`.
    pub confirm: Option<Confirm>,
    /// How many walk after a grant, whatever it allows: fewer than granted is `partial` or
    /// `not_taken` after the hold, more is tailgating.
    pub walkers: u32,
    /// Each walker's time from the opening, or from the one before, until through.
    pub walk_delay: Duration,
}

impl Presentation {
    /// One person with a QR code on the way in, through at once.
    pub fn qr(code: &str) -> Self {
        Self {
            credential: Credential { kind: CredentialKind::Qr, data: code.to_owned() },
            direction: Direction::In,
            confirm: None,
            walkers: 1,
            walk_delay: Duration::ZERO,
        }
    }
}

/// What came of a presentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The presentation's id.
    pub scan: ScanId,
    /// Open or not. [`DecisionResult::Deny`] too when the lane decided by itself.
    pub result: DecisionResult,
    /// Why.
    pub reason: Reason,
    /// The permission to pass.
    pub grant: Option<GrantId>,
    /// Persons that were allowed to pass.
    pub persons: u32,
    /// What is still needed, with [`DecisionResult::More`].
    pub needs: Vec<Cow<'static, str>>,
    /// On whose word; [`PassageBy::Server`] unless the lane had to decide by itself.
    pub by: PassageBy,
    /// From the sending to the answer.
    pub latency: Duration,
    /// How the grant ended.
    pub outcome: Option<Outcome>,
    /// Persons that passed on the grant.
    pub passed: u32,
}

/// Why nothing came of a presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPresented {
    /// An earlier presentation, which nobody waits for any more, is still under way.
    #[error("the lane is not free")]
    NotFree,
    /// The turnstile is shut down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A real turnstile over virtual drivers.
#[derive(Debug)]
pub struct VirtualTurnstile {
    device: DeviceId,
    lane_id: LaneId,
    handle: TurnstileHandle,
    lane: VirtualLane,
    turn: Turn<()>,
    waiting: AtomicUsize,
}

impl VirtualTurnstile {
    /// Starts it on the current runtime.
    pub fn start(config: TurnstileConfig, clock: Clock, shutdown: CancellationToken) -> Self {
        Self::start_with(config, Box::new(MemoryStorage), clock, shutdown)
    }

    /// Starts it with a storage that outlives it.
    pub fn start_with(
        config: TurnstileConfig,
        storage: Box<dyn Storage>,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> Self {
        let (lane, hardware) = VirtualLane::new();
        Self {
            device: config.agent.device.clone(),
            lane_id: config.lane.clone(),
            handle: turnstile::start_with(config, hardware, storage, clock, shutdown),
            lane,
            turn: Turn::new(()),
            waiting: AtomicUsize::new(0),
        }
    }

    /// The device.
    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    /// The lane that it stands in.
    pub fn lane_id(&self) -> &LaneId {
        &self.lane_id
    }

    /// The running turnstile.
    pub fn handle(&self) -> &TurnstileHandle {
        &self.handle
    }

    /// Waits until the control plane has accepted the device.
    pub async fn ready(&self) -> Result<(), Stopped> {
        self.handle.ready().await
    }

    /// What it has counted since it was started.
    pub fn stats(&self) -> TurnstileStats {
        self.handle.stats()
    }

    /// The visitors' side of its drivers.
    pub fn lane(&self) -> &VirtualLane {
        &self.lane
    }

    /// Those at the lane and in the queue before it.
    pub fn queue_len(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Waits for its turn (first come, first served), presents, walks after a grant, and waits
    /// for the outcome. It ends: after the queue, within the time to live, the walks and the hold.
    pub async fn present(&self, presentation: Presentation) -> Result<Answer, NotPresented> {
        let _queued = Queued::join(&self.waiting);
        let _turn = self.turn.lock().await;
        let (answered_tx, answered) = oneshot::channel();
        let (ended_tx, ended) = oneshot::channel();
        let direction = presentation.direction;
        self.lane
            .scan(Reading {
                credential: presentation.credential,
                direction,
                confirm: presentation.confirm,
                watcher: Some(Watcher { answered: answered_tx, ended: ended_tx, twice: None }),
            })
            .await?;
        let Answered { answer, latency } = answered.await.map_err(|_unused| self.why_not())?;
        if answer.result == DecisionResult::Grant {
            for _ in 0..presentation.walkers {
                if !presentation.walk_delay.is_zero() {
                    let walk =
                        presentation.walk_delay.min(Duration::from_millis(HOLD_MAX_MS.into()));
                    tokio::time::sleep(walk).await;
                }
                self.lane.sense(Signal::Passed(direction)).await?;
            }
        }
        let Ended { outcome, passed } = ended.await.map_err(|_unused| Stopped)?;
        Ok(Answer {
            scan: answer.scan,
            result: answer.result,
            reason: answer.reason,
            grant: answer.grant,
            persons: answer.persons,
            needs: answer.needs,
            by: answer.by,
            latency,
            outcome,
            passed,
        })
    }

    /// Waits until the task has ended, after its token was cancelled.
    pub async fn stopped(self) {
        self.handle.stopped().await;
    }

    fn why_not(&self) -> NotPresented {
        if self.lane.is_gone() { NotPresented::Stopped(Stopped) } else { NotPresented::NotFree }
    }
}

/// One place in the queue, given back however the visitor leaves it.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn join(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
