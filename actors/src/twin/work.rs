//! What a twin waits for, beside it: verdicts, commits and sending. Each wait has an end.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use metrics::{Histogram, histogram};
use shanmen_protocols::{
    device::{Decision, DecisionResult, Down, EventAck, Outcome, Passage, PassageBy},
    ids::{DeviceId, DeviceKind, Epoch, GrantId, LaneId, ScanId, TicketId},
    reason::{Lang, Reason},
};
use shanmen_rules::LaneIx;
use tokio::sync::oneshot;

use super::{anchor::Moment, words};
use crate::{
    alerts::{Alerts, Cause},
    api::{AuditLine, Fault},
    blocked::Blocked,
    clock::{Clock, Stopwatch},
    commands::Commands,
    configs::Configs,
    emergency::Emergency,
    flow::{Fact, FlowSender},
    keys::KeyRing,
    ledger::{
        Answer, Committed, EventRow, GrantRow, Journaled, Ledger, LedgerFault, Moved, PassageRow,
    },
    link::{Downlink, Link, Qos},
    lists::Lists,
    live_park::LivePark,
    pool::{ByGrant, Pool, Settle, Task},
    registry::Registry,
};

/// How long an acknowledgement is worth anything.
const ACK_TTL: Duration = Duration::from_secs(30);

/// What all twins share.
pub(crate) struct Shared {
    pub(crate) park: LivePark,
    pub(crate) keys: KeyRing,
    pub(crate) pool: Pool,
    pub(crate) blocked: Arc<Blocked>,
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) commands: Commands,
    pub(crate) configs: Configs,
    pub(crate) emergency: Emergency,
    pub(crate) lists: Arc<Lists>,
    /// Set once everything that can be asked is there.
    pub(crate) answers: OnceLock<Arc<dyn super::RequestAnswers>>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) link: Arc<dyn Link>,
    pub(crate) flow: FlowSender,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Clock,
    pub(crate) heartbeat_s: u32,
    pub(crate) lang: Lang,
}

/// Who waits for an answer.
pub(crate) enum Reply {
    /// The device.
    Down(Way),
    /// A caller of the program.
    Caller(oneshot::Sender<Decision>),
}

impl Reply {
    /// The way to the device, if it is one that waits.
    pub(super) fn way(&self) -> Option<Way> {
        match self {
            Self::Down(way) => Some(way.clone()),
            Self::Caller(_) => None,
        }
    }

    /// Whether it has been told already.
    pub(super) fn is_told(&self) -> bool {
        matches!(self, Self::Down(way) if way.is_told())
    }
}

/// How a scan's decision reaches its device.
#[derive(Clone)]
pub(crate) struct Way {
    /// The quality of service of the scan.
    pub(crate) qos: Qos,
    /// How long the decision is worth anything.
    pub(crate) ttl: Duration,
    /// Who tells it, so that it is told once: the thread that commits the answer, or the twin.
    word: Arc<AtomicU8>,
}

/// Nobody has told it.
const OPEN: u8 = 0;
/// The twin will: the wait has ended.
const TWINS: u8 = 1;
/// Somebody has.
const TOLD: u8 = 2;

impl Way {
    /// A way that nothing has gone yet.
    pub(crate) fn new(qos: Qos, ttl: Duration) -> Self {
        Self { qos, ttl, word: Arc::new(AtomicU8::new(OPEN)) }
    }

