//! Rows found by a key: a slab holds them, an index of slots finds them.
//!
//! The index keeps four bytes and a tag a row, never the key, which stands in the row. It is a
//! `DashMap` of many shards, used by its raw interface, since its keys are compared elsewhere.
//! Locks are taken in one order: a shard of the index, the slab's end, a chunk of the slab.

use std::hash::Hash;

use dashmap::{DashMap, SharedValue};
use foldhash::fast::FixedState;

use super::slab::Slab;

/// Shards of the index. One shard at a time doubles, and with ten million rows that moves some five
/// thousand slots while those who look in this very shard wait. 128 bytes each: more of them would
/// not stay in the processor's cache, which every look-up needs.
const SHARDS: usize = 2048;

/// Rows of a key and a value. Rows are never removed.
pub(super) struct Table<K, V> {
    index: DashMap<u32, (), FixedState>,
    rows: Slab<(K, V)>,
}

impl<K: Copy + Eq + Hash, V: Clone> Table<K, V> {
    /// No row yet.
    pub(super) fn new(hasher: FixedState) -> Self {
        Self { index: DashMap::with_hasher_and_shard_amount(hasher, SHARDS), rows: Slab::new() }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len() as usize
    }

    /// The value of a key, as it is now.
    pub(super) fn get(&self, key: K) -> Option<V> {
        self.look(key, |_, value| value.clone())
    }

    /// Where a key's row is; it stays there.
    pub(super) fn slot(&self, key: K) -> Option<u32> {
        self.look(key, |slot, _| slot)
    }

    /// The key of a row that there is.
    pub(super) fn key(&self, slot: u32) -> K {
        self.rows.with(slot, |(key, _)| *key)
    }

    /// Takes a key's value, new or in the place of the one before.
    pub(super) fn put(&self, key: K, value: V) {
        // Mostly there is one.
        let known = self.slot(key).map_or_else(|| self.add(key, value.clone()), Some);
        if let Some(slot) = known {
            let before = self.rows.with_mut(slot, |row| std::mem::replace(&mut row.1, value));
            // After the lock.
            drop(before);
        }
    }

    /// Adds a key with its value; where there is one already, nothing changes: its slot.
    pub(super) fn add(&self, key: K, value: V) -> Option<u32> {
        let hash = self.index.hash_usize(&key);
        let mut shard = self.index.shards()[self.index.determine_shard(hash)].write();
        let same = |entry: &(u32, SharedValue<()>)| self.key(entry.0) == key;
        if let Some((slot, _)) = shard.get(hash as u64, same) {
            return Some(*slot);
        }
        let slot = self.rows.push((key, value));
        let hash_of = |entry: &(u32, SharedValue<()>)| {
            self.rows.with(entry.0, |(key, _)| self.index.hash_usize(key)) as u64
        };
        shard.insert_entry(hash as u64, (slot, SharedValue::new(())), hash_of);
        None
    }

    /// Shows every row that was there when it began; later ones perhaps.
    pub(super) fn each(&self, mut show: impl FnMut(&K, &V)) {
        for slot in 0..self.rows.len() {
            self.rows.with(slot, |(key, value)| show(key, value));
        }
    }

    fn look<R>(&self, key: K, look: impl FnOnce(u32, &V) -> R) -> Option<R> {
        let hash = self.index.hash_usize(&key);
        let shard = self.index.shards()[self.index.determine_shard(hash)].read();
        let (mut look, mut found) = (Some(look), None);
        shard.get(hash as u64, |(slot, _)| {
            self.rows.with(*slot, |(other, value)| {
                let same = *other == key;
                if same {
                    found = look.take().map(|look| look(*slot, value));
                }
                same
            })
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<u64, u64> {
        Table::new(FixedState::with_seed(1))
    }

    #[test]
    fn a_key_keeps_its_slot_and_gets_its_latest_value() {
        let table = table();
        for round in 0..2 {
            for key in 0..20_000 {
                table.put(key, key + round);
            }
        }
        assert_eq!(table.len(), 20_000);
        for key in 0..20_000 {
            assert_eq!(table.get(key), Some(key + 1));
            assert_eq!(table.slot(key).map(|slot| table.key(slot)), Some(key));
        }
        assert_eq!(table.get(20_000), None);
    }

    #[test]
    fn two_who_put_the_same_new_key_make_one_row() {
        let table = table();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let table = &table;
                scope.spawn(move || (0..20_000).for_each(|key| table.put(key, writer)));
            }
        });
        assert_eq!(table.len(), 20_000);
    }

    #[test]
    fn readers_see_whole_rows_while_a_writer_adds_and_changes() {
        let table: Table<u64, (u64, u64)> = Table::new(FixedState::with_seed(1));
        std::thread::scope(|scope| {
            let table = &table;
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(move || {
                        let mut key = 0;
                        // Rows come in order, and what has been seen stays.
                        while key < 50_000 {
                            if let Some((one, other)) = table.get(key) {
                                assert_eq!(one, other);
                                assert!(one == key || one == key + 1);
                                key += 1;
                            } else {
                                std::thread::yield_now();
                            }
                        }
                    })
                })
                .collect();
            for key in 0..50_000 {
                table.put(key, (key, key));
                if let Some(before) = key.checked_sub(100) {
                    table.put(before, (before + 1, before + 1));
                }
            }
            for reader in readers {
                reader.join().expect("a reader");
            }
        });
    }
}
