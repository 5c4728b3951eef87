//! Commands, configurations and the emergency, as the books keep them.

use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};
use shanmen_protocols::{
    ids::{CommandId, DeviceId},
    time::UnixMs,
};

use super::{
    LedgerFault,
    rows::{parsed, uuid, wrong},
};
use crate::api::{CommandState, CommandView, ConfigView, EmergencyView};

pub(super) const COMMAND: &str = "id, device, op, args, actor, reason, sent_at, ttl_ms, state, answered_at, \
                       why, result";

/// Writes a command as it is now.
pub(in crate::ledger) fn put_command(
    to: &Connection,
    row: &CommandView,
) -> Result<(), rusqlite::Error> {
    to.prepare_cached(
        "INSERT OR REPLACE INTO commands
         (id, device, op, args, actor, reason, sent_at, ttl_ms, state, answered_at, why, result)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.id.0.as_bytes(),
        row.device.as_str(),
        row.op,
        serde_json::to_string(&row.args).unwrap_or_default(),
        row.actor,
        row.reason,
        row.sent_at.0,
        row.ttl_ms,
        row.state.as_str(),
        row.answered_at.map(|at| at.0),
        row.why,
        row.result.as_ref().map(ToString::to_string),
    ])?;
    Ok(())
}

pub(super) fn command(row: &Row<'_>) -> Result<CommandView, rusqlite::Error> {
    let json =
        |ix: usize, text: &str| serde_json::from_str(text).map_err(|_| wrong(ix, Type::Text));
    Ok(CommandView {
        id: CommandId(uuid(row, 0)?),
        device: parsed(row, 1, DeviceId::new)?,
        op: row.get(2)?,
        args: serde_json::from_str(&row.get::<_, String>(3)?).map_err(|_| wrong(3, Type::Text))?,
        actor: row.get(4)?,
        reason: row.get(5)?,
        sent_at: UnixMs(row.get(6)?),
        ttl_ms: row.get(7)?,
        state: CommandState::from_word(&row.get::<_, String>(8)?),
        answered_at: row.get::<_, Option<i64>>(9)?.map(UnixMs),
        why: row.get(10)?,
        result: row.get::<_, Option<String>>(11)?.map(|text| json(11, &text)).transpose()?,
    })
}

/// The commands of a device, the newest first.
pub(super) fn commands(
    from: &Connection,
    device: &DeviceId,
    limit: u32,
) -> Result<Vec<CommandView>, LedgerFault> {
    let mut statement = from.prepare_cached(&format!(
        "SELECT {COMMAND} FROM commands WHERE device = ? ORDER BY sent_at DESC, id DESC LIMIT ?"
    ))?;
    let rows = statement.query_map(params![device.as_str(), limit], command)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The commands that wait for an answer.
pub(super) fn open_commands(from: &Connection) -> Result<Vec<CommandView>, LedgerFault> {
    let mut statement = from.prepare(&format!(
        "SELECT {COMMAND} FROM commands WHERE state IN ('sent', 'received') ORDER BY sent_at"
    ))?;
    let rows = statement.query_map([], command)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes the configuration that a device should have.
pub(in crate::ledger) fn put_config(
    to: &Connection,
    device: &DeviceId,
    config: &ConfigView,
) -> Result<(), rusqlite::Error> {
    to.prepare_cached("INSERT OR REPLACE INTO device_configs VALUES (?, ?, ?, ?, ?, ?)")?.execute(
        params![
            device.as_str(),
            config.version.cast_signed(),
            serde_json::to_string(&config.config).unwrap_or_default(),
            config.at.0,
            config.actor,
            config.reason
        ],
    )?;
    Ok(())
}

/// The configurations that devices should have.
pub(super) fn configs(from: &Connection) -> Result<Vec<(DeviceId, ConfigView)>, LedgerFault> {
    let mut statement =
        from.prepare("SELECT device, version, config, at, actor, reason FROM device_configs")?;
    let rows = statement.query_map([], |row| {
        let config = ConfigView {
            version: row.get::<_, i64>(1)?.cast_unsigned(),
            config: serde_json::from_str(&row.get::<_, String>(2)?)
                .map_err(|_| wrong(2, Type::Text))?,
            at: UnixMs(row.get(3)?),
            actor: row.get(4)?,
            reason: row.get(5)?,
        };
        Ok((parsed(row, 0, DeviceId::new)?, config))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes whether every lane stands open.
pub(in crate::ledger) fn put_emergency(
    to: &Connection,
    state: &EmergencyView,
) -> Result<(), rusqlite::Error> {
    let value = serde_json::json!({
        "on": state.on,
        "since": state.since,
        "actor": state.actor,
        "reason": state.reason,
    });
    to.prepare_cached("INSERT OR REPLACE INTO site_state VALUES ('emergency', ?)")?
        .execute([value.to_string()])?;
    Ok(())
}

/// Whether every lane stands open.
pub(super) fn emergency(from: &Connection) -> Result<EmergencyView, LedgerFault> {
    let text: Option<String> = from
        .query_row("SELECT value FROM site_state WHERE name = 'emergency'", [], |row| row.get(0))
        .optional()?;
    let value: serde_json::Value = match text {
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| LedgerFault::Broken(format!("the emergency's state: {error}")))?,
        None => serde_json::Value::Null,
    };
    let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    Ok(EmergencyView {
        on: value["on"].as_bool().unwrap_or(false),
        since: value["since"].as_i64().map(UnixMs),
        actor: word("actor"),
        reason: word("reason"),
    })
}