    /// For the thread that commits: whether it tells it.
    pub(super) fn take_first(&self) -> bool {
        self.word.compare_exchange(OPEN, TOLD, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// For whoever waits no longer: whether the twin tells it. If not, it is being told now.
    pub(super) fn keep_for_twin(&self) -> bool {
        self.word.compare_exchange(OPEN, TWINS, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// For the twin: whether it tells it.
    fn take(&self) -> bool {
        self.word.swap(TOLD, Ordering::AcqRel) != TOLD
    }

    fn is_told(&self) -> bool {
        self.word.load(Ordering::Acquire) == TOLD
    }
}

/// A kind's decision latencies, made once: looking a metric up by its labels is slower than the
/// decision.
pub(crate) struct Latencies {
    grant: Histogram,
    deny: Histogram,
    more: Histogram,
}

impl Latencies {
    /// For a kind of device, or `api`.
    pub(crate) fn of(kind: &'static str) -> Self {
        let of = |result: &'static str| histogram!("shanmen_decision_seconds", "kind" => kind, "result" => result);
        Self { grant: of("grant"), deny: of("deny"), more: of("more") }
    }

    fn record(&self, result: DecisionResult, watch: Stopwatch) {
        match result {
            DecisionResult::Grant => self.grant.record(watch.seconds()),
            DecisionResult::Deny => self.deny.record(watch.seconds()),
            DecisionResult::More | DecisionResult::Wait => self.more.record(watch.seconds()),
        }
    }
}

impl Shared {
    /// Gives back a grant that its lane will never use.
    pub(crate) async fn give_back(&self, answer: &Answer) {
        let Some(row) = answer.grant.and_then(|grant| self.pool.hot().grant(grant)) else { return };
        metrics::counter!("shanmen_grants_given_back_total").increment(1);
        let fact = PassageFact {
            grant: Some(row.id),
            ticket: row.ticket,
            lane: row.open.lane,
            direction: row.open.direction,
            moment: Moment { at: self.clock.now(), known: true },
            outcome: Outcome::NotTaken,
            count: Some(0),
            by: PassageBy::Server,
            device: row.device,
            event: None,
            audit: None,
            again_is_a_fact: false,
        };
        if let Err(error) = self.passage(fact).await {
            tracing::warn!(grant = %row.id, %error, "a grant stays open until it is released");
        }
    }

    /// Sends a decision to whoever waits for it.
    pub(crate) async fn reply(&self, down: &Arc<str>, to: Reply, decision: Decision) {
        match to {
            Reply::Down(way) if way.take() => {
                self.send(down, &Down::Decision(decision), way.qos, way.ttl).await;
            }
            Reply::Down(_) => {}
            Reply::Caller(caller) => {
                if caller.send(decision).is_err() {
                    tracing::debug!("the caller has gone");
                }
            }
        }
    }

    /// The decision for an answer.
    pub(crate) fn decision(&self, answer: &Answer) -> Decision {
        words::decision(&self.park.now(), answer, self.lang)
    }

    /// The refusal that stands for no answer.
    pub(crate) fn refusal(&self, scan: ScanId, reason: Reason) -> Decision {
        words::refusal(scan, reason, self.lang)
    }

    /// Notes how long a decision took.
    pub(crate) fn measured(&self, latencies: &Latencies, result: DecisionResult, watch: Stopwatch) {
        latencies.record(result, watch);
        self.flow.tell(Fact::DecidedIn(watch.micros()));
    }

    /// Sends a decision from a thread that must not wait: what does not leave at once goes on
    /// beside it.
    pub(super) fn send_at_once(self: &Arc<Self>, down: &Arc<str>, decision: Decision, way: &Way) {
        let (shared, down, qos, ttl) = (Arc::clone(self), Arc::clone(down), way.qos, way.ttl);
        let mut sending = Box::pin(async move {
            shared.send(&down, &Down::Decision(decision), qos, ttl).await;
        });
        if (&mut sending).now_or_never().is_none() {
            tokio::spawn(sending);
        }
    }

    /// Sends a downlink; what cannot leave is counted, and the device asks again.
    pub(crate) async fn send(&self, down: &Arc<str>, message: &Down, qos: Qos, ttl: Duration) {
        let payload = match serde_json::to_vec(message) {
            Ok(json) => Bytes::from(json),
            Err(error) => {
                tracing::error!(%error, "a downlink cannot be written");
                return;
            }
        };
        let downlink = Downlink { topic: Arc::clone(down), payload, qos, ttl: Some(ttl) };
        if self.link.publish(downlink).await.is_err() {
            metrics::counter!("shanmen_outbox_overflow_total").increment(1);
            tracing::warn!(topic = &**down, "the outbox is full: a downlink was dropped");
        }
    }

    /// Whose token an operator's is.
    pub(crate) fn who(&self, operator: &str) -> String {
        self.answers.get().map_or_else(String::new, |answers| answers.who(operator))
    }

    /// Sends an acknowledgement.
    pub(crate) async fn acknowledge(&self, down: &Arc<str>, epoch: Epoch, upto: u64) {
        let ack = Down::EventAck(EventAck { epoch, upto });
        self.send(down, &ack, Qos::One, ACK_TTL).await;
    }

    /// Brings a passage to the ledger: by its grant, by its ticket, or by nobody known.
    pub(crate) async fn passage(
        &self,
        fact: PassageFact,
    ) -> Result<(PassageRow, Committed), Fault> {
        let by_grant = self.belongs_to(&fact).await?;
        let was_open = matches!(by_grant, ByGrant::Open(_));
        match self.settle(&fact, by_grant).await {
            // It got its outcome between the look and the shard: this is a second one.
            Err(Fault::Conflict(_)) if was_open && fact.again_is_a_fact => {
                let by_grant = self.belongs_to(&fact).await?;
                self.settle(&fact, by_grant).await
            }
            other => other,
        }
    }

    async fn belongs_to(&self, fact: &PassageFact) -> Result<ByGrant, Fault> {
        let none =
            ByGrant::None { ticket: fact.ticket, lane: fact.lane, direction: fact.direction };
        let Some(id) = fact.grant else { return Ok(none) };
        if let Some(row) = self.pool.hot().grant(id) {
            return Ok(ByGrant::Open(Box::new(row)));
        }
        let ledger = Arc::clone(&self.ledger);
        let closed = tokio::task::spawn_blocking(move || ledger.closed_grant(id))
            .await
            .map_err(|error| Fault::Internal(error.to_string()))?
            .map_err(fault)?;
        if closed.is_none() {
            // Somebody passed, and that counts; whose permission it was nobody knows.
            metrics::counter!("shanmen_passages_of_unknown_grants_total").increment(1);
            tracing::warn!(grant = %id, device = %fact.device, "a passage of an unknown grant");
        }
        match closed {
            // One outcome per grant: a second passage is a fact only where nobody had passed.
            Some(closed) if closed.taken > 0 || fact.count == Some(0) => {
                Err(Fault::Conflict("this grant has an outcome already".into()))
            }
            Some(closed) => Ok(ByGrant::Closed(Box::new(closed.row))),
            None => Ok(none),
        }
    }

    /// Brings it to the ticket's shard, and waits for its commit.
    pub(crate) async fn settle(
        &self,
        fact: &PassageFact,
        by_grant: ByGrant,
    ) -> Result<(PassageRow, Committed), Fault> {
        let ticket = match &by_grant {
            ByGrant::Open(row) | ByGrant::Closed(row) => row.ticket,
            ByGrant::TakenBack(closed) => closed.row.ticket,
            ByGrant::None { ticket, .. } => *ticket,
        };
        let (done, settled) = oneshot::channel();
        let settle = Settle {
            by_grant,
            at: fact.moment.at,
            now: self.clock.now(),
            time_known: fact.moment.known,
            outcome: fact.outcome,
            count: fact.count,
            by: fact.by,
            device: fact.device.clone(),
            event: fact.event.clone(),
            audit: fact.audit.clone(),
            done,
        };
        self.pool
            .give(ticket, Task::Settle(Box::new(settle)))
            .map_err(|_| Fault::Busy("the shard's mailbox"))?;
        let lost = || Fault::Internal("the shard failed at this passage".into());
        // Without a limit of their own: the journal commits, or says that it cannot, or ends. A
        // fact given up while it is still on its way would be taken twice.
        let passed = settled.await.map_err(|_| lost())??;
        let committed = passed.committed.await.map_err(|_| lost())?.map_err(fault)?;
        if passed.conflict {
            let park = self.park.now();
            let lane = park.get_lane(passed.passage.lane).map(|lane| lane.id.clone());
            let cause = Cause::device("conflict", passed.passage.device.clone(), lane);
            self.alerts.set(&cause, true);
        }
        self.flow.tell(Fact::Passed(Box::new(moved(&passed.passage, committed))));
        Ok((passed.passage, committed))
    }

    /// Writes a fact that moves nobody.
    pub(crate) async fn event(&self, row: EventRow) -> Result<Committed, Fault> {
        let record = Journaled::Event(Box::new(row));
        crate::ledger::journal(&*self.ledger, record).await.map_err(fault)
    }

    /// The open grant of a scan, if there is one.
    pub(crate) fn grant_of(&self, scan: ScanId, device: &DeviceId) -> Option<GrantRow> {
        self.pool
            .hot()
            .open_grants()
            .into_iter()
            .find(|row| row.scan == scan && row.device == *device)
    }
}

/// A passage as reported.
pub(crate) struct PassageFact {
    pub(crate) grant: Option<GrantId>,
    pub(crate) ticket: Option<TicketId>,
    pub(crate) lane: LaneIx,
    pub(crate) direction: shanmen_protocols::ids::Direction,
    pub(crate) moment: Moment,
    pub(crate) outcome: Outcome,
    pub(crate) count: Option<u32>,
    pub(crate) by: PassageBy,
    pub(crate) device: DeviceId,
    pub(crate) event: Option<EventRow>,
    pub(crate) audit: Option<AuditLine>,
    /// Whether a second outcome of a grant is a fact of its own (a device saw somebody pass), and
    /// not a repeat of the first (a caller's retry).
    pub(crate) again_is_a_fact: bool,
}

fn moved(row: &PassageRow, committed: Committed) -> Moved {
    Moved {
        n: committed.n,
        at: row.at,
        committed_at: committed.at,
        lane: row.lane,
        direction: row.direction,
        product: row.product,
        outcome: row.outcome,
        count: row.count,
        reentry: row.reentry,
        moves: row.moves.clone(),
    }
}

/// A ledger's fault, for the caller.
pub(crate) fn fault(fault: LedgerFault) -> Fault {
    match fault {
        LedgerFault::Full => Fault::Busy("the ledger's queue"),
        LedgerFault::Refused(why) => Fault::Conflict(why),
        LedgerFault::Broken(why) => Fault::Internal(why),
    }
}

/// The label of a kind of device in metrics.
pub(crate) fn kind_label(kind: DeviceKind) -> &'static str {
    kind.as_str()
}

/// The lane's name in a passage, for those who tell it by name.
pub(crate) fn lane_named(passage: &Passage) -> Option<&LaneId> {
    passage.lane.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way() -> Way {
        Way::new(Qos::Zero, Duration::from_secs(1))
    }

    #[test]
    fn a_decision_is_told_once_by_whoever_comes_first() {
        let committed_first = way();
        assert!(committed_first.take_first());
        assert!(!committed_first.keep_for_twin(), "the wait ended too late to say busy");
        assert!(!committed_first.take() && committed_first.is_told());

        let waited_too_long = way();
        assert!(waited_too_long.keep_for_twin());
        assert!(!waited_too_long.take_first(), "the lane hears busy: no grant may follow it");
        assert!(waited_too_long.take() && !waited_too_long.take());

        let refused_at_once = way();
        assert!(refused_at_once.take(), "a full queue: the twin says busy");
        assert!(!refused_at_once.take_first());
    }
}
