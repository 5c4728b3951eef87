//! What a turnstile says: presentations and facts.

use std::{sync::Arc, time::Duration};

use actix::Addr;
use serde_json::json;
use shanmen_protocols::{
    code,
    device::{Body, Confirm, Credential, CredentialKind, Log, LogEvent, Outcome, PassageBy, Scan},
    ids::{Epoch, ScanId},
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{Need, Needs, Person, Presentation, credential};
use tokio::sync::oneshot;

use super::{
    Back, Heard, PassageFact, Reply, Shared, Twin, WAITING_FACTS_MAX, Written,
    answers::Known,
    core::Place,
    numbers::{SEQ_MAX, Taken},
    tell,
};
use crate::{
    alerts::{self, Cause},
    api::{DeviceStanding, Fault},
    clock::Stopwatch,
    keys::KeyRing,
    ledger::{Answer, EventRow},
    pool::{Ask, Leads, Task},
    twin::Moment,
};

/// What a credential leads to.
pub(crate) struct Found {
    leads: Leads,
    epoch: Option<u16>,
    fault: Option<Reason>,
    digest: Option<crate::keys::Digest>,
    /// A code to be exchanged for a ticket first.
    exchange: bool,
}

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
        let (answer, answered) = oneshot::channel();
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
        self.await_answer(scan.id, answered, watch, me);
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
        watch: Stopwatch,
        me: &Addr<Self>,
    ) {
        let (shared, me) = (Arc::clone(&self.shared), me.clone());
        actix::spawn(async move {
            let answer = shared.await_answer(answered).await;
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
        let waiting = self.core.answers.give(id, Arc::clone(&answer));
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

    /// Takes facts: each new one on its way to the ledger, then one acknowledgement for all.
    pub(super) fn facts(&mut self, log: Log, me: &Addr<Self>) {
        let now = self.shared.clock.now();
        self.core.device.live().last_seen = Some(now);
        if self.core.device.standing() != DeviceStanding::Approved {
            // Not applied, and not acknowledged: they are still the device's.
            metrics::counter!("shanmen_facts_of_strangers_total").increment(1);
            self.core.device.problem(now, "event: the device is not approved".into());
            return;
        }
        let Log { epoch, mut events } = log;
        events.retain(|event| {
            let good = event.seq <= SEQ_MAX;
            if !good {
                metrics::counter!("shanmen_intake_refused_total", "why" => "seq").increment(1);
                self.core.device.problem(now, format!("event: seq: more than {SEQ_MAX}"));
            }
            good
        });
        if events.is_empty() {
            return;
        }
        let Some(numbers) = self.core.numbers(&epoch) else {
            self.read_numbers_first(Log { epoch, events }, me);
            return;
        };
        let mut new = Vec::with_capacity(events.len());
        let mut known = false;
        for event in events {
            match numbers.arrives(event.seq) {
                Taken::New => new.push(event),
                Taken::Known => known = true,
                Taken::OnItsWay => {}
                Taken::TooFar => {
                    metrics::counter!("shanmen_facts_too_far_ahead_total").increment(1);
                }
            }
        }
        if known && new.is_empty() {
            // The acknowledgement was lost: here it is again.
            self.written(epoch, &[]);
            return;
        }
        let work: Vec<_> = new.into_iter().map(|event| self.fact(&epoch, event, now)).collect();
        let (shared, me) = (Arc::clone(&self.shared), me.clone());
        actix::spawn(async move {
            let mut written = Vec::with_capacity(work.len());
            // In the device's own order, since one may end what another began.
            for (seq, gap, fact) in work {
                written.push(Written { seq, gap, there: fact.write(&shared).await });
            }
            tell(&me, Back::Written(epoch, written)).await;
        });
    }

    fn read_numbers_first(&mut self, log: Log, me: &Addr<Self>) {
        let epoch = log.epoch.clone();
        let waiting = self.waiting.entry(epoch.clone()).or_default();
        if waiting.len() >= WAITING_FACTS_MAX {
            metrics::counter!("shanmen_facts_dropped_total").increment(1);
            return;
        }
        waiting.push(Heard::Log(Box::new(log)));
        if waiting.len() == 1 {
            let (read, me) = (self.numbers_of(&epoch), me.clone());
            actix::spawn(async move {
                let numbers = read.await;
                tell(&me, Back::Numbers(epoch, numbers)).await;
            });
        }
    }

    /// Facts are in the ledger (or not): the device is told how far it may delete.
    pub(super) fn written(&mut self, epoch: Epoch, written: &[Written]) {
        let Some(numbers) = self.core.numbers(&epoch) else { return };
        for one in written {
            if one.there {
                numbers.committed(one.seq, one.gap);
            } else {
                numbers.failed(one.seq);
            }
        }
        let upto = numbers.upto();
        self.core.device.live().acked = upto;
        let (shared, down) = (Arc::clone(&self.shared), Arc::clone(&self.down));
        actix::spawn(async move { shared.acknowledge(&down, epoch, upto).await });
    }

    /// One fact, ready to be written.
    fn fact(
        &mut self,
        epoch: &Epoch,
        event: LogEvent,
        now: UnixMs,
    ) -> (u64, Option<(u64, u64)>, FactWork) {
        let moment = self.core.moment(&event.time, now);
        if !moment.known {
            metrics::counter!("shanmen_facts_without_time_total").increment(1);
        }
        let gap = match event.body {
            // A device can have lost only what came before.
            Body::Gap { from, to } if from <= to && to <= event.seq => Some((from, to)),
            _ => None,
        };
        let row = EventRow {
            device: self.id.clone(),
            epoch: epoch.clone(),
            seq: event.seq,
            at: moment.at,
            received_at: now,
            kind: kind_of(&event.body).into(),
            body: without_credential(&event.body),
            gap,
        };
        let work = match event.body {
            Body::Passage(passage) => {
                match self.core.lane(&self.shared.park.now(), super::work::lane_named(&passage)) {
                    Ok(lane) => {
                        let when = Presentation::new(moment.at, lane, passage.direction);
                        let ticket = passage.credential.as_ref().and_then(|shown| {
                            let found = find(&self.shared, shown);
                            self.shared.pool.choose(&found.leads, &when)
                        });
                        FactWork::Passage(Box::new(PassageFact {
                            grant: passage.grant.or_else(|| {
                                let scan = passage.scan?;
                                self.shared.grant_of(scan, &self.id).map(|row| row.id)
                            }),
                            ticket,
                            lane,
                            direction: passage.direction,
                            moment,
                            outcome: passage.outcome,
                            count: passage.count,
                            by: passage.by,
                            device: self.id.clone(),
                            event: Some(row),
                            audit: None,
                            again_is_a_fact: true,
                        }))
                    }
                    Err(problem) => {
                        // Kept as it is: a fact is never lost for a wrong lane.
                        self.core.device.problem(now, format!("event: {problem}"));
                        FactWork::Other(row)
                    }
                }
            }
            Body::Denied { scan: Some(scan), .. } => {
                self.denied.push_back(scan);
                let surplus = self.denied.len().saturating_sub(super::DENIED_KEPT);
                self.denied.drain(..surplus);
                FactWork::Denied(scan, moment, row)
            }
            Body::Alarm { code, active } => {
                let lane = self.core.device.row().lane;
                let cause = Cause::device(alerts::code_of(&code), self.id.clone(), lane);
                FactWork::Alarm(cause, active, row)
            }
            Body::Boot { .. } => FactWork::Boot(row),
            _ => FactWork::Other(row),
        };
        (event.seq, gap, work)
    }
}

/// A fact on its way.
enum FactWork {
    Passage(Box<PassageFact>),
    /// The device refused offline what was perhaps granted too late for it.
    Denied(ScanId, Moment, EventRow),
    /// Something that wants a person, or its end.
    Alarm(Cause, bool, EventRow),
    /// The device has started anew.
    Boot(EventRow),
    Other(EventRow),
}

impl FactWork {
    /// Writes it; false when the device has to send it again.
    async fn write(self, shared: &Shared) -> bool {
        let written = match self {
            Self::Passage(fact) => {
                let row = fact.event.clone();
                match (shared.passage(*fact).await, row) {
                    (Err(Fault::Conflict(_)), Some(row)) => shared.event(row).await.map(|_| ()),
                    (result, _) => result.map(|_| ()),
                }
            }
            Self::Denied(scan, moment, row) => Self::denied(shared, scan, moment, row).await,
            Self::Alarm(cause, active, row) => {
                let written = shared.event(row).await.map(|_| ());
                if written.is_ok() {
                    shared.alerts.set(&cause, active);
                }
                written
            }
            Self::Boot(row) => {
                let device = row.device.clone();
                let written = shared.event(row).await.map(|_| ());
                if written.is_ok() {
                    shared.alerts.booted(&device);
                }
                written
            }
            Self::Other(row) => shared.event(row).await.map(|_| ()),
        };
        if let Err(error) = &written {
            tracing::warn!(%error, "a fact was not written; the device sends it again");
        }
        written.is_ok()
    }

    async fn denied(
        shared: &Shared,
        scan: ScanId,
        moment: Moment,
        row: EventRow,
    ) -> Result<(), Fault> {
        let Some(grant) = shared.grant_of(scan, &row.device) else {
            return shared.event(row).await.map(|_| ());
        };
        let fact = PassageFact {
            grant: Some(grant.id),
            ticket: None,
            lane: grant.open.lane,
            direction: grant.open.direction,
            moment,
            outcome: Outcome::NotTaken,
            count: Some(0),
            by: PassageBy::Own,
            device: row.device.clone(),
            event: Some(row.clone()),
            audit: None,
            again_is_a_fact: false,
        };
        match shared.passage(fact).await {
            Err(Fault::Conflict(_)) => shared.event(row).await.map(|_| ()),
            result => result.map(|_| ()),
        }
    }
}

/// What a credential leads to: a signed code says its ticket itself, any other is looked up by
/// its digest.
pub(crate) fn find(shared: &Shared, shown: &Credential) -> Found {
    let none =
        |fault| Found { leads: Leads::new(), epoch: None, fault, digest: None, exchange: false };
    let cleaned = credential::clean(&shown.data);
    let optical =
        matches!(shown.kind, CredentialKind::Qr | CredentialKind::Barcode | CredentialKind::Other);
    if optical && code::looks_signed(&cleaned) {
        let hot = shared.pool.hot();
        let digest = shared.keys.digest_of(CredentialKind::Qr, &cleaned);
        if let Some((ticket, epoch)) = hot.code(digest) {
            let leads = [ticket].into_iter().collect();
            return Found { leads, epoch: Some(epoch), fault: None, digest: None, exchange: false };
        }
        return match shared.keys.verify(&cleaned) {
            Ok(claims) if claims.site == shared.park.now().site().id => {
                hot.remember_code(digest, claims.ticket, claims.epoch);
                Found {
                    leads: [claims.ticket].into_iter().collect(),
                    epoch: Some(claims.epoch),
                    fault: None,
                    digest: None,
                    exchange: false,
                }
            }
            _ => none(Some(Reason::Forged)),
        };
    }
    let hot = shared.pool.hot();
    let mut first = None;
    for &kind in spaces(shown.kind) {
        for text in [Some(&*cleaned), credential::doubled(&cleaned)].into_iter().flatten() {
            match digest(&shared.keys, kind, text) {
                Ok(digest) => {
                    let leads = hot.leads(digest);
                    if !leads.is_empty() {
                        let exchange = kind == CredentialKind::ExchangeCode;
                        let digest = Some(digest);
                        return Found { leads, epoch: None, fault: None, digest, exchange };
                    }
                    first.get_or_insert(digest);
                }
                Err(reason) if first.is_none() => return none(Some(reason)),
                Err(_) => {}
            }
        }
    }
    let mut leads = Leads::new();
    if shown.kind == CredentialKind::Rfid {
        // Cards that were issued before UIDs had one form are kept as they were written.
        leads = hot.leads(shared.keys.digest_of(shown.kind, &cleaned));
    }
    Found { leads, epoch: None, fault: None, digest: first, exchange: false }
}

/// Where a credential of a kind may be kept: a scanner does not know what an optical code is for.
fn spaces(kind: CredentialKind) -> &'static [CredentialKind] {
    match kind {
        CredentialKind::Qr | CredentialKind::Barcode | CredentialKind::Other => {
            &[CredentialKind::Qr, CredentialKind::ExchangeCode]
        }
        CredentialKind::ExchangeCode => &[CredentialKind::ExchangeCode, CredentialKind::Qr],
        CredentialKind::Rfid => &[CredentialKind::Rfid],
        CredentialKind::IdCard => &[CredentialKind::IdCard],
        CredentialKind::Face => &[CredentialKind::Face],
    }
}

/// The digest of a cleaned credential, in the one form that is looked up.
pub(crate) fn digest(
    keys: &KeyRing,
    kind: CredentialKind,
    cleaned: &str,
) -> Result<crate::keys::Digest, Reason> {
    let parsed = credential::parse(kind, cleaned)?;
    Ok(keys.digest_of(kind, parsed.text()))
}

/// What has been confirmed, as the rules know it.
fn confirmed(confirm: Confirm) -> Needs {
    [
        (Need::Attendant, confirm.attendant),
        (Need::IdCard, confirm.id_card),
        (Need::Face, confirm.face),
    ]
    .into_iter()
    .filter_map(|(need, looked)| looked.unwrap_or(false).then_some(need))
    .collect()
}

/// What a credential shows by itself: who comes with the ID card needs no other.
fn shown(kind: CredentialKind) -> Needs {
    match kind {
        CredentialKind::IdCard => Needs::NONE.with(Need::IdCard),
        CredentialKind::Face => Needs::NONE.with(Need::Face),
        _ => Needs::NONE,
    }
}

/// What is known of the person: a card or face that is not the holder's counts as shown, or the
/// lane would ask for it for ever.
fn person(confirm: Confirm) -> (Person, Needs) {
    let not_theirs: Needs = [(Need::IdCard, confirm.id_card), (Need::Face, confirm.face)]
        .into_iter()
        .filter_map(|(need, looked)| (looked == Some(false)).then_some(need))
        .collect();
    let person = if not_theirs.is_empty() { Person::Clear } else { Person::Mismatch };
    (person, not_theirs)
}

fn kind_of(body: &Body) -> &'static str {
    match body {
        Body::Passage(_) => "passage",
        Body::Denied { .. } => "denied",
        Body::Alarm { .. } => "alarm",
        Body::Mode { .. } => "mode",
        Body::Gap { .. } => "gap",
        Body::Boot { .. } => "boot",
        Body::Other => "other",
    }
}

/// A fact as it is kept: without the plain credential.
fn without_credential(body: &Body) -> String {
    let mut json = serde_json::to_value(body).unwrap_or_else(|_| json!({}));
    if let Some(map) = json.as_object_mut() {
        map.remove("credential");
    }
    json.to_string()
}

/// How long a decision is worth anything: what the device said it would wait.
pub(crate) fn ttl_of(scan: &Scan) -> Duration {
    Duration::from_millis(u64::from(scan.ttl_ms.clamp(100, 60_000)))
}
