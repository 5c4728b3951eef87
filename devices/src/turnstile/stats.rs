//! What a turnstile counts. Written by its task, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use shanmen_protocols::device::{DecisionResult, PassageBy};

use crate::lane::Answer;

/// A turnstile's counters since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnstileStats {
    /// Presentations taken up.
    pub presentations: u64,
    /// Presentations not taken up, since the lane was not free.
    pub not_free: u64,
    /// Second sendings of a scan.
    pub resends: u64,
    /// Grants.
    pub grants: u64,
    /// Answers of the control plane other than a grant.
    pub refusals: u64,
    /// Presentations that the lane decided by itself.
    pub decided_alone: u64,
    /// Decisions without effect: late, repeated, retained or never asked for.
    pub stale_decisions: u64,
    /// Downlinks that are no message of the contract, or none for this session.
    pub foreign_downlinks: u64,
    /// Facts recorded.
    pub facts: u64,
    /// Facts not acknowledged now.
    pub unacknowledged: u64,
    /// Facts lost for want of room.
    pub facts_lost: u64,
    /// Times that unacknowledged facts had to go out again.
    pub fact_resends: u64,
    /// Uplinks that the outbox had no room for.
    pub not_sent: u64,
    /// Connections that the broker took.
    pub connects: u64,
    /// Connections that failed or broke.
    pub disconnects: u64,
}

macro_rules! counters {
    ($($name:ident),* $(,)?) => {
        /// The live counters.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn snapshot(&self, unacknowledged: usize) -> TurnstileStats {
                TurnstileStats {
                    $($name: self.$name.load(Relaxed),)*
                    unacknowledged: u64::try_from(unacknowledged).unwrap_or(u64::MAX),
                }
            }
        }
    };
}

counters!(
    presentations,
    not_free,
    resends,
    grants,
    refusals,
    decided_alone,
    stale_decisions,
    foreign_downlinks,
    facts,
    facts_lost,
    fact_resends,
    not_sent,
    connects,
    disconnects,
);

impl Counters {
    /// Counts an answer by whose it was.
    pub(super) fn count_answer(&self, answer: &Answer) {
        bump(match (answer.by, answer.result) {
            (PassageBy::Server, DecisionResult::Grant) => &self.grants,
            (PassageBy::Server, _) => &self.refusals,
            _ => &self.decided_alone,
        });
    }
}

/// Adds one.
pub(super) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
