//! The desk: tickets issued, imported, shown and changed. Off the path of a scan: everything here
//! may wait.

use std::{collections::HashMap, sync::Arc};

use shanmen_protocols::{
    code::Claims,
    device::CredentialKind,
    ids::{Channel, TicketId},
    time::UnixMs,
};
use shanmen_rules::{Day, IssueTerms, Park, Status, TicketState, credential};
use tokio::sync::oneshot;

use crate::{
    api::{
        AuditLine, EntitlementView, Fault, InsideView, IssuedTicket, NewTicket, RejectedLine,
        TicketView,
    },
    blocked::Blocked,
    capacity::Capacity,
    flow::is_sold,
    keys::KeyRing,
    ledger::{self, BulkEntry, Ledger, Record, SqliteLedger, TicketRow, commit},
    lists::Lists,
    live_park::LivePark,
    pool::{Change, HotState, How, Pool, Task},
    twin::{self, fault},
};

/// How many tickets one request may issue.
const ISSUE_MAX: usize = 1_000;
/// How many tickets should share one bulk write of the books. The gates wait for the journal only;
/// short batches leave the books to those who read.
pub(crate) const BULK_ROWS: usize = 500;
/// How many rows of a ticket's history are shown.
const HISTORY_MAX: u32 = 100;

/// How many requests with an idempotency key can be at work at once.
pub(crate) const RETRIES: usize = 64;

/// The desk.
pub(crate) struct Desk {
    pub(crate) park: LivePark,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) blocked: Arc<Blocked>,
    pub(crate) keys: KeyRing,
    pub(crate) hot: Arc<HotState>,
    pub(crate) pool: Pool,
    pub(crate) ledger: Arc<SqliteLedger>,
    pub(crate) clock: crate::clock::Clock,
    pub(crate) lists: Arc<Lists>,
    /// One request with an idempotency key at a time in each: a retry waits for the first attempt.
    pub(crate) retries: [tokio::sync::Mutex<()>; RETRIES],
}

impl Desk {
    /// Issues tickets, all or none.
    pub(crate) async fn issue(
        &self,
        tickets: Vec<NewTicket>,
        actor: &str,
        idempotency: Option<String>,
    ) -> Result<Vec<IssuedTicket>, Fault> {
        if tickets.len() > ISSUE_MAX {
            return Err(Fault::Invalid(format!(
                "tickets: {} in one request, {ISSUE_MAX} at most: import them",
                tickets.len()
            )));
        }
        let request = request_digest(&self.keys, &tickets);
        // The key is the caller's own: another caller's equal key is another key.
        let key = idempotency.map(|key| format!("{actor}\n{key}"));
        let _one_at_a_time = match &key {
            Some(key) => {
                let place = usize::from(self.keys.keyed_hash(key.as_bytes())[0]) % RETRIES;
                Some(self.retries[place].lock().await)
            }
            None => None,
        };
        if let Some(first) = self.first_answer(key.clone(), request).await? {
            return Ok(first);
        }
        let now = self.clock.now();
        let park = self.park.full();
        let (rows, sale) = self.prepare(&park, tickets, now)?;
        let issued = rows
            .iter()
            .map(|row| Ok(IssuedTicket { id: row.id, code: self.code_of(row.id, &row.state)? }))
            .collect::<Result<Vec<_>, Fault>>()?;
        let audit = AuditLine {
            at: now,
            actor: actor.to_owned(),
            action: "ticket.issue".into(),
            target: rows.first().map(|row| row.id.to_string()).unwrap_or_default(),
            note: format!("{} tickets", rows.len()),
        };
        // Ids only: a code is signed again when it is asked for, and never kept.
        let ids: Vec<TicketId> = rows.iter().map(|row| row.id).collect();
        let answer =
            serde_json::to_string(&ids).map_err(|error| Fault::Internal(error.to_string()))?;
        let kept = key.clone().map(|key| (key, request, answer));
        let record = Record::Tickets { rows: rows.clone(), idempotency: kept, audit: Some(audit) };
        match commit(&*self.ledger, record).await {
            Ok(_) => {
                sale.stands();
                self.show(rows);
            }
            // Another request with the same key was quicker: its answer is the answer.
            Err(error) => {
                return match self.first_answer(key, request).await? {
                    Some(first) => Ok(first),
                    None => Err(fault(error)),
                };
            }
        }
        Ok(issued)
    }

    /// Makes tickets, which may be committed, and takes their places, which are given back unless
    /// the sale stands.
    pub(crate) fn prepare(
        &self,
        park: &Arc<Park>,
        tickets: Vec<NewTicket>,
        now: UnixMs,
    ) -> Result<(Vec<TicketRow>, Sale), Fault> {
        let mut rows = Vec::with_capacity(tickets.len());
        for (n, ticket) in tickets.into_iter().enumerate() {
            let row = self
                .row(park, ticket, now)
                .map_err(|problem| Fault::Invalid(format!("tickets[{n}].{problem}")))?;
            rows.push(row);
        }
        let sale = self.sell(park, &rows, now)?;
        Ok((rows, sale))
    }

