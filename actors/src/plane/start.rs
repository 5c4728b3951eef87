//! How the control plane starts: the ledger opened, the hot state loaded, broker and actors begun.

use std::sync::{Arc, OnceLock, atomic::AtomicBool};

use shanmen_protocols::{
    device::Hello,
    ids::{DeviceId, DeviceKind, SiteId},
    reason::Lang,
};
use shanmen_rules::{Park, ParkDefinition};
use tokio::sync::watch;

use super::{
    ControlPlane, Inner,
    devices::ForDevices,
    office::{Office, OfficeParts},
};
use crate::{
    alerts::Alerts,
    api::{BrokerChoice, DeviceStanding, Durability, Fault, Settings},
    blocked::Blocked,
    catalogue::{self},
    clock::{Clock, Stopwatch},
    commands::Commands,
    configs::Configs,
    emergency::Emergency,
    enrolment::{self},
    flow::{Flow, FlowParts, Occupancy},
    history::{Peaks, SharedKnown},
    intake::Intake,
    keys::Digest,
    ledger::{self, DeviceRow, Ledger, Loaded, ProductRow, Record, SqliteLedger, commit},
    link::{EmbeddedBroker, Link, OutsideLink, Uplinks},
    lists::Lists,
    live_park::LivePark,
    pool::{HotState, Pool, ShardCore},
    registry::Registry,
    stage::Stage,
    tally::Fleet,
    twin::{API_DEVICE, Heard, Recalled, Shared, Twin, fault},
    watch::Watch,
};

/// How many devices the registry holds.
const DEVICES_MAX: usize = 100_000;

impl ControlPlane {
    /// Opens the ledger, loads the hot state, starts the broker and the actors.
    ///
    /// # Errors
    /// [`Fault::Invalid`] for a park that does not hold together, all faults at once;
    /// [`Fault::Internal`] for a disk, a file or a port.
    pub async fn start(settings: Settings) -> Result<Self, Fault> {
        let Opened { ledger, place, products, park, hot, occupancy, loaded } =
            open(&settings).await?;
        let clock = settings.clock.clone();
        let site = park.site().id.clone();
        let live = LivePark::new(Arc::clone(&park));
        let books = Arc::clone(&ledger) as Arc<dyn Ledger>;
        let alerts = Arc::new(Alerts::new(loaded.alarms, Arc::clone(&books), clock.clone()));
        let fleet = Arc::new(Fleet::default());
        let registry = Arc::new(Registry::new(loaded.devices, Arc::clone(&fleet)));
        enrolment::register(&settings.devices, &park, &ledger, &registry, &clock).await?;
        let stage = Stage::start(arbiters(settings.shards)).await.map_err(Fault::Internal)?;

        let peaks = Arc::new(Peaks::default());
        let flow = Flow::load(FlowParts {
            park: live.clone(),
            occupancy: Arc::clone(&occupancy),
            alerts: Arc::clone(&alerts),
            ledger: Arc::clone(&books),
            clock: clock.clone(),
            fleet,
            peaks: Arc::clone(&peaks),
        })
        .map_err(fault)?;
        for grant in loaded.grants {
            occupancy.reserve_anyway(&park, &grant.open.admission, clock.now());
            hot.open(grant);
        }
        let (deltas, flow) = (flow.deltas(), flow.start(stage.side()));

        let pool = start_pool(&live, &hot, &occupancy, &books, settings.durability, &stage);

        let intake = Arc::new(Intake::new(site.clone(), clock.clone(), Arc::clone(&registry)));
        let uplinks = Arc::clone(&intake) as Arc<dyn Uplinks>;
        let link = start_link(&settings, &site, &registry, uplinks).await?;
        let list = Arc::new(Blocked::default());
        let lists = Arc::new(Lists::new(settings.keys.clone()));
        let shared = Arc::new(Shared {
            park: live.clone(),
            keys: settings.keys.clone(),
            pool: pool.clone(),
            blocked: Arc::clone(&list),
            alerts,
            commands: Commands::new(loaded.commands, Arc::clone(&books), clock.clone()),
            configs: Configs::new(loaded.configs, Arc::clone(&books), clock.clone()),
            emergency: Emergency::new(loaded.emergency),
            lists: Arc::clone(&lists),
            answers: OnceLock::new(),
            ledger: Arc::clone(&books),
            link,
            flow: flow.clone(),
            registry: Arc::clone(&registry),
            clock: clock.clone(),
            heartbeat_s: settings.heartbeat_s,
            lang: Lang::Zh,
        });
        let api = start_twins(&shared, &intake, &stage)?;
        let (stop, stopped) = watch::channel(false);
        let watch = Watch::new(Arc::clone(&shared), Arc::clone(&occupancy)).run(stopped.clone());
        let plane = Self(Arc::new(Inner {
            occupancy: Arc::clone(&occupancy),
            known: SharedKnown::default(),
            office: Office::open(OfficeParts {
                park: live.clone(),
                place,
                products,
                keys: settings.keys.clone(),
                hot,
                occupancy,
                list,
                pool,
                ledger: Arc::clone(&ledger),
                registry: Arc::clone(&registry),
                clock: clock.clone(),
                tokens: loaded.tokens,
                overrides: loaded.overrides,
                blocked: loaded.blocked,
                security: settings.security,
                lists,
            }),
            park: live,
            clock,
            keys: settings.keys,
            ledger,
            stage,
            shared,
            intake,
            registry,
            api,
            flow,
            deltas,
            stopping: AtomicBool::new(false),
            stop,
            logins: OnceLock::new(),
            building: tokio::sync::Mutex::default(),
            watch: tokio::sync::Mutex::new(vec![tokio::spawn(watch)]),
        }));
        plane.look_through().await;
        plane.keep_history(peaks, stopped.clone()).await;
        plane.serve_devices(stopped).await;
        plane.open_intake();
        Ok(plane)
    }

