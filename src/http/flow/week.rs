//! A fortnight of days, the heat map of hours by weekdays, and the forecast with its errors.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::{Deserialize, Serialize};
use shanmen_actors::api::{self, DayLine, Expected, ForecastReport};
use utoipa::ToSchema;

use super::{Most, Name, WhichDay, day_asked, day_of};
use crate::http::{
    App,
    asked::asked,
    json,
    problem::Problem,
    roles::{May, SeeFlow},
    times::Times,
};

/// How many weeks the heat map looks back without a wish.
const WEEKS: u8 = 8;

/// The last day.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Until {
    until: Option<String>,
}

/// A fortnight.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowWeek)]
pub(in crate::http) struct Week {
    /// Fourteen days, the oldest first.
    days: Vec<WeekDay>,
}

/// One of its days.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowWeekDay)]
pub(in crate::http) struct WeekDay {
    day: String,
    /// Persons in, re-entries among them.
    entries: u32,
    /// Persons out.
    exits: u32,
    peak: Option<Most>,
    /// Presentations refused.
    denied: u32,
    /// Of the entries, re-entries.
    reentries: u32,
    /// Persons that the site holds now.
    capacity: Option<u32>,
    /// Minutes in which 80 % of the capacity of the time was reached.
    minutes_above_80: u32,
    /// How available the devices were, 0 to 1; null where none was known.
    availability: Option<f64>,
}

impl WeekDay {
    fn of(line: &DayLine, times: &Times) -> Self {
        Self {
            day: line.day.to_string(),
            entries: line.counted.entered,
            exits: line.counted.gone,
            peak: Most::of(line.peak, times),
            denied: line.counted.denied,
            reentries: line.counted.reentered,
            capacity: line.capacity,
            minutes_above_80: line.counted.minutes_above_80,
            availability: line.availability,
        }
    }
}

/// Fourteen business days (近两周).
#[utoipa::path(get, path = "/api/v1/flow/week", tag = "history",
    params(("until" = Option<String>, Query, description = "the last business date; today by default")),
    responses((status = 200, description = "the days, the oldest first", body = Week)))]
pub(in crate::http) async fn week(
    State(app): State<App>,
    _: May<SeeFlow>,
    which: Result<Query<Until>, QueryRejection>,
) -> Result<Response, Problem> {
    let which = asked(which, "until")?;
    let until = day_of(&app, "until", which.until.as_deref())?;
    let days = app.plane.flow_week(until).await?;
    json(&Week { days: days.iter().map(|line| WeekDay::of(line, &app.times)).collect() })
}

/// How far back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Weeks {
    weeks: Option<u8>,
}

/// Hours by weekdays.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowHeatmap)]
pub(in crate::http) struct Heatmap {
    /// How many weeks before today were looked at.
    weeks: u8,
    /// How many days of them had visitors.
    days: u32,
    /// What came in each hour on record.
    cells: Vec<Cell>,
}

/// One hour of one weekday.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowHeatmapCell)]
pub(in crate::http) struct Cell {
    /// 1 = Monday to 7 = Sunday.
    weekday: u8,
    /// 0 to 23, of the site's clock.
    hour: u8,
    /// The mean of the entries in that hour.
    entries: f64,
    /// The mean of the most persons in the site in that hour.
    peak: f64,
}

/// Hours by weekdays (星期×小时热力图).
#[utoipa::path(get, path = "/api/v1/flow/heatmap", tag = "history",
    params(("weeks" = Option<u8>, Query, description = "1 to 52; 8 by default")),
    responses((status = 200, description = "the means", body = Heatmap)))]
pub(in crate::http) async fn heatmap(
    State(app): State<App>,
    _: May<SeeFlow>,
    which: Result<Query<Weeks>, QueryRejection>,
) -> Result<Response, Problem> {
    let weeks = asked(which, "weeks, 1 to 52")?.weeks.unwrap_or(WEEKS);
    let found = app.plane.heatmap(weeks).await?;
    let cell = |one: api::HeatCell| Cell {
        weekday: one.weekday,
        hour: one.hour,
        entries: tenths(one.entries),
        peak: tenths(one.peak),
    };
    json(&Heatmap { weeks, days: found.days, cells: found.cells.into_iter().map(cell).collect() })
}

