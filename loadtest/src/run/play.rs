//! Faults as a scenario names them, at their moments.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::world::{Running, World};
use crate::{
    clock::{Clock, seconds_of},
    figures::{Latencies, Quantiles},
    fleet::Fleet,
    progress,
    scenario::{Fault, FaultKind, Scenario},
    server::End,
    switch::Switch,
};

/// How long after its return a lane may still suffer: two decisions of its own, at most.
const GRACE: Duration = Duration::from_secs(4);

/// How long lanes may take to come back: the longest pause of a device, and more.
const BACK_TIMEOUT: Duration = Duration::from_mins(5);

/// What came of a fault.
#[derive(Clone, Debug, Serialize)]
pub struct Suffered {
    /// What.
    pub kind: FaultKind,
    /// When it began, in seconds from the first arrival.
    pub at_s: f64,
    /// Lanes that it hit.
    pub lanes: usize,
    /// When it was over, or the server was ready again.
    pub over_s: f64,
    /// From its end until a lane is back; in the report's microseconds.
    pub back: Quantiles,
}

/// Faults under way.
pub(super) struct Play {
    running: JoinSet<()>,
    over: CancellationToken,
    told: Arc<Mutex<Vec<Suffered>>>,
}

struct Actor {
    clock: Clock,
    start_ns: u64,
    fault: Fault,
    fleet: Arc<Fleet>,
    server: Arc<Running>,
    server_away: Arc<AtomicBool>,
    switches: Vec<Arc<Switch>>,
    hands: Vec<usize>,
    over: CancellationToken,
    told: Arc<Mutex<Vec<Suffered>>>,
}

impl Play {
    /// Lets each fault of the scenario happen at its moment from `start_ns` on.
    pub(super) fn begin(clock: Clock, start_ns: u64, scenario: &Scenario, world: &World) -> Self {
        let over = CancellationToken::new();
        let told: Arc<Mutex<Vec<Suffered>>> = Arc::default();
        let mut running = JoinSet::new();
        for (n, fault) in scenario.faults.iter().enumerate() {
            let actor = Actor {
                clock,
                start_ns,
                fault: fault.clone(),
                fleet: Arc::clone(&world.fleet),
                server: Arc::clone(&world.running),
                server_away: Arc::clone(&world.server_away),
                switches: world.switches[n].clone(),
                hands: world.hands[n].clone(),
                over: over.clone(),
                told: Arc::clone(&told),
            };
            running.spawn(actor.run());
        }
        Self { running, over, told }
    }

    /// Nobody comes any more: what lasts is over now. Waits until all lanes are back.
    pub(super) async fn end(mut self) -> Vec<Suffered> {
        self.over.cancel();
        while self.running.join_next().await.is_some() {}
        let mut told =
            std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        told.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        told
    }
}

impl Actor {
    async fn run(self) {
        let at = Duration::try_from_secs_f64(self.fault.at_s).unwrap_or_default();
        let due_ns = self.start_ns + crate::clock::ns_of(at);
        sleep(Duration::from_nanos(due_ns.saturating_sub(self.clock.ns()))).await;
        if self.over.is_cancelled() {
            return;
        }
        let lanes = self.fault.hits(self.fleet.turnstiles());
        let lanes = if self.fault.kind.ends_server() {
            lanes.into_iter().chain(self.fleet.hands()).collect()
        } else {
            lanes
        };
        let at_s = self.at_s();
        progress::note(&format!("fault: {:?} of {} lanes", self.fault.kind, lanes.len()));
        let back = self.happens(&lanes).await;
        let over_s = self.at_s();
        let back = if back { self.all_back(&lanes).await } else { Quantiles::default() };
        let count = lanes.len();
        progress::note(&format!("fault: {:?} is over, {count} lanes are back", self.fault.kind));
        let told = Suffered { kind: self.fault.kind, at_s, lanes: count, over_s, back };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    fn at_s(&self) -> f64 {
        seconds_of(self.clock.ns().saturating_sub(self.start_ns))
    }

    /// Brings it about, and ends it; whether lanes have to come back.
    async fn happens(&self, lanes: &[usize]) -> bool {
        match self.fault.kind {
            FaultKind::Offline => {
                self.fleet.fault(lanes, true);
                self.switches.iter().for_each(|switch| switch.turn(false));
                self.lasts().await;
                self.switches.iter().for_each(|switch| switch.turn(true));
                true
            }
            FaultKind::Cut => {
                self.fleet.fault(lanes, true);
                self.switches.iter().for_each(|switch| switch.cut());
                true
            }
            FaultKind::Restart => self.restarts(lanes, End::InOrder).await,
            FaultKind::Kill => self.restarts(lanes, End::Killed).await,
            FaultKind::OutOfOrder => {
                self.fleet.close(lanes);
                self.fleet.open(&self.hands);
                self.lasts().await;
                self.fleet.open(lanes);
                self.fleet.close(&self.hands);
                false
            }
        }
    }

    async fn lasts(&self) {
        let length = Duration::try_from_secs_f64(self.fault.for_s).unwrap_or_default();
        // Cut short when the last visitor has come.
        let _ended = self.over.run_until_cancelled(sleep(length)).await;
    }

    async fn restarts(&self, lanes: &[usize], how: End) -> bool {
        self.fleet.fault(lanes, true);
        self.server_away.store(true, Relaxed);
        match self.server.restart(how).await {
            Ok(ready_s) => progress::note(&format!("the server is ready after {ready_s:.2} s")),
            Err(error) => self.fleet.oracle().breaks(format!("the server's restart: {error:#}")),
        }
        true
    }

    /// Waits until every lane is back; each suffers for a little longer.
    async fn all_back(&self, lanes: &[usize]) -> Quantiles {
        let over_ns = self.clock.ns();
        let mut coming = JoinSet::new();
        for &lane in lanes {
            let (fleet, clock) = (Arc::clone(&self.fleet), self.clock);
            coming.spawn(async move {
                // It may not have noticed yet that it was gone.
                let _noticed = timeout(Duration::from_millis(300), fleet.gone(lane)).await;
                let back = timeout(BACK_TIMEOUT, fleet.back(lane)).await;
                let took_ns = clock.ns().saturating_sub(over_ns);
                sleep(GRACE).await;
                fleet.fault(&[lane], false);
                matches!(back, Ok(Ok(()))).then_some(took_ns)
            });
        }
        let (mut took, mut lost) = (Latencies::default(), 0_u32);
        while let Some(one) = coming.join_next().await {
            match one {
                Ok(Some(ns)) => took.record(ns),
                _ => lost += 1,
            }
        }
        self.server_away.store(false, Relaxed);
        if lost > 0 {
            self.fleet.oracle().breaks(format!("{lost} lanes did not come back"));
        }
        took.quantiles()
    }
}
