//! What is written and read: plain rows, with numbers for names, and what follows a commit.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{DecisionResult, OrderLine, OrderState, Outcome, PassageBy},
    ids::{
        AreaId, Channel, DeviceId, DeviceKind, Direction, Epoch, GateId, GrantId, LaneId, OrderId,
        ScanId, TicketId,
    },
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{
    Day, LaneIx, Movements, Needs, OpenGrant, ProductIx, TicketState, definition::ProductDefinition,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{HistoryWrite, LedgerFault};
use crate::{
    alerts::Cause,
    api::{
        Account, AuditLine, BlockedPerson, CommandView, ConfigView, DeviceStanding, EmergencyView,
    },
    keys::Digest,
};

/// The answer to a presentation: all that a decision is made of, and nothing of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The scan.
    pub(crate) scan: ScanId,
    /// The lane.
    pub(crate) lane: LaneIx,
    /// Which way.
    pub(crate) direction: Direction,
    /// When it was decided.
    pub(crate) at: UnixMs,
    /// The ticket, where it is known.
    pub(crate) ticket: Option<TicketId>,
    /// Its product.
    pub(crate) product: Option<ProductIx>,
    /// Open or not.
    pub(crate) result: DecisionResult,
    /// Why.
    pub(crate) reason: Reason,
    /// The permission.
    pub(crate) grant: Option<GrantId>,
    /// Persons that may pass.
    pub(crate) persons: u16,
    /// What is still needed.
    pub(crate) needs: Needs,
    /// What helps the visitor; mostly none on a grant.
    #[serde(with = "facts_as_text")]
    pub(crate) facts: Option<Box<Map<String, Value>>>,
}

/// One record for the journal and what follows its commit.
pub(crate) struct Entry {
    pub(crate) record: Journaled,
    pub(crate) after: After,
}

/// One write to the books and who waits for it.
pub(crate) struct DirectEntry {
    pub(crate) record: Record,
    pub(crate) done: oneshot::Sender<Result<UnixMs, LedgerFault>>,
}

/// What follows a commit.
pub(crate) enum After {
    /// Nothing.
    Nothing,
    /// The lane gets its answer.
    Answer(Box<dyn Asker>, Arc<Answer>),
    /// Somebody waits for the commit.
    Ack(oneshot::Sender<Result<Committed, LedgerFault>>),
}

/// Who waits for an answer; told once. One that is dropped untold has lost its answer.
pub(crate) trait Asker: Send {
    /// Tells it, on the thread that committed the answer: must not wait. False where nobody hears it
    /// any more.
    fn answer(self: Box<Self>, result: Result<Arc<Answer>, LedgerFault>) -> bool;
}

impl Asker for oneshot::Sender<Result<Arc<Answer>, LedgerFault>> {
    fn answer(self: Box<Self>, result: Result<Arc<Answer>, LedgerFault>) -> bool {
        self.send(result).is_ok()
    }
}

/// A commit that went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    /// When.
    pub(crate) at: UnixMs,
    /// The record's number in the journal.
    pub(crate) n: i64,
}

/// Tickets that come in bulk.
pub(crate) struct BulkEntry {
    pub(crate) tickets: Vec<TicketRow>,
    pub(crate) done: oneshot::Sender<Result<UnixMs, LedgerFault>>,
}

/// What happens at the gates: goes to the journal, and from there to the books.
#[derive(Serialize, Deserialize)]
pub(crate) enum Journaled {
    /// A presentation was answered.
    Decided(Box<Decided>),
    /// A passage, or the end of a grant.
    Settled(Box<Settled>),
    /// A fact of a device that moves nobody.
    Event(Box<EventRow>),
    /// A ticket's state was changed by hand.
    TicketChanged { id: TicketId, state: Box<TicketState>, audit: AuditLine },
}

