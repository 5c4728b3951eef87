//! Alarms and conflicts, as the books keep them.

use rusqlite::{Connection, params};
use shanmen_protocols::{
    ids::{AreaId, DeviceId, LaneId, TicketId},
    time::UnixMs,
};

use super::{
    LedgerFault,
    rows::{optional, optional_uuid},
};
use crate::{alerts::Cause, api::ConflictView, ledger::AlarmRow};

/// The alarms that are on, and the next number.
pub(super) fn on(from: &Connection) -> Result<(Vec<AlarmRow>, u64), LedgerFault> {
    let next: i64 =
        from.query_row("SELECT coalesce(max(id), 0) + 1 FROM alarms", [], |row| row.get(0))?;
    let mut statement = from.prepare(
        "SELECT id, code, device, lane, area, raised_at, acknowledged_at, acknowledged_by, note
         FROM alarms WHERE cleared_at IS NULL ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| {
        let by: (Option<i64>, Option<String>, Option<String>) =
            (row.get(6)?, row.get(7)?, row.get(8)?);
        Ok(AlarmRow {
            id: row.get::<_, i64>(0)?.cast_unsigned(),
            cause: Cause {
                code: row.get::<_, String>(1)?.into(),
                device: optional(row, 2, DeviceId::new)?,
                lane: optional(row, 3, LaneId::new)?,
                area: optional(row, 4, AreaId::new)?,
            },
            raised_at: UnixMs(row.get(5)?),
            cleared_at: None,
            acknowledged: by
                .0
                .map(|at| (UnixMs(at), by.1.unwrap_or_default(), by.2.unwrap_or_default())),
        })
    })?;
    Ok((rows.collect::<Result<_, _>>()?, next.cast_unsigned()))
}

/// Writes an alarm as it is now.
pub(in crate::ledger) fn put(to: &Connection, row: &AlarmRow) -> Result<(), rusqlite::Error> {
    let (at, by, note) = match &row.acknowledged {
        Some((at, by, note)) => (Some(at.0), Some(by), Some(note)),
        None => (None, None, None),
    };
    to.prepare_cached(
        "INSERT OR REPLACE INTO alarms
         (id, code, device, lane, area, raised_at, cleared_at, acknowledged_at, acknowledged_by,
          note)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.id.cast_signed(),
        row.cause.code,
        row.cause.device.as_ref().map(AsRef::as_ref),
        row.cause.lane.as_ref().map(AsRef::as_ref),
        row.cause.area.as_ref().map(AsRef::as_ref),
        row.raised_at.0,
        row.cleared_at.map(|at| at.0),
        at,
        by,
        note
    ])?;
    Ok(())
}

/// Conflicts, the newest first.
pub(super) fn conflicts(from: &Connection, limit: u32) -> Result<Vec<ConflictView>, LedgerFault> {
    let mut statement = from.prepare_cached(
        "SELECT n, at, ticket, device, note FROM conflicts ORDER BY n DESC LIMIT ?",
    )?;
    let rows = statement.query_map([limit], |row| {
        Ok(ConflictView {
            id: row.get(0)?,
            at: UnixMs(row.get(1)?),
            ticket: optional_uuid(row, 2)?.map(TicketId),
            device: row.get(3)?,
            note: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
