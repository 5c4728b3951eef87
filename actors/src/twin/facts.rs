//! What a device has seen: its numbered facts, on their way to the ledger and acknowledged.

use std::sync::Arc;

use actix::Addr;
use serde_json::json;
use shanmen_protocols::{
    device::{Body, Log, LogEvent, Outcome, PassageBy},
    ids::{Epoch, ScanId},
    time::UnixMs,
};
use shanmen_rules::Presentation;

use super::{
    Back, Heard, PassageFact, Shared, Twin, WAITING_FACTS_MAX, Written,
    drift::{Drift, Step},
    numbers::{SEQ_MAX, Taken},
    shown::find,
    tell,
};
use crate::{
    alerts::{self, Cause},
    api::{DeviceStanding, Fault},
    ledger::EventRow,
    twin::Moment,
};

impl Twin {
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
                // It has declared lost what came before: that is new, whatever the number.
                Taken::Known if matches!(event.body, Body::Gap { .. }) => new.push(event),
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
        for event in &new {
            self.compare_counters(&epoch, event);
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

    /// Whether the lane's cumulative counters still follow its passages.
    fn compare_counters(&mut self, epoch: &Epoch, event: &LogEvent) {
        if self.drift.as_ref().is_none_or(|(of, _)| of != epoch) {
            self.drift = Some((epoch.clone(), Drift::default()));
        }
        let Some((_, drift)) = &mut self.drift else { return };
        let step = match &event.body {
            Body::Passage(passage) => {
                let hot = self.shared.pool.hot();
                let grant = passage.grant.and_then(|grant| hot.grant(grant));
                let granted = grant.map_or(1, |row| row.open.admission.persons);
                Step::of(passage, granted.into())
            }
            Body::Gap { from, to } if from <= to && *to <= event.seq => return drift.lost(*to),
            _ => Step::Other,
        };
        if drift.takes(event.seq, step) {
            let lane = self.core.device.row().lane.clone();
            let cause = Cause::device("counter_drift", self.id.clone(), lane);
            self.shared.alerts.set(&cause, true);
        }
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

    /// A fact as it is kept: without the plain credential, and with the operator's name in place of
    /// the token.
    fn on_record(&self, body: &mut Body) -> String {
        if let Body::Passage(passage) = body {
            // As the others, without the way round: this is what comes with every visitor.
            let credential = passage.credential.take();
            passage.operator = passage.operator.take().map(|told| self.shared.who(&told));
            let json = serde_json::to_string(&*body);
            if let Body::Passage(passage) = body {
                passage.credential = credential;
            }
            return json.unwrap_or_else(|_| "{}".to_owned());
        }
        let mut json = serde_json::to_value(body).unwrap_or_else(|_| json!({}));
        if let Some(map) = json.as_object_mut() {
            map.remove("credential");
            if let Some(operator) = map.get_mut("operator") {
                let told = operator.as_str().unwrap_or_default();
                *operator = self.shared.who(told).into();
            }
        }
        json.to_string()
    }

    /// One fact, ready to be written.
    fn fact(
        &mut self,
        epoch: &Epoch,
        mut event: LogEvent,
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
            body: self.on_record(&mut event.body),
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
                let lane = self.core.device.row().lane.clone();
                let cause = Cause::device(alerts::code_of(&code), self.id.clone(), lane);
                FactWork::Alarm(cause, active, row)
            }
            Body::Mode { mode } => {
                // A word that this version does not know changes nothing that is shown.
                if let Ok(mode) = serde_json::from_value(mode.into()) {
                    self.mode(mode);
                }
                FactWork::Other(row)
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

fn kind_of(body: &Body) -> &'static str {
    match body {
        Body::Passage(_) => "passage",
        Body::Denied { .. } => "denied",
        Body::Alarm { .. } => "alarm",
        Body::Mode { .. } => "mode",
        Body::Gap { .. } => "gap",
        Body::Boot { .. } => "boot",
        Body::Job { .. } => "job",
        Body::Redeem { .. } => "redeem",
        Body::Order { .. } => "order",
        Body::Other => "other",
    }
}
