//! The lists of devices that decide without the control plane: who is not let in (`deny`), which
//! tickets may come today (`tickets`), keys, and the park with its products.
//!
//! `deny` follows each change within a second, as a delta; the others are built when somebody wants
//! them, and are good for some minutes. Entries are keyed digests. Off the path of a scan; what
//! changes a ticket tells it here, `plane/devices.rs` sends and answers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest as _, Sha256};
use shanmen_protocols::{
    device::{CHUNK_MAX_BYTES, ListChunk, ListDown},
    digest::{Digest, DigestKey},
    ids::TicketId,
    list::{KeyEntry, TicketEntry},
    time::UnixMs,
};
use shanmen_rules::{Day, Park, Status, TicketState};
use smallvec::SmallVec;
use tokio::sync::Notify;

use crate::{
    api::Fault,
    keys::KeyRing,
    pool::{HotState, Leads},
};

/// How many changes of `deny` go out in one message; more of them make devices fetch the list.
const DELTA_MAX: usize = 200;
/// The most tickets of the list `tickets`; a site that expects more has to rely on signed codes.
const TICKETS_MAX: usize = 500_000;
/// How many issues of a ticket's code are named as superseded, the newest first.
const ISSUES_MAX: u16 = 16;

/// One list as it is fetched.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub(crate) version: u64,
    pub(crate) at: UnixMs,
    content: Arc<Vec<u8>>,
    sha256: String,
    count: u64,
}

impl Built {
    fn new(version: u64, at: UnixMs, content: Vec<u8>, count: usize) -> Self {
        let sha256 = HEXLOWER.encode(&Sha256::digest(&content));
        Self { version, at, content: Arc::new(content), sha256, count: count as u64 }
    }

    /// What is told of it.
    pub(crate) fn manifest(&self, name: &str) -> ListDown {
        ListDown {
            name: name.to_owned(),
            version: self.version,
            base: None,
            sha256: self.sha256.clone(),
            count: self.count,
            bytes: self.content.len() as u64,
            add: Vec::new(),
            remove: Vec::new(),
        }
    }

    /// The whole of it.
    pub(crate) fn content(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.content)
    }

    /// A part of it; `version` is the one that the device has begun with.
    pub(crate) fn chunk(
        &self,
        name: &str,
        offset: u64,
        version: Option<u64>,
    ) -> Result<ListChunk, Fault> {
        if version.is_some_and(|version| version != self.version) {
            let now = format!("version: {} is in force now: begin again at offset 0", self.version);
            return Err(Fault::Conflict(now));
        }
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        if self.content.len() < from {
            let end = format!("offset: the list has {} bytes", self.content.len());
            return Err(Fault::Invalid(end));
        }
        let until = self.content.len().min(from + CHUNK_MAX_BYTES);
        Ok(ListChunk {
            name: name.to_owned(),
            version: self.version,
            offset,
            bytes: self.content.len() as u64,
            sha256: self.sha256.clone(),
            data: BASE64.encode(&self.content[from..until]),
        })
    }
}

/// Who is not let in, as it changes.
#[derive(Default)]
struct Deny {
    /// How many reasons there are for each entry.
    entries: BTreeMap<Digest, u32>,
    tickets: HashMap<TicketId, SmallVec<[Digest; 1]>>,
    /// For what each person shows who is not let in: all entries that follow from it.
    people: HashMap<Digest, Vec<Digest>>,
    /// What has changed since it was last told.
    added: BTreeSet<Digest>,
    removed: BTreeSet<Digest>,
    told: Option<Built>,
}

impl Deny {
    fn add(&mut self, digest: Digest) {
        let reasons = self.entries.entry(digest).or_default();
        *reasons += 1;
        if *reasons == 1 && !self.removed.remove(&digest) {
            self.added.insert(digest);
        }
    }

    fn remove(&mut self, digest: Digest) {
        let Some(reasons) = self.entries.get_mut(&digest) else { return };
        *reasons -= 1;
        if *reasons == 0 {
            self.entries.remove(&digest);
            if !self.added.remove(&digest) {
                self.removed.insert(digest);
            }
        }
    }

    fn ticket(&mut self, id: TicketId, entries: SmallVec<[Digest; 1]>) {
        for digest in self.tickets.remove(&id).unwrap_or_default() {
            self.remove(digest);
        }
        for &digest in &entries {
            self.add(digest);
        }
        if !entries.is_empty() {
            self.tickets.insert(id, entries);
        }
    }
}

