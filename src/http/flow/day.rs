//! One business day: what came, through which gates, with which tickets, how long they stayed.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::Serialize;
use shanmen_actors::api::{self, DayReport, FlowBy};
use utoipa::ToSchema;

use super::{Most, Name, WhichDay, day_asked};
use crate::http::{
    App, json,
    problem::Problem,
    roles::{May, SeeFlow},
    times::Times,
};

/// How many devices are told, the least available first.
const WORST: usize = 10;

/// A business day.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowDay)]
pub(in crate::http) struct DayView {
    /// Its date.
    day: String,
    /// When this was counted (RFC 3339).
    at: String,
    /// Whether it is still going on.
    open: bool,
    /// Persons in the site now; null for a day that is over.
    in_site: Option<u32>,
    /// Persons in, re-entries among them.
    entries: u32,
    /// Persons out.
    exits: u32,
    /// Of the entries, re-entries.
    reentries: u32,
    /// Presentations refused.
    denied: u32,
    /// Lanes that opened and nobody passed.
    not_taken: u32,
    /// The most persons in the site.
    peak: Option<Most>,
    /// Persons that the site holds now.
    capacity: Option<u32>,
    /// Minutes in which 80 % of the capacity of the time was reached.
    minutes_above_80: u32,
    /// By gate.
    by_gate: Vec<Gate>,
    /// By area.
    by_area: Vec<Area>,
    /// By ticket class.
    by_class: Vec<Came>,
    /// By product.
    by_product: Vec<Came>,
    /// By the channel that sold the ticket.
    by_channel: Vec<Came>,
    /// Refusals by reason.
    by_reason: Vec<Refused>,
    /// How long those who left had stayed.
    dwell: Option<Dwell>,
    /// How available the devices were.
    devices: Devices,
    /// The same weekday a week before; null where nothing is on record.
    last_week: Option<LastWeek>,
    /// What is, or was, expected of the day.
    forecast: Option<Forecast>,
}

/// A gate's day.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowDayGate)]
pub(in crate::http) struct Gate {
    key: String,
    name: Name,
    /// Persons in.
    #[serde(rename = "in")]
    entered: u32,
    /// Persons out.
    out: u32,
    /// Presentations refused.
    denied: u32,
}

/// An area's day.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowDayArea)]
pub(in crate::http) struct Area {
    key: String,
    name: Name,
    /// Persons who entered it, re-entries among them.
    entries: u32,
    /// The most persons in it.
    peak: u32,
    /// When (RFC 3339).
    peak_at: Option<String>,
    /// Persons that it bears now.
    capacity: Option<u32>,
    /// Minutes in which 80 % of the capacity of the time was reached.
    minutes_above_80: u32,
}

/// Persons in, by a key.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowDayCame)]
pub(in crate::http) struct Came {
    key: String,
    name: Name,
    /// Persons in.
    #[serde(rename = "in")]
    entered: u32,
}

/// Refusals of a reason.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowDayRefused)]
pub(in crate::http) struct Refused {
    key: String,
    name: Name,
    /// Presentations refused.
    denied: u32,
}

/// How long visitors stayed.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowDwell)]
pub(in crate::http) struct Dwell {
    /// How many of whom both passages are known.
    persons: u32,
    /// Half of them stayed at most so long, in minutes.
    median_min: u32,
    /// Nine of ten stayed at most so long, in minutes.
    p90_min: u32,
    /// The distribution.
    bins: Vec<Bin>,
}

/// A bin of the distribution.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowDwellBin)]
pub(in crate::http) struct Bin {
    /// From so many minutes.
    from_min: u32,
    /// To so many, not included; null for longer ones.
    to_min: Option<u32>,
    persons: u32,
}

/// How available the devices were.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowDevices)]
pub(in crate::http) struct Devices {
    /// All together, 0 to 1; null where none was known.
    availability: Option<f64>,
    /// The ten least available ones.
    worst: Vec<DeviceUp>,
}

/// A device's minutes.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowDevice)]
pub(in crate::http) struct DeviceUp {
    device: String,
    /// 0 to 1.
    availability: f64,
    /// Minutes connected.
    online_min: u32,
    /// Minutes in which it was approved and the program ran.
    known_min: u32,
}

/// The same weekday a week before.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowLastWeek)]
pub(in crate::http) struct LastWeek {
    day: String,
    /// Entries of the whole day.
    entries: u32,
    /// Entries until the same time of day.
    entries_by_now: u32,
    /// Exits of the whole day.
    exits: u32,
    peak: Option<Most>,
}

