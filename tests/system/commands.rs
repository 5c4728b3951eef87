//! What people tell the fleet: commands, configurations, the emergency; and what came of each.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Server, device::Device, eventually};

fn open(reason: &str) -> Value {
    json!({ "op": "open", "args": { "persons": 2 }, "reason": reason })
}

async fn state(server: &Server, device: &str, id: &Value, wanted: &str) -> Value {
    let path = format!("/api/v1/devices/{device}/commands");
    eventually(&format!("the command's state {wanted}"), async || {
        let told = server.get(&path).await.body;
        let rows = told["commands"].as_array().expect("commands").clone();
        rows.into_iter().find(|row| row["id"] == *id && row["state"] == wanted)
    })
    .await
}

#[tokio::test]
async fn a_command_goes_to_one_session_and_its_end_is_on_record() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let path = "/api/v1/devices/t1/commands";
    let sent = server.post(path, &open("a pram")).await;
    assert_eq!((sent.status, &sent.body["state"]), (202, &json!("sent")), "{:?}", sent.body);
    let command = lane.next("command").await;
    assert_eq!(command["id"], sent.body["id"]);
    assert_eq!(command["session"], json!(lane.session));
    assert_eq!(command["args"]["persons"], 2);
    assert!(command["at"].as_i64() > Some(1_700_000_000_000), "{command}");
    lane.ack(&command, "received", json!({})).await;
    state(&server, "t1", &command["id"], "received").await;
    lane.ack(&command, "done", json!({ "result": { "opened": true } })).await;
    let done = state(&server, "t1", &command["id"], "done").await;
    assert_eq!((&done["by"], &done["reason"]), (&json!("admin"), &json!("a pram")));
    assert_eq!(done["result"]["opened"], true);
    // What follows is a passage like any other, by hand.
    let mut passage = lane.passage_message(&Value::Null, "taken", 2);
    passage.as_object_mut().expect("an object").remove("grant");
    passage["by"] = json!("manual");
    lane.say("event", &passage).await;
    server.until("two inside", |s| s["today"]["in_site"] == 2).await;
    let trail = server.get("/api/v1/audit?action=device.command").await.body;
    let actions: Vec<_> = trail["lines"].as_array().expect("lines").iter().collect();
    assert_eq!(actions.len(), 2, "{trail}");
    assert_eq!(
        (&actions[0]["action"], &actions[0]["actor"]),
        (&json!("device.command.done"), &json!("t1"))
    );
    assert!(actions[1]["note"].as_str().expect("a note").contains("a pram"), "{trail}");

    // An answer after a restart still finds its command; one that nobody asked for changes nothing.
    let second = server.post(path, &open("again")).await.body["id"].clone();
    let command = lane.next("command").await;
    server.kill();
    server.restart().await;
    let lane = lane.reconnect(&server).await;
    lane.ack(&json!({ "id": Uuid::now_v7() }), "done", json!({})).await;
    lane.ack(&command, "failed", json!({ "reason": "the motor is stuck" })).await;
    let failed = state(&server, "t1", &second, "failed").await;
    assert_eq!(failed["why"], "the motor is stuck");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_what_and_how() {
    let server = Server::start().await;
    server.enrol("t9", "n2").await;
    let mut kiosk = Device::enrolled_as(&server, "k1", "kiosk").await;
    let to = |device: &str| format!("/api/v1/devices/{device}/commands");
    assert_eq!(server.post(&to("nobody"), &open("x")).await.status, 404);
    let away = server.post(&to("t9"), &open("x")).await;
    assert_eq!(away.status, 409, "{:?}", away.body);
    assert!(away.body["detail"].as_str().expect("words").contains("not connected"));
    for (wrong, word) in [
        (open("x"), "kiosk knows no open"),
        (json!({ "op": "dance", "reason": "x" }), "unknown op"),
        (json!({ "op": "emergency", "args": { "on": true }, "reason": "x" }), "/api/v1/emergency"),
        (json!({ "op": "message", "args": {}, "reason": "x" }), "text"),
        (
            json!({ "op": "message", "args": { "text": "hello", "seconds": 0 }, "reason": "x" }),
            "seconds",
        ),
        (json!({ "op": "message", "args": { "text": "hello" }, "reason": " " }), "reason"),
        (
            json!({ "op": "message", "args": { "text": "hello" }, "reason": "x", "ttl_ms": 5 }),
            "ttl_ms",
        ),
    ] {
        let refused = server.post(&to("k1"), &wrong).await;
        assert_eq!(refused.status, 422, "{wrong}: {:?}", refused.body);
        let detail = refused.body["detail"].as_str().expect("words");
        assert!(detail.contains(word), "{wrong}: {detail}");
    }
    let message = json!({ "op": "message", "args": { "text": "您好" }, "reason": "a try" });
    assert_eq!(server.post(&to("k1"), &message).await.status, 202);
    assert_eq!(kiosk.next("command").await["args"]["text"], "您好");
}

#[tokio::test]
async fn a_command_without_an_answer_is_not_waited_for_for_ever() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let body = json!({ "op": "open", "reason": "x", "ttl_ms": 1000 });
    let sent = server.post("/api/v1/devices/t1/commands", &body).await;
    let command = lane.next("command").await;
    state(&server, "t1", &sent.body["id"], "unanswered").await;
    // Too late: it stays what it was.
    lane.ack(&command, "done", json!({})).await;
    lane.fact("boot", json!({ "reason": "a mark" })).await;
    state(&server, "t1", &sent.body["id"], "unanswered").await;
}