/// All lists.
pub(crate) struct Lists {
    key: DigestKey,
    deny: Mutex<Deny>,
    changed: Notify,
    built: Mutex<HashMap<&'static str, Built>>,
    keys: KeyRing,
}

impl Lists {
    /// Empty ones.
    pub(crate) fn new(keys: KeyRing) -> Self {
        Self {
            key: keys.digest_key(),
            deny: Mutex::default(),
            changed: Notify::new(),
            built: Mutex::default(),
            keys,
        }
    }

    /// A ticket was issued in another state than good, or changed by hand: as it is in memory, so
    /// that the last of several changes counts.
    pub(crate) fn ticket(&self, hot: &HotState, id: TicketId, today: Day) {
        let mut deny = self.deny();
        let entries = self.entries_now(hot, id, today);
        if entries.is_empty() && !deny.tickets.contains_key(&id) {
            return;
        }
        deny.ticket(id, entries);
        drop(deny);
        self.changed.notify_one();
    }

    /// Somebody is not let in from now on: what they show, and the tickets that it leads to.
    pub(crate) fn block(&self, shown: Digest, tickets: &Leads) {
        let mut deny = self.deny();
        let tickets = tickets.iter().map(|ticket| self.key.ticket(*ticket));
        let entries: Vec<Digest> = tickets.chain([shown]).collect();
        for &digest in &entries {
            deny.add(digest);
        }
        deny.people.insert(shown, entries);
        drop(deny);
        self.changed.notify_one();
    }

    /// A ticket was issued to somebody who is not let in.
    pub(crate) fn block_too(&self, shown: Digest, ticket: TicketId) {
        let entry = self.key.ticket(ticket);
        let mut deny = self.deny();
        let Some(entries) = deny.people.get_mut(&shown) else { return };
        if !entries.contains(&entry) {
            entries.push(entry);
            deny.add(entry);
        }
        drop(deny);
        self.changed.notify_one();
    }

    /// Somebody is let in again.
    pub(crate) fn unblock(&self, shown: Digest) {
        let mut deny = self.deny();
        for digest in deny.people.remove(&shown).unwrap_or_default() {
            deny.remove(digest);
        }
        drop(deny);
        self.changed.notify_one();
    }

    /// Looks through all tickets anew: at the start and when the business day turns.
    pub(crate) fn look_through(&self, hot: &HotState, today: Day) {
        let mut found = Vec::new();
        hot.each_ticket(|id, state| {
            if !self.entries_of(id, state, today).is_empty() {
                found.push(id);
            }
        });
        let mut deny = self.deny();
        // Meanwhile some have changed: as they are now.
        found.extend(deny.tickets.keys().copied());
        for id in found {
            let entries = self.entries_now(hot, id, today);
            deny.ticket(id, entries);
        }
        drop(deny);
        self.changed.notify_one();
    }

    fn entries_now(&self, hot: &HotState, id: TicketId, today: Day) -> SmallVec<[Digest; 1]> {
        hot.ticket(id).map_or_else(SmallVec::new, |state| self.entries_of(id, &state, today))
    }

    fn entries_of(&self, id: TicketId, state: &TicketState, today: Day) -> SmallVec<[Digest; 1]> {
        if state.visit_date().is_some_and(|day| day < today) {
            return SmallVec::new();
        }
        let issues = state.epoch().saturating_sub(ISSUES_MAX)..state.epoch();
        let mut entries: SmallVec<[Digest; 1]> =
            issues.map(|issue| self.key.issue(id, issue)).collect();
        if state.status() != Status::Issued {
            entries.push(self.key.ticket(id));
        }
        entries
    }

    /// Waits until `deny` has changed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What has to be told of `deny`: the change since it was last told, where that is short.
    pub(crate) fn tell_deny(&self, now: UnixMs) -> Option<ListDown> {
        let mut deny = self.deny();
        let before = deny.told.as_ref().map(|built| built.version);
        if before.is_some() && deny.added.is_empty() && deny.removed.is_empty() {
            return None;
        }
        let built = build_deny(&deny.entries, before, now);
        let added = std::mem::take(&mut deny.added);
        let removed = std::mem::take(&mut deny.removed);
        let mut manifest = built.manifest("deny");
        if before.is_some() && added.len() + removed.len() <= DELTA_MAX {
            manifest.base = before;
            manifest.add = added.into_iter().map(Digest::hex).collect();
            manifest.remove = removed.into_iter().map(Digest::hex).collect();
        }
        deny.told = Some(built);
        Some(manifest)
    }

