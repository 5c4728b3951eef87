//! An operator at a handheld: logs in, looks a ticket up, overrides the rules, takes a passage back.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Server, device::Device, today};

/// Logs the first admin in at a handheld.
async fn operator(server: &Server, handheld: &mut Device) -> String {
    let file = std::fs::read_to_string(server.data().join("first-login.json")).expect("a login");
    let login: Value = serde_json::from_str(&file).expect("JSON");
    let answer = handheld.ask("login", login).await;
    assert_eq!(answer["status"], "ok", "{answer}");
    answer["body"]["operator"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn an_operator_checks_looks_up_and_takes_back() {
    let server = Server::start().await;
    let mut handheld = Device::enrolled_as(&server, "h1", "handheld").await;
    let wrong = handheld.ask("login", json!({ "user": "admin", "password": "guess" })).await;
    assert_eq!(wrong["status"], "forbidden", "{wrong}");
    let operator = operator(&server, &mut handheld).await;
    let (id, code) = server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;

    let scan = Uuid::now_v7().to_string();
    let mut message = handheld.scan_message(&scan, &code);
    message["operator"] = json!(operator);
    handheld.say("scan", &message).await;
    let decision = handheld.next("decision").await;
    assert_eq!(decision["result"], "grant", "{decision}");
    handheld.pass(&decision["grant"], "taken", 1).await;
    server.until("one inside", |s| s["today"]["in_site"] == 1).await;

    let shown = json!({ "operator": operator, "credential": { "type": "qr", "data": code } });
    let found = handheld.ask("lookup", shown).await;
    assert_eq!(
        (&found["body"]["id"], &found["body"]["entries"]),
        (&json!(id), &json!(1)),
        "{found}"
    );
    let guess = json!({ "operator": "guess", "ticket": id });
    assert_eq!(handheld.ask("lookup", guess).await["status"], "forbidden");

    let undo = json!({ "operator": operator, "scan": scan, "reason": "the wrong family" });
    let undone = handheld.ask("undo", undo.clone()).await;
    assert_eq!(
        (&undone["status"], &undone["body"]["persons"]),
        (&json!("ok"), &json!(1)),
        "{undone}"
    );
    server.until("nobody inside", |s| s["today"]["in_site"] == 0).await;
    assert_eq!(handheld.ask("undo", undo).await["status"], "conflict", "once");
    let again = handheld.scan(&code).await;
    assert_eq!(again["result"], "grant", "the use was given back: {again}");
    let trail = server.get("/api/v1/audit?action=gate.undo").await.body;
    assert!(
        trail["lines"][0]["note"].as_str().expect("words").contains("the wrong family"),
        "{trail}"
    );
}

#[tokio::test]
async fn an_override_is_on_record_with_who_and_why_and_counts_as_a_passage() {
    let mut server = Server::start().await;
    let mut handheld = Device::enrolled_as(&server, "h1", "handheld").await;
    let operator = operator(&server, &mut handheld).await;
    let (id, code) =
        server.ticket(json!({ "product": "adult-day", "visit_date": "2020-01-01" })).await;
    assert_eq!(handheld.scan(&code).await["result"], "deny");
    let scan = Uuid::now_v7();
    let shown = json!({ "type": "qr", "data": code });
    let ask = json!({ "operator": operator, "scan": scan, "lane": "n1", "credential": shown,
        "persons": 1, "reason": "sold for the wrong day" });
    let given = handheld.ask("override", ask).await;
    assert_eq!(
        (&given["body"]["result"], &given["body"]["persons"]),
        (&json!("grant"), &json!(1)),
        "{given}"
    );
    handheld
        .fact(
            "passage",
            json!({ "scan": scan, "lane": "n1", "outcome": "taken", "count": 1, "by": "manual",
            "credential": shown, "operator": operator, "reason": "sold for the wrong day" }),
        )
        .await;
    server.until("one inside", |s| s["today"]["in_site"] == 1).await;
    assert_eq!(server.get(&format!("/api/v1/tickets/{id}")).await.body["entries"], 1);
    assert_eq!(server.get("/api/v1/conflicts").await.body["conflicts"], json!([]));
    let trail = server.get("/api/v1/audit?action=gate.override").await.body;
    assert_eq!(trail["lines"][0]["actor"], "admin", "{trail}");
    server.terminate().await;
    for file in ["journal/00000000000000000001.wal", "ledger.sqlite", "ledger.sqlite-wal"] {
        let bytes = std::fs::read(server.data().join(file)).unwrap_or_default();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds(&operator) && !holds(&code), "{file} holds a token or a code");
    }
}

#[tokio::test]
async fn a_seller_may_not_override() {
    let server = Server::start().await;
    let user = json!({ "password": "a long password", "roles": ["seller"] });
    let made = server.put("/api/v1/users/li", &user).await;
    assert_eq!(made.status / 100, 2, "{:?}", made.body);
    let mut handheld = Device::enrolled_as(&server, "h1", "handheld").await;
    let login = json!({ "user": "li", "password": "a long password" });
    let token = handheld.ask("login", login).await["body"]["operator"].clone();
    let ask =
        json!({ "operator": token, "scan": Uuid::now_v7(), "lane": "n1", "reason": "a friend" });
    let refused = handheld.ask("override", ask).await;
    assert_eq!(refused["status"], "forbidden", "{refused}");
    assert!(refused["reason"].as_str().expect("words").contains("operator"), "{refused}");
}
