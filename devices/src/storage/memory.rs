//! A storage that keeps nothing over a restart: for virtual devices, hundreds in one process.
//!
//! What a device holds in memory anyway is all there is, so writes cost nothing. A real device
//! never has it: its facts would be gone with the power.

use super::{Commit, Kept, Storage, Write};

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStorage;

impl Storage for MemoryStorage {
    fn kept(&mut self) -> Kept {
        Kept::nothing()
    }

    fn commit(&mut self, _writes: Vec<Write>) -> Commit {
        None
    }
}
