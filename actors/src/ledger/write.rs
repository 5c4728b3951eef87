//! Every write, row by row, within the writer's transaction.

use rusqlite::{Connection, OptionalExtension as _, params};
use shanmen_protocols::{
    device::DecisionResult,
    ids::{Direction, GrantId, TicketId},
    time::UnixMs,
};
use shanmen_rules::TicketState;

use super::{
    ClaimRow, Decided, DeviceRow, EventRow, Journaled, LedgerFault, OverrideRow, PassageRow,
    Record, ScanRow, Settled, TicketRow, books::Known, history, view,
};
use crate::{
    api::{AuditLine, BlockedPerson},
    keys::Digest,
};

/// What became of one record: written, or refused without harm to the others.
pub(super) type Written = Result<(), LedgerFault>;

/// How long a retry gets its first answer, in milliseconds: a week.
const IDEMPOTENCY_KEPT_MS: i64 = 7 * 24 * 3_600_000;

/// Takes a record of the journal over into the books, with its number and moment there.
pub(super) fn take_over(
    to: &Connection,
    record: &Journaled,
    n: i64,
    at: UnixMs,
    known: &mut Known,
) -> Result<(), rusqlite::Error> {
    match record {
        Journaled::Decided(decided) => self::decided(to, decided, known),
        Journaled::Settled(settled) => self::settled(to, settled, n, at, known),
        Journaled::Event(row) => event(to, row, known).map(drop),
        Journaled::TicketChanged { id, state, audit } => {
            ticket_state(to, *id, state)?;
            self::audit(to, audit)
        }
    }
}

/// Writes one record. An `Err` of `SQLite` undoes the whole group; an inner `Err` only this record,
/// which then has written nothing.
pub(super) fn record(
    to: &Connection,
    record: &Record,
    at: UnixMs,
) -> Result<Written, rusqlite::Error> {
    match record {
        Record::Tickets { rows, idempotency, audit } => {
            tickets(to, rows)?;
            if let Some((key, request, answer)) = idempotency {
                to.prepare_cached("DELETE FROM idempotency WHERE at < ?")?
                    .execute([at.0 - IDEMPOTENCY_KEPT_MS])?;
                to.prepare_cached(
                    "INSERT INTO idempotency (key, request, answer, at) VALUES (?, ?, ?, ?)",
                )?
                .execute(params![key, request, answer, at.0])?;
            }
            if let Some(line) = audit {
                self::audit(to, line)?;
            }
        }
        Record::Device { row, audit } => {
            device(to, row)?;
            if let Some(line) = audit {
                self::audit(to, line)?;
            }
        }
        Record::ClaimMade { row, audit } => claim_made(to, row, audit)?,
        Record::ClaimUsed { digest, at, device: row } => return claim_used(to, *digest, *at, row),
        Record::Account(account) => {
            let roles = serde_json::to_string(&account.roles).unwrap_or_default();
            to.prepare_cached("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?)")?
                .execute(params![account.user, account.password_hash, roles])?;
            to.prepare_cached("DELETE FROM tokens WHERE user = ?")?.execute([&account.user])?;
        }
        Record::Token { digest, user, roles, expires } => {
            let roles = serde_json::to_string(roles).unwrap_or_default();
            to.prepare_cached("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)")?
                .execute(params![digest, user, roles, expires.0])?;
            to.prepare_cached("DELETE FROM tokens WHERE expires_at < ?")?.execute([at.0])?;
        }
        Record::Product { n, row, audit } => {
            view::catalogue::put(to, *n, row)?;
            self::audit(to, audit)?;
        }
        Record::Override { row, audit } => overridden(to, row, audit)?,
        Record::Alarm { row, audit } => {
            view::alarms::put(to, row)?;
            if let Some(line) = audit {
                self::audit(to, line)?;
            }
        }
        Record::Blocked { digest, person, audit } => blocked(to, *digest, person, audit)?,
        Record::Unblocked { id, audit } => {
            to.prepare_cached("DELETE FROM blocked_persons WHERE id = ?")?
                .execute([id.as_bytes()])?;
            self::audit(to, audit)?;
        }
        Record::Commands { rows, audit } => {
            for row in rows {
                view::fleet::put_command(to, row)?;
            }
            if let Some(line) = audit {
                self::audit(to, line)?;
            }
        }
        Record::Config { device, config, audit } => {
            view::fleet::put_config(to, device, config)?;
            self::audit(to, audit)?;
        }
        Record::Emergency { state, audit } => {
            view::fleet::put_emergency(to, state)?;
            self::audit(to, audit)?;
        }
        Record::Order { row, tickets: rows, audit } => {
            if let Err(refused) = view::orders::put(to, row)? {
                return Ok(Err(refused));
            }
            tickets(to, rows)?;
            if let Some(line) = audit {
                self::audit(to, line)?;
            }
        }
        Record::History(what) => history::write(to, what)?,
        Record::Audit(line) => audit(to, line)?,
    }
    Ok(Ok(()))
}

