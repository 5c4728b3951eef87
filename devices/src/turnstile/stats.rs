//! What a turnstile counts. Written by its task, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use shanmen_protocols::device::{DecisionResult, PassageBy};

use crate::{agent::AgentStats, lane::Answer};

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

/// The live counters of the lane; the agent has its own.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) presentations: AtomicU64,
    pub(super) not_free: AtomicU64,
    pub(super) resends: AtomicU64,
    pub(super) stale_decisions: AtomicU64,
    grants: AtomicU64,
    refusals: AtomicU64,
    decided_alone: AtomicU64,
}

impl Counters {
    pub(super) fn snapshot(&self, agent: AgentStats) -> TurnstileStats {
        TurnstileStats {
            presentations: self.presentations.load(Relaxed),
            not_free: self.not_free.load(Relaxed),
            resends: self.resends.load(Relaxed),
            grants: self.grants.load(Relaxed),
            refusals: self.refusals.load(Relaxed),
            decided_alone: self.decided_alone.load(Relaxed),
            stale_decisions: self.stale_decisions(),
            foreign_downlinks: agent.foreign_downlinks,
            facts: agent.facts,
            unacknowledged: agent.unacknowledged,
            facts_lost: agent.facts_lost,
            fact_resends: agent.fact_resends,
            not_sent: agent.not_sent,
            connects: agent.connects,
            disconnects: agent.disconnects,
        }
    }

    pub(super) fn stale_decisions(&self) -> u64 {
        self.stale_decisions.load(Relaxed)
    }

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
