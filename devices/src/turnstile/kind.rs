//! A turnstile as a kind of device: the lane's effects are carried out, its hardware is heard.
//!
//! It decides nothing: that is the lane's part. The agent calls it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{DeviceSettings, Order, Scan, Sensor},
    ids::{CommandId, DeviceKind, LaneId, ScanId},
};
use tokio::{sync::oneshot, time::Instant};
use tracing::debug;

use super::{
    TurnstileConfig,
    stats::{Counters, bump},
};
use crate::{
    agent::{Agent, Heard, Kind, Uplink},
    hardware::{Answered, Hardware, Noticed, Reading},
    lane::{Answer, Effect, Ended, Event, Lane, LaneSettings, OfflinePolicy},
};

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
    hardware: Hardware,
    lane: Lane,
    under_way: Option<UnderWay>,
    /// What is done once this step is kept.
    to_do: Vec<Effect>,
    counters: Arc<Counters>,
}

fn lane_settings(lane: &LaneId, settings: &DeviceSettings) -> LaneSettings {
    LaneSettings {
        lane: lane.clone(),
        ttl_ms: settings.ttl_ms,
        offline: OfflinePolicy::Deny,
        lang: settings.lang,
    }
}

impl Turnstile {
    pub(super) fn new(
        config: &TurnstileConfig,
        hardware: Hardware,
        counters: Arc<Counters>,
    ) -> Self {
        let settings = lane_settings(&config.lane, &config.agent.settings);
        Self {
            lane_id: config.lane.clone(),
            scan_at_least_once: config.scan_at_least_once,
            hardware,
            lane: Lane::new(settings, Sensor::default()),
            under_way: None,
            to_do: Vec::new(),
            counters,
        }
    }

    fn read(&mut self, agent: &mut Agent, reading: Reading) {
        let scan = ScanId::fresh();
        let direction = reading.direction;
        if self.lane.is_idle() {
            let (answered, ended) =
                reading.watcher.map(|watcher| (watcher.answered, watcher.ended)).unzip();
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

    /// Tells the lane; what it wants said and kept is on its way, the rest waits for
    /// [`Kind::carry_out`].
    fn lane_event(&mut self, agent: &mut Agent, event: Event) {
        let from = self.to_do.len();
        self.lane.on(agent.now(), event, &mut self.to_do);
        for effect in self.to_do.split_off(from) {
            match effect {
                Effect::Send { attempt, .. } => self.send_scan(agent, attempt),
                Effect::Record(body) => drop(agent.record(body)),
                later => self.to_do.push(later),
            }
        }
    }

    fn send_scan(&mut self, agent: &mut Agent, attempt: u32) {
        let Some(under_way) = &mut self.under_way else { return };
        under_way.scan.attempt = attempt;
        if attempt == 1 {
            under_way.sent_at = agent.clock().instant();
        } else {
            bump(&self.counters.resends);
        }
        let uplink = Uplink::Scan { at_least_once: self.scan_at_least_once };
        agent.say(uplink, &under_way.scan);
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
}

impl Kind for Turnstile {
    const KIND: DeviceKind = DeviceKind::Turnstile;
    type Noticed = Noticed;

    fn started(&mut self, agent: &mut Agent) {
        self.lane.set(lane_settings(&self.lane_id, agent.settings()));
    }

    fn poll_noticed(&mut self, cx: &mut Context<'_>) -> Poll<Noticed> {
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
                self.lane_event(agent, Event::Decided { decision, retained });
            }
            Heard::Settings => self.lane.set(lane_settings(&self.lane_id, agent.settings())),
            Heard::Online(_) | Heard::List(_) | Heard::Answer { .. } => {}
        }
    }

    fn obey(&mut self, agent: &mut Agent, id: CommandId, order: Order) {
        agent.refuse(id, format!("a turnstile has no {}", order.op()));
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
                    bump(&self.counters.not_free);
                    debug!(device = %agent.device(), %scan, "lane not free");
                }
                Effect::Ignored(why) => {
                    bump(&self.counters.stale_decisions);
                    debug!(device = %agent.device(), ?why, "decision without effect");
                }
                Effect::Send { .. } | Effect::Record(_) => {}
            }
        }
    }

    fn telemetry(&self, values: &mut Map<String, Value>) {
        let counters = self.lane.counters();
        values.insert("in".into(), counters.inward.into());
        values.insert("out".into(), counters.outward.into());
        values.insert("stale_decisions".into(), self.counters.stale_decisions().into());
    }

    fn stopping(&mut self, agent: &mut Agent) {
        self.lane_event(agent, Event::Stopping);
    }
}
