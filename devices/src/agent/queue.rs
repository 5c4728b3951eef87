//! Facts that the control plane has not acknowledged yet: `no_lost_passage` on the device's side.
//!
//! Numbered from 1 without gaps within an epoch; a fact is deleted only by an `event-ack`. It is
//! bounded: when full, the two oldest facts give way to a `gap` fact that names them. After a
//! hello the backlog goes out in `log` batches, one at a time, and live facts go past it; what is
//! not acknowledged in time goes out again. Pure: time is an argument, and what has to be kept is
//! handed on as [`Write`]s. The agent calls it, and lets a fact out only when it is kept.

use std::collections::VecDeque;

use shanmen_protocols::{
    device::{Body, Event, LOG_MAX_EVENTS, Log, LogEvent},
    ids::Epoch,
    time::TimeBlock,
    topic::PAYLOAD_MAX_BYTES,
};

use crate::storage::{Kept, Write};

/// The most facts held, unless a device is told otherwise.
pub const QUEUE_MAX_EVENTS: usize = 10_000;

/// How long an acknowledgement may take before the facts are sent again, in milliseconds.
pub const RESEND_AFTER_MS: u64 = 5_000;

/// Room for the log's own fields beside its events, in bytes.
const LOG_FRAME_BYTES: usize = 256;

/// Unacknowledged facts, oldest first.
#[derive(Debug)]
pub struct EventQueue {
    epoch: Epoch,
    next_seq: u64,
    facts: VecDeque<LogEvent>,
    /// The facts up to this number wait to go out in batches; 0 when none do.
    backlog_until: u64,
    /// The last number of the batch that is under way; 0 when none is.
    batch_until: u64,
    /// When the last fact went out or an acknowledgement came.
    progress_at_ms: u64,
    lost: u64,
    max: usize,
    writes: Vec<Write>,
}

impl EventQueue {
    /// The facts that a storage held, `max` of them at most from now on; 2 at least.
    pub fn new(kept: &mut Kept, max: usize) -> Self {
        Self {
            epoch: kept.epoch.clone(),
            next_seq: kept.next_seq,
            facts: std::mem::take(&mut kept.facts).into(),
            backlog_until: 0,
            batch_until: 0,
            progress_at_ms: 0,
            lost: 0,
            max: max.max(2),
            writes: Vec::new(),
        }
    }

    /// What has to be kept since the last call, in this order.
    pub fn take_writes(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.writes)
    }

    /// The name of this storage.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The number that the next fact will have.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Facts not acknowledged.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether every fact is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// The number of the last fact before all that are not acknowledged.
    pub fn acknowledged_upto(&self) -> u64 {
        let first = self.facts.front().map_or(self.next_seq, |fact| match fact.body {
            Body::Gap { from, .. } => from,
            _ => fact.seq,
        });
        first - 1
    }

    /// Facts lost for want of room.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Keeps a fact and returns it as the live event to publish.
    pub fn push(&mut self, body: Body, time: TimeBlock, now_ms: u64) -> Event {
        let seq = self.next_seq;
        self.next_seq += 1;
        while self.max <= self.facts.len() {
            self.make_room(time);
        }
        if self.facts.is_empty() {
            self.progress_at_ms = now_ms;
        }
        let fact = LogEvent { time, seq, body: body.clone() };
        self.writes.push(Write::Fact(fact.clone()));
        self.facts.push_back(fact);
        Event { time, epoch: self.epoch.clone(), seq, body }
    }

    /// Two facts become one `gap`: nothing else would keep both the bound and the numbering. The
    /// oldest two neighbours that are no passages give way; only where all are passages, the oldest.
    fn make_room(&mut self, time: TimeBlock) {
        let counts = |fact: &LogEvent| matches!(fact.body, Body::Passage(_));
        let neighbours = self.facts.iter().zip(self.facts.iter().skip(1));
        let two = neighbours.into_iter().position(|(a, b)| !counts(a) && !counts(b)).unwrap_or(0);
        let Some(first) = self.facts.remove(two) else { return };
        let Some(second) = self.facts.get_mut(two) else { return };
        let lost = |fact: &LogEvent| u64::from(!matches!(fact.body, Body::Gap { .. }));
        self.lost += lost(&first) + lost(second);
        let from = if let Body::Gap { from, .. } = first.body { from } else { first.seq };
        let body = Body::Gap { from, to: second.seq };
        *second = LogEvent { time, seq: second.seq, body };
        self.writes.push(Write::DropFact(first.seq));
        self.writes.push(Write::Fact(second.clone()));
    }

    /// The control plane has all facts up to `upto`; of another epoch it has no effect. Returns
    /// how many were deleted.
    pub fn acknowledge(&mut self, epoch: &Epoch, upto: u64, now_ms: u64) -> usize {
        if *epoch != self.epoch {
            return 0;
        }
        let before = self.facts.len();
        while self.facts.front().is_some_and(|fact| fact.seq <= upto) {
            self.facts.pop_front();
        }
        let deleted = before - self.facts.len();
        if deleted > 0 {
            self.progress_at_ms = now_ms;
            self.writes.push(Write::DropFacts(upto));
        }
        if self.batch_until <= upto {
            self.batch_until = 0;
        }
        if self.facts.front().is_none_or(|fact| self.backlog_until < fact.seq) {
            self.backlog_until = 0;
        }
        deleted
    }

    /// A hello was accepted with `acked`: what is left is the backlog.
    pub fn resume(&mut self, acked: u64, now_ms: u64) {
        let epoch = self.epoch.clone();
        self.acknowledge(&epoch, acked, now_ms);
        self.start_over(now_ms);
    }

    fn start_over(&mut self, now_ms: u64) {
        self.backlog_until = self.facts.back().map_or(0, |fact| fact.seq);
        self.batch_until = 0;
        self.progress_at_ms = now_ms;
    }

    /// When [`EventQueue::overdue`] has to look, in milliseconds since boot.
    pub fn wake_at_ms(&self) -> Option<u64> {
        (!self.facts.is_empty()).then(|| self.progress_at_ms + RESEND_AFTER_MS)
    }

    /// Makes everything a backlog when no acknowledgement came in time; true when it did.
    pub fn overdue(&mut self, now_ms: u64) -> bool {
        let overdue = self.wake_at_ms().is_some_and(|at| at <= now_ms);
        if overdue {
            self.start_over(now_ms);
        }
        overdue
    }

    /// The next batch of the backlog; `None` while one is under way, or when there is none.
    pub fn next_batch(&mut self, now_ms: u64) -> Option<Log> {
        if self.batch_until != 0 || self.backlog_until == 0 {
            return None;
        }
        let mut room = PAYLOAD_MAX_BYTES - LOG_FRAME_BYTES;
        let mut events = Vec::new();
        for fact in &self.facts {
            if events.len() == LOG_MAX_EVENTS || self.backlog_until < fact.seq {
                break;
            }
            let bytes = serde_json::to_vec(fact).map_or(0, |json| json.len() + 1);
            // The first goes in any case, or an oversized one would block the queue for good.
            if room < bytes && !events.is_empty() {
                break;
            }
            room = room.saturating_sub(bytes);
            events.push(fact.clone());
        }
        self.batch_until = events.last()?.seq;
        self.progress_at_ms = now_ms;
        Some(Log { epoch: self.epoch.clone(), events })
    }
}

#[cfg(test)]
mod tests;
