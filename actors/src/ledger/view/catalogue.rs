//! Versions of products, as the books keep them: each at its number.

use rusqlite::{Connection, params};
use shanmen_protocols::time::UnixMs;
use shanmen_rules::definition::ProductDefinition;

use super::LedgerFault;
use crate::ledger::{Origin, ProductRow};

/// All versions, by number.
pub(super) fn all(from: &Connection) -> Result<Vec<ProductRow>, LedgerFault> {
    let mut statement = from.prepare(
        "SELECT version, definition, origin, dropped, at, actor, reason FROM products ORDER BY n",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (version, text): (u32, String) = (row.get(0)?, row.get(1)?);
        let definition: ProductDefinition = serde_json::from_str(&text)
            .map_err(|error| LedgerFault::Broken(format!("a kept product: {error}")))?;
        found.push(ProductRow {
            version,
            definition,
            origin: if row.get::<_, String>(2)? == "api" { Origin::Api } else { Origin::Config },
            dropped: row.get(3)?,
            at: UnixMs(row.get(4)?),
            actor: row.get(5)?,
            reason: row.get(6)?,
        });
    }
    Ok(found)
}

/// Writes a version under its number; of one that is there already only `dropped` can differ.
pub(in crate::ledger) fn put(
    to: &Connection,
    n: usize,
    row: &ProductRow,
) -> Result<(), rusqlite::Error> {
    let definition = serde_json::to_string(&row.definition)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    to.prepare_cached(
        "INSERT OR REPLACE INTO products (n, id, version, definition, origin, dropped, at, actor, reason)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        u32::try_from(n).unwrap_or(u32::MAX),
        row.definition.id,
        row.version,
        definition,
        row.origin.as_str(),
        row.dropped,
        row.at.0,
        row.actor,
        row.reason
    ])?;
    Ok(())
}
