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
    ids::{AreaId, DeviceId, Direction, GateId, LaneId, ProductId, SiteId},
    reason::Reason,
    time::UnixMs,
};

/// How many passages and refusals `recent` holds.
pub const RECENT_MAX: usize = 50;

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

/// What history says of today. Made anew every few seconds, off the path of a scan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// When it was made.
    pub at: UnixMs,
    /// Entries of this business day by the channel that sold the ticket.
    pub by_channel: BTreeMap<String, u32>,
    /// The same weekday of last week; none where nothing is on record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_week: Option<DayBefore>,
    /// What is expected of today; none as long as there is no history to expect it from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forecast: Option<Forecast>,
}

/// An earlier business day, to compare today with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DayBefore {
    /// Its local date.
    pub date: String,
    /// Entries of the whole day.
    pub entries: u32,
    /// Entries until the same time of day.
    pub entries_by_now: u32,
    /// Exits until the same time of day.
    pub exits_by_now: u32,
    /// Entries of the clock hour that is running today, the whole of it.
    pub entries_this_hour: u32,
    /// Entries in the same minute.
    pub entries_per_min: u32,
    /// Most persons in the site at one time.
    pub peak_in_site: u32,
    /// Entries per quarter hour from the start of the business day.
    pub curve: Vec<u32>,
}

/// What is expected of today.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// When it was made.
    pub made_at: UnixMs,
    /// Entries of the whole day.
    pub entries: u32,
    /// Most persons in the site at one time.
    pub peak_in_site: u32,
    /// When that will be.
    pub peak_at: UnixMs,
    /// Entries per quarter hour from the start of the business day: what came, then what will.
    pub curve: Vec<u32>,
    /// Earlier days that it was made from.
    pub days: u32,
    /// How far off forecasts made by this time of day were, as the mean of their absolute
    /// errors at the day's entries, in percent; none as long as no forecast is old enough.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_percent: Option<f64>,
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

/// Everything a page needs to start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The site.
    pub site: SiteInfo,
    /// All areas but the outside.
    pub areas: Vec<AreaNow>,
    /// All gates.
    pub gates: Vec<GateNow>,
    /// All lanes.
    pub lanes: Vec<LaneNow>,
    /// The day.
    pub today: Today,
    /// What is wrong now.
    pub alarms: Vec<Alarm>,
    /// The newest last, at most [`RECENT_MAX`].
    pub recent: Vec<Recent>,
    /// What history says of today.
    #[serde(default)]
    pub past: Past,
}

/// What changed since the last frame, as whole rows under their ids.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// Changed areas.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub areas: Vec<AreaNow>,
    /// Changed gates.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub gates: Vec<GateNow>,
    /// Changed lanes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub lanes: Vec<LaneNow>,
    /// The day, when any of it changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub today: Option<Today>,
    /// Alarms raised, changed or (with `active: false`) over.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub alarms: Vec<Alarm>,
    /// New lines of the ticker, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub recent: Vec<Recent>,
    /// What history says of today, when it was made anew.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub past: Option<Past>,
}

/// One message of the feed.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame<'a> {
    /// The state as a whole.
    Snapshot {
        /// Grows by one with each delta; a viewer that misses one asks anew.
        seq: u64,
        /// When the frame was made.
        at: UnixMs,
        /// The state.
        #[serde(flatten)]
        state: &'a Snapshot,
    },
    /// What changed.
    Delta {
        /// One more than the frame before.
        seq: u64,
        /// When the frame was made.
        at: UnixMs,
        /// The changes.
        #[serde(flatten)]
        changes: &'a Delta,
    },
}

impl Delta {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

impl Snapshot {
    /// Takes the changes over: rows replace those of the same id, new ones are added, alarms that
    /// are over go, `recent` keeps its newest [`RECENT_MAX`].
    pub fn apply(&mut self, delta: &Delta) {
        replace(&mut self.areas, &delta.areas, |row| row.id.clone());
        replace(&mut self.gates, &delta.gates, |row| row.id.clone());
        replace(&mut self.lanes, &delta.lanes, |row| row.id.clone());
        replace(&mut self.alarms, &delta.alarms, |row| row.id);
        self.alarms.retain(|alarm| alarm.active);
        if let Some(today) = &delta.today {
            self.today.clone_from(today);
        }
        if let Some(past) = &delta.past {
            self.past.clone_from(past);
        }
        let newest = self.recent.last().map_or(0, |line| line.n);
        self.recent.extend(delta.recent.iter().filter(|line| newest < line.n).cloned());
        let surplus = self.recent.len().saturating_sub(RECENT_MAX);
        self.recent.drain(..surplus);
    }
}

fn replace<Row: Clone, Id: PartialEq>(rows: &mut Vec<Row>, new: &[Row], id: impl Fn(&Row) -> Id) {
    for row in new {
        match rows.iter_mut().find(|held| id(held) == id(row)) {
            Some(held) => held.clone_from(row),
            None => rows.push(row.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(id: u64, active: bool) -> Alarm {
        Alarm {
            id,
            code: "jam".into(),
            at: UnixMs(0),
            device: None,
            lane: None,
            area: None,
            acknowledged: false,
            active,
        }
    }

    fn empty() -> Snapshot {
        Snapshot {
            site: SiteInfo {
                id: SiteId::new("h").unwrap(),
                name: Text::default(),
                timezone: "Asia/Shanghai".into(),
                plan: Plan::default(),
            },
            areas: vec![],
            gates: vec![],
            lanes: vec![],
            today: Today::default(),
            alarms: vec![],
            recent: vec![],
            past: Past::default(),
        }
    }

    #[test]
    fn an_alarm_that_is_over_leaves_the_glass() {
        let mut state = empty();
        state.apply(&Delta { alarms: vec![alarm(1, true), alarm(2, true)], ..Delta::default() });
        state.apply(&Delta { alarms: vec![alarm(1, false)], ..Delta::default() });
        assert_eq!(state.alarms, vec![alarm(2, true)]);
    }

    #[test]
    fn a_frame_is_one_flat_object_with_its_type() {
        let state = empty();
        let frame = Frame::Snapshot { seq: 7, at: UnixMs(1), state: &state };
        let json = serde_json::to_value(&frame).unwrap();
        assert_eq!(json["type"], "snapshot");
        assert_eq!(json["seq"], 7);
        assert_eq!(json["site"]["id"], "h");
        let delta = Delta { alarms: vec![alarm(1, true)], ..Delta::default() };
        let json = serde_json::to_value(Frame::Delta { seq: 8, at: UnixMs(1), changes: &delta });
        let json = json.unwrap();
        assert_eq!(json["type"], "delta");
        assert!(json.get("areas").is_none(), "only what changed");
    }
}
