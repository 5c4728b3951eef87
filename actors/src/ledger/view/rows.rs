//! Rows and columns, read back into what they were.

use rusqlite::{Row, types::Type};
use shanmen_protocols::{
    device::{DecisionResult, Outcome},
    ids::{DeviceId, DeviceKind, Direction, GrantId, ScanId, TicketId},
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{LaneIx, Need, Needs, ProductIx};
use uuid::Uuid;

use crate::api::{Account, AuditLine, DeviceStanding};
use crate::ledger::{Answer, GrantRow, Moved};

pub(in crate::ledger) const ANSWER: &str = "id, lane, direction, at, ticket, product, result, reason, \
                                 grant_id, persons, needs, facts";
pub(super) const GRANT: &str = "g.id, g.scan, g.device, g.ticket, s.product, g.hold_ms, g.opened";
pub(super) const GRANTS: &str =
    "grants g LEFT JOIN scans s ON s.id = g.scan AND s.device = g.device";

pub(in crate::ledger) fn answer(row: &Row<'_>) -> Result<Answer, rusqlite::Error> {
    let facts: Option<String> = row.get(11)?;
    Ok(Answer {
        scan: ScanId(uuid(row, 0)?),
        lane: LaneIx(row.get(1)?),
        direction: direction(row, 2)?,
        at: UnixMs(row.get(3)?),
        ticket: optional_uuid(row, 4)?.map(TicketId),
        product: row.get::<_, Option<u16>>(5)?.map(ProductIx),
        result: match row.get(6)? {
            0u8 => DecisionResult::Grant,
            1 => DecisionResult::More,
            _ => DecisionResult::Deny,
        },
        reason: Reason::from_code(&row.get::<_, String>(7)?).unwrap_or(Reason::Internal),
        grant: optional_uuid(row, 8)?.map(GrantId),
        persons: row.get(9)?,
        needs: needs_of(row.get(10)?),
        facts: facts.and_then(|text| serde_json::from_str(&text).ok()),
    })
}

pub(super) fn grant(row: &Row<'_>) -> Result<GrantRow, rusqlite::Error> {
    Ok(GrantRow {
        id: GrantId(uuid(row, 0)?),
        scan: ScanId(uuid(row, 1)?),
        device: parsed(row, 2, DeviceId::new)?,
        ticket: optional_uuid(row, 3)?.map(TicketId),
        product: row.get::<_, Option<u16>>(4)?.map(ProductIx),
        hold_ms: row.get(5)?,
        open: postcard::from_bytes(row.get_ref(6)?.as_blob().map_err(|_| wrong(6, Type::Blob))?)
            .map_err(|_| wrong(6, Type::Blob))?,
    })
}

pub(super) fn moved(row: &Row<'_>) -> Result<Moved, rusqlite::Error> {
    Ok(Moved {
        n: row.get(9)?,
        at: UnixMs(row.get(0)?),
        committed_at: UnixMs(row.get(1)?),
        lane: LaneIx(row.get(2)?),
        direction: direction(row, 3)?,
        product: row.get::<_, Option<u16>>(4)?.map(ProductIx),
        outcome: word(&row.get::<_, String>(5)?, Outcome::Other),
        count: row.get(6)?,
        reentry: row.get(7)?,
        moves: postcard::from_bytes(row.get_ref(8)?.as_blob().map_err(|_| wrong(8, Type::Blob))?)
            .map_err(|_| wrong(8, Type::Blob))?,
    })
}

pub(super) fn account(row: &Row<'_>) -> Result<Account, rusqlite::Error> {
    let roles: String = row.get(2)?;
    Ok(Account {
        user: row.get(0)?,
        password_hash: row.get(1)?,
        roles: serde_json::from_str(&roles).unwrap_or_default(),
    })
}

pub(in crate::ledger) fn word<T: for<'de> serde::Deserialize<'de>>(text: &str, unknown: T) -> T {
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text))
        .unwrap_or(unknown)
}

pub(super) fn uuid(row: &Row<'_>, column: usize) -> Result<Uuid, rusqlite::Error> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}

pub(in crate::ledger) fn optional_uuid(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<Uuid>, rusqlite::Error> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(Uuid::from_bytes))
}

pub(in crate::ledger) fn direction(
    row: &Row<'_>,
    column: usize,
) -> Result<Direction, rusqlite::Error> {
    Ok(if row.get::<_, u8>(column)? == 0 { Direction::In } else { Direction::Out })
}

pub(in crate::ledger) fn parsed<T, E>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, rusqlite::Error> {
    let text: String = row.get(column)?;
    parse(&text).map_err(|_| wrong(column, Type::Text))
}

pub(super) fn optional<T, E>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, rusqlite::Error> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| parse(&text).map_err(|_| wrong(column, Type::Text))).transpose()
}

pub(super) fn kind_of(row: &Row<'_>, column: usize) -> Result<DeviceKind, rusqlite::Error> {
    Ok(word(&row.get::<_, String>(column)?, DeviceKind::Turnstile))
}

pub(super) fn wrong(column: usize, kind: Type) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "a row of another make".into(), kind)
}

/// The word for a standing.
pub(in crate::ledger) fn standing_word(standing: DeviceStanding) -> &'static str {
    match standing {
        DeviceStanding::Pending => "pending",
        DeviceStanding::Approved => "approved",
        DeviceStanding::Revoked => "revoked",
    }
}

/// The number under which a set of needs is kept.
pub(in crate::ledger) fn needs_number(needs: Needs) -> u8 {
    needs.iter().fold(0, |number, need| number | need_bit(need))
}

pub(super) fn needs_of(number: u8) -> Needs {
    [Need::IdCard, Need::Face, Need::Attendant]
        .into_iter()
        .filter(|&need| number & need_bit(need) != 0)
        .collect()
}

fn need_bit(need: Need) -> u8 {
    match need {
        Need::IdCard => 1,
        Need::Face => 2,
        Need::Attendant => 4,
    }
}

/// A line of the audit trail: `at, actor, action, target, note`.
pub(super) fn audit_line(row: &Row<'_>) -> rusqlite::Result<AuditLine> {
    Ok(AuditLine {
        at: UnixMs(row.get(0)?),
        actor: row.get(1)?,
        action: row.get(2)?,
        target: row.get(3)?,
        note: row.get(4)?,
    })
}
