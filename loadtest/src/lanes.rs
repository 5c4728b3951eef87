//! Free lanes, and the queue before them.
//!
//! An arrival takes the lane that has been free for longest. When no lane is free it queues, and
//! the queue is counted: it is where a slow server shows. Bounded: what finds the queue full is
//! turned away, counted, and breaks the run. A lane that is closed gets nobody.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The longest queue: at 3,000 a second the load of more than five minutes.
pub const QUEUE_MAX: usize = 1_000_000;

/// The lanes that are free, and the jobs that wait for one.
#[derive(Debug)]
pub struct Lanes<J>(Mutex<Inner<J>>);

#[derive(Debug)]
struct Inner<J> {
    free: VecDeque<usize>,
    closed: Vec<bool>,
    busy: Vec<bool>,
    busy_count: usize,
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
    /// Lanes that somebody stands at now.
    pub busy: usize,
}

impl QueueState {
    /// Nobody waits, and nobody stands at a lane.
    pub fn is_quiet(self) -> bool {
        self.waiting == 0 && self.busy == 0
    }
}

impl<J> Lanes<J> {
    /// `count` lanes, all free.
    pub fn new(count: usize) -> Self {
        Self(Mutex::new(Inner {
            free: (0..count).collect(),
            closed: vec![false; count],
            busy: vec![false; count],
            busy_count: 0,
            queue: VecDeque::new(),
            longest: 0,
            turned_away: 0,
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner<J>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a lane for a job, or queues it.
    pub fn offer(&self, job: J) -> Placed<J> {
        let mut inner = self.inner();
        if let Some(lane) = inner.free.pop_front() {
            inner.occupy(lane);
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

    /// Takes this very lane if it is free.
    pub fn take(&self, lane: usize) -> bool {
        let mut inner = self.inner();
        let Some(place) = inner.free.iter().position(|free| *free == lane) else { return false };
        inner.free.remove(place);
        inner.occupy(lane);
        true
    }

    /// A lane is done: its next job, or it is free.
    pub fn done(&self, lane: usize) -> Option<J> {
        let mut inner = self.inner();
        if !inner.closed[lane]
            && let Some(next) = inner.queue.pop_front()
        {
            return Some(next);
        }
        inner.busy[lane] = false;
        inner.busy_count -= 1;
        if !inner.closed[lane] {
            inner.free.push_back(lane);
        }
        None
    }

    /// Nobody goes to these lanes from now on; who stands there ends what they do.
    pub fn close(&self, lanes: &[usize]) {
        let mut inner = self.inner();
        for &lane in lanes {
            inner.closed[lane] = true;
        }
        let Inner { free, closed, .. } = &mut *inner;
        free.retain(|lane| !closed[*lane]);
    }

    /// These lanes are open again; whoever waits and goes there now.
    pub fn open(&self, lanes: &[usize]) -> Vec<(usize, J)> {
        let mut inner = self.inner();
        let mut begin = Vec::new();
        for &lane in lanes {
            if !std::mem::replace(&mut inner.closed[lane], false) || inner.busy[lane] {
                continue;
            }
            if let Some(job) = inner.queue.pop_front() {
                inner.occupy(lane);
                begin.push((lane, job));
            } else {
                inner.free.push_back(lane);
            }
        }
        begin
    }

    /// How it stands.
    pub fn state(&self) -> QueueState {
        let inner = self.inner();
        QueueState {
            waiting: inner.queue.len(),
            longest: inner.longest,
            turned_away: inner.turned_away,
            busy: inner.busy_count,
        }
    }
}

impl<J> Inner<J> {
    fn occupy(&mut self, lane: usize) {
        self.busy[lane] = true;
        self.busy_count += 1;
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
        assert_eq!(lanes.state(), QueueState { waiting: 0, longest: 2, turned_away: 0, busy: 0 });
    }

    #[test]
    fn nobody_goes_to_a_closed_lane_until_it_opens() {
        let lanes = Lanes::new(2);
        lanes.close(&[0]);
        assert_eq!(lanes.offer('a'), Placed::At(1, 'a'));
        assert_eq!(lanes.offer('b'), Placed::Queued);
        assert_eq!(lanes.open(&[0]), [(0, 'b')]);
        lanes.close(&[0]);
        assert_eq!(lanes.done(0), None);
        assert_eq!(lanes.done(1), None);
        assert_eq!(lanes.offer('c'), Placed::At(1, 'c'));
        assert_eq!(lanes.offer('d'), Placed::Queued);
    }
}
