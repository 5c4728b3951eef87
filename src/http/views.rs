//! What goes out: the control plane's views as the API writes them, moments as RFC 3339 text,
//! each with its schema for the `OpenAPI` document. Nothing here knows a request.

use serde::Serialize;
use serde_json::{Map, Value};
use shanmen_actors::api;
use utoipa::ToSchema;

use super::times::Times;

/// A ticket with its history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ticket {
    /// Its id, a UUID.
    id: String,
    /// What was sold.
    product: String,
    /// The product's class: `adult`, `child` …
    class: String,
    /// `unpaid`, `issued`, `frozen`, `refunded`, `voided`, `superseded`, `exchange_first`.
    #[schema(value_type = String)]
    status: shanmen_rules::Status,
    /// Persons.
    persons: u16,
    /// The issue number; a re-issue raises it.
    epoch: u16,
    /// The local visit date.
    visit_date: Option<String>,
    /// The slot's start, local.
    slot: Option<String>,
    /// When it was issued (RFC 3339).
    issued_at: String,
    /// What it still admits to.
    entitlements: Vec<Entitlement>,
    /// Entries so far.
    entries: u32,
    /// First entry (RFC 3339).
    first_entry: Option<String>,
    /// Last entry (RFC 3339).
    last_entry: Option<String>,
    /// Where its holders are.
    inside: Vec<Inside>,
    /// A grant is open for it.
    in_progress: bool,
    /// Presentations, newest first, at most 100.
    presentations: Vec<Presentation>,
    /// Passages, newest first, at most 100.
    passages: Vec<Passage>,
}

/// One entitlement of a ticket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entitlement {
    /// The areas.
    areas: Vec<String>,
    /// Uses left; null for unlimited.
    remaining: Option<u32>,
}

/// Where holders of a ticket are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Inside {
    /// The area.
    area: String,
    /// How many of them.
    persons: u16,
}

/// One presentation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Presentation {
    /// The scan's id, a UUID.
    id: String,
    /// When (RFC 3339).
    at: String,
    /// At which device.
    device: String,
    /// In which lane.
    lane: String,
    /// The answer: `grant`, `deny`, `more`.
    result: String,
    /// Why.
    reason: String,
    /// What was told with it: `used_at`, `gate`, `come_back_at` (times in ms since 1970) …
    #[schema(value_type = Option<Object>)]
    facts: Option<Value>,
}

/// One passage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Passage {
    /// The grant that it ended, a UUID.
    grant: Option<String>,
    /// When (RFC 3339).
    at: String,
    /// In which lane.
    lane: String,
    /// Of which gate.
    gate: String,
    /// `in` or `out`.
    direction: &'static str,
    /// How it ended.
    outcome: String,
    /// Persons.
    count: u32,
    /// On whose word.
    by: String,
}

impl Ticket {
    /// The view as the API writes it.
    pub(super) fn of(view: api::TicketView, times: &Times) -> Self {
        let entitlement =
            |e: api::EntitlementView| Entitlement { areas: e.areas, remaining: e.remaining };
        let presentation = |p: api::PresentationView| Presentation {
            id: p.id.to_string(),
            at: times.text(p.at),
            device: p.device,
            lane: p.lane,
            result: p.result,
            reason: p.reason,
            facts: p.facts,
        };
        let passage = |p: api::PassageView| Passage {
            grant: p.grant.map(|grant| grant.to_string()),
            at: times.text(p.at),
            lane: p.lane,
            gate: p.gate,
            direction: p.direction.as_str(),
            outcome: p.outcome,
            count: p.count,
            by: p.by,
        };
        let inside = |i: api::InsideView| Inside { area: i.area, persons: i.persons };
        Self {
            id: view.id.to_string(),
            product: view.product.to_string(),
            class: view.class,
            status: view.status,
            persons: view.persons,
            epoch: view.epoch,
            visit_date: view.visit_date,
            slot: view.slot,
            issued_at: times.text(view.issued_at),
            entitlements: view.entitlements.into_iter().map(entitlement).collect(),
            entries: view.entries,
            first_entry: times.maybe(view.first_entry),
            last_entry: times.maybe(view.last_entry),
            inside: view.inside.into_iter().map(inside).collect(),
            in_progress: view.in_progress,
            presentations: view.presentations.into_iter().map(presentation).collect(),
            passages: view.passages.into_iter().map(passage).collect(),
        }
    }
}

