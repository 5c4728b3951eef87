//! Shanmen's wire contract as types: MQTT topics and device messages, reasons, the signed
//! ticket code and the dashboard feed.
//!
//! Nothing here does I/O, reads a clock or decides anything. Both ends of every wire use these
//! types, so that a change of the contract is one change. The contract for vendors stands in
//! `protocols/README.md`.

pub mod code;
pub mod device;
pub mod digest;
pub mod feed;
pub mod ids;
pub mod list;
pub mod privacy;
pub mod reason;
pub mod time;
pub mod topic;

pub use ids::Direction;
pub use reason::Reason;
pub use time::UnixMs;
