//! Orders to the fleet: commands, configurations, the emergency.

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shanmen_actors::api::{self, CommandRequest};
use shanmen_protocols::ids::DeviceId;
use utoipa::ToSchema;

use super::{
    App,
    body::{Body, Id},
    json,
    problem::Problem,
    roles::{ManageDevices, May, Operate, Release, SeeDevices},
    tickets::checked_reason,
    times::Times,
};

/// A command to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToSend {
    /// `reboot sync diagnose config firmware open mode clear message print cancel logout assign`, by
    /// kind of device.
    op: String,
    /// What the op needs, as in the device protocol.
    #[serde(default)]
    #[schema(value_type = Object)]
    args: Map<String, Value>,
    /// For the audit trail, 1 to 500 characters.
    reason: String,
    /// How long it is good for, 1,000 to 600,000; 10,000 by default.
    #[serde(default)]
    ttl_ms: Option<u32>,
}

/// Commands of a device.
#[derive(Serialize, ToSchema)]
pub(super) struct Commands {
    /// The newest first, at most 100.
    commands: Vec<Command>,
}

impl Commands {
    /// These.
    pub(super) fn new(commands: Vec<Command>) -> Self {
        Self { commands }
    }
}

/// A command, and what came of it.
#[derive(Serialize, ToSchema)]
pub(super) struct Command {
    /// Its id, a UUID.
    id: String,
    /// The device that was told.
    device: String,
    /// What to do.
    op: String,
    /// With what; of a print job only its id.
    #[schema(value_type = Object)]
    args: Map<String, Value>,
    /// `sent received done failed rejected expired duplicate unanswered`.
    state: &'static str,
    /// Who.
    by: String,
    /// Why.
    reason: String,
    /// When it was sent (RFC 3339).
    sent_at: String,
    /// How long it was good for.
    ttl_ms: u32,
    /// When the device last answered (RFC 3339).
    answered_at: Option<String>,
    /// Why it did not end well.
    why: Option<String>,
    /// What came of it.
    #[schema(value_type = Object)]
    result: Option<Value>,
}

impl Command {
    pub(super) fn of(view: api::CommandView, times: &Times) -> Self {
        Self {
            id: view.id.to_string(),
            device: view.device.to_string(),
            op: view.op,
            args: view.args,
            state: view.state.as_str(),
            by: view.actor,
            reason: view.reason,
            sent_at: times.text(view.sent_at),
            ttl_ms: view.ttl_ms,
            answered_at: view.answered_at.map(|at| times.text(at)),
            why: view.why,
            result: view.result,
        }
    }
}

/// Sends a command: on record before it leaves, sent once, to the session that is connected.
#[utoipa::path(post, path = "/api/v1/devices/{id}/commands", tag = "devices",
    request_body = ToSend,
    params(("id" = String, Path, description = "the device's id")),
    responses((status = 202, description = "sent; ask for its state", body = Command)))]
pub(super) async fn send(
    State(app): State<App>,
    caller: May<Operate>,
    Id(id): Id<DeviceId>,
    Body(wanted): Body<ToSend>,
) -> Result<(StatusCode, Response), Problem> {
    let reason = checked_reason(&wanted.reason)?.to_owned();
    let request =
        CommandRequest { op: wanted.op, args: wanted.args, reason, ttl_ms: wanted.ttl_ms };
    let sent = app.plane.command(&id, request, &caller.user).await?;
    Ok((StatusCode::ACCEPTED, json(&Command::of(sent, &app.times))?))
}

/// The commands of a device, with who, why and what came of each.
#[utoipa::path(get, path = "/api/v1/devices/{id}/commands", tag = "devices",
    params(("id" = String, Path, description = "the device's id")),
    responses((status = 200, description = "the newest first", body = Commands)))]
pub(super) async fn list(
    State(app): State<App>,
    _: May<SeeDevices>,
    Id(id): Id<DeviceId>,
) -> Result<Response, Problem> {
    let commands = app.plane.commands(&id).await?;
    json(&Commands {
        commands: commands.into_iter().map(|view| Command::of(view, &app.times)).collect(),
    })
}

/// A device's configuration: what it should have, and what it says.
#[derive(Serialize, ToSchema)]
pub(super) struct Config {
    /// What it should have; null where nobody set one.
    desired: Option<Desired>,
    /// What it says, at its last word on it.
    reported: Reported,
}

/// What a device should have.
#[derive(Serialize, ToSchema)]
pub(super) struct Desired {
    /// From 1.
    version: u64,
    /// The document.
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    /// When it was set (RFC 3339).
    at: String,
    /// By whom.
    by: String,
    /// Why.
    reason: String,
}

