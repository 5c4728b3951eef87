//! A list that only grows, in chunks that never move: growing copies nothing, so no reader waits
//! for it, and no more than one chunk is empty.
//!
//! Each chunk has a lock of its own, held for one row's copy.

use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

/// What a chunk may take, in bytes. So large that the chunks' heads stay in the processor's cache:
/// every look-up goes by one.
const CHUNK_BYTES: usize = 80 * 1024;
/// Level n is a table of 2^n chunks; these reach all slots that a `u32` counts.
const LEVELS: usize = u32::BITS as usize;

/// Rows by their slot: 0 for the first, then one more each. Never as many as `u32::MAX`.
pub(super) struct Slab<T> {
    levels: [OnceLock<Box<[Chunk<T>]>>; LEVELS],
    /// How many rows there are.
    rows: Mutex<u32>,
}

type Chunk<T> = RwLock<Vec<T>>;

impl<T> Slab<T> {
    /// Rows of a chunk, a power of two: what shares a lock, and what is set aside at once.
    const CHUNK_ROWS: u32 = 1 << (CHUNK_BYTES / size_of::<T>()).ilog2();

    /// No row yet.
    pub(super) fn new() -> Self {
        Self { levels: std::array::from_fn(|_| OnceLock::new()), rows: Mutex::new(0) }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> u32 {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a row; its slot.
    pub(super) fn push(&self, row: T) -> u32 {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = *rows;
        *rows = slot.checked_add(1).expect("memory ends long before the slots do");
        let mut chunk = self.chunk(slot).write().unwrap_or_else(PoisonError::into_inner);
        if chunk.is_empty() {
            chunk.reserve_exact(Self::CHUNK_ROWS as usize);
        }
        chunk.push(row);
        slot
    }

    /// Looks at the row of a slot that [`push`](Self::push) gave.
    pub(super) fn with<R>(&self, slot: u32, look: impl FnOnce(&T) -> R) -> R {
        let chunk = self.chunk(slot).read().unwrap_or_else(PoisonError::into_inner);
        look(&chunk[(slot % Self::CHUNK_ROWS) as usize])
    }

    /// Changes the row of a slot that [`push`](Self::push) gave.
    pub(super) fn with_mut<R>(&self, slot: u32, change: impl FnOnce(&mut T) -> R) -> R {
        let mut chunk = self.chunk(slot).write().unwrap_or_else(PoisonError::into_inner);
        change(&mut chunk[(slot % Self::CHUNK_ROWS) as usize])
    }

    fn chunk(&self, slot: u32) -> &Chunk<T> {
        // Chunks from 1 on: level n holds those from 2^n to 2^(n+1), the end not included.
        let number = slot / Self::CHUNK_ROWS + 1;
        let first = 1 << number.ilog2();
        let level = self.levels[number.ilog2() as usize]
            .get_or_init(|| (0..first).map(|_| Chunk::default()).collect());
        &level[(number - first) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK_ROWS: u32 = Slab::<u32>::CHUNK_ROWS;

    #[test]
    fn rows_keep_their_slots_over_chunks_and_levels() {
        let slab = Slab::new();
        let rows = CHUNK_ROWS * 9 + 1;
        for n in 0..rows {
            assert_eq!(slab.push(n), n);
        }
        assert_eq!(slab.len(), rows);
        for n in 0..rows {
            assert_eq!(slab.with(n, |row| *row), n);
        }
        for edge in [0, CHUNK_ROWS - 1, CHUNK_ROWS, 3 * CHUNK_ROWS - 1, 3 * CHUNK_ROWS, rows - 1] {
            assert_eq!(slab.with_mut(edge, |row| std::mem::replace(row, 7)), edge);
            assert_eq!(slab.with(edge, |row| *row), 7);
        }
    }

    #[test]
    fn a_chunk_is_no_larger_than_its_rows() {
        let slab = Slab::new();
        for n in 0..=CHUNK_ROWS {
            slab.push(n);
        }
        let capacity = |slot| slab.chunk(slot).read().unwrap().capacity();
        assert_eq!((capacity(0), capacity(CHUNK_ROWS)), (CHUNK_ROWS as usize, CHUNK_ROWS as usize));
    }

    #[test]
    fn a_ticket_and_a_credential_fill_their_chunks() {
        assert_eq!(Slab::<[u8; 80]>::CHUNK_ROWS, 1024);
        assert_eq!(Slab::<[u8; 20]>::CHUNK_ROWS, 4096);
    }
}