    /// `deny` as it was last told.
    pub(crate) fn deny_list(&self, now: UnixMs) -> Built {
        let mut deny = self.deny();
        if let Some(built) = &deny.told {
            return built.clone();
        }
        let built = build_deny(&deny.entries, None, now);
        deny.added.clear();
        deny.removed.clear();
        deny.told = Some(built.clone());
        built
    }

    /// Another list, as it was last built, where that is not older than `max_age_ms`.
    pub(crate) fn held(&self, name: &str, now: UnixMs, max_age_ms: i64) -> Option<Built> {
        let built = self.built();
        built.get(name).filter(|list| now.since_ms(list.at) <= max_age_ms).cloned()
    }

    fn keep(&self, name: &'static str, content: Vec<u8>, count: usize, now: UnixMs) -> Built {
        let mut held = self.built();
        let before = held.get(name).map(|list| list.version);
        let built = Built::new(next(before, now), now, content, count);
        held.insert(name, built.clone());
        built
    }

    /// Drops what was built of a list: what it is made of has changed.
    pub(crate) fn outdated(&self, name: &str) {
        self.built().remove(name);
    }

    /// Builds `keys`.
    pub(crate) fn build_keys(&self, now: UnixMs) -> Result<Built, Fault> {
        let tickets = self
            .keys
            .public()
            .map(|(kid, key)| KeyEntry::Ticket { kid: kid.to_owned(), key: HEXLOWER.encode(&key) });
        let digest = KeyEntry::Digest { key: HEXLOWER.encode(&self.key.0) };
        let entries: Vec<KeyEntry> = tickets.chain([digest]).collect();
        let mut content = Vec::new();
        for entry in &entries {
            line(&mut content, entry)?;
        }
        Ok(self.keep("keys", content, entries.len(), now))
    }

    /// Builds `park` of what the catalogue says.
    pub(crate) fn build_park(
        &self,
        park: &mut serde_json::Value,
        now: UnixMs,
    ) -> Result<Built, Fault> {
        let before = self.built().get("park").map(|list| list.version);
        // Its own version stands in it, since tickets refer to it.
        park["version"] = next(before, now).into();
        let mut content = Vec::new();
        line(&mut content, park)?;
        Ok(self.keep("park", content, 1, now))
    }

    /// Builds `tickets`: those that are good, and may come on `today`. Takes its time with millions
    /// of tickets: not on an async thread.
    pub(crate) fn build_tickets(
        &self,
        hot: &HotState,
        park: &Park,
        park_version: u64,
        today: Day,
        now: UnixMs,
    ) -> Result<Built, Fault> {
        let mut chosen: BTreeMap<TicketId, (TicketState, SmallVec<[Digest; 1]>)> = BTreeMap::new();
        let mut too_many = false;
        hot.each_ticket(|id, state| {
            let comes = state.status() == Status::Issued
                && state.visit_date().is_none_or(|day| day == today);
            if comes && chosen.len() < TICKETS_MAX {
                chosen.insert(id, (state.clone(), SmallVec::new()));
            } else {
                too_many |= comes;
            }
        });
        if too_many {
            metrics::counter!("shanmen_ticket_lists_cut_total").increment(1);
            tracing::warn!(most = TICKETS_MAX, "more tickets for today than a device's list takes");
        }
        hot.each_lead(|digest, ticket| {
            if let Some((_, digests)) = chosen.get_mut(&ticket) {
                digests.push(digest);
            }
        });
        let mut content = Vec::new();
        for (ticket, (state, digests)) in &chosen {
            let blob = postcard::to_allocvec(state)
                .map_err(|error| Fault::Internal(format!("a ticket's state: {error}")))?;
            let mut credentials: Vec<String> = digests.iter().map(|digest| digest.hex()).collect();
            credentials.sort();
            let entry = TicketEntry {
                ticket: *ticket,
                credentials,
                state: BASE64.encode(&blob),
                park: park_version,
                persons: state.persons(),
                areas: areas_left(park, state),
            };
            line(&mut content, &entry)?;
        }
        Ok(self.keep("tickets", content, chosen.len(), now))
    }

