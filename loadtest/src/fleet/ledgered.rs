//! From a passage until the device knows that the ledger has it.
//!
//! A visitor's lane waits for it, so that the figure is known, unless a fault is on there: then it
//! goes on with the next visitor, and the passage is followed beside.

use std::{
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use shanmen_devices::lane::Ended;
use shanmen_protocols::device::PassageBy;
use tokio::time::timeout;

use super::{Fleet, Job, Lane, Worker};
use crate::oracle::At;

/// How long a passage may take to be acknowledged where no fault is on.
const ACK_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is asked meanwhile whether a fault is on by now.
const ACK_STEP: Duration = Duration::from_millis(200);

/// A passage that is not on record yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    at: At,
    job: Job,
    passed: (PassageBy, u32),
}

impl Lane {
    async fn settled(&self) -> anyhow::Result<()> {
        match &self.worker {
            Worker::Turnstile { handle, .. } => Ok(handle.settled().await?),
            Worker::Hand(hand) => hand.settled().await,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fleet {
    /// Follows a passage until it is on record.
    pub(super) async fn ledgered(
        self: &Arc<Self>,
        at: At,
        job: Job,
        (by, ended): (PassageBy, Ended),
    ) {
        let lane = &self.lanes[at.lane];
        let passed_ns = self.clock.ns();
        let waiting = Waiting { at, job, passed: (by, ended.passed) };
        let steps = ACK_TIMEOUT.as_millis() / ACK_STEP.as_millis();
        for _ in 0..steps {
            match timeout(ACK_STEP, lane.settled()).await {
                Ok(Ok(())) => {
                    if job.measured {
                        let acked_ns = self.clock.ns().saturating_sub(passed_ns);
                        self.round().acked.record(acked_ns);
                    }
                    self.oracle().acknowledged(at, job.visit, lane.gate, waiting.passed);
                    return;
                }
                Ok(Err(_gone)) => break,
                Err(_later) if lane.faults.load(Relaxed) > 0 => {
                    self.ledgered_beside(at.lane, waiting);
                    return;
                }
                Err(_later) => {}
            }
        }
        let what = format!("{:?}: the passage was not acknowledged", job.visit);
        self.oracle().breaks_at(at, job.visit, what);
    }

    /// The lane goes on; one task follows all of its passages.
    fn ledgered_beside(self: &Arc<Self>, lane: usize, one: Waiting) {
        self.unledgered.fetch_add(1, Relaxed);
        let first = {
            let mut waiting = self.lanes[lane].waiting();
            waiting.push(one);
            waiting.len() == 1
        };
        if !first {
            return;
        }
        let fleet = Arc::clone(self);
        tokio::spawn(async move {
            let lane = &fleet.lanes[lane];
            loop {
                // What is here now was recorded before the device is asked.
                let here = lane.waiting().len();
                if lane.settled().await.is_err() {
                    return;
                }
                let (on_record, left): (Vec<_>, bool) = {
                    let mut waiting = lane.waiting();
                    (waiting.drain(..here).collect(), !waiting.is_empty())
                };
                for Waiting { at, job, passed } in on_record {
                    fleet.oracle().acknowledged(at, job.visit, lane.gate, passed);
                    fleet.unledgered.fetch_sub(1, Relaxed);
                }
                if !left {
                    return;
                }
            }
        });
    }
}
