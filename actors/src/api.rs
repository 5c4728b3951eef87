//! What the program asks of the control plane: plain requests and views, without actix, SQL or
//! HTTP. The composition root and its HTTP handlers know nothing deeper than this.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    device::{Credential, Outcome},
    ids::{
        Channel, DeviceId, DeviceKind, Direction, GateId, GrantId, LaneId, ProductId, ScanId,
        TicketId,
    },
    time::UnixMs,
};
use shanmen_rules::{ParkDefinition, Status};

use crate::{clock::Clock, keys::KeyRing, security::Security};

mod alarms;
mod capacity;
mod duty;
mod fleet;
mod flow;
mod orders;
mod people;
mod products;

pub use alarms::{AlarmView, ConflictView};
pub use capacity::{CapacityView, OverrideView};
pub use duty::{CommandQuery, DeviceEvent, FoundTicket, LookUp};
pub use fleet::{CommandRequest, CommandState, CommandView, ConfigView, EmergencyView, Reported};
pub use flow::{
    Counted, DayLine, DayReport, DeviceAvailability, Dwell, Expected, FlowBy, FlowQuery,
    FlowSeries, ForecastError, ForecastReport, HeatCell, Heatmap, Keyed, LastWeek, PastCount,
    PastDay, Peak, Series,
};
pub use orders::{LoggedIn, Logins};
pub use people::{BlockedPerson, SwipeQuery, SwipeView};
pub use products::{ProductChange, ProductChanged, ProductView, VersionView};

/// When a grant may leave: after the ledger has it, or at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The ledger commits first (the default).
    #[default]
    Commit,
    /// The lane opens first; the ledger commits within a few milliseconds. A power cut in between
    /// can let one ticket pass twice.
    Relaxed,
}

/// An outside broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideBroker {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The control plane's own login there.
    pub username: Option<String>,
    /// And its password.
    pub password: Option<String>,
}

/// Which broker the devices speak through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerChoice {
    /// The embedded one, listening here; port 0 takes a free one.
    Embedded(SocketAddr),
    /// An outside one.
    Outside(OutsideBroker),
}

/// All that the control plane needs to start.
#[derive(Clone)]
pub struct Settings {
    /// What the site is, and what it sells.
    pub park: ParkDefinition,
    /// Where the ledger's files lie.
    pub data: PathBuf,
    /// Devices that are approved from the start; their logins come by claims.
    pub devices: Vec<DeviceSpec>,
    /// When a grant may leave.
    pub durability: Durability,
    /// The broker.
    pub broker: BrokerChoice,
    /// Ticket and credential keys.
    pub keys: KeyRing,
    /// The one clock.
    pub clock: Clock,
    /// Validation shards; 0 means one for each core.
    pub shards: usize,
    /// How often a device shows that it lives, in seconds.
    pub heartbeat_s: u32,
    /// How devices speak to the broker, and the program to an outside one.
    pub security: Security,
}

/// A device of the configuration: approved, and bound to its place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSpec {
    /// Its id.
    pub id: DeviceId,
    /// What it is.
    pub kind: DeviceKind,
    /// The gate that it serves.
    #[serde(default)]
    pub gate: Option<GateId>,
    /// The lane that it serves.
    #[serde(default)]
    pub lane: Option<LaneId>,
}

/// Why the control plane could not do what was asked, by who can act.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The caller can mend the request: what, where and how.
    #[error("{0}")]
    Invalid(String),
    /// Nothing of that id.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// It is no longer possible, or was done before.
    #[error("{0}")]
    Conflict(String),
    /// Whoever asks may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// A queue is full: try again.
    #[error("busy: {0} is full, try again")]
    Busy(&'static str),
    /// The operator of the program has to look: a disk, a file, a broker.
    #[error("{0}")]
    Internal(String),
}

/// A ticket to be issued.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTicket {
    /// Its id; none for a fresh one (an import may bring its own).
    #[serde(default)]
    pub id: Option<TicketId>,
    /// What is sold.
    pub product: ProductId,
    /// The local visit date, `2026-10-01`.
    #[serde(default)]
    pub visit_date: Option<String>,
    /// The slot's start, local, `09:00`.
    #[serde(default)]
    pub slot: Option<String>,
    /// Persons, where the product leaves it open.
    #[serde(default)]
    pub persons: Option<u16>,
    /// Other credentials that lead to it: a card's UID, an ID number, a partner's code.
    #[serde(default)]
    pub credentials: Vec<Credential>,
    /// The named holder, for real-name tickets; never enters a log, a feed or a metric.
    #[serde(default)]
    pub holder: Option<serde_json::Value>,
    /// `unpaid`, `issued` (the default), `frozen` …
    #[serde(default)]
    pub status: Option<Status>,
    /// How it is sold; `direct` by default.
    #[serde(default)]
    pub channel: Option<Channel>,
}