    /// Takes the places of a sale, all or none.
    fn sell(&self, park: &Arc<Park>, rows: &[TicketRow], now: UnixMs) -> Result<Sale, Fault> {
        let mut sale =
            Sale { park: Arc::clone(park), capacity: Arc::clone(&self.capacity), sold: Vec::new() };
        for (n, row) in rows.iter().enumerate() {
            let product = park.product(row.state.product());
            if !product.on_sale {
                let problem = format!("tickets[{n}].product: {} is not on sale", product.id);
                return Err(Fault::Conflict(problem));
            }
            if is_sold(row.state.status()) {
                self.capacity
                    .sell(park, &row.state, now)
                    .map_err(|why| Fault::Conflict(format!("tickets[{n}].visit_date: {why}")))?;
                sale.sold.push(row.state.clone());
            }
        }
        Ok(sale)
    }

    async fn first_answer(
        &self,
        key: Option<String>,
        request: [u8; 32],
    ) -> Result<Option<Vec<IssuedTicket>>, Fault> {
        let Some(key) = key else { return Ok(None) };
        match ledger::read(&self.ledger, move |books| books.idempotent(&key))
            .await
            .map_err(fault)?
        {
            None => Ok(None),
            Some((before, _)) if before != request => Err(Fault::Conflict(
                "Idempotency-Key: used before with another request: take a new key".into(),
            )),
            Some((_, answer)) => {
                let ids: Vec<TicketId> = serde_json::from_str(&answer)
                    .map_err(|error| Fault::Internal(error.to_string()))?;
                let issued =
                    ids.into_iter().map(|id| Ok(IssuedTicket { id, code: self.code(id)? }));
                issued.collect::<Result<_, _>>().map(Some)
            }
        }
    }

    /// Writes a batch of an import: all of it, or none with the reasons.
    pub(crate) async fn import(
        &self,
        batch: Vec<(u64, NewTicket)>,
    ) -> Result<u64, Vec<RejectedLine>> {
        let now = self.clock.now();
        let park = self.park.full();
        let mut rows: Vec<TicketRow> = Vec::with_capacity(batch.len());
        let mut rejected = Vec::new();
        let mut lines = HashMap::with_capacity(batch.len());
        for (line, ticket) in batch {
            match self.row(&park, ticket, now) {
                Ok(row) => match lines.insert(row.id, line) {
                    None => rows.push(row),
                    Some(first) => rejected.push(RejectedLine {
                        line,
                        reason: format!("id: the same as in line {first}"),
                    }),
                },
                Err(reason) => rejected.push(RejectedLine { line, reason }),
            }
        }
        if !rejected.is_empty() {
            return Err(rejected);
        }
        let count = rows.len() as u64;
        match self.write_bulk(rows).await {
            Ok(()) => Ok(count),
            Err(error) => Err(lines
                .into_values()
                .map(|line| RejectedLine { line, reason: error.to_string() })
                .collect()),
        }
    }

    /// One transaction a batch, since it is all in or all out: callers keep batches small.
    async fn write_bulk(&self, rows: Vec<TicketRow>) -> Result<(), Fault> {
        let (done, committed) = oneshot::channel();
        let entry = BulkEntry { tickets: rows.clone(), done };
        self.ledger.append_bulk(entry).await.map_err(fault)?;
        committed
            .await
            .map_err(|_| Fault::Internal("the ledger has stopped".into()))?
            .map_err(fault)?;
        // Somebody else has sold them: they are counted, and never refused.
        let park = self.park.now();
        for row in &rows {
            self.capacity.sold().add(&park, &row.state);
        }
        self.show(rows);
        Ok(())
    }

    /// The gates may know them now.
    pub(crate) fn show(&self, rows: Vec<TicketRow>) {
        let today = self.park.now().business_day(self.clock.now());
        for row in rows {
            let good = row.state.status() == Status::Issued;
            self.hot.put(row.id, row.state);
            if !good {
                self.lists.ticket(&self.hot, row.id, today);
            }
            for digest in row.credentials {
                self.hot.lead(digest, row.id);
                self.blocked.meet(digest, row.id);
                if self.blocked.has(Some(digest), None) {
                    self.lists.block_too(digest, row.id);
                }
            }
        }
    }

