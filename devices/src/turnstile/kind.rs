//! A turnstile as a kind of device: the lane's effects are carried out, its hardware is heard.
//!
//! It decides nothing: that is the lane's part, and offline that of [`crate::offline`]. What the
//! lane has to keep goes into the same transaction as its facts, before the barrier moves. The
//! agent calls it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{Body, Decision, DeviceSettings, Order, Outcome, Passage, PassageBy, Scan},
    ids::{CommandId, DeviceKind, LaneId, ScanId},
    reason::Reason,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tracing::{debug, warn};

use super::{
    TurnstileConfig,
    stats::{Counters, bump},
};
use crate::{
    agent::{Agent, Heard, Kind, Uplink},
    hardware::{Answered, Hardware, Noticed, Reading},
    lane::{Answer, Effect, Ended, Event, KeptLane, Lane, LaneSettings},
    offline::{Offline, Shown},
};

/// The shelf of what a lane keeps.
const SHELF: &str = "lane";

/// A presentation under way, beside what the lane knows of it.
struct UnderWay {
    scan: Scan,
    /// When it was sent; before that, when it was read.
    sent_at: Instant,
    answered: Option<oneshot::Sender<Answered>>,
    ended: Option<oneshot::Sender<Ended>>,
}

/// The lane and its drivers.
pub(super) struct Turnstile {
    lane_id: LaneId,
    scan_at_least_once: bool,
    free_exit: bool,
    hardware: Hardware,
    lane: Lane,
    offline: Offline,
    under_way: Option<UnderWay>,
    /// The last presentation that was sent twice, and who is told of its decisions: the second
    /// one comes when the presentation itself may be over.
    doubled: Option<(ScanId, mpsc::Sender<Decision>)>,
    /// What is done once this step is kept.
    to_do: Vec<Effect>,
    counters: Arc<Counters>,
}

impl Turnstile {
    pub(super) fn new(
        config: &TurnstileConfig,
        hardware: Hardware,
        counters: Arc<Counters>,
    ) -> Self {
        let settings = lane_settings(&config.lane, config.free_exit, &config.agent.settings);
        Self {
            lane_id: config.lane.clone(),
            scan_at_least_once: config.scan_at_least_once,
            free_exit: config.free_exit,
            hardware,
            lane: Lane::new(settings, KeptLane::default()),
            offline: Offline::new(config.lane.clone()),
            under_way: None,
            doubled: None,
            to_do: Vec::new(),
            counters,
        }
    }

    fn set(&mut self, agent: &Agent) {
        self.lane.set(lane_settings(&self.lane_id, self.free_exit, agent.settings()));
    }

    fn read(&mut self, agent: &mut Agent, reading: Reading) {
        let scan = ScanId::fresh();
        let direction = reading.direction;
        if self.lane.is_idle() {
            let (watchers, twice) =
                reading.watcher.map(|w| ((w.answered, w.ended), w.twice)).unzip();
            let (answered, ended) = watchers.unzip();
            self.doubled = twice.flatten().map(|told| (scan, told));
            self.under_way = Some(UnderWay {
                scan: Scan {
                    time: agent.clock().time_block(),
                    id: scan,
                    lane: Some(self.lane_id.clone()),
                    direction,
                    credential: reading.credential,
                    ttl_ms: agent.settings().ttl_ms,
                    attempt: 1,
                    operator: None,
                    confirm: reading.confirm,
                },
                sent_at: agent.clock().instant(),
                answered,
                ended,
            });
            bump(&self.counters.presentations);
        }
        let online = agent.is_online();
        self.lane_event(agent, Event::Presented { scan, direction, online });
    }

    fn lane_event(&mut self, agent: &mut Agent, event: Event) {
        let now = agent.now();
        let mut effects = Vec::new();
        self.lane.on(now, event, &mut effects);
        self.take(agent, effects);
    }

