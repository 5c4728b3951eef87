//! What a device says by itself, and what it does with a downlink.
//!
//! It refuses whatever is retained or of another session: neither moves anything. Part of the
//! agent.

use std::collections::BTreeMap;

use rumqttc::{Publish, SubAck, SubscribeReasonCode};
use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{
        AckStatus, CommandDown, ConfigDown, ConfigReport, Down, Hello, HelloDown, HelloStatus,
        Limits, ListChunk, ListDown, Order, Response, ResponseStatus, State, VERSION,
    },
    ids::{CommandId, RequestId, Session},
    topic::PAYLOAD_MAX_BYTES,
};
use tracing::{debug, info, warn};

use super::{
    Agent, Heard, SHELF, Uplink,
    commands::{Anchor, Ground, Judged},
    counters::bump,
    link::{Link, read_down},
    lists::Step,
    not_sent,
    requests::{self, NoAnswer},
    settings::Taken,
};

/// The most tickets that a device's list takes: what the control plane sends at most.
const TICKETS_MAX: u32 = 500_000;

/// How often the lists are asked for anew, in milliseconds: `tickets` is not told at each change.
const LISTS_EVERY_MS: u64 = 30 * 60_000;

/// After how long they are asked for again when one could not be fetched.
const LISTS_AGAIN_MS: u64 = 60_000;

impl Agent {
    /// The broker took the connection. Subscribing comes before the hello, or its answer could
    /// pass by.
    pub(super) fn connected(&mut self) {
        bump(&self.counters.connects);
        self.say_state(true);
        if let Some(Err(error)) = self.link.as_ref().map(Link::subscribe) {
            not_sent(&self.counters, &self.config.device, &error);
        }
        self.handshake.connected(self.clock.up_ms());
    }

    pub(super) fn say_state(&mut self, online: bool) {
        let session = self.handshake.session().clone();
        self.say(Uplink::State, &State { online, session });
    }

