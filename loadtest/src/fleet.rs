//! The fleet: real turnstiles over real sockets, and the visit of one visitor at one of them.
//!
//! An arrival's way: pacer → a free lane's scanner → the turnstile's own task → MQTT → … → its
//! lamp. Nothing in between is ours but the scanner's queue, and the lamp notes the moment.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail};
use shanmen_devices::{
    clock::Clock as DeviceClock,
    hardware::{Answered, Reading, Signal, Watcher},
    lane::Ended,
    turnstile::{self, TurnstileHandle, TurnstileStats},
};
use shanmen_protocols::device::{Credential, CredentialKind, DecisionResult, Outcome};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, ns_of},
    drivers::LaneDrivers,
    figures::Round,
    lanes::{Lanes, Placed, QueueState},
    oracle::{Oracle, Seen},
    plan::Visit,
    setup::Enrolled,
    shown::{code_of, direction_of},
};

/// How long all lanes may take to be accepted.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(2);

/// How long a lane may take for its answer: longer than its own patience.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the end of a grant may take: the hold, and more.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a passage may take to be acknowledged.
const ACK_TIMEOUT: Duration = Duration::from_secs(30);

/// One visitor on the way to a lane.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// When they were to come, in nanoseconds of the clock.
    pub intended_ns: u64,
    /// What they do.
    pub visit: Visit,
    /// Whether they count among the figures.
    pub measured: bool,
}

/// A presentation under way.
struct UnderWay {
    job: Job,
    answered: oneshot::Receiver<Answered>,
    ended: oneshot::Receiver<Ended>,
}

struct Lane {
    turnstile: TurnstileHandle,
    drivers: LaneDrivers,
    gate: usize,
    under_way: mpsc::Sender<UnderWay>,
}

/// All lanes.
pub struct Fleet {
    clock: Clock,
    lanes: Vec<Lane>,
    places: Lanes<Job>,
    codes: Vec<String>,
    walk: Duration,
    oracle: Mutex<Oracle>,
    round: Mutex<Round>,
}

impl Fleet {
    /// Starts a turnstile for each of `enrolled`, and waits until all of them are accepted and
    /// have nothing left to be acknowledged.
    pub async fn start(
        clock: Clock,
        enrolled: Vec<Enrolled>,
        codes: Vec<String>,
        walk: Duration,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        let device_clock = DeviceClock::default();
        let mut lanes = Vec::with_capacity(enrolled.len());
        let mut visits = Vec::with_capacity(enrolled.len());
        for one in enrolled {
            let (drivers, hardware) = LaneDrivers::new(clock);
            let turnstile =
                turnstile::start(one.config, hardware, device_clock.clone(), shutdown.clone());
            let (under_way, visit) = mpsc::channel(1);
            lanes.push(Lane { turnstile, drivers, gate: one.gate, under_way });
            visits.push(visit);
        }
        let fleet = Arc::new(Self {
            clock,
            places: Lanes::new(lanes.len()),
            lanes,
            oracle: Mutex::new(Oracle::new(codes.len())),
            codes,
            walk,
            round: Mutex::default(),
        });
        for (lane, mut visits) in visits.into_iter().enumerate() {
            let fleet = Arc::clone(&fleet);
            tokio::spawn(async move {
                while let Some(under_way) = visits.recv().await {
                    fleet.follow(lane, under_way).await;
                    if let Some(next) = fleet.places.done(lane) {
                        fleet.begin(lane, next);
                    }
                }
            });
        }
        let ready = fleet.ready();
        timeout(CONNECT_TIMEOUT, ready).await.context("not all lanes were accepted in time")??;
        Ok(fleet)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        for lane in &self.lanes {
            lane.turnstile.ready().await?;
            lane.turnstile.settled().await?;
        }
        Ok(())
    }

    /// A visitor comes. Never blocks: called by the pacer.
    pub fn arrive(&self, job: Job) {
        match self.places.offer(job) {
            Placed::At(lane, job) => self.begin(lane, job),
            Placed::Queued => {}
            Placed::TurnedAway => {
                self.oracle().breaks("the queue before the lanes is full".to_owned());
            }
        }
    }

