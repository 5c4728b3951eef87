//! A device made of a bare MQTT client: it says exactly what a test tells it to.

use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, LastWill, MqttOptions, NetworkOptions, Packet, QoS, SubscribeFilter,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use uuid::Uuid;

use super::{PATIENCE, Server};

/// A connected device.
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) lane: String,
    pub(crate) client: AsyncClient,
    pub(crate) session: String,
    pub(crate) epoch: String,
    pub(crate) seq: u64,
    login: (String, String),
    down: mpsc::Receiver<Value>,
    poll: JoinHandle<()>,
}

impl Device {
    /// Enrols, connects and says hello.
    pub(crate) async fn enrolled(server: &Server, name: &str, lane: &str) -> Self {
        let login = server.enrol(name, lane).await;
        Self::accepted(server, name, lane, login).await
    }

    /// Enrols a device of another kind, without a place, connects and says hello.
    pub(crate) async fn enrolled_as(server: &Server, name: &str, kind: &str) -> Self {
        let login = server.enrol_as(name, json!({ "kind": kind })).await;
        Self::accepted(server, name, "n1", login).await
    }

    async fn accepted(server: &Server, name: &str, lane: &str, login: (String, String)) -> Self {
        let mut device = Self::connect(server.mqtt.clone(), name, lane, login).await;
        let hello = device.hello().await;
        assert_eq!(hello["status"], "accepted", "{hello}");
        device
    }

    /// Its login, as it got it.
    pub(crate) fn login(&self) -> &(String, String) {
        &self.login
    }

    /// Answers a command.
    pub(crate) async fn ack(&self, command: &Value, status: &str, more: Value) {
        let mut ack = json!({
            "id": command["id"], "status": status,
            "at": null, "up_ms": 4000, "boot": 1, "clock": "none",
        });
        let map = ack.as_object_mut().expect("an object");
        map.extend(more.as_object().cloned().unwrap_or_default());
        self.say("ack", &ack).await;
    }

    /// Asks something, and waits for the answer.
    pub(crate) async fn ask(&mut self, what: &str, more: Value) -> Value {
        let id = Uuid::now_v7().to_string();
        self.ask_again(&id, what, more).await
    }

    /// Asks with an id of one's own.
    pub(crate) async fn ask_again(&mut self, id: &str, what: &str, more: Value) -> Value {
        let mut request = json!({ "id": id, "what": what, "up_ms": 5000, "boot": 1 });
        let map = request.as_object_mut().expect("an object");
        map.extend(more.as_object().cloned().unwrap_or_default());
        self.say("request", &request).await;
        loop {
            let response = self.next("response").await;
            if response["id"] == json!(id) {
                return response;
            }
        }
    }

    /// A fact of any type, reported and acknowledged.
    pub(crate) async fn fact(&mut self, kind: &str, more: Value) {
        self.seq += 1;
        let mut event = json!({
            "epoch": self.epoch, "seq": self.seq, "type": kind,
            "at": null, "up_ms": 3000, "boot": 1, "clock": "none",
        });
        let map = event.as_object_mut().expect("an object");
        map.extend(more.as_object().cloned().unwrap_or_default());
        self.say("event", &event).await;
        self.next("event-ack").await;
    }