fn claim_made(to: &Connection, row: &ClaimRow, audit: &AuditLine) -> Result<(), rusqlite::Error> {
    to.prepare_cached(
        "INSERT INTO claims (digest, device, kind, gate, lane, expires_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.digest,
        row.device.as_str(),
        row.kind.as_str(),
        row.gate.as_ref().map(AsRef::as_ref),
        row.lane.as_ref().map(AsRef::as_ref),
        row.expires_at.0
    ])?;
    self::audit(to, audit)?;
    Ok(())
}

fn blocked(
    to: &Connection,
    digest: Digest,
    person: &BlockedPerson,
    audit: &AuditLine,
) -> Result<(), rusqlite::Error> {
    to.prepare_cached("INSERT INTO blocked_persons VALUES (?, ?, ?, ?, ?, ?)")?.execute(
        params![
            person.id.as_bytes(),
            digest.0,
            person.kind.as_str(),
            person.at.0,
            person.actor,
            person.reason
        ],
    )?;
    self::audit(to, audit)?;
    Ok(())
}

fn overridden(
    to: &Connection,
    row: &OverrideRow,
    audit: &AuditLine,
) -> Result<(), rusqlite::Error> {
    to.prepare_cached("INSERT OR REPLACE INTO capacity_overrides VALUES (?, ?, ?, ?, ?)")?
        .execute(params![row.area.as_str(), row.until.0, row.at.0, row.actor, row.reason])?;
    self::audit(to, audit)?;
    Ok(())
}

/// Writes new tickets and what leads to them.
pub(super) fn tickets(to: &Connection, rows: &[TicketRow]) -> Result<(), rusqlite::Error> {
    let mut ticket =
        to.prepare_cached("INSERT INTO tickets (id, state, channel) VALUES (?, ?, ?)")?;
    let mut credential =
        to.prepare_cached("INSERT OR IGNORE INTO credentials (digest, ticket) VALUES (?, ?)")?;
    let mut holder = to.prepare_cached("INSERT INTO holders (ticket, holder) VALUES (?, ?)")?;
    for row in rows {
        let id = row.id.0.as_bytes();
        ticket.execute(params![id, postcard(&row.state)?, row.channel.as_str()])?;
        for digest in &row.credentials {
            credential.execute(params![digest.0, id])?;
        }
        if let Some(text) = &row.holder {
            holder.execute(params![id, text])?;
        }
    }
    Ok(())
}