/// What a device says of itself.
#[derive(Serialize, ToSchema)]
pub(super) struct Reported {
    /// When (RFC 3339).
    at: Option<String>,
    /// The version in force.
    version: Option<u64>,
    /// The version that it refused.
    refused: Option<u64>,
    /// For each key that it refused, why.
    rejects: std::collections::BTreeMap<String, String>,
    /// The lists that it holds: name to version.
    lists: std::collections::BTreeMap<String, u64>,
    /// `normal free locked maintenance`.
    #[schema(value_type = Option<String>)]
    mode: Option<shanmen_protocols::device::LaneMode>,
}

impl Desired {
    fn of(view: api::ConfigView, times: &Times) -> Self {
        Self {
            version: view.version,
            config: view.config,
            at: times.text(view.at),
            by: view.actor,
            reason: view.reason,
        }
    }
}

/// A configuration to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToSet {
    /// The whole document: keys as in the device protocol, vendor keys begin `x-`.
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    /// The version that was read, against two people at once; left out, the last one wins.
    #[serde(default)]
    version: Option<u64>,
    /// For the audit trail, 1 to 500 characters.
    reason: String,
}

/// A device's configuration: what it should have, and what it says.
#[utoipa::path(get, path = "/api/v1/devices/{id}/config", tag = "devices",
    params(("id" = String, Path, description = "the device's id")),
    responses((status = 200, description = "desired and reported", body = Config)))]
pub(super) async fn config(
    State(app): State<App>,
    _: May<SeeDevices>,
    Id(id): Id<DeviceId>,
) -> Result<Response, Problem> {
    let desired = app.plane.config(&id)?.map(|view| Desired::of(view, &app.times));
    let said = app.plane.device(&id)?.reported;
    let reported = Reported {
        at: said.at.map(|at| app.times.text(at)),
        version: said.version,
        refused: said.refused,
        rejects: said.rejects,
        lists: said.lists,
        mode: said.mode,
    };
    json(&Config { desired, reported })
}

/// Sets a device's configuration: sent at once where it is connected, else at its next hello.
#[utoipa::path(put, path = "/api/v1/devices/{id}/config", tag = "devices",
    request_body = ToSet,
    params(("id" = String, Path, description = "the device's id")),
    responses((status = 200, description = "what it should have now", body = Desired)))]
pub(super) async fn set_config(
    State(app): State<App>,
    caller: May<ManageDevices>,
    Id(id): Id<DeviceId>,
    Body(wanted): Body<ToSet>,
) -> Result<Response, Problem> {
    let reason = checked_reason(&wanted.reason)?;
    let set =
        app.plane.set_config(&id, wanted.config, wanted.version, reason, &caller.user).await?;
    json(&Desired::of(set, &app.times))
}

/// The fire release.
#[derive(Serialize, ToSchema)]
pub(super) struct Emergency {
    /// Whether every lane stands open.
    on: bool,
    /// Since when it is so (RFC 3339).
    since: Option<String>,
    /// By whom.
    by: String,
    /// Why.
    reason: String,
}

impl Emergency {
    fn of(view: api::EmergencyView, times: &Times) -> Self {
        Self {
            on: view.on,
            since: view.since.map(|at| times.text(at)),
            by: view.actor,
            reason: view.reason,
        }
    }
}

/// A fire release to be begun or ended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToRelease {
    /// Begins or ends.
    on: bool,
    /// For the audit trail, 1 to 500 characters.
    reason: String,
}

/// Whether every lane stands open (消防联动).
#[utoipa::path(get, path = "/api/v1/emergency", tag = "operations",
    responses((status = 200, description = "as it is", body = Emergency)))]
pub(super) async fn emergency(
    State(app): State<App>,
    _: May<SeeDevices>,
) -> Result<Response, Problem> {
    json(&Emergency::of(app.plane.emergency(), &app.times))
}

/// Opens every lane, or ends that. Passages meanwhile count as `emergency`.
#[utoipa::path(post, path = "/api/v1/emergency", tag = "operations", request_body = ToRelease,
    responses((status = 200, description = "as it is now", body = Emergency)))]
pub(super) async fn set_emergency(
    State(app): State<App>,
    caller: May<Release>,
    Body(wanted): Body<ToRelease>,
) -> Result<Response, Problem> {
    let reason = checked_reason(&wanted.reason)?;
    let now = app.plane.set_emergency(wanted.on, reason, &caller.user).await?;
    json(&Emergency::of(now, &app.times))
}
