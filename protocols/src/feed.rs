//! The dashboard feed: one snapshot, then deltas that hold only what changed.
//!
//! Values are absolute, never differences: a viewer replaces what it holds under the same id, so
//! that a frame applied twice does no harm. Ticket numbers and names never enter the feed.
//!
//! The flow actor fills these types, the dashboards hub numbers, keeps and sends them
//! ([`Snapshot::apply`] is the one definition of what a delta means).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AreaId, DeviceId, Direction, GateId, LaneId, ProductId},
    reason::Reason,
    time::UnixMs,
};

mod frame;
mod past;
mod place;
#[cfg(test)]
mod tests;

pub use frame::{Delta, Frame, Snapshot, replace_rows};
pub use past::{DayBefore, Forecast, Past};
pub use place::{Action, AreaNow, GateNow, LaneCondition, LaneNow, Level, Plan, SiteInfo, Text};

/// How many passages and refusals `recent` holds.
pub const RECENT_MAX: usize = 50;

/// The business day so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Today {
    /// The local business date, `2026-10-01`.
    pub date: String,
    /// When it began: the start of `curve`.
    pub starts_at: UnixMs,
    /// Persons in the site now: in any area, entries − exits. Not entries alone.
    pub in_site: u32,
    /// Persons that the site holds at one time, where the site's areas say so.
    pub capacity: Option<u32>,
    /// How full the site is.
    pub level: Level,
    /// Persons that came in from outside.
    pub entries: u32,
    /// Of these, re-entries.
    pub reentries: u32,
    /// Persons that left.
    pub exits: u32,
    /// Persons in during the last 60 s.
    pub entries_per_min: u32,
    /// Persons out during the last 60 s.
    pub exits_per_min: u32,
    /// Persons in since the full hour.
    pub entries_this_hour: u32,
    /// Persons out since the full hour.
    #[serde(default)]
    pub exits_this_hour: u32,
    /// Presentations refused.
    pub denied: u32,
    /// Refusals by reason.
    pub by_reason: BTreeMap<String, u32>,
    /// Entries by ticket class.
    pub by_class: BTreeMap<String, u32>,
    /// Entries per quarter hour of the business day, from its start (96 of them, 100 when the
    /// clock goes back).
    pub curve: Vec<u32>,
    /// Scan to decision at the server, over the last 60 s.
    pub decision: Latency,
    /// Devices connected, and known.
    pub devices_online: u32,
    /// Devices that are approved.
    pub devices_total: u32,
}

/// A latency in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Median.
    pub p50_us: u32,
    /// 99th percentile.
    pub p99_us: u32,
    /// How many were measured.
    pub count: u32,
}

/// What came of a presentation or a passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecentKind {
    /// Somebody passed.
    Passage,
    /// Somebody was refused.
    Denied,
    /// A lane opened and nobody passed.
    NotTaken,
}

/// One line of the ticker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    /// Grows by one; the key of the line.
    pub n: u64,
    /// When it happened.
    pub at: UnixMs,
    /// When the ledger had it: the age of the glass is measured against this.
    pub committed_at: UnixMs,
    /// What came of it.
    pub kind: RecentKind,
    /// The lane.
    pub lane: LaneId,
    /// Its gate.
    pub gate: GateId,
    /// Which way.
    pub direction: Direction,
    /// The ticket's class, where the ticket is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<String>,
    /// The ticket's product, where the ticket is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub product: Option<ProductId>,
    /// Persons.
    pub count: u32,
    /// Why, for a refusal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
}

/// An alarm that wants a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its id.
    pub id: u64,
    /// What, as a stable code: `device_offline`, `grant_silent`, `area_level`, `jam` …
    pub code: String,
    /// Since when.
    pub at: UnixMs,
    /// The device concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<DeviceId>,
    /// The lane concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lane: Option<LaneId>,
    /// The area concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub area: Option<AreaId>,
    /// Somebody has seen it.
    #[serde(default)]
    pub acknowledged: bool,
    /// False once it is over: the viewer drops it.
    pub active: bool,
}
