//! The fleet: who is there, who may work, and claims for new devices.

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use shanmen_actors::api::ClaimRequest;
use shanmen_protocols::ids::DeviceId;
use utoipa::ToSchema;

use super::{
    App,
    body::{Body, Id},
    json,
    problem::Problem,
    roles::{ManageDevices, May, SeeDevices},
    views,
};

/// The fleet.
#[derive(Serialize, ToSchema)]
pub(super) struct Fleet {
    /// By id.
    devices: Vec<views::Device>,
}

/// A claim to be made, for the document; [`ClaimRequest`] is what is read.
#[derive(Serialize, ToSchema)]
#[schema(as = ClaimRequest)]
pub(super) struct ClaimFor {
    /// The device's id to be.
    device: String,
    /// `turnstile`, `kiosk`, `handheld`, `printer`.
    kind: String,
    /// The gate that it will serve.
    gate: Option<String>,
    /// The lane that it will serve.
    lane: Option<String>,
    /// How long the claim is good for; 15 by default, at most 10,080.
    minutes: Option<u32>,
}

/// A claim: told once.
#[derive(Serialize, ToSchema)]
pub(super) struct Claim {
    /// The one-time code.
    #[serde(rename = "claim")]
    code: String,
    /// The device.
    device: String,
    /// When it runs out (RFC 3339).
    expires: String,
}

/// All devices.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices",
    responses((status = 200, description = "the fleet", body = Fleet)))]
pub(super) async fn list(State(app): State<App>, _: May<SeeDevices>) -> Result<Response, Problem> {
    let fleet = app.plane.devices();
    let devices = fleet.into_iter().map(|view| views::Device::of(view, &app.times)).collect();
    json(&Fleet { devices })
}

/// One device.
#[utoipa::path(get, path = "/api/v1/devices/{id}", tag = "devices",
    params(("id" = String, Path, description = "the device's id")),
    responses((status = 200, description = "the device", body = views::Device)))]
pub(super) async fn show(
    State(app): State<App>,
    _: May<SeeDevices>,
    Id(id): Id<DeviceId>,
) -> Result<Response, Problem> {
    json(&views::Device::of(app.plane.device(&id)?, &app.times))
}

/// Lets a pending device work.
#[utoipa::path(post, path = "/api/v1/devices/{id}/approve", tag = "devices",
    params(("id" = String, Path, description = "the device's id")),
    responses((status = 204, description = "approved")))]
pub(super) async fn approve(
    State(app): State<App>,
    caller: May<ManageDevices>,
    Id(id): Id<DeviceId>,
) -> Result<StatusCode, Problem> {
    app.plane.approve(&id, &caller.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a one-time claim code, which a new device trades at `/enrol`.
#[utoipa::path(post, path = "/api/v1/devices/claims", tag = "devices",
    request_body = ClaimFor,
    responses((status = 200, description = "the claim, told once", body = Claim)))]
pub(super) async fn claim(
    State(app): State<App>,
    caller: May<ManageDevices>,
    Body(request): Body<ClaimRequest>,
) -> Result<Response, Problem> {
    let claim = app.plane.claim(request, &caller.user).await?;
    json(&Claim {
        code: claim.claim,
        device: claim.device.to_string(),
        expires: app.times.text(claim.expires_at),
    })
}