/// An issued ticket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuedTicket {
    /// Its id.
    pub id: TicketId,
    /// The signed code.
    pub code: String,
}

/// A line of an import that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong and how to mend it.
    pub reason: String,
}

/// A ticket as its seller or an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct TicketView {
    /// Its id.
    pub id: TicketId,
    /// What was sold.
    pub product: ProductId,
    /// The product's class.
    pub class: String,
    /// `issued`, `refunded` …
    pub status: Status,
    /// Persons.
    pub persons: u16,
    /// The issue number; a re-issue raises it.
    pub epoch: u16,
    /// The local visit date.
    pub visit_date: Option<String>,
    /// The slot's start, local.
    pub slot: Option<String>,
    /// When it was issued.
    pub issued_at: UnixMs,
    /// For each entitlement its areas and remaining uses (`null`: unlimited).
    pub entitlements: Vec<EntitlementView>,
    /// Entries so far.
    pub entries: u32,
    /// First entry.
    pub first_entry: Option<UnixMs>,
    /// Last entry.
    pub last_entry: Option<UnixMs>,
    /// Where its holders are.
    pub inside: Vec<InsideView>,
    /// A grant is open for it.
    pub in_progress: bool,
    /// Presentations, newest first, at most 100.
    pub presentations: Vec<PresentationView>,
    /// Passages, newest first, at most 100.
    pub passages: Vec<PassageView>,
}

/// One entitlement of a ticket.
#[derive(Clone, Debug, Serialize)]
pub struct EntitlementView {
    /// The areas.
    pub areas: Vec<String>,
    /// Uses left; none for unlimited.
    pub remaining: Option<u32>,
}

/// Where holders of a ticket are.
#[derive(Clone, Debug, Serialize)]
pub struct InsideView {
    /// The area.
    pub area: String,
    /// How many of them.
    pub persons: u16,
}

/// One presentation on record.
#[derive(Clone, Debug, Serialize)]
pub struct PresentationView {
    /// The scan.
    pub id: ScanId,
    /// When.
    pub at: UnixMs,
    /// At which device.
    pub device: String,
    /// In which lane.
    pub lane: String,
    /// The answer: `grant`, `deny`, `more`.
    pub result: String,
    /// Why.
    pub reason: String,
    /// What was told with it: when and where it was used, when to come back.
    pub facts: Option<serde_json::Value>,
}

/// One passage on record.
#[derive(Clone, Debug, Serialize)]
pub struct PassageView {
    /// The grant that it ended.
    pub grant: Option<GrantId>,
    /// When it happened.
    pub at: UnixMs,
    /// In which lane.
    pub lane: String,
    /// Of which gate.
    pub gate: String,
    /// Which way.
    pub direction: Direction,
    /// How it ended.
    pub outcome: String,
    /// Persons.
    pub count: u32,
    /// On whose word.
    pub by: String,
}

/// A presentation by a system without MQTT.
#[derive(Clone, Debug, Deserialize)]
pub struct AdmissionRequest {
    /// The idempotency key.
    pub id: ScanId,
    /// The lane.
    pub lane: LaneId,
    /// Which way.
    #[serde(default)]
    pub direction: Direction,
    /// What was presented.
    pub credential: Credential,
    /// What has been confirmed since an earlier `more`.
    #[serde(default)]
    pub confirm: Option<shanmen_protocols::device::Confirm>,
}

/// The end of a grant, reported by a system without MQTT.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct PassageRequest {
    /// How it ended.
    pub outcome: Outcome,
    /// Persons; may be left out for `taken` and `not_taken`.
    #[serde(default)]
    pub count: Option<u32>,
}

/// What came of a reported passage.
#[derive(Clone, Debug, Serialize)]
pub struct PassageResult {
    /// The grant.
    pub grant: GrantId,
    /// How it ended; the first report counts.
    pub outcome: String,
    /// Persons that passed.
    pub count: u32,
    /// When the ledger had it.
    pub committed_at: UnixMs,
}

/// A grant without an outcome yet.
#[derive(Clone, Debug, Serialize)]
pub struct GrantView {
    /// The grant.
    pub id: GrantId,
    /// Its ticket; none for a free exit.
    pub ticket: Option<TicketId>,
    /// The device.
    pub device: String,
    /// The lane.
    pub lane: String,
    /// Which way.
    pub direction: Direction,
    /// Persons.
    pub persons: u16,
    /// When it was given.
    pub granted_at: UnixMs,
    /// Its lane has been silent past the hold time.
    pub overdue: bool,
}

/// A registered device's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceStanding {
    /// Seen, but no person has approved it yet.
    Pending,
    /// It may work.
    Approved,
    /// It may not.
    Revoked,
}

