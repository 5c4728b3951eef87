//! How many devices are known and connected: counted where it changes, read by who shows it.

use std::sync::atomic::{AtomicU32, Ordering};

/// The fleet as two numbers.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    online: AtomicU32,
    total: AtomicU32,
}

impl Fleet {
    /// Connected, and approved.
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.online.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Notes how many are approved.
    pub(crate) fn set_total(&self, total: usize) {
        self.total.store(u32::try_from(total).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Notes how many are connected.
    pub(crate) fn set_online(&self, online: usize) {
        self.online.store(u32::try_from(online).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}
