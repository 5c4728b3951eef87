//! Persons at the gates: what is shown besides the ticket, who is not let in, several tickets of
//! one ID card, and the swipes of staff.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Server, client, device::Device, park, today};

/// Made up: the check digits of GB 11643 are right, the people do not exist.
const ID_A: &str = "11010519491231002X";
const ID_B: &str = "440524188001010014";

fn config() -> String {
    park("")
        + r#"
[[products]]
id = "student"
class = "student"
validity = { kind = "visit_date" }
needs = ["attendant"]
[[products.entitlements]]
areas = ["park"]
uses = 1
[[products]]
id = "real-name"
validity = { kind = "visit_date" }
needs = ["id_card"]
[[products.entitlements]]
areas = ["park"]
uses = 1
[[products]]
id = "staff"
class = "staff"
validity = { kind = "days_from_issue", days = 365 }
[[products.entitlements]]
areas = ["park", "cave"]
"#
}

async fn present(lane: &mut Device, kind: &str, data: &str, confirm: Value) -> Value {
    let id = Uuid::now_v7().to_string();
    let mut scan = lane.scan_message(&id, data);
    scan["credential"]["type"] = json!(kind);
    if !confirm.is_null() {
        scan["confirm"] = confirm;
    }
    lane.say("scan", &scan).await;
    lane.next("decision").await
}

fn id_card(data: &str) -> Value {
    json!([{ "type": "id_card", "data": data }])
}

#[tokio::test]
async fn what_is_missing_is_asked_for_and_then_confirmed() {
    let server = Server::start_with(&config()).await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "student", "visit_date": today() })).await;
    let more = lane.scan(&code).await;
    assert_eq!(
        (&more["result"], &more["needs"]),
        (&json!("more"), &json!(["attendant"])),
        "{more}"
    );
    assert_eq!(more["reason"], "needs_attendant");
    let looked = present(&mut lane, "qr", &code, json!({ "attendant": true })).await;
    assert_eq!(looked["result"], "grant", "{looked}");

    let ticket =
        json!({ "product": "real-name", "visit_date": today(), "credentials": id_card(ID_A) });
    let (_, code) = server.ticket(ticket).await;
    assert_eq!(lane.scan(&code).await["reason"], "needs_identity");
    let other = present(&mut lane, "qr", &code, json!({ "id_card": false })).await;
    assert_eq!(other["reason"], "identity_mismatch", "somebody else's card: {other}");
    let card = present(&mut lane, "id_card", "11010519491231002x", Value::Null).await;
    assert_eq!(card["result"], "grant", "who comes with the card itself needs no other: {card}");
}

#[tokio::test]
async fn a_blocked_person_is_not_let_in_by_any_ticket_and_their_number_is_nowhere() {
    let mut server = Server::start_with(&config()).await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let ticket =
        json!({ "product": "adult-day", "visit_date": today(), "credentials": id_card(ID_A) });
    let (_, before) = server.ticket(ticket.clone()).await;
    let blocked = json!({ "credential": { "type": "id_card", "data": ID_A }, "reason": "touting" });
    let entry = server.post("/api/v1/blocked-persons", &blocked).await;
    assert_eq!(entry.status, 201, "{}", entry.body);
    assert_eq!(server.post("/api/v1/blocked-persons", &blocked).await.status, 409);
    let (_, after) = server.ticket(ticket).await;
    let (_, free) = server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;
    for code in [&before, &after] {
        assert_eq!(lane.scan(code).await["reason"], "blocked_person");
    }
    let card = present(&mut lane, "id_card", ID_A, Value::Null).await;
    assert_eq!(card["reason"], "blocked_person", "{card}");
    assert_eq!(lane.scan_towards(&before, "out").await["result"], "grant", "they may leave");
    assert_eq!(lane.scan(&free).await["result"], "grant", "nobody else is kept out");

    server.kill();
    server.restart().await;
    let mut lane = lane.reconnect(&server).await;
    assert_eq!(lane.scan(&after).await["reason"], "blocked_person", "kept over a power cut");
    let list = server.get("/api/v1/blocked-persons").await.body.to_string();
    assert!(!list.contains(ID_A) && !server.log().contains(ID_A), "{list}");
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "journal/00000000000000000001.wal"] {
        let bytes = std::fs::read(server.data().join(file)).unwrap_or_default();
        assert!(!bytes.windows(ID_A.len()).any(|w| w == ID_A.as_bytes()), "{file} holds it");
    }
    let path = format!("/api/v1/blocked-persons/{}/unblock", entry.body["id"].as_str().unwrap());
    assert_eq!(server.post(&path, &json!({ "reason": "a mix-up" })).await.status, 204);
    assert_eq!(lane.scan(&after).await["result"], "grant");
}

