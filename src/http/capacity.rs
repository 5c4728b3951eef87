//! The room in the areas (最大承载量): counts, levels, and the operator's override.

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use shanmen_actors::api;
use shanmen_protocols::ids::AreaId;
use shanmen_rules::{Limits, definition::CapacityAction};
use utoipa::ToSchema;

use super::{
    App,
    body::{Body, Id},
    json,
    problem::Problem,
    roles::{May, OverrideCapacity, SeeCapacity},
    tickets::checked_reason,
    times::Times,
};

/// All areas.
#[derive(Serialize, ToSchema)]
pub(super) struct Areas {
    /// In the order of the configuration.
    areas: Vec<Area>,
}

/// An area's counts against its capacity.
#[derive(Serialize, ToSchema)]
pub(super) struct Area {
    /// Its id.
    id: String,
    /// What it bears.
    capacity: Persons,
    /// Where entry stops: the capacity, or a share of it where a level says so.
    entry_limit: Persons,
    /// Persons inside, sub-areas included.
    inside: u32,
    /// Places given away by grants without an outcome.
    reserved: u32,
    /// Entries of this business day.
    entries_today: u32,
    /// Persons of the tickets sold for this business day.
    sold_today: u32,
    /// `announce`, `slow`, `stop_sales`, `stop_entry`: what is done at the levels reached.
    #[schema(value_type = Vec<String>)]
    actions: Vec<CapacityAction>,
    /// Who lets people in although it is full; null for nobody.
    r#override: Option<Override>,
}

/// Persons; null for no limit.
#[derive(Serialize, ToSchema)]
pub(super) struct Persons {
    /// At one time.
    instant: Option<u32>,
    /// In one business day.
    daily: Option<u32>,
}

/// An override.
#[derive(Serialize, ToSchema)]
pub(super) struct Override {
    /// Its end (RFC 3339).
    until: String,
    /// Its beginning (RFC 3339).
    since: String,
    /// Who.
    by: String,
    /// Why.
    reason: String,
}

/// An override to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToOverride {
    /// For how long, 1 to 1,440; 0 ends it.
    minutes: u32,
    /// For the audit trail, 1 to 500 characters.
    reason: String,
}

impl Area {
    fn of(view: api::CapacityView, times: &Times) -> Self {
        let persons = |limits: Limits| Persons { instant: limits.instant, daily: limits.daily };
        Self {
            id: view.area.to_string(),
            capacity: persons(view.capacity),
            entry_limit: persons(view.entry_limits),
            inside: view.inside,
            reserved: view.reserved,
            entries_today: view.entries_today,
            sold_today: view.sold_today,
            actions: view.actions,
            r#override: view.override_on.map(|held| Override {
                until: times.text(held.until),
                since: times.text(held.since),
                by: held.actor,
                reason: held.reason,
            }),
        }
    }
}

/// All areas' counts against their capacities.
#[utoipa::path(get, path = "/api/v1/capacity", tag = "operations",
    responses((status = 200, description = "the areas", body = Areas)))]
pub(super) async fn list(State(app): State<App>, _: May<SeeCapacity>) -> Result<Response, Problem> {
    let areas = app.plane.capacity();
    json(&Areas { areas: areas.into_iter().map(|view| Area::of(view, &app.times)).collect() })
}

/// Lets people into an area although it is full, for a time and on record.
#[utoipa::path(post, path = "/api/v1/areas/{id}/override", tag = "operations",
    request_body = ToOverride,
    params(("id" = String, Path, description = "the area's id")),
    responses((status = 200, description = "the area as it is now", body = Area)))]
pub(super) async fn set(
    State(app): State<App>,
    caller: May<OverrideCapacity>,
    Id(area): Id<AreaId>,
    Body(wanted): Body<ToOverride>,
) -> Result<Response, Problem> {
    let reason = checked_reason(&wanted.reason)?;
    let view = app.plane.override_capacity(&area, wanted.minutes, reason, &caller.user).await?;
    json(&Area::of(view, &app.times))
}
