//! Every read.

use rusqlite::{Connection, OptionalExtension as _, params, types::Type};
use shanmen_protocols::{
    device::{CredentialKind, PassageBy},
    ids::{AreaId, DeviceId, GateId, GrantId, LaneId, OrderId, ScanId, TicketId},
    time::UnixMs,
};
use shanmen_rules::{Day, ParkDefinition};

use super::{
    Answer, BulkEntry, ClaimRow, ClosedGrant, DeviceRow, DirectEntry, Entry, GrantRow, Ledger,
    LedgerFault, Loaded, Moved, OrderRow, OverrideRow, ProductRow, Rows, SeenEvents, SqliteLedger,
    TokenRow,
};
use crate::api::{
    Account, AuditLine, AuditQuery, BlockedPerson, CommandQuery, CommandView, ConflictView,
    DeviceEvent, DeviceStanding, PassageView, PresentationView, SwipeQuery, SwipeView,
};
use crate::keys::Digest;

pub(super) mod alarms;
pub(super) mod catalogue;
mod duty;
pub(super) mod fleet;
mod names;
pub(super) mod orders;
pub(in crate::ledger) mod rows;
mod swipes;

use self::rows::{
    ANSWER, GRANT, GRANTS, account, answer, audit_line, direction, grant, kind_of, moved, optional,
    optional_uuid, parsed, uuid, word, wrong,
};

impl Ledger for SqliteLedger {
    fn append(&self, entry: Entry) -> Result<(), Box<Entry>> {
        self.try_append(entry)
    }

    fn append_direct(&self, entry: DirectEntry) -> Result<(), LedgerFault> {
        self.try_direct(entry)
    }

    async fn append_bulk(&self, entry: BulkEntry) -> Result<(), LedgerFault> {
        self.send_bulk(entry).await
    }

    fn healthy(&self) -> bool {
        self.is_healthy()
    }

    fn settle_names(&self, park: &ParkDefinition) -> Result<ParkDefinition, LedgerFault> {
        let settled = self.write_alone(|transaction| names::settle(transaction, park));
        self.park_changed();
        settled
    }

    fn products(&self) -> Result<Vec<ProductRow>, LedgerFault> {
        self.read(catalogue::all)
    }

    fn keep_products(&self, rows: &[ProductRow]) -> Result<(), LedgerFault> {
        self.write_alone(|transaction| {
            for (n, row) in rows.iter().enumerate() {
                catalogue::put(transaction, n, row)?;
            }
            Ok(())
        })?;
        self.park_changed();
        Ok(())
    }

    fn swipes(&self, query: &SwipeQuery, products: &[u16]) -> Result<Vec<SwipeView>, LedgerFault> {
        self.read_report(|from| swipes::find(from, query, products))
    }