    fn row(&self, park: &Park, ticket: NewTicket, now: UnixMs) -> Result<TicketRow, String> {
        let product = park
            .product_ix(ticket.product.as_str())
            .ok_or_else(|| format!("product: there is no product {}", ticket.product))?;
        let terms = IssueTerms {
            product,
            visit_date: ticket.visit_date.as_deref().map(date).transpose()?,
            slot: ticket.slot.as_deref().map(minutes).transpose()?,
            persons: ticket.persons.unwrap_or_else(|| park.product(product).persons.min),
            issued_at: now,
            status: ticket.status.unwrap_or(Status::Issued),
        };
        let state = TicketState::issue(park, &terms).map_err(|fault| fault.to_string())?;
        let id = ticket.id.unwrap_or_else(TicketId::fresh);
        if ticket.id.is_some() && self.hot.knows(id) {
            return Err("id: there is a ticket of this id already".into());
        }
        let credentials = ticket
            .credentials
            .iter()
            .enumerate()
            .map(|(n, shown)| {
                if shown.kind == CredentialKind::Other {
                    return Err(format!(
                        "credentials[{n}].type: qr, barcode, rfid, id_card, face or exchange_code"
                    ));
                }
                let cleaned = credential::clean(&shown.data);
                twin::digest(&self.keys, shown.kind, &cleaned).map_err(|_| {
                    // Never the number itself.
                    format!("credentials[{n}].data: not a {} that can be read", shown.kind.as_str())
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let holder = ticket.holder.map(|holder| holder.to_string());
        let channel = ticket.channel.unwrap_or_else(Channel::direct);
        Ok(TicketRow { id, state, credentials, holder, channel })
    }

    /// A ticket's signed code as it is now.
    pub(crate) fn code(&self, id: TicketId) -> Result<String, Fault> {
        let state = self.hot.ticket(id).ok_or(Fault::NotFound("ticket"))?;
        self.code_of(id, &state)
    }

    fn code_of(&self, id: TicketId, state: &TicketState) -> Result<String, Fault> {
        let park = self.park.now();
        let claims = Claims {
            site: park.site().id.clone(),
            ticket: id,
            product: park.product(state.product()).id.clone(),
            persons: state.persons(),
            epoch: state.epoch(),
            visit_date: state.visit_date().map(|day| day.0),
            slot_start_min: state.slot(),
            issued_at_s: state.issued_at().0.div_euclid(1000),
            not_before_s: None,
            expires_s: None,
        };
        let code = self.keys.sign(&claims).map_err(|error| Fault::Internal(error.to_string()))?;
        let digest = self.keys.digest_of(CredentialKind::Qr, &code);
        self.hot.remember_code(digest, id, claims.epoch);
        Ok(code)
    }

    /// A ticket with its history.
    pub(crate) async fn ticket(&self, id: TicketId) -> Result<TicketView, Fault> {
        let state = self.hot.ticket(id).ok_or(Fault::NotFound("ticket"))?;
        let (presentations, passages) =
            ledger::read(&self.ledger, move |books| books.history(id, HISTORY_MAX))
                .await
                .map_err(fault)?;
        let park = &*self.park.full();
        let product = park.product(state.product());
        let today = park.business_day(self.clock.now());
        let entitlements = state
            .remaining(park)
            .map(|(n, remaining)| EntitlementView {
                areas: product
                    .entitlements
                    .get(n)
                    .map(|one| one.areas.iter().map(|&ix| park.area(ix).id.to_string()).collect())
                    .unwrap_or_default(),
                remaining,
            })
            .collect();
        let inside = if state.presence_day() == today {
            state
                .inside()
                .filter(|(area, _)| *area != shanmen_rules::AreaIx::OUTSIDE)
                .map(|(area, persons)| InsideView { area: park.area(area).id.to_string(), persons })
                .collect()
        } else {
            Vec::new()
        };
        Ok(TicketView {
            id,
            product: product.id.clone(),
            class: product.class.as_str().to_owned(),
            status: state.status(),
            persons: state.persons(),
            epoch: state.epoch(),
            visit_date: state.visit_date().map(|day| day.to_string()),
            slot: state.slot().map(|min| format!("{:02}:{:02}", min / 60, min % 60)),
            issued_at: state.issued_at(),
            entitlements,
            entries: state.entries(),
            first_entry: state.first_entry(),
            last_entry: state.last_entry(),
            inside,
            in_progress: state.is_reserved(),
            presentations,
            passages,
        })
    }

    /// Voids, freezes, unfreezes or refunds a ticket.
    pub(crate) async fn set_status(
        &self,
        id: TicketId,
        status: Status,
        reason: &str,
        actor: &str,
    ) -> Result<(), Fault> {
        let action = match status {
            Status::Voided => "ticket.void",
            Status::Frozen => "ticket.freeze",
            Status::Issued => "ticket.unfreeze",
            Status::Refunded => "ticket.refund",
            _ => "ticket.status",
        };
        // Asked where it is changed: two changes at once come one after the other.
        let how = Box::new(move |state: &mut TicketState| {
            let now = state.status();
            if !may_become(now, status) {
                return Err(Fault::Conflict(format!("a {} ticket cannot do this", word(now))));
            }
            state.set_status(status);
            Ok(())
        });
        let state = self.change(id, action, reason, actor, how).await?;
        // Only a sold ticket may become one that is not.
        if !is_sold(status) {
            self.capacity.sold().take_off(&self.park.now(), &state);
        }
        Ok(())
    }

    /// A ticket whose code was exchanged for it is good from now on.
    pub(crate) async fn exchange(&self, id: TicketId, actor: &str) -> Result<(), Fault> {
        let how = Box::new(|state: &mut TicketState| {
            if state.status() != Status::ExchangeFirst {
                return Err(Fault::Conflict("this ticket is not waiting to be exchanged".into()));
            }
            state.set_status(Status::Issued);
            Ok(())
        });
        self.change(id, "ticket.exchange", "exchanged", actor, how).await.map(drop)
    }

    /// Raises the issue number and gives the new code.
    pub(crate) async fn reissue(
        &self,
        id: TicketId,
        reason: &str,
        actor: &str,
    ) -> Result<IssuedTicket, Fault> {
        let how = Box::new(|state: &mut TicketState| {
            if matches!(state.status(), Status::Voided | Status::Refunded) {
                return Err(Fault::Conflict(format!(
                    "a {} ticket has no code",
                    word(state.status())
                )));
            }
            state.raise_epoch();
            Ok(())
        });
        let state = self.change(id, "ticket.reissue", reason, actor, how).await?;
        Ok(IssuedTicket { id, code: self.code_of(id, &state)? })
    }

    async fn change(
        &self,
        id: TicketId,
        action: &str,
        reason: &str,
        actor: &str,
        how: How,
    ) -> Result<TicketState, Fault> {
        let audit = AuditLine {
            at: self.clock.now(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            target: id.to_string(),
            note: reason.to_owned(),
        };
        let (done, changed) = oneshot::channel();
        self.pool
            .give(Some(id), Task::Change(Box::new(Change { id, how, audit, done })))
            .map_err(|_| Fault::Busy("the shard's mailbox"))?;
        let lost = || Fault::Internal("the shard failed at this change".into());
        let (state, committed) = changed.await.map_err(|_| lost())??;
        committed.await.map_err(|_| lost())?.map_err(fault)?;
        self.lists.ticket(&self.hot, id, self.park.now().business_day(self.clock.now()));
        Ok(state)
    }
}

/// The places of a sale: given back unless the sale stands.
pub(crate) struct Sale {
    park: Arc<Park>,
    capacity: Arc<Capacity>,
    sold: Vec<TicketState>,
}

impl Sale {
    /// The tickets are sold.
    pub(crate) fn stands(mut self) {
        self.sold.clear();
    }
}

impl Drop for Sale {
    fn drop(&mut self) {
        for state in &self.sold {
            self.capacity.sold().take_off(&self.park, state);
        }
    }
}

fn may_become(now: Status, then: Status) -> bool {
    match then {
        Status::Frozen => matches!(now, Status::Issued),
        Status::Issued => matches!(now, Status::Frozen),
        Status::Voided | Status::Refunded => {
            matches!(now, Status::Issued | Status::Frozen | Status::Unpaid)
        }
        _ => false,
    }
}

fn word(status: Status) -> String {
    serde_json::to_value(status)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn date(text: &str) -> Result<Day, String> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(20).collect();
        format!("visit_date: {shown:?} is not a date like 2026-10-01")
    })
}

fn minutes(text: &str) -> Result<u16, String> {
    let time: shanmen_rules::TimeOfDay = text.parse().map_err(|_| {
        let shown: String = text.chars().take(20).collect();
        format!("slot: {shown:?} is not a time of day like 09:00")
    })?;
    Ok(time.minutes())
}

/// A keyed digest of a request: it may hold ID numbers, which an open one would give away.
fn request_digest(keys: &KeyRing, tickets: &[NewTicket]) -> [u8; 32] {
    let mut bytes = Vec::new();
    for ticket in tickets {
        let shown: Vec<_> =
            ticket.credentials.iter().map(|one| (one.kind.as_str(), &one.data)).collect();
        let all = (
            ticket.id,
            &ticket.product,
            &ticket.visit_date,
            &ticket.slot,
            ticket.persons,
            shown,
            &ticket.holder,
            ticket.status,
        );
        bytes.extend(serde_json::to_vec(&all).unwrap_or_default());
        // Only where it is given: a sale from before there were channels has the same digest.
        if let Some(channel) = &ticket.channel {
            bytes.extend(channel.as_str().as_bytes());
        }
        bytes.push(b'\n');
    }
    keys.keyed_hash(&bytes)
}