    /// Connects with a login.
    pub(crate) async fn connect(
        mqtt: (String, u16),
        name: &str,
        lane: &str,
        login: (String, String),
    ) -> Self {
        let session = Uuid::new_v4().as_u128().to_string();
        let base = format!("sm/1/testpark/{name}");
        let mut options = MqttOptions::new(format!("{name}-client"), mqtt.0, mqtt.1);
        options.set_credentials(&login.0, &login.1);
        options.set_max_packet_size(4 << 20, 4 << 20);
        let death = json!({ "online": false, "session": session }).to_string();
        options.set_last_will(LastWill::new(
            format!("{base}/up/state"),
            death,
            QoS::AtLeastOnce,
            true,
        ));
        let (client, mut events) = AsyncClient::new(options, 64);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        let both = [format!("{base}/down"), "sm/1/testpark/_all/down".to_owned()]
            .map(|topic| SubscribeFilter::new(topic, QoS::AtLeastOnce));
        client.subscribe_many(both).await.expect("queued");
        let (heard, down) = mpsc::channel(1024);
        let (ready, subscribed) = tokio::sync::oneshot::channel();
        let poll = tokio::spawn(async move {
            let mut ready = Some(ready);
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => {
                        if let Some(ready) = ready.take() {
                            ready.send(()).expect("the test waits");
                        }
                    }
                    Event::Incoming(Packet::Publish(message)) => {
                        assert!(!message.retain, "a downlink was retained");
                        let json = serde_json::from_slice(&message.payload).expect("JSON");
                        if heard.send(json).await.is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        });
        timeout(PATIENCE, subscribed).await.expect("subscribed in time").expect("connected");
        let device = Self {
            name: name.to_owned(),
            lane: lane.to_owned(),
            client,
            session,
            epoch: Uuid::new_v4().to_string(),
            seq: 0,
            login,
            down,
            poll,
        };
        let birth = json!({ "online": true, "session": device.session });
        device.say_retained("state", &birth).await;
        device
    }

    /// Connects again, to a program that was restarted: a new session, the same storage.
    pub(crate) async fn reconnect(self, server: &Server) -> Self {
        self.poll.abort();
        let mut device =
            Self::connect(server.mqtt.clone(), &self.name, &self.lane, self.login.clone()).await;
        device.epoch = self.epoch;
        device.seq = self.seq;
        device
    }

    /// Says something.
    pub(crate) async fn say(&self, what: &str, message: &Value) {
        self.say_bytes(what, message.to_string().into_bytes()).await;
    }

    /// Says raw bytes.
    pub(crate) async fn say_bytes(&self, what: &str, bytes: Vec<u8>) {
        let topic = format!("sm/1/testpark/{}/up/{what}", self.name);
        self.client.publish(topic, QoS::AtLeastOnce, false, bytes).await.expect("queued");
    }

    async fn say_retained(&self, what: &str, message: &Value) {
        let topic = format!("sm/1/testpark/{}/up/{what}", self.name);
        let bytes = message.to_string();
        self.client.publish(topic, QoS::AtLeastOnce, true, bytes).await.expect("queued");
    }

    /// Shakes hands.
    pub(crate) async fn hello(&mut self) -> Value {
        let hello = json!({
            "protocol": "1.0", "kind": "turnstile", "serial": "S1", "model": "test",
            "firmware": "1.2.3", "session": self.session, "epoch": self.epoch,
            "next_seq": self.seq + 1, "at": null, "up_ms": 1000, "boot": 1, "clock": "none",
        });
        self.say("hello", &hello).await;
        self.next("hello").await
    }

    /// The next downlink of a type.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        self.next_within(kind, PATIENCE)
            .await
            .unwrap_or_else(|| panic!("{}: waited in vain for a {kind}", self.name))
    }

    /// The next downlink of a type, if it comes in time.
    pub(crate) async fn next_within(&mut self, kind: &str, wait: Duration) -> Option<Value> {
        timeout(wait, async {
            loop {
                let message = self.down.recv().await?;
                if message["type"] == kind {
                    return Some(message);
                }
            }
        })
        .await
        .ok()
        .flatten()
    }

    /// A scan as this device would send it.
    pub(crate) fn scan_message(&self, id: &str, code: &str) -> Value {
        json!({
            "id": id, "lane": self.lane, "direction": "in", "attempt": 1, "ttl_ms": 1500,
            "credential": { "type": "qr", "data": code },
            "at": null, "up_ms": 2000, "boot": 1, "clock": "none",
        })
    }

    /// Presents a code and waits for the decision.
    pub(crate) async fn scan(&mut self, code: &str) -> Value {
        self.scan_towards(code, "in").await
    }

    /// Presents a code in a direction and waits for the decision.
    pub(crate) async fn scan_towards(&mut self, code: &str, direction: &str) -> Value {
        let id = Uuid::now_v7().to_string();
        let mut scan = self.scan_message(&id, code);
        scan["direction"] = json!(direction);
        self.say("scan", &scan).await;
        loop {
            let decision = self.next("decision").await;
            if decision["id"] == json!(id) {
                return decision;
            }
        }
    }

    /// A passage as this device would report it next.
    pub(crate) fn passage_message(&mut self, grant: &Value, outcome: &str, count: u32) -> Value {
        self.seq += 1;
        json!({
            "epoch": self.epoch, "seq": self.seq, "type": "passage", "grant": grant,
            "lane": self.lane, "direction": "in", "outcome": outcome, "count": count,
            "counters": { "in": self.seq, "out": 0 }, "by": "server",
            "at": null, "up_ms": 3000, "boot": 1, "clock": "none",
        })
    }

    /// Reports a passage and waits until the ledger has it.
    pub(crate) async fn pass(&mut self, grant: &Value, outcome: &str, count: u32) -> Value {
        let event = self.passage_message(grant, outcome, count);
        self.say("event", &event).await;
        let seq = self.seq;
        loop {
            let ack = self.next("event-ack").await;
            assert_eq!(ack["epoch"], json!(self.epoch));
            if ack["upto"].as_u64() >= Some(seq) {
                return ack;
            }
        }
    }

    /// Goes without a word: the connection breaks, and the broker speaks the will.
    pub(crate) fn vanish(self) {
        self.poll.abort();
    }
}
