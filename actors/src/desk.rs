//! The desk: tickets issued, imported, shown and changed. Off the path of a scan: everything here
//! may wait.
//!
//! Here a sale: its rows, its places, its answer to a retry, its codes. `rows.rs` makes the rows,
//! `import.rs` takes over what others sold, `shown.rs` shows a ticket, `changes.rs` changes it.

use std::sync::Arc;

use shanmen_protocols::{code::Claims, device::CredentialKind, ids::TicketId, time::UnixMs};
use shanmen_rules::{Park, Status, TicketState};

use crate::{
    api::{AuditLine, Fault, IssuedTicket, NewTicket},
    blocked::Blocked,
    capacity::Capacity,
    flow::is_sold,
    keys::KeyRing,
    ledger::{self, Ledger as _, Record, SqliteLedger, TicketRow, commit},
    lists::Lists,
    live_park::LivePark,
    pool::{HotState, Pool},
    twin::fault,
};

mod changes;
mod import;
mod rows;
mod shown;

/// How many tickets one request may issue.
const ISSUE_MAX: usize = 1_000;
/// How many tickets should share one bulk write of the books. The gates wait for the journal only;
/// short batches leave the books to those who read.
pub(crate) const BULK_ROWS: usize = 500;

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
