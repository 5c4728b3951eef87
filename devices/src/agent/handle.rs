//! Starting a device, and the handle on the running one: it only asks and waits.

use std::sync::Arc;

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Agent, AgentConfig, AgentStats, Kind, counters::Counters, task::Task};
use crate::{clock::Clock, firmware::Upkeep, storage::Storage};

/// What others may wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) ready: bool,
    pub(super) unacknowledged: usize,
}

/// The task is gone: it was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device is shut down")]
pub struct Stopped;

/// A running device. Dropping it does not stop the device; cancelling its token does.
#[derive(Debug)]
pub struct AgentHandle {
    counters: Arc<Counters>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

impl AgentHandle {
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
    pub fn stats(&self) -> AgentStats {
        self.counters.snapshot(self.status.borrow().unacknowledged)
    }

    /// Waits until the task has ended, after its token was cancelled.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "device task failed");
        }
    }
}

/// Starts a device on the current runtime. It connects by itself, again and again, until
/// `shutdown` is cancelled.
pub fn start<K: Kind>(
    config: AgentConfig,
    kind: K,
    storage: Box<dyn Storage>,
    clock: Clock,
    shutdown: CancellationToken,
) -> AgentHandle {
    start_on(config, kind, (storage, Upkeep::default()), clock, shutdown)
}

/// [`start`] on a machine that can be started anew, or whose program can be renewed: then
/// `shutdown` is cancelled by the device itself too, and whoever started it starts it again.
pub fn start_on<K: Kind>(
    config: AgentConfig,
    kind: K,
    (storage, upkeep): (Box<dyn Storage>, Upkeep),
    clock: Clock,
    shutdown: CancellationToken,
) -> AgentHandle {
    let counters = Arc::new(Counters::default());
    let (status_tx, status) = watch::channel(Status::default());
    let agent =
        Agent::new(config, K::KIND, (storage, upkeep), clock, Arc::clone(&counters), status_tx);
    let task = Task { agent, kind };
    AgentHandle { counters, status, task: tokio::spawn(task.run(shutdown)) }
}