/// What is, or was, expected of a day, and how good earlier forecasts were.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowForecast)]
pub(in crate::http) struct Forecast {
    day: String,
    /// When it was made (RFC 3339): today's just now, an earlier day's at its first hour on record.
    made_at: Option<String>,
    /// Entries of the whole day; null without days to go by.
    entries: Option<u32>,
    /// Most persons in the site at one time.
    peak_in_site: Option<u32>,
    /// When that will be (RFC 3339).
    peak_at: Option<String>,
    /// Entries per quarter of an hour from the start of the business day: what came, then what will.
    curve: Vec<u32>,
    /// Persons in the site per quarter of an hour.
    in_site: Vec<u32>,
    /// Earlier days that it was made from.
    days: u32,
    /// Persons of the tickets sold for the day when it was made.
    sold_today: u32,
    /// How it is made.
    method: Name,
    /// The mean of the errors below, in percent.
    error_percent: Option<f64>,
    /// Forecasts made by the same time of day against what came: 28 at most, the newest first.
    errors: Vec<Missed>,
}

/// A forecast against what came.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowForecastError)]
pub(in crate::http) struct Missed {
    day: String,
    /// When it was made (RFC 3339).
    made_at: String,
    expected_entries: u32,
    /// Entries that came.
    entries: u32,
    expected_peak: u32,
    /// The peak that came.
    peak: u32,
    /// How far off the entries were, in percent of what came.
    error_percent: f64,
}

impl Forecast {
    fn of(report: &ForecastReport, times: &Times) -> Self {
        let expected = report.expected.as_ref();
        let missed = |one: &api::ForecastError| Missed {
            day: one.day.to_string(),
            made_at: times.text(one.made_at),
            expected_entries: one.expected_entries,
            entries: one.entries,
            expected_peak: one.expected_peak,
            peak: one.peak,
            error_percent: tenths(one.error_percent),
        };
        Self {
            day: report.day.to_string(),
            made_at: times.maybe(expected.map(|one| one.made_at)),
            entries: expected.map(|one| one.entries),
            peak_in_site: expected.map(|one| one.peak_in_site),
            peak_at: times.maybe(expected.map(|one| one.peak_at)),
            curve: expected.map(|one| one.curve.clone()).unwrap_or_default(),
            in_site: expected.map(|one| one.in_site.clone()).unwrap_or_default(),
            days: expected.map_or(0, |one: &Expected| one.days),
            sold_today: expected.map_or(0, |one| one.sold),
            method: method(),
            error_percent: report.error_percent,
            errors: report.errors.iter().map(missed).collect(),
        }
    }
}

fn method() -> Name {
    Name {
        zh: "参照最近最多 8 个相同星期几(不足 2 个时参照最近 14 天):开园前取其平均入园人数,按今日与\
             当时同一时刻已售票人数之比调整(0.5 至 2 倍);开园后逐步改用“已入园人数 ÷ 往常此时已入园的\
             比例”,往常半数游客已入园时完全采用;开园较晚的日子从首位游客入园时算起。在园人数按往常每位入园游客对应的在园人数推算,当前偏差\
             在两小时内逐渐消除。误差为以往同一时刻所做预测与实际入园人数之差。"
            .to_owned(),
        en: "From up to 8 latest days of the same weekday (the last 14 days where there are fewer than \
             2): before the visitors come, their mean entries, scaled by the persons sold for today \
             against those sold by the same time then (½ to 2); from then on more and more the entries \
             so far divided by the share that has usually come by now, alone once half of the visitors \
             have usually come; a day that opened late is measured from its first entry on. In the site: the usual persons for each entry; how far the count of now \
             is off fades out within two hours. Errors: forecasts made by the same time of day against \
             the entries that came."
            .to_owned(),
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// What is expected of a day (客流预测).
#[utoipa::path(get, path = "/api/v1/flow/forecast", tag = "history",
    params(("day" = Option<String>, Query, description = "a business date; today by default")),
    responses((status = 200, description = "the forecast", body = Forecast)))]
pub(in crate::http) async fn forecast(
    State(app): State<App>,
    _: May<SeeFlow>,
    which: Result<Query<WhichDay>, QueryRejection>,
) -> Result<Response, Problem> {
    let day = day_asked(&app, which)?;
    json(&Forecast::of(&app.plane.flow_forecast(day).await?, &app.times))
}
