//! The messages of the device protocol, version 1: uplinks, downlinks and the facts in between.
//!
//! Unknown fields are ignored and unknown enum values read as the generic case, so that a newer
//! device and an older server (or the other way round) still open the lane. Durations end in
//! their unit. What must not be lost has an answer in the protocol: a PUBACK is none.

mod down;
mod event;
mod up;

pub use down::{
    CommandDown, Decision, DecisionResult, Down, EventAck, HelloDown, HelloStatus, Show,
};
pub use event::{Body, Event, Log, LogEvent, Outcome, Passage, PassageBy, Sensor};
pub use up::{Confirm, Credential, CredentialKind, Hello, Limits, Scan, State, Telemetry};

/// The version of the protocol that this crate speaks.
pub const VERSION: &str = "1.0";

/// How long a decision may take before the device decides for itself, by default.
pub const TTL_DEFAULT_MS: u32 = 1500;

/// How long a barrier waits for its visitor, by default.
pub const HOLD_DEFAULT_MS: u32 = 5000;

/// The most events in one `log` message.
pub const LOG_MAX_EVENTS: usize = 64;
