//! What goes wrong in a scenario, and when.

use serde::{Deserialize, Serialize};

use super::Scenario;
use crate::park;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Lanes lose the network for a while, and come back.
    Offline,
    /// Every connection of these lanes breaks once; they may connect again at once.
    Cut,
    /// The server, and the broker in it, is told to stop, and starts again at once.
    Restart,
    /// The server, and the broker in it, is killed in the midst of it, and starts again at once.
    Kill,
    /// Lanes are out of order for a while, nobody goes there; attendants with handhelds come.
    OutOfOrder,
}

impl FaultKind {
    /// Whether the server ends by it.
    pub fn ends_server(self) -> bool {
        matches!(self, Self::Restart | Self::Kill)
    }

    /// Whether lanes fail by it that have to be named.
    fn names_lanes(self) -> bool {
        !self.ends_server()
    }
}

/// One fault.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// When, in seconds from the start.
    pub at_s: f64,
    /// How long, in seconds: `offline` and `out_of_order`. A longer time than the run's is the run's.
    #[serde(default)]
    pub for_s: f64,
    /// These gates with all of their lanes, from 0.
    #[serde(default)]
    pub gates: Vec<usize>,
    /// Or so many lanes, spread over all gates.
    #[serde(default)]
    pub lanes: usize,
    /// Attendants with handhelds who come instead (`out_of_order`).
    #[serde(default)]
    pub handhelds: usize,
}

impl Fault {
    /// One of this kind, without lanes.
    pub fn of(kind: FaultKind, at_s: f64) -> Self {
        Self { kind, at_s, for_s: 0.0, gates: Vec::new(), lanes: 0, handhelds: 0 }
    }

    /// The numbers of the lanes that fail, of `all` lanes.
    pub fn hits(&self, all: usize) -> Vec<usize> {
        if self.kind.ends_server() {
            return (0..all).collect();
        }
        (0..all).filter(|&n| n < self.lanes || self.gates.contains(&park::gate_of(n))).collect()
    }

    pub(super) fn check(&self, scenario: &Scenario) -> Vec<String> {
        let mut faults = Vec::new();
        let at = format!("fault {:?} at {} s", self.kind, self.at_s);
        if !(0.0..scenario.seconds()).contains(&self.at_s) {
            faults.push(format!("{at}: not within the scenario"));
        }
        let lasts = matches!(self.kind, FaultKind::Offline | FaultKind::OutOfOrder);
        if lasts != (self.for_s > 0.0) {
            faults.push(format!("{at}: for_s is how long offline and out_of_order last"));
        }
        let named = self.lanes > 0 || !self.gates.is_empty();
        if self.kind.names_lanes() != named {
            faults.push(format!("{at}: name lanes or gates, and not for the server"));
        } else if named && self.hits(scenario.lanes).is_empty() {
            faults.push(format!("{at}: hits no lane"));
        }
        if self.kind == FaultKind::OutOfOrder && self.hits(scenario.lanes).len() == scenario.lanes {
            faults.push(format!("{at}: some lane has to work"));
        }
        if self.handhelds > 0 && self.kind != FaultKind::OutOfOrder {
            faults.push(format!("{at}: handhelds come where lanes are out_of_order"));
        }
        faults
    }
}
