//! What is asked and told at the operators' desk: what happened at a device, which orders people
//! gave, and which ticket stands behind what somebody shows.

use serde_json::{Map, Value};
use shanmen_protocols::{
    device::CredentialKind,
    ids::{DeviceId, TicketId},
    time::UnixMs,
};

use super::TicketView;

/// Something that happened at a device: a presentation, a fact that it reported, an alarm about it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceEvent {
    /// When it happened.
    pub at: UnixMs,
    /// When a fact of the device came in; none for what happened here.
    pub received_at: Option<UnixMs>,
    /// `presentation`, the type of the fact (`passage`, `denied`, `mode` …), or `alarm`.
    pub kind: String,
    /// What belongs to it; never a credential.
    pub detail: Map<String, Value>,
}

/// Which commands of the fleet are asked for.
#[derive(Clone, Debug)]
pub struct CommandQuery {
    /// These ops only; empty for all.
    pub ops: Vec<String>,
    /// Of this person only.
    pub actor: Option<String>,
    /// To this device only.
    pub device: Option<DeviceId>,
    /// Sent since.
    pub since: UnixMs,
    /// At most so many, the newest first.
    pub limit: u32,
}

/// What somebody shows for a ticket. It has no `Debug`: it may hold a code or an ID number.
pub struct LookUp {
    /// A ticket's id, a code, a card's number.
    pub code: String,
    /// What it is, where the caller knows; none: what it looks like.
    pub kind: Option<CredentialKind>,
}

/// The ticket behind what was shown.
#[derive(Clone, Debug)]
pub struct FoundTicket {
    /// The ticket.
    pub ticket: TicketView,
    /// Other tickets on the same card or number.
    pub also: Vec<TicketId>,
    /// What it was found by: `id`, `code`, or the credential's type.
    pub by: &'static str,
    /// The code is of an earlier issue: another one has taken its place.
    pub superseded: bool,
}