fn decided(to: &Connection, decided: &Decided, known: &mut Known) -> Result<(), rusqlite::Error> {
    let first = scan(to, &decided.scan)?;
    if !first {
        // The twin recognises repeats before any rule is asked; one that came through has moved
        // the ticket in memory, so the books follow, and the fault is shown.
        metrics::counter!("shanmen_invariant_broken_total", "name" => "same_answer").increment(1);
        tracing::error!(scan = %decided.scan.answer.scan, "a scan id was answered twice");
    }
    if let Some(grant) = &decided.grant {
        to.prepare_cached(
            "INSERT INTO grants (id, scan, device, ticket, hold_ms, opened)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            grant.id.0.as_bytes(),
            grant.scan.0.as_bytes(),
            grant.device.as_str(),
            grant.ticket.map(|id| id.0.into_bytes()),
            grant.hold_ms,
            postcard(&grant.open)?
        ])?;
    }
    if let Some((id, state)) = &decided.ticket {
        ticket_state(to, *id, state)?;
    }
    let answer = &decided.scan.answer;
    if first && answer.result == DecisionResult::Deny {
        known.counter.refusal(answer);
    }
    Ok(())
}

/// Writes a presentation; false when its id is there already.
fn scan(to: &Connection, row: &ScanRow) -> Result<bool, rusqlite::Error> {
    let answer = &row.answer;
    let facts = answer.facts.as_ref().map(|facts| serde_json::to_string(facts).unwrap_or_default());
    let inserted = to
        .prepare_cached(
            "INSERT OR IGNORE INTO scans
             (id, device, at, day, lane, direction, ticket, product, result, reason, persons,
              grant_id, facts, needs)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            answer.scan.0.as_bytes(),
            row.device.as_str(),
            answer.at.0,
            row.day.0,
            answer.lane.0,
            direction_number(answer.direction),
            answer.ticket.map(|id| id.0.into_bytes()),
            answer.product.map(|product| product.0),
            result_number(answer.result),
            answer.reason.code(),
            answer.persons,
            answer.grant.map(|id| id.0.into_bytes()),
            facts,
            view::rows::needs_number(answer.needs),
        ])?;
    Ok(inserted == 1)
}

fn settled(
    to: &Connection,
    settled: &Settled,
    n: i64,
    at: UnixMs,
    known: &mut Known,
) -> Result<(), rusqlite::Error> {
    if let Some(row) = &settled.event
        && !event(to, row, known)?
    {
        // The fact is here already: a replay is a no-op, and still acknowledged.
        return Ok(());
    }
    if let Some(id) = settled.closes {
        close_grant(to, id, &settled.passage)?;
    }
    passage(to, &settled.passage, n, at)?;
    if let Some((id, state)) = &settled.ticket {
        ticket_state(to, *id, state)?;
    }
    if let Some(conflict) = &settled.conflict {
        to.prepare_cached("INSERT INTO conflicts (at, ticket, device, note) VALUES (?, ?, ?, ?)")?
            .execute(params![
                conflict.at.0,
                settled.passage.ticket.map(|id| id.0.into_bytes()),
                settled.passage.device.as_str(),
                conflict.note
            ])?;
    }
    if let Some(line) = &settled.audit {
        audit(to, line)?;
    }
    // The last thing: what was refused before is not counted either.
    known.counter.passage(to, &settled.passage)
}

fn close_grant(to: &Connection, id: GrantId, row: &PassageRow) -> Result<(), rusqlite::Error> {
    to.prepare_cached(
        "UPDATE grants SET taken = ?, closed_at = ?, outcome = ? WHERE id = ? AND closed_at IS NULL",
    )?
    .execute(params![row.count, row.at.0, row.outcome.as_str(), id.0.as_bytes()])?;
    Ok(())
}

fn passage(to: &Connection, row: &PassageRow, n: i64, at: UnixMs) -> Result<(), rusqlite::Error> {
    to.prepare_cached(
        "INSERT INTO passages
         (n, at, committed_at, day, device, lane, direction, ticket, product, grant_id, outcome,
          by_whom, count, reentry, moves, time_known)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        n,
        row.at.0,
        at.0,
        row.day.0,
        row.device.as_str(),
        row.lane.0,
        direction_number(row.direction),
        row.ticket.map(|id| id.0.into_bytes()),
        row.product.map(|product| product.0),
        row.grant.map(|id| id.0.into_bytes()),
        row.outcome.as_str(),
        row.by.as_str(),
        row.count,
        row.reentry,
        postcard(&row.moves)?,
        row.time_known,
    ])?;
    Ok(())
}

