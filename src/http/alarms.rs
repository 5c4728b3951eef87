//! Alarms and conflicts: what wants a person.

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::{Deserialize, Serialize};
use shanmen_actors::api;
use utoipa::ToSchema;

use super::{
    App,
    asked::{asked, rows},
    body::Body,
    json,
    problem::Problem,
    roles::{May, Release, SeeGrants},
    tickets::REASON_MAX_CHARS,
    times::Times,
};

/// The alarms that are on.
#[derive(Serialize, ToSchema)]
pub(super) struct Alarms {
    /// The newest first.
    alarms: Vec<Alarm>,
}

/// An alarm.
#[derive(Serialize, ToSchema)]
pub(super) struct Alarm {
    /// Its number.
    id: u64,
    /// What, as a stable code: `device_offline`, `grant_silent`, `area_level`, `jam` …
    code: String,
    /// The device concerned.
    device: Option<String>,
    /// The lane concerned.
    lane: Option<String>,
    /// The area concerned.
    area: Option<String>,
    /// Since when (RFC 3339).
    since: String,
    /// When it was over (RFC 3339); null while it is on.
    cleared: Option<String>,
    /// Who has seen it; null for nobody yet.
    acknowledged: Option<Acknowledged>,
}

/// Who has seen an alarm.
#[derive(Serialize, ToSchema)]
pub(super) struct Acknowledged {
    /// When (RFC 3339).
    at: String,
    /// Who.
    by: String,
    /// What they noted.
    note: String,
}

/// That somebody has seen it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// For whoever looks later, at most 500 characters; may be left out.
    #[serde(default, alias = "reason")]
    note: String,
}

/// Facts that contradict each other.
#[derive(Serialize, ToSchema)]
pub(super) struct Conflicts {
    /// The newest first.
    conflicts: Vec<Conflict>,
}

/// Two facts that cannot both be right, kept for a person.
#[derive(Serialize, ToSchema)]
pub(super) struct Conflict {
    /// Its number.
    id: i64,
    /// When the second of them happened (RFC 3339).
    at: String,
    /// The ticket, a UUID.
    ticket: Option<String>,
    /// The device that reported it.
    device: String,
    /// What contradicts what, with both places.
    note: String,
}

impl Alarm {
    fn of(view: api::AlarmView, times: &Times) -> Self {
        Self {
            id: view.id,
            code: view.code,
            device: view.device.map(|id| id.to_string()),
            lane: view.lane.map(|id| id.to_string()),
            area: view.area.map(|id| id.to_string()),
            since: times.text(view.raised_at),
            cleared: times.maybe(view.cleared_at),
            acknowledged: view.acknowledged.map(|(at, by, note)| Acknowledged {
                at: times.text(at),
                by,
                note,
            }),
        }
    }
}

/// The alarms that are on.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "operations",
    responses((status = 200, description = "the alarms", body = Alarms)))]
pub(super) async fn list(State(app): State<App>, _: May<SeeGrants>) -> Result<Response, Problem> {
    let alarms = app.plane.alarms().into_iter().map(|view| Alarm::of(view, &app.times)).collect();
    json(&Alarms { alarms })
}

/// Somebody has seen an alarm. Tailgating and the like are over with that.
#[utoipa::path(post, path = "/api/v1/alarms/{id}/acknowledge", tag = "operations",
    request_body = Note,
    params(("id" = u64, Path, description = "the alarm's number")),
    responses((status = 200, description = "the alarm as it is now", body = Alarm)))]
pub(super) async fn acknowledge(
    State(app): State<App>,
    caller: May<Release>,
    Path(id): Path<String>,
    Body(Note { note }): Body<Note>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::malformed("an alarm's id is a number"))?;
    if note.chars().count() > REASON_MAX_CHARS {
        return Err(Problem::invalid(format!("note: at most {REASON_MAX_CHARS} characters")));
    }
    let view = app.plane.acknowledge_alarm(id, note.trim(), &caller.user).await?;
    json(&Alarm::of(view, &app.times))
}

/// How many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    limit: Option<u32>,
}

/// What two gates that could not ask have let in twice.
#[utoipa::path(get, path = "/api/v1/conflicts", tag = "operations",
    params(("limit" = Option<u32>, Query, description = "1 to 1,000; 100 by default")),
    responses((status = 200, description = "the conflicts, the newest first", body = Conflicts)))]
pub(super) async fn conflicts(
    State(app): State<App>,
    _: May<SeeGrants>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let limit = rows(asked(which, "limit")?.limit)?;
    let conflicts = app.plane.conflicts(limit).await?.into_iter().map(|view| Conflict {
        id: view.id,
        at: app.times.text(view.at),
        ticket: view.ticket.map(|id| id.to_string()),
        device: view.device,
        note: view.note,
    });
    json(&Conflicts { conflicts: conflicts.collect() })
}