/// A write to the books that is in no hurry. Each is all or nothing, and none can undo another.
pub(crate) enum Record {
    /// Tickets with their credentials; an idempotency key keeps the answer.
    Tickets {
        rows: Vec<TicketRow>,
        idempotency: Option<(String, [u8; 32], String)>,
        audit: Option<AuditLine>,
    },
    /// A device was added or changed.
    Device { row: Box<DeviceRow>, audit: Option<AuditLine> },
    /// A claim was made.
    ClaimMade { row: Box<ClaimRow>, audit: AuditLine },
    /// A claim was traded, once, for a device.
    ClaimUsed { digest: [u8; 32], at: UnixMs, device: Box<DeviceRow> },
    /// An account was added or changed.
    Account(Account),
    /// A token was given out.
    Token { digest: [u8; 32], user: String, roles: Vec<String>, expires: UnixMs },
    /// A product got a version, the first of a new one included.
    Product { n: usize, row: Box<ProductRow>, audit: AuditLine },
    /// An operator lets people into a full area for a time; an end gone by takes that back.
    Override { row: OverrideRow, audit: AuditLine },
    /// Somebody is not let in from now on.
    Blocked { digest: Digest, person: BlockedPerson, audit: AuditLine },
    /// Somebody is let in again.
    Unblocked { id: Uuid, audit: AuditLine },
    /// An alarm as it is now.
    Alarm { row: AlarmRow, audit: Option<AuditLine> },
    /// Commands as they are now, and who did it.
    Commands { rows: Vec<CommandView>, audit: Option<AuditLine> },
    /// A device should have this configuration from now on.
    Config { device: DeviceId, config: ConfigView, audit: AuditLine },
    /// Every lane opens, or no longer does.
    Emergency { state: EmergencyView, audit: AuditLine },
    /// An order as it is now, and its tickets the first time that it has them.
    Order { row: Box<OrderRow>, tickets: Vec<TicketRow>, audit: Option<AuditLine> },
    /// What the keeper of the history brings.
    History(HistoryWrite),
    /// A line for the audit trail.
    Audit(AuditLine),
}

/// An order of a kiosk or counter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OrderRow {
    pub(crate) id: OrderId,
    pub(crate) seller: String,
    /// How its tickets are sold.
    pub(crate) channel: Channel,
    pub(crate) state: OrderState,
    pub(crate) lines: Vec<OrderLine>,
    /// In the smallest coin.
    pub(crate) amount: u64,
    pub(crate) created_at: UnixMs,
    pub(crate) expires_at: UnixMs,
    /// The payment's number and when it was told.
    pub(crate) payment: Option<(String, UnixMs)>,
    pub(crate) tickets: Vec<TicketId>,
    /// The digest of the code that was exchanged for it.
    pub(crate) redeemed: Option<Digest>,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlarmRow {
    pub(crate) id: u64,
    pub(crate) cause: Cause,
    pub(crate) raised_at: UnixMs,
    pub(crate) cleared_at: Option<UnixMs>,
    /// When, by whom, and what they noted.
    pub(crate) acknowledged: Option<(UnixMs, String, String)>,
}

/// Who brought a version of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The configuration file.
    Config,
    /// A person or machine, through the API.
    Api,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Api => "api",
        }
    }
}

/// A version of a product, as it was written down; its number is its place among all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProductRow {
    pub(crate) version: u32,
    pub(crate) definition: ProductDefinition,
    pub(crate) origin: Origin,
    /// The configuration that brought it no longer names it.
    pub(crate) dropped: bool,
    pub(crate) at: UnixMs,
    pub(crate) actor: String,
    pub(crate) reason: String,
}

/// An area that people are let into although it is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OverrideRow {
    pub(crate) area: AreaId,
    pub(crate) until: UnixMs,
    pub(crate) at: UnixMs,
    pub(crate) actor: String,
    pub(crate) reason: String,
}

/// A presentation, its answer, and with a grant the ticket's new state.
#[derive(Serialize, Deserialize)]
pub(crate) struct Decided {
    pub(crate) scan: ScanRow,
    pub(crate) grant: Option<GrantRow>,
    pub(crate) ticket: Option<(TicketId, TicketState)>,
}

/// A presentation's row.
#[derive(Serialize, Deserialize)]
pub(crate) struct ScanRow {
    pub(crate) device: DeviceId,
    pub(crate) day: Day,
    pub(crate) answer: Arc<Answer>,
}

/// An open grant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GrantRow {
    pub(crate) id: GrantId,
    pub(crate) scan: ScanId,
    pub(crate) device: DeviceId,
    pub(crate) ticket: Option<TicketId>,
    pub(crate) product: Option<ProductIx>,
    pub(crate) hold_ms: u32,
    pub(crate) open: OpenGrant,
}

