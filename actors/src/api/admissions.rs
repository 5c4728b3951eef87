//! Presentations and passages that come over HTTP, from systems without MQTT, and the grants that
//! still wait for their passage.

use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    device::{Confirm, Credential, Outcome},
    ids::{Direction, GrantId, LaneId, ScanId, TicketId},
    time::UnixMs,
};

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
    pub confirm: Option<Confirm>,
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
