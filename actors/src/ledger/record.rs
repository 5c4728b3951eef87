//! What is written and read: plain rows, with numbers for names, and what follows a commit.

use std::sync::Arc;

use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{DecisionResult, Outcome, PassageBy},
    ids::{DeviceId, DeviceKind, Direction, Epoch, GateId, GrantId, LaneId, ScanId, TicketId},
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{Day, LaneIx, Movements, Needs, OpenGrant, ProductIx, TicketState};
use tokio::sync::oneshot;

use super::LedgerFault;
use crate::{
    api::{Account, AuditLine, DeviceStanding},
    keys::Digest,
};

/// The answer to a presentation: all that a decision is made of, and nothing of the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What helps the visitor; none on a grant.
    pub(crate) facts: Option<Box<Map<String, Value>>>,
}

/// One write and what follows it.
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) after: After,
}

/// What follows a commit.
pub(crate) enum After {
    /// Nothing.
    Nothing,
    /// The lane gets its answer.
    Answer(oneshot::Sender<Result<Arc<Answer>, LedgerFault>>, Arc<Answer>),
    /// Somebody waits for the commit.
    Ack(oneshot::Sender<Result<Committed, LedgerFault>>),
}

/// A commit that went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    /// When.
    pub(crate) at: UnixMs,
    /// The number of the passage written; 0 for anything else.
    pub(crate) passage: i64,
}

/// Tickets that come in bulk.
pub(crate) struct BulkEntry {
    pub(crate) tickets: Vec<TicketRow>,
    pub(crate) done: oneshot::Sender<Result<UnixMs, LedgerFault>>,
}

/// A write. Each is all or nothing, and none can undo another.
pub(crate) enum Record {
    /// A presentation was answered.
    Decided(Box<Decided>),
    /// A passage, or the end of a grant.
    Settled(Box<Settled>),
    /// A fact of a device that moves nobody.
    Event(Box<EventRow>),
    /// Tickets with their credentials; an idempotency key keeps the answer.
    Tickets {
        rows: Vec<TicketRow>,
        idempotency: Option<(String, [u8; 32], String)>,
        audit: Option<AuditLine>,
    },
    /// A ticket's state was changed by hand.
    TicketChanged { id: TicketId, state: Box<TicketState>, audit: AuditLine },
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
    /// A line for the audit trail.
    Audit(AuditLine),
    /// Wakes the writer for bulk work.
    Nudge,
}

/// A presentation, its answer, and with a grant the ticket's new state.
pub(crate) struct Decided {
    pub(crate) scan: ScanRow,
    pub(crate) grant: Option<GrantRow>,
    pub(crate) ticket: Option<(TicketId, TicketState)>,
}

/// A presentation's row.
pub(crate) struct ScanRow {
    pub(crate) device: DeviceId,
    pub(crate) day: Day,
    pub(crate) answer: Arc<Answer>,
}

/// An open grant.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub(crate) struct EventRow {
    pub(crate) device: DeviceId,
    pub(crate) epoch: Epoch,
    pub(crate) seq: u64,
    pub(crate) at: UnixMs,
    pub(crate) received_at: UnixMs,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
    /// A gap: the first and last number that the device lost.
    pub(crate) gap: Option<(u64, u64)>,
}

/// Two facts that cannot both be right, kept for a person.
#[derive(Clone, Debug)]
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
