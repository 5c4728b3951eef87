//! What is asked and told about the fleet at work: commands, configurations, the emergency.

use serde::Serialize;
use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{AckStatus, LaneMode},
    ids::{CommandId, DeviceId},
    time::UnixMs,
};

/// A command to be sent to one device.
#[derive(Clone, Debug)]
pub struct CommandRequest {
    /// What to do.
    pub op: String,
    /// With what.
    pub args: Map<String, Value>,
    /// Why; on the audit trail.
    pub reason: String,
    /// How long it is good for, in milliseconds; 1,000 to 600,000, 10,000 by default.
    pub ttl_ms: Option<u32>,
}

/// How a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandState {
    /// On its way.
    Sent,
    /// The device said so.
    Answered(AckStatus),
    /// Nothing was heard of it in time.
    Unanswered,
}

impl CommandState {
    /// The word: `sent`, `received`, `done`, `failed`, `rejected`, `expired`, `duplicate`,
    /// `unanswered`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Answered(status) => status.as_str(),
            Self::Unanswered => "unanswered",
        }
    }

    /// The state of a word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "sent" => Self::Sent,
            "unanswered" => Self::Unanswered,
            word => Self::Answered(
                serde_json::from_value(Value::from(word)).unwrap_or(AckStatus::Other),
            ),
        }
    }

    /// Whether nothing more follows.
    pub fn is_final(self) -> bool {
        match self {
            Self::Sent => false,
            Self::Answered(status) => status.is_final(),
            Self::Unanswered => true,
        }
    }
}

/// A command, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandView {
    /// Its id.
    pub id: CommandId,
    /// The device that was told.
    pub device: DeviceId,
    /// What to do.
    pub op: String,
    /// With what; of a print job only its id.
    pub args: Map<String, Value>,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When it was sent.
    pub sent_at: UnixMs,
    /// How long it was good for, in milliseconds.
    pub ttl_ms: u32,
    /// How it stands.
    pub state: CommandState,
    /// When the device last answered.
    pub answered_at: Option<UnixMs>,
    /// Why it did not end well.
    pub why: Option<String>,
    /// What came of it.
    pub result: Option<Value>,
}

/// The configuration that a device should have.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigView {
    /// Its version, from 1.
    pub version: u64,
    /// The document.
    pub config: Map<String, Value>,
    /// When it was set.
    pub at: UnixMs,
    /// By whom.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// What a device says of its configuration, lists and mode.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reported {
    /// When it said so.
    pub at: Option<UnixMs>,
    /// The version in force.
    pub version: Option<u64>,
    /// The version that it refused.
    pub refused: Option<u64>,
    /// For each key that it refused, why.
    pub rejects: std::collections::BTreeMap<String, String>,
    /// The lists that it holds.
    pub lists: std::collections::BTreeMap<String, u64>,
    /// How its lane works.
    pub mode: Option<LaneMode>,
}

/// The fire release (消防联动): whether every lane stands open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencyView {
    /// Whether it is on.
    pub on: bool,
    /// Since when it is so; none where nobody ever changed it.
    pub since: Option<UnixMs>,
    /// By whom.
    pub actor: String,
    /// Why.
    pub reason: String,
}