    fn deny(&self) -> MutexGuard<'_, Deny> {
        self.deny.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn built(&self) -> MutexGuard<'_, HashMap<&'static str, Built>> {
        self.built.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A later version than the one before; over restarts too, since it is the clock's.
fn next(before: Option<u64>, now: UnixMs) -> u64 {
    u64::try_from(now.0).unwrap_or(0).max(before.map_or(0, |version| version + 1))
}

fn build_deny(entries: &BTreeMap<Digest, u32>, before: Option<u64>, now: UnixMs) -> Built {
    let mut content = String::with_capacity(entries.len() * 33);
    for digest in entries.keys() {
        writeln!(content, "{}", digest.hex()).expect("a string takes all");
    }
    Built::new(next(before, now), now, content.into_bytes(), entries.len())
}

fn line(content: &mut Vec<u8>, entry: &impl serde::Serialize) -> Result<(), Fault> {
    serde_json::to_writer(&mut *content, entry)
        .map_err(|error| Fault::Internal(error.to_string()))?;
    content.push(b'\n');
    Ok(())
}

fn areas_left(park: &Park, state: &TicketState) -> Vec<String> {
    let Some(product) = park.get_product(state.product()) else { return Vec::new() };
    let left = state.remaining(park).filter(|(_, left)| left.is_none_or(|left| left > 0));
    let areas = left.filter_map(|(n, _)| product.entitlements.get(n)).flat_map(|one| &one.areas);
    let names: BTreeSet<String> = areas.map(|&ix| park.area(ix).id.to_string()).collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    fn lists() -> Lists {
        Lists::new(KeyRing::new("k".into(), SigningKey::from_bytes(&[1; 32]), [], [2; 32]))
    }

    fn digest(n: u8) -> Digest {
        Digest([n; 16])
    }

    #[test]
    fn a_change_is_told_once_as_what_it_adds_and_removes() {
        let lists = lists();
        let first = lists.tell_deny(UnixMs(1_000)).expect("the list itself");
        assert_eq!((first.version, first.base, first.count), (1_000, None, 0));
        lists.block(digest(1), &Leads::new());
        let second = lists.tell_deny(UnixMs(1_000)).expect("a change");
        assert_eq!((second.version, second.base), (1_001, Some(1_000)));
        assert_eq!(second.add, [digest(1).hex()]);
        assert_eq!(lists.tell_deny(UnixMs(2_000)), None);
        lists.unblock(digest(1));
        let third = lists.tell_deny(UnixMs(3_000)).expect("a change");
        assert_eq!((&third.add[..], third.remove), (&[][..], vec![digest(1).hex()]));
        assert_eq!(third.sha256, first.sha256, "the same list again");
    }

    #[test]
    fn what_has_two_reasons_stays_until_both_are_gone() {
        let lists = lists();
        let both: Leads = [TicketId(uuid::Uuid::from_u128(1))].into_iter().collect();
        lists.block(digest(1), &both);
        lists.block(digest(2), &both);
        assert_eq!(lists.tell_deny(UnixMs(1)).expect("a list").count, 3);
        lists.unblock(digest(1));
        let left = lists.tell_deny(UnixMs(2)).expect("a change");
        assert_eq!(left.remove, [digest(1).hex()]);
        lists.unblock(digest(2));
        assert_eq!(lists.tell_deny(UnixMs(3)).expect("a change").count, 0);
    }

    #[test]
    fn a_list_is_fetched_in_parts_of_one_version() {
        let content: Vec<u8> = (0..40_000_u32).map(|n| (n % 251) as u8).collect();
        let built = Built::new(7, UnixMs(0), content.clone(), 1);
        let mut fetched = Vec::new();
        loop {
            let chunk = built.chunk("tickets", fetched.len() as u64, Some(7)).expect("a part");
            if chunk.data.is_empty() {
                break;
            }
            fetched.extend(BASE64.decode(chunk.data.as_bytes()).expect("Base64"));
        }
        assert_eq!(fetched, content);
        assert!(matches!(built.chunk("tickets", 0, Some(6)), Err(Fault::Conflict(_))));
        assert!(matches!(built.chunk("tickets", 40_001, None), Err(Fault::Invalid(_))));
    }
}
