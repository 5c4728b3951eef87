//! All that stands before the clock starts: park, tickets, lanes, attendants, kiosks and viewers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;
use shanmen_devices::{handheld::HandheldConfig, turnstile::BrokerAddress};
use shanmen_protocols::{
    device::OfflineMode,
    feed::Snapshot,
    ids::{LaneId, SiteId},
};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::Stage;
use crate::{
    clock::Clock,
    fleet::{Crew, Fleet, Hand},
    kiosks::Kiosks,
    park::{self, Size, Sold},
    progress,
    scenario::{FaultKind, Scenario},
    server::{End, Login, Server},
    setup::{self, Target},
    switch::Switch,
    viewers::Viewers,
};

/// How long the lists may take to be at every lane that decides alone.
const LISTS_TIMEOUT: Duration = Duration::from_mins(3);

/// A server process that can be ended and started again under load.
pub(super) struct Running {
    server: Mutex<Option<Server>>,
    /// Its process, 0 while there is none.
    pub(super) pid: Arc<AtomicU32>,
}

impl Running {
    fn new(server: Option<Server>) -> Self {
        let pid = server.as_ref().and_then(Server::pid).unwrap_or(0);
        Self { server: Mutex::new(server), pid: Arc::new(AtomicU32::new(pid)) }
    }

    async fn locked(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().await
    }

    /// Ends it and starts it again; in how many seconds it was ready.
    pub(super) async fn restart(&self, how: End) -> anyhow::Result<f64> {
        let mut server = self.locked().await;
        let server = server.as_mut().context("the server is not the load test's own")?;
        self.pid.store(0, Relaxed);
        server.restart(how).await?;
        self.pid.store(server.pid().unwrap_or(0), Relaxed);
        Ok(server.started_in.as_secs_f64())
    }

    /// The process, for the last time.
    pub(super) async fn take(&self) -> Option<Server> {
        self.locked().await.take()
    }
}

/// The park with everybody in it.
pub(super) struct World {
    pub(super) target: Target,
    pub(super) running: Arc<Running>,
    pub(super) before: Snapshot,
    pub(super) fleet: Arc<Fleet>,
    /// For each fault that takes lanes off the network, what they are behind.
    pub(super) switches: Vec<Vec<Arc<Switch>>>,
    /// For each fault, the lanes of its attendants.
    pub(super) hands: Vec<Vec<usize>>,
    pub(super) viewers: Option<Viewers>,
    pub(super) kiosks: Option<Kiosks>,
    /// The server is being restarted.
    pub(super) server_away: Arc<AtomicBool>,
}

/// The gate of each attendant, and the fault for which they come.
fn attendants(scenario: &Scenario) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    for (n, fault) in scenario.faults.iter().enumerate() {
        let gates: Vec<usize> = fault.hits(scenario.lanes).into_iter().map(park::gate_of).collect();
        all.extend(gates.iter().cycle().take(fault.handhelds).map(|gate| (*gate, n)));
    }
    all
}

/// How large a park a scenario needs.
pub fn size(scenario: &Scenario) -> Size {
    let hands = attendants(scenario).into_iter().map(|(gate, _)| gate).collect();
    Size { lanes: scenario.lanes, hands, viewers: scenario.company.viewers }
}

impl World {
    /// Issues, enrols, connects.
    pub(super) async fn open(
        clock: Clock,
        scenario: &Scenario,
        stage: Stage,
        tickets: &[Sold],
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let Stage { target, server } = stage;
        let login = server.as_ref().map(|server| server.login.clone());
        let before = target.snapshot().await?;
        progress::note(&format!("issuing {} tickets", tickets.len()));
        let codes = target.issue(0, tickets).await.context("the tickets were not issued")?;
        progress::note(&format!("enrolling and connecting {} lanes", scenario.lanes));
        let switches = Switches::start(scenario, &target.mqtt, shutdown).await?;
        let turnstiles = enrol(scenario, &target, &switches).await.context("enrolment")?;
        let hands = attend(scenario, &target, login.as_ref(), shutdown).await?;
        let walk = Duration::from_millis(scenario.walk_ms);
        let crew = Crew { turnstiles, hands, walk };
        let fleet = Fleet::start(clock, crew, shutdown).await?;
        fleet.add_tickets(codes, tickets);
        if scenario.devices.offline != OfflineMode::Deny && !switches.of_lanes.is_empty() {
            let lanes = target.lanes(scenario.lanes).await?;
            let alone = switches.of_lanes.keys().map(|lane| &lanes[*lane]);
            let held = hold_lists(&target, alone.collect());
            timeout(LISTS_TIMEOUT, held).await.context("not all lanes have their lists")??;
        }
        let server_away = Arc::new(AtomicBool::new(false));
        let viewers = match scenario.company.viewers {
            0 => None,
            count => {
                let known = (&before, target.own_park);
                let http = target.http.clone();
                Some(Viewers::start(count, http, &fleet, known, &server_away, shutdown).await?)
            }
        };
        let mut world = Self {
            target,
            running: Arc::new(Running::new(server)),
            before,
            hands: hands_of(scenario, fleet.turnstiles()),
            fleet,
            switches: switches.of_faults,
            viewers,
            kiosks: None,
            server_away,
        };
        if scenario.company.kiosks > 0 {
            world.kiosks = Some(world.open_kiosks(clock, scenario, shutdown).await?);
        }
        Ok(world)
    }

