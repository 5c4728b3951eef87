//! History: what was counted is what passed, exactly once, whatever is killed; and it can be taken
//! away as a table.

use serde_json::{Value, json};

use crate::support::{Server, device::Device, park, today};

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
async fn the_feed_counts_who_came_and_left_since_the_full_hour() {
    let server = Server::start().await;
    let hour = |state: &Value| state["at"].as_i64().expect("a moment") / 3_600_000;
    let before = server.until("a state", |state| state["at"].is_i64()).await;
    a_morning(&server).await;
    let told = server.until("the exit", |state| state["today"]["exits"] == 1).await;
    let counted = ["entries", "exits"]
        .map(|what| (&told["today"][what], &told["today"][format!("{what}_this_hour")]));
    // A full hour may have struck in between: it begins anew, and never says more than the day.
    for (day, since) in counted {
        assert!(since.as_u64() <= day.as_u64(), "{told}");
        assert!(hour(&before) != hour(&told) || since == day, "{told}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let server = Server::start().await;
    for (query, status, word) in [
        ("?bucket=2m", 422, "bucket: 1m, 5m"),
        ("?by=colour", 422, "by: site, area"),
        ("?from=yesterday", 422, "from: "),
        ("?from=2026-11-22&to=2026-11-20", 422, "to: "),
        (
            "?from=2020-01-01&to=2026-01-01&bucket=1m",
            400,
            "minutes by 1 are more than 10000 buckets",
        ),
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

#[tokio::test]
async fn an_answer_that_would_be_too_long_says_how_long_and_how_to_ask_for_less() {
    let gates: Vec<String> = (0..58)
        .map(|n| format!("[[gates]]\nid = \"g{n}\"\nfrom = \"outside\"\nto = \"park\"\n"))
        .collect();
    let server = Server::start_with(&format!("{}{}", park(""), gates.concat())).await;
    let month = "from=2026-01-01&to=2026-01-30&bucket=5m&by=gate";
    for path in ["flow?", "flow/export?", "flow/export?format=csv&"] {
        let answer = server.get(&format!("/api/v1/{path}{month}")).await;
        assert_eq!(answer.status, 400, "{path}: {:?}", answer.body);
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        for word in ["8640 buckets", "60 keys", "518400 counts", "500000", "a shorter span"] {
            assert!(detail.contains(word), "{path}: {detail}");
        }
    }
    // What it says helps.
    let weeks = flow(&server, "?from=2026-01-01&to=2026-01-28&bucket=5m&by=gate").await;
    let lines = weeks["series"].as_array().expect("series");
    assert_eq!((lines.len(), lines[0]["in"].as_array().map(Vec::len)), (60, Some(8_064)));
    let wider = server.get("/api/v1/flow/export?from=2026-01-01&to=2026-01-30&by=gate").await;
    assert_eq!(wider.status, 200, "{:?}", wider.body);
}

#[tokio::test]
async fn a_late_fact_counts_in_the_minute_in_which_it_happened() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let passed_at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(3);
    let mut event = lane.passage_message(&json!(null), "taken", 1);
    let fields = event.as_object_mut().expect("an object");
    fields.remove("grant");
    fields.insert("at".into(), json!(passed_at.as_millisecond()));
    fields.insert("boot".into(), json!(7));
    fields.insert("clock".into(), json!("synced"));
    lane.say("event", &event).await;
    while lane.next("event-ack").await["upto"].as_u64() < Some(1) {}
    let (from, to) = (
        passed_at - jiff::SignedDuration::from_secs(60),
        passed_at + jiff::SignedDuration::from_secs(1),
    );
    let then = flow(&server, &format!("?from={from}&to={to}&bucket=1m&by=lane")).await;
    assert_eq!(sum(line(&then, "n1"), "in"), 1, "{then}");
    let since = passed_at + jiff::SignedDuration::from_hours(1);
    let now = flow(&server, &format!("?from={since}&bucket=1m&by=lane")).await;
    assert_eq!(now["series"], json!([]), "and not when it was told");
}

#[tokio::test]
async fn the_counts_are_taken_away_as_tables_that_excel_opens() {
    let server = Server::start().await;
    a_morning(&server).await;
    let csv = server.get("/api/v1/flow/export?format=csv&by=gate&bucket=1d").await;
    assert_eq!((csv.status, csv.kind.as_str()), (200, "text/csv; charset=utf-8"));
    let text = String::from_utf8(csv.bytes).expect("UTF-8");
    let lines: Vec<&str> = text.strip_prefix('\u{feff}').expect("a BOM").split("\r\n").collect();
    assert_eq!(lines[0], "日期,编号,门,入园人次,出园人次,其中二次入园,拒绝次数,开闸未通过");
    assert_eq!(lines[1], format!("{},north,north,5,1,0,1,0", today()));
    let english = server.get("/api/v1/flow/export?what=denies&format=csv&bucket=1d&lang=en").await;
    let text = String::from_utf8(english.bytes).expect("UTF-8");
    assert!(text.contains("Date,Id,Reason,Refused\r\n"), "{text}");
    assert!(text.contains(&format!("{},already_used,", today())), "{text}");

    let book = server.get("/api/v1/flow/export?bucket=1d").await;
    assert_eq!(book.status, 200);
    let mut book: calamine::Xlsx<_> =
        calamine::open_workbook_from_rs(std::io::Cursor::new(book.bytes)).expect("a workbook");
    let range = calamine::Reader::worksheet_range(&mut book, "客流").expect("a sheet");
    let heading = range.get_value((0, 3)).expect("a heading").to_string();
    assert_eq!(
        (heading.as_str(), range.get_value((1, 3))),
        ("入园人次", Some(&calamine::Data::Float(5.0)))
    );

    let url = format!("{}/api/v1/flow/export?what=devices", server.http);
    let request = crate::support::client().get(url).bearer_auth(&server.token);
    let devices = request.send().await.expect("an answer");
    let named = devices.headers()["content-disposition"].to_str().expect("ASCII").to_owned();
    assert!(named.starts_with("attachment; filename=\"devices-"), "{named}");
    assert!(named.contains("filename*=UTF-8''%E8%AE%BE%E5%A4%87"), "{named}");
}

#[tokio::test]
async fn days_weeks_and_hours_are_told_also_where_nothing_is_on_record() {
    let server = Server::start().await;
    let week = server.get("/api/v1/flow/week").await.body;
    let days = week["days"].as_array().expect("days");
    assert_eq!((days.len(), &days[13]["day"]), (14, &json!(today())));
    assert_eq!(
        server.get("/api/v1/flow/heatmap").await.body,
        json!({ "weeks": 8, "days": 0, "cells": [] })
    );
    let forecast = server.get("/api/v1/flow/forecast").await.body;
    assert!(forecast["entries"].is_null() && forecast["errors"] == json!([]), "{forecast}");
    let day = server.get("/api/v1/flow/day?day=2026-01-05").await.body;
    assert_eq!(
        (&day["open"], &day["entries"], &day["in_site"]),
        (&json!(false), &json!(0), &Value::Null)
    );
    assert!(day["last_week"].is_null() && day["forecast"].is_null() && day["dwell"].is_null());
}
