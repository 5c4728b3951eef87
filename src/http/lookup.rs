//! The ticket behind what a visitor shows. By POST, so that a code stands in no URL and no log.

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use shanmen_actors::api::LookUp;
use shanmen_protocols::device::CredentialKind;
use utoipa::ToSchema;

use super::{
    App,
    body::Body,
    json,
    problem::Problem,
    roles::{May, SeeTickets},
    views,
};

/// What is shown. It has no `Debug`: it may hold a code or an ID number.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    /// A ticket's id, a code, a card's number; 1 to 512 bytes.
    code: String,
    /// `qr barcode rfid id_card face exchange_code`; left out: what it looks like.
    #[serde(default, rename = "type")]
    #[schema(value_type = Option<String>)]
    kind: Option<CredentialKind>,
}

/// The ticket behind it.
#[derive(Serialize, ToSchema)]
pub(super) struct LookedUp {
    /// The ticket with its history.
    #[serde(flatten)]
    ticket: views::Ticket,
    /// Other tickets on the same card or number, by id.
    also: Vec<String>,
    /// What it was found by: `id`, `code`, or the type of what was shown.
    found_by: &'static str,
    /// The code shown is of an earlier issue: another one has taken its place.
    code_superseded: bool,
}

/// The ticket behind a code, a number or an id, with its history. On the audit trail, under the
/// ticket's id.
#[utoipa::path(post, path = "/api/v1/tickets/lookup", tag = "tickets", request_body = Shown,
    responses((status = 200, description = "the ticket", body = LookedUp)))]
pub(super) async fn look_up(
    State(app): State<App>,
    caller: May<SeeTickets>,
    Body(shown): Body<Shown>,
) -> Result<Response, Problem> {
    let shown = LookUp { code: shown.code, kind: shown.kind };
    let found = app.plane.look_up(shown, &caller.user).await?;
    json(&LookedUp {
        ticket: views::Ticket::of(found.ticket, &app.times),
        also: found.also.iter().map(ToString::to_string).collect(),
        found_by: found.by,
        code_superseded: found.superseded,
    })
}