    pub(super) fn subscribed(&self, ack: &SubAck) {
        if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
            warn!(device = %self.config.device, "broker refuses the subscription");
        }
    }

    pub(super) fn say_hello(&mut self) {
        let lists = self.lists.versions();
        let hello = Hello {
            time: self.clock.time_block(),
            protocol: VERSION.into(),
            kind: Some(self.kind),
            serial: self.config.serial.clone(),
            model: self.config.model.clone(),
            firmware: self.config.firmware.clone(),
            session: self.handshake.session().clone(),
            epoch: Some(self.queue.epoch().clone()),
            next_seq: Some(self.queue.next_seq()),
            config_version: self.settings.version().map(Value::from),
            lists: lists.into_iter().map(|(name, version)| (name, version.into())).collect(),
            limits: Limits {
                packet: u32::try_from(PAYLOAD_MAX_BYTES).ok(),
                log: u32::try_from(self.config.queue_max).ok(),
                list: self.config.lists.contains(&"tickets").then_some(TICKETS_MAX),
            },
        };
        self.say(Uplink::Hello, &hello);
    }

    /// The numbers that every device reports.
    pub(super) fn own_telemetry(&self) -> Map<String, Value> {
        let values = [
            ("uptime_s", self.clock.up_ms() / 1_000),
            ("queue", u64::try_from(self.queue.len()).unwrap_or(u64::MAX)),
            ("queue_lost", self.queue.lost()),
        ];
        values.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }

    /// A message on one of the device's two topics.
    pub(super) fn downlink(&mut self, publish: &Publish) {
        let retained = publish.retain;
        let own = self.topics.is_own(&publish.topic);
        match read_down(publish) {
            // The kind is told of a retained decision too: it is the one that counts refusals.
            Some(Down::Decision(decision)) if own => {
                let decision = Box::new(decision);
                self.heard.push_back(Heard::Decision { decision, retained });
            }
            Some(Down::Hello(answer)) if own && !retained => self.hello_answered(&answer),
            Some(Down::EventAck(ack)) if own && !retained => {
                self.queue.acknowledge(&ack.epoch, ack.upto, self.clock.up_ms());
                self.writes.extend(self.queue.take_writes());
                self.send_backlog();
            }
            Some(Down::Command(command)) => self.command(&command, !own, retained),
            Some(Down::Config(config)) if own && !retained => self.config(&config),
            Some(Down::List(list)) if own && !retained => self.list_announced(list),
            Some(Down::Response(response)) if own && !retained => self.response(response),
            Some(
                Down::Decision(_)
                | Down::Hello(_)
                | Down::EventAck(_)
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
        let before = self.handshake.is_accepted();
        if self.handshake.answered(answer, now_ms) {
            if let Some(seconds) = self.settings().heartbeat_s {
                self.handshake.beat_every(seconds, now_ms);
            }
            self.anchor = Some(Anchor { server_time: answer.server_time, up_ms: now_ms });
            if 0 < self.failures {
                info!(device = %self.config.device, backlog = self.queue.len(), "device back online");
            }
            self.failures = 0;
            self.queue.resume(answer.acked, now_ms);
            self.writes.extend(self.queue.take_writes());
            self.send_backlog();
            for request in self.requests.resume(now_ms) {
                self.say(Uplink::Request, &request);
            }
            self.report_config(None);
            self.upkeep_accepted();
            let wants_lists = !self.config.lists.is_empty();
            self.lists_at_ms = wants_lists.then(|| now_ms + LISTS_EVERY_MS);
        } else if answer.session != *self.handshake.session() {
            bump(&self.counters.foreign_downlinks);
        } else if answer.status != HelloStatus::Accepted {
            let reason = answer.reason.as_deref().unwrap_or("");
            warn!(device = %self.config.device, status = ?answer.status, reason, "not accepted");
        }
        let after = self.handshake.is_accepted();
        if before != after {
            self.heard.push_back(Heard::Online(after));
        }
        self.tell_status();
    }

    /// Sends the next batch of the backlog, unless one is under way.
    pub(super) fn send_backlog(&mut self) {
        if self.handshake.is_accepted()
            && let Some(log) = self.queue.next_batch(self.clock.up_ms())
        {
            self.say(Uplink::Log, &log);
        }
        self.tell_status();
    }

    fn command(&mut self, command: &CommandDown, to_all: bool, retained: bool) {
        let ground = Ground {
            session: self.handshake.is_accepted().then(|| self.handshake.session()),
            server_time: self.anchor.map(|anchor| anchor.server_time_at(self.clock.up_ms())),
            to_all,
            retained,
        };
        let judged = self.commands.judge(command, ground);
        let (device, op) = (&self.config.device, &command.op);
        if let Judged::Do(order) = judged {
            info!(%device, id = %command.id, op, "command");
            bump(&self.counters.commands);
            // Before its effect: a repeat after a kill moves nothing again.
            let seen: Vec<CommandId> = self.commands.seen().copied().collect();
            self.keep(SHELF, "commands", serde_json::to_string(&seen).unwrap_or_default());
            self.orders.push_back((command.id, order));
            return;
        }
        bump(&self.counters.commands_refused);
        warn!(%device, id = %command.id, op, ?judged, "command without effect");
        let (status, reason) = match judged {
            Judged::Rejected(why) => (AckStatus::Rejected, Some(why)),
            Judged::Expired(why) => (AckStatus::Expired, Some(why.to_owned())),
            Judged::Duplicate | Judged::Do(_) => (AckStatus::Duplicate, None),
        };
        self.ack(command.id, status, reason, None);
    }

    /// The orders that every device obeys alike; `Some` for the kind's own.
    pub(super) fn obey(
        &mut self,
        id: CommandId,
        order: Order,
        report: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Order> {
        match order {
            Order::Sync {} => {
                self.say_hello();
                self.done(id);
            }
            Order::Config {} => {
                self.report_config(None);
                self.done(id);
            }
            Order::Diagnose {} => {
                let mut values = self.own_telemetry();
                report(&mut values);
                self.ack(id, AckStatus::Done, None, Some(Value::Object(values)));
            }
            Order::Reboot {} => self.order_reboot(id),
            Order::Firmware(manifest) => self.order_firmware(id, manifest),
            other => return Some(other),
        }
        None
    }

    fn config(&mut self, config: &ConfigDown) {
        if config.session != *self.handshake.session() {
            bump(&self.counters.foreign_downlinks);
            return;
        }
        let (device, version) = (&self.config.device, config.version);
        let refused = match self.settings.take(config) {
            Taken::Unchanged => None,
            Taken::Changed(document) => {
                info!(%device, version, "configuration in force");
                self.keep(SHELF, "config", document);
                if let Some(seconds) = self.settings().heartbeat_s {
                    self.handshake.beat_every(seconds, self.clock.up_ms());
                }
                self.heard.push_back(Heard::Settings);
                None
            }
            Taken::Refused(rejects) => {
                warn!(%device, version, keys = ?rejects.keys(), "configuration refused");
                Some((version, rejects))
            }
        };
        self.report_config(refused);
    }

    /// Says what is in force.
    fn report_config(&mut self, refused: Option<(u64, BTreeMap<String, String>)>) {
        let (refused, rejects) = refused.map_or((None, BTreeMap::default()), |(v, r)| (Some(v), r));
        let report = ConfigReport {
            time: self.clock.time_block(),
            version: self.settings.version(),
            refused,
            rejects,
            lists: self.lists.versions(),
            mode: self.mode,
        };
        self.say(Uplink::Config, &report);
    }

    fn list_announced(&mut self, list: ListDown) {
        let step = self.lists.announced(list);
        self.list_step(step);
    }

    fn list_step(&mut self, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Report => self.report_config(None),
            Step::Ask(what) => match self.ask(what) {
                Ok(id) => self.list_request = Some(id),
                // Until it is announced again, after the next hello.
                Err(_too_many) => self.lists.abandon(),
            },
            Step::Swapped(name) => {
                let write = self.lists.write(&name);
                info!(device = %self.config.device, list = name, "list in force");
                self.writes.extend(write);
                self.report_config(None);
                self.heard.push_back(Heard::List(name));
                let step = self.lists.go_on();
                self.list_step(step);
            }
        }
    }

    /// The list on its way is not to be had now: what there is is asked for again in a while.
    fn list_failed(&mut self) -> Step {
        self.lists_at_ms = Some(self.clock.up_ms() + LISTS_AGAIN_MS);
        self.lists.give_up()
    }

    /// Asks what lists there are: a hello is answered with all of them.
    pub(super) fn lists_due(&mut self, now_ms: u64) {
        if self.handshake.is_accepted() && self.lists_at_ms.is_some_and(|at| at <= now_ms) {
            self.lists_at_ms = Some(now_ms + LISTS_EVERY_MS);
            self.say_hello();
        }
    }

    fn response(&mut self, response: Response) {
        if !self.requests.answered(response.id) {
            bump(&self.counters.foreign_downlinks);
            return;
        }
        if self.list_request == Some(response.id) {
            let chunk = (response.status == ResponseStatus::Ok)
                .then(|| serde_json::from_value::<ListChunk>(Value::Object(response.body)).ok());
            let step = match chunk {
                Some(chunk) => self.lists.chunk(chunk),
                // Another version is in force there by now.
                None => self.list_failed(),
            };
            self.list_step(step);
            return;
        }
        let (id, answer) = (response.id, Ok(Box::new(response)));
        self.heard.push_back(Heard::Answer { id, answer });
    }

    /// Questions that are due once more, or given up.
    pub(super) fn requests_due(&mut self, now_ms: u64) {
        for due in self.requests.due(now_ms) {
            match due {
                requests::Due::Send(request) if self.handshake.is_accepted() => {
                    self.say(Uplink::Request, &request);
                }
                requests::Due::Send(_) => {}
                requests::Due::GivenUp(id) => self.given_up(id),
            }
        }
    }

    fn given_up(&mut self, id: RequestId) {
        if self.list_request == Some(id) {
            let step = self.list_failed();
            self.list_step(step);
            return;
        }
        self.heard.push_back(Heard::Answer { id, answer: Err(NoAnswer::TimedOut) });
    }
}

/// A number that no other connection has.
pub(super) fn fresh_session() -> Session {
    Session::new(&rand::random::<u64>().to_string()).expect("20 digits are a session")
}
