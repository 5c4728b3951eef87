//! What the keeper writes once a minute: peaks, devices, forecasts, and hours in place of minutes.

use rusqlite::{Connection, params};

use super::{HistoryWrite, MadeUp, counts::write_tally, ms};
use crate::api::Expected;
use shanmen_rules::Day;

/// Writes one of them.
pub(in crate::ledger) fn write(to: &Connection, what: &HistoryWrite) -> rusqlite::Result<()> {
    match what {
        HistoryWrite::Minute { peaks, day, devices } => {
            write_tally(to, peaks)?;
            for (device, online) in devices {
                device_minutes(to, *day, device, u32::from(*online), 1)?;
            }
            Ok(())
        }
        HistoryWrite::Forecast { day, expected } => forecast(to, *day, expected),
        HistoryWrite::Thin { from, until } => thin(to, *from, *until),
        HistoryWrite::MadeUp(made_up) => {
            let MadeUp { counts, devices, forecasts } = &**made_up;
            write_tally(to, counts)?;
            for (day, device, online, known) in devices {
                device_minutes(to, *day, device, *online, *known)?;
            }
            forecasts.iter().try_for_each(|(day, expected)| forecast(to, *day, expected))
        }
    }
}

fn device_minutes(
    to: &Connection,
    day: Day,
    device: &str,
    online: u32,
    known: u32,
) -> rusqlite::Result<()> {
    to.prepare_cached(
        "INSERT INTO device_minutes (day, device, online, known) VALUES (?, ?, ?, ?)
         ON CONFLICT (day, device) DO UPDATE SET
             online = online + excluded.online, known = known + excluded.known",
    )?
    .execute(params![day.0, device, online, known])?;
    Ok(())
}

fn forecast(to: &Connection, day: Day, expected: &Expected) -> rusqlite::Result<()> {
    let json = |curve: &Vec<u32>| serde_json::to_string(curve).unwrap_or_default();
    to.prepare_cached("INSERT OR REPLACE INTO forecasts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            day.0,
            ms(expected.made_at),
            expected.entries,
            expected.peak_in_site,
            ms(expected.peak_at),
            expected.days,
            expected.sold,
            json(&expected.curve),
            json(&expected.in_site)
        ])?;
    Ok(())
}

/// Sums minutes up to one row of their first: done again it adds what came meanwhile.
fn thin(to: &Connection, from: i64, until: i64) -> rusqlite::Result<()> {
    for kind in 0..8 {
        to.prepare_cached(
            "INSERT INTO flow_hours
             (kind, minute, key, entered, gone, denied, reentered, untaken, peak, above)
             SELECT kind, ?2, key, sum(entered), sum(gone), sum(denied), sum(reentered),
                    sum(untaken), max(peak), sum(above)
             FROM flow_minutes WHERE kind = ?1 AND minute >= ?2 AND minute < ?3 GROUP BY key
             ON CONFLICT (kind, minute, key) DO UPDATE SET
                 entered = entered + excluded.entered, gone = gone + excluded.gone,
                 denied = denied + excluded.denied, reentered = reentered + excluded.reentered,
                 untaken = untaken + excluded.untaken, peak = max(peak, excluded.peak),
                 above = above + excluded.above",
        )?
        .execute(params![kind, from, until])?;
        to.prepare_cached(
            "DELETE FROM flow_minutes WHERE kind = ? AND minute >= ? AND minute < ?",
        )?
        .execute(params![kind, from, until])?;
    }
    Ok(())
}
