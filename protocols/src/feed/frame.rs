//! The frames of the feed: the state as a whole, what changed since, and what a change means for
//! the state ([`Snapshot::apply`]). The dashboards hub numbers and sends them.

use serde::{Deserialize, Serialize};

use super::{Alarm, AreaNow, GateNow, LaneNow, Past, RECENT_MAX, Recent, SiteInfo, Today};
use crate::time::UnixMs;

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
        replace_rows(&mut self.areas, &delta.areas, |a, b| a.id == b.id);
        replace_rows(&mut self.gates, &delta.gates, |a, b| a.id == b.id);
        replace_rows(&mut self.lanes, &delta.lanes, |a, b| a.id == b.id);
        replace_rows(&mut self.alarms, &delta.alarms, |a, b| a.id == b.id);
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

/// Puts new rows in the place of the old ones that are the same by `same`, and the others behind
/// them. Quick where both stand in the same order, as they mostly do: each row is looked for behind
/// the one before it first.
pub fn replace_rows<Row: Clone>(
    rows: &mut Vec<Row>,
    new: &[Row],
    same: impl Fn(&Row, &Row) -> bool,
) {
    let mut from = 0;
    for row in new {
        let is_it = |place: &usize| same(&rows[*place], row);
        match (from..rows.len()).find(is_it).or_else(|| (0..from).find(is_it)) {
            Some(place) => {
                rows[place].clone_from(row);
                from = place + 1;
            }
            None => rows.push(row.clone()),
        }
    }
}