/// Writes a fact; false when it is there already.
fn event(to: &Connection, row: &EventRow, known: &mut Known) -> Result<bool, rusqlite::Error> {
    let inserted = to
        .prepare_cached(
            "INSERT INTO events
             (device, epoch, seq, at, received_at, kind, body, gap_from, gap_to)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET gap_from = excluded.gap_from, gap_to = excluded.gap_to
             WHERE excluded.gap_from IS NOT NULL AND gap_from IS NOT excluded.gap_from",
        )?
        .execute(params![
            row.device.as_str(),
            row.epoch.as_str(),
            row.seq.cast_signed(),
            row.at.0,
            row.received_at.0,
            row.kind,
            row.body,
            row.gap.map(|(from, _)| from.cast_signed()),
            row.gap.map(|(_, to)| to.cast_signed()),
        ])?;
    if inserted == 1 {
        known.marks.note(to, row)?;
    }
    Ok(inserted == 1)
}

fn ticket_state(to: &Connection, id: TicketId, state: &TicketState) -> Result<(), rusqlite::Error> {
    to.prepare_cached("UPDATE tickets SET state = ? WHERE id = ?")?
        .execute(params![postcard(state)?, id.0.as_bytes()])?;
    Ok(())
}

fn device(to: &Connection, row: &DeviceRow) -> Result<(), rusqlite::Error> {
    to.prepare_cached(
        "INSERT OR REPLACE INTO devices
         (id, kind, gate, lane, standing, secret, serial, model, since)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.id.as_str(),
        row.kind.as_str(),
        row.gate.as_ref().map(AsRef::as_ref),
        row.lane.as_ref().map(AsRef::as_ref),
        view::rows::standing_word(row.standing),
        row.secret,
        row.serial,
        row.model,
        row.since.0
    ])?;
    Ok(())
}

fn claim_used(
    to: &Connection,
    digest: [u8; 32],
    at: UnixMs,
    row: &DeviceRow,
) -> Result<Written, rusqlite::Error> {
    let used_before: Option<Option<i64>> = to
        .prepare_cached("SELECT used_at FROM claims WHERE digest = ?")?
        .query_row([digest], |row| row.get(0))
        .optional()?;
    if used_before != Some(None) {
        return Ok(Err(LedgerFault::Refused("this claim was traded before".into())));
    }
    to.prepare_cached("UPDATE claims SET used_at = ? WHERE digest = ?")?
        .execute(params![at.0, digest])?;
    device(to, row)?;
    Ok(Ok(()))
}

fn audit(to: &Connection, line: &AuditLine) -> Result<(), rusqlite::Error> {
    to.prepare_cached(
        "INSERT INTO audit (at, actor, action, target, note) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![line.at.0, line.actor, line.action, line.target, line.note])?;
    Ok(())
}

fn direction_number(direction: Direction) -> u8 {
    match direction {
        Direction::In => 0,
        Direction::Out => 1,
    }
}

fn result_number(result: DecisionResult) -> u8 {
    match result {
        DecisionResult::Grant => 0,
        DecisionResult::More | DecisionResult::Wait => 1,
        DecisionResult::Deny => 2,
    }
}

/// Reads a ticket state's blob; it begins with its version.
pub(super) fn state_of(blob: &[u8]) -> Result<TicketState, LedgerFault> {
    postcard::from_bytes(blob)
        .map_err(|error| LedgerFault::Broken(format!("a ticket's state: {error}")))
}

fn postcard(value: &impl serde::Serialize) -> Result<Vec<u8>, rusqlite::Error> {
    postcard::to_allocvec(value).map_err(encoding_fault)
}

fn encoding_fault(error: postcard::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}
