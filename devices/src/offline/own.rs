//! What this device let through itself: the last word on whether a ticket was used here.
//!
//! Kept until the control plane has the fact and is sure to have put it into its lists, a week at
//! most. It holds digests and numbers of tickets, never a plain code.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    ids::{Direction, TicketId},
    time::UnixMs,
};

/// The most passages in mind; the oldest goes first.
pub(super) const OWN_MAX: usize = 50_000;

/// How long an acknowledged one is in mind, in milliseconds.
const KEPT_MS: i64 = 7 * 24 * 3_600 * 1_000;

/// Whose passage it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Key {
    /// A ticket.
    Ticket(TicketId),
    /// A credential that leads to no ticket that is known here: its digest in hex.
    Credential(String),
}

/// One passage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Use {
    pub(super) key: Key,
    pub(super) direction: Direction,
    pub(super) count: u16,
    pub(super) at: Option<UnixMs>,
    /// The number of its fact.
    pub(super) seq: u64,
}

impl Use {
    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnUses {
    by_key: HashMap<Key, Vec<Use>>,
    by_seq: BTreeMap<u64, Key>,
}

impl OwnUses {
    /// What a storage held.
    pub(super) fn read(shelf: BTreeMap<String, String>) -> Self {
        let mut uses: Vec<Use> =
            shelf.into_values().filter_map(|json| serde_json::from_str(&json).ok()).collect();
        uses.sort_by_key(|one| one.seq);
        let mut own = Self::default();
        for one in uses {
            own.add(one);
        }
        own
    }

    /// Adds one; the names of those that give way to it.
    pub(super) fn add(&mut self, one: Use) -> Vec<String> {
        self.by_seq.insert(one.seq, one.key.clone());
        self.by_key.entry(one.key.clone()).or_default().push(one);
        let mut gone = Vec::new();
        while OWN_MAX < self.by_seq.len() {
            let Some((seq, key)) = self.by_seq.pop_first() else { break };
            self.remove(seq, &key);
            gone.push(seq.to_string());
        }
        gone
    }

    /// The passages of a ticket or credential, in order.
    pub(super) fn of(&self, key: &Key) -> &[Use] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }

    /// Forgets what the control plane has long known; their names.
    pub(super) fn prune(&mut self, acked: u64, now: Option<UnixMs>) -> Vec<String> {
        let Some(now) = now else { return Vec::new() };
        let mut gone = Vec::new();
        for (seq, key) in self.by_seq.range(..=acked) {
            let one = self.by_key.get(key).and_then(|uses| uses.iter().find(|u| u.seq == *seq));
            if one.is_some_and(|one| one.at.is_none_or(|at| KEPT_MS < now.since_ms(at))) {
                gone.push((*seq, key.clone()));
            }
        }
        for (seq, key) in &gone {
            self.by_seq.remove(seq);
            self.remove(*seq, key);
        }
        gone.into_iter().map(|(seq, _)| seq.to_string()).collect()
    }

    fn remove(&mut self, seq: u64, key: &Key) {
        if let Some(uses) = self.by_key.get_mut(key) {
            uses.retain(|one| one.seq != seq);
            if uses.is_empty() {
                self.by_key.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(seq: u64, at: i64) -> Use {
        let key = Key::Credential("ab".into());
        Use { key, direction: Direction::In, count: 1, at: Some(UnixMs(at)), seq }
    }

    #[test]
    fn what_is_kept_reads_back() {
        let uses = [one(7, 1), one(12, 2)];
        let shelf = uses.iter().map(|one| (one.seq.to_string(), one.write())).collect();
        assert_eq!(OwnUses::read(shelf).of(&uses[0].key), uses);
    }

    #[test]
    fn only_what_is_old_and_acknowledged_is_forgotten() {
        let mut own = OwnUses::default();
        for seq in 1..=3 {
            own.add(one(seq, i64::try_from(seq).unwrap()));
        }
        assert!(own.prune(2, Some(UnixMs(1_000))).is_empty(), "not old");
        assert_eq!(
            own.prune(2, Some(UnixMs(KEPT_MS + 1_000))),
            ["1", "2"],
            "3 is not acknowledged"
        );
        assert_eq!(own.of(&one(3, 3).key), [one(3, 3)]);
        assert!(own.prune(9, None).is_empty(), "without a clock nothing is old");
    }

    #[test]
    fn they_are_bounded() {
        let mut own = OwnUses::default();
        let max = u64::try_from(OWN_MAX).unwrap();
        for seq in 1..=max {
            assert!(own.add(one(seq, 1)).is_empty());
        }
        assert_eq!(own.add(one(max + 1, 1)), ["1"]);
        assert_eq!(own.by_seq.len(), OWN_MAX);
    }
}
