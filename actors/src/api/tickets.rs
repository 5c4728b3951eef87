//! Tickets as they are sold, imported and looked at, with what is on record of them.

use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    device::Credential,
    ids::{Channel, Direction, GrantId, ProductId, ScanId, TicketId},
    time::UnixMs,
};
use shanmen_rules::Status;

/// A ticket to be issued.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTicket {
    /// Its id; none for a fresh one (an import may bring its own).
    #[serde(default)]
    pub id: Option<TicketId>,
    /// What is sold.
    pub product: ProductId,
    /// The local visit date, `2026-10-01`.
    #[serde(default)]
    pub visit_date: Option<String>,
    /// The slot's start, local, `09:00`.
    #[serde(default)]
    pub slot: Option<String>,
    /// Persons, where the product leaves it open.
    #[serde(default)]
    pub persons: Option<u16>,
    /// Other credentials that lead to it: a card's UID, an ID number, a partner's code.
    #[serde(default)]
    pub credentials: Vec<Credential>,
    /// The named holder, for real-name tickets; never enters a log, a feed or a metric.
    #[serde(default)]
    pub holder: Option<serde_json::Value>,
    /// `unpaid`, `issued` (the default), `frozen` …
    #[serde(default)]
    pub status: Option<Status>,
    /// How it is sold; `direct` by default.
    #[serde(default)]
    pub channel: Option<Channel>,
}

/// An issued ticket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuedTicket {
    /// Its id.
    pub id: TicketId,
    /// The signed code.
    pub code: String,
}

/// A line of an import that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong and how to mend it.
    pub reason: String,
}

/// A ticket as its seller or an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct TicketView {
    /// Its id.
    pub id: TicketId,
    /// What was sold.
    pub product: ProductId,
    /// The product's class.
    pub class: String,
    /// `issued`, `refunded` …
    pub status: Status,
    /// Persons.
    pub persons: u16,
    /// The issue number; a re-issue raises it.
    pub epoch: u16,
    /// The local visit date.
    pub visit_date: Option<String>,
    /// The slot's start, local.
    pub slot: Option<String>,
    /// When it was issued.
    pub issued_at: UnixMs,
    /// For each entitlement its areas and remaining uses (`null`: unlimited).
    pub entitlements: Vec<EntitlementView>,
    /// Entries so far.
    pub entries: u32,
    /// First entry.
    pub first_entry: Option<UnixMs>,
    /// Last entry.
    pub last_entry: Option<UnixMs>,
    /// Where its holders are.
    pub inside: Vec<InsideView>,
    /// A grant is open for it.
    pub in_progress: bool,
    /// Presentations, newest first, at most 100.
    pub presentations: Vec<PresentationView>,
    /// Passages, newest first, at most 100.
    pub passages: Vec<PassageView>,
}

/// One entitlement of a ticket.
#[derive(Clone, Debug, Serialize)]
pub struct EntitlementView {
    /// The areas.
    pub areas: Vec<String>,
    /// Uses left; none for unlimited.
    pub remaining: Option<u32>,
}

/// Where holders of a ticket are.
#[derive(Clone, Debug, Serialize)]
pub struct InsideView {
    /// The area.
    pub area: String,
    /// How many of them.
    pub persons: u16,
}

/// One presentation on record.
#[derive(Clone, Debug, Serialize)]
pub struct PresentationView {
    /// The scan.
    pub id: ScanId,
    /// When.
    pub at: UnixMs,
    /// At which device.
    pub device: String,
    /// In which lane.
    pub lane: String,
    /// The answer: `grant`, `deny`, `more`.
    pub result: String,
    /// Why.
    pub reason: String,
    /// What was told with it: when and where it was used, when to come back.
    pub facts: Option<serde_json::Value>,
}

/// One passage on record.
#[derive(Clone, Debug, Serialize)]
pub struct PassageView {
    /// The grant that it ended.
    pub grant: Option<GrantId>,
    /// When it happened.
    pub at: UnixMs,
    /// In which lane.
    pub lane: String,
    /// Of which gate.
    pub gate: String,
    /// Which way.
    pub direction: Direction,
    /// How it ended.
    pub outcome: String,
    /// Persons.
    pub count: u32,
    /// On whose word.
    pub by: String,
}
