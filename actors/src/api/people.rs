//! What is asked and told about persons: who is not let in, and who swiped a card where.

use serde::Serialize;
use shanmen_protocols::{
    device::CredentialKind,
    ids::{Direction, TicketId},
    time::UnixMs,
};
use uuid::Uuid;

/// Somebody who is not let in. What they show is kept as a keyed digest only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedPerson {
    /// The entry's own id.
    pub id: Uuid,
    /// What it goes by: `id_card`, `face` …
    pub kind: CredentialKind,
    /// Since when.
    pub at: UnixMs,
    /// Who entered it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Which swipes are asked for.
#[derive(Clone, Debug)]
pub struct SwipeQuery {
    /// From here on.
    pub from: UnixMs,
    /// Up to here, not included.
    pub until: UnixMs,
    /// Of one ticket only.
    pub ticket: Option<TicketId>,
    /// At most so many, the newest first.
    pub limit: u32,
}

/// One swipe of a card (刷卡明细).
#[derive(Clone, Debug, Serialize)]
pub struct SwipeView {
    /// When.
    pub at: UnixMs,
    /// The card.
    pub ticket: TicketId,
    /// Its product's number; the program tells its name.
    pub product: u16,
    /// The named holder, as given at the issue.
    pub holder: Option<serde_json::Value>,
    /// At which device.
    pub device: String,
    /// In which lane.
    pub lane: String,
    /// Which way.
    pub direction: Direction,
    /// `grant`, `more`, `deny`; `passage` for one decided elsewhere (offline).
    pub result: &'static str,
    /// Why; on whose word for a `passage`.
    pub reason: String,
    /// How it ended, where there was something to end.
    pub outcome: Option<String>,
}
