//! A tiny control plane: answers hello, decides scans as it is told, acknowledges facts.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use rumqttc::{AsyncClient, Event as Mqtt, MqttOptions, NetworkOptions, Packet, QoS};
use shanmen_devices::turnstile::BrokerAddress;
use shanmen_protocols::{
    device::{
        Ack, Body, CHUNK_MAX_BYTES, CommandDown, ConfigReport, Decision, DecisionResult, Down,
        Event, EventAck, Hello, HelloDown, HelloStatus, ListChunk, ListDown, Log, Order, Request,
        Response, ResponseStatus, Scan, Show, State, What,
    },
    ids::{CommandId, DeviceId, Epoch, GrantId, Session, SiteId},
    reason::{Lang, Reason},
    time::UnixMs,
    topic::{self, UpKind, parse_uplink},
};
use tokio::{sync::watch, task::JoinHandle};

/// How it answers scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A grant at once, for as many as a code like `P12-…` says; other codes: one person.
    /// Codes that begin with `DEMO` are unknown.
    Grant,
    /// The same grant twice.
    GrantTwice,
    /// A grant once the lane has decided by itself.
    GrantTooLate,
    /// Throws the device out and leaves a retained grant; the second sending gets a live one.
    GrantRetained,
    /// No answer to the first sending.
    SecondTime,
    /// A grant of this many persons.
    GrantFor(u32),
}

/// How it behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    pub(crate) manner: Manner,
    /// Whether facts are kept and acknowledged; otherwise they are lost on the way.
    pub(crate) acknowledges: bool,
    /// How many hellos are answered `pending`.
    pub(crate) pending: usize,
}

/// What it has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) hellos: Vec<Hello>,
    pub(crate) states: Vec<State>,
    pub(crate) scans: Vec<Scan>,
    /// Facts kept, in the order of arrival, repeats included.
    pub(crate) facts: Vec<(u64, Body)>,
    pub(crate) facts_lost: usize,
    pub(crate) acks: Vec<Ack>,
    pub(crate) reports: Vec<ConfigReport>,
    /// The grants that went out.
    pub(crate) grants: Vec<GrantId>,
}

pub(crate) struct Control {
    orders: watch::Sender<Orders>,
    seen: watch::Receiver<Seen>,
    client: AsyncClient,
    site: SiteId,
    lists: Arc<Mutex<HashMap<String, (ListDown, String)>>>,
    task: JoinHandle<()>,
}

struct Plane {
    client: AsyncClient,
    site: SiteId,
    broker: BrokerAddress,
    orders: watch::Receiver<Orders>,
    seen: watch::Sender<Seen>,
    late: Option<Decision>,
    kept: HashMap<DeviceId, BTreeSet<u64>>,
    lists: Arc<Mutex<HashMap<String, (ListDown, String)>>>,
}

