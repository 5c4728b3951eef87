//! What an agent counts. Written by its task, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// An agent's counters since it was started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct AgentStats {
            $($(#[$doc])* pub $name: u64,)*
            /// Facts not acknowledged now.
            pub unacknowledged: u64,
        }

        /// The live counters.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn snapshot(&self, unacknowledged: usize) -> AgentStats {
                AgentStats {
                    $($name: self.$name.load(Relaxed),)*
                    unacknowledged: u64::try_from(unacknowledged).unwrap_or(u64::MAX),
                }
            }
        }
    };
}

counters!(
    /// Downlinks that are no message of the contract, or none for this session.
    foreign_downlinks,
    /// Facts recorded.
    facts,
    /// Facts lost for want of room.
    facts_lost,
    /// Times that unacknowledged facts had to go out again.
    fact_resends,
    /// Uplinks that the outbox had no room for.
    not_sent,
    /// Transactions that the disk refused.
    not_kept,
    /// Commands obeyed.
    commands,
    /// Commands without effect: late, repeated, retained, of another session, or no order.
    commands_refused,
    /// Connections that the broker took.
    connects,
    /// Connections that failed or broke.
    disconnects,
);

/// Adds one.
pub(super) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
