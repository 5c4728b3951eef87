//! How full the areas are: the last place, levels that stop entry and sales, the operator's
//! override, and the turn of the business day, when everybody has gone home.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, device::Device, park, today};

fn area<'a>(areas: &'a Value, id: &str) -> &'a Value {
    let rows = areas.as_array().expect("areas");
    rows.iter().find(|row| row["id"] == id).expect("the area")
}

async fn walk_in(lane: &mut Device, code: &str) {
    let decision = lane.scan(code).await;
    assert_eq!(decision["result"], "grant", "{decision}");
    lane.pass(&decision["grant"], "taken", 1).await;
}

async fn passes(server: &Server, count: usize) -> Vec<String> {
    let order = json!({ "tickets": vec![json!({ "product": "pass" }); count] });
    let answer = server.post("/api/v1/tickets", &order).await;
    let tickets = answer.body["tickets"].as_array().expect("tickets");
    tickets.iter().map(|ticket| ticket["code"].as_str().expect("a code").to_owned()).collect()
}

#[tokio::test]
async fn an_operator_lets_people_into_a_full_area_for_a_time_and_on_record() {
    let mut server = Server::start().await;
    let mut cave = Device::enrolled(&server, "t1", "c1").await;
    let codes = passes(&server, 5).await;
    walk_in(&mut cave, &codes[0]).await;
    walk_in(&mut cave, &codes[1]).await;
    let full = cave.scan(&codes[2]).await;
    assert_eq!(full["reason"], "area_full", "{full}");
    assert_eq!((&full["facts"]["count"], &full["facts"]["capacity"]), (&json!(2), &json!(2)));

    let path = "/api/v1/areas/cave/override";
    let without = server.post(path, &json!({ "minutes": 10, "reason": " " })).await;
    assert_eq!(without.status, 422, "a reason is asked for");
    let nowhere = json!({ "minutes": 10, "reason": "x" });
    assert_eq!(server.post("/api/v1/areas/cellar/override", &nowhere).await.status, 404);
    let set = server.post(path, &json!({ "minutes": 10, "reason": "rain outside" })).await;
    assert_eq!((set.status, &set.body["override"]["by"]), (200, &json!("admin")), "{}", set.body);
    let over = cave.scan(&codes[2]).await;
    assert_eq!(over["result"], "grant", "{over}");
    assert_eq!(over["facts"]["overridden"], true, "the grant says so");
    cave.pass(&over["grant"], "taken", 1).await;
    let capacity = server.get("/api/v1/capacity").await.body;
    let row = area(&capacity["areas"], "cave");
    assert_eq!((&row["inside"], &row["capacity"]["instant"]), (&json!(3), &json!(2)), "{row}");
    assert!(row["actions"].as_array().unwrap().contains(&json!("stop_entry")), "{row}");
    let shown = server
        .until("the wall to show it", |s| area(&s["areas"], "cave")["override_until"].is_u64());
    assert_eq!(area(&shown.await["areas"], "cave")["level"], "full");

    server.kill();
    server.restart().await;
    let mut cave = cave.reconnect(&server).await;
    walk_in(&mut cave, &codes[3]).await;
    let end = json!({ "minutes": 0, "reason": "dry again" });
    assert_eq!(server.post(path, &end).await.body["override"], Value::Null);
    assert_eq!(cave.scan(&codes[4]).await["reason"], "area_full");
    let trail = server.get("/api/v1/audit?action=capacity.&target=cave").await.body;
    let said: Vec<_> = trail["lines"].as_array().unwrap().iter().map(|l| &l["note"]).collect();
    assert_eq!(said, ["dry again", "10 minutes: rain outside"]);
}

