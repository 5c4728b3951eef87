//! The operators' desk: what happened at a device, what people told the fleet, who is logged in and
//! what they did.

use std::collections::BTreeMap;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shanmen_actors::api::{CommandQuery, DeviceEvent};
use shanmen_protocols::ids::DeviceId;
use utoipa::ToSchema;

use super::{
    App,
    asked::{asked, rows, span},
    audit::{Trail, TrailLine},
    body::Id,
    commands::{Command, Commands},
    json,
    problem::Problem,
    roles::{self, Anyone, May, SeeDevices},
};

/// How many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HowMany {
    limit: Option<u32>,
}

/// What happened at a device.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    /// The newest first.
    events: Vec<Event>,
}

/// Something that happened at a device.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceEvent)]
pub(super) struct Event {
    /// When (RFC 3339).
    at: String,
    /// When a fact of the device came in (RFC 3339): later than `at` after an outage; null for what
    /// happened at the control plane.
    received_at: Option<String>,
    /// `presentation`, the type of a fact (`passage denied alarm mode job boot gap order redeem
    /// other`), or `alarm` for one that the control plane raised about the device.
    kind: String,
    /// What belongs to it, as in the device protocol; never a credential.
    #[schema(value_type = Object)]
    detail: Map<String, Value>,
}

/// What happened at a device: presentations, its facts, alarms about it.
#[utoipa::path(get, path = "/api/v1/devices/{id}/events", tag = "devices",
    params(("id" = String, Path, description = "the device's id"),
           ("limit" = Option<u32>, Query, description = "1 to 1,000; 100 by default")),
    responses((status = 200, description = "the newest first", body = Events)))]
pub(super) async fn events(
    State(app): State<App>,
    _: May<SeeDevices>,
    Id(id): Id<DeviceId>,
    how_many: Result<Query<HowMany>, QueryRejection>,
) -> Result<Response, Problem> {
    let limit = rows(asked(how_many, "limit")?.limit)?;
    let event = |event: DeviceEvent| Event {
        at: app.times.text(event.at),
        received_at: app.times.maybe(event.received_at),
        kind: event.kind,
        detail: event.detail,
    };
    let events = app.plane.device_events(&id, limit).await?;
    json(&Events { events: events.into_iter().map(event).collect() })
}

/// Which commands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    op: Option<String>,
    by: Option<String>,
    device: Option<DeviceId>,
    from: Option<String>,
    limit: Option<u32>,
}

/// The commands of the whole fleet, with who, why and what came of each.
#[utoipa::path(get, path = "/api/v1/commands", tag = "devices",
    params(("op" = Option<String>, Query, description = "these only, as `open,mode`"),
           ("by" = Option<String>, Query, description = "one person's only"),
           ("device" = Option<String>, Query, description = "to one device only"),
           ("from" = Option<String>, Query, description = "RFC 3339; a day ago by default"),
           ("limit" = Option<u32>, Query, description = "1 to 1,000; 100 by default")),
    responses((status = 200, description = "the newest first", body = Commands)))]
pub(super) async fn commands(
    State(app): State<App>,
    _: May<SeeDevices>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let which = asked(which, "op, by, device, from, limit")?;
    let (since, _) = span(&app, which.from.as_deref(), None)?;
    let ops = which.op.unwrap_or_default();
    let query = CommandQuery {
        ops: ops.split(',').map(str::trim).filter(|op| !op.is_empty()).map(Into::into).collect(),
        actor: which.by,
        device: which.device,
        since,
        limit: rows(which.limit)?,
    };
    let commands = app.plane.fleet_commands(query).await?;
    json(&Commands::new(commands.into_iter().map(|view| Command::of(view, &app.times)).collect()))
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// The login name, as it stands on the audit trail.
    user: String,
    /// The roles.
    roles: Vec<String>,
    /// What they may do: `operate`, `release`, `override_capacity`, `see_audit` …
    may: Vec<String>,
    /// What they may not do, each with the roles that may, besides `admin`.
    lacks: BTreeMap<String, Vec<&'static str>>,
    /// When the login is over (RFC 3339).
    expires: String,
}

/// Who is logged in, and what they may do.
#[utoipa::path(get, path = "/api/v1/me", tag = "login",
    responses((status = 200, description = "who is logged in", body = Me)))]
pub(super) async fn me(State(app): State<App>, caller: May<Anyone>) -> Result<Response, Problem> {
    let over = || Problem::unauthorized("the token is unknown or over; log in at /api/v1/login");
    let (user, roles, expires) = app.plane.token(&caller.digest).ok_or_else(over)?;
    let (may, lacks) = roles::duties_of(&roles);
    json(&Me { user, roles, may, lacks, expires: app.times.text(expires) })
}

/// What the caller has done, as it stands on the audit trail: everybody may see their own.
#[utoipa::path(get, path = "/api/v1/me/acts", tag = "login",
    params(("limit" = Option<u32>, Query, description = "1 to 1,000; 100 by default")),
    responses((status = 200, description = "the last day's, the newest first", body = Trail)))]
pub(super) async fn acts(
    State(app): State<App>,
    caller: May<Anyone>,
    how_many: Result<Query<HowMany>, QueryRejection>,
) -> Result<Response, Problem> {
    let limit = rows(asked(how_many, "limit")?.limit)?;
    let (since, _) = span(&app, None, None)?;
    let lines = app.plane.acts_of(&caller.user, since, limit).await?;
    json(&Trail::new(lines.into_iter().map(|line| TrailLine::of(line, &app.times)).collect()))
}
