//! Flow, refusals and the devices' availability as a table to be taken away.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use shanmen_actors::api::{Counted, DeviceAvailability, Fault, FlowBy, FlowQuery, FlowSeries};
use shanmen_protocols::{feed::Text, time::UnixMs};

use super::{
    bucket, by, span,
    table::{Cell, Table},
};
use crate::http::{
    App,
    asked::asked,
    problem::Problem,
    roles::{May, SeeFlow},
    times::Times,
};

/// The most rows of one table.
const ROWS_MAX: usize = 200_000;

/// What, and how.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Which {
    what: Option<String>,
    format: Option<String>,
    from: Option<String>,
    to: Option<String>,
    bucket: Option<String>,
    by: Option<String>,
    lang: Option<String>,
}

/// The language of the headings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    Zh,
    En,
}

impl Words {
    fn pick(self, (zh, en): (&'static str, &'static str)) -> &'static str {
        if self == Self::Zh { zh } else { en }
    }

    fn name(self, text: Text) -> Cell {
        Cell::Text(if self == Self::Zh { text.zh } else { text.en })
    }
}

/// A table to be taken away (导出).
#[utoipa::path(get, path = "/api/v1/flow/export", tag = "history",
    params(("what" = Option<String>, Query, description = "flow, denies, devices; flow by default"),
           ("format" = Option<String>, Query, description = "xlsx, csv; xlsx by default"),
           ("from" = Option<String>, Query, description = "as of /api/v1/flow"),
           ("to" = Option<String>, Query, description = "as of /api/v1/flow"),
           ("bucket" = Option<String>, Query, description = "as of /api/v1/flow; 1h by default; devices are told by day"),
           ("by" = Option<String>, Query, description = "as of /api/v1/flow, for what=flow"),
           ("lang" = Option<String>, Query, description = "zh, en; zh by default")),
    responses((status = 200, description = "the table: a workbook, or CSV in UTF-8 with a byte order mark")))]
pub(in crate::http) async fn file(
    State(app): State<App>,
    _: May<SeeFlow>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let which = asked(which, "what, format, from, to, bucket, by, lang")?;
    let words = match which.lang.as_deref().unwrap_or("zh") {
        "zh" => Words::Zh,
        "en" => Words::En,
        _ => return Err(Problem::invalid("lang: zh or en")),
    };
    let format = which.format.as_deref().unwrap_or("xlsx");
    if !["xlsx", "csv"].contains(&format) {
        return Err(Problem::invalid("format: xlsx or csv"));
    }
    let (from, until) = span(&app, which.from.as_deref(), which.to.as_deref())?;
    let (bucket_min, _) = bucket(which.bucket.as_deref().or(Some("1h")))?;
    let what = which.what.as_deref().unwrap_or("flow");
    let (table, zh) = match what {
        "flow" => {
            let query = FlowQuery { from, until, bucket_min, by: by(which.by.as_deref())? };
            (flow(&app, query, words).await?, "客流")
        }
        "denies" => {
            let query = FlowQuery { from, until, bucket_min, by: FlowBy::Reason };
            (flow(&app, query, words).await?, "拒绝入园")
        }
        "devices" => (devices(&app, from, until, words).await?, "设备可用率"),
        _ => return Err(Problem::invalid("what: flow, denies or devices")),
    };
    if ROWS_MAX < table.rows.len() {
        let detail = format!("more than {ROWS_MAX} rows: ask for a shorter span, or wider buckets");
        return Err(Problem::malformed(detail));
    }
    let day = app.plane.park().business_day(from);
    attachment(table, format, &format!("{what}-{day}.{format}"), &format!("{zh}-{day}.{format}"))
        .await
}

async fn attachment(
    table: Table,
    format: &str,
    plain: &str,
    named: &str,
) -> Result<Response, Problem> {
    let is_csv = format == "csv";
    let written =
        tokio::task::spawn_blocking(move || if is_csv { table.csv() } else { table.xlsx() });
    let bytes = written.await.map_err(Problem::internal)?.map_err(Problem::internal)?;
    let kind = if is_csv {
        "text/csv; charset=utf-8"
    } else {
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    };
    let escaped: String = named
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let disposition = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{escaped}");
    let disposition = HeaderValue::try_from(disposition).map_err(Problem::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, bytes).into_response())
}

async fn flow(app: &App, query: FlowQuery, words: Words) -> Result<Table, Problem> {
    let found = app.plane.flow(query).await.map_err(|fault| match fault {
        Fault::Invalid(detail) => Problem::malformed(detail),
        other => other.into(),
    })?;
    Ok(flow_table(&found, query, words, &app.times))
}

