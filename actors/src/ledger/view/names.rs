//! Names keep their numbers for ever.
//!
//! Ticket states, grants and passages hold an area, gate or lane as a number. A name
//! gets the next number when it is first seen. A definition that the configuration no longer has
//! is kept in its place, so that what was sold under it can still be used and read.

use rusqlite::{Transaction, params};
use serde::{Serialize, de::DeserializeOwned};
use shanmen_rules::definition::{AreaDefinition, GateDefinition, LaneDefinition, ParkDefinition};

use super::LedgerFault;

/// Orders every kind of definition by its numbers, retired ones in their places.
pub(super) fn settle(
    to: &Transaction<'_>,
    park: &ParkDefinition,
) -> Result<ParkDefinition, LedgerFault> {
    let mut settled = park.clone();
    settled.areas = kind(to, "area", &park.areas, |area: &AreaDefinition| area.id.as_str())?;
    settled.gates = kind(to, "gate", &park.gates, |gate: &GateDefinition| gate.id.as_str())?;
    settled.lanes = kind(to, "lane", &park.lanes, |lane: &LaneDefinition| lane.id.as_str())?;
    Ok(settled)
}

fn kind<T: Clone + Serialize + DeserializeOwned>(
    to: &Transaction<'_>,
    kind: &str,
    current: &[T],
    id: impl Fn(&T) -> &str,
) -> Result<Vec<T>, LedgerFault> {
    let mut statement = to.prepare("SELECT id, definition FROM names WHERE kind = ? ORDER BY n")?;
    let known: Vec<(String, String)> = statement
        .query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut settled = Vec::with_capacity(current.len().max(known.len()));
    for (name, kept) in &known {
        match current.iter().find(|one| id(one) == name) {
            Some(one) => settled.push(one.clone()),
            None => settled.push(serde_json::from_str(kept).map_err(|error| {
                LedgerFault::Broken(format!("the kept definition of {kind} {name}: {error}"))
            })?),
        }
    }
    let is_new = |one: &&T| !known.iter().any(|(name, _)| name == id(one));
    settled.extend(current.iter().filter(is_new).cloned());
    // Areas begin at 1: 0 is the world outside.
    let first = u32::from(kind == "area");
    for (n, one) in (first..).zip(&settled) {
        let definition = serde_json::to_string(one)
            .map_err(|error| LedgerFault::Broken(format!("a definition of {kind}: {error}")))?;
        to.execute(
            "INSERT INTO names (kind, n, id, definition) VALUES (?, ?, ?, ?)
             ON CONFLICT (kind, n) DO UPDATE SET definition = excluded.definition",
            params![kind, n, id(one), definition],
        )?;
    }
    Ok(settled)
}