#[tokio::test]
async fn a_configuration_waits_for_its_device_and_its_rejects_are_shown() {
    let mut server = Server::start().await;
    let path = "/api/v1/devices/t1/config";
    server.enrol("t1", "n1").await;
    let wrong = json!({ "config": { "ttl_ms": 5, "fan": 1 }, "reason": "x" });
    let refused = server.put(path, &wrong).await;
    assert_eq!(refused.status, 422);
    let detail = refused.body["detail"].as_str().expect("words");
    assert!(detail.contains("config.ttl_ms") && detail.contains("config.fan"), "{detail}");
    let set = json!({ "config": { "ttl_ms": 900, "x-fan": 1 }, "reason": "slow network" });
    assert_eq!(server.put(path, &set).await.body["version"], 1);
    let stale = json!({ "config": {}, "version": 0, "reason": "x" });
    assert_eq!(server.put(path, &stale).await.status, 409);

    server.kill();
    server.restart().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let config = lane.next("config").await;
    assert_eq!((&config["version"], &config["config"]["ttl_ms"]), (&json!(1), &json!(900)));
    assert_eq!(config["session"], json!(lane.session));
    let report = json!({ "version": null, "refused": 1, "rejects": { "x-fan": "no fan" }, "mode": "locked" });
    lane.say("config", &report).await;
    let told = eventually("the report", async || {
        let told = server.get(path).await.body;
        (told["reported"]["refused"] == 1).then_some(told)
    })
    .await;
    assert_eq!(told["reported"]["rejects"]["x-fan"], "no fan");
    assert_eq!((&told["desired"]["version"], &told["desired"]["by"]), (&json!(1), &json!("admin")));
    // The lane that says it is locked takes no visitors, and the wall shows it.
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    assert_eq!(lane.scan(&code).await["reason"], "lane_closed");
    server.until("a closed lane", |s| s["lanes"][0]["condition"] == "closed").await;
    lane.fact("mode", json!({ "mode": "normal" })).await;
    assert_eq!(lane.scan(&code).await["result"], "grant");
    let next = json!({ "config": { "ttl_ms": 800 }, "version": 1, "reason": "better" });
    assert_eq!(server.put(path, &next).await.body["version"], 2);
    assert_eq!(lane.next("config").await["version"], 2);
}

#[tokio::test]
async fn in_an_emergency_every_lane_is_told_also_one_that_comes_later() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let on = json!({ "on": true, "reason": "smoke in the cave" });
    let now = server.post("/api/v1/emergency", &on).await;
    assert_eq!(
        (now.status, &now.body["on"], &now.body["by"]),
        (200, &json!(true), &json!("admin"))
    );
    let command = lane.next("command").await;
    assert_eq!((&command["op"], &command["args"]["on"]), (&json!("emergency"), &json!(true)));
    assert!(command["session"].is_null(), "to all at once: {command}");
    lane.ack(&command, "done", json!({})).await;
    state(&server, "t1", &command["id"], "done").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    assert_eq!(lane.scan(&code).await["reason"], "emergency");
    let mut out = lane.passage_message(&Value::Null, "taken", 3);
    out.as_object_mut().expect("an object").remove("grant");
    out["by"] = json!("emergency");
    lane.say("event", &out).await;
    lane.next("event-ack").await;
    server.until("three went in", |s| s["today"]["in_site"] == 3).await;
    let raised = server.get("/api/v1/alarms").await.body;
    assert_eq!(raised["alarms"][0]["code"], "emergency", "{raised}");

    server.kill();
    server.restart().await;
    assert_eq!(server.get("/api/v1/emergency").await.body["reason"], "smoke in the cave");
    let mut later = Device::enrolled(&server, "t2", "n2").await;
    let command = later.next("command").await;
    assert_eq!((&command["op"], &command["session"]), (&json!("emergency"), &json!(later.session)));
    let off = json!({ "on": false, "reason": "a false alarm" });
    assert_eq!(server.post("/api/v1/emergency", &off).await.status, 200);
    assert_eq!(later.next("command").await["args"]["on"], false);
    assert_eq!(later.scan(&code).await["result"], "grant");
    assert_eq!(server.get("/api/v1/alarms").await.body["alarms"], json!([]));
    let trail = server.get("/api/v1/audit?action=emergency.").await.body;
    assert_eq!(trail["lines"].as_array().map(Vec::len), Some(2), "{trail}");
}

#[tokio::test]
async fn counters_that_part_from_the_passages_are_an_alarm() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    for counted in [1, 2, 4] {
        let passage = json!({
            "type": "passage", "lane": "n1", "outcome": "taken", "count": 1, "by": "manual",
            "counters": { "in": counted, "out": 0 },
        });
        assert_eq!(server.get("/api/v1/alarms").await.body["alarms"], json!([]), "{counted}");
        lane.fact("passage", passage).await;
    }
    let told = server.get("/api/v1/alarms").await.body;
    assert_eq!(told["alarms"][0]["code"], "counter_drift", "{told}");
}
