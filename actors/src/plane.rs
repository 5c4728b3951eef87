//! The control plane as a whole: what it is made of, and how it stops. It is started in
//! `plane/start.rs`, asked for gates in `plane/gates.rs` and by the office in `plane/office.rs`.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use shanmen_protocols::{
    feed::{Delta, Snapshot},
    ids::DeviceId,
};
use shanmen_rules::Park;
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
};

use crate::{
    api::{Claim, ClaimRequest, DeviceView, EnrolRequest, Enrolled, Fault, Logins, Readiness},
    clock::Clock,
    flow::{FlowSender, Occupancy},
    history::SharedKnown,
    intake::Intake,
    keys::KeyRing,
    ledger::{Ledger, SqliteLedger},
    live_park::LivePark,
    registry::Registry,
    stage::Stage,
    twin::{Order, Recalled, Shared, Twin},
};

mod counter;
mod devices;
mod duty;
mod fleet;
mod gates;
mod handheld;
mod history;
mod logins;
mod office;
mod start;

pub use office::Importer;
use office::Office;

/// How long what is on its way may take to finish at a stop.
const SETTLE_WAIT: Duration = Duration::from_millis(300);

/// A running control plane; cheap to clone.
#[derive(Clone)]
pub struct ControlPlane(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    park: LivePark,
    office: Office,
    clock: Clock,
    keys: KeyRing,
    ledger: Arc<SqliteLedger>,
    stage: Stage,
    pub(crate) shared: Arc<Shared>,
    pub(crate) intake: Arc<Intake>,
    registry: Arc<Registry>,
    occupancy: Arc<Occupancy>,
    known: SharedKnown,
    api: actix::Addr<Twin>,
    flow: FlowSender,
    deltas: broadcast::Sender<Arc<Delta>>,
    /// Who checks passwords for operators at handhelds.
    logins: OnceLock<Arc<dyn Logins>>,
    /// Held while the list of today's tickets is built.
    building: tokio::sync::Mutex<()>,
    stopping: AtomicBool,
    stop: watch::Sender<bool>,
    watch: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
}

impl ControlPlane {
    fn twin_of(&self, id: &DeviceId) -> Option<actix::Addr<Twin>> {
        let inner = &self.0;
        if let Some(twin) = inner.intake.twin(id.as_str()) {
            return Some(twin);
        }
        let device = inner.registry.get(id.as_str())?;
        let arbiter = inner.stage.arbiter(inner.registry.len());
        let park = inner.park.full();
        let shared = Arc::clone(&inner.shared);
        let twin = Twin::start(shared, &park.site().id, device, &mut Recalled::none(), arbiter);
        inner.intake.add(id.clone(), twin.clone());
        Some(twin)
    }

    /// The park in force.
    pub fn park(&self) -> Arc<Park> {
        self.0.park.full()
    }

    /// The one clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The keys.
    pub fn keys(&self) -> &KeyRing {
        &self.0.keys
    }

    /// Where devices connect: the embedded broker's address, or the outside one's.
    pub fn broker_address(&self) -> (String, u16) {
        self.0.shared.link.address()
    }

    /// Whether visitors can be taken.
    pub fn readiness(&self) -> Readiness {
        let going = !self.0.stopping.load(Ordering::Relaxed);
        Readiness {
            ledger: going && self.0.ledger.healthy(),
            broker: going && self.0.shared.link.up(),
            hot_state: true,
        }
    }

    /// Stops in order: no new scans, what is on its way is committed, open grants are kept.
    pub async fn stop(&self) {
        let inner = &self.0;
        if inner.stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        inner.stop.send_replace(true);
        for watch in inner.watch.lock().await.drain(..) {
            if watch.await.is_err() {
                tracing::error!("a watch had failed");
            }
        }
        // What has reached its twin is answered before the broker goes.
        tokio::time::sleep(SETTLE_WAIT).await;
        inner.shared.link.stop().await;
        for twin in inner.intake.twins().into_iter().chain([inner.api.clone()]) {
            if twin.send(Order::Stop).await.is_err() {
                tracing::debug!("a twin had stopped before");
            }
        }
        inner.shared.pool.stop().await;
        inner.flow.stop().await;
        let ledger = Arc::clone(&inner.ledger);
        if tokio::task::spawn_blocking(move || ledger.stop()).await.is_err() {
            tracing::error!("the ledger did not stop in order");
        }
        inner.stage.stop().await;
    }

    /// The fleet, by id.
    pub fn devices(&self) -> Vec<DeviceView> {
        let mut ids = self.0.registry.ids();
        ids.sort();
        let grants = self.0.shared.pool.hot().open_grants();
        let open = |id: &DeviceId| {
            u32::try_from(grants.iter().filter(|row| row.device == *id).count()).unwrap_or(u32::MAX)
        };
        ids.iter().filter_map(|id| self.view_of(id, open(id))).collect()
    }

    fn view_of(&self, id: &DeviceId, open_grants: u32) -> Option<DeviceView> {
        let mut view = self.0.registry.view(id, open_grants)?;
        view.config_desired = self.0.shared.configs.of(id).map(|config| config.version);
        Some(view)
    }

    /// One device.
    pub fn device(&self, id: &DeviceId) -> Result<DeviceView, Fault> {
        let grants = self.0.shared.pool.hot().open_grants();
        let open = grants.iter().filter(|row| row.device == *id).count();
        self.view_of(id, u32::try_from(open).unwrap_or(u32::MAX)).ok_or(Fault::NotFound("device"))
    }

    /// A person lets a pending device work.
    pub async fn approve(&self, id: &DeviceId, actor: &str) -> Result<(), Fault> {
        let (plane, id, actor) = (self.clone(), id.clone(), actor.to_owned());
        to_the_end(async move {
            plane.0.office.enrolment.approve(&id, &actor).await?;
            plane.show(&id);
            Ok(())
        })
        .await?
    }

    fn show(&self, id: &DeviceId) {
        if let Some(twin) = self.twin_of(id)
            && twin.try_send(Order::ShowLane).is_err()
        {
            tracing::debug!(device = %id, "its twin is busy; the wall follows at its next word");
        }
    }

    /// Makes a one-time claim code.
    pub async fn claim(&self, request: ClaimRequest, actor: &str) -> Result<Claim, Fault> {
        self.0.office.enrolment.claim(request, actor).await
    }

    /// Trades a claim for a login, once.
    pub async fn enrol(&self, request: EnrolRequest) -> Result<Enrolled, Fault> {
        let plane = self.clone();
        to_the_end(async move {
            let (enrolled, _) = plane.0.office.enrolment.enrol(request).await?;
            plane.show(&enrolled.device);
            Ok(enrolled)
        })
        .await?
    }

    /// The feed's state now, and what follows it: a delta may repeat what the state holds already.
    pub async fn feed(&self) -> (Snapshot, broadcast::Receiver<Arc<Delta>>) {
        let deltas = self.0.deltas.subscribe();
        (self.feed_snapshot().await, deltas)
    }

    /// The feed's state now.
    pub async fn feed_snapshot(&self) -> Snapshot {
        loop {
            if let Some(snapshot) = self.0.flow.snapshot().await {
                return snapshot;
            }
            // Only at a stop, and then this is dropped with its caller.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Runs what must not stop half way, even when its caller hangs up: what was committed is also
/// shown.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Fault> {
    tokio::spawn(work).await.map_err(|error| Fault::Internal(error.to_string()))
}
