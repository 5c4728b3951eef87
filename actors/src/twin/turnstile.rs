//! What a turnstile presents: repeats, the lane, the code, the shard, and the answer.

use std::{sync::Arc, time::Duration};

use actix::Addr;
use shanmen_protocols::{
    device::{LaneMode, Scan},
    ids::ScanId,
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{LaneState, Person, Presentation};
use tokio::sync::oneshot;

use super::{
    Back, Reply, Twin, Way,
    answers::Known,
    core::Place,
    shown::{confirmed, find, person, shown},
    tell,
};
use crate::{
    clock::Stopwatch,
    ledger::{Answer, AnswerTo, FirstWord},
    pool::{Ask, Task},
};

impl Twin {
    /// Takes a presentation: repeats first, then the lane, the code, and the shard.
    pub(super) fn scan(
        &mut self,
        scan: &Scan,
        reply: Reply,
        watch: Stopwatch,
        now: UnixMs,
        me: &Addr<Self>,
    ) {
        let way = reply.way();
        match self.core.answers.look_up(scan.id, reply) {
            Known::New => {}
            Known::Waits => return,
            Known::Older => {
                metrics::counter!("shanmen_scans_repeated_total").increment(1);
                self.recall_answer(scan.id, watch, me);
                return;
            }
            Known::Answered(answer, to) => {
                metrics::counter!("shanmen_scans_repeated_total").increment(1);
                self.send(to, self.shared.decision(&answer));
                return;
            }
            Known::TooMany => {
                metrics::counter!("shanmen_scan_repeats_dropped_total").increment(1);
                return;
            }
        }
        if self.denied.contains(&scan.id) {
            // The device has refused it by itself while it was on its way.
            self.give_up(scan.id, Reason::Busy);
            return;
        }
        let (lane, direction) = match self.core.place(&self.shared.park.now(), scan) {
            Place::Lane(lane, direction) => (lane, direction),
            Place::Nowhere(reason, problem) => {
                self.core.device.problem(now, format!("scan: {problem}"));
                self.give_up(scan.id, reason);
                return;
            }
        };
        let found = find(&self.shared, &scan.credential);
        let mut presentation = Presentation::new(now, lane, direction);
        presentation.lane_state = self.lane_state();
        presentation.code_epoch = found.epoch;
        presentation.exchange_code = found.exchange;
        presentation.confirm = shown(scan.credential.kind);
        if let Some(confirm) = scan.confirm {
            let (person, not_theirs) = person(confirm);
            presentation.confirm = presentation.confirm.and(confirmed(confirm)).and(not_theirs);
            presentation.person = person;
        }
        let ticket = self.shared.pool.choose(&found.leads, &presentation);
        if self.shared.blocked.has(found.digest, ticket) {
            presentation.person = Person::Blocked;
        }
        let (asker, answered) = oneshot::channel();
        let first = way.clone().map(|way| self.first_word(way, watch));
        let answer = AnswerTo { first, asker };
        let ask = Ask {
            scan: scan.id,
            device: self.id.clone(),
            presentation,
            ticket,
            code_fault: found.fault,
            answer,
        };
        if self.shared.pool.give(ticket, Task::Ask(Box::new(ask))).is_err() {
            self.give_up(scan.id, Reason::Busy);
            return;
        }
        self.await_answer(scan.id, answered, way, watch, me);
    }

    /// What is done by the thread that commits the answer: its lane is told, before anything else.
    fn first_word(&self, way: Way, watch: Stopwatch) -> FirstWord {
        let (shared, down) = (Arc::clone(&self.shared), Arc::clone(&self.down));
        let latencies = Arc::clone(&self.latencies);
        Box::new(move |answer| {
            // Made first: should it fail, nothing has been told, and the twin tells it.
            let decision = shared.decision(answer);
            if way.take_first() {
                shared.send_at_once(&down, decision, &way);
                shared.measured(&latencies, answer.result, watch);
            }
        })
    }

    /// Whether the lane takes visitors at all.
    fn lane_state(&self) -> LaneState {
        if self.shared.emergency.is_on() {
            return LaneState::Emergency;
        }
        match self.core.device.live().reported.mode {
            Some(LaneMode::Locked | LaneMode::Maintenance) => LaneState::Closed,
            Some(LaneMode::Normal | LaneMode::Free) | None => LaneState::Open,
        }
    }

    /// A repeat from long ago: its answer is in the ledger.
    fn recall_answer(&self, id: ScanId, watch: Stopwatch, me: &Addr<Self>) {
        let (ledger, device, me) = (Arc::clone(&self.shared.ledger), self.id.clone(), me.clone());
        actix::spawn(async move {
            let read = tokio::task::spawn_blocking(move || ledger.answer(device.as_str(), id));
            let answer = match read.await {
                Ok(Ok(Some(answer))) => Ok(Arc::new(answer)),
                Ok(Ok(None)) => Err(Reason::Internal),
                Ok(Err(_)) | Err(_) => Err(Reason::Busy),
            };
            tell(&me, Back::Answered(id, answer, watch)).await;
        });
    }

    fn await_answer(
        &self,
        id: ScanId,
        answered: oneshot::Receiver<Result<Arc<Answer>, crate::ledger::LedgerFault>>,
        way: Option<Way>,
        watch: Stopwatch,
        me: &Addr<Self>,
    ) {
        let (shared, me) = (Arc::clone(&self.shared), me.clone());
        actix::spawn(async move {
            let answer = shared.await_answer(answered, way).await;
            tell(&me, Back::Answered(id, answer, watch)).await;
        });
    }

    /// The ledger has the answer: everybody who waits gets it.
    pub(super) fn answered(
        &mut self,
        id: ScanId,
        answer: Result<Arc<Answer>, Reason>,
        watch: Stopwatch,
    ) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(reason) => {
                self.give_up(id, reason);
                return;
            }
        };
        if answer.grant.is_some() && self.denied.contains(&id) {
            let (shared, late) = (Arc::clone(&self.shared), Arc::clone(&answer));
            actix::spawn(async move { shared.give_back(&late).await });
        }
        let mut waiting = self.core.answers.give(id, Arc::clone(&answer));
        waiting.retain(|to| !to.is_told());
        if waiting.is_empty() {
            return;
        }
        let decision = self.shared.decision(&answer);
        for to in waiting {
            self.send(to, decision.clone());
        }
        self.shared.measured(&self.latencies, answer.result, watch);
    }

    /// No rule could be asked: whoever waits is told, and a repeat is asked anew.
    fn give_up(&mut self, id: ScanId, reason: Reason) {
        metrics::counter!("shanmen_scans_unanswered_total", "reason" => reason.code()).increment(1);
        for to in self.core.answers.give_up(id) {
            self.refuse(id, reason, to);
        }
    }
}

/// How long a decision is worth anything: what the device said it would wait.
pub(crate) fn ttl_of(scan: &Scan) -> Duration {
    Duration::from_millis(u64::from(scan.ttl_ms.clamp(100, 60_000)))
}
