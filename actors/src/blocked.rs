//! People who are not let in (check 8, `blocked_person`), by what they show.
//!
//! Kept as keyed digests: a list of ID numbers is nowhere. A ticket that such a credential leads
//! to is not let in either, whatever else is shown for it. They can leave like everybody.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use dashmap::DashMap;
use shanmen_protocols::{
    code,
    device::{Credential, CredentialKind},
    ids::TicketId,
};
use shanmen_rules::credential;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::{
    api::{AuditLine, BlockedPerson, Fault},
    clock::Clock,
    keys::{Digest, KeyRing},
    ledger::{Record, SqliteLedger, commit},
    lists::Lists,
    pool::HotState,
    twin::{self, fault},
};

/// How many people can be on the list.
const PEOPLE_MAX: usize = 100_000;

/// The list in memory, asked at every presentation: nearly always empty.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    people: DashMap<Digest, BlockedPerson>,
    /// Tickets and the credentials that they are blocked by.
    tickets: DashMap<TicketId, SmallVec<[Digest; 1]>>,
    count: AtomicUsize,
}

impl Blocked {
    /// Whether this credential or this ticket is somebody's who is not let in.
    pub(crate) fn has(&self, shown: Option<Digest>, ticket: Option<TicketId>) -> bool {
        self.count.load(Ordering::Acquire) > 0
            && (shown.is_some_and(|digest| self.people.contains_key(&digest))
                || ticket.and_then(|id| self.tickets.get(&id)).is_some_and(|digests| {
                    digests.iter().any(|digest| self.people.contains_key(digest))
                }))
    }

    /// Takes note of a ticket's credentials, old or new.
    pub(crate) fn meet(&self, digest: Digest, ticket: TicketId) {
        if self.count.load(Ordering::Acquire) > 0 && self.people.contains_key(&digest) {
            self.note(digest, ticket);
        }
    }

    fn note(&self, digest: Digest, ticket: TicketId) {
        let mut digests = self.tickets.entry(ticket).or_default();
        if !digests.contains(&digest) {
            digests.push(digest);
        }
    }

    fn put(&self, digest: Digest, person: BlockedPerson, hot: &HotState) {
        if self.people.insert(digest, person).is_none() {
            self.count.fetch_add(1, Ordering::AcqRel);
        }
        for ticket in hot.leads(digest) {
            self.note(digest, ticket);
        }
    }

    fn take_off(&self, digest: Digest) {
        if self.people.remove(&digest).is_some() {
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
        self.tickets.retain(|_, digests| {
            digests.retain(|of| *of != digest);
            !digests.is_empty()
        });
    }
}

/// Who changes the list.
pub(crate) struct BlockedDesk {
    list: Arc<Blocked>,
    keys: KeyRing,
    hot: Arc<HotState>,
    ledger: Arc<SqliteLedger>,
    clock: Clock,
    lists: Arc<Lists>,
    changing: tokio::sync::Mutex<()>,
}

impl BlockedDesk {
    /// Takes the list of the ledger.
    pub(crate) fn new(
        list: Arc<Blocked>,
        keys: KeyRing,
        hot: Arc<HotState>,
        ledger: Arc<SqliteLedger>,
        clock: Clock,
        lists: Arc<Lists>,
        rows: Vec<(Digest, BlockedPerson)>,
    ) -> Self {
        for (digest, person) in rows {
            list.put(digest, person, &hot);
            lists.block(digest, &hot.leads(digest));
        }
        Self { list, keys, hot, ledger, clock, lists, changing: tokio::sync::Mutex::default() }
    }

    /// All of it, the newest first.
    pub(crate) fn all(&self) -> Vec<BlockedPerson> {
        let mut people: Vec<_> = self.list.people.iter().map(|one| one.clone()).collect();
        people.sort_by_key(|person| std::cmp::Reverse((person.at, person.id)));
        people
    }

    /// Blocks whoever shows this credential.
    pub(crate) async fn block(
        &self,
        shown: &Credential,
        reason: &str,
        actor: &str,
    ) -> Result<BlockedPerson, Fault> {
        if shown.kind == CredentialKind::Other {
            let kinds = "credential.type: id_card, face, rfid, qr or barcode";
            return Err(Fault::Invalid(kinds.into()));
        }
        if PEOPLE_MAX <= self.list.people.len() {
            return Err(Fault::Conflict(format!("there are {PEOPLE_MAX} people on the list")));
        }
        let cleaned = credential::clean(&shown.data);
        if code::looks_signed(&cleaned) {
            let hint = "credential.data: a ticket's signed code: void or freeze the ticket instead";
            return Err(Fault::Invalid(hint.into()));
        }
        let _one_at_a_time = self.changing.lock().await;
        let digest = twin::digest(&self.keys, shown.kind, &cleaned).map_err(|_| {
            let kind = shown.kind.as_str();
            Fault::Invalid(format!("credential.data: not a {kind} that can be read"))
        })?;
        if let Some(person) = self.list.people.get(&digest) {
            return Err(Fault::Conflict(format!("is on the list already, as {}", person.id)));
        }
        let person = BlockedPerson {
            id: Uuid::now_v7(),
            kind: shown.kind,
            at: self.clock.now(),
            actor: actor.to_owned(),
            reason: reason.to_owned(),
        };
        let audit = self.audit(&person, "person.block", reason, actor);
        let record = Record::Blocked { digest, person: person.clone(), audit };
        commit(&*self.ledger, record).await.map_err(fault)?;
        self.list.put(digest, person.clone(), &self.hot);
        self.lists.block(digest, &self.hot.leads(digest));
        Ok(person)
    }

    /// Lets somebody in again.
    pub(crate) async fn unblock(&self, id: Uuid, reason: &str, actor: &str) -> Result<(), Fault> {
        let _one_at_a_time = self.changing.lock().await;
        let found = self.list.people.iter().find(|one| one.id == id);
        let (digest, person) =
            found.map(|one| (*one.key(), one.clone())).ok_or(Fault::NotFound("blocked person"))?;
        let audit = self.audit(&person, "person.unblock", reason, actor);
        commit(&*self.ledger, Record::Unblocked { id, audit }).await.map_err(fault)?;
        self.list.take_off(digest);
        self.lists.unblock(digest);
        Ok(())
    }

    fn audit(&self, person: &BlockedPerson, action: &str, note: &str, actor: &str) -> AuditLine {
        AuditLine {
            at: self.clock.now(),
            actor: actor.to_owned(),
            action: action.into(),
            target: person.id.to_string(),
            note: note.to_owned(),
        }
    }
}
