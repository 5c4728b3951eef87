//! `kill -9` and restart: nothing lost, nothing double.

use serde_json::json;

use crate::support::{Server, device::Device, today};

#[tokio::test]
async fn killed_between_decision_and_passage_nothing_is_lost_and_nothing_double() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (id, code) = server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;
    let (_, inside) = server.ticket(json!({ "product": "pass" })).await;
    let first = lane.scan(&inside).await;
    lane.pass(&first["grant"], "taken", 1).await;
    let granted = lane.scan(&code).await;
    assert_eq!(granted["result"], "grant");

    server.kill();
    server.restart().await;
    let snapshot = server.snapshot().await;
    assert_eq!(snapshot["today"]["in_site"], 1, "presence is restored");
    assert_eq!(snapshot["today"]["entries"], 1, "and the day's counts");
    assert_eq!(snapshot["areas"][0]["reserved"], 1, "and the place of the open grant");

    let mut lane = lane.reconnect(&server).await;
    let hello = lane.hello().await;
    assert_eq!(hello["acked"], 1, "the first passage is known");
    let mut other = Device::enrolled(&server, "t2", "n2").await;
    assert_eq!(other.scan(&code).await["reason"], "in_progress", "the grant is still open");

    lane.pass(&granted["grant"], "taken", 1).await;
    server.until("two in the park", |s| s["today"]["in_site"] == 2).await;
    assert_eq!(other.scan(&code).await["reason"], "already_used");
    let ticket = server.get(&format!("/api/v1/tickets/{id}")).await.body;
    assert_eq!(ticket["entries"], 1);

    server.kill();
    server.restart().await;
    let snapshot = server.snapshot().await;
    assert_eq!(
        (&snapshot["today"]["in_site"], &snapshot["today"]["entries"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(snapshot["areas"][0]["reserved"], 0);
}

#[tokio::test]
async fn the_same_scan_id_gets_the_first_answer_after_a_restart_too() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;
    let id = uuid::Uuid::now_v7().to_string();
    let scan = lane.scan_message(&id, &code);
    lane.say("scan", &scan).await;
    let first = lane.next("decision").await;
    let refused_id = uuid::Uuid::now_v7().to_string();
    let refused_scan = lane.scan_message(&refused_id, &code);
    lane.say("scan", &refused_scan).await;
    let refused = lane.next("decision").await;
    assert_eq!(refused["reason"], "in_progress");

    server.kill();
    server.restart().await;
    let mut lane = lane.reconnect(&server).await;
    lane.hello().await;
    lane.say("scan", &scan).await;
    assert_eq!(lane.next("decision").await, first, "word for word, the grant too");
    lane.pass(&first["grant"], "taken", 1).await;
    lane.say("scan", &refused_scan).await;
    assert_eq!(lane.next("decision").await, refused, "a refusal does not change its mind");
    lane.say("scan", &scan).await;
    assert_eq!(lane.next("decision").await, first, "nor does a grant that was used");
}

#[tokio::test]
async fn killed_again_and_again_among_visitors_it_loses_nobody() {
    // Each round: grants are given, some are reported, the program is killed in the middle of it,
    // and the lane sends again what was not acknowledged.
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let mut passed = 0;
    for round in 0..5 {
        let mut unacknowledged = Vec::new();
        for n in 0..20 {
            let (_, code) = server.ticket(json!({ "product": "pass" })).await;
            let decision = lane.scan(&code).await;
            assert_eq!(decision["result"], "grant", "{decision}");
            if n % 4 == 3 {
                let event = lane.passage_message(&decision["grant"], "not_taken", 0);
                lane.say("event", &event).await;
                unacknowledged.push(event);
            } else {
                let event = lane.passage_message(&decision["grant"], "taken", 1);
                lane.say("event", &event).await;
                unacknowledged.push(event);
                passed += 1;
            }
        }
        server.kill();
        server.restart().await;
        lane = lane.reconnect(&server).await;
        let hello = lane.hello().await;
        let acked = hello["acked"].as_u64().expect("a number");
        let rest: Vec<_> = unacknowledged
            .into_iter()
            .filter(|event| event["seq"].as_u64() > Some(acked))
            .collect();
        let log = json!({ "epoch": lane.epoch, "events": rest });
        lane.say("log", &log).await;
        let last = lane.seq;
        while last > acked && lane.next("event-ack").await["upto"].as_u64() < Some(last) {}
        let snapshot = server
            .until(&format!("all who passed, and no place held, in round {round}"), |s| {
                s["today"]["in_site"].as_u64() == Some(passed) && s["areas"][0]["reserved"] == 0
            })
            .await;
        assert_eq!(snapshot["today"]["entries"].as_u64(), Some(passed));
    }
}

#[tokio::test]
async fn sigterm_stops_in_order_and_keeps_open_grants() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let granted = lane.scan(&code).await;
    assert_eq!(server.terminate().await, Some(0));
    assert!(!server.data().join("addresses.json").exists(), "nobody finds a dead address");
    server.restart().await;
    let mut lane = lane.reconnect(&server).await;
    lane.hello().await;
    lane.pass(&granted["grant"], "taken", 1).await;
    server.until("one in the park", |s| s["today"]["in_site"] == 1).await;
}

#[tokio::test]
async fn a_gap_told_by_a_number_that_is_known_already_ends_the_waiting() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    // The first fact never comes; the second one does, and later says that both are lost.
    lane.seq = 1;
    let mut second = lane.passage_message(&json!(null), "taken", 1);
    second.as_object_mut().expect("an object").remove("grant");
    lane.say("event", &second).await;
    assert_eq!(lane.next("event-ack").await["upto"], 0);
    let gap = json!({ "epoch": lane.epoch, "seq": 2, "type": "gap", "from": 1, "to": 2,
        "at": null, "up_ms": 4000, "boot": 1, "clock": "none" });
    lane.say("event", &gap).await;
    assert_eq!(lane.next("event-ack").await["upto"], 2);
    server.kill();
    server.restart().await;
    let mut lane = lane.reconnect(&server).await;
    assert_eq!(lane.hello().await["acked"], 2);
    server.until("the passage is still counted", |s| s["today"]["entries"] == 1).await;
}