    fn begin(&self, lane: usize, mut job: Job) {
        job.visit = self.oracle().present(job.visit);
        let lane = &self.lanes[lane];
        let (answered_tx, answered) = oneshot::channel();
        let (ended_tx, ended) = oneshot::channel();
        let reading = Reading {
            credential: Credential {
                kind: CredentialKind::Qr,
                data: code_of(job.visit, &self.codes),
            },
            direction: direction_of(job.visit),
            confirm: None,
            watcher: Some(Watcher { answered: answered_tx, ended: ended_tx }),
        };
        // The lane is free, so that both queues have room unless the turnstile is gone; then its
        // watchers are dropped, and the visit ends without an answer.
        let taken = lane.drivers.readings.try_send(reading).is_ok();
        let followed = lane.under_way.try_send(UnderWay { job, answered, ended }).is_ok();
        if !taken || !followed {
            self.oracle().breaks(format!("{:?}: the lane took nobody", job.visit));
        }
    }

    async fn follow(&self, lane: usize, under_way: UnderWay) {
        let UnderWay { job, answered, ended } = under_way;
        let lane = &self.lanes[lane];
        let Ok(Ok(Answered { answer, latency })) = timeout(ANSWER_TIMEOUT, answered).await else {
            self.oracle().no_answer(job.visit);
            return;
        };
        let granted = answer.result == DecisionResult::Grant;
        if granted {
            if !self.walk.is_zero() {
                sleep(self.walk).await;
            }
            let walked = Signal::Passed(direction_of(job.visit));
            if lane.drivers.signals.send(walked).await.is_err() {
                self.oracle().breaks("a turnstile is gone".to_owned());
            }
        }
        let ended = timeout(END_TIMEOUT, ended).await;
        let passed_ns = self.clock.ns();
        // The lamp was set before the end was told.
        let shown_ns = lane.drivers.shown_ns();
        let sent_ns = shown_ns.saturating_sub(ns_of(latency));
        self.oracle().answered(
            job.visit,
            Seen {
                by: answer.by,
                result: answer.result,
                reason: answer.reason,
                grant: answer.grant,
                persons: answer.persons,
            },
        );
        {
            let mut round = self.round();
            round.answered += 1;
            if job.measured {
                round.answer(job.intended_ns, sent_ns, shown_ns);
            }
        }
        if granted {
            match ended {
                Ok(Ok(Ended { outcome: Some(Outcome::Taken), passed: 1 })) => {
                    self.acknowledged(lane, job, passed_ns).await;
                }
                other => {
                    self.oracle().breaks(format!("{:?}: the passage ended {other:?}", job.visit));
                }
            }
        }
    }

    async fn acknowledged(&self, lane: &Lane, job: Job, passed_ns: u64) {
        if !matches!(timeout(ACK_TIMEOUT, lane.turnstile.settled()).await, Ok(Ok(()))) {
            self.oracle().breaks(format!("{:?}: the passage was not acknowledged", job.visit));
            return;
        }
        if job.measured {
            let acked_ns = self.clock.ns().saturating_sub(passed_ns);
            self.round().acked.record(acked_ns);
        }
        self.oracle().passed(job.visit, lane.gate);
    }

    /// Waits until every lane is free again and nobody waits.
    pub async fn quiet(&self, patience: Duration) -> anyhow::Result<()> {
        let free = async {
            while self.places.state().free < self.lanes.len() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(patience, free).await.is_err() {
            bail!("some lanes were still busy {} s after the last arrival", patience.as_secs());
        }
        Ok(())
    }

    /// What was measured since the last call.
    pub fn take_round(&self) -> Round {
        std::mem::take(&mut *self.round())
    }

    /// How many were answered in this round, and the figures so far.
    pub fn so_far(&self) -> (u64, crate::figures::Quantiles) {
        let round = self.round();
        (round.answered, round.intended.quantiles())
    }

    /// The queue before the lanes.
    pub fn queue(&self) -> QueueState {
        self.places.state()
    }

    /// The oracle.
    pub fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn round(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all turnstiles counted, added up.
    pub fn stats(&self) -> TurnstileStats {
        self.lanes.iter().map(|lane| lane.turnstile.stats()).fold(
            TurnstileStats::default(),
            |mut sum, one| {
                sum.presentations += one.presentations;
                sum.not_free += one.not_free;
                sum.resends += one.resends;
                sum.grants += one.grants;
                sum.refusals += one.refusals;
                sum.decided_alone += one.decided_alone;
                sum.stale_decisions += one.stale_decisions;
                sum.foreign_downlinks += one.foreign_downlinks;
                sum.facts += one.facts;
                sum.unacknowledged += one.unacknowledged;
                sum.facts_lost += one.facts_lost;
                sum.fact_resends += one.fact_resends;
                sum.not_sent += one.not_sent;
                sum.connects += one.connects;
                sum.disconnects += one.disconnects;
                sum
            },
        )
    }
}
