//! The control plane as a whole: started, asked and stopped here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use shanmen_protocols::{
    device::{Credential, Decision, Hello, Outcome, PassageBy, Scan},
    feed::{Delta, Snapshot},
    ids::{AreaId, DeviceId, DeviceKind, GrantId, TicketId},
    reason::Lang,
    time::{TimeBlock, UnixMs},
};
use shanmen_rules::{Park, ParkDefinition, Status};
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::{
    accounts::{Accounts, TokenOf},
    api::{
        Account, AdmissionRequest, AuditLine, AuditQuery, BlockedPerson, BrokerChoice,
        CapacityView, Claim, ClaimRequest, DeviceStanding, DeviceView, Durability, EnrolRequest,
        Enrolled, Fault, GrantView, IssuedTicket, NewTicket, PassageRequest, PassageResult,
        ProductChange, ProductChanged, ProductView, Readiness, RejectedLine, Settings, SwipeQuery,
        SwipeView, TicketView,
    },
    blocked::{Blocked, BlockedDesk},
    capacity::Capacity,
    catalogue::{self, Catalogue},
    clock::{Clock, Stopwatch},
    desk::{BULK_ROWS, Desk},
    enrolment::{self, Enrolment},
    flow::{Flow, FlowParts, FlowSender, Occupancy, Sold},
    intake::Intake,
    keys::{Digest, KeyRing},
    ledger::{self, DeviceRow, Ledger, Loaded, ProductRow, Record, SqliteLedger, commit},
    link::{EmbeddedBroker, Link, OutsideLink, Uplinks},
    live_park::LivePark,
    pool::{HotState, Pool, ShardCore},
    registry::Registry,
    stage::Stage,
    tally::Fleet,
    twin::{API_DEVICE, Heard, Moment, Order, PassageFact, Recalled, Shared, Twin, caller, fault},
    watch::Watch,
};

/// How many devices the registry holds.
const DEVICES_MAX: usize = 100_000;
/// How long a caller waits for a decision.
const DECISION_WAIT: Duration = Duration::from_secs(6);
/// How long what is on its way may take to finish at a stop.
const SETTLE_WAIT: Duration = Duration::from_millis(300);

/// A running control plane; cheap to clone.
#[derive(Clone)]
pub struct ControlPlane(Arc<Inner>);

struct Inner {
    park: LivePark,
    catalogue: Catalogue,
    capacity: Arc<Capacity>,
    blocked: BlockedDesk,
    clock: Clock,
    keys: KeyRing,
    ledger: Arc<SqliteLedger>,
    stage: Stage,
    shared: Arc<Shared>,
    intake: Arc<Intake>,
    registry: Arc<Registry>,
    desk: Desk,
    enrolment: Enrolment,
    accounts: Accounts,
    api: actix::Addr<Twin>,
    flow: FlowSender,
    deltas: broadcast::Sender<Arc<Delta>>,
    stopping: AtomicBool,
    stop: watch::Sender<bool>,
    watch: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

/// Takes tickets in bulk, in batches that are all in or all out, without stalling the gates.
pub struct Importer {
    plane: ControlPlane,
    actor: String,
    accepted: u64,
}

impl Importer {
    /// How many lines a batch should have at most: that is how long a visitor can wait for one.
    pub const BATCH_ROWS: usize = BULK_ROWS;

    /// Takes one batch of parsed lines with their numbers: all of it, or none with the reasons.
    pub async fn push(&mut self, batch: Vec<(u64, NewTicket)>) -> Result<u64, Vec<RejectedLine>> {
        let (plane, lines) = (self.plane.clone(), batch.first().map_or(0, |(line, _)| *line));
        let count = to_the_end(async move { plane.0.desk.import(batch).await })
            .await
            .map_err(|error| vec![RejectedLine { line: lines, reason: error.to_string() }])??;
        self.accepted += count;
        Ok(count)
    }

