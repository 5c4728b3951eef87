//! Alive, ready, and the numbers.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;

/// Whether visitors can be taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(super) struct ReadyBody {
    /// `ready`, or `not_ready` while a part is missing.
    status: &'static str,
    /// The ledger commits.
    ledger: bool,
    /// The broker is up, or connected.
    broker: bool,
    /// All tickets are in memory.
    hot_state: bool,
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, description = "alive", body = String, content_type = "text/plain")))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Visitors can be taken: the ledger, the broker and the hot state are there.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "ready", body = ReadyBody),
    (status = 503, description = "not ready; the parts that are not are false", body = ReadyBody)))]
pub(super) async fn ready(State(app): State<App>) -> Response {
    let parts = app.plane.readiness();
    let (status, word) = if parts.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    let body = ReadyBody {
        status: word,
        ledger: parts.ledger,
        broker: parts.broker,
        hot_state: parts.hot_state,
    };
    (status, axum::Json(body)).into_response()
}

/// All metrics in Prometheus' text form.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let form = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (form, app.metrics.render()).into_response()
}