    /// What the lane wants said and kept is on its way, the rest waits for [`Kind::carry_out`].
    fn take(&mut self, agent: &mut Agent, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { attempt, .. } => self.send_scan(agent, attempt),
                Effect::Judge { .. } => self.judge(agent),
                Effect::Keep => {
                    let kept = serde_json::to_string(&self.lane.kept()).unwrap_or_default();
                    agent.keep(SHELF, "state", kept);
                    agent.works_in(self.lane.mode());
                }
                Effect::Record(body) => self.record(agent, body),
                later => {
                    if let Effect::Answered(_) = later {
                        agent.forget_unhurried(SHELF, "waiting");
                    }
                    self.to_do.push(later);
                }
            }
        }
    }

    fn record(&mut self, agent: &mut Agent, body: Body) {
        let passage = match &body {
            Body::Passage(passage) if passage.scan.is_some() => Some(passage.clone()),
            _ => None,
        };
        let seq = agent.record(body);
        if let Some(passage) = passage {
            self.used(agent, &passage, seq);
        }
    }

    /// Whoever passed here does not pass here again on the same ticket while nobody can be asked.
    fn used(&mut self, agent: &mut Agent, passage: &Passage, seq: u64) {
        let count = passage.count.unwrap_or(0);
        if count == 0 || passage.outcome == Outcome::Other {
            return;
        }
        let of_scan = |under_way: &&UnderWay| Some(under_way.scan.id) == passage.scan;
        let shown = self.under_way.as_ref().filter(of_scan).map(|u| &u.scan.credential);
        if let Some(credential) = shown.or(passage.credential.as_ref()) {
            self.offline.used(agent, credential, passage, seq);
        }
    }

    fn judge(&mut self, agent: &mut Agent) {
        let Some(under_way) = &self.under_way else { return };
        let shown = Shown {
            credential: &under_way.scan.credential,
            direction: under_way.scan.direction,
            confirm: under_way.scan.confirm,
        };
        let verdict = self.offline.judge(agent, &shown);
        self.lane_event(agent, Event::Judged(verdict));
    }

    fn send_scan(&mut self, agent: &mut Agent, attempt: u32) {
        let Some(under_way) = &mut self.under_way else { return };
        under_way.scan.attempt = attempt;
        if attempt == 1 {
            under_way.sent_at = agent.clock().instant();
            // Nobody waits for the disk here. After a kill it leads to a refusal on record, which
            // settles what the control plane may have granted in vain.
            let scan = under_way.scan.id.to_string();
            agent.keep_unhurried(SHELF, "waiting", scan);
        } else {
            bump(&self.counters.resends);
        }
        let uplink = Uplink::Scan { at_least_once: self.scan_at_least_once };
        agent.say(uplink, &under_way.scan);
        let id = under_way.scan.id;
        if attempt == 1 && self.doubled.as_ref().is_some_and(|(scan, _)| *scan == id) {
            agent.say(uplink, &under_way.scan);
        }
    }

    fn answered(&mut self, agent: &Agent, answer: Answer) {
        self.counters.count_answer(&answer);
        let Some(under_way) = &mut self.under_way else { return };
        if let Some(tx) = under_way.answered.take() {
            let latency = agent.clock().instant().saturating_duration_since(under_way.sent_at);
            // The watcher may have gone; nobody else has to know.
            tx.send(Answered { answer, latency }).ok();
        }
    }

    fn follow(&mut self, agent: &Agent, order: Order, effects: &mut Vec<Effect>) -> Followed {
        let now = agent.now();
        let lane = &mut self.lane;
        let done = match order {
            Order::Open { grant, persons, direction, hold_ms } => {
                lane.open(now, grant, (direction, persons, hold_ms), effects)
            }
            Order::Mode { mode } => {
                lane.set_mode(now, mode, effects);
                Ok(())
            }
            Order::Clear {} => {
                lane.clear(now, effects);
                Ok(())
            }
            Order::Message { text, seconds } => lane.message(now, text, seconds, effects),
            Order::Emergency { on } => lane.order_emergency(now, on, effects),
            other => return Err(format!("a turnstile has no {}", other.op())),
        };
        done.map_err(str::to_owned)
    }
}

type Followed = Result<(), String>;

fn lane_settings(lane: &LaneId, free_exit: bool, settings: &DeviceSettings) -> LaneSettings {
    LaneSettings {
        lane: lane.clone(),
        ttl_ms: settings.ttl_ms,
        lang: settings.lang,
        tailgate_ms: settings.tailgate_ms.into(),
        loiter_ms: settings.loiter_ms.into(),
        free_exit,
    }
}

impl Kind for Turnstile {
    const KIND: DeviceKind = DeviceKind::Turnstile;
    type Noticed = Noticed;

