//! Durable facts: what happened at a device. Numbered without gaps, kept until acknowledged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::up::Credential;
use crate::{
    ids::{Direction, Epoch, GrantId, JobId, LaneId, OrderId, ScanId},
    reason::Reason,
    time::{TimeBlock, UnixMs},
};

/// `up/event`: one fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// The time block: when it happened.
    #[serde(flatten)]
    pub time: TimeBlock,
    /// The device's event storage.
    pub epoch: Epoch,
    /// Its number: one more than the event before.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// `up/log`: facts in batches, after an outage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    /// The device's event storage.
    pub epoch: Epoch,
    /// At most 64, in order. An event's own epoch may be left out.
    pub events: Vec<LogEvent>,
}

/// An event within a `log`: the epoch stands once, outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogEvent {
    /// The time block: when it happened.
    #[serde(flatten)]
    pub time: TimeBlock,
    /// Its number.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// How a passage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All persons of the grant passed.
    Taken,
    /// Some of them passed.
    Partial,
    /// Nobody passed.
    NotTaken,
    /// Somebody went in and came back.
    Reversed,
    /// Somebody passed without a grant, by force.
    Forced,
    /// Somebody slipped through behind another.
    Tailgated,
    /// An outcome that this version does not know: its `count` says how many passed.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

impl Outcome {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Partial => "partial",
            Self::NotTaken => "not_taken",
            Self::Reversed => "reversed",
            Self::Forced => "forced",
            Self::Tailgated => "tailgated",
            Self::Other => "other",
        }
    }
}

/// On whose word the barrier opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassageBy {
    /// The control plane's decision.
    #[default]
    Server,
    /// The device's ticket list.
    List,
    /// A signed code, checked by the device.
    Signature,
    /// The device's own record of uses.
    Own,
    /// A manual opening.
    Manual,
    /// A staff card.
    Staff,
    /// The emergency release.
    Emergency,
    /// A ground that this version does not know.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

impl PassageBy {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::List => "list",
            Self::Signature => "signature",
            Self::Own => "own",
            Self::Manual => "manual",
            Self::Staff => "staff",
            Self::Emergency => "emergency",
            Self::Other => "other",
        }
    }
}

/// A lane's cumulative counters since its storage was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sensor {
    /// Persons in.
    #[serde(rename = "in", default)]
    pub inward: u64,
    /// Persons out.
    #[serde(rename = "out", default)]
    pub outward: u64,
}

/// One outcome of one opening.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Passage {
    /// The grant that it ends; none for a free or forced passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// The presentation that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<ScanId>,
    /// The lane; a device of one lane may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<LaneId>,
    /// Which way.
    #[serde(default)]
    pub direction: Direction,
    /// How it ended.
    pub outcome: Outcome,
    /// Persons that passed; for `taken` it may be left out and is then the grant's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The lane's cumulative counters after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Sensor>,
    /// On whose word.
    #[serde(default)]
    pub by: PassageBy,
    /// What was presented, for a passage decided offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// When the device opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_at: Option<UnixMs>,
    /// Who let them pass, at a handheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Why, where an operator overrode the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a print job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// The printer has begun.
    Started,
    /// It is printed.
    Done,
    /// It is not printed.
    Failed,
    /// Nobody knows: power was cut in the middle. A person looks, and decides. Any state that this
    /// version does not know reads as this.
    #[serde(other)]
    Unknown,
}

/// What happened. A type that this version does not know is kept as `Other`, and acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Body {
    /// An outcome of an opening.
    Passage(Passage),
    /// A presentation refused offline.
    Denied {
        /// The presentation.
        #[serde(default)]
        scan: Option<ScanId>,
        /// Why.
        reason: Reason,
        /// On what ground.
        #[serde(default)]
        by: PassageBy,
    },
    /// A condition that wants a person, or its end.
    Alarm {
        /// `tailgating`, `jam`, `tamper`, `fire`, `low_paper` …
        code: String,
        /// Raised or over.
        active: bool,
    },
    /// The lane's mode changed.
    Mode {
        /// `normal`, `free`, `locked`, `maintenance`.
        mode: String,
    },
    /// Facts lost for want of room.
    Gap {
        /// First lost number.
        from: u64,
        /// Last lost number.
        to: u64,
    },
    /// The device started.
    Boot {
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// A print job went on.
    Job {
        /// The job.
        job: JobId,
        /// How it stands.
        state: JobState,
        /// Serial numbers of the stock that was used.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        serials: Vec<String>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A kiosk exchanged a code.
    Redeem {
        /// The order that the tickets belong to.
        order: OrderId,
        /// How it stands at the kiosk: `issued`, `collected`, `unknown` …
        state: String,
    },
    /// An order went on at a kiosk.
    Order {
        /// The order.
        order: OrderId,
        /// How it stands at the kiosk: `open`, `paid`, `issued`, `collected`, `cancelled`, `unknown`.
        state: String,
        /// The payment's number, once it is paid.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment: Option<String>,
    },
    /// A type that this version does not know.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passage_reads_flat_beside_its_time_block() {
        let event: Event = serde_json::from_str(
            r#"{"at":1760000000000,"up_ms":5000,"boot":3,"clock":"synced","epoch":"a","seq":7,
                "type":"passage","grant":"01890000-0000-7000-8000-000000000002","lane":"n1",
                "direction":"in","outcome":"taken","count":1,"counters":{"in":10,"out":2}}"#,
        )
        .unwrap();
        assert_eq!(event.seq, 7);
        assert_eq!(event.time.up_ms, Some(5000));
        let Body::Passage(passage) = event.body else { panic!("{:?}", event.body) };
        assert_eq!(passage.outcome, Outcome::Taken);
        assert_eq!(passage.counters, Some(Sensor { inward: 10, outward: 2 }));
    }

    #[test]
    fn a_fact_of_a_later_version_is_kept_and_not_refused() {
        let event: Event =
            serde_json::from_str(r#"{"epoch":"a","seq":1,"type":"hovered","height_m":2}"#).unwrap();
        assert_eq!(event.body, Body::Other);
    }

    #[test]
    fn what_is_written_reads_back() {
        let event = Event {
            time: TimeBlock { at: Some(UnixMs(5)), ..TimeBlock::default() },
            epoch: Epoch::new("e1").unwrap(),
            seq: 1,
            body: Body::Gap { from: 3, to: 9 },
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
