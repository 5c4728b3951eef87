//! A device's login later on: a new secret, and that it may not work any more.

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use shanmen_protocols::ids::DeviceId;
use utoipa::ToSchema;

use super::{
    App,
    body::{Body, Id},
    json,
    problem::Problem,
    roles::{ManageDevices, May},
};

/// How long an old secret stays good unless told otherwise, in seconds: ten minutes.
const GRACE_S: u32 = 600;

/// How the secret is to be replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateRequest)]
pub(super) struct Rotate {
    /// How many seconds the old secret stays good: 600 by default, 0 to 86,400. A restart of the
    /// program ends it earlier.
    #[serde(default = "grace")]
    grace_s: u32,
}

fn grace() -> u32 {
    GRACE_S
}

/// A device's new secret: told once.
#[derive(Serialize, ToSchema)]
pub(super) struct NewSecret {
    /// The device.
    device: String,
    /// Its login at the broker.
    username: String,
    /// Its secret.
    password: String,
    /// Until when the old one is good too (RFC 3339).
    old_good_until: String,
}

/// Why a device may not work any more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RevokeRequest)]
pub(super) struct Revoke {
    /// For the audit trail; 200 characters at most.
    reason: String,
}

/// A device that may not work any more.
#[derive(Serialize, ToSchema)]
pub(super) struct Revoked {
    /// The device.
    device: String,
    /// Connections that were cut; those at an outside broker are that broker's to cut.
    cut: usize,
}

/// Gives a device a new secret, told once; the old one stays good for a while.
#[utoipa::path(post, path = "/api/v1/devices/{id}/secret", tag = "devices",
    params(("id" = String, Path, description = "the device's id")),
    request_body = Rotate,
    responses((status = 200, description = "the new secret, told once", body = NewSecret)))]
pub(super) async fn secret(
    State(app): State<App>,
    caller: May<ManageDevices>,
    Id(id): Id<DeviceId>,
    Body(asked): Body<Rotate>,
) -> Result<Response, Problem> {
    let made = app.plane.rotate_secret(&id, asked.grace_s, &caller.user).await?;
    json(&NewSecret {
        device: made.device.to_string(),
        username: made.device.to_string(),
        password: made.password,
        old_good_until: app.times.text(made.old_good_until),
    })
}

/// Takes a device out of service: not let in again, and its connections are cut.
#[utoipa::path(post, path = "/api/v1/devices/{id}/revoke", tag = "devices",
    params(("id" = String, Path, description = "the device's id")),
    request_body = Revoke,
    responses((status = 200, description = "it may not work any more", body = Revoked)))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: May<ManageDevices>,
    Id(id): Id<DeviceId>,
    Body(asked): Body<Revoke>,
) -> Result<Response, Problem> {
    let cut = app.plane.revoke(&id, &asked.reason, &caller.user).await?;
    json(&Revoked { device: id.to_string(), cut })
}
