//! The fleet: real turnstiles and handhelds over real sockets.
//!
//! An arrival's way: pacer → a free lane's scanner → the turnstile's own task → MQTT → … → its
//! lamp. Nothing in between is ours but the scanner's queue, and the lamp notes the moment. The
//! visit of one visitor is in `visit.rs`; faults are brought about from outside
//! ([`Fleet::fault`]).

mod hand;
mod ledgered;
mod visit;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use shanmen_devices::{
    clock::Clock as DeviceClock,
    turnstile::{self, TurnstileHandle, TurnstileStats},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::hand::Hand;
use self::{ledgered::Waiting, visit::UnderWay};
use crate::{
    clock::{Clock, ns_of},
    drivers::LaneDrivers,
    figures::{Latencies, Quantiles, Round, Second},
    lanes::{Lanes, Placed, QueueState},
    oracle::Oracle,
    park::{self, Sold},
    plan::Visit,
    setup::Enrolled,
};

/// How long all lanes may take to be accepted.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(5);

/// After how long somebody comes again who was told to.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// One visitor on the way to a lane.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// When they were to come, in nanoseconds of the clock.
    pub intended_ns: u64,
    /// When they first were to come.
    pub first_ns: u64,
    /// What they do.
    pub visit: Visit,
    /// Whether they count among the figures.
    pub measured: bool,
    /// Which try it is, from 1.
    pub tries: u32,
    /// Whether the device sends the scan twice, as a bad network does.
    pub twice: bool,
}

impl Job {
    /// A visitor on the first try.
    pub fn first(intended_ns: u64, visit: Visit, measured: bool) -> Self {
        Self { intended_ns, first_ns: intended_ns, visit, measured, tries: 1, twice: false }
    }
}

/// What serves at a lane.
enum Worker {
    Turnstile { handle: TurnstileHandle, drivers: LaneDrivers },
    Hand(Hand),
}

struct Lane {
    worker: Worker,
    gate: usize,
    under_way: mpsc::Sender<UnderWay>,
    /// Faults that are on here.
    faults: AtomicU32,
    /// Passages whose acknowledgement nobody stands there for.
    waiting: Mutex<Vec<Waiting>>,
}

/// All lanes.
pub struct Fleet {
    clock: Clock,
    lanes: Vec<Lane>,
    turnstiles: usize,
    places: Lanes<Job>,
    codes: RwLock<Vec<String>>,
    walk: Duration,
    oracle: Mutex<Oracle>,
    round: Mutex<Round>,
    second: Mutex<Second>,
    recovered: Mutex<Latencies>,
    /// Visitors who will come again, and passages that are not on record.
    coming_again: AtomicUsize,
    unledgered: AtomicUsize,
}

/// What a fleet is made of.
pub struct Crew {
    /// The turnstiles, the first lanes.
    pub turnstiles: Vec<Enrolled>,
    /// Attendants, whose lanes come after them and are closed at first.
    pub hands: Vec<(Hand, usize)>,
    /// How long one visitor walks.
    pub walk: Duration,
}

