//! What the program asks of the control plane: plain requests and views, without actix, SQL or
//! HTTP. The composition root and its HTTP handlers know nothing deeper than this.
//!
//! Owns how the control plane is started, why it refuses, accounts and the audit trail; all else by
//! subject in `api/`.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use shanmen_protocols::time::UnixMs;
use shanmen_rules::ParkDefinition;

use crate::{clock::Clock, keys::KeyRing, security::Security};

mod admissions;
mod alarms;
mod capacity;
mod devices;
mod duty;
mod fleet;
mod flow;
mod orders;
mod people;
mod products;
mod tickets;

pub use admissions::{AdmissionRequest, GrantView, PassageRequest, PassageResult};
pub use alarms::{AlarmView, ConflictView};
pub use capacity::{CapacityView, OverrideView};
pub use devices::{
    Claim, ClaimRequest, DeviceError, DeviceSpec, DeviceStanding, DeviceView, EnrolRequest,
    Enrolled, NewSecret,
};
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
pub use tickets::{
    EntitlementView, InsideView, IssuedTicket, NewTicket, PassageView, PresentationView,
    RejectedLine, TicketView,
};

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
    /// Validation shards; 0 means one for every second core.
    pub shards: usize,
    /// How often a device shows that it lives, in seconds.
    pub heartbeat_s: u32,
    /// How devices speak to the broker, and the program to an outside one.
    pub security: Security,
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
