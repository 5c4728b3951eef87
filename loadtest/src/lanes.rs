//! Free lanes, and the queue before them.
//!
//! An arrival takes the lane that has been free for longest. When no lane is free it queues, and
//! the queue is counted: it is where a slow server shows. Bounded: what finds the queue full is
//! turned away, counted, and breaks the run.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// The longest queue: at 3,000 a second the load of more than five minutes.
pub const QUEUE_MAX: usize = 1_000_000;

/// The lanes that are free, and the jobs that wait for one.
#[derive(Debug)]
pub struct Lanes<J>(Mutex<Inner<J>>);

#[derive(Debug)]
struct Inner<J> {
    free: VecDeque<usize>,
    queue: VecDeque<J>,
    longest: usize,
    turned_away: u64,
}

/// What became of a job that was offered.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed<J> {
    /// This lane takes it now.
    At(usize, J),
    /// It waits for a lane.
    Queued,
    /// The queue is full.
    TurnedAway,
}

/// How long the queue is and was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Jobs that wait now.
    pub waiting: usize,
    /// The most that ever waited.
    pub longest: usize,
    /// Jobs that found the queue full.
    pub turned_away: u64,
    /// Lanes that are free now.
    pub free: usize,
}

impl<J> Lanes<J> {
    /// `count` lanes, all free.
    pub fn new(count: usize) -> Self {
        let free = (0..count).collect();
        Self(Mutex::new(Inner { free, queue: VecDeque::new(), longest: 0, turned_away: 0 }))
    }

    /// Finds a lane for a job, or queues it.
    pub fn offer(&self, job: J) -> Placed<J> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = inner.free.pop_front() {
            return Placed::At(lane, job);
        }
        if QUEUE_MAX <= inner.queue.len() {
            inner.turned_away += 1;
            return Placed::TurnedAway;
        }
        inner.queue.push_back(job);
        inner.longest = inner.longest.max(inner.queue.len());
        Placed::Queued
    }

    /// A lane is done: its next job, or it is free.
    pub fn done(&self, lane: usize) -> Option<J> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = inner.queue.pop_front();
        if next.is_none() {
            inner.free.push_back(lane);
        }
        next
    }

    /// How it stands.
    pub fn state(&self) -> QueueState {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        QueueState {
            waiting: inner.queue.len(),
            longest: inner.longest,
            turned_away: inner.turned_away,
            free: inner.free.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lanes_take_their_turn() {
        let lanes = Lanes::new(2);
        assert_eq!(lanes.offer('a'), Placed::At(0, 'a'));
        assert_eq!(lanes.done(0), None);
        assert_eq!(lanes.offer('b'), Placed::At(1, 'b'));
        assert_eq!(lanes.offer('c'), Placed::At(0, 'c'));
    }

    #[test]
    fn who_finds_no_free_lane_waits_and_is_counted() {
        let lanes = Lanes::new(1);
        assert_eq!(lanes.offer('a'), Placed::At(0, 'a'));
        assert_eq!(lanes.offer('b'), Placed::Queued);
        assert_eq!(lanes.offer('c'), Placed::Queued);
        assert_eq!(lanes.state().waiting, 2);
        assert_eq!(lanes.done(0), Some('b'));
        assert_eq!(lanes.done(0), Some('c'));
        assert_eq!(lanes.done(0), None);
        assert_eq!(lanes.state(), QueueState { waiting: 0, longest: 2, turned_away: 0, free: 1 });
    }
}
