//! The swipes of cards, newest first: presentations, and passages that were decided elsewhere.

use rusqlite::{Connection, params_from_iter, types::Value};
use shanmen_protocols::{ids::TicketId, time::UnixMs};

use super::{
    LedgerFault,
    rows::{direction, uuid},
};
use crate::api::{SwipeQuery, SwipeView};

pub(super) fn find(
    from: &Connection,
    query: &SwipeQuery,
    products: &[u16],
) -> Result<Vec<SwipeView>, LedgerFault> {
    // Numbers only: nothing of a caller's text gets into the statement.
    let among: Vec<String> = products.iter().map(u16::to_string).collect();
    let among = among.join(",");
    let ticket = if query.ticket.is_some() { "AND x.ticket = ?3" } else { "AND ?3 IS NULL" };
    let sql = format!(
        "SELECT x.at, x.ticket, x.product, h.holder, x.device, n.id, x.direction, x.result,
                x.reason, g.outcome
         FROM scans x
         LEFT JOIN grants g ON g.id = x.grant_id
         LEFT JOIN holders h ON h.ticket = x.ticket
         LEFT JOIN names n ON n.kind = 'lane' AND n.n = x.lane
         WHERE x.at >= ?1 AND x.at < ?2 AND x.product IN ({among}) {ticket}
         UNION ALL
         SELECT x.at, x.ticket, x.product, h.holder, x.device, n.id, x.direction, 3,
                x.by_whom, x.outcome
         FROM passages x
         LEFT JOIN holders h ON h.ticket = x.ticket
         LEFT JOIN names n ON n.kind = 'lane' AND n.n = x.lane
         WHERE x.at >= ?1 AND x.at < ?2 AND x.product IN ({among}) {ticket}
               AND x.grant_id IS NULL
         ORDER BY 1 DESC LIMIT ?4"
    );
    let ticket = query.ticket.map_or(Value::Null, |id| Value::Blob(id.0.as_bytes().to_vec()));
    let given = [query.from.0.into(), query.until.0.into(), ticket, i64::from(query.limit).into()];
    let mut statement = from.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(given), |row| {
        let holder: Option<String> = row.get(3)?;
        Ok(SwipeView {
            at: UnixMs(row.get(0)?),
            ticket: TicketId(uuid(row, 1)?),
            product: row.get(2)?,
            holder: holder.and_then(|text| serde_json::from_str(&text).ok()),
            device: row.get(4)?,
            lane: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
            direction: direction(row, 6)?,
            result: match row.get(7)? {
                0u8 => "grant",
                1 => "more",
                2 => "deny",
                _ => "passage",
            },
            reason: row.get(8)?,
            outcome: row.get(9)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
