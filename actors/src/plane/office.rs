//! What the office asks: tickets, products, the room in the areas, people, accounts.

use std::sync::Arc;

use shanmen_protocols::{
    device::Credential,
    ids::{AreaId, TicketId},
    time::UnixMs,
};
use shanmen_rules::{ParkDefinition, Status};
use uuid::Uuid;

use super::{ControlPlane, to_the_end};
use crate::{
    accounts::{Accounts, TokenOf},
    alerts::Cause,
    api::{
        Account, AlarmView, AuditLine, AuditQuery, BlockedPerson, CapacityView, ConflictView,
        Fault, IssuedTicket, NewTicket, ProductChange, ProductChanged, ProductView, RejectedLine,
        SwipeQuery, SwipeView, TicketView, VersionView,
    },
    blocked::{Blocked, BlockedDesk},
    capacity::Capacity,
    catalogue::{self, Catalogue},
    clock::Clock,
    desk::{BULK_ROWS, Desk},
    enrolment::Enrolment,
    flow::Occupancy,
    keys::{Digest, KeyRing},
    ledger::{self, AlarmRow, Ledger, OverrideRow, ProductRow, SqliteLedger, TokenRow},
    lists::Lists,
    live_park::LivePark,
    orders::Orders,
    pool::{HotState, Pool},
    registry::Registry,
    security::Security,
    twin::fault,
};

/// Those who work for the office, off the path of a scan.
pub(super) struct Office {
    pub(super) desk: Desk,
    pub(super) enrolment: Enrolment,
    pub(super) accounts: Accounts,
    pub(super) catalogue: Catalogue,
    pub(super) orders: Orders,
    capacity: Arc<Capacity>,
    blocked: BlockedDesk,
}

/// What they work with.
pub(super) struct OfficeParts {
    pub(super) park: LivePark,
    pub(super) place: ParkDefinition,
    pub(super) products: Vec<ProductRow>,
    pub(super) keys: KeyRing,
    pub(super) hot: Arc<HotState>,
    pub(super) occupancy: Arc<Occupancy>,
    pub(super) list: Arc<Blocked>,
    pub(super) pool: Pool,
    pub(super) ledger: Arc<SqliteLedger>,
    pub(super) registry: Arc<Registry>,
    pub(super) clock: Clock,
    pub(super) tokens: Vec<TokenRow>,
    pub(super) overrides: Vec<OverrideRow>,
    pub(super) blocked: Vec<(Digest, BlockedPerson)>,
    pub(super) security: Security,
    pub(super) lists: Arc<Lists>,
}

impl Office {
    /// Opens it with what the ledger has of it.
    pub(super) fn open(parts: OfficeParts) -> Self {
        let OfficeParts { park, place, products, keys, hot, occupancy, .. } = parts;
        let OfficeParts { list, lists, pool, ledger, registry, clock, .. } = parts;
        let capacity = Arc::new(Capacity::new(
            park.clone(),
            occupancy,
            Arc::clone(&ledger),
            clock.clone(),
            parts.overrides,
        ));
        let blocked = BlockedDesk::new(
            Arc::clone(&list),
            keys.clone(),
            Arc::clone(&hot),
            Arc::clone(&ledger),
            clock.clone(),
            Arc::clone(&lists),
            parts.blocked,
        );
        Self {
            enrolment: Enrolment {
                park: park.full(),
                ledger: Arc::clone(&ledger),
                registry,
                clock: clock.clone(),
                security: parts.security,
                turn: tokio::sync::Mutex::default(),
            },
            accounts: Accounts::new(Arc::clone(&ledger), clock.clone(), parts.tokens),
            catalogue: Catalogue::new(
                park.clone(),
                place,
                products,
                Arc::clone(&ledger),
                clock.clone(),
            ),
            desk: Desk {
                park,
                capacity: Arc::clone(&capacity),
                blocked: list,
                keys,
                hot,
                pool,
                ledger,
                clock,
                lists,
                retries: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            },
            orders: Orders::new(),
            capacity,
            blocked,
        }
    }
}

impl ControlPlane {
    /// All products by the order in which they were first seen.
    pub async fn products(&self) -> Vec<ProductView> {
        self.0.office.catalogue.all().await
    }

    /// One product.
    pub async fn product(&self, id: &str) -> Result<ProductView, Fault> {
        self.0.office.catalogue.one(id).await
    }

    /// All versions of a product, the newest first.
    pub async fn product_versions(&self, id: &str) -> Result<Vec<VersionView>, Fault> {
        self.0.office.catalogue.versions(id).await
    }

    /// Adds or changes a product: in force at all gates when this returns.
    pub async fn put_product(
        &self,
        change: ProductChange,
        actor: &str,
    ) -> Result<(ProductView, ProductChanged), Fault> {
        let (plane, actor) = (self.clone(), actor.to_owned());
        to_the_end(async move {
            let put = plane.0.office.catalogue.put(change, &actor).await?;
            plane.park_changed().await;
            Ok(put)
        })
        .await?
    }

    /// The areas' counts against their capacities.
    pub fn capacity(&self) -> Vec<CapacityView> {
        self.0.office.capacity.all()
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
        to_the_end(async move {
            plane.0.office.capacity.override_for(&area, minutes, &reason, &actor).await
        })
        .await?
    }

    /// People who are not let in, the newest entry first.
    pub fn blocked_persons(&self) -> Vec<BlockedPerson> {
        self.0.office.blocked.all()
    }

