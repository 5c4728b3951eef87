//! A turnstile: its configuration, how it is started, and the handle on the running device.
//!
//! Behind an [agent] stand the [lane](crate::lane) and its drivers. The device
//! program starts one; the virtual park and the load test start hundreds through
//! [`crate::virtual_lane`].

mod kind;
mod stats;

use std::sync::Arc;

use shanmen_protocols::ids::{DeviceId, LaneId, SiteId};
use tokio_util::sync::CancellationToken;

pub use self::stats::TurnstileStats;
use self::{kind::Turnstile, stats::Counters};
pub use crate::agent::{BrokerAddress, Stopped};
use crate::{
    agent::{self, AgentConfig, AgentHandle},
    clock::Clock,
    firmware::Upkeep,
    hardware::Hardware,
    storage::{MemoryStorage, Storage},
};

/// What a turnstile is told before it starts.
#[derive(Clone, Debug)]
pub struct TurnstileConfig {
    /// What every device is told.
    pub agent: AgentConfig,
    /// The lane that it stands in.
    pub lane: LaneId,
    /// Whether the broker has to confirm scans. It need not: the decision is the answer, and a
    /// lost scan is sent again after a third of the time to live.
    pub scan_at_least_once: bool,
    /// Whether one may leave through it without showing anything.
    pub free_exit: bool,
}

impl TurnstileConfig {
    /// A configuration with the contract's defaults.
    pub fn new(site: SiteId, device: DeviceId, lane: LaneId, broker: BrokerAddress) -> Self {
        let mut agent = AgentConfig::new(site, device, broker);
        agent.model = concat!(env!("CARGO_PKG_NAME"), " turnstile").into();
        Self { agent, lane, scan_at_least_once: false, free_exit: false }
    }
}

/// A running turnstile. Dropping it does not stop the turnstile; cancelling its token does.
#[derive(Debug)]
pub struct TurnstileHandle {
    agent: AgentHandle,
    counters: Arc<Counters>,
}

impl TurnstileHandle {
    /// Waits until the control plane has accepted the device.
    pub async fn ready(&self) -> Result<(), Stopped> {
        self.agent.ready().await
    }

    /// Waits until the control plane is out of reach.
    pub async fn offline(&self) -> Result<(), Stopped> {
        self.agent.offline().await
    }

    /// Waits until every fact is acknowledged.
    pub async fn settled(&self) -> Result<(), Stopped> {
        self.agent.settled().await
    }

    /// Whether the control plane has accepted the device and is in reach.
    pub fn is_ready(&self) -> bool {
        self.agent.is_ready()
    }

    /// What it has counted since it was started.
    pub fn stats(&self) -> TurnstileStats {
        self.counters.snapshot(self.agent.stats())
    }

    /// Waits until the task has ended, after its token was cancelled.
    pub async fn stopped(self) {
        self.agent.stopped().await;
    }
}

/// Starts a turnstile that keeps nothing over a restart: a virtual one.
pub fn start(
    config: TurnstileConfig,
    hardware: Hardware,
    clock: Clock,
    shutdown: CancellationToken,
) -> TurnstileHandle {
    start_with(config, hardware, Box::new(MemoryStorage), clock, shutdown)
}

/// Starts a turnstile that keeps what it has to in `storage`, and never starts itself anew.
pub fn start_with(
    config: TurnstileConfig,
    hardware: Hardware,
    storage: Box<dyn Storage>,
    clock: Clock,
    shutdown: CancellationToken,
) -> TurnstileHandle {
    start_on(config, hardware, (storage, Upkeep::default()), clock, shutdown)
}

/// Starts a turnstile on the current runtime. It connects by itself, again and again, until
/// `shutdown` is cancelled: by others, or by itself to be started anew.
pub fn start_on(
    config: TurnstileConfig,
    hardware: Hardware,
    machine: (Box<dyn Storage>, Upkeep),
    clock: Clock,
    shutdown: CancellationToken,
) -> TurnstileHandle {
    let counters = Arc::new(Counters::default());
    let kind = Turnstile::new(&config, hardware, Arc::clone(&counters));
    let agent = agent::start_on(config.agent, kind, machine, clock, shutdown);
    TurnstileHandle { agent, counters }
}
