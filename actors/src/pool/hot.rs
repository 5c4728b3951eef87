//! The hot state: every ticket, what leads to it, and the open grants, in memory.
//!
//! A shard is the only writer of its tickets and their grants; anybody may read. A ticket always
//! meets the same shard.

use dashmap::DashMap;
use foldhash::fast::FixedState;
use shanmen_protocols::ids::{GrantId, TicketId};
use shanmen_rules::TicketState;
use smallvec::SmallVec;

use crate::{keys::Digest, ledger::GrantRow};

/// Tickets that one credential leads to, in the order of their issue; nearly always one.
pub(crate) type Leads = SmallVec<[TicketId; 1]>;

/// All tickets in memory.
pub(crate) struct HotState {
    tickets: DashMap<TicketId, TicketState, FixedState>,
    credentials: DashMap<Digest, Leads, FixedState>,
    grants: DashMap<GrantId, GrantRow, FixedState>,
    /// Signed codes that were signed or verified here, by their digest: a signature is checked
    /// once, then the digest answers.
    codes: DashMap<Digest, (TicketId, u16), FixedState>,
}

/// How many signed codes are remembered.
const CODES_MAX: usize = 500_000;

impl HotState {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        // Ids are random or keyed digests, never chosen by a visitor: a fixed seed does no harm.
        let hash = || FixedState::with_seed(0x5348_414e_4d45_4e00);
        Self {
            tickets: DashMap::with_hasher(hash()),
            credentials: DashMap::with_hasher(hash()),
            grants: DashMap::with_hasher(hash()),
            codes: DashMap::with_hasher(hash()),
        }
    }

    /// A ticket's state as it is now.
    pub(crate) fn ticket(&self, id: TicketId) -> Option<TicketState> {
        self.tickets.get(&id).map(|state| state.clone())
    }

    /// Whether a ticket is known.
    pub(crate) fn knows(&self, id: TicketId) -> bool {
        self.tickets.contains_key(&id)
    }

    /// The tickets that a credential leads to.
    pub(crate) fn leads(&self, digest: Digest) -> Leads {
        self.credentials.get(&digest).map(|leads| leads.clone()).unwrap_or_default()
    }

    /// Takes a ticket's new state: its shard, the loader and the desk (for new ones) only.
    pub(crate) fn put(&self, id: TicketId, state: TicketState) {
        self.tickets.insert(id, state);
    }

    /// Lets a credential lead to a ticket.
    pub(crate) fn lead(&self, digest: Digest, ticket: TicketId) {
        let mut leads = self.credentials.entry(digest).or_default();
        if !leads.contains(&ticket) {
            leads.push(ticket);
        }
    }

    /// The ticket and issue number of a signed code that is known to be good.
    pub(crate) fn code(&self, digest: Digest) -> Option<(TicketId, u16)> {
        self.codes.get(&digest).map(|known| *known)
    }

    /// Remembers a signed code that is good. What it says never changes, so forgetting is safe.
    pub(crate) fn remember_code(&self, digest: Digest, ticket: TicketId, epoch: u16) {
        if CODES_MAX <= self.codes.len() {
            self.codes.clear();
        }
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
