//! The hot state: every ticket, what leads to it, and the open grants, in memory.
//!
//! A shard is the only writer of its tickets and their grants; anybody may read. A ticket always
//! meets the same shard. Tickets and credentials stay until the end and lie close together
//! (`loadtest/README.md` has what they take); grants and codes come and go.

mod slab;
mod table;

use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;
use foldhash::fast::FixedState;
use quick_cache::sync::Cache;
use shanmen_protocols::ids::{GrantId, TicketId};
use shanmen_rules::TicketState;
use smallvec::{SmallVec, smallvec};

use self::table::Table;
use crate::{keys::Digest, ledger::GrantRow};

/// Tickets that one credential leads to, in the order of their issue; nearly always one.
pub(crate) type Leads = SmallVec<[TicketId; 1]>;

/// All tickets in memory.
pub(crate) struct HotState {
    tickets: Table<TicketId, TicketState>,
    /// The slot of the ticket that a credential leads to, or [`SEVERAL`].
    credentials: Table<Digest, u32>,
    /// Where a credential leads that leads to several tickets, or to one not known yet.
    several: DashMap<Digest, Leads, FixedState>,
    /// Held while a lead is added: one and another make several.
    leading: Mutex<()>,
    grants: DashMap<GrantId, GrantRow, FixedState>,
    /// Signed codes that were signed or verified here, by their digest: a signature is checked
    /// once, then the digest answers.
    codes: Cache<Digest, (TicketId, u16)>,
}

/// How many signed codes are remembered; of more the ones not seen lately are forgotten, one by one.
const CODES_MAX: usize = 1_000_000;
/// Stands for "look in `several`"; no ticket has this slot.
const SEVERAL: u32 = u32::MAX;

impl HotState {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        // Ids are random or keyed digests, never chosen by a visitor: a fixed seed does no harm.
        let hash = || FixedState::with_seed(0x5348_414e_4d45_4e00);
        Self {
            tickets: Table::new(hash()),
            credentials: Table::new(hash()),
            several: DashMap::with_hasher(hash()),
            leading: Mutex::new(()),
            grants: DashMap::with_hasher(hash()),
            codes: Cache::new(CODES_MAX),
        }
    }

    /// A ticket's state as it is now.
    pub(crate) fn ticket(&self, id: TicketId) -> Option<TicketState> {
        self.tickets.get(id)
    }

    /// Shows every ticket. Takes its time with millions of them, and holds nobody up.
    pub(crate) fn each_ticket(&self, mut show: impl FnMut(TicketId, &TicketState)) {
        self.tickets.each(|id, state| show(*id, state));
    }

    /// Shows every credential with each ticket that it leads to.
    pub(crate) fn each_lead(&self, mut show: impl FnMut(Digest, TicketId)) {
        self.credentials.each(|digest, slot| match *slot {
            SEVERAL => {}
            slot => show(*digest, self.tickets.key(slot)),
        });
        for several in &self.several {
            for ticket in several.value() {
                show(*several.key(), *ticket);
            }
        }
    }

    /// Whether a ticket is known.
    pub(crate) fn knows(&self, id: TicketId) -> bool {
        self.tickets.slot(id).is_some()
    }

    /// The tickets that a credential leads to.
    pub(crate) fn leads(&self, digest: Digest) -> Leads {
        match self.credentials.get(digest) {
            None => Leads::new(),
            Some(SEVERAL) => {
                self.several.get(&digest).map(|leads| leads.clone()).unwrap_or_default()
            }
            Some(slot) => smallvec![self.tickets.key(slot)],
        }
    }

    /// Takes a ticket's new state: its shard, the loader and the desk (for new ones) only.
    pub(crate) fn put(&self, id: TicketId, state: TicketState) {
        self.tickets.put(id, state);
    }

    /// Lets a credential lead to a ticket, which should be known by now: that takes less memory.
    pub(crate) fn lead(&self, digest: Digest, ticket: TicketId) {
        let _alone = self.leading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = self.tickets.slot(ticket)
            && self.credentials.add(digest, slot).is_none()
        {
            return;
        }
        let mut leads = self.leads(digest);
        if !leads.contains(&ticket) {
            leads.push(ticket);
            // First where the word `SEVERAL` sends a reader to.
            self.several.insert(digest, leads);
            self.credentials.put(digest, SEVERAL);
        }
    }

    /// The ticket and issue number of a signed code that is known to be good.
    pub(crate) fn code(&self, digest: Digest) -> Option<(TicketId, u16)> {
        self.codes.get(&digest)
    }

    /// Remembers a signed code that is good. What it says never changes, so forgetting is safe.
    pub(crate) fn remember_code(&self, digest: Digest, ticket: TicketId, epoch: u16) {
        self.codes.insert(digest, (ticket, epoch));
    }

    /// An open grant.
    pub(crate) fn grant(&self, id: GrantId) -> Option<GrantRow> {
        self.grants.get(&id).map(|row| row.clone())
    }

    /// Opens a grant.
    pub(crate) fn open(&self, row: GrantRow) {
        self.grants.insert(row.id, row);
    }

    /// Ends a grant; false when it had ended before.
    pub(crate) fn close(&self, id: GrantId) -> bool {
        self.grants.remove(&id).is_some()
    }

    /// All open grants.
    pub(crate) fn open_grants(&self) -> Vec<GrantRow> {
        self.grants.iter().map(|row| row.clone()).collect()
    }

    /// How many tickets and open grants there are.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.tickets.len(), self.grants.len())
    }
}

