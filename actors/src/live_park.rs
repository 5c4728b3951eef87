//! The park in force, which a change of a product replaces as a whole while the gates work.
//!
//! Areas, gates and lanes never change while the program runs, and a product's version keeps its
//! index for ever: so whoever holds an index of an earlier park may use it in a later one.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use shanmen_rules::Park;

/// The park in force; cheap to clone.
#[derive(Clone)]
pub(crate) struct LivePark(Arc<ArcSwap<Park>>);

impl LivePark {
    /// Begins with a park.
    pub(crate) fn new(park: Arc<Park>) -> Self {
        Self(Arc::new(ArcSwap::new(park)))
    }

    /// The park as it is now: take it once for each piece of work. No lock; some nanoseconds.
    pub(crate) fn now(&self) -> Guard<Arc<Park>> {
        self.0.load()
    }

    /// The park as it is now, to keep for longer.
    pub(crate) fn full(&self) -> Arc<Park> {
        self.0.load_full()
    }

    /// Puts a later park in force, at once for everybody.
    pub(crate) fn put(&self, park: Arc<Park>) {
        self.0.store(park);
    }
}
