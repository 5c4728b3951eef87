//! From the lane to the world: a reading or signal goes in, the lane's effects are carried out.
//!
//! Part of the turnstile's task.

use std::sync::atomic::Ordering::Relaxed;

use shanmen_protocols::{
    device::{Body, Scan},
    ids::ScanId,
};
use tracing::debug;

use super::{
    Status,
    stats::bump,
    task::{Task, UnderWay},
};
use crate::{
    hardware::{Answered, Reading},
    lane::{Answer, Effect, Event, Now},
    link::{Link, NotSent, Uplink},
};

impl Task {
    pub(super) fn read(&mut self, reading: Reading) {
        let scan = ScanId::fresh();
        let direction = reading.direction;
        if self.lane.is_idle() {
            let (answered, ended) =
                reading.watcher.map(|watcher| (watcher.answered, watcher.ended)).unzip();
            self.under_way = Some(UnderWay {
                scan: Scan {
                    time: self.clock.time_block(),
                    id: scan,
                    lane: Some(self.config.lane.clone()),
                    direction,
                    credential: reading.credential,
                    ttl_ms: self.config.ttl_ms,
                    attempt: 1,
                    operator: None,
                    confirm: reading.confirm,
                },
                sent_at: self.clock.instant(),
                answered,
                ended,
            });
            bump(&self.counters.presentations);
        }
        let online = self.handshake.is_accepted();
        self.lane_event(Event::Presented { scan, direction, online });
    }

    /// Tells the lane, and does what it wants done.
    pub(super) fn lane_event(&mut self, event: Event) {
        let now = Now { up_ms: self.clock.up_ms(), at: self.clock.unix() };
        let mut effects = std::mem::take(&mut self.effects);
        self.lane.on(now, event, &mut effects);
        for effect in effects.drain(..) {
            self.apply(effect);
        }
        self.effects = effects;
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Send { attempt, .. } => self.send_scan(attempt),
            Effect::Open(direction) => self.hardware.barrier.open(direction),
            Effect::Close => self.hardware.barrier.close(),
            Effect::Show(show) => self.hardware.display.show(&show),
            Effect::Rest => self.hardware.display.rest(),
            Effect::Record(body) => self.record(body),
            Effect::Answered(answer) => self.answered(answer),
            Effect::Ended(ended) => {
                // The watcher may have gone; nobody else has to know.
                if let Some(tx) = self.under_way.take().and_then(|under_way| under_way.ended) {
                    tx.send(ended).ok();
                }
            }
            Effect::NotFree(scan) => {
                bump(&self.counters.not_free);
                debug!(device = %self.config.device, %scan, "lane not free");
            }
            Effect::Ignored(why) => {
                bump(&self.counters.stale_decisions);
                debug!(device = %self.config.device, ?why, "decision without effect");
            }
        }
    }

    fn send_scan(&mut self, attempt: u32) {
        let Some(under_way) = &mut self.under_way else { return };
        under_way.scan.attempt = attempt;
        if attempt == 1 {
            under_way.sent_at = self.clock.instant();
        } else {
            bump(&self.counters.resends);
        }
        let uplink = Uplink::Scan { at_least_once: self.config.scan_at_least_once };
        let sent = self.link.as_ref().map(|link| link.publish(uplink, &under_way.scan));
        self.note(sent);
    }

    fn answered(&mut self, answer: Answer) {
        self.counters.count_answer(&answer);
        let Some(under_way) = &mut self.under_way else { return };
        if let Some(tx) = under_way.answered.take() {
            let latency = self.clock.instant().saturating_duration_since(under_way.sent_at);
            tx.send(Answered { answer, latency }).ok();
        }
    }

    /// Keeps a fact, and sends it live where the control plane is in reach.
    pub(super) fn record(&mut self, body: Body) {
        bump(&self.counters.facts);
        let event = self.queue.push(body, self.clock.time_block(), self.clock.up_ms());
        self.counters.facts_lost.store(self.queue.lost(), Relaxed);
        if self.handshake.is_accepted() {
            self.publish(Uplink::Event, &event);
        }
        self.tell_status();
    }

    pub(super) fn publish<M: serde::Serialize>(&self, uplink: Uplink, message: &M) {
        let sent = self.link.as_ref().map(|link| link.publish(uplink, message));
        self.note(sent);
    }

    /// Counts what did not go out: the protocol sends it again where it matters.
    pub(super) fn note(&self, sent: Option<Result<(), NotSent>>) {
        if let Some(Err(error)) = sent {
            bump(&self.counters.not_sent);
            debug!(device = %self.config.device, %error, "uplink not sent");
        }
    }

    pub(super) fn subscribe(&self) {
        let sent = self.link.as_ref().map(Link::subscribe);
        self.note(sent);
    }

    pub(super) fn tell_status(&self) {
        let now = Status { ready: self.handshake.is_accepted(), unacknowledged: self.queue.len() };
        self.status.send_if_modified(|status| std::mem::replace(status, now) != now);
    }
}