    /// From now on requests are answered, and devices are told what changes.
    async fn serve_devices(&self, stopped: watch::Receiver<bool>) {
        let current = Self::keep_devices_current(Arc::downgrade(&self.0), stopped);
        self.0.watch.lock().await.push(tokio::spawn(current));
        let answers = Arc::new(ForDevices(Arc::downgrade(&self.0)));
        if self.0.shared.answers.set(answers).is_err() {
            tracing::error!("the answers were set twice");
        }
    }

    fn open_intake(&self) {
        let weak = Arc::downgrade(&self.0);
        let runtime = tokio::runtime::Handle::current();
        let stranger = move |id: &DeviceId, hello: &Hello| {
            if let Some(inner) = weak.upgrade() {
                let (plane, id, hello) = (Self(inner), id.clone(), hello.clone());
                runtime.spawn(async move { plane.meet_stranger(id, hello).await });
            }
        };
        self.0.intake.open(Arc::clone(&self.0.shared), Box::new(stranger));
    }

    /// A device that an outside broker lets in and the registry does not know: pending, until a
    /// person approves it.
    async fn meet_stranger(&self, id: DeviceId, hello: Hello) {
        let inner = &self.0;
        if inner.registry.len() >= DEVICES_MAX || inner.registry.get(id.as_str()).is_some() {
            return;
        }
        let row = DeviceRow {
            id: id.clone(),
            kind: hello.kind.unwrap_or(DeviceKind::Turnstile),
            gate: None,
            lane: None,
            standing: DeviceStanding::Pending,
            secret: None,
            serial: hello.serial.chars().take(64).collect(),
            model: hello.model.chars().take(64).collect(),
            since: inner.clock.now(),
        };
        let record = Record::Device { row: Box::new(row.clone()), audit: None };
        if let Err(error) = commit(&*inner.ledger, record).await {
            tracing::error!(%error, device = %id, "a new device cannot be written down");
            return;
        }
        tracing::info!(device = %id, "a device that nobody has approved said hello");
        inner.registry.put(row);
        if let Some(twin) = self.twin_of(&id)
            && twin.try_send(Heard::Hello(Box::new(hello))).is_err()
        {
            tracing::debug!(device = %id, "its twin is busy; it says hello again");
        }
    }
}

fn start_pool(
    park: &LivePark,
    hot: &Arc<HotState>,
    occupancy: &Arc<Occupancy>,
    books: &Arc<dyn Ledger>,
    durability: Durability,
    stage: &Stage,
) -> Pool {
    let queue = Arc::clone(books);
    let core = ShardCore {
        park: park.clone(),
        hot: Arc::clone(hot),
        occupancy: Arc::clone(occupancy),
        append: Arc::new(move |entry| queue.append(entry)),
        relaxed: durability == Durability::Relaxed,
    };
    Pool::start(core, stage.arbiters())
}

