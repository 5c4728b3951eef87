//! A handheld as a kind of device: the duty's effects are carried out, front and scanner are heard.
//!
//! It decides nothing: that is the duty's part, and offline that of [`crate::offline`]. What the duty has to keep goes into the same
//! transaction as its facts, before the operator is told. The agent calls it.

use std::{
    collections::BTreeMap,
    task::{Context, Poll},
};

use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{Body, Order, PassageBy, ResponseStatus},
    ids::{CommandId, DeviceKind, RequestId, ScanId},
    reason::Reason,
};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::{
    HandheldConfig,
    duty::{Duty, DutySettings, Effect, Opening, Purpose},
    front::Front,
    words::{Input, Line, Output},
};
use crate::{
    agent::{Agent, Heard, Kind, Uplink},
    drivers::Faults,
    hardware::{Reading, Scanner},
    lane::Now,
    offline::{Offline, Shown},
};

/// The shelf of what a handheld keeps: openings by their scan, and the check under way.
const SHELF: &str = "handheld";

/// The key of the check under way.
const WAITING: &str = "waiting";

/// What a handheld has beside its duty.
pub(super) struct Equipment {
    pub(super) front: Front,
    pub(super) scanner: Option<Box<dyn Scanner>>,
    pub(super) faults: Option<mpsc::Receiver<Faults>>,
}

pub(super) struct Handheld {
    config: HandheldConfig,
    equipment: Equipment,
    duty: Duty,
    offline: Offline,
    asked: BTreeMap<RequestId, (Option<u64>, Purpose)>,
    /// What is told once this step is kept.
    to_tell: Vec<Line>,
    faulty: bool,
}

pub(super) enum Noticed {
    /// The front said something, or something that is no word.
    Line(Result<(Option<u64>, Input), String>),
    Reading(Reading),
    Faults(Faults),
}

impl Handheld {
    pub(super) fn new(config: HandheldConfig, equipment: Equipment) -> Self {
        let settings = duty_settings(&config, config.agent.settings.ttl_ms);
        Self {
            duty: Duty::new(settings, BTreeMap::new(), Now { up_ms: 0, at: None }),
            offline: Offline::new(config.lane.clone()),
            config,
            equipment,
            asked: BTreeMap::new(),
            to_tell: Vec::new(),
            faulty: false,
        }
    }

    fn now(agent: &Agent) -> Now {
        Now { up_ms: agent.clock().up_ms(), at: agent.true_time() }
    }

    fn take(&mut self, agent: &mut Agent, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send => self.send(agent),
                Effect::Judge => self.judge(agent),
                Effect::Ask(n, what, purpose) => match agent.ask(what) {
                    Ok(id) => {
                        self.asked.insert(id, (n, purpose));
                    }
                    Err(error) => {
                        let (what, why) = (purpose.word(), error.to_string().into());
                        self.tell(n, Output::Refused { what, why });
                    }
                },
                Effect::Record(body) => {
                    agent.record(body);
                }
                Effect::RecordPassage(passage, shown) => {
                    // Whoever passed here does not pass here again on the same ticket while nobody
                    // can be asked.
                    let passed = passage.clone();
                    let seq = agent.record(Body::Passage(passage));
                    if let Some(shown) = shown.filter(|_| 0 < passed.count.unwrap_or(0)) {
                        self.offline.used(agent, &shown, &passed, seq);
                    }
                }
                Effect::Keep(scan, opening) => {
                    let json = serde_json::to_string(&opening).unwrap_or_default();
                    agent.keep(SHELF, scan.to_string(), json);
                }
                Effect::Forget(scan) => agent.forget(SHELF, scan.to_string()),
                Effect::Tell(n, output) => self.tell(n, output),
            }
        }
        if self.duty.check().is_none() {
            agent.forget_unhurried(SHELF, WAITING);
        }
    }

    fn judge(&mut self, agent: &mut Agent) {
        let Some(check) = self.duty.check() else { return };
        if let Some(lane) = &check.scan.lane {
            self.offline.stand_at(lane);
        }
        let shown = Shown {
            credential: &check.scan.credential,
            direction: check.scan.direction,
            confirm: check.scan.confirm,
        };
        let verdict = self.offline.judge(agent, &shown);
        let mut effects = Vec::new();
        self.duty.judged(Self::now(agent), verdict, &mut effects);
        self.take(agent, effects);
    }

    fn send(&self, agent: &mut Agent) {
        let Some(check) = self.duty.check() else { return };
        let mut scan = check.scan.clone();
        scan.time = agent.clock().time_block();
        if scan.attempt == 1 {
            // Nobody waits for the disk here. After a kill it leads to a refusal on record, which
            // settles what the control plane may have granted in vain.
            agent.keep_unhurried(SHELF, WAITING, scan.id.to_string());
        }
        agent.say(Uplink::Scan { at_least_once: true }, &scan);
    }

    fn tell(&mut self, n: Option<u64>, output: Output) {
        self.to_tell.push(Line { n, output });
    }

    fn wants(&mut self, agent: &mut Agent, n: Option<u64>, input: Input) {
        let mut effects = Vec::new();
        self.duty.wants(Self::now(agent), n, ScanId::fresh(), input, &mut effects);
        self.take(agent, effects);
    }

    fn faults(&mut self, agent: &mut Agent, parts: Faults) {
        let faulty = !parts.is_empty();
        if faulty != self.faulty {
            self.faulty = faulty;
            agent.record(Body::Alarm { code: "fault".into(), active: faulty });
        }
        self.tell(None, Output::Faults { parts });
    }
}

