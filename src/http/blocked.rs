//! People who are not let in: kept by keyed digests, told without any number.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use shanmen_actors::api;
use shanmen_protocols::device::Credential;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    App,
    body::{Body, Id},
    json,
    problem::Problem,
    roles::{BlockPersons, May},
    tickets::{Presented, Why, checked_reason},
    times::Times,
};

/// Somebody to be blocked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToBlock {
    /// What they show: an ID card's number, a face. Kept as a keyed digest only.
    #[schema(value_type = Presented)]
    credential: Credential,
    /// For the audit trail, 1 to 500 characters; no name and no ID number.
    reason: String,
}

/// People who are not let in.
#[derive(Serialize, ToSchema)]
pub(super) struct BlockedPersons {
    /// The newest first.
    persons: Vec<BlockedPerson>,
}

/// Somebody who is not let in.
#[derive(Serialize, ToSchema)]
pub(super) struct BlockedPerson {
    /// The entry's id, a UUID.
    id: String,
    /// What it goes by: `id_card`, `face` …
    r#type: &'static str,
    /// Since when (RFC 3339).
    since: String,
    /// Who entered it.
    by: String,
    /// Why.
    reason: String,
}

impl BlockedPerson {
    fn of(person: api::BlockedPerson, times: &Times) -> Self {
        Self {
            id: person.id.to_string(),
            r#type: person.kind.as_str(),
            since: times.text(person.at),
            by: person.actor,
            reason: person.reason,
        }
    }
}

/// People who are not let in.
#[utoipa::path(get, path = "/api/v1/blocked-persons", tag = "operations",
    responses((status = 200, description = "the list, without any number", body = BlockedPersons)))]
pub(super) async fn list(
    State(app): State<App>,
    _: May<BlockPersons>,
) -> Result<Response, Problem> {
    let persons = app.plane.blocked_persons();
    let persons = persons.into_iter().map(|one| BlockedPerson::of(one, &app.times)).collect();
    json(&BlockedPersons { persons })
}

/// Lets nobody in who shows this, nor with a ticket that it leads to (`blocked_person`).
#[utoipa::path(post, path = "/api/v1/blocked-persons", tag = "operations", request_body = ToBlock,
    responses((status = 201, description = "on the list", body = BlockedPerson)))]
pub(super) async fn block(
    State(app): State<App>,
    caller: May<BlockPersons>,
    Body(wanted): Body<ToBlock>,
) -> Result<Response, Problem> {
    let reason = checked_reason(&wanted.reason)?;
    let person = app.plane.block_person(wanted.credential, reason, &caller.user).await?;
    Ok((StatusCode::CREATED, json(&BlockedPerson::of(person, &app.times))?).into_response())
}

/// Lets somebody in again.
#[utoipa::path(post, path = "/api/v1/blocked-persons/{id}/unblock", tag = "operations",
    request_body = Why,
    params(("id" = String, Path, description = "the entry's id")),
    responses((status = 204, description = "off the list")))]
pub(super) async fn unblock(
    State(app): State<App>,
    caller: May<BlockPersons>,
    Id(id): Id<Uuid>,
    Body(why): Body<Why>,
) -> Result<StatusCode, Problem> {
    app.plane.unblock_person(id, why.checked()?, &caller.user).await?;
    Ok(StatusCode::NO_CONTENT)
}
