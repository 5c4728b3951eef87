//! Presentations by systems without MQTT: the same path as a lane's scan, the same answer.

use std::borrow::Cow;

use axum::{extract::State, response::Response};
use serde::Serialize;
use shanmen_actors::api::{AdmissionRequest, PassageRequest};
use shanmen_protocols::{device::Down, ids::GrantId};
use utoipa::ToSchema;

use super::{
    App,
    body::{Body, Id},
    json,
    problem::Problem,
    roles::{Admit, May},
    tickets::Presented,
    views,
};

/// A presentation, for the document; [`AdmissionRequest`] is what is read.
#[derive(Serialize, ToSchema)]
#[schema(as = AdmissionRequest)]
pub(super) struct Admission {
    /// The idempotency key, a UUID: a repeat gets the first answer.
    id: String,
    /// The lane.
    lane: String,
    /// `in` (the default) or `out`.
    direction: Option<String>,
    /// What was presented.
    credential: Presented,
    /// What has been confirmed since an earlier `more`: `{"attendant": true}`.
    #[schema(value_type = Option<Object>)]
    confirm: Option<()>,
}

/// The decision, for the document; it is written exactly as over MQTT.
#[derive(Serialize, ToSchema)]
#[schema(as = Decision)]
pub(super) struct Decided {
    /// `decision`, as every downlink names its type.
    r#type: String,
    /// The presentation that it answers.
    id: String,
    /// `grant`, `deny` or `more`.
    result: String,
    /// The permission to pass: report its end to `/api/v1/admissions/{grant}/passage`.
    grant: Option<String>,
    /// Why; `ok` for a grant.
    reason: String,
    /// Persons that may pass.
    persons: u32,
    /// How long the barrier waits, in milliseconds.
    hold_ms: u32,
    /// What is still needed.
    needs: Vec<String>,
    /// What the lane shows and says.
    #[schema(value_type = Object)]
    show: Cow<'static, str>,
    /// What helps the visitor.
    #[schema(value_type = Object)]
    facts: Cow<'static, str>,
}

/// How a passage ended, for the document; [`PassageRequest`] is what is read.
#[derive(Serialize, ToSchema)]
#[schema(as = PassageRequest)]
pub(super) struct Passed {
    /// `taken`, `partial`, `not_taken`.
    outcome: String,
    /// Persons; may be left out for `taken` and `not_taken`.
    count: Option<u32>,
}

/// Presents a credential at a lane.
#[utoipa::path(post, path = "/api/v1/admissions", tag = "admissions",
    request_body = Admission,
    responses((status = 200, description = "the decision; a refusal is an answer too", body = Decided)))]
pub(super) async fn admit(
    State(app): State<App>,
    _: May<Admit>,
    Body(request): Body<AdmissionRequest>,
) -> Result<Response, Problem> {
    json(&Down::Decision(app.plane.admit(request).await?))
}

/// Reports how a grant ended.
#[utoipa::path(post, path = "/api/v1/admissions/{grant}/passage", tag = "admissions",
    request_body = Passed,
    params(("grant" = String, Path, description = "the grant of the decision")),
    responses((status = 200, description = "on record; the first report counts", body = views::PassageResult)))]
pub(super) async fn passage(
    State(app): State<App>,
    _: May<Admit>,
    Id(grant): Id<GrantId>,
    Body(request): Body<PassageRequest>,
) -> Result<Response, Problem> {
    let result = app.plane.passage(grant, request).await?;
    json(&views::PassageResult::of(result, &app.times))
}
