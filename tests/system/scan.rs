//! The path of a scan: presentation, decision, passage, counts on the glass.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Server, device::Device, eventually, today};

fn row<'a>(snapshot: &'a Value, kind: &str, id: &str) -> &'a Value {
    snapshot[kind]
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["id"] == id))
        .unwrap_or(&Value::Null)
}

#[tokio::test]
async fn a_visitor_walks_in_and_is_counted_and_walks_out_again() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (id, code) = server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;

    let decision = lane.scan(&code).await;
    assert_eq!(decision["result"], "grant", "{decision}");
    assert_eq!(decision["reason"], "ok");
    assert_eq!(decision["persons"], 1);
    assert_eq!(decision["show"]["light"], "green");
    assert_eq!(decision["show"]["title"], "欢迎光临");
    let before =
        server.until("the place to be taken", |s| row(s, "areas", "park")["reserved"] == 1).await;
    assert_eq!(before["today"]["in_site"], 0, "nobody is in before the passage");

    lane.pass(&decision["grant"], "taken", 1).await;
    let after = server.until("one in the park", |s| s["today"]["in_site"] == 1).await;
    assert_eq!(after["today"]["entries"], 1);
    assert_eq!(row(&after, "areas", "park")["occupancy"], 1);
    assert_eq!(row(&after, "areas", "park")["reserved"], 0);
    assert_eq!(row(&after, "gates", "north")["in_today"], 1);
    assert_eq!(row(&after, "lanes", "n1")["condition"], "online");
    let newest = after["recent"].as_array().and_then(|lines| lines.last()).expect("a line");
    assert_eq!((&newest["kind"], &newest["class"]), (&json!("passage"), &json!("adult")));

    let ticket = server.get(&format!("/api/v1/tickets/{id}")).await.body;
    assert_eq!(ticket["entries"], 1);
    assert_eq!(ticket["inside"][0]["area"], "park");
    assert_eq!(ticket["entitlements"][0]["remaining"], 0);

    let out = lane.scan_towards(&code, "out").await;
    assert_eq!(out["result"], "grant", "nobody is kept in: {out}");
    lane.pass(&out["grant"], "taken", 1).await;
    let after = server.until("nobody in the park", |s| s["today"]["in_site"] == 0).await;
    assert_eq!(after["today"]["exits"], 1);
    assert_eq!(after["today"]["entries"], 1, "entries are not occupancy");

    let again = lane.scan(&code).await;
    assert_eq!(again["result"], "deny");
    assert_eq!(again["reason"], "already_used");
    assert_eq!(again["facts"]["gate"], "north");
}

#[tokio::test]
async fn the_same_scan_id_gets_the_first_answer_and_has_no_second_effect() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let id = Uuid::now_v7().to_string();
    let scan = lane.scan_message(&id, &code);
    lane.say("scan", &scan).await;
    let first = lane.next("decision").await;
    assert_eq!(first["result"], "grant");
    lane.say("scan", &scan).await;
    assert_eq!(lane.next("decision").await, first, "word for word");
    let grants = server.get("/api/v1/grants?open=true").await.body;
    let open = grants["grants"].as_array().or(grants.as_array()).expect("grants");
    assert_eq!(open.len(), 1, "{grants}");
}

#[tokio::test]
async fn a_ticket_in_progress_is_not_given_away_at_another_lane() {
    let server = Server::start().await;
    let mut first = Device::enrolled(&server, "t1", "n1").await;
    let mut second = Device::enrolled(&server, "t2", "n2").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let granted = first.scan(&code).await;
    assert_eq!(granted["result"], "grant");
    let refused = second.scan(&code).await;
    assert_eq!(refused["reason"], "in_progress");
    first.pass(&granted["grant"], "not_taken", 0).await;
    assert_eq!(second.scan(&code).await["result"], "grant", "not taken gives it back");
}

#[tokio::test]
async fn a_group_that_enters_in_part_keeps_the_rest() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) =
        server.ticket(json!({ "product": "group", "visit_date": today(), "persons": 30 })).await;
    let decision = lane.scan(&code).await;
    assert_eq!(decision["persons"], 30);
    lane.pass(&decision["grant"], "partial", 20).await;
    server.until("twenty in the park", |s| s["today"]["in_site"] == 20).await;
    let rest = lane.scan(&code).await;
    assert_eq!((&rest["result"], &rest["persons"]), (&json!("grant"), &json!(10)));
    lane.pass(&rest["grant"], "taken", 10).await;
    server.until("thirty in the park", |s| s["today"]["in_site"] == 30).await;
    assert_eq!(lane.scan(&code).await["reason"], "already_used");
}