    /// Lets nobody in who shows this credential or comes with a ticket that it leads to.
    pub async fn block_person(
        &self,
        shown: Credential,
        reason: &str,
        actor: &str,
    ) -> Result<BlockedPerson, Fault> {
        let (plane, reason, actor) = (self.clone(), reason.to_owned(), actor.to_owned());
        to_the_end(async move { plane.0.office.blocked.block(&shown, &reason, &actor).await })
            .await?
    }

    /// Lets somebody in again.
    pub async fn unblock_person(&self, id: Uuid, reason: &str, actor: &str) -> Result<(), Fault> {
        let (plane, reason, actor) = (self.clone(), reason.to_owned(), actor.to_owned());
        to_the_end(async move { plane.0.office.blocked.unblock(id, &reason, &actor).await }).await?
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

    /// The alarms that are on, the newest first.
    pub fn alarms(&self) -> Vec<AlarmView> {
        self.0.shared.alerts.all().into_iter().map(alarm_view).collect()
    }

    /// Somebody has seen an alarm.
    pub async fn acknowledge_alarm(
        &self,
        id: u64,
        note: &str,
        actor: &str,
    ) -> Result<AlarmView, Fault> {
        self.0.shared.alerts.acknowledge(id, note, actor).await.map(alarm_view)
    }

    /// Facts that contradict each other, the newest first.
    pub async fn conflicts(&self, limit: u32) -> Result<Vec<ConflictView>, Fault> {
        ledger::read(&self.0.ledger, move |books| books.conflicts(limit)).await.map_err(fault)
    }

    /// The audit trail, the newest line first.
    pub async fn audit_trail(&self, query: AuditQuery) -> Result<Vec<AuditLine>, Fault> {
        ledger::read(&self.0.ledger, move |books| books.audit_trail(&query)).await.map_err(fault)
    }

    /// Issues tickets, all or none. The same `idempotency` key gives the first answer again.
    pub async fn issue(
        &self,
        tickets: Vec<NewTicket>,
        actor: &str,
        idempotency: Option<String>,
    ) -> Result<Vec<IssuedTicket>, Fault> {
        let (plane, actor) = (self.clone(), actor.to_owned());
        to_the_end(async move { plane.0.office.desk.issue(tickets, &actor, idempotency).await })
            .await?
    }

    /// Begins an import.
    pub fn importer(&self, actor: &str) -> Importer {
        Importer { plane: self.clone(), actor: actor.to_owned(), accepted: 0 }
    }

    /// A ticket with its history.
    pub async fn ticket(&self, id: TicketId) -> Result<TicketView, Fault> {
        self.0.office.desk.ticket(id).await
    }

    /// The signed code of a ticket, for its picture.
    pub fn code(&self, id: TicketId) -> Result<String, Fault> {
        self.0.office.desk.code(id)
    }

    /// Voids, freezes, unfreezes or refunds a ticket, with a reason on the audit trail.
    pub async fn set_status(
        &self,
        id: TicketId,
        status: Status,
        reason: &str,
        actor: &str,
    ) -> Result<(), Fault> {
        let (plane, reason, actor) = (self.clone(), reason.to_owned(), actor.to_owned());
        to_the_end(async move { plane.0.office.desk.set_status(id, status, &reason, &actor).await })
            .await?
    }

    /// Raises the issue number: the old code is superseded; gives the new one.
    pub async fn reissue(
        &self,
        id: TicketId,
        reason: &str,
        actor: &str,
    ) -> Result<IssuedTicket, Fault> {
        let (plane, reason, actor) = (self.clone(), reason.to_owned(), actor.to_owned());
        to_the_end(async move { plane.0.office.desk.reissue(id, &reason, &actor).await }).await?
    }

    /// An account by its name.
    pub async fn account(&self, user: &str) -> Result<Option<Account>, Fault> {
        self.0.office.accounts.account(user).await
    }

    /// All accounts, by name.
    pub async fn accounts(&self) -> Result<Vec<Account>, Fault> {
        self.0.office.accounts.all().await
    }

    /// Adds or replaces an account.
    pub async fn put_account(&self, account: Account) -> Result<(), Fault> {
        let plane = self.clone();
        to_the_end(async move { plane.0.office.accounts.put(account).await }).await?
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
        to_the_end(async move {
            plane.0.office.accounts.put_token(digest, &user, &roles, expires).await
        })
        .await?
    }

    /// Whose token it is: user, roles, end. In memory. None when unknown or over.
    pub fn token(&self, digest: &[u8; 32]) -> Option<TokenOf> {
        self.0.office.accounts.token(digest)
    }

    /// The tokens of the users that are wanted, those that are over left out: digest, user, end.
    pub fn tokens_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<([u8; 32], String, UnixMs)> {
        self.0.office.accounts.tokens_of(wanted)
    }

    /// Writes to the audit trail.
    pub async fn audit(&self, line: AuditLine) -> Result<(), Fault> {
        self.0.office.accounts.audit(line).await
    }
}

fn alarm_view(row: AlarmRow) -> AlarmView {
    let Cause { code, device, lane, area } = row.cause;
    AlarmView {
        id: row.id,
        code: code.into_owned(),
        device,
        lane,
        area,
        raised_at: row.raised_at,
        cleared_at: row.cleared_at,
        acknowledged: row.acknowledged,
    }
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
        let count = to_the_end(async move { plane.0.office.desk.import(batch).await })
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
        self.plane.0.office.accounts.audit(line).await?;
        Ok(self.accepted)
    }
}
