//! What wants a person: raised once, on the glass, acknowledged, kept over a restart, over.

use serde_json::{Value, json};

use crate::support::{Server, device::Device, today};

fn codes(alarms: &Value) -> Vec<String> {
    let rows = alarms["alarms"].as_array().expect("alarms");
    rows.iter().map(|row| row["code"].as_str().expect("a code").to_owned()).collect()
}

#[tokio::test]
async fn a_device_raises_an_alarm_once_and_a_person_acknowledges_it() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    lane.fact("alarm", json!({ "code": "jam", "active": true })).await;
    lane.fact("alarm", json!({ "code": "jam", "active": true })).await;
    lane.fact("alarm", json!({ "code": "tailgating", "active": true })).await;
    let glass = server.until("two alarms", |s| s["alarms"].as_array().map(Vec::len) == Some(2));
    assert_eq!(glass.await["alarms"][0]["lane"], "n1");
    let told = server.get("/api/v1/alarms").await.body;
    assert_eq!(codes(&told), ["tailgating", "jam"]);
    let path = |n: usize| format!("/api/v1/alarms/{}/acknowledge", told["alarms"][n]["id"]);
    let seen = server.post(&path(1), &json!({ "note": "sent Li" })).await;
    assert_eq!((seen.status, &seen.body["acknowledged"]["by"]), (200, &json!("admin")));
    assert_eq!(server.post(&path(1), &json!({})).await.status, 409, "seen before");
    // What is over when it happens goes when it was seen; what lasts stays until its end.
    assert_eq!(server.post(&path(0), &json!({})).await.status, 200);
    assert_eq!(codes(&server.get("/api/v1/alarms").await.body), ["jam"]);
    assert_eq!(server.post("/api/v1/alarms/999/acknowledge", &json!({})).await.status, 404);

    server.kill();
    server.restart().await;
    let kept = server.get("/api/v1/alarms").await.body;
    assert_eq!(kept["alarms"][0]["acknowledged"]["note"], "sent Li", "{kept}");
    let mut lane = lane.reconnect(&server).await;
    lane.fact("alarm", json!({ "code": "jam", "active": false })).await;
    server.until("no alarm", |s| s["alarms"] == json!([])).await;
    lane.fact("alarm", json!({ "code": "x-vendor", "active": true })).await;
    assert_eq!(codes(&server.get("/api/v1/alarms").await.body), ["fault"], "the generic case");
    lane.fact("boot", json!({ "reason": "power" })).await;
    server.until("a fresh start", |s| s["alarms"] == json!([])).await;
    let trail = server.get("/api/v1/audit?action=alarm.").await.body;
    assert_eq!(trail["lines"].as_array().map(Vec::len), Some(2), "{trail}");
}

#[tokio::test]
async fn a_full_area_and_a_lost_device_are_alarms_of_their_own() {
    let server = Server::start().await;
    let mut cave = Device::enrolled(&server, "t1", "c1").await;
    for _ in 0..2 {
        let (_, code) = server.ticket(json!({ "product": "pass" })).await;
        let decision = cave.scan(&code).await;
        cave.pass(&decision["grant"], "taken", 1).await;
    }
    let level = |s: &Value| {
        s["alarms"].as_array().is_some_and(|rows| {
            rows.iter().any(|row| row["code"] == "area_level" && row["area"] == "cave")
        })
    };
    server.until("the full cave", level).await;
    cave.vanish();
    let lost = |s: &Value| {
        s["alarms"].as_array().is_some_and(|rows| {
            rows.iter().any(|row| row["code"] == "device_offline" && row["device"] == "t1")
        })
    };
    server.until("the lost device", lost).await;
}

#[tokio::test]
async fn what_two_gates_let_in_offline_is_a_conflict_that_names_both() {
    let server = Server::start().await;
    let mut first = Device::enrolled(&server, "t1", "n1").await;
    let mut second = Device::enrolled(&server, "t2", "n2").await;
    let (id, code) = server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;
    for lane in [&mut first, &mut second] {
        let mut event = lane.passage_message(&Value::Null, "taken", 1);
        event.as_object_mut().expect("an object").remove("grant");
        event["by"] = json!("signature");
        event["credential"] = json!({ "type": "qr", "data": code });
        lane.say("event", &event).await;
        lane.next("event-ack").await;
    }
    let told = server.get("/api/v1/conflicts").await.body;
    let conflict = &told["conflicts"][0];
    assert_eq!((&conflict["ticket"], &conflict["device"]), (&json!(id), &json!("t2")), "{told}");
    let note = conflict["note"].as_str().expect("words");
    assert!(note.contains("lane n2") && note.contains("gate north"), "{note}");
    server.until("both are inside", |s| s["today"]["in_site"] == 2).await;
    assert_eq!(server.get("/api/v1/conflicts?limit=0").await.status, 422);
}
