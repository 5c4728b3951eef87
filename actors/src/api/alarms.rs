//! What is asked and told about alarms and conflicts.

use shanmen_protocols::{
    ids::{AreaId, DeviceId, LaneId, TicketId},
    time::UnixMs,
};

/// An alarm that is on, or was acknowledged just now.
#[derive(Clone, Debug)]
pub struct AlarmView {
    /// Its number.
    pub id: u64,
    /// What, as a stable code.
    pub code: String,
    /// The device concerned.
    pub device: Option<DeviceId>,
    /// The lane concerned.
    pub lane: Option<LaneId>,
    /// The area concerned.
    pub area: Option<AreaId>,
    /// Since when.
    pub raised_at: UnixMs,
    /// When it was over, if it is.
    pub cleared_at: Option<UnixMs>,
    /// When and by whom it was acknowledged, and what they noted.
    pub acknowledged: Option<(UnixMs, String, String)>,
}

/// Two facts that cannot both be right.
#[derive(Clone, Debug)]
pub struct ConflictView {
    /// Its number.
    pub id: i64,
    /// When the second of them happened.
    pub at: UnixMs,
    /// The ticket.
    pub ticket: Option<TicketId>,
    /// The device that reported it.
    pub device: String,
    /// What contradicts what, with both places.
    pub note: String,
}