impl Fleet {
    /// Starts a turnstile for each that is enrolled, and waits until all of them are accepted and
    /// have nothing left to be acknowledged.
    pub async fn start(
        clock: Clock,
        crew: Crew,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        let device_clock = DeviceClock::boot(shanmen_protocols::time::ClockState::Synced);
        let turnstiles = crew.turnstiles.len();
        let mut lanes = Vec::with_capacity(turnstiles + crew.hands.len());
        let mut visits = Vec::with_capacity(lanes.capacity());
        let mut add = |worker, gate| {
            let (under_way, visit) = mpsc::channel(1);
            let (faults, waiting) = (AtomicU32::new(0), Mutex::default());
            lanes.push(Lane { worker, gate, under_way, faults, waiting });
            visits.push(visit);
        };
        for one in crew.turnstiles {
            let (drivers, hardware) = LaneDrivers::new(clock);
            let handle =
                turnstile::start(one.config, hardware, device_clock.clone(), shutdown.clone());
            add(Worker::Turnstile { handle, drivers }, one.gate);
        }
        for (hand, gate) in crew.hands {
            add(Worker::Hand(hand), gate);
        }
        let fleet = Arc::new(Self {
            clock,
            places: Lanes::new(lanes.len()),
            lanes,
            turnstiles,
            codes: RwLock::default(),
            walk: crew.walk,
            oracle: Mutex::new(Oracle::new(clock)),
            round: Mutex::default(),
            second: Mutex::default(),
            recovered: Mutex::default(),
            coming_again: AtomicUsize::new(0),
            unledgered: AtomicUsize::new(0),
        });
        fleet.places.close(&fleet.hands());
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
            match &lane.worker {
                Worker::Turnstile { handle, .. } => {
                    handle.ready().await?;
                    handle.settled().await?;
                }
                Worker::Hand(hand) => hand.ready().await?,
            }
        }
        Ok(())
    }

    /// More tickets, with what each is sold as; their numbers follow those before.
    pub fn add_tickets(&self, codes: Vec<String>, sold: &[Sold]) {
        let mut oracle = self.oracle();
        let mut known = self.codes.write().unwrap_or_else(PoisonError::into_inner);
        for (code, sold) in codes.into_iter().zip(sold) {
            oracle.add(sold.persons, park::class_of(known.len(), *sold));
            known.push(code);
        }
    }

    /// One ticket that a kiosk sold; its number.
    pub fn add_sold(&self, code: String) -> usize {
        let mut oracle = self.oracle();
        self.codes.write().unwrap_or_else(PoisonError::into_inner).push(code);
        oracle.add(1, park::KIOSK)
    }

    /// The code of a ticket of the length that tickets have, for the echo.
    pub fn sample(&self) -> String {
        let codes = self.codes.read().unwrap_or_else(PoisonError::into_inner);
        codes.first().cloned().unwrap_or_default()
    }

    /// How many tickets there are.
    pub fn tickets(&self) -> usize {
        self.codes.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A visitor comes. Never blocks: called by the pacer.
    pub fn arrive(self: &Arc<Self>, job: Job) {
        match self.places.offer(job) {
            Placed::At(lane, job) => self.begin(lane, job),
            Placed::Queued => {}
            Placed::TurnedAway => {
                self.oracle().breaks("the queue before the lanes is full".to_owned());
            }
        }
    }

    /// A visitor comes to this very lane, if nobody stands there; else it is false.
    pub fn arrive_at(self: &Arc<Self>, lane: usize, job: Job) -> bool {
        let free = self.places.take(lane);
        if free {
            self.begin(lane, job);
        }
        free
    }

    /// Somebody was told to come again.
    fn come_again(self: &Arc<Self>, job: Job) {
        self.coming_again.fetch_add(1, Relaxed);
        let fleet = Arc::clone(self);
        tokio::spawn(async move {
            sleep(AGAIN_AFTER).await;
            let (intended_ns, tries) = (fleet.clock.ns(), job.tries + 1);
            fleet.arrive(Job { intended_ns, tries, ..job });
            fleet.coming_again.fetch_sub(1, Relaxed);
        });
    }

    /// Waits until nobody stands at a lane, waits or will come again, and all is on record.
    pub async fn quiet(&self, patience: Duration) -> anyhow::Result<()> {
        let quiet = async {
            while !self.places.state().is_quiet()
                || self.coming_again.load(Relaxed) > 0
                || self.unledgered.load(Relaxed) > 0
            {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(patience, quiet).await.is_err() {
            bail!(
                "{} s after the last arrival {:?}, {} will come again, {} passages are not on \
                 record",
                patience.as_secs(),
                self.places.state(),
                self.coming_again.load(Relaxed),
                self.unledgered.load(Relaxed)
            );
        }
        Ok(())
    }

    /// Faults begin (`on`) or end at these lanes: what the oracle allows there.
    pub fn fault(&self, lanes: &[usize], on: bool) {
        for &lane in lanes {
            let faults = &self.lanes[lane].faults;
            if on {
                faults.fetch_add(1, Relaxed)
            } else {
                faults.fetch_sub(1, Relaxed)
            };
        }
    }

    /// Whether the device of a lane is accepted and in reach.
    pub fn is_ready(&self, lane: usize) -> bool {
        match &self.lanes[lane].worker {
            Worker::Turnstile { handle, .. } => handle.is_ready(),
            Worker::Hand(hand) => hand.is_ready(),
        }
    }

    /// How often the connection of a turnstile has failed or ended so far; 0 for a handheld.
    pub fn disconnects(&self, lane: usize) -> u64 {
        match &self.lanes[lane].worker {
            Worker::Turnstile { handle, .. } => handle.stats().disconnects,
            Worker::Hand(_) => 0,
        }
    }

    /// Waits until the device of a lane is accepted and in reach.
    pub async fn back(&self, lane: usize) -> anyhow::Result<()> {
        match &self.lanes[lane].worker {
            Worker::Turnstile { handle, .. } => Ok(handle.ready().await?),
            Worker::Hand(hand) => hand.ready().await,
        }
    }

    /// Waits until the device of a lane is out of reach.
    pub async fn gone(&self, lane: usize) -> anyhow::Result<()> {
        match &self.lanes[lane].worker {
            Worker::Turnstile { handle, .. } => Ok(handle.offline().await?),
            Worker::Hand(hand) => hand.gone().await,
        }
    }

    /// Nobody goes to these lanes any more.
    pub fn close(&self, lanes: &[usize]) {
        self.places.close(lanes);
    }

    /// These lanes are open again.
    pub fn open(self: &Arc<Self>, lanes: &[usize]) {
        for (lane, job) in self.places.open(lanes) {
            self.begin(lane, job);
        }
    }

    /// Turnstiles.
    pub fn turnstiles(&self) -> usize {
        self.turnstiles
    }

    /// The lanes of the attendants.
    pub fn hands(&self) -> Vec<usize> {
        (self.turnstiles..self.lanes.len()).collect()
    }

    /// Devices that are accepted and in reach.
    pub fn online(&self) -> usize {
        (0..self.lanes.len()).filter(|lane| self.is_ready(*lane)).count()
    }

    /// What was measured since the last call.
    pub fn take_round(&self) -> Round {
        std::mem::take(&mut *self.round())
    }

    /// What was answered since the last call.
    pub fn take_second(&self) -> Second {
        std::mem::take(&mut *self.second.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From the first try to the good answer, of those who had to come again.
    pub fn recovered(&self) -> Quantiles {
        self.recovered.lock().unwrap_or_else(PoisonError::into_inner).quantiles()
    }

    /// How many were answered in this round, and the figures so far.
    pub fn so_far(&self) -> (u64, Quantiles) {
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

    /// Counts an answer of the server, shown at `shown_ns`.
    fn measure(&self, job: Job, sent_ns: u64, shown_ns: u64) {
        let latency_ns = shown_ns.saturating_sub(job.intended_ns);
        let mut round = self.round();
        round.answered += 1;
        if job.measured {
            round.answer(job.intended_ns, sent_ns, shown_ns);
        }
        drop(round);
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        second.answered.record(latency_ns);
    }

    /// Counts an answer that was none of the server's.
    fn measure_alone(&self) {
        self.second.lock().unwrap_or_else(PoisonError::into_inner).alone += 1;
    }

    /// Somebody who had to come again is served.
    fn measure_recovered(&self, job: Job) {
        if 1 < job.tries {
            let ns = self.clock.ns().saturating_sub(job.first_ns);
            self.recovered.lock().unwrap_or_else(PoisonError::into_inner).record(ns);
        }
    }

    /// What all turnstiles counted, added up.
    pub fn stats(&self) -> TurnstileStats {
        let turnstiles = self.lanes.iter().filter_map(|lane| match &lane.worker {
            Worker::Turnstile { handle, .. } => Some(handle.stats()),
            Worker::Hand(_) => None,
        });
        turnstiles.fold(TurnstileStats::default(), |mut sum, one| {
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
        })
    }

    /// Facts that the handhelds recorded.
    pub fn hand_facts(&self) -> u64 {
        let hands = self.lanes.iter().filter_map(|lane| match &lane.worker {
            Worker::Turnstile { .. } => None,
            Worker::Hand(hand) => Some(hand.facts()),
        });
        hands.sum()
    }
}

/// Nanoseconds of a latency, for one that was sent at an unknown moment before it was shown.
fn before(shown_ns: u64, latency: Duration) -> u64 {
    shown_ns.saturating_sub(ns_of(latency))
}
