//! The visit of one visitor at one lane: presents, is answered, walks, and is on record.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use shanmen_devices::{
    handheld::words::Output,
    hardware::{Answered, Reading, Signal, Watcher},
    lane::Ended,
};
use shanmen_protocols::{
    device::{Credential, CredentialKind, Decision, DecisionResult, Outcome, PassageBy},
    ids::Direction,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{Fleet, Hand, Job, LaneDrivers, Worker, before};
use crate::{
    oracle::{At, Next, Seen},
    shown::{code_of, direction_of},
};

/// How long a lane may take for its answer: longer than its own patience.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the end of a grant may take: the hold, and more.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the second decision about a scan that was sent twice may take after the first.
const SECOND_TIMEOUT: Duration = Duration::from_secs(2);

/// Decisions about one scan that are kept: both, and what a device's own repeat brings.
const DECISIONS_MAX: usize = 8;

/// A presentation under way.
pub(super) enum UnderWay {
    Turnstile { job: Job, told: ToldOf },
    Hand { job: Job },
}

/// What a turnstile tells of one presentation.
pub(super) struct ToldOf {
    answered: oneshot::Receiver<Answered>,
    ended: oneshot::Receiver<Ended>,
    /// Every decision, where the scan was sent twice.
    twice: Option<mpsc::Receiver<Decision>>,
}

impl Fleet {
    /// A visitor stands at a free lane.
    pub(super) fn begin(self: &Arc<Self>, lane: usize, mut job: Job) {
        job.visit = self.oracle().present(self.at(lane, job), job.visit);
        let here = &self.lanes[lane];
        let (taken, under_way) = match &here.worker {
            Worker::Hand(_) => (true, UnderWay::Hand { job }),
            Worker::Turnstile { drivers, .. } => {
                let (answered_tx, answered) = oneshot::channel();
                let (ended_tx, ended) = oneshot::channel();
                let (twice_tx, twice) = job.twice.then(|| mpsc::channel(DECISIONS_MAX)).unzip();
                let reading = Reading {
                    credential: self.credential(job),
                    direction: direction_of(job.visit),
                    confirm: None,
                    watcher: Some(Watcher {
                        answered: answered_tx,
                        ended: ended_tx,
                        twice: twice_tx,
                    }),
                };
                // The lane is free, so that both queues have room unless the turnstile is gone;
                // then its watchers are dropped, and the visit ends without an answer.
                let taken = drivers.readings.try_send(reading).is_ok();
                (taken, UnderWay::Turnstile { job, told: ToldOf { answered, ended, twice } })
            }
        };
        if !taken || here.under_way.try_send(under_way).is_err() {
            self.oracle().breaks(format!("{:?}: the lane took nobody", job.visit));
        }
    }

    fn credential(&self, job: Job) -> Credential {
        let codes = self.codes.read().unwrap_or_else(PoisonError::into_inner);
        Credential { kind: CredentialKind::Qr, data: code_of(job.visit, &codes) }
    }

    fn at(&self, lane: usize, job: Job) -> At {
        let fault = self.lanes[lane].faults.load(Relaxed) > 0;
        At { lane, fault, tries: job.tries }
    }

    pub(super) async fn follow(self: &Arc<Self>, lane: usize, under_way: UnderWay) {
        match (under_way, &self.lanes[lane].worker) {
            (UnderWay::Turnstile { job, told }, Worker::Turnstile { drivers, .. }) => {
                let ToldOf { answered, ended, twice } = told;
                let before_it = self.at(lane, job);
                self.at_turnstile(before_it, job, drivers, (answered, ended)).await;
                if let Some(twice) = twice {
                    self.sent_twice(before_it, job, twice).await;
                }
            }
            (UnderWay::Hand { job }, Worker::Hand(hand)) => self.at_hand(lane, job, hand).await,
            (UnderWay::Turnstile { .. } | UnderWay::Hand { .. }, _) => {}
        }
    }

    async fn at_turnstile(
        self: &Arc<Self>,
        before_it: At,
        job: Job,
        drivers: &LaneDrivers,
        (answered, ended): (oneshot::Receiver<Answered>, oneshot::Receiver<Ended>),
    ) {
        let answer = timeout(ANSWER_TIMEOUT, answered).await;
        // A fault that began or ended meanwhile was one, too.
        let fault = before_it.fault || self.at(before_it.lane, job).fault;
        let at = At { fault, ..before_it };
        let Ok(Ok(Answered { answer, latency })) = answer else {
            self.unanswered(at, job);
            return;
        };
        let seen = Seen {
            by: answer.by,
            result: answer.result,
            reason: answer.reason,
            grant: answer.grant,
            persons: answer.persons,
        };
        let next = self.oracle().answered(at, job.visit, seen);
        if let Next::Walk(persons) = next {
            let walked = self.walk(drivers, direction_of(job.visit), persons).await;
            if !walked {
                self.oracle().breaks_at(at, job.visit, "a turnstile is gone".to_owned());
            }
        }
        let ended = timeout(END_TIMEOUT, ended).await;
        // The lamp was set before the end was told.
        let shown_ns = drivers.shown_ns();
        self.figures(job, seen, (before(shown_ns, latency), shown_ns));
        match (next, ended) {
            (Next::Walk(persons), Ok(Ok(ended))) => {
                self.walked(at, job, seen, (persons, ended)).await;
            }
            (Next::Walk(_), other) => {
                let what = format!("{:?}: the passage ended {other:?}", job.visit);
                self.oracle().breaks_at(at, job.visit, what);
            }
            (Next::Again, _) => self.come_again(job),
            (Next::Done, _) => self.measure_recovered(job),
        }
    }

    /// All decisions about a scan that was sent twice are alike. The lane waits for the second.
    async fn sent_twice(&self, before_it: At, job: Job, mut told: mpsc::Receiver<Decision>) {
        let mut decisions = Vec::new();
        while decisions.len() < 2 {
            match timeout(SECOND_TIMEOUT, told.recv()).await {
                Ok(Some(decision)) => decisions.push(decision),
                Ok(None) | Err(_) => break,
            }
        }
        // More than two: the device has sent it once more by itself.
        while let Ok(decision) = told.try_recv() {
            decisions.push(decision);
        }
        let fault = before_it.fault || self.at(before_it.lane, job).fault;
        self.oracle().repeated(At { fault, ..before_it }, job.visit, &decisions);
    }

    async fn at_hand(self: &Arc<Self>, lane: usize, job: Job, hand: &Hand) {
        let at = self.at(lane, job);
        let sent_ns = self.clock.ns();
        let checked = hand.check(self.credential(job), direction_of(job.visit)).await;
        let shown_ns = self.clock.ns();
        let Some((scan, seen)) = checked else {
            self.unanswered(at, job);
            return;
        };
        let next = self.oracle().answered(at, job.visit, seen);
        self.figures(job, seen, (sent_ns, shown_ns));
        match next {
            Next::Walk(persons) => match hand.passed(scan, persons).await {
                Some(Output::Ended { outcome, count, .. }) => {
                    let ended = Ended { outcome: Some(outcome), passed: count };
                    self.walked(at, job, seen, (persons, ended)).await;
                }
                other => {
                    let what = format!("{:?}: the passage ended {other:?}", job.visit);
                    self.oracle().breaks_at(at, job.visit, what);
                }
            },
            Next::Again => self.come_again(job),
            Next::Done => self.measure_recovered(job),
        }
    }

    fn unanswered(self: &Arc<Self>, at: At, job: Job) {
        self.measure_alone();
        if self.oracle().no_answer(at, job.visit) == Next::Again {
            self.come_again(job);
        }
    }

    fn figures(&self, job: Job, seen: Seen, (sent_ns, shown_ns): (u64, u64)) {
        if seen.by == PassageBy::Server {
            self.measure(job, sent_ns, shown_ns);
        } else {
            self.measure_alone();
        }
    }

    /// So many walk through, one after the other.
    async fn walk(&self, drivers: &LaneDrivers, direction: Direction, persons: u32) -> bool {
        for _ in 0..persons {
            if !self.walk.is_zero() {
                sleep(self.walk).await;
            }
            if drivers.signals.send(Signal::Passed(direction)).await.is_err() {
                return false;
            }
        }
        true
    }

    /// The opening is over: it ended as people walked, and goes on record.
    async fn walked(
        self: &Arc<Self>,
        at: At,
        job: Job,
        seen: Seen,
        (persons, ended): (u32, Ended),
    ) {
        let right = match ended.outcome {
            Some(Outcome::Taken) => persons == seen.persons,
            Some(Outcome::Partial) => 0 < persons && persons < seen.persons,
            Some(Outcome::NotTaken) => persons == 0,
            _ => false,
        };
        {
            let mut oracle = self.oracle();
            oracle.ended(at, job.visit, seen, ended);
            let granted = seen.result == DecisionResult::Grant;
            if !right || ended.passed != persons || !granted {
                let what = format!("{:?}: {persons} walked, it ended {ended:?}", job.visit);
                oracle.breaks_at(at, job.visit, what);
            }
        }
        self.measure_recovered(job);
        self.ledgered(at, job, (seen.by, ended)).await;
    }
}