async fn start_link(
    settings: &Settings,
    site: &SiteId,
    registry: &Arc<Registry>,
    uplinks: Arc<dyn Uplinks>,
) -> Result<Arc<dyn Link>, Fault> {
    let (security, clock) = (&settings.security, settings.clock.clone());
    Ok(match &settings.broker {
        BrokerChoice::Embedded(listen) => {
            let registry = Arc::clone(registry);
            Arc::new(
                EmbeddedBroker::start(*listen, site.clone(), security, registry, clock, uplinks)
                    .await
                    .map_err(Fault::Internal)?,
            )
        }
        BrokerChoice::Outside(broker) => {
            Arc::new(OutsideLink::start(broker, security.outside.clone(), site, uplinks))
        }
    })
}

/// Starts the twin of every device of the registry, with what the ledger recalls of each; what is
/// left is for the twin of the program's callers, which it gives.
fn start_twins(
    shared: &Arc<Shared>,
    intake: &Intake,
    stage: &Stage,
) -> Result<actix::Addr<Twin>, Fault> {
    let now = shared.clock.now();
    let mut recalled = Recalled::read(&*shared.ledger, now).map_err(fault)?;
    let site = &shared.park.full().site().id.clone();
    for (n, id) in shared.registry.ids().into_iter().enumerate() {
        if let Some(device) = shared.registry.get(id.as_str()) {
            let arbiter = stage.arbiter(n);
            let twin = Twin::start(Arc::clone(shared), site, device, &mut recalled, arbiter);
            intake.add(id, twin);
        }
    }
    let device = api_device(&shared.clock)?;
    Ok(Twin::start_api(Arc::clone(shared), device, &mut recalled, stage.arbiter(1)))
}

/// What a start reads.
struct Opened {
    ledger: Arc<SqliteLedger>,
    /// The site with every area, gate and lane that it ever had, each at its number.
    place: ParkDefinition,
    products: Vec<ProductRow>,
    park: Arc<Park>,
    hot: Arc<HotState>,
    occupancy: Arc<Occupancy>,
    loaded: Loaded,
}

/// Opens the ledger and loads what stays in memory; off the async threads.
async fn open(settings: &Settings) -> Result<Opened, Fault> {
    let (folder, clock, definition) =
        (settings.data.clone(), settings.clock.clone(), settings.park.clone());
    tokio::task::spawn_blocking(move || {
        let watch = Stopwatch::start();
        let now = clock.now();
        // Faults of the park are told before anything is written.
        Park::compile(&definition).map_err(|faults| catalogue::invalid(&faults))?;
        let ledger = ledger::open(&folder, clock).map_err(fault)?;
        let mut products = ledger.products().map_err(fault)?;
        catalogue::settle(&mut products, &definition.products, now)?;
        let place = ledger.settle_names(&definition).map_err(fault)?;
        let park = catalogue::compile(&place, &products)?;
        ledger.keep_products(&products).map_err(fault)?;
        catalogue::warn_of_orphans(&products, &definition);
        let hot = HotState::new();
        let occupancy = Occupancy::new(&park, park.business_day(now));
        let loaded = ledger
            .load(
                now,
                ledger::Rows {
                    ticket: &mut |id, blob| {
                        let state = ledger::ticket_state(blob)?;
                        occupancy.sold().add(&park, &state);
                        hot.put(id, state);
                        Ok(())
                    },
                    credential: &mut |digest, ticket| hot.lead(Digest(digest), ticket),
                },
            )
            .map_err(fault)?;
        let (tickets, _) = hot.sizes();
        tracing::info!(
            tickets,
            grants = loaded.grants.len(),
            seconds = watch.seconds(),
            "hot state loaded"
        );
        Ok(Opened {
            ledger: Arc::new(ledger),
            place,
            products,
            park: Arc::new(park),
            hot: Arc::new(hot),
            occupancy: Arc::new(occupancy),
            loaded,
        })
    })
    .await
    .map_err(|error| Fault::Internal(error.to_string()))?
}

fn api_device(clock: &Clock) -> Result<Arc<crate::registry::Device>, Fault> {
    let id = DeviceId::new(API_DEVICE).map_err(|error| Fault::Internal(error.to_string()))?;
    let row = DeviceRow {
        id,
        kind: DeviceKind::Turnstile,
        gate: None,
        lane: None,
        standing: DeviceStanding::Approved,
        secret: None,
        serial: String::new(),
        model: String::new(),
        since: clock.now(),
    };
    Ok(Registry::default().put(row))
}

/// How many arbiters the path of a scan gets: half of the cores, if nobody asks for another number.
/// The broker's tasks and the ledger need the other half, and a message that stays on a thread wakes
/// no other.
fn arbiters(asked: usize) -> usize {
    if asked > 0 {
        return asked;
    }
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}