impl Control {
    pub(crate) async fn start(broker: &BrokerAddress, site: &SiteId) -> Self {
        let (client, mut eventloop) = connection(broker, "control");
        let first = Orders { manner: Manner::Grant, acknowledges: true, pending: 0 };
        let (orders, orders_rx) = watch::channel(first);
        let (seen_tx, seen) = watch::channel(Seen::default());
        let (subscribed_tx, mut subscribed) = watch::channel(false);
        let lists = Arc::new(Mutex::new(HashMap::new()));
        let mut plane = Plane {
            client: client.clone(),
            lists: Arc::clone(&lists),
            site: site.clone(),
            broker: broker.clone(),
            orders: orders_rx,
            seen: seen_tx,
            late: None,
            kept: HashMap::new(),
        };
        let task = tokio::spawn(async move {
            loop {
                match eventloop.poll().await {
                    Ok(Mqtt::Incoming(Packet::ConnAck(_))) => {
                        let filter = topic::uplinks_of_site(&plane.site);
                        plane.client.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Mqtt::Incoming(Packet::SubAck(_))) => drop(subscribed_tx.send(true)),
                    Ok(Mqtt::Incoming(Packet::Publish(publish))) => {
                        plane.uplink(&publish.topic, &publish.payload).await;
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
                }
            }
        });
        subscribed.wait_for(|done| *done).await.unwrap();
        Self { orders, seen, client, site: site.clone(), lists, task }
    }

    pub(crate) fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(change);
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Says something to a device.
    pub(crate) fn say(&self, device: &DeviceId, down: &Down) {
        let payload = serde_json::to_vec(down).unwrap();
        let topic = topic::down(&self.site, device);
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
    }

    /// Says something to every device.
    pub(crate) fn say_to_all(&self, down: &Down) {
        let payload = serde_json::to_vec(down).unwrap();
        let topic = topic::all_down(&self.site);
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
    }

    /// A command of a session.
    pub(crate) fn command(session: Option<&Session>, order: &Order) -> CommandDown {
        let (op, args) = order.write();
        let (id, session, at) = (CommandId::fresh(), session.cloned(), Some(now()));
        CommandDown { id, session, at, op, args, ttl_ms: 5_000 }
    }

    /// Announces a list; its chunks are there to be asked for.
    pub(crate) fn list(&self, device: &DeviceId, name: &str, version: u64, text: &str) {
        let list = ListDown {
            name: name.into(),
            version,
            base: None,
            sha256: shanmen_devices::agent::lists::sha256(text),
            count: text.lines().count().try_into().unwrap(),
            bytes: text.len().try_into().unwrap(),
            add: Vec::new(),
            remove: Vec::new(),
        };
        self.lists.lock().unwrap().insert(name.into(), (list.clone(), text.to_owned()));
        self.say(device, &Down::List(list));
    }

    /// Waits until it has seen what is wanted.
    pub(crate) async fn has_seen(&self, what: &str, wanted: impl FnMut(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.clone();
        let found = tokio::time::timeout(Duration::from_secs(20), seen.wait_for(wanted)).await;
        found.unwrap_or_else(|_| panic!("never seen: {what}")).unwrap().clone()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn now() -> UnixMs {
    shanmen_devices::clock::Clock::default().unix().unwrap()
}

pub(crate) fn connection(
    broker: &BrokerAddress,
    client_id: &str,
) -> (AsyncClient, rumqttc::EventLoop) {
    let mut options = MqttOptions::new(client_id, &broker.host, broker.port);
    options.set_max_packet_size(64 * 1024, 64 * 1024).set_inflight(1_000);
    let (client, mut eventloop) = AsyncClient::new(options, 10_000);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    eventloop.set_network_options(network);
    (client, eventloop)
}

impl Plane {
    async fn uplink(&mut self, topic: &str, payload: &[u8]) {
        let uplink = parse_uplink(topic).unwrap();
        let device = DeviceId::new(uplink.device).unwrap();
        match uplink.kind {
            UpKind::State => {
                let state: State = serde_json::from_slice(payload).unwrap();
                self.seen.send_modify(|seen| seen.states.push(state));
            }
            UpKind::Hello => self.hello(&device, serde_json::from_slice(payload).unwrap()),
            UpKind::Scan => self.scan(&device, serde_json::from_slice(payload).unwrap()).await,
            UpKind::Event => {
                let event: Event = serde_json::from_slice(payload).unwrap();
                self.facts(&device, event.epoch, vec![(event.seq, event.body)]);
            }
            UpKind::Log => {
                let log: Log = serde_json::from_slice(payload).unwrap();
                let facts = log.events.into_iter().map(|event| (event.seq, event.body)).collect();
                self.facts(&device, log.epoch, facts);
            }
            UpKind::Ack => {
                let ack = serde_json::from_slice(payload).unwrap();
                self.seen.send_modify(|seen| seen.acks.push(ack));
            }
            UpKind::Config => {
                let report = serde_json::from_slice(payload).unwrap();
                self.seen.send_modify(|seen| seen.reports.push(report));
            }
            UpKind::Request => self.request(&device, serde_json::from_slice(payload).unwrap()),
            UpKind::Telemetry => {}
        }
    }

    fn request(&self, device: &DeviceId, request: Request) {
        let What::List { name, offset, version } = request.what else { panic!("{request:?}") };
        let lists = self.lists.lock().unwrap();
        let (list, text) = &lists[&name];
        assert!(version.is_none_or(|version| version == list.version));
        let from = usize::try_from(offset).unwrap();
        let part = &text.as_bytes()[from..text.len().min(from + CHUNK_MAX_BYTES)];
        let chunk = ListChunk {
            name,
            version: list.version,
            offset,
            bytes: list.bytes,
            sha256: list.sha256.clone(),
            data: data_encoding::BASE64.encode(part),
        };
        let body = serde_json::to_value(chunk).unwrap().as_object().unwrap().clone();
        let status = ResponseStatus::Ok;
        self.say(device, &Down::Response(Response { id: request.id, status, reason: None, body }));
    }

    fn say(&self, device: &DeviceId, down: &Down) {
        let payload = serde_json::to_vec(down).unwrap();
        let topic = topic::down(&self.site, device);
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
    }

    fn hello(&self, device: &DeviceId, hello: Hello) {
        let pending = self.seen.borrow().hellos.len() < self.orders.borrow().pending;
        let answer = |session| HelloDown {
            session,
            status: if pending { HelloStatus::Pending } else { HelloStatus::Accepted },
            reason: None,
            server_time: now(),
            heartbeat_s: 1,
            acked: self.upto(device),
            retry_s: 1,
        };
        // An answer of another session comes first: it must have no effect.
        let other = shanmen_protocols::ids::Session::new("1").unwrap();
        self.say(
            device,
            &Down::Hello(HelloDown { status: HelloStatus::Accepted, ..answer(other) }),
        );
        self.say(device, &Down::Hello(answer(hello.session.clone())));
        self.seen.send_modify(|seen| seen.hellos.push(hello));
    }

    async fn scan(&mut self, device: &DeviceId, scan: Scan) {
        let manner = self.orders.borrow().manner;
        let data = &scan.credential.data;
        let on_ticket = data.strip_prefix('P').and_then(|rest| rest.split_once('-'));
        let persons = match manner {
            Manner::GrantFor(persons) => persons,
            _ => on_ticket.and_then(|(persons, _)| persons.parse().ok()).unwrap_or(1),
        };
        let decision = decision(&scan, persons);
        let (grant, down) = (decision.grant, Down::Decision(decision.clone()));
        match manner {
            Manner::GrantTooLate => self.late = Some(decision),
            Manner::SecondTime if scan.attempt == 1 => {}
            Manner::GrantRetained if scan.attempt == 1 => self.retain(device, &down).await,
            Manner::GrantTwice => {
                self.say(device, &down);
                self.say(device, &down);
            }
            Manner::Grant | Manner::GrantFor(_) | Manner::SecondTime | Manner::GrantRetained => {
                self.say(device, &down);
            }
        }
        self.seen.send_modify(|seen| {
            seen.grants.extend(grant);
            seen.scans.push(scan);
        });
    }

    /// Takes the device's place at the broker, and leaves the decision there for its return.
    async fn retain(&self, device: &DeviceId, down: &Down) {
        let (thief, mut eventloop) = connection(&self.broker, &format!("{}.{device}", self.site));
        let topic = topic::down(&self.site, device);
        let payload = serde_json::to_vec(down).unwrap();
        loop {
            match eventloop.poll().await.unwrap() {
                Mqtt::Incoming(Packet::ConnAck(_)) => {
                    thief.try_publish(&topic, QoS::AtLeastOnce, true, payload.clone()).unwrap();
                }
                Mqtt::Incoming(Packet::PubAck(_)) => return,
                _ => {}
            }
        }
    }

    fn facts(&mut self, device: &DeviceId, epoch: Epoch, facts: Vec<(u64, Body)>) {
        let denied = facts.iter().any(|(_, body)| matches!(body, Body::Denied { .. }));
        if denied && let Some(decision) = self.late.take() {
            self.say(device, &Down::Decision(decision));
        }
        if !self.orders.borrow().acknowledges {
            self.seen.send_modify(|seen| seen.facts_lost += facts.len());
            return;
        }
        self.kept.entry(device.clone()).or_default().extend(facts.iter().map(|(seq, _)| *seq));
        self.seen.send_modify(|seen| seen.facts.extend(facts));
        self.say(device, &Down::EventAck(EventAck { epoch, upto: self.upto(device) }));
    }

    /// The highest fact of a device that is kept with all before it.
    fn upto(&self, device: &DeviceId) -> u64 {
        let numbers = self.kept.get(device).into_iter().flatten();
        numbers
            .zip(1..)
            .take_while(|&(&seq, expected)| seq == expected)
            .map(|(seq, _)| *seq)
            .last()
            .unwrap_or(0)
    }
}

fn decision(scan: &Scan, persons: u32) -> Decision {
    let known = !scan.credential.data.starts_with("DEMO");
    let reason = if known { Reason::Ok } else { Reason::UnknownTicket };
    let row = reason.row();
    Decision {
        id: scan.id,
        result: if known { DecisionResult::Grant } else { DecisionResult::Deny },
        grant: known.then(GrantId::fresh),
        reason,
        persons,
        hold_ms: 1_500,
        needs: Vec::new(),
        show: Show {
            title: row.display.en.into(),
            text: "".into(),
            voice: row.voice.en.into(),
            light: row.light,
            lang: Lang::En,
        },
        facts: serde_json::Map::new(),
    }
}