#[tokio::test]
async fn the_last_place_is_given_away_once() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "c1").await;
    let mut grants = Vec::new();
    for _ in 0..2 {
        let (_, code) = server.ticket(json!({ "product": "pass" })).await;
        grants.push(lane.scan(&code).await);
    }
    assert!(grants.iter().all(|grant| grant["result"] == "grant"), "{grants:?}");
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let full = lane.scan(&code).await;
    assert_eq!(full["reason"], "area_full", "two places, both reserved: {full}");
    assert_eq!(full["facts"]["capacity"], 2);
    lane.pass(&grants[0]["grant"], "not_taken", 0).await;
    assert_eq!(lane.scan(&code).await["result"], "grant", "a place given back is free");
}

#[tokio::test]
async fn what_is_not_valid_is_refused_by_its_own_reason() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let gone = json!({ "product": "adult-day", "visit_date": "2020-02-29" });
    let (_, expired) = server.ticket(gone).await;
    assert_eq!(lane.scan(&expired).await["reason"], "expired");
    let to_come = json!({ "product": "adult-day", "visit_date": "2099-01-01" });
    let (_, early) = server.ticket(to_come).await;
    assert_eq!(lane.scan(&early).await["reason"], "not_yet_valid");
    let (id, voided) = server.ticket(json!({ "product": "pass" })).await;
    let path = format!("/api/v1/tickets/{id}/void");
    assert_eq!(server.post(&path, &json!({ "reason": "test" })).await.status / 100, 2);
    assert_eq!(lane.scan(&voided).await["reason"], "voided");
    assert_eq!(lane.scan("NOT-A-TICKET").await["reason"], "unknown_ticket");
    let mut forged = expired.clone();
    forged.replace_range(40..41, if &forged[40..41] == "A" { "B" } else { "A" });
    assert_eq!(lane.scan(&forged).await["reason"], "forged");
    let snapshot = server.until("five refusals", |s| s["today"]["denied"] == 5).await;
    assert_eq!(snapshot["today"]["by_reason"]["forged"], 1);
}

#[tokio::test]
async fn a_card_and_a_partners_code_lead_to_their_ticket_but_not_each_other() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    server
        .ticket(json!({ "product": "pass", "credentials": [
            { "type": "rfid", "data": "04A1B2C3" }, { "type": "barcode", "data": "OTA-777" }
        ] }))
        .await;
    assert_eq!(lane.scan("04A1B2C3").await["reason"], "unknown_ticket", "printed, not a card");
    let scanned = lane.scan("\r\nOTA-777\r\n").await;
    assert_eq!(scanned["result"], "grant", "cleaned of what scanners add: {scanned}");
}

#[tokio::test]
async fn a_silent_lanes_grant_is_seen_and_an_operator_releases_it() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let decision = lane.scan(&code).await;
    let grant = decision["grant"].as_str().expect("a grant").to_owned();
    lane.vanish();
    server.until("an offline lane", |s| row(s, "lanes", "n1")["condition"] == "offline").await;
    let path = format!("/api/v1/grants/{grant}/release");
    let released = server.post(&path, &json!({ "reason": "lane n1 lost power" })).await;
    assert_eq!(released.status / 100, 2, "{:?}", released.body);
    let mut other = Device::enrolled(&server, "t2", "n2").await;
    assert_eq!(other.scan(&code).await["result"], "grant");
    let again = server.post(&path, &json!({ "reason": "twice" })).await;
    assert_eq!(again.status, 409, "one outcome per grant");
}

#[tokio::test]
async fn a_replayed_event_is_acknowledged_and_counts_once() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let decision = lane.scan(&code).await;
    let event = lane.passage_message(&decision["grant"], "taken", 1);
    for _ in 0..3 {
        lane.say("event", &event).await;
        assert_eq!(lane.next("event-ack").await["upto"], 1);
    }
    let log = json!({ "epoch": lane.epoch, "events": [event] });
    lane.say("log", &log).await;
    assert_eq!(lane.next("event-ack").await["upto"], 1);
    let snapshot = server.until("one entry", |s| s["today"]["in_site"] == 1).await;
    assert_eq!(snapshot["today"]["entries"], 1);
}

#[tokio::test]
async fn what_comes_after_a_gap_is_kept_and_not_acknowledged() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let event = |lane: &Device, seq: u64| json!({ "epoch": lane.epoch, "seq": seq, "type": "boot", "reason": "test" });
    let third = event(&lane, 3);
    lane.say("event", &third).await;
    assert_eq!(lane.next("event-ack").await["upto"], 0);
    let batch = json!({ "epoch": lane.epoch, "events": [event(&lane, 1), event(&lane, 2)] });
    lane.say("log", &batch).await;
    assert_eq!(lane.next("event-ack").await["upto"], 3);
    lane.seq = 3;
    let hello = lane.hello().await;
    assert_eq!(hello["acked"], 3);
}