#[tokio::test]
async fn an_exchange_code_opens_nothing_whatever_the_scanner_calls_it() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let sold = async |kind: &str, data: &str| {
        let credential = json!([{ "type": kind, "data": data }]);
        server.ticket(json!({ "product": "pass", "credentials": credential })).await;
    };
    sold("exchange_code", "55667788").await;
    sold("barcode", "11223").await;
    for kind in ["exchange_code", "qr", "barcode"] {
        let told = present(&mut lane, kind, "55667788", Value::Null).await;
        assert_eq!(told["reason"], "exchange_first", "{kind}: {told}");
    }
    for data in ["11223", "1122311223"] {
        let told = present(&mut lane, "exchange_code", data, Value::Null).await;
        assert_eq!(told["result"], "grant", "what was sold as a bar code is one: {told}");
        lane.pass(&told["grant"], "taken", 1).await;
    }
}

#[tokio::test]
async fn an_unpaid_ticket_is_not_thawed_into_a_paid_one() {
    let server = Server::start().await;
    let (id, _) = server.ticket(json!({ "product": "pass", "status": "unpaid" })).await;
    let path = format!("/api/v1/tickets/{id}/unfreeze");
    let refused = server.post(&path, &json!({ "reason": "x" })).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
}

#[tokio::test]
async fn who_is_blocked_by_two_cards_is_let_in_when_both_are_taken_off() {
    let server = Server::start_with(&config()).await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let both = json!([
        { "type": "id_card", "data": ID_A }, { "type": "rfid", "data": "04:a1:b2:c3" }]);
    let ticket = json!({ "product": "pass", "credentials": both });
    let (_, code) = server.ticket(ticket).await;
    let mut entries = Vec::new();
    for (kind, data) in [("id_card", ID_A), ("rfid", "04A1B2C3")] {
        let shown = json!({ "credential": { "type": kind, "data": data }, "reason": "x" });
        let answer = server.post("/api/v1/blocked-persons", &shown).await;
        entries.push(answer.body["id"].as_str().expect("an id").to_owned());
    }
    for (entry, expected) in entries.iter().rev().zip(["deny", "grant"]) {
        assert_eq!(lane.scan(&code).await["reason"], "blocked_person");
        let path = format!("/api/v1/blocked-persons/{entry}/unblock");
        assert_eq!(server.post(&path, &json!({ "reason": "x" })).await.status, 204);
        assert_eq!(lane.scan(&code).await["result"], expected);
    }
    let signed = json!({ "credential": { "type": "qr", "data": code }, "reason": "x" });
    let refused = server.post("/api/v1/blocked-persons", &signed).await;
    assert_eq!(refused.status, 422, "a ticket is voided, a person is blocked: {}", refused.body);
}

