//! Flow: the owner of presence and occupancy, and of what the dashboards show of them.
//!
//! Shards change [`Occupancy`] at the grant and the passage; this actor is told what was
//! committed, counts the day, and sends what changed at most ten times a second. Facts wait in a
//! queue until then, so that no lane's thread wakes this one. When it overflows the day is counted
//! again from the ledger, so that a burst never leaves a wrong number of people on the glass (a
//! refusal that was still in the queue may count twice).

mod core;
mod glass;
mod latency;
mod occupancy;
mod rate;
mod sold;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::{
    Actor, ActorContext as _, AsyncContext as _, Context, Handler, Message, MessageResult,
};
use shanmen_protocols::feed::{Delta, Past, Snapshot};
use shanmen_rules::LaneIx;
use tokio::sync::{broadcast, mpsc};

pub(crate) use self::{
    core::{FlowCore, LaneChange},
    occupancy::Occupancy,
    sold::{Sold, areas_of, is_sold},
};
use crate::{
    alerts::Alerts,
    clock::Clock,
    history::Peaks,
    ledger::{Ledger, LedgerFault, Moved, Refused},
    live_park::LivePark,
    tally::Fleet,
};

/// How often changes are sent: at most ten times a second.
const FRAME_EVERY: Duration = Duration::from_millis(100);
/// How often rates slide.
const SECOND: Duration = Duration::from_secs(1);
/// How many facts may wait for the flow.
const FACTS_MAX: usize = 16_384;
/// How many deltas the hub may be behind before it asks for all.
const DELTAS_KEPT: usize = 64;

/// What the flow is told.
pub(crate) enum Fact {
    /// A passage was committed.
    Passed(Box<Moved>),
    /// A refusal was committed.
    Refused(Box<Refused>),
    /// A decision left after so many microseconds.
    DecidedIn(u32),
    /// A lane changed.
    Lane(Box<LaneChange>),
    /// A lane has so many open grants.
    GrantsOpen(LaneIx, u32),
    /// What history says of today.
    Past(Box<Past>),
}

/// Asks for all of it.
#[derive(Message)]
#[rtype(result = "Snapshot")]
pub(crate) struct GiveSnapshot;

/// Stops the actor.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;

/// The way to the flow: tells it facts without ever waiting.
#[derive(Clone)]
pub(crate) struct FlowSender {
    addr: actix::Addr<Flow>,
    facts: mpsc::Sender<Fact>,
    recount: Arc<AtomicBool>,
}

impl FlowSender {
    /// Tells a fact; when the queue is full the day is counted again.
    pub(crate) fn tell(&self, fact: Fact) {
        if self.facts.try_send(fact).is_err() {
            metrics::counter!("shanmen_flow_overflow_total").increment(1);
            self.recount.store(true, Ordering::Relaxed);
        }
    }

    /// All of it, as it is now; none when the flow has stopped.
    pub(crate) async fn snapshot(&self) -> Option<Snapshot> {
        self.addr.send(GiveSnapshot).await.ok()
    }

    /// Stops the actor.
    pub(crate) async fn stop(&self) {
        if self.addr.send(Stop).await.is_err() {
            tracing::debug!("the flow had stopped before");
        }
    }
}

/// What the flow needs.
pub(crate) struct FlowParts {
    pub(crate) park: LivePark,
    pub(crate) occupancy: Arc<Occupancy>,
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Clock,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) peaks: Arc<Peaks>,
}

/// The actor: a shell around [`FlowCore`].
pub(crate) struct Flow {
    parts: FlowParts,
    core: FlowCore,
    deltas: broadcast::Sender<Arc<Delta>>,
    facts: (mpsc::Sender<Fact>, mpsc::Receiver<Fact>),
    recount: Arc<AtomicBool>,
}

impl Flow {
    /// Counts the day so far from the ledger, occupancy too.
    pub(crate) fn load(parts: FlowParts) -> Result<Self, LedgerFault> {
        let core = count_day(&parts, true)?;
        let (deltas, _) = broadcast::channel(DELTAS_KEPT);
        let (facts, recount) = (mpsc::channel(FACTS_MAX), Arc::new(AtomicBool::new(false)));
        Ok(Self { parts, core, deltas, facts, recount })
    }