/// A grant without an outcome yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Grant {
    /// Its id, a UUID.
    id: String,
    /// Its ticket, a UUID; null for a free exit.
    ticket: Option<String>,
    /// The device.
    device: String,
    /// The lane.
    lane: String,
    /// `in` or `out`.
    direction: &'static str,
    /// Persons.
    persons: u16,
    /// When it was given (RFC 3339).
    granted_at: String,
    /// Its lane has been silent past the hold time.
    overdue: bool,
}

impl Grant {
    /// The view as the API writes it.
    pub(super) fn of(view: api::GrantView, times: &Times) -> Self {
        Self {
            id: view.id.to_string(),
            ticket: view.ticket.map(|ticket| ticket.to_string()),
            device: view.device,
            lane: view.lane,
            direction: view.direction.as_str(),
            persons: view.persons,
            granted_at: times.text(view.granted_at),
            overdue: view.overdue,
        }
    }
}

/// What came of a reported passage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PassageResult {
    /// The grant, a UUID.
    grant: String,
    /// How it ended; the first report counts.
    outcome: String,
    /// Persons that passed.
    count: u32,
    /// When the ledger had it (RFC 3339).
    committed_at: String,
}

impl PassageResult {
    /// The result as the API writes it.
    pub(super) fn of(result: api::PassageResult, times: &Times) -> Self {
        Self {
            grant: result.grant.to_string(),
            outcome: result.outcome,
            count: result.count,
            committed_at: times.text(result.committed_at),
        }
    }
}

/// A device of the fleet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Device {
    /// Its id.
    id: String,
    /// `turnstile`, `kiosk`, `handheld`, `printer`.
    kind: &'static str,
    /// The lane that it serves.
    lane: Option<String>,
    /// The gate that it serves.
    gate: Option<String>,
    /// `pending`, `approved`, `revoked`.
    #[schema(value_type = String)]
    status: api::DeviceStanding,
    /// Connected.
    online: bool,
    /// Serial number.
    serial: String,
    /// Model.
    model: String,
    /// Firmware version.
    firmware: String,
    /// Since when the session stands (RFC 3339).
    session_since: Option<String>,
    /// When it last said anything (RFC 3339).
    last_seen: Option<String>,
    /// When it last scanned (RFC 3339).
    last_scan: Option<String>,
    /// The last message that could not be taken.
    last_error: Option<DeviceError>,
    /// How far its clock is ahead of ours, in milliseconds.
    clock_skew_ms: Option<i64>,
    /// Grants without an outcome.
    open_grants: u32,
    /// The highest sequence number that the ledger has, all before it included.
    acked: u64,
    /// The last telemetry.
    #[schema(value_type = Object)]
    telemetry: Map<String, Value>,
    /// When it came (RFC 3339).
    telemetry_at: Option<String>,
    /// How its lane works: `normal free locked maintenance`; null where it has not said.
    #[schema(value_type = Option<String>)]
    mode: Option<shanmen_protocols::device::LaneMode>,
    /// The version of the configuration that it should have; null where nobody set one.
    config_desired: Option<u64>,
    /// The version that it says is in force.
    config_version: Option<u64>,
    /// The lists that it says it holds: name to version.
    lists: std::collections::BTreeMap<String, u64>,
}

/// A message that could not be taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceError {
    /// When (RFC 3339).
    at: String,
    /// What, where and how to mend it.
    problem: String,
}

impl Device {
    /// The view as the API writes it.
    pub(super) fn of(view: api::DeviceView, times: &Times) -> Self {
        let error = |e: api::DeviceError| DeviceError { at: times.text(e.at), problem: e.problem };
        Self {
            id: view.id.to_string(),
            kind: view.kind.as_str(),
            lane: view.lane.map(|lane| lane.to_string()),
            gate: view.gate.map(|gate| gate.to_string()),
            status: view.status,
            online: view.online,
            serial: view.serial,
            model: view.model,
            firmware: view.firmware,
            session_since: times.maybe(view.session_since),
            last_seen: times.maybe(view.last_seen),
            last_scan: times.maybe(view.last_scan),
            last_error: view.last_error.map(error),
            clock_skew_ms: view.clock_skew_ms,
            open_grants: view.open_grants,
            acked: view.acked,
            telemetry: view.telemetry,
            telemetry_at: times.maybe(view.telemetry_at),
            mode: view.reported.mode,
            config_desired: view.config_desired,
            config_version: view.reported.version,
            lists: view.reported.lists,
        }
    }
}
