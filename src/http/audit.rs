//! The audit trail: who did what to what, and why.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::{Deserialize, Serialize};
use shanmen_actors::api::{AuditLine, AuditQuery};
use utoipa::ToSchema;

use super::{
    App,
    asked::{asked, rows, span},
    json,
    problem::Problem,
    roles::{May, SeeAudit},
    times::Times,
};

/// Which lines.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    action: Option<String>,
    target: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<u32>,
}

/// Lines of the audit trail.
#[derive(Serialize, ToSchema)]
pub(super) struct Trail {
    /// The newest first.
    lines: Vec<TrailLine>,
}

/// One line: who did what to what, and why.
#[derive(Serialize, ToSchema)]
pub(super) struct TrailLine {
    /// When (RFC 3339).
    at: String,
    /// Who.
    actor: String,
    /// What, as a stable word: `ticket.void`, `product.put` …
    action: String,
    /// On what.
    target: String,
    /// Why, and what else helps.
    note: String,
}

impl Trail {
    /// Of these lines.
    pub(super) fn new(lines: Vec<TrailLine>) -> Self {
        Self { lines }
    }
}

impl TrailLine {
    /// The line as the API writes it.
    pub(super) fn of(line: AuditLine, times: &Times) -> Self {
        Self {
            at: times.text(line.at),
            actor: line.actor,
            action: line.action,
            target: line.target,
            note: line.note,
        }
    }
}

/// The audit trail.
#[utoipa::path(get, path = "/api/v1/audit", tag = "operations",
    params(("action" = Option<String>, Query, description = "actions that begin so, as `product.`"),
           ("target" = Option<String>, Query, description = "one target only"),
           ("from" = Option<String>, Query, description = "RFC 3339; a day before `to` by default"),
           ("to" = Option<String>, Query, description = "RFC 3339, not included; now by default"),
           ("limit" = Option<u32>, Query, description = "1 to 1,000; 100 by default")),
    responses((status = 200, description = "the lines, the newest first", body = Trail)))]
pub(super) async fn list(
    State(app): State<App>,
    _: May<SeeAudit>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let which = asked(which, "action, target, from, to, limit")?;
    let (from, until) = span(&app, which.from.as_deref(), which.to.as_deref())?;
    let query = AuditQuery {
        from,
        until,
        limit: rows(which.limit)?,
        action: which.action.unwrap_or_default(),
        target: which.target,
    };
    let lines = app.plane.audit_trail(query).await?;
    json(&Trail::new(lines.into_iter().map(|line| TrailLine::of(line, &app.times)).collect()))
}
