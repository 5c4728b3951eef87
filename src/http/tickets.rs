//! Tickets: issued, looked up, voided, frozen, issued anew. Their rules are the control plane's.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use shanmen_actors::api::{IssuedTicket, NewTicket};
use shanmen_protocols::ids::TicketId;
use shanmen_rules::Status;
use utoipa::ToSchema;

use super::{
    App,
    body::{Body, Id},
    json,
    problem::Problem,
    roles::{ChangeTickets, May, SeeTickets, Sell},
    views,
};

/// Tickets in one request; more are an import.
const TICKETS_MAX: usize = 1000;

/// The longest `Idempotency-Key`.
const KEY_MAX_BYTES: usize = 128;

/// The longest reason.
pub(super) const REASON_MAX_CHARS: usize = 500;

/// Tickets to be issued, all or none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// 1 to 1,000.
    #[schema(value_type = Vec<OrderLine>)]
    tickets: Vec<NewTicket>,
}

/// A ticket to be issued, for the document; [`NewTicket`] is what is read.
#[derive(Serialize, ToSchema)]
#[schema(as = NewTicket)]
pub(super) struct OrderLine {
    /// What is sold.
    product: String,
    /// The local visit date, `2026-10-01`.
    visit_date: Option<String>,
    /// The slot's start, local, `09:00`.
    slot: Option<String>,
    /// Persons, where the product leaves it open.
    persons: Option<u16>,
    /// Other credentials that lead to it.
    credentials: Option<Vec<Presented>>,
    /// The named holder, for real-name tickets.
    #[schema(value_type = Option<Object>)]
    holder: Option<serde_json::Value>,
    /// `issued` by default; `unpaid`, `frozen` …
    status: Option<String>,
    /// Its id, a UUID; omitted: a fresh one.
    id: Option<String>,
    /// How it is sold (渠道), a short code: `kiosk`, `counter`, `ota` …; `direct` by default.
    channel: Option<String>,
}

/// What is presented, for the document.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
pub(super) struct Presented {
    /// `qr`, `barcode`, `rfid`, `id_card`, `face`, `exchange_code`.
    r#type: String,
    /// The code, UID or number.
    data: String,
}

/// Issued tickets, in the order of the request.
#[derive(Serialize, ToSchema)]
pub(super) struct Issued {
    /// Their ids and signed codes.
    #[schema(value_type = Vec<IssuedLine>)]
    tickets: Vec<IssuedTicket>,
}

/// An issued ticket, for the document.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedTicket)]
pub(super) struct IssuedLine {
    /// Its id, a UUID.
    id: String,
    /// The signed code.
    code: String,
}

/// Why a ticket is changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// For the audit trail, 1 to 500 characters; no name and no ID number.
    pub(super) reason: String,
}

impl Why {
    /// The reason, if it is one.
    pub(super) fn checked(&self) -> Result<&str, Problem> {
        checked_reason(&self.reason)
    }
}

/// A reason for the audit trail, if it is one.
pub(super) fn checked_reason(reason: &str) -> Result<&str, Problem> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX_CHARS {
        return Err(Problem::invalid(format!("reason: 1 to {REASON_MAX_CHARS} characters")));
    }
    Ok(reason)
}

/// Issues tickets, all or none.
#[utoipa::path(post, path = "/api/v1/tickets", tag = "tickets", request_body = Order,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a retry safe: the same key gets the first answer")),
    responses((status = 200, description = "issued", body = Issued)))]
pub(super) async fn issue(
    State(app): State<App>,
    caller: May<Sell>,
    headers: HeaderMap,
    Body(order): Body<Order>,
) -> Result<Response, Problem> {
    if !(1..=TICKETS_MAX).contains(&order.tickets.len()) {
        return Err(Problem::invalid(format!("tickets: 1 to {TICKETS_MAX}; more are an import")));
    }
    let key = idempotency_key(&headers)?;
    let tickets = app.plane.issue(order.tickets, &caller.user, key).await?;
    json(&Issued { tickets })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=KEY_MAX_BYTES).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Problem::malformed(format!("Idempotency-Key: 1 to {KEY_MAX_BYTES} of ASCII"))),
    }
}

/// A ticket with its history.
#[utoipa::path(get, path = "/api/v1/tickets/{id}", tag = "tickets",
    params(("id" = String, Path, description = "the ticket's id")),
    responses((status = 200, description = "the ticket", body = views::Ticket)))]
pub(super) async fn show(
    State(app): State<App>,
    _: May<SeeTickets>,
    Id(id): Id<TicketId>,
) -> Result<Response, Problem> {
    let view = app.plane.ticket(id).await?;
    json(&views::Ticket::of(view, &app.times))
}

/// Makes a ticket void, for good.
#[utoipa::path(post, path = "/api/v1/tickets/{id}/void", tag = "tickets", request_body = Why,
    params(("id" = String, Path, description = "the ticket's id")),
    responses((status = 204, description = "done")))]
pub(super) async fn void(
    State(app): State<App>,
    caller: May<ChangeTickets>,
    Id(id): Id<TicketId>,
    Body(why): Body<Why>,
) -> Result<StatusCode, Problem> {
    set(&app, &caller, id, Status::Voided, &why).await
}

/// Puts a ticket on hold.
#[utoipa::path(post, path = "/api/v1/tickets/{id}/freeze", tag = "tickets", request_body = Why,
    params(("id" = String, Path, description = "the ticket's id")),
    responses((status = 204, description = "done")))]
pub(super) async fn freeze(
    State(app): State<App>,
    caller: May<ChangeTickets>,
    Id(id): Id<TicketId>,
    Body(why): Body<Why>,
) -> Result<StatusCode, Problem> {
    set(&app, &caller, id, Status::Frozen, &why).await
}

/// Takes a hold off a ticket.
#[utoipa::path(post, path = "/api/v1/tickets/{id}/unfreeze", tag = "tickets", request_body = Why,
    params(("id" = String, Path, description = "the ticket's id")),
    responses((status = 204, description = "done")))]
pub(super) async fn unfreeze(
    State(app): State<App>,
    caller: May<ChangeTickets>,
    Id(id): Id<TicketId>,
    Body(why): Body<Why>,
) -> Result<StatusCode, Problem> {
    set(&app, &caller, id, Status::Issued, &why).await
}

async fn set(
    app: &App,
    caller: &May<ChangeTickets>,
    id: TicketId,
    status: Status,
    why: &Why,
) -> Result<StatusCode, Problem> {
    app.plane.set_status(id, status, why.checked()?, &caller.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Issues a ticket anew: its old code is superseded.
#[utoipa::path(post, path = "/api/v1/tickets/{id}/reissue", tag = "tickets", request_body = Why,
    params(("id" = String, Path, description = "the ticket's id")),
    responses((status = 200, description = "the same ticket with its new code", body = IssuedLine)))]
pub(super) async fn reissue(
    State(app): State<App>,
    caller: May<ChangeTickets>,
    Id(id): Id<TicketId>,
    Body(why): Body<Why>,
) -> Result<Response, Problem> {
    json(&app.plane.reissue(id, why.checked()?, &caller.user).await?)
}