/// A grant that has an outcome.
#[derive(Clone, Debug)]
pub(crate) struct ClosedGrant {
    pub(crate) row: GrantRow,
    pub(crate) outcome: String,
    pub(crate) taken: u16,
    pub(crate) closed_at: UnixMs,
}

/// The end of a grant, or a passage without one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Settled {
    /// The device's fact, when it came as one.
    pub(crate) event: Option<EventRow>,
    /// The grant that it ends.
    pub(crate) closes: Option<GrantId>,
    pub(crate) passage: PassageRow,
    pub(crate) ticket: Option<(TicketId, TicketState)>,
    pub(crate) conflict: Option<ConflictRow>,
    pub(crate) audit: Option<AuditLine>,
}

/// A passage's row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PassageRow {
    pub(crate) at: UnixMs,
    pub(crate) day: Day,
    pub(crate) device: DeviceId,
    pub(crate) lane: LaneIx,
    pub(crate) direction: Direction,
    pub(crate) ticket: Option<TicketId>,
    pub(crate) product: Option<ProductIx>,
    pub(crate) grant: Option<GrantId>,
    pub(crate) outcome: Outcome,
    pub(crate) by: PassageBy,
    pub(crate) count: u32,
    pub(crate) reentry: bool,
    pub(crate) moves: Movements,
    pub(crate) time_known: bool,
}

/// A passage, as the flow counts it.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    /// Its number in the ledger: a recount knows by it what it has counted.
    pub(crate) n: i64,
    pub(crate) at: UnixMs,
    pub(crate) committed_at: UnixMs,
    pub(crate) lane: LaneIx,
    pub(crate) direction: Direction,
    pub(crate) product: Option<ProductIx>,
    pub(crate) outcome: Outcome,
    pub(crate) count: u32,
    pub(crate) reentry: bool,
    pub(crate) moves: Movements,
}

/// A refusal, as the flow counts it.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) answer: Arc<Answer>,
    pub(crate) committed_at: UnixMs,
}

/// A fact's row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) device: DeviceId,
    pub(crate) epoch: Epoch,
    pub(crate) seq: u64,
    pub(crate) at: UnixMs,
    pub(crate) received_at: UnixMs,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) body: String,
    /// A gap: the first and last number that the device lost.
    pub(crate) gap: Option<(u64, u64)>,
}

/// Two facts that cannot both be right, kept for a person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConflictRow {
    pub(crate) at: UnixMs,
    pub(crate) note: String,
}

/// A ticket and what leads to it.
#[derive(Clone, Debug)]
pub(crate) struct TicketRow {
    pub(crate) id: TicketId,
    pub(crate) state: TicketState,
    pub(crate) credentials: Vec<Digest>,
    pub(crate) holder: Option<String>,
    /// How it was sold.
    pub(crate) channel: Channel,
}

/// A device of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceRow {
    pub(crate) id: DeviceId,
    pub(crate) kind: DeviceKind,
    pub(crate) gate: Option<GateId>,
    pub(crate) lane: Option<LaneId>,
    pub(crate) standing: DeviceStanding,
    pub(crate) secret: Option<[u8; 32]>,
    pub(crate) serial: String,
    pub(crate) model: String,
    pub(crate) since: UnixMs,
}

/// A claim.
#[derive(Clone, Debug)]
pub(crate) struct ClaimRow {
    pub(crate) digest: [u8; 32],
    pub(crate) device: DeviceId,
    pub(crate) kind: DeviceKind,
    pub(crate) gate: Option<GateId>,
    pub(crate) lane: Option<LaneId>,
    pub(crate) expires_at: UnixMs,
    pub(crate) used_at: Option<UnixMs>,
}

/// Facts are free-form JSON: in the journal, which describes nothing of itself, they are text.
mod facts_as_text {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};
    use serde_json::{Map, Value};

    type Facts = Option<Box<Map<String, Value>>>;

    pub(super) fn serialize<S: Serializer>(facts: &Facts, to: S) -> Result<S::Ok, S::Error> {
        let text = facts.as_ref().map(|facts| Value::Object((**facts).clone()).to_string());
        text.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Facts, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| serde_json::from_str(&text).map(Box::new).map_err(D::Error::custom))
            .transpose()
    }
}