/// A device as operations sees it.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceView {
    /// Its id.
    pub id: DeviceId,
    /// What it is.
    pub kind: DeviceKind,
    /// The lane that it serves.
    pub lane: Option<LaneId>,
    /// The gate that it serves.
    pub gate: Option<GateId>,
    /// Its standing.
    pub status: DeviceStanding,
    /// Connected.
    pub online: bool,
    /// Serial, model and firmware as told in its hello.
    pub serial: String,
    /// Model.
    pub model: String,
    /// Firmware version.
    pub firmware: String,
    /// Since when the session stands.
    pub session_since: Option<UnixMs>,
    /// When it last said anything.
    pub last_seen: Option<UnixMs>,
    /// When it last scanned.
    pub last_scan: Option<UnixMs>,
    /// The last message that could not be taken: what, where and how to mend it.
    pub last_error: Option<DeviceError>,
    /// How far its clock is ahead of ours, in milliseconds, at its last hello.
    pub clock_skew_ms: Option<i64>,
    /// Grants without an outcome.
    pub open_grants: u32,
    /// The highest sequence number that the ledger has, all before it included.
    pub acked: u64,
    /// The last telemetry.
    pub telemetry: serde_json::Map<String, serde_json::Value>,
    /// When it came.
    pub telemetry_at: Option<UnixMs>,
    /// The version of the configuration that it should have; none where nobody set one.
    pub config_desired: Option<u64>,
    /// What it says of its configuration, lists and mode.
    pub reported: Reported,
}

/// A message that could not be taken.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceError {
    /// When.
    pub at: UnixMs,
    /// What, where and how to mend it; never the message itself.
    pub problem: String,
}

/// A claim to be made for a new device.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The device's id to be.
    pub device: DeviceId,
    /// What it is.
    pub kind: DeviceKind,
    /// The gate that it will serve.
    #[serde(default)]
    pub gate: Option<GateId>,
    /// The lane that it will serve.
    #[serde(default)]
    pub lane: Option<LaneId>,
    /// How long the claim is good for; 15 by default, at most 10,080 (a week).
    #[serde(default)]
    pub minutes: Option<u32>,
}

/// A claim code: shown once.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// The one-time code.
    pub claim: String,
    /// The device.
    pub device: DeviceId,
    /// When it runs out.
    pub expires_at: UnixMs,
}

/// A device trades its claim.
#[derive(Clone, Debug, Deserialize)]
pub struct EnrolRequest {
    /// The one-time code.
    pub claim: String,
    /// The machine's serial number.
    #[serde(default)]
    pub serial: String,
    /// The machine's model.
    #[serde(default)]
    pub model: String,
    /// A request for a certificate (PKCS#10 in PEM), where the site lets devices in by one.
    #[serde(default)]
    pub csr: Option<String>,
}

/// What an enrolled device needs to connect. Never shown in a log: it holds a secret.
#[derive(Clone)]
pub struct Enrolled {
    /// The device.
    pub device: DeviceId,
    /// Its topics' base.
    pub base: String,
    /// Its login at the broker.
    pub username: String,
    /// Its secret, shown once; none where it has a certificate.
    pub password: Option<String>,
    /// Its certificate in PEM, where the site lets devices in by one.
    pub certificate: Option<String>,
    /// The authority of the broker's certificate in PEM, for it to trust.
    pub ca: Option<Arc<str>>,
    /// How the broker's address begins: `mqtts` or `mqtt`.
    pub scheme: &'static str,
}

/// A device's new secret: shown once, and in no log.
#[derive(Clone)]
pub struct NewSecret {
    /// The device.
    pub device: DeviceId,
    /// Its secret from now on.
    pub password: String,
    /// Until when the secret before it is good as well.
    pub old_good_until: UnixMs,
}

/// Whether the program can take visitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The ledger commits.
    pub ledger: bool,
    /// The broker is up (or connected).
    pub broker: bool,
    /// All tickets are in memory.
    pub hot_state: bool,
}

impl Readiness {
    /// All of it.
    pub fn is_ready(self) -> bool {
        self.ledger && self.broker && self.hot_state
    }
}

/// A person who uses the pages, or a machine that uses the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub user: String,
    /// Argon2id, in PHC form; none for a machine.
    pub password_hash: Option<String>,
    /// `admin`, `operator`, `manager`, `seller`, `finance`, `auditor`, `device-admin`.
    pub roles: Vec<String>,
}

/// One line of the audit trail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditLine {
    /// When.
    pub at: UnixMs,
    /// Who.
    pub actor: String,
    /// What, as a stable word: `ticket.void`, `device.claim` …
    pub action: String,
    /// On what.
    pub target: String,
    /// Why, and what else helps; never a code, an ID number or a name.
    pub note: String,
}

/// Which lines of the audit trail are asked for.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// From here on.
    pub from: UnixMs,
    /// Up to here, not included.
    pub until: UnixMs,
    /// Of actions that begin so, as `ticket.`.
    pub action: String,
    /// Of one target only.
    pub target: Option<String>,
    /// At most so many, the newest first.
    pub limit: u32,
}
