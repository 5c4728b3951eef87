//! Kiosks at work: real ones that sell, and whose buyers come to a lane at once.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Serialize;
use shanmen_devices::{
    agent::AgentConfig, clock::Clock as DeviceClock, kiosk::virtual_kiosk::VirtualKiosk,
};
use shanmen_protocols::{device::OrderLine, ids::ProductId, time::ClockState};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    figures::{Latencies, Quantiles},
    fleet::{Fleet, Job},
    park,
    plan::Visit,
};

/// What kiosks did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Sales {
    /// Kiosks.
    pub kiosks: usize,
    /// Sales that failed while the server was being restarted.
    pub failed: u64,
    /// From the wish to the ticket in the hand.
    pub sale: Quantiles,
}

/// All kiosks.
pub struct Kiosks {
    working: JoinSet<()>,
    over: CancellationToken,
    shared: Arc<Shared>,
}

struct Shared {
    count: usize,
    clock: Clock,
    every: Duration,
    fleet: Arc<Fleet>,
    product: ProductId,
    may_fail: Arc<AtomicBool>,
    told: Mutex<(Latencies, u64)>,
}

impl Kiosks {
    /// Starts one for each agent; they sell until [`Kiosks::close`].
    pub async fn start(
        clock: Clock,
        agents: Vec<AgentConfig>,
        every: Duration,
        fleet: &Arc<Fleet>,
        may_fail: &Arc<AtomicBool>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            count: agents.len(),
            clock,
            every,
            fleet: Arc::clone(fleet),
            product: ProductId::new(&park::product_of(park::KIOSK))?,
            may_fail: Arc::clone(may_fail),
            told: Mutex::default(),
        });
        let over = CancellationToken::new();
        let mut working = JoinSet::new();
        for agent in agents {
            let device_clock = DeviceClock::boot(ClockState::Synced);
            let kiosk = VirtualKiosk::start(agent, device_clock, shutdown.clone());
            kiosk.ready().await?;
            working.spawn(Arc::clone(&shared).sell(kiosk, over.clone()));
        }
        Ok(Self { working, over, shared })
    }

    /// Sells no more; waits for the sales that are under way.
    pub async fn close(mut self) -> Sales {
        self.over.cancel();
        while self.working.join_next().await.is_some() {}
        let told = self.shared.told.lock().unwrap_or_else(PoisonError::into_inner);
        Sales { kiosks: self.shared.count, failed: told.1, sale: told.0.quantiles() }
    }
}

impl Shared {
    async fn sell(self: Arc<Self>, kiosk: VirtualKiosk, over: CancellationToken) {
        while over.run_until_cancelled(sleep(self.every)).await.is_some() {
            let line = OrderLine {
                product: self.product.clone(),
                count: 1,
                persons: None,
                visit_date: None,
                slot: None,
            };
            let wanted_ns = self.clock.ns();
            let could_fail = self.may_fail.load(Relaxed);
            match kiosk.buy(vec![line]).await {
                Ok(bought) => {
                    self.told().0.record(self.clock.ns() - wanted_ns);
                    for ticket in bought.tickets {
                        let number = self.fleet.add_sold(ticket.code);
                        let visit = Visit::Enter(number);
                        self.fleet.arrive(Job::first(self.clock.ns(), visit, false));
                    }
                }
                Err(_in_doubt) if could_fail || self.may_fail.load(Relaxed) => self.told().1 += 1,
                Err(error) => self.fleet.oracle().breaks(format!("a kiosk sold nothing: {error}")),
            }
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, (Latencies, u64)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
