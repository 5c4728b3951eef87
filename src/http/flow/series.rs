//! Counts of visitors over time.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::{Deserialize, Serialize};
use shanmen_actors::api::{Counted, FlowBy, FlowQuery, Series};
use utoipa::ToSchema;

use super::{Name, bucket, by, counts, off_thread, span};
use crate::http::{
    App,
    asked::asked,
    json,
    problem::Problem,
    roles::{May, SeeFlow},
};

/// Which series.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Which {
    from: Option<String>,
    to: Option<String>,
    bucket: Option<String>,
    by: Option<String>,
}

/// Counts of visitors over time.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Flow {
    /// When the first bucket begins (RFC 3339).
    from: String,
    /// When the last one ends (RFC 3339); it may be still to come.
    to: String,
    /// `1m`, `5m`, `15m`, `1h`, `1d`.
    bucket: &'static str,
    /// What it is counted by.
    by: &'static str,
    /// The site's IANA time zone.
    timezone: String,
    /// When each bucket begins (RFC 3339).
    at: Vec<String>,
    /// One for each key; areas and gates also where nobody came.
    series: Vec<Line>,
}

/// The counts of one key, one number for each bucket.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowLine)]
pub(in crate::http) struct Line {
    /// The id as it was at the time.
    key: String,
    /// What people call it now.
    name: Name,
    /// Persons in, re-entries among them.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    entered: Option<Vec<u32>>,
    /// Persons out.
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<Vec<u32>>,
    /// Presentations refused; not by product, class or channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    denied: Option<Vec<u32>>,
    /// Most persons at one time; by site and area only.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak: Option<Vec<u32>>,
}

impl Line {
    fn of(by: FlowBy, series: Series) -> Self {
        let of = |wanted: bool, count: fn(&Counted) -> u32| {
            wanted.then(|| series.counts.iter().map(count).collect())
        };
        let sold = matches!(by, FlowBy::Product | FlowBy::Class | FlowBy::Channel);
        Self {
            entered: of(by != FlowBy::Reason, |counted| counted.entered),
            out: of(by != FlowBy::Reason, |counted| counted.gone),
            denied: of(!sold, |counted| counted.denied),
            peak: of(matches!(by, FlowBy::Site | FlowBy::Area), |counted| counted.peak),
            key: series.key,
            name: series.name.into(),
        }
    }
}

/// Counts of visitors over time (客流).
#[utoipa::path(get, path = "/api/v1/flow", tag = "history",
    params(("from" = Option<String>, Query, description = "RFC 3339 or a business date; the day of `to` by default"),
           ("to" = Option<String>, Query, description = "RFC 3339, not included, or a business date, included; now by default"),
           ("bucket" = Option<String>, Query, description = "1m, 5m, 15m, 1h, 1d; 5m by default. At most 10,000 of them, and at most 500,000 counts: buckets times keys"),
           ("by" = Option<String>, Query, description = "site, area, gate, lane, product, class, channel, reason; site by default")),
    responses((status = 200, description = "the counts", body = Flow)))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    _: May<SeeFlow>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let which = asked(which, "from, to, bucket, by")?;
    let (from, until) = span(&app, which.from.as_deref(), which.to.as_deref())?;
    let (bucket_min, bucket) = bucket(which.bucket.as_deref())?;
    let by = by(which.by.as_deref())?;
    let query = FlowQuery { from, until, bucket_min, by };
    let found = counts(&app, query).await?;
    off_thread(move || {
        json(&Flow {
            from: app.times.text(found.at.first().copied().unwrap_or(from)),
            to: app.times.text(found.until),
            bucket,
            by: by.as_str(),
            timezone: app.plane.park().site().timezone.clone(),
            at: found.at.iter().map(|at| app.times.text(*at)).collect(),
            series: found.series.into_iter().map(|series| Line::of(by, series)).collect(),
        })
    })
    .await
}
