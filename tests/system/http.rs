//! The HTTP face: logins, tickets, admissions, imports, and answers to what is wrong.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Server, client, device::Device, today};

fn admission(id: &str, code: &str) -> Value {
    json!({ "id": id, "lane": "n1", "direction": "in", "credential": { "type": "qr", "data": code } })
}

#[tokio::test]
async fn a_system_without_mqtt_admits_by_the_same_rules() {
    let server = Server::start().await;
    let (_, code) = server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;
    let id = Uuid::now_v7().to_string();
    let first = server.post("/api/v1/admissions", &admission(&id, &code)).await;
    assert_eq!((first.status, &first.body["result"]), (200, &json!("grant")), "{:?}", first.body);
    assert_eq!(first.body["type"], "decision", "as over MQTT");
    let again = server.post("/api/v1/admissions", &admission(&id, &code)).await;
    assert_eq!(again.body, first.body, "the same id, the first answer");
    let grant = first.body["grant"].as_str().expect("a grant");
    let passage = format!("/api/v1/admissions/{grant}/passage");
    let taken = server.post(&passage, &json!({ "outcome": "taken", "count": 1 })).await;
    assert_eq!((taken.status, &taken.body["count"]), (200, &json!(1)), "{:?}", taken.body);
    let repeated = server.post(&passage, &json!({ "outcome": "not_taken" })).await;
    assert_eq!(repeated.body["outcome"], "taken", "one outcome per grant: the first");
    server.until("one in the park", |s| s["today"]["in_site"] == 1).await;
    let other = admission(&Uuid::now_v7().to_string(), &code);
    let refused = server.post("/api/v1/admissions", &other).await;
    assert_eq!(refused.body["reason"], "already_used");
    let mut lane = Device::enrolled(&server, "t1", "n2").await;
    assert_eq!(lane.scan(&code).await["reason"], "already_used", "one hot state for all");
}

#[tokio::test]
async fn an_idempotency_key_makes_a_retry_safe() {
    let server = Server::start().await;
    let body = json!({ "tickets": [{ "product": "pass" }] });
    let issue = async |key: &str, body: &Value| {
        let request = client()
            .post(format!("{}/api/v1/tickets", server.http))
            .header("idempotency-key", key)
            .json(body);
        server.send(request).await
    };
    let first = issue("order-1", &body).await;
    let again = issue("order-1", &body).await;
    assert_eq!(first.body["tickets"], again.body["tickets"]);
    let other = issue("order-2", &body).await;
    assert_ne!(first.body["tickets"], other.body["tickets"]);
    let misused = issue("order-1", &json!({ "tickets": [] })).await;
    assert!(matches!(misused.status, 400 | 409 | 422), "{}", misused.status);
}

#[tokio::test]
async fn what_is_wrong_is_told_as_a_problem_with_its_place() {
    let mut server = Server::start().await;
    let wrong = [
        ("/api/v1/tickets", json!({ "tickets": [{ "product": "nothing" }] }), "product"),
        ("/api/v1/tickets", json!({ "tickets": [{ "product": "adult-day" }] }), "visit_date"),
        ("/api/v1/tickets", json!({ "tickets": [{ "produkt": "pass" }] }), "produkt"),
        ("/api/v1/admissions", json!({ "id": "x" }), "id"),
        ("/api/v1/devices/claims", json!({ "device": "T 1", "kind": "turnstile" }), "device"),
    ];
    for (path, body, word) in wrong {
        let answer = server.post(path, &body).await;
        assert!((400..500).contains(&answer.status), "{path} {}", answer.status);
        assert_eq!(answer.kind.split(';').next(), Some("application/problem+json"), "{path}");
        assert!(answer.body.to_string().contains(word), "{path}: {}", answer.body);
    }
    assert_eq!(
        server.get("/api/v1/tickets/00000000-0000-7000-8000-000000000000").await.status,
        404
    );
    assert_eq!(server.get("/api/v1/nowhere").await.status, 404);
    server.token.clear();
    assert_eq!(server.post("/api/v1/tickets", &json!({ "tickets": [] })).await.status, 401);
    assert_eq!(server.get("/api/v1/devices").await.status, 401);
    for open in
        ["/healthz", "/readyz", "/metrics", "/api/v1/site", "/api/v1/products", "/api/v1/keys"]
    {
        assert_eq!(server.get(open).await.status, 200, "{open}");
    }
    let login = json!({ "user": "admin", "password": "guess" });
    assert_eq!(server.post("/api/v1/login", &login).await.status, 401);
}