#[tokio::test]
async fn a_free_exit_without_a_ticket_is_counted() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let decision = lane.scan(&code).await;
    lane.pass(&decision["grant"], "taken", 1).await;
    server.until("one in", |s| s["today"]["in_site"] == 1).await;
    let mut exit = lane.passage_message(&Value::Null, "taken", 1);
    exit["direction"] = json!("out");
    exit["by"] = json!("own");
    lane.say("event", &exit).await;
    lane.next("event-ack").await;
    server.until("nobody in", |s| s["today"]["in_site"] == 0).await;
}

#[tokio::test]
async fn a_second_passage_of_one_grant_counts_once() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let decision = lane.scan(&code).await;
    lane.pass(&decision["grant"], "taken", 1).await;
    let ack = lane.pass(&decision["grant"], "taken", 1).await;
    assert_eq!(ack["upto"], 2, "a fact is never refused");
    let snapshot = server.until("one in", |s| s["today"]["in_site"] == 1).await;
    assert_eq!(row(&snapshot, "gates", "north")["in_today"], 1);
}

#[tokio::test]
async fn what_the_device_refused_by_itself_is_not_kept_for_it() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let mut other = Device::enrolled(&server, "t2", "n2").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let id = Uuid::now_v7().to_string();
    let scan = lane.scan_message(&id, &code);
    // Both at once, as after a stall of the network longer than the time to live.
    lane.say("scan", &scan).await;
    let denied = json!({
        "epoch": lane.epoch, "seq": 1, "type": "denied", "scan": id, "reason": "busy", "by": "own",
    });
    lane.say("event", &denied).await;
    lane.next("event-ack").await;
    eventually("the ticket to be free again", async || {
        (other.scan(&code).await["result"] == "grant").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_clean_goodbye_takes_the_lane_off_the_wall() {
    let server = Server::start().await;
    let lane = Device::enrolled(&server, "t1", "n1").await;
    lane.client.disconnect().await.expect("queued");
    server.until("an offline lane", |s| row(s, "lanes", "n1")["condition"] == "offline").await;
}

#[tokio::test]
async fn a_turnstile_speaks_for_its_own_lane_only() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    lane.lane = "n2".into();
    assert_eq!(lane.scan(&code).await["reason"], "lane_closed");
    let problem = eventually("the problem at the device", async || {
        let device = server.get("/api/v1/devices/t1").await.body;
        device["last_error"]["problem"].as_str().map(str::to_owned)
    })
    .await;
    assert!(problem.contains("n2"), "{problem}");
}

#[tokio::test]
async fn a_device_clock_that_is_off_is_found_out_and_decides_nothing() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    // Two days ahead, and sure of itself: by its clock the ticket of today were expired.
    let ahead = jiff::Timestamp::now().as_millisecond() + 2 * 24 * 3_600_000;
    let hello = json!({
        "protocol": "1.0", "kind": "turnstile", "serial": "S1", "model": "test", "firmware": "1.2.3",
        "session": "4711", "epoch": "e1", "next_seq": 1,
        "at": ahead, "up_ms": 1000, "boot": 1, "clock": "synced",
    });
    lane.say("hello", &hello).await;
    assert_eq!(lane.next("hello").await["status"], "accepted");
    let (_, code) = server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;
    let mut scan = lane.scan_message(&Uuid::now_v7().to_string(), &code);
    (scan["at"], scan["clock"]) = (json!(ahead + 1000), json!("synced"));
    lane.say("scan", &scan).await;
    let decision = lane.next("decision").await;
    assert_eq!(decision["result"], "grant", "{decision}");
    let mut event = lane.passage_message(&decision["grant"], "taken", 1);
    (event["at"], event["clock"]) = (json!(ahead + 2000), json!("synced"));
    lane.say("event", &event).await;
    server.until("today's entry", |s| s["today"]["entries"] == 1).await;
    let device = server.get("/api/v1/devices/t1").await.body;
    assert!(device["clock_skew_ms"].as_i64() > Some(47 * 3_600_000), "{device}");
    let told = device["last_error"]["problem"].as_str().expect("it is told");
    assert!(told.contains("synced"), "{told}");
    assert!(server.metric("shanmen_device_clocks_off_total").await > 0.0);
}
