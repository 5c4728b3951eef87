//! The messages of the device protocol, version 1: uplinks, downlinks and the facts in between.
//!
//! Unknown fields are ignored and unknown enum values read as the generic case, so that a newer
//! device and an older server (or the other way round) still open the lane. Durations end in
//! their unit. What must not be lost has an answer in the protocol: a PUBACK is none.

mod down;
mod event;
mod order;
mod settings;
mod up;
mod what;

pub use down::{
    CommandDown, ConfigDown, Decision, DecisionResult, Down, EventAck, HelloDown, HelloStatus,
    ListDown, Response, ResponseStatus, Show,
};
pub use event::{Body, Event, JobState, Log, LogEvent, Outcome, Passage, PassageBy, Sensor};
pub use order::{FirmwareManifest, LaneMode, NotAnOrder, OPS, Order, PrintJob};
pub use settings::{DeviceSettings, OfflineMode, OfflineSettings};
pub use up::{
    Ack, AckStatus, ConfigReport, Confirm, Credential, CredentialKind, Hello, Limits, Request,
    Scan, State, Telemetry,
};
pub use what::{ListChunk, OrderBody, OrderLine, OrderState, OrderTicket, What};

/// The version of the protocol that this crate speaks.
pub const VERSION: &str = "1.0";

/// How long a decision may take before the device decides for itself, by default.
pub const TTL_DEFAULT_MS: u32 = 1500;

/// How long a barrier waits for its visitor, by default.
pub const HOLD_DEFAULT_MS: u32 = 5000;

/// The most bytes of a list in one response, before Base64.
pub const CHUNK_MAX_BYTES: usize = 16 * 1024;

/// How many command ids a device keeps in mind.
pub const COMMANDS_KEPT: usize = 64;

/// How long a passage may be taken back by its handheld, in milliseconds.
pub const UNDO_WINDOW_MS: i64 = 300_000;

/// The most events in one `log` message.
pub const LOG_MAX_EVENTS: usize = 64;