    /// Ends the import: a line on the audit trail.
    pub async fn finish(self) -> Result<u64, Fault> {
        let line = AuditLine {
            at: self.plane.0.clock.now(),
            actor: self.actor,
            action: "ticket.import".into(),
            target: String::new(),
            note: format!("{} tickets", self.accepted),
        };
        self.plane.0.accounts.audit(line).await?;
        Ok(self.accepted)
    }
}

impl ControlPlane {
    /// Opens the ledger, loads the hot state, starts the broker and the actors.
    ///
    /// # Errors
    /// [`Fault::Invalid`] for a park that does not hold together, all faults at once;
    /// [`Fault::Internal`] for a disk, a file or a port.
    pub async fn start(settings: Settings) -> Result<Self, Fault> {
        let Opened { ledger, place, products, park, hot, sold, loaded } = open(&settings).await?;
        let clock = settings.clock.clone();
        let site = park.site().id.clone();
        let live = LivePark::new(Arc::clone(&park));
        let occupancy = Arc::new(Occupancy::new(&park, park.business_day(clock.now())));
        let fleet = Arc::new(Fleet::default());
        let registry = Arc::new(Registry::new(loaded.devices, Arc::clone(&fleet)));
        enrolment::register(&settings.devices, &park, &ledger, &registry, &clock).await?;
        let stage = Stage::start(cores(settings.shards)).await.map_err(Fault::Internal)?;

        let flow = Flow::load(FlowParts {
            park: live.clone(),
            occupancy: Arc::clone(&occupancy),
            sold: Arc::clone(&sold),
            ledger: Arc::clone(&ledger) as Arc<dyn Ledger>,
            clock: clock.clone(),
            fleet,
        })
        .map_err(fault)?;
        for grant in loaded.grants {
            occupancy.reserve_anyway(&park, &grant.open.admission, clock.now());
            hot.open(grant);
        }
        let deltas = flow.deltas();
        let flow = flow.start(stage.side());

        let capacity = Arc::new(Capacity::new(
            live.clone(),
            (Arc::clone(&occupancy), sold),
            Arc::clone(&ledger),
            clock.clone(),
            loaded.overrides,
        ));
        let list = Arc::new(Blocked::default());
        let blocked = BlockedDesk::new(
            Arc::clone(&list),
            settings.keys.clone(),
            Arc::clone(&hot),
            Arc::clone(&ledger),
            clock.clone(),
            loaded.blocked,
        );

        let queue = Arc::clone(&ledger);
        let core = ShardCore {
            park: live.clone(),
            hot: Arc::clone(&hot),
            occupancy,
            append: Arc::new(move |entry| queue.append(entry)),
            relaxed: settings.durability == Durability::Relaxed,
        };
        let pool = Pool::start(core, stage.arbiters());

        let intake = Arc::new(Intake::new(site.clone(), clock.clone(), Arc::clone(&registry)));
        let uplinks = Arc::clone(&intake) as Arc<dyn Uplinks>;
        let link: Arc<dyn Link> = match &settings.broker {
            BrokerChoice::Embedded(listen) => Arc::new(
                EmbeddedBroker::start(*listen, site.clone(), Arc::clone(&registry), uplinks)
                    .await
                    .map_err(Fault::Internal)?,
            ),
            BrokerChoice::Outside(broker) => Arc::new(OutsideLink::start(broker, &site, uplinks)),
        };
        let shared = Arc::new(Shared {
            park: live.clone(),
            keys: settings.keys.clone(),
            pool: pool.clone(),
            blocked: Arc::clone(&list),
            ledger: Arc::clone(&ledger) as Arc<dyn Ledger>,
            link,
            flow: flow.clone(),
            registry: Arc::clone(&registry),
            clock: clock.clone(),
            heartbeat_s: settings.heartbeat_s,
            lang: Lang::Zh,
        });
        let mut recalled = start_twins(&shared, &intake, &stage)?;
        let api = Twin::start_api(
            Arc::clone(&shared),
            api_device(&clock)?,
            &mut recalled,
            stage.arbiter(1),
        );
        let (stop, stopped) = watch::channel(false);
        let watch = Watch::new(Arc::clone(&shared)).run(stopped);
        let plane = Self(Arc::new(Inner {
            desk: Desk {
                park: live.clone(),
                capacity: Arc::clone(&capacity),
                blocked: list,
                keys: settings.keys.clone(),
                hot,
                pool,
                ledger: Arc::clone(&ledger),
                clock: clock.clone(),
            },
            enrolment: Enrolment {
                park,
                ledger: Arc::clone(&ledger),
                registry: Arc::clone(&registry),
                clock: clock.clone(),
            },
            accounts: Accounts::new(Arc::clone(&ledger), clock.clone(), loaded.tokens),
            catalogue: Catalogue::new(
                live.clone(),
                place,
                products,
                Arc::clone(&ledger),
                clock.clone(),
            ),
            capacity,
            blocked,
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
            watch: tokio::sync::Mutex::new(Some(tokio::spawn(watch))),
        }));
        plane.open_intake();
        Ok(plane)
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

    /// All products by the order in which they were first seen.
    pub async fn products(&self) -> Vec<ProductView> {
        self.0.catalogue.all().await
    }

    /// One product with its versions.
    pub async fn product(&self, id: &str) -> Result<ProductView, Fault> {
        self.0.catalogue.one(id).await
    }

    /// Adds or changes a product: in force at all gates when this returns.
    pub async fn put_product(
        &self,
        change: ProductChange,
        actor: &str,
    ) -> Result<(ProductView, ProductChanged), Fault> {
        let (plane, actor) = (self.clone(), actor.to_owned());
        to_the_end(async move { plane.0.catalogue.put(change, &actor).await }).await?
    }

    /// The areas' counts against their capacities.
    pub fn capacity(&self) -> Vec<CapacityView> {
        self.0.capacity.all()
    }

    /// Lets people into an area although it is full for so many minutes, on record; 0 ends that.
    pub async fn override_capacity(
        &self,
        area: &AreaId,
        minutes: u32,
        reason: &str,
        actor: &str,
    ) -> Result<CapacityView, Fault> {
        let (plane, area) = (self.clone(), area.clone());
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        to_the_end(
            async move { plane.0.capacity.override_for(&area, minutes, &reason, &actor).await },
        )
        .await?
    }

    /// People who are not let in, the newest entry first.
    pub fn blocked_persons(&self) -> Vec<BlockedPerson> {
        self.0.blocked.all()
    }

    /// Lets nobody in who shows this credential or comes with a ticket that it leads to.
    pub async fn block_person(
        &self,
        shown: Credential,
        reason: &str,
        actor: &str,
    ) -> Result<BlockedPerson, Fault> {
        let (plane, reason, actor) = (self.clone(), reason.to_owned(), actor.to_owned());
        to_the_end(async move { plane.0.blocked.block(&shown, &reason, &actor).await }).await?
    }

    /// Lets somebody in again.
    pub async fn unblock_person(&self, id: Uuid, reason: &str, actor: &str) -> Result<(), Fault> {
        let (plane, reason, actor) = (self.clone(), reason.to_owned(), actor.to_owned());
        to_the_end(async move { plane.0.blocked.unblock(id, &reason, &actor).await }).await?
    }

    /// Swipes of the cards whose class is wanted, the newest first.
    pub async fn swipes(
        &self,
        query: SwipeQuery,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<SwipeView>, Fault> {
        let products = catalogue::numbers_of(&self.0.park.now(), wanted);
        ledger::read(&self.0.ledger, move |books| books.swipes(&query, &products))
            .await
            .map_err(fault)
    }

    /// The audit trail, the newest line first.
    pub async fn audit_trail(&self, query: AuditQuery) -> Result<Vec<AuditLine>, Fault> {
        ledger::read(&self.0.ledger, move |books| books.audit_trail(&query)).await.map_err(fault)
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
        if let Some(watch) = inner.watch.lock().await.take()
            && watch.await.is_err()
        {
            tracing::error!("the watch had failed");
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

    /// Issues tickets, all or none. The same `idempotency` key gives the first answer again.
    pub async fn issue(
        &self,
        tickets: Vec<NewTicket>,
        actor: &str,
        idempotency: Option<String>,
    ) -> Result<Vec<IssuedTicket>, Fault> {
        let (plane, actor) = (self.clone(), actor.to_owned());
        to_the_end(async move { plane.0.desk.issue(tickets, &actor, idempotency).await }).await?
    }

    /// Begins an import.
    pub fn importer(&self, actor: &str) -> Importer {
        Importer { plane: self.clone(), actor: actor.to_owned(), accepted: 0 }
    }

    /// A ticket with its history.
    pub async fn ticket(&self, id: TicketId) -> Result<TicketView, Fault> {
        self.0.desk.ticket(id).await
    }

    /// The signed code of a ticket, for its picture.
    pub fn code(&self, id: TicketId) -> Result<String, Fault> {
        self.0.desk.code(id)
    }

    /// Voids, freezes, unfreezes or refunds a ticket, with a reason on the audit trail.
    pub async fn set_status(
        &self,
        id: TicketId,
        status: Status,
        reason: &str,
        actor: &str,
    ) -> Result<(), Fault> {
        self.0.desk.set_status(id, status, reason, actor).await
    }

    /// Raises the issue number: the old code is superseded; gives the new one.
    pub async fn reissue(
        &self,
        id: TicketId,
        reason: &str,
        actor: &str,
    ) -> Result<IssuedTicket, Fault> {
        self.0.desk.reissue(id, reason, actor).await
    }

    /// A presentation by a system without MQTT: the same path as a lane's scan.
    pub async fn admit(&self, request: AdmissionRequest) -> Result<Decision, Fault> {
        if self.0.stopping.load(Ordering::Relaxed) {
            return Err(Fault::Busy("the program, which is stopping,"));
        }
        if self.0.park.now().lane_ix(request.lane.as_str()).is_none() {
            let lane = &request.lane;
            return Err(Fault::Invalid(format!("lane: there is no lane {lane}: see /api/v1/site")));
        }
        let scan = Scan {
            time: TimeBlock::default(),
            id: request.id,
            lane: Some(request.lane),
            direction: request.direction,
            credential: request.credential,
            ttl_ms: shanmen_protocols::device::TTL_DEFAULT_MS,
            attempt: 1,
            operator: None,
            confirm: request.confirm,
        };
        let (reply, decision) = caller();
        let heard = Heard::Scan(Box::new(scan), reply, Stopwatch::start());
        self.0.api.try_send(heard).map_err(|_| {
            metrics::counter!("shanmen_twin_mailbox_overflow_total").increment(1);
            Fault::Busy("the queue of callers")
        })?;
        tokio::time::timeout(DECISION_WAIT, decision)
            .await
            .map_err(|_| Fault::Busy("the ledger"))?
            .map_err(|_| Fault::Busy("the queue of repeats"))
    }

    /// The end of such a grant. Told again it gives the first outcome.
    pub async fn passage(
        &self,
        grant: GrantId,
        request: PassageRequest,
    ) -> Result<PassageResult, Fault> {
        let plane = self.clone();
        to_the_end(async move { plane.end_grant(grant, request, PassageBy::Server, None).await })
            .await?
    }

    async fn end_grant(
        &self,
        grant: GrantId,
        request: PassageRequest,
        by: PassageBy,
        audit: Option<AuditLine>,
    ) -> Result<PassageResult, Fault> {
        let inner = &self.0;
        let Some(row) = inner.shared.pool.hot().grant(grant) else {
            return self.first_outcome(grant).await;
        };
        let persons = u32::from(row.open.admission.persons);
        if !matches!(request.outcome, Outcome::Taken | Outcome::Partial | Outcome::NotTaken) {
            return Err(Fault::Invalid("outcome: taken, partial or not_taken".into()));
        }
        if request.outcome == Outcome::Taken && request.count == Some(0) {
            return Err(Fault::Invalid("count: 0 persons is not_taken".into()));
        }
        if request.outcome == Outcome::Partial && request.count.is_none() {
            return Err(Fault::Invalid("count: missing; a partial passage needs it".into()));
        }
        if request.count.is_some_and(|count| persons < count) {
            let most = format!("count: more than the {persons} persons of the grant");
            return Err(Fault::Invalid(most));
        }
        let fact = PassageFact {
            grant: Some(grant),
            ticket: None,
            lane: row.open.lane,
            direction: row.open.direction,
            moment: Moment { at: inner.clock.now(), known: true },
            outcome: request.outcome,
            count: request.count,
            by,
            device: row.device,
            event: None,
            audit,
            again_is_a_fact: false,
        };
        match inner.shared.passage(fact).await {
            Ok((passage, committed)) => Ok(PassageResult {
                grant,
                outcome: passage.outcome.as_str().to_owned(),
                count: passage.count,
                committed_at: committed.at,
            }),
            Err(Fault::Conflict(_)) => self.first_outcome(grant).await,
            Err(error) => Err(error),
        }
    }

    async fn first_outcome(&self, grant: GrantId) -> Result<PassageResult, Fault> {
        let ledger = Arc::clone(&self.0.ledger);
        let closed = tokio::task::spawn_blocking(move || ledger.closed_grant(grant))
            .await
            .map_err(|error| Fault::Internal(error.to_string()))?
            .map_err(fault)?
            .ok_or(Fault::NotFound("grant"))?;
        Ok(PassageResult {
            grant,
            outcome: closed.outcome,
            count: u32::from(closed.taken),
            committed_at: closed.closed_at,
        })
    }

    /// Grants without an outcome yet, oldest first.
    pub fn open_grants(&self) -> Vec<GrantView> {
        let now = self.0.clock.now();
        let park = self.0.park.full();
        let mut grants: Vec<GrantView> = self
            .0
            .shared
            .pool
            .hot()
            .open_grants()
            .into_iter()
            .map(|row| GrantView {
                overdue: Watch::is_overdue(&row, now),
                id: row.id,
                ticket: row.ticket,
                device: row.device.to_string(),
                lane: park.lane(row.open.lane).id.to_string(),
                direction: row.open.direction,
                persons: row.open.admission.persons,
                granted_at: row.open.granted_at,
            })
            .collect();
        grants.sort_by_key(|grant| grant.granted_at);
        grants
    }

    /// An operator ends a grant, not taken.
    pub async fn release(&self, grant: GrantId, reason: &str, actor: &str) -> Result<(), Fault> {
        if self.0.shared.pool.hot().grant(grant).is_none() {
            self.first_outcome(grant).await?;
            return Err(Fault::Conflict("this grant has an outcome already".into()));
        }
        let audit = AuditLine {
            at: self.0.clock.now(),
            actor: actor.to_owned(),
            action: "grant.release".into(),
            target: grant.to_string(),
            note: reason.to_owned(),
        };
        let request = PassageRequest { outcome: Outcome::NotTaken, count: Some(0) };
        let plane = self.clone();
        to_the_end(async move {
            plane.end_grant(grant, request, PassageBy::Manual, Some(audit)).await.map(drop)
        })
        .await?
    }

    /// The fleet, by id.
    pub fn devices(&self) -> Vec<DeviceView> {
        let mut ids = self.0.registry.ids();
        ids.sort();
        let grants = self.0.shared.pool.hot().open_grants();
        let open = |id: &DeviceId| {
            u32::try_from(grants.iter().filter(|row| row.device == *id).count()).unwrap_or(u32::MAX)
        };
        ids.iter().filter_map(|id| self.0.registry.view(id, open(id))).collect()
    }

    /// One device.
    pub fn device(&self, id: &DeviceId) -> Result<DeviceView, Fault> {
        let grants = self.0.shared.pool.hot().open_grants();
        let open = grants.iter().filter(|row| row.device == *id).count();
        self.0
            .registry
            .view(id, u32::try_from(open).unwrap_or(u32::MAX))
            .ok_or(Fault::NotFound("device"))
    }

    /// A person lets a pending device work.
    pub async fn approve(&self, id: &DeviceId, actor: &str) -> Result<(), Fault> {
        let (plane, id, actor) = (self.clone(), id.clone(), actor.to_owned());
        to_the_end(async move {
            plane.0.enrolment.approve(&id, &actor).await?;
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
        self.0.enrolment.claim(request, actor).await
    }

    /// Trades a claim for a login, once.
    pub async fn enrol(&self, request: EnrolRequest) -> Result<Enrolled, Fault> {
        let plane = self.clone();
        to_the_end(async move {
            let (enrolled, _) = plane.0.enrolment.enrol(request).await?;
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

    /// An account by its name.
    pub async fn account(&self, user: &str) -> Result<Option<Account>, Fault> {
        self.0.accounts.account(user).await
    }

    /// All accounts, by name.
    pub async fn accounts(&self) -> Result<Vec<Account>, Fault> {
        self.0.accounts.all().await
    }

    /// Adds or replaces an account.
    pub async fn put_account(&self, account: Account) -> Result<(), Fault> {
        let plane = self.clone();
        to_the_end(async move { plane.0.accounts.put(account).await }).await?
    }

    /// Keeps a token: its digest (BLAKE3), whose it is, its roles and its end.
    pub async fn put_token(
        &self,
        digest: [u8; 32],
        user: &str,
        roles: &[String],
        expires: UnixMs,
    ) -> Result<(), Fault> {
        let (plane, user, roles) = (self.clone(), user.to_owned(), roles.to_vec());
        to_the_end(async move { plane.0.accounts.put_token(digest, &user, &roles, expires).await })
            .await?
    }

    /// Whose token it is: user, roles, end. In memory. None when unknown or over.
    pub fn token(&self, digest: &[u8; 32]) -> Option<TokenOf> {
        self.0.accounts.token(digest)
    }

    /// Writes to the audit trail.
    pub async fn audit(&self, line: AuditLine) -> Result<(), Fault> {
        self.0.accounts.audit(line).await
    }
}

/// Runs what must not stop half way, even when its caller hangs up: what was committed is also
/// shown.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Fault> {
    tokio::spawn(work).await.map_err(|error| Fault::Internal(error.to_string()))
}

/// Starts the twin of every device of the registry, with what the ledger recalls of each; gives
/// what is left, for the twin of the program's callers.
fn start_twins(shared: &Arc<Shared>, intake: &Intake, stage: &Stage) -> Result<Recalled, Fault> {
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
    Ok(recalled)
}

/// What a start reads.
struct Opened {
    ledger: Arc<SqliteLedger>,
    /// The site with every area, gate and lane that it ever had, each at its number.
    place: ParkDefinition,
    products: Vec<ProductRow>,
    park: Arc<Park>,
    hot: Arc<HotState>,
    sold: Arc<Sold>,
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
        let place = ledger.settle_names(&definition).map_err(fault)?;
        let mut products = ledger.products().map_err(fault)?;
        catalogue::settle(&mut products, &definition.products, now)?;
        let park = catalogue::compile(&place, &products)?;
        ledger.keep_products(&products).map_err(fault)?;
        let (hot, sold) = (HotState::new(), Sold::default());
        let loaded = ledger
            .load(
                now,
                ledger::Rows {
                    ticket: &mut |id, blob| {
                        let state = ledger::ticket_state(blob)?;
                        sold.add(&park, &state);
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
            sold: Arc::new(sold),
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

fn cores(asked: usize) -> usize {
    if asked > 0 {
        return asked;
    }
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}