/// Which of `shards` a ticket meets: by the random end of its id.
pub(crate) fn shard_of(id: TicketId, shards: usize) -> usize {
    let bytes = id.0.as_bytes();
    let tail = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    tail as usize % shards.max(1)
}

#[cfg(test)]
mod tests {
    use shanmen_protocols::time::UnixMs;
    use shanmen_rules::{IssueTerms, Park, ProductIx, Status};
    use uuid::Uuid;

    use super::*;

    fn id(n: u64) -> TicketId {
        TicketId(Uuid::from_u64_pair(7, n))
    }

    fn digest(n: u64) -> Digest {
        Digest(u128::from(n).to_be_bytes())
    }

    fn fresh() -> TicketState {
        let definition = serde_json::from_value(serde_json::json!({
            "site": { "id": "p", "timezone": "UTC" },
            "areas": [{ "id": "park" }],
            "gates": [{ "id": "g", "to": "park" }],
            "lanes": [{ "id": "n1", "gate": "g" }],
            "products": [{
                "id": "single",
                "validity": { "kind": "fixed", "from": "2020-01-01", "until": "2099-12-31" },
                "entitlements": [{ "areas": ["park"], "uses": 1 }],
            }],
        }));
        let park = Park::compile(&definition.expect("a definition")).expect("a park");
        let terms = IssueTerms {
            product: ProductIx(0),
            visit_date: None,
            slot: None,
            persons: 1,
            issued_at: UnixMs(1_790_000_000_000),
            status: Status::Issued,
        };
        TicketState::issue(&park, &terms).expect("a ticket")
    }

    #[test]
    fn a_credential_leads_to_its_tickets_in_the_order_of_their_issue() {
        let hot = HotState::new();
        assert!(hot.leads(digest(1)).is_empty());
        for n in [3, 1, 2] {
            hot.put(id(n), fresh());
            hot.lead(digest(1), id(n));
            hot.lead(digest(1), id(3));
            hot.lead(digest(n + 10), id(n));
        }
        assert_eq!(hot.leads(digest(1)).as_slice(), [id(3), id(1), id(2)]);
        assert_eq!(hot.leads(digest(11)).as_slice(), [id(1)]);
        assert_eq!(hot.sizes(), (3, 0));
    }

    #[test]
    fn a_credential_can_come_before_its_ticket() {
        let hot = HotState::new();
        hot.lead(digest(1), id(1));
        assert_eq!(hot.leads(digest(1)).as_slice(), [id(1)]);
        assert!(!hot.knows(id(1)));
        hot.put(id(1), fresh());
        hot.lead(digest(1), id(1));
        assert_eq!(hot.leads(digest(1)).as_slice(), [id(1)]);
        assert!(hot.knows(id(1)));
    }

    #[test]
    fn an_import_hides_no_ticket_that_is_presented_meanwhile() {
        let hot = HotState::new();
        let one = fresh();
        for n in 0..1_000 {
            hot.put(id(n), one.clone());
            hot.lead(digest(n), id(n));
        }
        std::thread::scope(|scope| {
            let importer = scope.spawn(|| {
                for n in 1_000..60_000 {
                    hot.put(id(n), one.clone());
                    hot.lead(digest(n), id(n));
                    hot.lead(digest(n % 1_000), id(n));
                }
            });
            while !importer.is_finished() {
                for n in 0..1_000 {
                    assert_eq!(hot.leads(digest(n)).first(), Some(&id(n)));
                    let state = hot.ticket(id(n)).expect("a ticket");
                    hot.put(id(n), state);
                }
            }
        });
        assert_eq!(hot.leads(digest(5)).len(), 60);
        assert_eq!(hot.sizes(), (60_000, 0));
    }
}
