//! What a turnstile presents: repeats, the lane, the code, the shard, and the answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use actix::{Addr, prelude::SendError};
use shanmen_protocols::{
    device::{DecisionResult, Down, LaneMode, Scan},
    ids::ScanId,
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{LaneState, Person, Presentation};
use tokio::{runtime::Handle, time::Instant};

use super::{
    Back, Reply, Shared, Twin, Way,
    answers::Known,
    core::Place,
    shown::{confirmed, find, person, shown},
    tell,
    work::Latencies,
};
use crate::{
    clock::Stopwatch,
    flow::Fact,
    ledger::{Answer, Asker, LedgerFault, Refused},
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
        let told = Told {
            shared: Arc::clone(&self.shared),
            down: Arc::clone(&self.down),
            latencies: Arc::clone(&self.latencies),
            twin: me.clone(),
            scan: scan.id,
            way: way.clone(),
            watch,
            done: false,
        };
        let ask = Ask {
            scan: scan.id,
            device: self.id.clone(),
            presentation,
            ticket,
            code_fault: found.fault,
            answer: Box::new(told),
        };
        if let Err(Task::Ask(refused)) = self.shared.pool.give(ticket, Task::Ask(Box::new(ask))) {
            refused.answer.answer(Err(LedgerFault::Full));
        }
        let look_at = self.overdue.wait_for(scan.id, way, Instant::now());
        look_for_overdue_at(look_at, me);
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

    /// The ledger has the answer, or there is none: everybody who waits is told.
    pub(super) fn answered(
        &mut self,
        id: ScanId,
        answer: Result<Arc<Answer>, Reason>,
        watch: Stopwatch,
    ) {
        let late = self.overdue.is_late(id);
        let answer = match answer {
            Ok(answer) => answer,
            Err(_) if late => return,
            Err(reason) => {
                self.give_up(id, reason);
                return;
            }
        };
        if answer.grant.is_some() && (late || self.denied.contains(&id)) {
            let (shared, unused) = (Arc::clone(&self.shared), Arc::clone(&answer));
            actix::spawn(async move { shared.give_back(&unused).await });
        }
        if late {
            return;
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

    /// Some answers may have taken too long: whoever waits for one is told `busy`.
    pub(super) fn look_for_overdue(&mut self, me: &Addr<Self>) {
        let (due, look_at) = self.overdue.due(Instant::now());
        look_for_overdue_at(look_at, me);
        for (id, way) in due {
            // If its way is taken, it is being told at this very moment: the lane must not hear two
            // words.
            if self.core.answers.is_asked(id) && way.is_none_or(|way| way.keep_for_twin()) {
                self.overdue.gave_up(id);
                self.give_up(id, Reason::Busy);
            }
        }
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

fn look_for_overdue_at(at: Option<Instant>, twin: &Addr<Twin>) {
    let Some(at) = at else { return };
    let twin = twin.clone();
    actix::spawn(async move {
        tokio::time::sleep_until(at).await;
        tell(&twin, Back::LookForOverdue).await;
    });
}

/// The way of an answer from the thread that commits it to the lane, and to the twin, which keeps
/// it for repeats.
struct Told {
    shared: Arc<Shared>,
    down: Arc<str>,
    latencies: Arc<Latencies>,
    twin: Addr<Twin>,
    scan: ScanId,
    way: Option<Way>,
    watch: Stopwatch,
    done: bool,
}

impl Told {
    /// A lane's own decision leaves at once, without another thread being woken for it.
    fn tell_lane(&self, answer: &Answer) {
        let Some(way) = &self.way else { return };
        // Made first: should it fail, nothing has been told, and the twin tells it.
        let decision = self.shared.decision(answer);
        if way.take_first() {
            self.shared.post(&self.down, Down::Decision(decision), way.qos, way.ttl);
            self.shared.measured(&self.latencies, answer.result, self.watch);
        }
    }

    fn tell_twin(&self, result: Result<Arc<Answer>, Reason>) {
        let back = Back::Answered(self.scan, result, self.watch);
        if let Err(SendError::Full(back)) = self.twin.try_send(back)
            && let Ok(runtime) = Handle::try_current()
        {
            let twin = self.twin.clone();
            runtime.spawn(async move { tell(&twin, back).await });
        }
    }
}

impl Asker for Told {
    fn answer(mut self: Box<Self>, result: Result<Arc<Answer>, LedgerFault>) -> bool {
        self.done = true;
        if let Ok(answer) = &result {
            if catch_unwind(AssertUnwindSafe(|| self.tell_lane(answer))).is_err() {
                metrics::counter!("shanmen_actor_panics_total", "actor" => "answer").increment(1);
                tracing::error!("an answer could not be told at once; its twin tells it");
            }
            if answer.result == DecisionResult::Deny {
                let committed_at = self.shared.clock.now();
                let refused = Refused { answer: Arc::clone(answer), committed_at };
                self.shared.flow.tell(Fact::Refused(Box::new(refused)));
            }
        }
        let result = result.map_err(|fault| match fault {
            LedgerFault::Full => Reason::Busy,
            LedgerFault::Refused(_) | LedgerFault::Broken(_) => Reason::Internal,
        });
        self.tell_twin(result);
        self.twin.connected()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if !self.done {
            self.tell_twin(Err(Reason::Internal));
        }
    }
}
