//! History (历史): counts over time, a day, a fortnight, the heat map, the forecast, and their export.
//!
//! Owns how a span is asked for and how counts are written. Counting, comparing and forecasting are
//! the control plane's. Called by the managers' page and by whoever wants the numbers.

pub(super) mod day;
pub(super) mod export;
pub(super) mod series;
mod table;
pub(super) mod week;

use axum::extract::{Query, rejection::QueryRejection};
use serde::{Deserialize, Serialize};
use shanmen_actors::api::{Fault, FlowBy, FlowQuery, FlowSeries, Peak};
use shanmen_protocols::{feed::Text, time::UnixMs};
use shanmen_rules::Day;
use utoipa::ToSchema;

use super::{App, asked::asked, problem::Problem, times::Times};

/// A name in both languages.
#[derive(Serialize, ToSchema)]
pub(super) struct Name {
    /// Chinese.
    zh: String,
    /// English.
    en: String,
}

impl From<Text> for Name {
    fn from(text: Text) -> Self {
        Self { zh: text.zh, en: text.en }
    }
}

/// The most persons at one time.
#[derive(Serialize, ToSchema)]
pub(super) struct Most {
    /// How many.
    persons: u32,
    /// In the minute (later: hour) that begins here (RFC 3339).
    at: String,
}

impl Most {
    fn of(peak: Option<Peak>, times: &Times) -> Option<Self> {
        peak.map(|peak| Self { persons: peak.persons, at: times.text(peak.at) })
    }
}

/// Which business day.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichDay {
    day: Option<String>,
}

/// The business day that a query asks for; today by default.
fn day_asked(app: &App, which: Result<Query<WhichDay>, QueryRejection>) -> Result<Day, Problem> {
    day_of(app, "day", asked(which, "day")?.day.as_deref())
}

/// A business date of a query; today by default.
fn day_of(app: &App, name: &str, text: Option<&str>) -> Result<Day, Problem> {
    let Some(text) = text else { return Ok(app.plane.today()) };
    text.trim().parse().map_err(|_| Problem::invalid(format!("{name}: a date like 2026-10-01")))
}

/// From when to when: moments or business dates, the last date whole; today so far by default.
fn span(app: &App, from: Option<&str>, to: Option<&str>) -> Result<(UnixMs, UnixMs), Problem> {
    let (park, now) = (app.plane.park(), app.plane.clock().now().plus_ms(1));
    let calendar = park.calendar();
    let until = match to.map(|text| (text, text.trim().parse::<Day>())) {
        None => now,
        Some((_, Ok(day))) => calendar.turn_of(day.plus(1)),
        Some((text, Err(_))) => super::asked::moment("to", text)?,
    };
    let from = match from.map(|text| (text, text.trim().parse::<Day>())) {
        None => calendar.turn_of(park.business_day(until.plus_ms(-1))),
        Some((_, Ok(day))) => calendar.turn_of(day),
        Some((text, Err(_))) => super::asked::moment("from", text)?,
    };
    if until <= from {
        return Err(Problem::invalid("to: it has to be later than from"));
    }
    Ok((from, until))
}

/// How wide a bucket is, in minutes.
fn bucket(text: Option<&str>) -> Result<(u16, &'static str), Problem> {
    let known = [(1, "1m"), (5, "5m"), (15, "15m"), (60, "1h"), (1_440, "1d")];
    let text = text.unwrap_or("5m");
    known
        .into_iter()
        .find(|(_, word)| *word == text)
        .ok_or_else(|| Problem::invalid("bucket: 1m, 5m, 15m, 1h or 1d"))
}

/// What it is counted by.
fn by(text: Option<&str>) -> Result<FlowBy, Problem> {
    let Some(text) = text else { return Ok(FlowBy::Site) };
    FlowBy::of(text).ok_or_else(|| {
        let known = FlowBy::ALL.map(FlowBy::as_str).join(", ");
        Problem::invalid(format!("by: {known}"))
    })
}

/// Counts over time.
async fn counts(app: &App, query: FlowQuery) -> Result<FlowSeries, Problem> {
    app.plane.flow(query).await.map_err(|fault| match fault {
        Fault::Invalid(detail) => Problem::malformed(detail),
        other => other.into(),
    })
}

/// Makes an answer of many rows where no other request waits for it.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)?
}
