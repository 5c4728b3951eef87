//! `no_stale_open`: a late or a retained decision never moves the virtual turnstile's barrier.
//! Our own device code against a broker that a hostile test controls.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use shanmen_devices::{
    clock::Clock,
    turnstile::{BrokerAddress, TurnstileConfig},
    virtual_lane::{Presentation, VirtualTurnstile},
};
use shanmen_protocols::ids::{DeviceId, LaneId, SiteId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{eventually, tools::Mosquitto};

const DOWN: &str = "sm/1/testpark/t1/down";

struct Hostile {
    client: AsyncClient,
    heard: mpsc::Receiver<(String, Value)>,
}

impl Hostile {
    async fn start(port: u16) -> Self {
        let mut options = MqttOptions::new("hostile", "127.0.0.1", port);
        options.set_clean_session(true);
        let (client, mut events) = AsyncClient::new(options, 64);
        client.subscribe("sm/1/testpark/+/up/+", QoS::AtLeastOnce).await.expect("queued");
        let (tell, heard) = mpsc::channel(256);
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(message)) = event {
                    let json = serde_json::from_slice(&message.payload).unwrap_or(Value::Null);
                    if tell.send((message.topic, json)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Self { client, heard }
    }

    async fn next(&mut self, suffix: &str) -> Value {
        loop {
            let (topic, json) = self.heard.recv().await.expect("the broker lives");
            if topic.ends_with(suffix) {
                return json;
            }
        }
    }

    async fn say(&self, retain: bool, message: &Value) {
        let bytes = message.to_string();
        self.client.publish(DOWN, QoS::AtLeastOnce, retain, bytes).await.expect("queued");
    }
}

fn grant(scan: &Value) -> Value {
    json!({
        "type": "decision", "id": scan["id"], "result": "grant", "reason": "ok",
        "grant": Uuid::now_v7(), "persons": 1, "hold_ms": 300, "needs": [], "facts": {},
        "show": { "title": "", "text": "", "voice": "", "light": "green", "lang": "zh" },
    })
}

#[tokio::test]
async fn a_late_and_a_retained_decision_never_move_the_barrier() {
    let Some(broker) = Mosquitto::start().await else { return };
    let mut hostile = Hostile::start(broker.port).await;
    let stop = CancellationToken::new();
    let site = SiteId::new("testpark").expect("a site");
    let mut config = TurnstileConfig::new(
        site,
        DeviceId::new("t1").expect("a device"),
        LaneId::new("n1").expect("a lane"),
        BrokerAddress { host: "127.0.0.1".into(), port: broker.port },
    );
    config.agent.settings.ttl_ms = 300;
    let lane = VirtualTurnstile::start(config, Clock::default(), stop.clone());
    let hello = hostile.next("/up/hello").await;
    hostile
        .say(
            false,
            &json!({
                "type": "hello", "session": hello["session"], "status": "accepted",
                "server_time": 1_760_000_000_000_i64, "heartbeat_s": 30, "acked": 0, "retry_s": 5,
            }),
        )
        .await;
    lane.ready().await.expect("accepted");

    // A late one: after the time to live, and after the resend.
    let presented = lane.present(Presentation::qr("SOME-CODE"));
    let answering = async {
        let scan = hostile.next("/up/scan").await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        hostile.say(false, &grant(&scan)).await;
        scan
    };
    let (answer, scan) = tokio::join!(presented, answering);
    let answer = answer.expect("presented");
    assert_ne!(serde_json::to_value(answer.result).expect("a word"), json!("grant"));

    // A retained one, for the very scan that is waiting.
    let presented = lane.present(Presentation::qr("SOME-CODE"));
    let answering = async {
        loop {
            let next = hostile.next("/up/scan").await;
            if next["id"] != scan["id"] {
                // The broker clears the flag for those who are subscribed already, so it is set
                // by a new subscription: the device takes none. The late copy is all it can get.
                tokio::time::sleep(Duration::from_millis(600)).await;
                hostile.say(true, &grant(&next)).await;
                return;
            }
        }
    };
    let (answer, ()) = tokio::join!(presented, answering);
    assert_ne!(
        serde_json::to_value(answer.expect("presented").result).expect("a word"),
        json!("grant")
    );
    // A device that connects now is handed the retained decision, with the flag set.
    stop.cancel();
    let stop = CancellationToken::new();
    let mut config = TurnstileConfig::new(
        SiteId::new("testpark").expect("a site"),
        DeviceId::new("t1").expect("a device"),
        LaneId::new("n1").expect("a lane"),
        BrokerAddress { host: "127.0.0.1".into(), port: broker.port },
    );
    config.agent.settings.ttl_ms = 300;
    let reborn = VirtualTurnstile::start(config, Clock::default(), stop.clone());
    let again = hostile.next("/up/hello").await;
    assert_ne!(again["session"], hello["session"], "a new session at each connect");
    eventually("the retained decision to be refused", async || {
        (reborn.stats().stale_decisions > 0).then_some(())
    })
    .await;
    assert_eq!(lane.lane().record().openings(), 0, "the barrier never moved");
    assert_eq!(reborn.lane().record().openings(), 0, "nor after the restart");
    stop.cancel();
}
