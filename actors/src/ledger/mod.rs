//! The ledger: what happened, durable before anybody is told.
//!
//! A trait, so that another database can follow; all SQL is in this folder. What happens at the
//! gates goes through one bounded queue to the journal, whose writer commits in groups: one flush
//! serves all that arrived meanwhile. The books, which people ask, take the journal over soon
//! after; a read first waits until they have what the journal has.

mod books;
mod history;
mod journal;
mod log;
mod marks;
mod old_journal;
mod record;
mod sqlite;
mod view;
mod write;

use std::{path::Path, sync::Arc};

use shanmen_protocols::{
    ids::{DeviceId, GrantId, OrderId, ScanId, TicketId},
    time::UnixMs,
};
use shanmen_rules::{Day, ParkDefinition};
use tokio::sync::oneshot;

#[cfg(test)]
pub(crate) use history::MadeUpBooks;
pub(crate) use history::{
    Books, ForecastRow, HistoryWrite, MadeUp, availability, day_sums, dwell, forecasts, minutes,
    oldest_minute, sum_of,
};
pub(crate) use record::{
    After, AlarmRow, Answer, Asker, BulkEntry, ClaimRow, ClosedGrant, Committed, ConflictRow,
    Decided, DeviceRow, DirectEntry, Entry, EventRow, GrantRow, Journaled, Moved, OrderRow, Origin,
    OverrideRow, PassageRow, ProductRow, Record, Refused, ScanRow, Settled, TicketRow,
};
pub(crate) use sqlite::SqliteLedger;

use crate::{
    api::{
        Account, AuditLine, AuditQuery, BlockedPerson, CommandQuery, CommandView, ConfigView,
        ConflictView, DeviceEvent, EmergencyView, PassageView, PresentationView, SwipeQuery,
        SwipeView,
    },
    keys::Digest,
};

/// Why the ledger could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LedgerFault {
    /// The queue is full: the disk is slower than the gates.
    #[error("the ledger's queue is full")]
    Full,
    /// This row was refused; the others were not touched.
    #[error("the ledger refused the row: {0}")]
    Refused(String),
    /// The database itself: disk, file, version.
    #[error("ledger: {0}")]
    Broken(String),
}

impl From<rusqlite::Error> for LedgerFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// What the hot state is made of, handed over row by row at the start.
#[derive(Default)]
pub(crate) struct Loaded {
    /// Grants without an outcome.
    pub(crate) grants: Vec<GrantRow>,
    /// Devices of the registry.
    pub(crate) devices: Vec<DeviceRow>,
    /// Tokens that are not over.
    pub(crate) tokens: Vec<TokenRow>,
    /// Overrides of a capacity that are not over.
    pub(crate) overrides: Vec<OverrideRow>,
    /// People who are not let in.
    pub(crate) blocked: Vec<(Digest, BlockedPerson)>,
    /// Alarms that are on, and the next one's number.
    pub(crate) alarms: (Vec<AlarmRow>, u64),
    /// Commands that wait for an answer.
    pub(crate) commands: Vec<CommandView>,
    /// The configurations that devices should have.
    pub(crate) configs: Vec<(DeviceId, ConfigView)>,
    /// Whether every lane stands open.
    pub(crate) emergency: Option<EmergencyView>,
}

/// A token: digest, user, roles, end.
pub(crate) type TokenRow = ([u8; 32], String, Vec<String>, UnixMs);

/// Takes a ticket and its state's blob.
pub(crate) type TakeTicket<'a> = dyn FnMut(TicketId, &[u8]) -> Result<(), LedgerFault> + 'a;

/// Who takes the tickets and credentials, row by row, at the start.
pub(crate) struct Rows<'a> {
    /// Takes a ticket and its state's blob.
    pub(crate) ticket: &'a mut TakeTicket<'a>,
    /// Takes a credential's digest and the ticket that it leads to.
    pub(crate) credential: &'a mut dyn FnMut([u8; 16], TicketId),
}

/// A device's event storage, as far as the ledger has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenEvents {
    /// All numbers up to and including this one.
    pub(crate) upto: u64,
    /// Number 0, with which some devices begin.
    pub(crate) zero: bool,
    /// Numbers above it, ascending, each with the range that it declares lost.
    pub(crate) above: Vec<(u64, Option<(u64, u64)>)>,
}