/// One row for each bucket and key in which something was counted; for the site every bucket.
fn flow_table(found: &FlowSeries, query: FlowQuery, words: Words, times: &Times) -> Table {
    let columns = columns(query.by);
    let mut headings = vec![words.pick(if query.bucket_min == 1_440 {
        ("日期", "Date")
    } else {
        ("时间", "Time")
    })];
    headings.extend([("编号", "Id"), heading(query.by)].map(|both| words.pick(both)));
    headings.extend(columns.iter().map(|(both, _)| words.pick(*both)));
    let mut rows = Vec::new();
    for (n, at) in found.at.iter().enumerate() {
        for series in &found.series {
            let Some(counted) = series.counts.get(n) else { continue };
            if query.by != FlowBy::Site && *counted == Counted::default() {
                continue;
            }
            let at = local(times, *at);
            let when = if query.bucket_min == 1_440 {
                Cell::Date(at.chars().take(10).collect())
            } else {
                Cell::Moment(at)
            };
            let mut row =
                vec![when, Cell::Text(series.key.clone()), words.name(series.name.clone())];
            row.extend(columns.iter().map(|(_, count)| Cell::Number(count(counted))));
            rows.push(row);
            if ROWS_MAX < rows.len() {
                // Refused by the caller; the rest need not be made.
                return Table { title: "", headings, rows };
            }
        }
    }
    let title = if query.by == FlowBy::Reason {
        words.pick(("拒绝入园", "Refusals"))
    } else {
        words.pick(("客流", "Flow"))
    };
    Table { title, headings, rows }
}

type Column = ((&'static str, &'static str), fn(&Counted) -> u32);

fn columns(by: FlowBy) -> Vec<Column> {
    let entered: Column = (("入园人次", "Persons in"), |one| one.entered);
    let gone: Column = (("出园人次", "Persons out"), |one| one.gone);
    let reentered: Column = (("其中二次入园", "Of these re-entries"), |one| one.reentered);
    let denied: Column = (("拒绝次数", "Refused"), |one| one.denied);
    let untaken: Column = (("开闸未通过", "Not taken"), |one| one.not_taken);
    let peak: Column = (("最多同时在场人数", "Most persons at one time"), |one| one.peak);
    match by {
        FlowBy::Site => vec![entered, gone, reentered, denied, untaken, peak],
        FlowBy::Area => vec![entered, gone, reentered, denied, peak],
        FlowBy::Gate | FlowBy::Lane => vec![entered, gone, reentered, denied, untaken],
        FlowBy::Product | FlowBy::Class | FlowBy::Channel => vec![entered, gone, reentered],
        FlowBy::Reason => vec![denied],
    }
}

fn heading(by: FlowBy) -> (&'static str, &'static str) {
    match by {
        FlowBy::Site => ("景区", "Site"),
        FlowBy::Area => ("区域", "Area"),
        FlowBy::Gate => ("门", "Gate"),
        FlowBy::Lane => ("通道", "Lane"),
        FlowBy::Product => ("产品", "Product"),
        FlowBy::Class => ("票种", "Ticket class"),
        FlowBy::Channel => ("渠道", "Channel"),
        FlowBy::Reason => ("原因", "Reason"),
    }
}

async fn devices(app: &App, from: UnixMs, until: UnixMs, words: Words) -> Result<Table, Problem> {
    let park = app.plane.park();
    let (first, last) = (park.business_day(from), park.business_day(until.plus_ms(-1)));
    let found = app.plane.device_availability(first, last).await?;
    let row = |one: DeviceAvailability| {
        let share = one.share();
        vec![
            Cell::Date(one.day.to_string()),
            Cell::Text(one.device),
            Cell::Number(one.online_min),
            Cell::Number(one.known_min),
            if one.known_min == 0 { Cell::Empty } else { Cell::Share(share) },
        ]
    };
    let headings = [
        ("日期", "Date"),
        ("设备", "Device"),
        ("在线分钟", "Minutes connected"),
        ("应在线分钟", "Minutes known"),
        ("可用率", "Availability"),
    ];
    Ok(Table {
        title: words.pick(("设备可用率", "Devices")),
        headings: headings.map(|both| words.pick(both)).to_vec(),
        rows: found.into_iter().map(row).collect(),
    })
}

/// A moment as a spreadsheet shows it, `2026-11-22 09:00` of the site's clock.
fn local(times: &Times, at: UnixMs) -> String {
    times.text(at).replace('T', " ").chars().take(16).collect()
}
