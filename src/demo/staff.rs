//! The other devices of the demo, at work: kiosks that sell, printers that print what a window
//! sells, handhelds that check at a gate. Each is a real device over its real connection; only
//! screen, paper and hands are virtual.
//!
//! Owns `DATA/demo-devices.json`, their secrets. Whoever gets a ticket here walks through a lane
//! with it and leaves later. Started by `demo.rs`; everything ends with its token.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use shanmen_actors::{ControlPlane, api::CommandRequest};
use shanmen_devices::{
    agent::{AgentConfig, BrokerAddress},
    firmware::Upkeep,
    handheld::{HandheldConfig, VirtualHandheld, words::Input},
    kiosk::virtual_kiosk::VirtualKiosk,
    park::{BoxOffice as _, Fleet, ProductSpec, Sale, VisitDay, fleet::FleetLane},
    print::{sink::Place, virtual_printer::VirtualPrinter},
    printer::{self, PrinterSettings},
    storage::{MemoryStorage, Storage},
    tls::DeviceTls,
    virtual_lane::Presentation,
};
use shanmen_protocols::{
    device::{Credential, CredentialKind, OrderLine},
    ids::{DeviceId, DeviceKind, Direction, JobId, ProductId},
};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    USER,
    fleet::{Secret, enrol_device},
    office::Office,
};
use crate::{first_login::Login, folder};

const FILE: &str = "demo-devices.json";
/// Kiosks, handhelds and printers of the demo.
const COUNTS: [(DeviceKind, &str, u8); 3] = [
    (DeviceKind::Kiosk, "demo-kiosk", 2),
    (DeviceKind::Handheld, "demo-handheld", 3),
    (DeviceKind::Printer, "demo-printer", 2),
];

/// What they all work with.
pub(super) struct Staff {
    pub(super) plane: ControlPlane,
    pub(super) fleet: Arc<Fleet>,
    pub(super) office: Arc<Office>,
    pub(super) products: Vec<ProductSpec>,
    pub(super) broker: BrokerAddress,
    pub(super) tls: Option<DeviceTls>,
    pub(super) login: Login,
    /// How many times faster than life.
    pub(super) speed: f64,
    pub(super) stop: CancellationToken,
}

impl Staff {
    /// Enrols what is missing, and puts all of it to work until the token ends.
    ///
    /// # Errors
    /// When the file of their secrets cannot be read or written.
    pub(super) async fn work(self, data: &Path) -> anyhow::Result<JoinSet<()>> {
        let secrets = enrolled(&self.plane, data).await?;
        let mut at_work = JoinSet::new();
        let staff = Arc::new(self);
        for (n, (device, secret)) in secrets.into_iter().enumerate() {
            let (staff, seed) = (Arc::clone(&staff), n as u64);
            let Some(device) = staff.plane.device(&device).ok() else { continue };
            let agent = staff.agent(&secret);
            let stop = staff.stop.clone();
            at_work.spawn(async move {
                let work = async {
                    match device.kind {
                        DeviceKind::Kiosk => staff.kiosk(agent, seed).await,
                        DeviceKind::Handheld => staff.handheld(agent, seed).await,
                        DeviceKind::Printer => staff.printer(agent, seed).await,
                        DeviceKind::Turnstile => {}
                    }
                };
                stop.run_until_cancelled(work).await;
            });
        }
        Ok(at_work)
    }

    fn agent(&self, secret: &Secret) -> AgentConfig {
        let site = self.plane.park().site().id.clone();
        let mut agent = AgentConfig::new(site, secret.device.clone(), self.broker.clone());
        agent.username.clone_from(&secret.username);
        agent.password.clone_from(&secret.password);
        agent.tls.clone_from(&self.tls);
        agent
    }

    /// Visitors buy at it; some exchange nothing and only look.
    async fn kiosk(&self, agent: AgentConfig, seed: u64) {
        let kiosk = VirtualKiosk::start(agent, self.fleet.clock().clone(), self.stop.clone());
        if kiosk.ready().await.is_err() {
            return;
        }
        let mut rng = StdRng::seed_from_u64(seed);
        loop {
            self.pause(rng.random_range(30..180)).await;
            let Some(product) = self.for_one(&mut rng) else { return };
            let count = rng.random_range(1..=3);
            let line = OrderLine { product, count, persons: None, visit_date: None, slot: None };
            match kiosk.buy(vec![line]).await {
                Ok(bought) => {
                    for ticket in bought.tickets {
                        self.visit(&ticket.code, &mut rng).await;
                    }
                }
                Err(error) => tracing::debug!(%error, "nothing was bought at a kiosk"),
            }
        }
    }

    /// An attendant lets people in at a gate, and out again.
    async fn handheld(&self, agent: AgentConfig, seed: u64) {
        let Some(gate) = self.way(Direction::In, seed) else { return };
        let mut config = HandheldConfig::new(
            agent.site.clone(),
            agent.device.clone(),
            gate.spec.lane.clone(),
            agent.broker.clone(),
        );
        (config.agent.username, config.agent.password) = (agent.username, agent.password);
        config.agent.tls = agent.tls;
        let clock = self.fleet.clock().clone();
        let handheld = VirtualHandheld::start(config, clock, self.stop.clone());
        let mut rng = StdRng::seed_from_u64(seed);
        let Login { user, password } = self.login.clone();
        // The first try may come before the control plane has accepted it.
        for _ in 0..10 {
            sleep(Duration::from_secs(1)).await;
            let login = Input::Login { user: user.clone(), password: password.clone() };
            if handheld.act(login).await.is_ok() {
                break;
            }
        }
        loop {
            self.pause(rng.random_range(60..240)).await;
            let Some(code) = self.sold(&mut rng).await else { continue };
            let shown = || Credential { kind: CredentialKind::Qr, data: code.clone() };
            if handheld.check(shown()).await.is_err() {
                return;
            }
            self.pause(rng.random_range(600..1_800)).await;
            let leaves = Input::Place { lane: None, direction: Some(Direction::Out) };
            let comes = Input::Place { lane: None, direction: Some(Direction::In) };
            if handheld.act(leaves).await.is_err()
                || handheld.check(shown()).await.is_err()
                || handheld.act(comes).await.is_err()
            {
                return;
            }
        }
    }

