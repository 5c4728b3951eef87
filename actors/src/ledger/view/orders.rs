//! Orders, as the books keep them.

use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};
use shanmen_protocols::{
    device::OrderState,
    ids::{Channel, OrderId, TicketId},
    time::UnixMs,
};

use super::{
    LedgerFault,
    rows::{parsed, uuid, wrong},
};
use crate::{keys::Digest, ledger::OrderRow};

const ORDER: &str = "id, seller, state, lines, amount, created_at, expires_at, payment, paid_at, \
                     tickets, redeemed, channel";

/// Writes an order as it is now; refused where its payment or code belongs to another order.
pub(in crate::ledger) fn put(
    to: &Connection,
    row: &OrderRow,
) -> Result<Result<(), LedgerFault>, rusqlite::Error> {
    let id = row.id.0.as_bytes();
    if let Some((payment, _)) = &row.payment
        && to
            .prepare_cached("SELECT 1 FROM orders WHERE payment = ? AND id <> ?")?
            .exists(params![payment, id])?
    {
        let taken = "payment: it belongs to another order already".to_owned();
        return Ok(Err(LedgerFault::Refused(taken)));
    }
    if let Some(digest) = row.redeemed
        && to
            .prepare_cached("SELECT 1 FROM orders WHERE redeemed = ? AND id <> ?")?
            .exists(params![digest.0, id])?
    {
        let taken = "credential: this code was exchanged before".to_owned();
        return Ok(Err(LedgerFault::Refused(taken)));
    }
    to.prepare_cached("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            id,
            row.seller,
            row.state.as_str(),
            serde_json::to_string(&row.lines).unwrap_or_default(),
            row.amount.cast_signed(),
            row.created_at.0,
            row.expires_at.0,
            row.payment.as_ref().map(|(number, _)| number),
            row.payment.as_ref().map(|(_, at)| at.0),
            serde_json::to_string(&row.tickets).unwrap_or_default(),
            row.redeemed.map(|digest| digest.0),
            row.channel.as_str(),
        ])?;
    Ok(Ok(()))
}

fn order(row: &Row<'_>) -> Result<OrderRow, rusqlite::Error> {
    let json = |ix: usize| -> Result<String, rusqlite::Error> { row.get(ix) };
    let state = serde_json::Value::from(json(2)?);
    let payment: Option<String> = row.get(7)?;
    Ok(OrderRow {
        id: OrderId(uuid(row, 0)?),
        seller: row.get(1)?,
        state: serde_json::from_value::<OrderState>(state).map_err(|_| wrong(2, Type::Text))?,
        lines: serde_json::from_str(&json(3)?).map_err(|_| wrong(3, Type::Text))?,
        amount: row.get::<_, i64>(4)?.cast_unsigned(),
        created_at: UnixMs(row.get(5)?),
        expires_at: UnixMs(row.get(6)?),
        payment: payment.zip(row.get::<_, Option<i64>>(8)?.map(UnixMs)),
        tickets: serde_json::from_str::<Vec<TicketId>>(&json(9)?)
            .map_err(|_| wrong(9, Type::Text))?,
        redeemed: row.get::<_, Option<[u8; 16]>>(10)?.map(Digest),
        channel: parsed(row, 11, Channel::new)?,
    })
}

/// One order.
pub(super) fn one(from: &Connection, id: OrderId) -> Result<Option<OrderRow>, LedgerFault> {
    Ok(from
        .prepare_cached(&format!("SELECT {ORDER} FROM orders WHERE id = ?"))?
        .query_row([id.0.as_bytes()], order)
        .optional()?)
}