    fn load(&self, now: UnixMs, into: Rows<'_>) -> Result<Loaded, LedgerFault> {
        self.read(|from| {
            let mut statement = from.prepare("SELECT id, state FROM tickets")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let blob = row.get_ref(1)?.as_blob().map_err(|_| wrong(1, Type::Blob))?;
                (into.ticket)(TicketId(uuid(row, 0)?), blob)?;
            }
            let mut statement = from.prepare("SELECT digest, ticket FROM credentials")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                (into.credential)(row.get(0)?, TicketId(uuid(row, 1)?));
            }
            Ok(Loaded {
                grants: open_grants(from)?,
                devices: devices(from)?,
                tokens: tokens(from, now)?,
                overrides: overrides(from, now)?,
                blocked: blocked(from)?,
                alarms: alarms::on(from)?,
                commands: fleet::open_commands(from)?,
                configs: fleet::configs(from)?,
                emergency: Some(fleet::emergency(from)?),
            })
        })
    }

    fn passages_of(&self, day: Day, each: &mut dyn FnMut(Moved)) -> Result<(), LedgerFault> {
        self.read(|from| {
            let mut statement = from.prepare(
                "SELECT at, committed_at, lane, direction, product, outcome, count, reentry, moves, n
                 FROM passages WHERE day = ? ORDER BY n",
            )?;
            let mut rows = statement.query([day.0])?;
            while let Some(row) = rows.next()? {
                each(moved(row)?);
            }
            Ok(())
        })
    }

    fn refusals_of(&self, day: Day) -> Result<Vec<(String, u32)>, LedgerFault> {
        self.read(|from| {
            let mut statement = from.prepare(
                "SELECT reason, count(*) FROM scans WHERE day = ? AND result = 2 GROUP BY reason",
            )?;
            let rows = statement.query_map([day.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn answers_since(
        &self,
        since: UnixMs,
        each: &mut dyn FnMut(&str, Answer),
    ) -> Result<(), LedgerFault> {
        self.read(|from| {
            let sql = format!("SELECT {ANSWER}, device FROM scans WHERE at >= ? ORDER BY at");
            let mut statement = from.prepare(&sql)?;
            let mut rows = statement.query([since.0])?;
            while let Some(row) = rows.next()? {
                let device = row.get_ref(12)?.as_str().map_err(|_| wrong(12, Type::Text))?;
                each(device, answer(row)?);
            }
            Ok(())
        })
    }

    fn answer(&self, device: &str, scan: ScanId) -> Result<Option<Answer>, LedgerFault> {
        self.read(|from| {
            let sql = format!("SELECT {ANSWER} FROM scans WHERE id = ? AND device = ?");
            Ok(from
                .prepare_cached(&sql)?
                .query_row(params![scan.0.as_bytes(), device], answer)
                .optional()?)
        })
    }

    fn seen_events(&self, device: &DeviceId, epoch: &str) -> Result<SeenEvents, LedgerFault> {
        self.read(|from| {
            let key = [device.as_str(), epoch];
            let upto: i64 = from
                .prepare_cached("SELECT upto FROM event_marks WHERE device = ? AND epoch = ?")?
                .query_row(key, |row| row.get(0))
                .optional()?
                .unwrap_or(0);
            let mut statement = from.prepare_cached(
                "SELECT seq, gap_from, gap_to FROM events
                 WHERE device = ? AND epoch = ? AND seq > ? ORDER BY seq",
            )?;
            let rows = statement.query_map(params![key[0], key[1], upto], |row| {
                let number = |n: i64| n.cast_unsigned();
                let gap: (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
                Ok((number(row.get(0)?), gap.0.map(number).zip(gap.1.map(number))))
            })?;
            let above = rows.collect::<Result<_, _>>()?;
            let zero = from
                .prepare_cached("SELECT 1 FROM events WHERE device = ? AND epoch = ? AND seq = 0")?
                .exists(key)?;
            Ok(SeenEvents { upto: upto.cast_unsigned(), zero, above })
        })
    }

    fn closed_grant(&self, id: GrantId) -> Result<Option<ClosedGrant>, LedgerFault> {
        self.read(|from| closed(from, "g.id = ?", params![id.0.as_bytes()]))
    }

    fn closed_by_scan(
        &self,
        device: &DeviceId,
        scan: ScanId,
    ) -> Result<Option<ClosedGrant>, LedgerFault> {
        let which = "g.scan = ? AND g.device = ?";
        self.read(|from| closed(from, which, params![scan.0.as_bytes(), device.as_str()]))
    }

    fn history(
        &self,
        ticket: TicketId,
        limit: u32,
    ) -> Result<(Vec<PresentationView>, Vec<PassageView>), LedgerFault> {
        self.read_report(|from| {
            Ok((presentations(from, ticket, limit)?, passages(from, ticket, limit)?))
        })
    }

    fn commands(&self, device: &DeviceId, limit: u32) -> Result<Vec<CommandView>, LedgerFault> {
        self.read_report(|from| fleet::commands(from, device, limit))
    }

    fn device_events(
        &self,
        device: &DeviceId,
        limit: u32,
    ) -> Result<Vec<DeviceEvent>, LedgerFault> {
        self.read_report(|from| duty::events(from, device, limit))
    }

    fn fleet_commands(&self, query: &CommandQuery) -> Result<Vec<CommandView>, LedgerFault> {
        self.read_report(|from| duty::commands(from, query))
    }

    fn acts_of(
        &self,
        actor: &str,
        since: UnixMs,
        limit: u32,
    ) -> Result<Vec<AuditLine>, LedgerFault> {
        self.read_report(|from| duty::acts(from, actor, since, limit))
    }

    fn order(&self, id: OrderId) -> Result<Option<OrderRow>, LedgerFault> {
        self.read(|from| orders::one(from, id))
    }

    fn conflicts(&self, limit: u32) -> Result<Vec<ConflictView>, LedgerFault> {
        self.read_report(|from| alarms::conflicts(from, limit))
    }

    fn audit_trail(&self, query: &AuditQuery) -> Result<Vec<AuditLine>, LedgerFault> {
        self.read_report(|from| {
            let mut statement = from.prepare_cached(
                "SELECT at, actor, action, target, note FROM audit
                 WHERE at >= ?1 AND at < ?2 AND substr(action, 1, length(?3)) = ?3
                       AND (?4 IS NULL OR target = ?4)
                 ORDER BY at DESC, n DESC LIMIT ?5",
            )?;
            let given =
                params![query.from.0, query.until.0, query.action, query.target, query.limit];
            let rows = statement.query_map(given, audit_line)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn claim(&self, digest: [u8; 32]) -> Result<Option<ClaimRow>, LedgerFault> {
        self.read(|from| {
            Ok(from
                .prepare_cached(
                    "SELECT device, kind, gate, lane, expires_at, used_at FROM claims
                     WHERE digest = ?",
                )?
                .query_row([digest], |row| {
                    Ok(ClaimRow {
                        digest,
                        device: parsed(row, 0, DeviceId::new)?,
                        kind: kind_of(row, 1)?,
                        gate: optional(row, 2, GateId::new)?,
                        lane: optional(row, 3, LaneId::new)?,
                        expires_at: UnixMs(row.get(4)?),
                        used_at: row.get::<_, Option<i64>>(5)?.map(UnixMs),
                    })
                })
                .optional()?)
        })
    }

    fn account(&self, user: &str) -> Result<Option<Account>, LedgerFault> {
        self.read(|from| {
            Ok(from
                .prepare_cached("SELECT user, password_hash, roles FROM accounts WHERE user = ?")?
                .query_row([user], account)
                .optional()?)
        })
    }

    fn accounts(&self) -> Result<Vec<Account>, LedgerFault> {
        self.read(|from| {
            let mut statement =
                from.prepare("SELECT user, password_hash, roles FROM accounts ORDER BY user")?;
            Ok(statement.query_map([], account)?.collect::<Result<_, _>>()?)
        })
    }

    fn idempotent(&self, key: &str) -> Result<Option<([u8; 32], String)>, LedgerFault> {
        self.read(|from| {
            Ok(from
                .prepare_cached("SELECT request, answer FROM idempotency WHERE key = ?")?
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?)
        })
    }

    fn stop(&self) {
        self.shut();
    }
}

fn closed(
    from: &Connection,
    which: &str,
    of: &[&dyn rusqlite::ToSql],
) -> Result<Option<ClosedGrant>, LedgerFault> {
    let sql = format!(
        "SELECT {GRANT}, g.outcome, g.taken, g.closed_at FROM {GRANTS}
         WHERE {which} AND g.closed_at IS NOT NULL"
    );
    let read = |row: &rusqlite::Row<'_>| {
        Ok(ClosedGrant {
            row: grant(row)?,
            outcome: row.get(7)?,
            taken: row.get(8)?,
            closed_at: UnixMs(row.get(9)?),
        })
    };
    Ok(from.prepare_cached(&sql)?.query_row(of, read).optional()?)
}

fn open_grants(from: &Connection) -> Result<Vec<GrantRow>, LedgerFault> {
    let sql = format!("SELECT {GRANT} FROM {GRANTS} WHERE g.closed_at IS NULL");
    Ok(from.prepare(&sql)?.query_map([], grant)?.collect::<Result<_, _>>()?)
}

fn devices(from: &Connection) -> Result<Vec<DeviceRow>, LedgerFault> {
    let mut statement = from.prepare(
        "SELECT id, kind, gate, lane, standing, secret, serial, model, since FROM devices",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(DeviceRow {
            id: parsed(row, 0, DeviceId::new)?,
            kind: kind_of(row, 1)?,
            gate: optional(row, 2, GateId::new)?,
            lane: optional(row, 3, LaneId::new)?,
            standing: match row.get::<_, String>(4)?.as_str() {
                "approved" => DeviceStanding::Approved,
                "pending" => DeviceStanding::Pending,
                _ => DeviceStanding::Revoked,
            },
            secret: row.get(5)?,
            serial: row.get(6)?,
            model: row.get(7)?,
            since: UnixMs(row.get(8)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn tokens(from: &Connection, now: UnixMs) -> Result<Vec<TokenRow>, LedgerFault> {
    let mut statement =
        from.prepare("SELECT digest, user, roles, expires_at FROM tokens WHERE expires_at > ?")?;
    let rows = statement.query_map([now.0], |row| {
        let roles: String = row.get(2)?;
        let roles = serde_json::from_str(&roles).unwrap_or_default();
        Ok((row.get(0)?, row.get(1)?, roles, UnixMs(row.get(3)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn overrides(from: &Connection, now: UnixMs) -> Result<Vec<OverrideRow>, LedgerFault> {
    let mut statement = from
        .prepare("SELECT area, until, at, actor, reason FROM capacity_overrides WHERE until > ?")?;
    let rows = statement.query_map([now.0], |row| {
        Ok(OverrideRow {
            area: parsed(row, 0, AreaId::new)?,
            until: UnixMs(row.get(1)?),
            at: UnixMs(row.get(2)?),
            actor: row.get(3)?,
            reason: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn blocked(from: &Connection) -> Result<Vec<(Digest, BlockedPerson)>, LedgerFault> {
    let mut statement =
        from.prepare("SELECT id, digest, kind, at, actor, reason FROM blocked_persons")?;
    let rows = statement.query_map([], |row| {
        let person = BlockedPerson {
            id: uuid(row, 0)?,
            kind: word(&row.get::<_, String>(2)?, CredentialKind::Other),
            at: UnixMs(row.get(3)?),
            actor: row.get(4)?,
            reason: row.get(5)?,
        };
        Ok((Digest(row.get(1)?), person))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn presentations(
    from: &Connection,
    ticket: TicketId,
    limit: u32,
) -> Result<Vec<PresentationView>, LedgerFault> {
    let mut statement = from.prepare_cached(
        "SELECT s.id, s.at, s.device, n.id, s.result, s.reason, s.facts FROM scans s
         LEFT JOIN names n ON n.kind = 'lane' AND n.n = s.lane
         WHERE s.ticket = ? ORDER BY s.at DESC LIMIT ?",
    )?;
    let rows = statement.query_map(params![ticket.0.as_bytes(), limit], |row| {
        Ok(PresentationView {
            id: ScanId(uuid(row, 0)?),
            at: UnixMs(row.get(1)?),
            device: row.get(2)?,
            lane: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
            result: match row.get(4)? {
                0u8 => "grant",
                1 => "more",
                _ => "deny",
            }
            .to_owned(),
            reason: row.get(5)?,
            facts: row
                .get::<_, Option<String>>(6)?
                .and_then(|text| serde_json::from_str(&text).ok()),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn passages(
    from: &Connection,
    ticket: TicketId,
    limit: u32,
) -> Result<Vec<PassageView>, LedgerFault> {
    let mut statement = from.prepare_cached(
        "SELECT p.grant_id, p.at, n.id, n.definition, p.direction, p.outcome, p.count, p.by_whom
         FROM passages p LEFT JOIN names n ON n.kind = 'lane' AND n.n = p.lane
         WHERE p.ticket = ? ORDER BY p.at DESC, p.n DESC LIMIT ?",
    )?;
    let rows = statement.query_map(params![ticket.0.as_bytes(), limit], |row| {
        let definition: Option<String> = row.get(3)?;
        let lane: serde_json::Value =
            definition.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Ok(PassageView {
            grant: optional_uuid(row, 0)?.map(GrantId),
            at: UnixMs(row.get(1)?),
            lane: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            gate: lane["gate"].as_str().unwrap_or_default().to_owned(),
            direction: direction(row, 4)?,
            outcome: row.get(5)?,
            count: row.get(6)?,
            by: word::<PassageBy>(&row.get::<_, String>(7)?, PassageBy::Other).as_str().to_owned(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