    /// What changes, as it changes.
    pub(crate) fn deltas(&self) -> broadcast::Sender<Arc<Delta>> {
        self.deltas.clone()
    }

    /// Starts it in an arbiter.
    pub(crate) fn start(self, arbiter: &actix_rt::ArbiterHandle) -> FlowSender {
        let (facts, recount) = (self.facts.0.clone(), Arc::clone(&self.recount));
        let addr = Self::start_in_arbiter(arbiter, |_| self);
        FlowSender { addr, facts, recount }
    }

    fn hear(&mut self) {
        while let Ok(fact) = self.facts.1.try_recv() {
            match fact {
                Fact::Passed(moved) => self.core.passed(&moved),
                Fact::Refused(refused) => self.core.refused(&refused),
                Fact::DecidedIn(micros) => self.core.decided_in(micros),
                Fact::Lane(change) => self.core.lane_changed(&change),
                Fact::GrantsOpen(lane, open) => self.core.grants_open(lane, open),
                Fact::Past(past) => self.core.past(*past),
            }
        }
    }

    fn frame(&mut self) {
        self.hear();
        let now = self.parts.clock.now();
        let today = self.parts.park.now().business_day(now);
        self.parts.occupancy.turn_to(today);
        if self.core.day() < today {
            tracing::info!(day = %today, "the business day turns");
            self.core.begin_day(now);
        }
        if self.recount.swap(false, Ordering::Relaxed) {
            self.count_again();
        }
        self.parts.peaks.note(&self.parts.park.now(), &self.parts.occupancy, now);
        let delta = self.core.take_delta();
        if !delta.is_empty() && self.deltas.send(Arc::new(delta)).is_err() {
            tracing::trace!("nobody looks at the feed");
        }
    }

    fn second(&mut self) {
        let now = self.parts.clock.now();
        let (online, total) = self.parts.fleet.counts();
        self.core.fleet(online, total);
        self.core.second(now);
        for (ix, area) in (1u16..).zip(self.parts.park.now().areas().iter().skip(1)) {
            let persons = self.parts.occupancy.persons(shanmen_rules::AreaIx(ix));
            metrics::gauge!("shanmen_occupancy", "area" => area.id.to_string())
                .set(f64::from(persons.inside));
        }
    }

    fn count_again(&mut self) {
        // The lanes' conditions are not in the ledger: they are carried over.
        match count_day(&self.parts, false) {
            Ok(mut core) => {
                core.carry_lanes(&mut self.core);
                self.core = core;
                tracing::warn!("the flow's queue overflowed: the day was counted again");
            }
            Err(error) => {
                tracing::error!(%error, "cannot count the day again; trying once more");
                self.recount.store(true, Ordering::Relaxed);
            }
        }
    }
}

fn count_day(parts: &FlowParts, people_too: bool) -> Result<FlowCore, LedgerFault> {
    let now = parts.clock.now();
    let park = parts.park.full();
    let (occupancy, alerts) = (Arc::clone(&parts.occupancy), Arc::clone(&parts.alerts));
    let mut core = FlowCore::new(parts.park.clone(), occupancy, alerts, now);
    let day = core.day();
    parts.ledger.passages_of(day, &mut |moved| {
        if people_too {
            parts.occupancy.apply(&park, &moved.moves, day);
        }
        core.recall_passage(&moved);
    })?;
    core.recall_refusals(parts.ledger.refusals_of(day)?);
    core.second(now);
    Ok(core)
}

impl Actor for Flow {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(FRAME_EVERY, |flow, _| flow.frame());
        ctx.run_interval(SECOND, |flow, _| flow.second());
    }
}

impl Handler<GiveSnapshot> for Flow {
    type Result = MessageResult<GiveSnapshot>;

    fn handle(&mut self, _: GiveSnapshot, _: &mut Self::Context) -> Self::Result {
        self.hear();
        MessageResult(self.core.snapshot())
    }
}

impl Handler<Stop> for Flow {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.frame();
        ctx.stop();
    }
}