    fn started(&mut self, agent: &mut Agent) {
        let mut held = agent.shelf(SHELF);
        let settings = lane_settings(&self.lane_id, self.free_exit, agent.settings());
        let kept = held.remove("state").map(|json| serde_json::from_str::<KeptLane>(&json));
        let kept = kept.and_then(|kept| {
            kept.inspect_err(|error| warn!(%error, "what the lane kept cannot be read")).ok()
        });
        self.lane = Lane::new(settings, kept.unwrap_or_default());
        agent.works_in(self.lane.mode());
        self.offline.started(agent);
        if let Some(scan) = held.remove("waiting").and_then(|id| id.parse::<ScanId>().ok()) {
            let (reason, by) = (Reason::Busy, PassageBy::Own);
            agent.record(Body::Denied { scan: Some(scan), reason, by });
            agent.forget(SHELF, "waiting");
        }
        let mut effects = Vec::new();
        self.lane.start(agent.now(), &mut effects);
        self.take(agent, effects);
    }

    fn poll_noticed(&mut self, cx: &mut Context<'_>) -> Poll<Noticed> {
        self.offline.poll(cx);
        self.hardware.poll_noticed(cx)
    }

    fn noticed(&mut self, agent: &mut Agent, noticed: Noticed) {
        match noticed {
            Noticed::Reading(reading) => self.read(agent, reading),
            Noticed::Signal(signal) => self.lane_event(agent, Event::Sensed(signal)),
        }
    }

    fn hear(&mut self, agent: &mut Agent, heard: Heard) {
        match heard {
            Heard::Decision { decision, retained } => {
                if let Some((scan, told)) = &self.doubled
                    && *scan == decision.id
                {
                    // Who made the trial may have gone; nobody else has to know.
                    told.try_send(Decision::clone(&decision)).ok();
                }
                self.lane_event(agent, Event::Decided { decision, retained });
            }
            Heard::Settings => self.set(agent),
            Heard::Online(online) => self.offline.online(agent, online),
            Heard::List(_) => self.offline.lists_changed(agent),
            Heard::Answer { .. } => {}
        }
    }

    fn obey(&mut self, agent: &mut Agent, id: CommandId, order: Order) {
        let mut effects = Vec::new();
        let followed = self.follow(agent, order, &mut effects);
        self.take(agent, effects);
        match followed {
            Ok(()) => agent.done(id),
            Err(why) => agent.refuse(id, why),
        }
    }

    fn wake_at_ms(&self) -> Option<u64> {
        self.lane.wake_at_ms()
    }

    fn tick(&mut self, agent: &mut Agent) {
        self.lane_event(agent, Event::Tick);
    }

    fn carry_out(&mut self, agent: &mut Agent, _durable: bool) {
        // A lane whose disk is broken goes on: its facts are in memory, and an alarm says so.
        for effect in std::mem::take(&mut self.to_do) {
            match effect {
                Effect::Open(direction) => self.hardware.barrier.open(direction),
                Effect::Release => self.hardware.barrier.release(),
                Effect::Close => self.hardware.barrier.close(),
                Effect::Show(show) => self.hardware.display.show(&show),
                Effect::Rest => self.hardware.display.rest(),
                Effect::Answered(answer) => self.answered(agent, answer),
                Effect::Ended(ended) => {
                    if let Some(tx) = self.under_way.take().and_then(|under_way| under_way.ended) {
                        tx.send(ended).ok();
                    }
                }
                Effect::NotFree(scan) => {
                    self.under_way.take_if(|under_way| under_way.scan.id == scan);
                    bump(&self.counters.not_free);
                    debug!(device = %agent.device(), %scan, "lane not free");
                }
                Effect::Ignored(why) => {
                    bump(&self.counters.stale_decisions);
                    debug!(device = %agent.device(), ?why, "decision without effect");
                }
                Effect::Send { .. } | Effect::Judge { .. } | Effect::Keep | Effect::Record(_) => {}
            }
        }
    }

    fn telemetry(&self, values: &mut Map<String, Value>) {
        let counters = self.lane.counters();
        values.insert("in".into(), counters.inward.into());
        values.insert("out".into(), counters.outward.into());
        values.insert("mode".into(), self.lane.mode().as_str().into());
        values.insert("stale_decisions".into(), self.counters.stale_decisions().into());
    }

    fn stopping(&mut self, agent: &mut Agent) {
        self.lane_event(agent, Event::Stopping);
    }
}