/// What the control plane needs of a database.
pub(crate) trait Ledger: Send + Sync + 'static {
    /// Queues a record of the gates. Returns it when the queue is full.
    fn append(&self, entry: Entry) -> Result<(), Box<Entry>>;

    /// Queues a write that is in no hurry.
    fn append_direct(&self, entry: DirectEntry) -> Result<(), LedgerFault>;

    /// Queues a bulk write, which takes its turn behind the gates; waits for room.
    fn append_bulk(&self, entry: BulkEntry) -> impl Future<Output = Result<(), LedgerFault>> + Send
    where
        Self: Sized;

    /// Whether commits go through.
    fn healthy(&self) -> bool;

    /// Gives every name its number and keeps retired definitions: the definition in force.
    fn settle_names(&self, park: &ParkDefinition) -> Result<ParkDefinition, LedgerFault>;

    /// All versions of products, each at its number.
    fn products(&self) -> Result<Vec<ProductRow>, LedgerFault>;

    /// Keeps all versions of products, at the start, before the gates open.
    fn keep_products(&self, rows: &[ProductRow]) -> Result<(), LedgerFault>;

    /// Reads everything that stays in memory.
    fn load(&self, now: UnixMs, rows: Rows<'_>) -> Result<Loaded, LedgerFault>;

    /// The passages of a business day in the order of their commits.
    fn passages_of(&self, day: Day, each: &mut dyn FnMut(Moved)) -> Result<(), LedgerFault>;

    /// The refusals of a business day by reason.
    fn refusals_of(&self, day: Day) -> Result<Vec<(String, u32)>, LedgerFault>;

    /// The answers given since a moment, oldest first, each with its device.
    fn answers_since(
        &self,
        since: UnixMs,
        each: &mut dyn FnMut(&str, Answer),
    ) -> Result<(), LedgerFault>;

    /// The answer that a device got to a scan.
    fn answer(&self, device: &str, scan: ScanId) -> Result<Option<Answer>, LedgerFault>;

    /// The numbers of a device's event storage that the ledger has.
    fn seen_events(&self, device: &DeviceId, epoch: &str) -> Result<SeenEvents, LedgerFault>;

    /// A grant that has an outcome.
    fn closed_grant(&self, id: GrantId) -> Result<Option<ClosedGrant>, LedgerFault>;

    /// The grant that a device got for a scan, once it has an outcome.
    fn closed_by_scan(
        &self,
        device: &DeviceId,
        scan: ScanId,
    ) -> Result<Option<ClosedGrant>, LedgerFault>;

    /// A ticket's presentations and passages, newest first.
    fn history(
        &self,
        ticket: TicketId,
        limit: u32,
    ) -> Result<(Vec<PresentationView>, Vec<PassageView>), LedgerFault>;

    /// Presentations of, and passages without one by, tickets of some products, newest first.
    fn swipes(&self, query: &SwipeQuery, products: &[u16]) -> Result<Vec<SwipeView>, LedgerFault>;

    /// The commands of a device, newest first.
    fn commands(&self, device: &DeviceId, limit: u32) -> Result<Vec<CommandView>, LedgerFault>;

    /// What happened at a device, newest first.
    fn device_events(&self, device: &DeviceId, limit: u32)
    -> Result<Vec<DeviceEvent>, LedgerFault>;

    /// Commands of the fleet, newest first.
    fn fleet_commands(&self, query: &CommandQuery) -> Result<Vec<CommandView>, LedgerFault>;

    /// Somebody's lines of the audit trail, newest first.
    fn acts_of(
        &self,
        actor: &str,
        since: UnixMs,
        limit: u32,
    ) -> Result<Vec<AuditLine>, LedgerFault>;

    /// One order.
    fn order(&self, id: OrderId) -> Result<Option<OrderRow>, LedgerFault>;

    /// Conflicts, newest first.
    fn conflicts(&self, limit: u32) -> Result<Vec<ConflictView>, LedgerFault>;

    /// Lines of the audit trail, newest first.
    fn audit_trail(&self, query: &AuditQuery) -> Result<Vec<AuditLine>, LedgerFault>;

    /// A claim by its digest.
    fn claim(&self, digest: [u8; 32]) -> Result<Option<ClaimRow>, LedgerFault>;

    /// An account by its name.
    fn account(&self, user: &str) -> Result<Option<Account>, LedgerFault>;

    /// All accounts.
    fn accounts(&self) -> Result<Vec<Account>, LedgerFault>;

    /// The answer kept for an idempotency key: the request's digest and the answer.
    fn idempotent(&self, key: &str) -> Result<Option<([u8; 32], String)>, LedgerFault>;

    /// Finishes what is queued, commits and closes.
    fn stop(&self);
}

/// Opens (and if need be makes or migrates) the ledger in a folder.
pub(crate) fn open(folder: &Path, clock: crate::clock::Clock) -> Result<SqliteLedger, LedgerFault> {
    SqliteLedger::open(folder, clock)
}

/// Reads a ticket's state as it is kept.
pub(crate) fn ticket_state(blob: &[u8]) -> Result<shanmen_rules::TicketState, LedgerFault> {
    write::state_of(blob)
}

/// Reads the books off the async threads.
pub(crate) async fn read<T: Send + 'static>(
    ledger: &Arc<SqliteLedger>,
    work: impl FnOnce(&SqliteLedger) -> Result<T, LedgerFault> + Send + 'static,
) -> Result<T, LedgerFault> {
    let ledger = Arc::clone(ledger);
    tokio::task::spawn_blocking(move || work(&ledger))
        .await
        .map_err(|error| LedgerFault::Broken(error.to_string()))?
}

/// Queues a write to the books and waits until it is committed.
pub(crate) async fn commit(ledger: &dyn Ledger, record: Record) -> Result<UnixMs, LedgerFault> {
    let (done, committed) = oneshot::channel();
    ledger.append_direct(DirectEntry { record, done })?;
    committed.await.map_err(|_| LedgerFault::Broken("the ledger has stopped".into()))?
}

/// Queues a record for the journal and waits until it is committed.
pub(crate) async fn journal(
    ledger: &dyn Ledger,
    record: Journaled,
) -> Result<Committed, LedgerFault> {
    let (done, committed) = oneshot::channel();
    ledger.append(Entry { record, after: After::Ack(done) }).map_err(|_| LedgerFault::Full)?;
    committed.await.map_err(|_| LedgerFault::Broken("the ledger has stopped".into()))?
}
