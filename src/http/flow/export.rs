//! Flow, refusals and the devices' availability as a table to be taken away.
//!
//! Owns what stands in the columns and how many rows a table may have; `table.rs` writes them. Rows are
//! made and written where no other request waits for them.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use shanmen_actors::api::{Counted, DeviceAvailability, FlowBy, FlowQuery, FlowSeries};
use shanmen_protocols::{feed::Text, time::UnixMs};
use shanmen_rules::Day;

use super::{
    bucket, by, counts, off_thread, span,
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

/// The form of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Xlsx,
    Csv,
}

impl Form {
    fn of(word: &str) -> Result<Self, Problem> {
        match word {
            "xlsx" => Ok(Self::Xlsx),
            "csv" => Ok(Self::Csv),
            _ => Err(Problem::invalid("format: xlsx or csv")),
        }
    }

    fn ending(self) -> &'static str {
        if self == Self::Csv { "csv" } else { "xlsx" }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    fn write(self, table: &Table) -> Result<Vec<u8>, Problem> {
        let written = if self == Self::Csv { table.csv() } else { table.xlsx() };
        written.map_err(Problem::internal)
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
    responses((status = 200, description = "the table, of 200,000 rows at most: a workbook, or CSV in UTF-8 with a byte order mark")))]
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
    let form = Form::of(which.format.as_deref().unwrap_or("xlsx"))?;
    let (from, until) = span(&app, which.from.as_deref(), which.to.as_deref())?;
    let (bucket_min, _) = bucket(which.bucket.as_deref().or(Some("1h")))?;
    let what = which.what.as_deref().unwrap_or("flow");
    let (zh, counted_by) = match what {
        "flow" => ("客流", Some(by(which.by.as_deref())?)),
        "denies" => ("拒绝入园", Some(FlowBy::Reason)),
        "devices" => ("设备可用率", None),
        _ => return Err(Problem::invalid("what: flow, denies or devices")),
    };
    let park = app.plane.park();
    let first = park.business_day(from);
    let bytes = if let Some(by) = counted_by {
        let query = FlowQuery { from, until, bucket_min, by };
        let found = counts(&app, query).await?;
        off_thread(move || form.write(&flow_table(&found, query, words, &app.times)?)).await?
    } else {
        let last = park.business_day(until.plus_ms(-1));
        let found = app.plane.device_availability(first, last).await?;
        off_thread(move || form.write(&devices_table(found, words)?)).await?
    };
    attachment(bytes, form, what, zh, first)
}

fn attachment(
    bytes: Vec<u8>,
    form: Form,
    what: &str,
    zh: &str,
    day: Day,
) -> Result<Response, Problem> {
    let ending = form.ending();
    let escaped: String = format!("{zh}-{day}.{ending}")
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let disposition =
        format!("attachment; filename=\"{what}-{day}.{ending}\"; filename*=UTF-8''{escaped}");
    let disposition = HeaderValue::try_from(disposition).map_err(Problem::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(form.kind())),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, bytes).into_response())
}

/// Refuses a table that is too long before a row of it is made.
fn room_for(rows: usize) -> Result<(), Problem> {
    if rows <= ROWS_MAX {
        return Ok(());
    }
    let detail = format!(
        "{rows} rows; one table holds {ROWS_MAX} at most: ask for a shorter span, or for wider buckets"
    );
    Err(Problem::malformed(detail))
}

/// One row for each bucket and key in which something was counted; for the site every bucket.
fn flow_table(
    found: &FlowSeries,
    query: FlowQuery,
    words: Words,
    times: &Times,
) -> Result<Table, Problem> {
    let told = |one: &Counted| query.by == FlowBy::Site || *one != Counted::default();
    let all = found.series.iter().flat_map(|series| &series.counts);
    room_for(all.filter(|one| told(one)).count())?;
    let by_day = query.bucket_min == 1_440;
    let columns = columns(query.by);
    let mut headings =
        vec![words.pick(if by_day { ("日期", "Date") } else { ("时间", "Time") })];
    headings.extend([("编号", "Id"), heading(query.by)].map(|both| words.pick(both)));
    headings.extend(columns.iter().map(|(both, _)| words.pick(*both)));
    let mut rows = Vec::new();
    for (n, at) in found.at.iter().enumerate() {
        let at = local(times, *at);
        let when =
            if by_day { Cell::Date(at.chars().take(10).collect()) } else { Cell::Moment(at) };
        for series in &found.series {
            let Some(counted) = series.counts.get(n).filter(|one| told(one)) else { continue };
            let (key, name) = (Cell::Text(series.key.clone()), words.name(series.name.clone()));
            let mut row = vec![when.clone(), key, name];
            row.extend(columns.iter().map(|(_, count)| Cell::Number(count(counted))));
            rows.push(row);
        }
    }
    let title = if query.by == FlowBy::Reason {
        words.pick(("拒绝入园", "Refusals"))
    } else {
        words.pick(("客流", "Flow"))
    };
    Ok(Table { title, headings, rows })
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

fn devices_table(found: Vec<DeviceAvailability>, words: Words) -> Result<Table, Problem> {
    room_for(found.len())?;
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

#[cfg(test)]
mod tests {
    use shanmen_actors::api::Series;

    use super::*;

    fn table(keys: u32, buckets: i64) -> Result<usize, String> {
        let counted = Counted { entered: 1, ..Counted::default() };
        let buckets: Vec<i64> = (0..buckets).collect();
        let series = (0..keys).map(|key| Series {
            key: key.to_string(),
            // Every second bucket had nobody, and has no row.
            counts: buckets
                .iter()
                .map(|n| if n % 2 == 0 { counted } else { Counted::default() })
                .collect(),
            ..Series::default()
        });
        let found = FlowSeries {
            at: buckets.iter().map(|n| UnixMs(n * 60_000)).collect(),
            until: UnixMs(0),
            series: series.collect(),
        };
        let query =
            FlowQuery { from: UnixMs(0), until: UnixMs(1), bucket_min: 1, by: FlowBy::Lane };
        let made = flow_table(&found, query, Words::En, &Times::of("UTC"));
        made.map(|table| table.rows.len()).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_table_holds_what_was_counted_and_one_that_is_too_long_says_how_long_it_would_be() {
        assert_eq!(table(2, 10), Ok(10));
        assert_eq!(table(40, 10_000), Ok(ROWS_MAX));
        let refused = table(41, 10_000).unwrap_err();
        assert!(refused.starts_with("205000 rows; one table holds 200000 at most: "), "{refused}");
    }
}
