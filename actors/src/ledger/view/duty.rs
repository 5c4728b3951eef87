//! What the operators' desk reads: what happened at a device, the fleet's commands, one person's acts.

use rusqlite::{Connection, Row, params};
use serde_json::{Map, Value, json};
use shanmen_protocols::{
    ids::{DeviceId, TicketId},
    time::UnixMs,
};

use super::{
    LedgerFault,
    fleet::{COMMAND, command},
    rows::{audit_line, direction, optional_uuid, uuid},
};
use crate::api::{AuditLine, CommandQuery, CommandView, DeviceEvent};

/// What of a fact's body is told. The books keep no credential; this keeps out whatever a vendor may
/// write into its own words, and payments.
const TOLD: [&str; 17] = [
    "scan",
    "grant",
    "lane",
    "direction",
    "outcome",
    "count",
    "by",
    "counters",
    "operator",
    "reason",
    "code",
    "active",
    "mode",
    "from",
    "to",
    "job",
    "state",
];

/// Alarms that the control plane raises itself: no fact of the device tells of them.
const OWN_ALARMS: &str =
    "'device_offline', 'grant_silent', 'clone', 'counter_drift', 'clock_off', 'conflict'";

/// What happened at a device, the newest first.
pub(super) fn events(
    from: &Connection,
    device: &DeviceId,
    limit: u32,
) -> Result<Vec<DeviceEvent>, LedgerFault> {
    let mut found = presentations(from, device, limit)?;
    found.extend(facts(from, device, limit)?);
    found.extend(alarms(from, device, limit)?);
    found.sort_by_key(|event| std::cmp::Reverse(event.at));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

fn presentations(
    from: &Connection,
    device: &DeviceId,
    limit: u32,
) -> Result<Vec<DeviceEvent>, LedgerFault> {
    let mut statement = from.prepare_cached(
        "SELECT s.id, s.at, n.id, s.direction, s.result, s.reason, s.persons, s.ticket, s.grant_id
         FROM scans s LEFT JOIN names n ON n.kind = 'lane' AND n.n = s.lane
         WHERE s.device = ? ORDER BY s.at DESC LIMIT ?",
    )?;
    let rows = statement.query_map(params![device.as_str(), limit], |row| {
        let result = match row.get(4)? {
            0u8 => "grant",
            1 => "more",
            _ => "deny",
        };
        let detail = json!({
            "scan": uuid(row, 0)?,
            "lane": row.get::<_, Option<String>>(2)?,
            "direction": direction(row, 3)?.as_str(),
            "result": result,
            "reason": row.get::<_, String>(5)?,
            "persons": row.get::<_, u16>(6)?,
            "ticket": optional_uuid(row, 7)?.map(TicketId),
            "grant": optional_uuid(row, 8)?,
        });
        Ok(DeviceEvent {
            at: UnixMs(row.get(1)?),
            received_at: None,
            kind: "presentation".into(),
            detail: held(detail),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn facts(
    from: &Connection,
    device: &DeviceId,
    limit: u32,
) -> Result<Vec<DeviceEvent>, LedgerFault> {
    // By the key, epoch by epoch: a device has few, and each has its newest facts at its end.
    let mut epochs = from.prepare_cached(
        "WITH RECURSIVE e (epoch) AS (
             SELECT min(epoch) FROM events WHERE device = ?1
             UNION ALL
             SELECT (SELECT min(epoch) FROM events WHERE device = ?1 AND epoch > e.epoch)
             FROM e WHERE e.epoch IS NOT NULL)
         SELECT epoch FROM e WHERE epoch IS NOT NULL",
    )?;
    let epochs: Vec<String> =
        epochs.query_map([device.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut statement = from.prepare_cached(
        "SELECT at, received_at, kind, body FROM events WHERE device = ? AND epoch = ?
         ORDER BY seq DESC LIMIT ?",
    )?;
    let mut found = Vec::new();
    for epoch in epochs {
        let rows = statement.query_map(params![device.as_str(), epoch, limit], fact)?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

fn fact(row: &Row<'_>) -> Result<DeviceEvent, rusqlite::Error> {
    let body: String = row.get(3)?;
    let body: Map<String, Value> = serde_json::from_str(&body).unwrap_or_default();
    Ok(DeviceEvent {
        at: UnixMs(row.get(0)?),
        received_at: Some(UnixMs(row.get(1)?)),
        kind: row.get(2)?,
        detail: body.into_iter().filter(|(key, _)| TOLD.contains(&key.as_str())).collect(),
    })
}

fn alarms(
    from: &Connection,
    device: &DeviceId,
    limit: u32,
) -> Result<Vec<DeviceEvent>, LedgerFault> {
    let mut statement = from.prepare_cached(&format!(
        "SELECT code, raised_at, cleared_at FROM alarms
         WHERE device = ? AND code IN ({OWN_ALARMS}) ORDER BY id DESC LIMIT ?"
    ))?;
    let mut rows = statement.query(params![device.as_str(), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let code: String = row.get(0)?;
        let raised: (i64, bool) = (row.get(1)?, true);
        let cleared = row.get::<_, Option<i64>>(2)?.map(|at| (at, false));
        for (at, active) in [Some(raised), cleared].into_iter().flatten() {
            found.push(DeviceEvent {
                at: UnixMs(at),
                received_at: None,
                kind: "alarm".into(),
                detail: held(json!({ "code": code, "active": active })),
            });
        }
    }
    Ok(found)
}

/// An object without what is not known.
fn held(detail: Value) -> Map<String, Value> {
    match detail {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

/// The commands of the fleet, the newest first.
pub(super) fn commands(
    from: &Connection,
    query: &CommandQuery,
) -> Result<Vec<CommandView>, LedgerFault> {
    let mut statement = from.prepare_cached(&format!(
        "SELECT {COMMAND} FROM commands
         WHERE sent_at >= ?1
               AND (?2 = '[]' OR op IN (SELECT value FROM json_each(?2)))
               AND (?3 IS NULL OR actor = ?3)
               AND (?4 IS NULL OR device = ?4)
         ORDER BY sent_at DESC, id DESC LIMIT ?5"
    ))?;
    let ops = Value::from(query.ops.clone()).to_string();
    let device = query.device.as_ref().map(DeviceId::as_str);
    let given = params![query.since.0, ops, query.actor, device, query.limit];
    let rows = statement.query_map(given, command)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What somebody did, as it stands on the audit trail, the newest first. Without sales: a counter makes
/// hundreds of these a day, and they have reports of their own.
pub(super) fn acts(
    from: &Connection,
    actor: &str,
    since: UnixMs,
    limit: u32,
) -> Result<Vec<AuditLine>, LedgerFault> {
    let mut statement = from.prepare_cached(
        "SELECT at, actor, action, target, note FROM audit
         WHERE at >= ? AND actor = ? AND action NOT IN ('ticket.issue', 'ticket.import')
         ORDER BY at DESC, n DESC LIMIT ?",
    )?;
    let rows = statement.query_map(params![since.0, actor, limit], audit_line)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
