//! One client of the echo: connects as a turnstile does, asks, and notes when the answer came.

use std::{pin::pin, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS, SubscribeFilter,
};
use shanmen_protocols::{
    ids::{DeviceId, SiteId},
    topic::{self, PAYLOAD_MAX_BYTES, UpKind},
};
use tokio::{
    sync::mpsc,
    time::{interval, sleep},
};

use super::{EchoFleet, ID_BYTES, Question, SITE};
use crate::park::lane_id;

/// How long an answer may take: as long as a turnstile would wait.
const PATIENCE_NS: u64 = 1_500_000_000;

/// How often unanswered questions are looked for.
const OVERDUE_EVERY: Duration = Duration::from_millis(500);

/// The pause before another connection.
const PAUSE: Duration = Duration::from_secs(1);

// The turnstile's own options, so that both are alike on the wire.
const OUTBOX_MAX: usize = 256;
const INFLIGHT_MAX: u16 = 64;
const PACKET_MAX_BYTES: usize = PAYLOAD_MAX_BYTES + 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The size of a passage's fact, and of its acknowledgement.
pub(super) const FACT_BYTES: usize = 330;
pub(super) const ACK_BYTES: usize = 60;

/// What begins the payload of a fact, in place of an id.
pub(super) const FACT_MARK: u8 = b'f';

pub(super) struct Client {
    fleet: Arc<EchoFleet>,
    lane: usize,
    mqtt: AsyncClient,
    up: String,
    fact: String,
    down: [String; 2],
    asked: u64,
    under_way: Option<UnderWay>,
    was_ready: bool,
}

struct UnderWay {
    question: Question,
    id: [u8; ID_BYTES],
    sent_ns: u64,
}

impl Client {
    pub(super) fn new(
        fleet: Arc<EchoFleet>,
        lane: usize,
        host: &str,
        port: u16,
    ) -> anyhow::Result<(Self, EventLoop)> {
        let (site, device) = (SiteId::new(SITE)?, DeviceId::new(&lane_id(lane))?);
        let mut options = MqttOptions::new(format!("{site}.{device}"), host, port);
        options
            .set_credentials(device.as_str(), "echo")
            .set_clean_session(true)
            .set_keep_alive(KEEP_ALIVE)
            .set_inflight(INFLIGHT_MAX)
            .set_max_packet_size(PACKET_MAX_BYTES, PACKET_MAX_BYTES);
        let (mqtt, mut eventloop) = AsyncClient::new(options, OUTBOX_MAX);
        eventloop.set_network_options(network());
        let client = Self {
            fleet,
            lane,
            mqtt,
            up: topic::up(&site, &device, UpKind::Scan),
            fact: topic::up(&site, &device, UpKind::Event),
            down: [topic::down(&site, &device), topic::all_down(&site)],
            asked: 0,
            under_way: None,
            was_ready: false,
        };
        Ok((client, eventloop))
    }

    pub(super) async fn run(
        mut self,
        mut eventloop: EventLoop,
        mut questions: mpsc::Receiver<Question>,
    ) {
        let mut overdue = interval(OVERDUE_EVERY);
        loop {
            let polled = {
                // Kept across everything else that happens, and never cut in the middle.
                let mut poll = pin!(eventloop.poll());
                loop {
                    tokio::select! {
                        polled = &mut poll => break polled,
                        Some(question) = questions.recv() => self.ask(question),
                        _ = overdue.tick() => self.give_up_overdue(),
                    }
                }
            };
            match polled {
                Ok(Event::Incoming(Packet::ConnAck(_))) => self.subscribe(),
                Ok(Event::Incoming(Packet::SubAck(_))) => {
                    if !std::mem::replace(&mut self.was_ready, true) {
                        self.fleet.ready.add_permits(1);
                    }
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => self.heard(&publish.payload),
                Ok(Event::Incoming(_) | Event::Outgoing(_)) => {}
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    fn subscribe(&self) {
        let filters = self.down.clone().map(|topic| SubscribeFilter::new(topic, QoS::AtLeastOnce));
        // The outbox of a fresh connection has room.
        self.mqtt.try_subscribe_many(filters).ok();
    }

    fn ask(&mut self, question: Question) {
        self.asked += 1;
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(format!("{:036}", self.asked).as_bytes());
        let payload = padded(&id, self.fleet.form.question_bytes);
        let sent_ns = self.fleet.clock.ns();
        self.under_way = Some(UnderWay { question, id, sent_ns });
        if self.mqtt.try_publish(&self.up, qos_of(self.fleet.form.qos), false, payload).is_err() {
            self.give_up();
        }
    }

    fn heard(&mut self, payload: &[u8]) {
        let Some(under_way) = &self.under_way else { return };
        if payload.get(..ID_BYTES) != Some(&under_way.id) {
            return;
        }
        let answered_ns = self.fleet.clock.ns();
        {
            let mut round = self.fleet.round();
            round.answered += 1;
            let UnderWay { question, sent_ns, .. } = under_way;
            if question.measured {
                round.answer(question.intended_ns, *sent_ns, answered_ns);
            }
        }
        if self.fleet.form.facts {
            let payload = padded(&[FACT_MARK], FACT_BYTES);
            self.mqtt.try_publish(&self.fact, QoS::AtLeastOnce, false, payload).ok();
        }
        self.next();
    }

    fn next(&mut self) {
        self.under_way = None;
        if let Some(question) = self.fleet.places.done(self.lane) {
            self.ask(question);
        }
    }

    fn give_up_overdue(&mut self) {
        let now_ns = self.fleet.clock.ns();
        if self.under_way.as_ref().is_some_and(|one| one.sent_ns + PATIENCE_NS <= now_ns) {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.fleet.lost.fetch_add(1, Relaxed);
        self.next();
    }
}

/// What the turnstiles ask of the network.
pub(super) fn network() -> NetworkOptions {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network
}

pub(super) fn qos_of(level: u8) -> QoS {
    if level == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}

/// `head`, filled up to `bytes`.
pub(super) fn padded(head: &[u8], bytes: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(bytes.max(head.len()));
    payload.extend_from_slice(head);
    payload.resize(bytes.max(head.len()), b'.');
    payload
}
