//! Every read of the history. Minutes and hours are read as one: a sum is the same whatever has
//! been thinned.

use std::collections::BTreeMap;

use rusqlite::params;
use shanmen_protocols::time::UnixMs;
use shanmen_rules::Day;

use super::{Books, CountRow, ForecastRow, number};
use crate::{
    api::{DeviceAvailability, Expected, FlowBy},
    history::Cells,
    ledger::LedgerFault,
};

const CELLS: &str = "entered, gone, denied, reentered, untaken, peak, above";

/// Sums by key.
type ByKey = BTreeMap<String, Cells>;

/// The rows of a dimension from one minute to before another, in no order.
pub(crate) fn minutes(
    from: Books<'_>,
    by: FlowBy,
    begin: i64,
    end: i64,
    each: &mut dyn FnMut(CountRow<'_>),
) -> Result<(), LedgerFault> {
    let mut statement = from.0.prepare_cached(&format!(
        "SELECT minute, key, {CELLS} FROM flow_minutes WHERE kind = ?1 AND minute >= ?2 AND minute < ?3
         UNION ALL
         SELECT minute, key, {CELLS} FROM flow_hours WHERE kind = ?1 AND minute >= ?2 AND minute < ?3"
    ))?;
    let mut rows = statement.query(params![number(by), begin, end])?;
    while let Some(row) = rows.next()? {
        let key = row.get_ref(1)?.as_str().unwrap_or_default();
        each(CountRow { minute: row.get(0)?, key, cells: cells(row, 2)? });
    }
    Ok(())
}

/// The sums of a dimension by key.
pub(crate) fn day_sums(
    from: Books<'_>,
    by: FlowBy,
    begin: i64,
    end: i64,
) -> Result<ByKey, LedgerFault> {
    let mut sums = ByKey::new();
    for table in ["flow_minutes", "flow_hours"] {
        let mut statement = from.0.prepare_cached(&format!(
            "SELECT key, sum(entered), sum(gone), sum(denied), sum(reentered), sum(untaken),
                    max(peak), sum(above)
             FROM {table} WHERE kind = ? AND minute >= ? AND minute < ? GROUP BY key"
        ))?;
        let mut rows = statement.query(params![number(by), begin, end])?;
        while let Some(row) = rows.next()? {
            sums.entry(row.get(0)?).or_default().add(&cells(row, 1)?);
        }
    }
    Ok(sums)
}

/// The site's sums.
pub(crate) fn sum_of(from: Books<'_>, begin: i64, end: i64) -> Result<Cells, LedgerFault> {
    Ok(day_sums(from, FlowBy::Site, begin, end)?.remove("").unwrap_or_default())
}

/// The oldest minute that has not been thinned.
pub(crate) fn oldest_minute(from: Books<'_>) -> Result<Option<i64>, LedgerFault> {
    let mut oldest = None;
    for by in FlowBy::ALL {
        let first: Option<i64> = from
            .0
            .prepare_cached("SELECT min(minute) FROM flow_minutes WHERE kind = ?")?
            .query_row([number(by)], |row| row.get(0))?;
        oldest = [oldest, first].into_iter().flatten().min();
    }
    Ok(oldest)
}

/// How long those who left on a day had stayed: persons by bin.
pub(crate) fn dwell(from: Books<'_>, day: Day) -> Result<Vec<(u32, u32)>, LedgerFault> {
    let mut statement =
        from.0.prepare_cached("SELECT bin, persons FROM dwell WHERE day = ? ORDER BY bin")?;
    let rows = statement.query_map([day.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// In how many minutes of each day the devices were connected, by day and device.
pub(crate) fn availability(
    from: Books<'_>,
    first: Day,
    last: Day,
) -> Result<Vec<DeviceAvailability>, LedgerFault> {
    let mut statement = from.0.prepare_cached(
        "SELECT day, device, online, known FROM device_minutes WHERE day BETWEEN ? AND ?
         ORDER BY day, device",
    )?;
    let rows = statement.query_map([first.0, last.0], |row| {
        Ok(DeviceAvailability {
            day: Day(row.get(0)?),
            device: row.get(1)?,
            online_min: row.get(2)?,
            known_min: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The forecasts of some days, by day and as they were made.
pub(crate) fn forecasts(
    from: Books<'_>,
    first: Day,
    last: Day,
) -> Result<Vec<ForecastRow>, LedgerFault> {
    let mut statement = from.0.prepare_cached(
        "SELECT day, made_at, entries, peak, peak_at, days, sold, curve, in_site FROM forecasts
         WHERE day BETWEEN ? AND ? ORDER BY day, made_at",
    )?;
    let rows = statement.query_map([first.0, last.0], |row| {
        let curve = |ix: usize| -> Result<Vec<u32>, rusqlite::Error> {
            Ok(serde_json::from_str(row.get_ref(ix)?.as_str().unwrap_or_default())
                .unwrap_or_default())
        };
        Ok(ForecastRow {
            day: Day(row.get(0)?),
            expected: Expected {
                made_at: UnixMs(row.get(1)?),
                entries: row.get(2)?,
                peak_in_site: row.get(3)?,
                peak_at: UnixMs(row.get(4)?),
                days: row.get(5)?,
                sold: row.get(6)?,
                curve: curve(7)?,
                in_site: curve(8)?,
            },
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn cells(row: &rusqlite::Row<'_>, first: usize) -> Result<Cells, rusqlite::Error> {
    Ok(Cells {
        entered: row.get(first)?,
        gone: row.get(first + 1)?,
        denied: row.get(first + 2)?,
        reentered: row.get(first + 3)?,
        untaken: row.get(first + 4)?,
        peak: row.get(first + 5)?,
        above: row.get(first + 6)?,
    })
}
