//! The lists, read: as they are looked up.
//!
//! A line that cannot be read is left out and counted, never a reason to refuse the rest. Tickets
//! are good only with the park of the version that they name, since they hold its indexes. Reading
//! takes its time with many tickets: not on the task of the lane.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use shanmen_protocols::{
    digest::{Digest, DigestKey},
    ids::TicketId,
    list::{KeyEntry, TicketEntry},
};
use shanmen_rules::{Park, ParkDefinition, ProductVersion, TicketState};
use tracing::warn;

/// The lists as they are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    pub(super) deny: Option<Arc<str>>,
    pub(super) keys: Option<Arc<str>>,
    pub(super) park: Option<Arc<str>>,
    pub(super) tickets: Option<Arc<str>>,
}

impl Texts {
    pub(super) fn is_empty(&self) -> bool {
        [&self.deny, &self.keys, &self.park, &self.tickets].iter().all(|text| text.is_none())
    }
}

/// The one line of the list `park`.
#[derive(Deserialize)]
struct ParkLine {
    version: u64,
    definition: ParkDefinition,
    products: Vec<ProductVersion>,
}

/// The lists, read. Its `Debug` shows no key.
#[derive(Default)]
pub(super) struct Knowledge {
    pub(super) deny: HashSet<Digest>,
    pub(super) digest_key: Option<DigestKey>,
    pub(super) ticket_keys: HashMap<String, VerifyingKey>,
    pub(super) park: Option<Park>,
    pub(super) tickets: HashMap<TicketId, TicketState>,
    pub(super) leads: HashMap<Digest, Vec<TicketId>>,
}

impl std::fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Knowledge({} tickets)", self.tickets.len())
    }
}

impl Knowledge {
    /// Reads the lists.
    pub(super) fn read(texts: &Texts) -> Self {
        let mut known = Self::default();
        let mut faults = 0_usize;
        let lines = |text: &Option<Arc<str>>| text.clone().unwrap_or_default();
        for line in lines(&texts.deny).lines() {
            match Digest::from_hex(line) {
                Some(digest) => drop(known.deny.insert(digest)),
                None => faults += 1,
            }
        }
        for line in lines(&texts.keys).lines() {
            if known.key(line).is_none() {
                faults += 1;
            }
        }
        let park = lines(&texts.park).lines().next().and_then(read_park);
        if let Some((park, version)) = park {
            known.park = Some(park);
            for line in lines(&texts.tickets).lines() {
                if known.ticket(line, version).is_none() {
                    faults += 1;
                }
            }
        }
        if 0 < faults {
            warn!(faults, "lines of lists cannot be used, and are left out");
        }
        known
    }

    /// Tickets and denied entries.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.tickets.len(), self.deny.len())
    }

    fn key(&mut self, line: &str) -> Option<()> {
        let bytes = |hex: &str| -> Option<[u8; 32]> {
            HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()
        };
        match serde_json::from_str::<KeyEntry>(line).ok()? {
            KeyEntry::Ticket { kid, key } => {
                let key = VerifyingKey::from_bytes(&bytes(&key)?).ok()?;
                self.ticket_keys.insert(kid, key);
            }
            KeyEntry::Digest { key } => self.digest_key = Some(DigestKey(bytes(&key)?)),
        }
        Some(())
    }

    fn ticket(&mut self, line: &str, park: u64) -> Option<()> {
        let entry: TicketEntry = serde_json::from_str(line).ok()?;
        // A later park has all that an earlier one had, at the same places.
        if park < entry.park {
            return None;
        }
        let blob = BASE64.decode(entry.state.as_bytes()).ok()?;
        let state: TicketState = postcard::from_bytes(&blob).ok()?;
        for hex in &entry.credentials {
            let leads = self.leads.entry(Digest::from_hex(hex)?).or_default();
            leads.push(entry.ticket);
        }
        self.tickets.insert(entry.ticket, state);
        Some(())
    }
}

fn read_park(line: &str) -> Option<(Park, u64)> {
    let line: ParkLine = serde_json::from_str(line)
        .inspect_err(|error| warn!(%error, "the list `park` cannot be read"))
        .ok()?;
    match Park::compile_versions(&line.definition, &line.products) {
        Ok(park) => Some((park, line.version)),
        Err(faults) => {
            warn!(faults = faults.len(), "the list `park` is of a newer kind: update this device");
            None
        }
    }
}
