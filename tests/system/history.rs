//! History: what was counted is what passed, exactly once, whatever is killed; and it can be taken
//! away as a table.

use serde_json::{Value, json};

use crate::support::{Server, device::Device, today};

/// The sum of a series' numbers.
fn sum(line: &Value, what: &str) -> u64 {
    line[what].as_array().expect("numbers").iter().filter_map(Value::as_u64).sum()
}

/// One line of a series.
fn line<'a>(flow: &'a Value, key: &str) -> &'a Value {
    let lines = flow["series"].as_array().expect("series");
    lines.iter().find(|line| line["key"] == key).unwrap_or(&Value::Null)
}

async fn flow(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/api/v1/flow{query}")).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.body
}

/// Three in and one out through n1, two of a group through n2, one refused.
async fn a_morning(server: &Server) {
    let mut lane = Device::enrolled(server, "t1", "n1").await;
    let mut other = Device::enrolled(server, "t2", "n2").await;
    let day = json!({ "product": "adult-day", "visit_date": today(), "channel": "ota" });
    let (_, code) = server.ticket(day).await;
    let granted = lane.scan(&code).await;
    lane.pass(&granted["grant"], "taken", 1).await;
    assert_eq!(lane.scan(&code).await["reason"], "already_used");
    for _ in 0..2 {
        let (_, pass) = server.ticket(json!({ "product": "pass" })).await;
        let granted = lane.scan(&pass).await;
        lane.pass(&granted["grant"], "taken", 1).await;
    }
    let group = json!({ "product": "group", "visit_date": today(), "persons": 2 });
    let (_, group) = server.ticket(group).await;
    let granted = other.scan(&group).await;
    other.pass(&granted["grant"], "taken", 2).await;
    let out = json!({ "id": uuid::Uuid::now_v7(), "lane": "n1", "direction": "out",
        "credential": { "type": "qr", "data": code } });
    let leaving = server.post("/api/v1/admissions", &out).await;
    assert_eq!(leaving.body["result"], "grant", "{:?}", leaving.body);
    let grant = leaving.body["grant"].as_str().expect("a grant");
    let taken = json!({ "outcome": "taken", "count": 1 });
    let passed = server.post(&format!("/api/v1/admissions/{grant}/passage"), &taken).await;
    assert_eq!(passed.status, 200, "{:?}", passed.body);
}

async fn the_morning_is_counted(server: &Server) {
    let site = flow(server, "").await;
    let own = line(&site, "testpark");
    assert_eq!((sum(own, "in"), sum(own, "out"), sum(own, "denied")), (5, 1, 1), "{own}");
    assert_eq!(
        (&site["bucket"], &site["by"], &site["timezone"]),
        (&json!("5m"), &json!("site"), &json!("UTC"))
    );
    let at = site["at"].as_array().expect("moments").len();
    assert_eq!(own["in"].as_array().expect("numbers").len(), at);

    let lanes = flow(server, "?by=lane&bucket=1h").await;
    assert_eq!((sum(line(&lanes, "n1"), "in"), sum(line(&lanes, "n1"), "out")), (3, 1));
    assert_eq!(sum(line(&lanes, "n2"), "in"), 2);
    let gates = flow(server, "?by=gate&bucket=1d").await;
    assert_eq!(sum(line(&gates, "north"), "in"), 5);
    assert_eq!(line(&gates, "north")["denied"], json!([1]));
    assert_eq!(sum(line(&gates, "cave-gate"), "in"), 0, "a gate is told also when nobody came");
    let areas = flow(server, "?by=area&bucket=1m").await;
    assert_eq!(sum(line(&areas, "park"), "in"), 5);
    let classes = flow(server, "?by=class").await;
    assert_eq!(sum(line(&classes, "group"), "in"), 2);
    assert!(line(&classes, "group")["denied"].is_null(), "a refusal is not counted by class");
    let channels = flow(server, "?by=channel").await;
    assert_eq!(sum(line(&channels, "ota"), "in"), 1);
    assert_eq!(sum(line(&channels, "direct"), "in"), 4);
    let reasons = flow(server, "?by=reason").await;
    assert_eq!(sum(line(&reasons, "already_used"), "denied"), 1);

    let day = server.get("/api/v1/flow/day").await.body;
    let counted = ["entries", "exits", "denied", "in_site"].map(|what| day[what].as_u64());
    assert_eq!(counted, [Some(5), Some(1), Some(1), Some(4)], "{day}");
    assert_eq!((&day["day"], &day["open"]), (&json!(today()), &json!(true)));
    assert_eq!(day["dwell"]["persons"], 1, "one went home again: {day}");
    assert_eq!(day["by_channel"][0]["key"], "direct");
    assert_eq!(day["by_reason"][0]["key"], "already_used");
    assert_eq!(day["capacity"], 1000);
}

#[tokio::test]
async fn what_is_counted_is_what_passed_also_after_kill_9() {
    let mut server = Server::start().await;
    a_morning(&server).await;
    the_morning_is_counted(&server).await;
    for _ in 0..2 {
        server.kill();
        server.restart().await;
        the_morning_is_counted(&server).await;
    }
}

#[tokio::test]
async fn the_feed_tells_by_which_channel_today_was_sold() {
    let server = Server::start().await;
    a_morning(&server).await;
    let told = server.until("the channels", |s| s["past"]["by_channel"]["direct"] == 4).await;
    assert_eq!(told["past"]["by_channel"]["ota"], 1);
    assert!(told["past"]["forecast"].is_null(), "without a past nothing is expected");
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let server = Server::start().await;
    for (query, status, word) in [
        ("?bucket=2m", 422, "bucket: 1m, 5m"),
        ("?by=colour", 422, "by: site, area"),
        ("?from=yesterday", 422, "from: "),
        ("?from=2026-11-22&to=2026-11-20", 422, "to: "),
        ("?from=2020-01-01&to=2026-01-01&bucket=1m", 400, "10000 buckets"),
        ("?colour=red", 400, "from, to, bucket, by"),
        ("/day?day=today", 422, "day: a date"),
    ] {
        let answer = server.get(&format!("/api/v1/flow{query}")).await;
        assert_eq!(answer.status, status, "{query}: {:?}", answer.body);
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(word), "{query}: {detail}");
    }
    let nobody = reqwest::get(format!("{}/api/v1/flow", server.http)).await.expect("an answer");
    assert_eq!(nobody.status(), 401);
}
