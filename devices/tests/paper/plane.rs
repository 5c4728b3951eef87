//! A tiny control plane: accepts a device, acknowledges its facts, commands it, answers questions.

use std::time::Duration;

use rumqttc::{AsyncClient, Event as Mqtt, MqttOptions, Packet, QoS};
use serde_json::{Map, Value};
use shanmen_devices::agent::BrokerAddress;
use shanmen_protocols::{
    device::{
        Ack, Body, CommandDown, Down, Event, EventAck, Hello, HelloDown, HelloStatus, Log, Order,
        Request, Response, ResponseStatus, Telemetry, What,
    },
    ids::{CommandId, DeviceId, Session, SiteId},
    time::UnixMs,
    topic::{self, UpKind, parse_uplink},
};
use tokio::{sync::watch, task::JoinHandle};

/// How it answers a question; none is silence.
pub(crate) type Answers =
    Box<dyn FnMut(&What) -> Option<(ResponseStatus, Map<String, Value>)> + Send>;

/// What it has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) session: Option<Session>,
    pub(crate) hellos: Vec<Hello>,
    /// Facts in the order of arrival, each once.
    pub(crate) facts: Vec<Body>,
    pub(crate) acks: Vec<Ack>,
    pub(crate) telemetry: Vec<Telemetry>,
    upto: u64,
}

pub(crate) struct Plane {
    client: AsyncClient,
    site: SiteId,
    device: DeviceId,
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

impl Plane {
    pub(crate) async fn start(
        broker: &BrokerAddress,
        site: &SiteId,
        device: &DeviceId,
        mut answers: Answers,
    ) -> Self {
        let mut options = MqttOptions::new("plane", &broker.host, broker.port);
        options.set_max_packet_size(64 * 1024, 64 * 1024);
        let (client, mut eventloop) = AsyncClient::new(options, 1_000);
        let (seen_tx, seen) = watch::channel(Seen::default());
        let (subscribed_tx, mut subscribed) = watch::channel(false);
        let talker = Talker { client: client.clone(), down: topic::down(site, device) };
        let filter = topic::uplinks_of_site(site);
        let task = tokio::spawn(async move {
            loop {
                match eventloop.poll().await {
                    Ok(Mqtt::Incoming(Packet::ConnAck(_))) => {
                        talker.client.try_subscribe(&filter, QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Mqtt::Incoming(Packet::SubAck(_))) => drop(subscribed_tx.send(true)),
                    Ok(Mqtt::Incoming(Packet::Publish(publish))) => {
                        let kind = parse_uplink(&publish.topic).unwrap().kind;
                        seen_tx.send_modify(|seen| {
                            talker.uplink(kind, &publish.payload, seen, &mut answers);
                        });
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
                }
            }
        });
        subscribed.wait_for(|done| *done).await.unwrap();
        Self { client, site: site.clone(), device: device.clone(), seen, task }
    }

    /// Commands the device in its present session.
    pub(crate) fn command(&self, order: &Order) -> CommandId {
        let (op, args) = order.write();
        let session = self.seen.borrow().session.clone();
        let id = CommandId::fresh();
        let command = CommandDown { id, session, at: None, op, args, ttl_ms: 10_000 };
        let payload = serde_json::to_vec(&Down::Command(command)).unwrap();
        let topic = topic::down(&self.site, &self.device);
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
        id
    }

    /// Waits until it has seen what is wanted.
    pub(crate) async fn has_seen(&self, what: &str, wanted: impl FnMut(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.clone();
        let found = tokio::time::timeout(Duration::from_secs(20), seen.wait_for(wanted)).await;
        let found = found.map(|seen| seen.unwrap().clone());
        found.unwrap_or_else(|_| panic!("never seen: {what}: {:?}", self.seen.borrow()))
    }

    /// Waits for the final answer to a command.
    pub(crate) async fn answer(&self, id: CommandId) -> Ack {
        let last = |seen: &Seen| {
            seen.acks.iter().find(|ack| ack.id == id && ack.status.is_final()).cloned()
        };
        last(&self.has_seen("an ack", |seen| last(seen).is_some()).await).unwrap()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Talker {
    client: AsyncClient,
    down: String,
}

impl Talker {
    fn say(&self, down: &Down) {
        let payload = serde_json::to_vec(down).unwrap();
        self.client.try_publish(&self.down, QoS::AtLeastOnce, false, payload).unwrap();
    }

    fn uplink(&self, kind: UpKind, payload: &[u8], seen: &mut Seen, answers: &mut Answers) {
        match kind {
            UpKind::Hello => {
                let hello: Hello = serde_json::from_slice(payload).unwrap();
                self.say(&Down::Hello(HelloDown {
                    session: hello.session.clone(),
                    status: HelloStatus::Accepted,
                    reason: None,
                    server_time: UnixMs(1_760_000_000_000),
                    heartbeat_s: 1,
                    acked: seen.upto,
                    retry_s: 1,
                }));
                seen.session = Some(hello.session.clone());
                seen.hellos.push(hello);
            }
            UpKind::Event => {
                let event: Event = serde_json::from_slice(payload).unwrap();
                self.facts(seen, event.epoch, vec![(event.seq, event.body)]);
            }
            UpKind::Log => {
                let log: Log = serde_json::from_slice(payload).unwrap();
                let facts = log.events.into_iter().map(|event| (event.seq, event.body)).collect();
                self.facts(seen, log.epoch, facts);
            }
            UpKind::Ack => seen.acks.push(serde_json::from_slice(payload).unwrap()),
            UpKind::Telemetry => seen.telemetry.push(serde_json::from_slice(payload).unwrap()),
            UpKind::Request => {
                let request: Request = serde_json::from_slice(payload).unwrap();
                if let Some((status, body)) = answers(&request.what) {
                    self.say(&Down::Response(Response {
                        id: request.id,
                        status,
                        reason: None,
                        body,
                    }));
                }
            }
            _ => {}
        }
    }

    fn facts(
        &self,
        seen: &mut Seen,
        epoch: shanmen_protocols::ids::Epoch,
        facts: Vec<(u64, Body)>,
    ) {
        for (seq, body) in facts {
            if seq == seen.upto + 1 {
                seen.upto = seq;
                seen.facts.push(body);
            }
        }
        self.say(&Down::EventAck(EventAck { epoch, upto: seen.upto }));
    }
}