#[tokio::test]
async fn a_claim_is_traded_once() {
    let server = Server::start().await;
    let claim = json!({ "device": "t1", "kind": "turnstile", "gate": "north", "lane": "n1" });
    let made = server.post("/api/v1/devices/claims", &claim).await;
    let trade = json!({ "claim": made.body["claim"], "serial": "S", "model": "M" });
    let first = server.post("/enrol", &trade).await;
    assert_eq!(first.status / 100, 2, "{:?}", first.body);
    assert_eq!(first.body["device"], "t1");
    assert!(first.body["broker"].as_str().is_some_and(|b| b.starts_with("mqtt://127.0.0.1:")));
    assert!(first.body["keys"]["keys"].as_array().is_some_and(|keys| !keys.is_empty()));
    assert!((400..500).contains(&server.post("/enrol", &trade).await.status));
    let guess = json!({ "claim": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", "serial": "", "model": "" });
    assert!((400..500).contains(&server.post("/enrol", &guess).await.status));
}

fn line(product: &str, code: &str) -> String {
    let shown = json!([{ "type": "qr", "data": code }]);
    format!("{}\n", json!({ "product": product, "credentials": shown }))
}

#[tokio::test]
async fn an_import_tells_which_lines_it_did_not_take() {
    let server = Server::start().await;
    let lines =
        (0..250).map(|n| line(if n == 123 { "nothing" } else { "pass" }, &format!("OLD-{n}")));
    let lines = lines.collect::<Vec<_>>().concat();
    let request = client()
        .post(format!("{}/api/v1/tickets/import", server.http))
        .header("content-type", "application/x-ndjson")
        .body(lines);
    let answer = server.send(request).await;
    let accepted = answer.body["accepted"].as_u64().expect("a number");
    let rejected = answer.body["rejected"].as_array().expect("a list");
    assert!(rejected.iter().any(|line| line["line"] == 124), "{:?}", answer.body);
    assert_eq!(accepted, 249, "all the others: {:?}", answer.body);
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    assert_eq!(lane.scan("OLD-0").await["result"], "grant");
    assert_eq!(lane.scan("OLD-123").await["reason"], "unknown_ticket");
}

#[tokio::test]
async fn an_import_of_many_does_not_stall_the_gates() {
    const TICKETS: usize = 50_000;
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let lines = (0..TICKETS).map(|n| line("pass", &format!("B{n}"))).collect::<Vec<_>>().concat();
    let request = client()
        .post(format!("{}/api/v1/tickets/import", server.http))
        .header("content-type", "application/x-ndjson")
        .body(lines);
    let import = server.send(request);
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let scanning = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let before = tokio::time::Instant::now();
            let decision = lane.scan(&code).await;
            slowest = slowest.max(before.elapsed());
            lane.pass(&decision["grant"], "not_taken", 0).await;
        }
        slowest
    };
    let (answer, slowest) = tokio::join!(import, scanning);
    assert_eq!(answer.body["accepted"], TICKETS, "{:?}", answer.body["rejected"]);
    // Not a speed test: a stall would be the whole import's time.
    assert!(slowest < Duration::from_secs(1), "a visitor waited {slowest:?}");
    let after = lane.scan(&format!("B{}", TICKETS - 1)).await;
    assert_eq!(after["result"], "grant");
}