#[tokio::test]
async fn of_two_tickets_on_one_id_card_the_one_that_is_good_here_and_now_opens() {
    let server = Server::start_with(&config()).await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let issue = async |product: &str, date: &str| {
        let ticket =
            json!({ "product": product, "visit_date": date, "credentials": id_card(ID_B) });
        server.ticket(ticket).await.0
    };
    let of_the_past = issue("adult-day", "2020-01-01").await;
    let to_be_confirmed = issue("student", &today()).await;
    let good = issue("adult-day", &today()).await;
    let entries =
        async |id: &str| server.get(&format!("/api/v1/tickets/{id}")).await.body["entries"].clone();
    let decision = present(&mut lane, "id_card", ID_B, Value::Null).await;
    assert_eq!(decision["result"], "grant", "{decision}");
    lane.pass(&decision["grant"], "taken", 1).await;
    assert_eq!(entries(&good).await, 1);
    // It is used up: now the one that lacks a confirmation, before the one of another day.
    let decision = present(&mut lane, "id_card", ID_B, Value::Null).await;
    assert_eq!(decision["reason"], "needs_attendant", "{decision}");
    let decision = present(&mut lane, "id_card", ID_B, json!({ "attendant": true })).await;
    assert_eq!(decision["result"], "grant", "{decision}");
    lane.pass(&decision["grant"], "taken", 1).await;
    assert_eq!(entries(&to_be_confirmed).await, 1);
    // All are done: the refusal that came furthest says most.
    let decision = present(&mut lane, "id_card", ID_B, Value::Null).await;
    assert_eq!(decision["reason"], "already_used", "{decision}");
    assert_eq!(entries(&of_the_past).await, 0);
}

#[tokio::test]
async fn every_swipe_of_a_staff_card_is_on_record_under_its_holder() {
    let mut server = Server::start_with(&config()).await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let card = json!({
        "product": "staff", "holder": { "name": "王小明" },
        "credentials": [{ "type": "rfid", "data": "04A1B2C3" }],
    });
    let (id, _) = server.ticket(card).await;
    for direction in ["in", "out"] {
        let scan_id = Uuid::now_v7().to_string();
        let mut scan = lane.scan_message(&scan_id, "04A1B2C3");
        scan["credential"]["type"] = json!("rfid");
        scan["direction"] = json!(direction);
        lane.say("scan", &scan).await;
        let decision = lane.next("decision").await;
        assert_eq!(decision["result"], "grant", "{decision}");
        lane.pass(&decision["grant"], if direction == "in" { "taken" } else { "not_taken" }, 1)
            .await;
    }
    let (_, other) = server.ticket(json!({ "product": "pass" })).await;
    assert_eq!(lane.scan(&other).await["result"], "grant");
    let log = server.get("/api/v1/swipes").await.body;
    let swipes = log["swipes"].as_array().expect("swipes");
    assert_eq!(swipes.len(), 2, "staff and guides only: {log}");
    assert_eq!(
        (&swipes[0]["direction"], &swipes[0]["outcome"]),
        (&json!("out"), &json!("not_taken"))
    );
    assert_eq!((&swipes[1]["direction"], &swipes[1]["outcome"]), (&json!("in"), &json!("taken")));
    assert_eq!((&swipes[0]["ticket"], &swipes[0]["lane"]), (&json!(id), &json!("n1")));
    assert_eq!(swipes[0]["holder"]["name"], "王小明");
    assert!(!server.log().contains("王小明"), "a name stays out of the log");
    let visitors = server.get("/api/v1/swipes?class=adult").await;
    assert_eq!(visitors.status, 422, "visitors have no swipe log: {}", visitors.body);
    let none = server.get("/api/v1/swipes?class=guide&limit=5").await.body;
    assert_eq!(none["swipes"], json!([]));
    assert_eq!(server.get("/api/v1/swipes?since=1").await.status, 400);
    assert_eq!(server.get("/api/v1/swipes?limit=0").await.status, 422);

    // A seller may look tickets up, not who of the staff came when.
    let seller = json!({ "password": "a-long-password", "roles": ["seller"] });
    let made = server.put("/api/v1/users/zhang", &seller).await;
    assert_eq!(made.status / 100, 2, "{}", made.body);
    let login = json!({ "user": "zhang", "password": "a-long-password" });
    let token = server.post("/api/v1/login", &login).await.body["token"].clone();
    server.token.clear();
    let asked = client()
        .get(format!("{}/api/v1/swipes", server.http))
        .bearer_auth(token.as_str().expect("a token"));
    assert_eq!(server.send(asked).await.status, 403);
}
