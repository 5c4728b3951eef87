//! Bad input: a counted, logged, clear refusal; other lanes do not notice.

use std::time::Duration;

use rumqttc::QoS;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Server, device::Device, eventually};

async fn problem_of(server: &Server, device: &str, word: &str) -> String {
    eventually(&format!("a problem that says {word}"), async || {
        let view = server.get(&format!("/api/v1/devices/{device}")).await.body;
        let problem = view["last_error"]["problem"].as_str()?.to_owned();
        problem.contains(word).then_some(problem)
    })
    .await
}

#[tokio::test]
async fn nonsense_is_refused_by_name_and_other_lanes_do_not_notice() {
    let server = Server::start().await;
    let mut good = Device::enrolled(&server, "t1", "n1").await;
    let mut bad = Device::enrolled(&server, "t2", "n2").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let id = Uuid::now_v7();

    bad.say_bytes("scan", b"{\"id\": \"".to_vec()).await;
    problem_of(&server, "t2", "column").await;
    bad.say_bytes("scan", b"\xff\xfe\x00".to_vec()).await;
    bad.say("scan", &json!([1, 2, 3])).await;
    bad.say("scan", &json!({ "id": "not-a-uuid", "credential": { "type": "qr", "data": "x" } }))
        .await;
    problem_of(&server, "t2", "UUID").await;
    bad.say("scan", &json!({ "id": id, "credential": { "type": "qr", "data": 7 } })).await;
    problem_of(&server, "t2", "expected a string").await;
    let answer = bad.next("decision").await;
    assert_eq!((&answer["id"], &answer["reason"]), (&json!(id), &json!("unreadable")));
    bad.say(
        "scan",
        &json!({ "id": id, "direction": "up", "credential": { "type": "qr", "data": "x" } }),
    )
    .await;
    problem_of(&server, "t2", "`in` or `out`").await;
    bad.say("event", &json!({ "epoch": "e", "seq": -1, "type": "passage" })).await;
    problem_of(&server, "t2", "up/event").await;
    let events: Vec<_> =
        (1..=65).map(|seq| json!({ "seq": seq, "type": "boot", "reason": "" })).collect();
    bad.say("log", &json!({ "epoch": "e", "events": events })).await;
    problem_of(&server, "t2", "64 at most").await;
    bad.say("dance", &json!({})).await;
    bad.say_bytes("scan", vec![b' '; 1024 * 1024]).await;
    problem_of(&server, "t2", "32768 at most").await;

    let decision = good.scan(&code).await;
    assert_eq!(decision["result"], "grant", "the other lane works: {decision}");
    good.pass(&decision["grant"], "taken", 1).await;
    assert_eq!(bad.scan("X").await["reason"], "unknown_ticket", "and so does this one, still");
    assert!(server.metric("shanmen_intake_refused_total").await >= 10.0);
    assert!(server.log().contains("a message could not be taken"));
}

#[tokio::test]
async fn numbers_beyond_belief_do_no_harm() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let epoch = lane.epoch.clone();
    let fact = |seq: u64, body: serde_json::Value| {
        let mut event = json!({ "epoch": epoch, "seq": seq });
        event.as_object_mut().expect("a map").extend(body.as_object().expect("a map").clone());
        event
    };
    lane.say("event", &fact(u64::MAX, json!({ "type": "boot" }))).await;
    problem_of(&server, "t1", "seq").await;
    let gap = json!({ "type": "gap", "from": 1, "to": u64::MAX - 1 });
    lane.say("event", &fact(1, gap)).await;
    assert_eq!(lane.next("event-ack").await["upto"], 1, "what is to come was not lost");
    let crowd = json!({ "type": "passage", "outcome": "forced", "count": 4_000_000_000_u32 });
    lane.say("event", &fact(2, crowd)).await;
    assert_eq!(lane.next("event-ack").await["upto"], 2);
    let snapshot =
        server.until("the forced passage", |s| s["today"]["in_site"].as_u64() > Some(0)).await;
    assert!(snapshot["today"]["in_site"].as_u64() <= Some(100), "{}", snapshot["today"]);
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    assert_eq!(lane.scan(&code).await["result"], "grant", "and the lane works");
}

