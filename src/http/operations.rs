//! Operations: grants without an outcome, and the feed's state now.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use shanmen_protocols::ids::GrantId;
use utoipa::ToSchema;

use super::{
    App,
    body::{Body, Id},
    json, json_bytes,
    problem::Problem,
    roles::{May, Release, SeeGrants},
    tickets::Why,
    views,
};

/// Which grants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Those without an outcome; settled ones stand in their ticket's history.
    #[serde(default = "yes")]
    open: bool,
}

fn yes() -> bool {
    true
}

/// Grants.
#[derive(Serialize, ToSchema)]
pub(super) struct Grants {
    /// Without an outcome yet.
    grants: Vec<views::Grant>,
}

/// Grants without an outcome yet.
#[utoipa::path(get, path = "/api/v1/grants", tag = "operations",
    params(("open" = Option<bool>, Query, description = "true: the only ones that are listed")),
    responses((status = 200, description = "the grants", body = Grants)))]
pub(super) async fn grants(
    State(app): State<App>,
    _: May<SeeGrants>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    if !which.is_ok_and(|Query(which)| which.open) {
        let detail = "ask for ?open=true; a settled grant stands in its ticket's history";
        return Err(Problem::malformed(detail));
    }
    let open = app.plane.open_grants();
    json(&Grants {
        grants: open.into_iter().map(|view| views::Grant::of(view, &app.times)).collect(),
    })
}

/// Ends a grant whose lane is silent: not taken.
#[utoipa::path(post, path = "/api/v1/grants/{id}/release", tag = "operations",
    request_body = Why,
    params(("id" = String, Path, description = "the grant's id")),
    responses((status = 204, description = "released")))]
pub(super) async fn release(
    State(app): State<App>,
    caller: May<Release>,
    Id(grant): Id<GrantId>,
    Body(why): Body<Why>,
) -> Result<StatusCode, Problem> {
    app.plane.release(grant, why.checked()?, &caller.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The feed's state now, in the form of the frame that a viewer gets first. Without a login where
/// `[dashboards] open` lets anyone watch.
#[utoipa::path(get, path = "/api/v1/feed/snapshot", tag = "operations",
    security((), ("token" = [])),
    responses((status = 200, description = "a snapshot frame, as on /feed", body = Object)))]
pub(super) async fn snapshot(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.watcher(&headers)?;
    let state = app.plane.feed_snapshot().await;
    Ok(json_bytes(app.hub.frame_of(&state, app.plane.clock().now())))
}
