//! A turnstile: its configuration, how it is started, and the handle on the running task.
//!
//! The task owns the lane, the event queue, the drivers and the connection; the handle
//! only asks and waits. The device program starts one; the virtual park and the load test start
//! hundreds through [`crate::virtual_lane`].

mod effects;
mod stats;
mod talk;
mod task;

use std::sync::Arc;

use shanmen_protocols::{
    device::TTL_DEFAULT_MS,
    ids::{DeviceId, LaneId, SiteId},
    reason::Lang,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::stats::Counters;
pub use self::stats::TurnstileStats;
use crate::{clock::Clock, hardware::Hardware, lane::OfflinePolicy, tls::DeviceTls};

/// Where the broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerAddress {
    /// A name or an address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

/// What a turnstile is told before it starts.
#[derive(Clone)]
pub struct TurnstileConfig {
    /// Its site.
    pub site: SiteId,
    /// Its identity: a level of its topics.
    pub device: DeviceId,
    /// The lane that it stands in.
    pub lane: LaneId,
    /// Where the broker listens.
    pub broker: BrokerAddress,
    /// How it speaks TLS to the broker; none: in clear text.
    pub tls: Option<DeviceTls>,
    /// Its user at the broker.
    pub username: String,
    /// Its secret at the broker.
    pub password: String,
    /// How long a decision may take, in milliseconds.
    pub ttl_ms: u32,
    /// What it decides without one.
    pub offline: OfflinePolicy,
    /// The language of its own lines.
    pub lang: Lang,
    /// Whether the broker has to confirm scans. It need not: the decision is the answer, and a
    /// lost scan is sent again after a third of the time to live.
    pub scan_at_least_once: bool,
    /// The shortest pause before it connects again, in milliseconds.
    pub reconnect_min_ms: u64,
    /// The longest pause before it connects again, in milliseconds.
    pub reconnect_max_ms: u64,
    /// Its serial number, as it says hello.
    pub serial: String,
}

impl TurnstileConfig {
    /// A configuration with the contract's defaults.
    pub fn new(site: SiteId, device: DeviceId, lane: LaneId, broker: BrokerAddress) -> Self {
        Self {
            username: device.to_string(),
            password: String::new(),
            serial: device.to_string(),
            site,
            device,
            lane,
            broker,
            tls: None,
            ttl_ms: TTL_DEFAULT_MS,
            offline: OfflinePolicy::Deny,
            lang: Lang::Zh,
            scan_at_least_once: false,
            reconnect_min_ms: 1_000,
            reconnect_max_ms: 60_000,
        }
    }

    /// Its MQTT client id, `{site}.{device}`: two sites may share a broker, and a device that
    /// comes twice throws out its own older connection and no other.
    pub fn client_id(&self) -> String {
        format!("{}.{}", self.site, self.device)
    }
}

/// Never shows the secret.
impl std::fmt::Debug for TurnstileConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TurnstileConfig")
            .field("site", &self.site)
            .field("device", &self.device)
            .field("lane", &self.lane)
            .field("broker", &self.broker)
            .finish_non_exhaustive()
    }
}

/// What others may wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Status {
    ready: bool,
    unacknowledged: usize,
}

/// The task is gone: it was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the turnstile is shut down")]
pub struct Stopped;

/// A running turnstile. Dropping it does not stop the turnstile; cancelling its token does.
#[derive(Debug)]
pub struct TurnstileHandle {
    counters: Arc<Counters>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

impl TurnstileHandle {
    /// Waits until the control plane has accepted the device.
    pub async fn ready(&self) -> Result<(), Stopped> {
        self.status_is(|status| status.ready).await
    }

    /// Waits until the control plane is out of reach.
    pub async fn offline(&self) -> Result<(), Stopped> {
        self.status_is(|status| !status.ready).await
    }

    /// Waits until every fact is acknowledged.
    pub async fn settled(&self) -> Result<(), Stopped> {
        self.status_is(|status| status.unacknowledged == 0).await
    }

    async fn status_is(&self, wanted: impl FnMut(&Status) -> bool) -> Result<(), Stopped> {
        let mut status = self.status.clone();
        status.wait_for(wanted).await.map(|_status| ()).map_err(|_gone| Stopped)
    }

    /// Whether the control plane has accepted the device and is in reach.
    pub fn is_ready(&self) -> bool {
        self.status.borrow().ready
    }

    /// What it has counted since it was started.
    pub fn stats(&self) -> TurnstileStats {
        self.counters.snapshot(self.status.borrow().unacknowledged)
    }

    /// Waits until the task has ended, after its token was cancelled.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "turnstile task failed");
        }
    }
}

/// Starts a turnstile on the current runtime. It connects by itself, again and again, until
/// `shutdown` is cancelled.
pub fn start(
    config: TurnstileConfig,
    hardware: Hardware,
    clock: Clock,
    shutdown: CancellationToken,
) -> TurnstileHandle {
    let counters = Arc::new(Counters::default());
    let (status_tx, status) = watch::channel(Status::default());
    let task = task::Task::new(config, hardware, clock, Arc::clone(&counters), status_tx);
    TurnstileHandle { counters, status, task: tokio::spawn(task.run(shutdown)) }
}