    /// What a window sells comes out of it.
    async fn printer(&self, agent: AgentConfig, seed: u64) {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let paper = match VirtualPrinter::start(any).await {
            Ok(paper) => paper,
            Err(error) => {
                tracing::warn!(%error, "a printer of the demo has no port");
                return;
            }
        };
        let settings = PrinterSettings::at(Place::Tcp { address: paper.address().to_string() });
        let (id, clock) = (agent.device.clone(), self.fleet.clock().clone());
        let kept = (Box::new(MemoryStorage) as Box<dyn Storage>, Upkeep::default());
        let _printer = printer::start(agent, settings, kept, clock, self.stop.clone());
        let mut rng = StdRng::seed_from_u64(seed);
        loop {
            self.pause(rng.random_range(60..300)).await;
            let Some(code) = self.sold(&mut rng).await else { continue };
            let data = json!({ "name": "门票", "name_en": "Ticket", "code": code, "persons": 1 });
            let job = json!({ "job": JobId::fresh(), "data": data });
            let request = CommandRequest {
                op: "print".into(),
                args: job.as_object().cloned().unwrap_or_default(),
                reason: "sold at the window".into(),
                ttl_ms: None,
            };
            if let Err(error) = self.plane.command(&id, request, USER).await {
                tracing::debug!(%error, "nothing was printed");
            }
            self.visit(&code, &mut rng).await;
        }
    }

    /// Somebody with a ticket walks in, and leaves after a while.
    async fn visit(&self, code: &str, rng: &mut StdRng) {
        let Some(entry) = self.way(Direction::In, rng.random()) else { return };
        let came = entry.turnstile.present(Presentation::qr(code)).await;
        if !came.is_ok_and(|answer| answer.passed > 0) {
            return;
        }
        self.pause(rng.random_range(300..900)).await;
        let Some(exit) = self.way(Direction::Out, rng.random()) else { return };
        let out = Presentation { direction: Direction::Out, ..Presentation::qr(code) };
        if let Err(error) = exit.turnstile.present(out).await {
            tracing::debug!(%error, "somebody stays in the park");
        }
    }

    /// A lane at the edge of the site that is open this way.
    fn way(&self, direction: Direction, choice: u64) -> Option<&FleetLane> {
        let fits = |lane: &&FleetLane| {
            let (outer, to) = (&lane.spec.from, &lane.spec.to);
            lane.spec.is_outer()
                && match direction {
                    Direction::In => lane.spec.direction(outer, to).is_some(),
                    Direction::Out => lane.spec.direction(to, outer).is_some(),
                }
        };
        let lanes: Vec<&FleetLane> = self.fleet.lanes().iter().filter(fits).collect();
        let count = u64::try_from(lanes.len()).ok().filter(|count| *count > 0)?;
        lanes.get(usize::try_from(choice % count).ok()?).copied()
    }

    /// A product for one person.
    fn for_one(&self, rng: &mut StdRng) -> Option<ProductId> {
        let singles: Vec<&ProductSpec> =
            self.products.iter().filter(|product| product.persons == (1..=1)).collect();
        (!singles.is_empty()).then(|| singles[rng.random_range(0..singles.len())].id.clone())
    }

    async fn sold(&self, rng: &mut StdRng) -> Option<String> {
        let product = self.for_one(rng)?;
        let sale = Sale { product, persons: 1, day: VisitDay::Today };
        self.office.sell(sale).await.ok().map(|sold| sold.code)
    }

    /// So many seconds of the park's life.
    async fn pause(&self, seconds: u32) {
        sleep(Duration::from_secs_f64(f64::from(seconds) / self.speed.max(0.01))).await;
    }
}

async fn enrolled(plane: &ControlPlane, data: &Path) -> anyhow::Result<BTreeMap<DeviceId, Secret>> {
    let path = data.join(FILE);
    let mut kept: BTreeMap<DeviceId, Secret> = match folder::read_private(&path)? {
        Some(text) => serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged; remove it", path.display()))?,
        None => BTreeMap::new(),
    };
    // After a new ledger the kept secrets are worth nothing.
    kept.retain(|device, _| plane.device(device).is_ok());
    for (kind, name, count) in COUNTS {
        for n in 1..=count {
            let id = DeviceId::new(&format!("{name}-{n}"))?;
            if kept.contains_key(&id) {
                continue;
            }
            match enrol_device(plane, id.clone(), kind, None).await {
                Ok(secret) => drop(kept.insert(id, secret)),
                Err(error) => tracing::warn!(device = %id, %error, "not in the demo"),
            }
        }
    }
    folder::write_whole(&path, &serde_json::to_vec(&kept)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(kept)
}