    async fn open_kiosks(
        &self,
        clock: Clock,
        scenario: &Scenario,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Kiosks> {
        let mut agents = Vec::new();
        for n in 0..scenario.company.kiosks {
            let mut agent = self.target.enrol_one(&format!("kiosk-{n}"), "kiosk", None).await?;
            set_pauses(scenario, &mut agent);
            agents.push(agent);
        }
        let every = Duration::try_from_secs_f64(scenario.company.kiosk_every_s).unwrap_or_default();
        Kiosks::start(clock, agents, every, &self.fleet, &self.server_away, shutdown).await
    }

    /// Logs in anew: after a start of the server the old token may be gone.
    pub(super) async fn login(&mut self) -> anyhow::Result<()> {
        let server = self.running.locked().await;
        if let Some(server) = server.as_ref() {
            self.target.token = setup::login(&self.target.http, &server.login).await?;
        }
        Ok(())
    }
}

fn hands_of(scenario: &Scenario, turnstiles: usize) -> Vec<Vec<usize>> {
    let mut of = vec![Vec::new(); scenario.faults.len()];
    for (n, (_, fault)) in attendants(scenario).into_iter().enumerate() {
        of[fault].push(turnstiles + n);
    }
    of
}

fn set_pauses(scenario: &Scenario, agent: &mut shanmen_devices::agent::AgentConfig) {
    [agent.reconnect_min_ms, agent.reconnect_max_ms] = scenario.devices.reconnect_ms;
}

/// What lanes are behind that a fault takes off the network: one switch for all that share the
/// same faults.
struct Switches {
    of_faults: Vec<Vec<Arc<Switch>>>,
    of_lanes: BTreeMap<usize, Arc<Switch>>,
}

impl Switches {
    async fn start(
        scenario: &Scenario,
        broker: &BrokerAddress,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let mut faults_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (n, fault) in scenario.faults.iter().enumerate() {
            if matches!(fault.kind, FaultKind::Offline | FaultKind::Cut) {
                for lane in fault.hits(scenario.lanes) {
                    faults_of.entry(lane).or_default().push(n);
                }
            }
        }
        let mut made: BTreeMap<Vec<usize>, Arc<Switch>> = BTreeMap::new();
        let mut of_faults = vec![Vec::new(); scenario.faults.len()];
        let mut of_lanes = BTreeMap::new();
        for (lane, faults) in faults_of {
            let switch = if let Some(switch) = made.get(&faults) {
                Arc::clone(switch)
            } else {
                let switch = Arc::new(Switch::before(broker, shutdown).await?);
                for &fault in &faults {
                    of_faults[fault].push(Arc::clone(&switch));
                }
                made.insert(faults, Arc::clone(&switch));
                switch
            };
            of_lanes.insert(lane, switch);
        }
        Ok(Self { of_faults, of_lanes })
    }
}

async fn enrol(
    scenario: &Scenario,
    target: &Target,
    switches: &Switches,
) -> anyhow::Result<Vec<setup::Enrolled>> {
    let lanes = target.lanes(scenario.lanes).await?;
    let offline = scenario.devices.offline;
    let enrolled = target.enrol(&lanes, |n, config| {
        config.scan_at_least_once = scenario.scan_qos == 1;
        config.agent.settings.ttl_ms = scenario.devices.ttl_ms;
        set_pauses(scenario, &mut config.agent);
        let Some(switch) = switches.of_lanes.get(&n) else { return };
        config.agent.broker.clone_from(&switch.address);
        config.agent.settings.offline.policy = offline;
        config.agent.lists = match offline {
            OfflineMode::Deny => &[],
            OfflineMode::List | OfflineMode::Signed | OfflineMode::Open => {
                shanmen_devices::offline::LISTS
            }
        };
    });
    enrolled.await
}

/// Waits until each of these lanes holds all lists: without them it could decide nothing alone.
async fn hold_lists(target: &Target, lanes: Vec<&LaneId>) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Device {
        lists: BTreeMap<String, Value>,
    }
    let mut connection = target.connect().await?;
    for lane in lanes {
        let path = format!("/api/v1/devices/{lane}");
        loop {
            let device: Device = connection.get(&path).await?;
            if device.lists.len() >= shanmen_devices::offline::LISTS.len() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

async fn attend(
    scenario: &Scenario,
    target: &Target,
    login: Option<&Login>,
    shutdown: &CancellationToken,
) -> anyhow::Result<Vec<(Hand, usize)>> {
    let mut hands = Vec::new();
    for (n, (gate, _)) in attendants(scenario).into_iter().enumerate() {
        let login = login.context("handhelds work in the load test's own park only")?;
        let id = park::hand_id(n);
        let lane = LaneId::new(&id)?;
        let mut agent = target.enrol_one(&id, "handheld", Some(&lane)).await?;
        set_pauses(scenario, &mut agent);
        let site: SiteId = agent.site.clone();
        let (device, broker) = (agent.device.clone(), agent.broker.clone());
        let mut config = HandheldConfig::new(site, device, lane, broker);
        agent.lists = &[];
        config.agent = agent;
        hands.push((Hand::start(config, login, shutdown.clone()).await?, gate));
    }
    Ok(hands)
}