#[tokio::test]
async fn no_id_number_stands_in_a_log_or_at_the_device() {
    let server = Server::start().await;
    let lane = Device::enrolled(&server, "t1", "n1").await;
    let number = 110_105_194_912_310_021_u64;
    let scan = json!({ "id": Uuid::now_v7(), "credential": { "type": "id_card", "data": number } });
    lane.say("scan", &scan).await;
    let problem = problem_of(&server, "t1", "expected a string").await;
    assert!(!problem.contains("110105"), "{problem}");
    assert!(!server.log().contains("110105"));
}

#[tokio::test]
async fn a_device_that_speaks_for_another_is_refused_by_the_acl() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let other = Device::enrolled(&server, "t2", "n2").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let scan = lane.scan_message(&Uuid::now_v7().to_string(), &code);
    let topic = "sm/1/testpark/t1/up/scan";
    let forged = scan.to_string();
    other.client.publish(topic, QoS::AtLeastOnce, false, forged).await.expect("queued");
    other.client.publish("sm/1/testpark/t1/down", QoS::AtLeastOnce, false, "{}").await.expect("q");
    problem_of(&server, "t2", "acl_publish").await;
    assert!(lane.next_within("decision", Duration::from_millis(200)).await.is_none());
    assert_eq!(lane.scan(&code).await["result"], "grant", "nobody had used it");
}

#[tokio::test]
async fn a_wrong_password_and_a_stranger_are_not_let_in() {
    let server = Server::start().await;
    let (user, _) = server.enrol("t1", "n1").await;
    for (user, password) in [(user.as_str(), "wrong"), ("nobody", "x"), ("", "")] {
        let mut options = rumqttc::MqttOptions::new("guest", server.mqtt.0.clone(), server.mqtt.1);
        if !user.is_empty() {
            options.set_credentials(user, password);
        }
        let (_client, mut events) = rumqttc::AsyncClient::new(options, 8);
        let error = events.poll().await.expect_err("refused");
        assert!(
            matches!(error, rumqttc::ConnectionError::ConnectionRefused(_)),
            "a clear refusal, not {error}"
        );
    }
    assert!(server.metric("shanmen_intake_refused_total").await >= 2.0);
}

#[tokio::test]
async fn a_clock_at_1970_does_no_harm() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let mut scan = lane.scan_message(&Uuid::now_v7().to_string(), &code);
    scan["at"] = json!(0);
    scan["clock"] = json!("free");
    lane.say("scan", &scan).await;
    let decision = lane.next("decision").await;
    assert_eq!(decision["result"], "grant", "the device's clock does not decide");
    let mut event = lane.passage_message(&decision["grant"], "taken", 1);
    event["at"] = json!(0);
    event["boot"] = json!(null);
    lane.say("event", &event).await;
    lane.next("event-ack").await;
    let snapshot = server.until("one in the park", |s| s["today"]["in_site"] == 1).await;
    let at = snapshot["recent"][0]["at"].as_i64().expect("a moment");
    assert!(at > 1_700_000_000_000, "not in 1970: {at}");
    assert!(server.metric("shanmen_facts_without_time_total").await >= 1.0, "flagged");
}

#[tokio::test]
async fn a_death_of_an_old_session_is_ignored() {
    let server = Server::start().await;
    let lane = Device::enrolled(&server, "t1", "n1").await;
    let old = json!({ "online": false, "session": "12345" });
    lane.say("state", &old).await;
    eventually("the old death to be counted", async || {
        (server.metric("shanmen_twin_old_deaths_total").await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(server.get("/api/v1/devices/t1").await.body["online"], true);
}
