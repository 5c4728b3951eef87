//! What a turnstile says by itself and what it does with a downlink.
//!
//! It refuses whatever is retained or of another session: neither moves anything. Part of the
//! turnstile's task.

use std::sync::atomic::Ordering::Relaxed;

use rumqttc::{Publish, SubAck, SubscribeReasonCode};
use shanmen_protocols::{
    device::{Down, Hello, HelloDown, HelloStatus, Limits, State, Telemetry, VERSION},
    ids::DeviceKind,
    topic::PAYLOAD_MAX_BYTES,
};
use tracing::{debug, info, warn};

use super::{stats::bump, task::Task};
use crate::{
    lane::Event,
    link::{Uplink, read_down},
    queue::QUEUE_MAX_EVENTS,
    session::Due,
};

impl Task {
    /// The broker took the connection. Subscribing comes before the hello, or its answer could
    /// pass by.
    pub(super) fn connected(&mut self) {
        bump(&self.counters.connects);
        self.publish_state(true);
        self.subscribe();
        self.handshake.connected(self.clock.up_ms());
        self.timers();
    }

    pub(super) fn publish_state(&self, online: bool) {
        let session = self.handshake.session().clone();
        self.publish(Uplink::State, &State { online, session });
    }

    pub(super) fn subscribed(&self, ack: &SubAck) {
        if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
            warn!(device = %self.config.device, "broker refuses the subscription");
        }
    }

    /// Says hello, or shows that the device lives.
    pub(super) fn greet(&self, due: Due) {
        match due {
            Due::Hello => self.publish(Uplink::Hello, &self.hello()),
            Due::Heartbeat => self.publish(Uplink::Telemetry, &self.telemetry()),
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            time: self.clock.time_block(),
            protocol: VERSION.into(),
            kind: Some(DeviceKind::Turnstile),
            serial: self.config.serial.clone(),
            model: concat!(env!("CARGO_PKG_NAME"), " turnstile").into(),
            firmware: env!("CARGO_PKG_VERSION").into(),
            session: self.handshake.session().clone(),
            epoch: Some(self.queue.epoch().clone()),
            next_seq: Some(self.queue.next_seq()),
            config_version: None,
            lists: serde_json::Map::new(),
            limits: Limits {
                packet: u32::try_from(PAYLOAD_MAX_BYTES).ok(),
                log: u32::try_from(QUEUE_MAX_EVENTS).ok(),
                list: None,
            },
        }
    }

    fn telemetry(&self) -> Telemetry {
        let counters = self.lane.counters();
        let values = [
            ("uptime_s", self.clock.up_ms() / 1_000),
            ("queue", u64::try_from(self.queue.len()).unwrap_or(u64::MAX)),
            ("queue_lost", self.queue.lost()),
            ("in", counters.inward),
            ("out", counters.outward),
            ("stale_decisions", self.counters.stale_decisions.load(Relaxed)),
        ];
        Telemetry {
            time: self.clock.time_block(),
            values: values
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
        }
    }

    /// A message on one of the device's two topics.
    pub(super) fn downlink(&mut self, publish: &Publish) {
        let retained = publish.retain;
        match read_down(publish) {
            // The lane is told of a retained decision too: it is the one that counts refusals.
            Some(Down::Decision(decision)) if self.topics.is_own(&publish.topic) => {
                self.lane_event(Event::Decided { decision, retained });
            }
            Some(Down::Hello(answer)) if !retained && self.topics.is_own(&publish.topic) => {
                self.hello_answered(&answer);
            }
            Some(Down::EventAck(ack)) if !retained && self.topics.is_own(&publish.topic) => {
                self.queue.acknowledge(&ack.epoch, ack.upto, self.clock.up_ms());
                self.send_backlog();
            }
            Some(
                Down::Decision(_)
                | Down::Hello(_)
                | Down::EventAck(_)
                | Down::Command(_)
                | Down::Config(_)
                | Down::List(_)
                | Down::Response(_)
                | Down::Other,
            )
            | None => {
                bump(&self.counters.foreign_downlinks);
                debug!(device = %self.config.device, retained, "downlink without effect");
            }
        }
    }

    fn hello_answered(&mut self, answer: &HelloDown) {
        let now_ms = self.clock.up_ms();
        if self.handshake.answered(answer, now_ms) {
            if 0 < self.failures {
                info!(device = %self.config.device, backlog = self.queue.len(), "turnstile back online");
            }
            self.failures = 0;
            self.queue.resume(answer.acked, now_ms);
            self.send_backlog();
        } else if answer.session != *self.handshake.session() {
            bump(&self.counters.foreign_downlinks);
        } else if answer.status != HelloStatus::Accepted {
            let reason = answer.reason.as_deref().unwrap_or("");
            warn!(device = %self.config.device, status = ?answer.status, reason, "not accepted");
        }
        self.tell_status();
    }

    /// Sends the next batch of the backlog, unless one is under way.
    pub(super) fn send_backlog(&mut self) {
        if self.handshake.is_accepted()
            && let Some(log) = self.queue.next_batch(self.clock.up_ms())
        {
            self.publish(Uplink::Log, &log);
        }
        self.tell_status();
    }
}
