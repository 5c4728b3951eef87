//! The places of the feed: the site with its plan, its areas, gates and lanes as they are now. The
//! flow actor fills them; the pages show them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AreaId, DeviceId, GateId, LaneId, SiteId},
    time::UnixMs,
};

/// A text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// The site, as the pages need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteInfo {
    /// Its id.
    pub id: SiteId,
    /// Its name.
    pub name: Text,
    /// IANA time zone: all times on the pages are local to it.
    pub timezone: String,
    /// Where things are on the plan, as far as the configuration says.
    #[serde(default)]
    pub plan: Plan,
}

/// Places on the plan of the site, `[x, y]`: x to the east, y to the south, in the plan's own
/// units. What has no place is laid out by the page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The middle of each area.
    #[serde(default)]
    pub areas: BTreeMap<AreaId, [f64; 2]>,
    /// Each gate.
    #[serde(default)]
    pub gates: BTreeMap<GateId, [f64; 2]>,
    /// Each lane.
    #[serde(default)]
    pub lanes: BTreeMap<LaneId, [f64; 2]>,
}

/// How full an area is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Below the first level, or no capacity set.
    #[default]
    Normal,
    /// At the level that is announced (80 % by default).
    Announce,
    /// At the level that slows entry (90 % by default).
    Slow,
    /// At the level that stops sales and entry (100 % by default).
    Full,
}

/// What is done at a level of the capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Visitors and staff are told.
    Announce,
    /// People are let in more slowly: the staff's work.
    Slow,
    /// Nothing is sold for today (停售).
    StopSales,
    /// Nobody is let in (限流).
    StopEntry,
}

/// One area now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AreaNow {
    /// Its id.
    pub id: AreaId,
    /// Its name.
    pub name: Text,
    /// The area that it lies in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<AreaId>,
    /// Persons in it, those in its sub-areas included: entries − exits.
    pub occupancy: u32,
    /// Places given away by grants that are still open.
    pub reserved: u32,
    /// Persons allowed at one time.
    pub capacity: Option<u32>,
    /// How full.
    pub level: Level,
    /// Entries on this business day.
    pub entries_today: u32,
    /// Persons of the tickets sold for this business day.
    #[serde(default)]
    pub sold_today: u32,
    /// What is done at the levels that are reached, the mildest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub actions: Vec<Action>,
    /// Until when an operator lets people in although it is full.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub override_until: Option<UnixMs>,
}

/// One gate now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateNow {
    /// Its id.
    pub id: GateId,
    /// Its name.
    pub name: Text,
    /// Where it leads from (`outside` for the world).
    pub from: AreaId,
    /// Where it leads to.
    pub to: AreaId,
    /// Persons in through it on this business day.
    pub in_today: u32,
    /// Persons out through it on this business day.
    pub out_today: u32,
    /// Persons in during the last 60 s.
    pub in_per_min: u32,
    /// Persons out during the last 60 s.
    pub out_per_min: u32,
    /// Refusals during the last 60 s.
    pub denied_per_min: u32,
}

/// What a lane is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneCondition {
    /// Connected and in normal mode.
    Online,
    /// Connected, closed to visitors (`locked`, `maintenance`).
    Closed,
    /// Connected and reporting a fault.
    Fault,
    /// Known, but not connected.
    Offline,
    /// No device has been enrolled for it.
    Unassigned,
}

/// One lane now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneNow {
    /// Its id.
    pub id: LaneId,
    /// Its gate.
    pub gate: GateId,
    /// `in`, `out` or `both`.
    pub direction: String,
    /// The device that serves it.
    pub device: Option<DeviceId>,
    /// What it is doing.
    pub condition: LaneCondition,
    /// Since when.
    pub since: UnixMs,
    /// When it last scanned or passed somebody.
    pub last_at: Option<UnixMs>,
    /// Grants that have had no outcome yet.
    pub open_grants: u32,
}