#[tokio::test]
async fn levels_stop_entry_and_sales_where_the_site_says_so() {
    let levels = "capacity_levels = [
        { at_percent = 50, of = \"instant\", actions = [\"announce\"] },
        { at_percent = 75, of = \"instant\", actions = [\"stop_sales\", \"stop_entry\"] },
        { at_percent = 100, of = \"sold\", actions = [\"stop_sales\"] }]";
    let config = park("")
        .replace("timezone = \"UTC\"", &format!("timezone = \"UTC\"\n{levels}"))
        .replace("{ instant = 1000 }", "{ instant = 4, daily = 6 }");
    let server = Server::start_with(&config).await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let issue = async |product: &str, date: &str, persons: u32| {
        let ticket = json!({ "product": product, "visit_date": date, "persons": persons });
        server.post("/api/v1/tickets", &json!({ "tickets": [ticket] })).await
    };
    let code = |answer: &Value| answer["tickets"][0]["code"].as_str().unwrap().to_owned();
    let (first, second) =
        (issue("adult-day", &today(), 1).await.body, issue("adult-day", &today(), 1).await.body);
    walk_in(&mut lane, &code(&first)).await;
    walk_in(&mut lane, &code(&second)).await;
    let half = server.until("half full", |s| area(&s["areas"], "park")["occupancy"] == 2).await;
    let row = area(&half["areas"], "park");
    assert_eq!((&row["level"], &row["sold_today"]), (&json!("announce"), &json!(2)));
    let pair = issue("group", &today(), 2).await.body;
    walk_in(&mut lane, &code(&issue("adult-day", &today(), 1).await.body)).await;
    let refused = lane.scan(&code(&pair)).await;
    assert_eq!(refused["reason"], "area_full", "three of four are enough: {refused}");
    assert_eq!(refused["facts"]["capacity"], 3);
    let stopped = issue("adult-day", &today(), 1).await;
    assert_eq!(stopped.status, 409, "{}", stopped.body);
    assert!(stopped.body["detail"].as_str().unwrap().contains("3 inside of 3"), "{}", stopped.body);

    // Another day goes by what is sold for it; a voided ticket makes room again.
    let later = "2099-05-01";
    let group = issue("group", later, 5).await;
    assert_eq!(group.status, 200, "{}", group.body);
    let too_many = issue("group", later, 2).await;
    assert_eq!(too_many.status, 409);
    assert!(too_many.body["detail"].as_str().unwrap().contains("5 sold of 6"), "{}", too_many.body);
    assert_eq!(issue("adult-day", later, 1).await.status, 200, "the sixth");
    let id = group.body["tickets"][0]["id"].as_str().unwrap();
    let void = json!({ "reason": "given back" });
    assert_eq!(server.post(&format!("/api/v1/tickets/{id}/void"), &void).await.status, 204);
    assert_eq!(issue("group", later, 5).await.status, 200, "its places are free");
}

#[tokio::test]
async fn at_the_turn_of_the_business_day_everybody_has_gone_home() {
    // The day turns some seconds from now, while the test looks.
    let turn = jiff::Timestamp::now() + Duration::from_secs(12);
    let turn = turn.to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M:%S").to_string();
    let config = park("")
        .replace("timezone = \"UTC\"", &format!("timezone = \"UTC\"\nday_starts_at = \"{turn}\""));
    let server = Server::start_with(&config).await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let codes = passes(&server, 3).await;
    walk_in(&mut lane, &codes[0]).await;
    let before = server.until("one in the park", |s| s["today"]["in_site"] == 1).await;
    // Two are still in the lane when the day turns.
    let (first, second) = (lane.scan(&codes[1]).await, lane.scan(&codes[2]).await);
    assert_eq!((&first["result"], &second["result"]), (&json!("grant"), &json!("grant")));
    let turned = |s: &Value| s["today"]["date"] != before["today"]["date"];
    let after = server.until("the turn of the day", turned).await;
    assert_eq!(after["today"]["in_site"], 0, "they have gone home");
    assert_eq!(after["today"]["entries"], 0);
    // One passed before the turn, as the lane's own clock says, and is reported only now: that
    // is yesterday's. The other passes now: that is today's.
    lane.pass(&first["grant"], "taken", 1).await;
    let mut now = lane.passage_message(&second["grant"], "taken", 1);
    now["at"] = json!(jiff::Timestamp::now().as_millisecond());
    now["clock"] = json!("synced");
    (now["up_ms"], now["boot"]) = (Value::Null, Value::Null);
    lane.say("event", &now).await;
    lane.next("event-ack").await;
    let now = server.until("the late one", |s| s["today"]["in_site"] == 1).await;
    assert_eq!(now["today"]["entries"], 1, "each day has its own");
    let out = lane.scan_towards(&codes[0], "out").await;
    assert_eq!(out["result"], "grant", "nobody is kept in: {out}");
}