fn duty_settings(config: &HandheldConfig, ttl_ms: u32) -> DutySettings {
    DutySettings {
        lane: config.lane.clone(),
        lanes: config.lanes.clone(),
        ttl_ms,
        confirm_ms: config.confirm_ms,
        lang: config.agent.settings.lang,
    }
}

impl Kind for Handheld {
    const KIND: DeviceKind = DeviceKind::Handheld;
    type Noticed = Noticed;

    fn started(&mut self, agent: &mut Agent) {
        let mut kept = agent.shelf(SHELF);
        if let Some(scan) = kept.remove(WAITING).and_then(|id| id.parse::<ScanId>().ok()) {
            let (reason, by) = (Reason::Busy, PassageBy::Own);
            agent.record(Body::Denied { scan: Some(scan), reason, by });
            agent.forget(SHELF, WAITING);
        }
        let mut openings = BTreeMap::new();
        for (key, json) in kept {
            let read = key.parse::<ScanId>().ok().zip(serde_json::from_str::<Opening>(&json).ok());
            if let Some((scan, opening)) = read {
                openings.insert(scan, opening);
            } else {
                warn!(key, "an opening that was kept cannot be read");
            }
        }
        let settings = duty_settings(&self.config, agent.settings().ttl_ms);
        self.duty = Duty::new(settings, openings, Self::now(agent));
        self.offline.started(agent);
    }

    fn poll_noticed(&mut self, cx: &mut Context<'_>) -> Poll<Noticed> {
        self.offline.poll(cx);
        if let Poll::Ready(line) = self.equipment.front.poll_line(cx) {
            return Poll::Ready(Noticed::Line(line));
        }
        if let Some(scanner) = &mut self.equipment.scanner
            && let Poll::Ready(Some(reading)) = scanner.poll_reading(cx)
        {
            return Poll::Ready(Noticed::Reading(reading));
        }
        if let Some(faults) = &mut self.equipment.faults
            && let Poll::Ready(Some(faults)) = faults.poll_recv(cx)
        {
            return Poll::Ready(Noticed::Faults(faults));
        }
        Poll::Pending
    }

    fn noticed(&mut self, agent: &mut Agent, noticed: Noticed) {
        match noticed {
            Noticed::Line(Ok((n, input))) => self.wants(agent, n, input),
            Noticed::Line(Err(why)) => {
                self.tell(None, Output::Refused { what: "line", why: why.into() });
            }
            Noticed::Reading(reading) => {
                let (credential, confirm) = (reading.credential, reading.confirm);
                // A handheld is held either way: which way people go is said by the place.
                self.wants(agent, None, Input::Scan { credential, direction: None, confirm });
            }
            Noticed::Faults(parts) => self.faults(agent, parts),
        }
    }

    fn hear(&mut self, agent: &mut Agent, heard: Heard) {
        let now = Self::now(agent);
        let mut effects = Vec::new();
        match heard {
            Heard::Decision { decision, retained } => {
                self.duty.decided(now, *decision, retained, &mut effects);
            }
            Heard::Settings => {
                self.duty.set(duty_settings(&self.config, agent.settings().ttl_ms));
            }
            Heard::Online(online) => {
                self.offline.online(agent, online);
                self.duty.reached(online, &mut effects);
            }
            Heard::List(_) => self.offline.lists_changed(agent),
            Heard::Answer { id, answer } => {
                let Some((n, purpose)) = self.asked.remove(&id) else { return };
                let answer = match answer {
                    Ok(response) if response.status == ResponseStatus::Ok => Ok(response.body),
                    Ok(response) => Err(response.reason.unwrap_or_else(|| "refused".into())),
                    Err(error) => Err(error.to_string()),
                };
                self.duty.answered(now, n, purpose, answer, &mut effects);
            }
        }
        self.take(agent, effects);
    }

    fn obey(&mut self, agent: &mut Agent, id: CommandId, order: Order) {
        let mut effects = Vec::new();
        let obeyed = self.duty.ordered(order, &mut effects);
        self.take(agent, effects);
        match obeyed {
            Ok(()) => agent.done(id),
            Err(why) => agent.refuse(id, why),
        }
    }

    fn wake_at_ms(&self) -> Option<u64> {
        self.duty.wake_at_ms()
    }

    fn tick(&mut self, agent: &mut Agent) {
        let mut effects = Vec::new();
        self.duty.tick(Self::now(agent), &mut effects);
        self.take(agent, effects);
    }

    fn carry_out(&mut self, agent: &mut Agent, _durable: bool) {
        // An operator whose disk is broken goes on: the agent raises the alarm.
        for line in self.to_tell.drain(..) {
            if !self.equipment.front.tell(line) {
                debug!(device = %agent.device(), "the front takes no lines");
            }
        }
    }

    fn telemetry(&self, values: &mut Map<String, Value>) {
        values.insert("open_grants".into(), self.duty.openings().into());
        values.insert("manned".into(), self.duty.is_manned().into());
        values.insert("lane".into(), self.duty.lane().as_str().into());
    }

    fn stopping(&mut self, agent: &mut Agent) {
        let mut effects = Vec::new();
        self.duty.stopping(&mut effects);
        self.take(agent, effects);
    }
}