/// What is, or was, expected of a day.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowForecastShort)]
pub(in crate::http) struct Forecast {
    /// When it was made (RFC 3339).
    made_at: String,
    /// Entries of the whole day.
    entries: u32,
    /// Most persons in the site at one time.
    peak_in_site: u32,
    /// When that will be (RFC 3339).
    peak_at: String,
    /// Entries per quarter of an hour from the start of the business day.
    curve: Vec<u32>,
    /// Earlier days that it was made from.
    days: u32,
    /// How far off forecasts made by this time of day were, in percent.
    error_percent: Option<f64>,
}

impl Forecast {
    fn of(forecast: shanmen_protocols::feed::Forecast, times: &Times) -> Self {
        Self {
            made_at: times.text(forecast.made_at),
            entries: forecast.entries,
            peak_in_site: forecast.peak_in_site,
            peak_at: times.text(forecast.peak_at),
            curve: forecast.curve,
            days: forecast.days,
            error_percent: forecast.error_percent,
        }
    }
}

impl DayView {
    fn of(report: DayReport, times: &Times) -> Self {
        let came = |by| {
            let keyed = report.keyed(by).iter().filter(|one| 0 < one.counted.entered);
            let mut all: Vec<Came> = keyed
                .map(|one| Came {
                    key: one.key.clone(),
                    name: one.name.clone().into(),
                    entered: one.counted.entered,
                })
                .collect();
            all.sort_by_key(|one| std::cmp::Reverse(one.entered));
            all
        };
        Self {
            day: report.day.to_string(),
            at: times.text(report.at),
            open: report.open,
            in_site: report.in_site,
            entries: report.site.entered,
            exits: report.site.gone,
            reentries: report.site.reentered,
            denied: report.site.denied,
            not_taken: report.site.not_taken,
            peak: Most::of(report.peak, times),
            capacity: report.capacity,
            minutes_above_80: report.site.minutes_above_80,
            by_gate: gates(&report),
            by_area: areas(&report, times),
            by_class: came(FlowBy::Class),
            by_product: came(FlowBy::Product),
            by_channel: came(FlowBy::Channel),
            by_reason: reasons(&report),
            dwell: report.dwell.as_ref().map(dwell),
            devices: devices(&report),
            last_week: report.last_week.map(|week| LastWeek {
                day: week.day.to_string(),
                entries: week.entries,
                entries_by_now: week.entries_by_now,
                exits: week.exits,
                peak: Most::of(week.peak, times),
            }),
            forecast: report.forecast.map(|forecast| Forecast::of(forecast, times)),
        }
    }
}

fn gates(report: &DayReport) -> Vec<Gate> {
    let gate = |one: &api::Keyed| Gate {
        key: one.key.clone(),
        name: one.name.clone().into(),
        entered: one.counted.entered,
        out: one.counted.gone,
        denied: one.counted.denied,
    };
    report.keyed(FlowBy::Gate).iter().map(gate).collect()
}

fn areas(report: &DayReport, times: &Times) -> Vec<Area> {
    let area = |one: &api::Keyed| Area {
        key: one.key.clone(),
        name: one.name.clone().into(),
        entries: one.counted.entered,
        peak: one.counted.peak,
        peak_at: times.maybe(one.peak.map(|peak| peak.at)),
        capacity: one.capacity,
        minutes_above_80: one.counted.minutes_above_80,
    };
    report.keyed(FlowBy::Area).iter().map(area).collect()
}

fn reasons(report: &DayReport) -> Vec<Refused> {
    let reason = |one: &api::Keyed| Refused {
        key: one.key.clone(),
        name: one.name.clone().into(),
        denied: one.counted.denied,
    };
    let mut all: Vec<Refused> = report.keyed(FlowBy::Reason).iter().map(reason).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.denied));
    all
}

fn dwell(stays: &api::Dwell) -> Dwell {
    let bins =
        stays.bins.iter().map(|&(from_min, to_min, persons)| Bin { from_min, to_min, persons });
    Dwell {
        persons: stays.persons,
        median_min: stays.median_min,
        p90_min: stays.p90_min,
        bins: bins.collect(),
    }
}

fn devices(report: &DayReport) -> Devices {
    let device = |one: &api::DeviceAvailability| DeviceUp {
        device: one.device.clone(),
        availability: one.share(),
        online_min: one.online_min,
        known_min: one.known_min,
    };
    Devices {
        availability: report.availability,
        worst: report.devices.iter().take(WORST).map(device).collect(),
    }
}

/// One business day (当日客流).
#[utoipa::path(get, path = "/api/v1/flow/day", tag = "history",
    params(("day" = Option<String>, Query, description = "a business date; today by default")),
    responses((status = 200, description = "the day", body = DayView)))]
pub(in crate::http) async fn show(
    State(app): State<App>,
    _: May<SeeFlow>,
    which: Result<Query<WhichDay>, QueryRejection>,
) -> Result<Response, Problem> {
    let day = day_asked(&app, which)?;
    json(&DayView::of(app.plane.flow_day(day).await?, &app.times))
}
