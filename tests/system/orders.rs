//! Orders at a kiosk: quote, order, payment, tickets; and codes that are exchanged.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Server, device::Device, today};

fn two() -> Value {
    json!([{ "product": "adult-day", "count": 2 }])
}

#[tokio::test]
async fn a_kiosk_sells_tickets_once_however_often_it_asks() {
    let mut server = Server::start().await;
    let mut kiosk = Device::enrolled_as(&server, "k1", "kiosk").await;
    let quote = kiosk.ask("quote", json!({ "lines": two() })).await;
    assert_eq!(
        (&quote["body"]["amount"], &quote["body"]["state"]),
        (&json!(46_000), &json!("quoted"))
    );
    let order = Uuid::now_v7().to_string();
    let ask = json!({ "order": order, "lines": two() });
    for _ in 0..2 {
        let begun = kiosk.ask("order", ask.clone()).await;
        assert_eq!(begun["body"]["state"], "open", "{begun}");
        assert_eq!(begun["body"]["lines"][0]["visit_date"], json!(today()));
    }
    let other = json!({ "order": order, "lines": [{ "product": "adult-day", "count": 3 }] });
    assert_eq!(kiosk.ask("order", other).await["status"], "conflict");
    let wrong = json!({ "order": order, "payment": "wx-1", "amount": 1 });
    assert_eq!(kiosk.ask("pay", wrong).await["status"], "invalid");
    let pay = json!({ "order": order, "payment": "wx-1", "amount": 46_000 });
    let paid = kiosk.ask("pay", pay.clone()).await;
    let tickets = paid["body"]["tickets"].as_array().expect("tickets").clone();
    assert_eq!((tickets.len(), &paid["body"]["state"]), (2, &json!("issued")), "{paid}");
    assert_eq!((&tickets[0]["name"], &tickets[0]["price"]), (&json!("成人票"), &json!(23_000)));
    assert_eq!(tickets[0]["validity"], json!(today()));

    // Cut off just after it: the same tickets again, after a restart too.
    server.kill();
    server.restart().await;
    let mut kiosk = kiosk.reconnect(&server).await;
    kiosk.hello().await;
    let again = kiosk.ask("pay", pay).await;
    assert_eq!(again["body"]["tickets"][1]["ticket"], tickets[1]["ticket"], "{again}");
    let twice = json!({ "order": order, "payment": "wx-2", "amount": 46_000 });
    let twice = kiosk.ask("pay", twice).await;
    assert!(twice["reason"].as_str().expect("words").contains("has to go back"), "{twice}");
    let stolen = json!({ "order": Uuid::now_v7(), "lines": two() });
    let second = stolen["order"].clone();
    kiosk.ask("order", stolen).await;
    let reused = json!({ "order": second, "payment": "wx-1", "amount": 46_000 });
    assert_eq!(kiosk.ask("pay", reused).await["status"], "conflict", "a payment pays one order");
    assert_eq!(
        kiosk.ask("cancel-order", json!({ "order": second })).await["body"]["state"],
        "cancelled"
    );
    let done = kiosk.ask("collected", json!({ "order": order })).await;
    assert_eq!(done["body"]["state"], "collected");
    assert_eq!(kiosk.ask("cancel-order", json!({ "order": order })).await["status"], "conflict");

    let mut other = Device::enrolled_as(&server, "k2", "kiosk").await;
    assert_eq!(other.ask("order", json!({ "order": order })).await["status"], "not_found");
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let code = tickets[0]["code"].as_str().expect("a code");
    assert_eq!(lane.scan(code).await["result"], "grant");
    assert!(!server.log().contains(code), "a code in the log");
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer() {
    let server = Server::start().await;
    let mut kiosk = Device::enrolled_as(&server, "k1", "kiosk").await;
    let (id, order) = (Uuid::now_v7().to_string(), Uuid::now_v7());
    let ask = json!({ "order": order, "lines": two() });
    let first = kiosk.ask_again(&id, "order", ask.clone()).await;
    kiosk.ask("cancel-order", json!({ "order": order })).await;
    assert_eq!(kiosk.ask_again(&id, "order", ask).await, first);
}

#[tokio::test]
async fn an_exchange_code_gives_its_tickets_once() {
    let server = Server::start().await;
    let sold = json!({ "product": "adult-day", "visit_date": today(), "status": "exchange_first",
        "credentials": [{ "type": "exchange_code", "data": "OTA-778899" }] });
    let (id, _) = server.ticket(sold).await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    assert_eq!(lane.scan("OTA-778899").await["reason"], "exchange_first");
    let mut kiosk = Device::enrolled_as(&server, "k1", "kiosk").await;
    let shown = json!({ "type": "qr", "data": "OTA-778899" });
    let order = Uuid::now_v7();
    let ask = json!({ "order": order, "credential": shown });
    let mut codes = Vec::new();
    for _ in 0..2 {
        let redeemed = kiosk.ask("redeem", ask.clone()).await;
        assert_eq!(redeemed["body"]["tickets"][0]["ticket"], json!(id), "{redeemed}");
        codes.push(redeemed["body"]["tickets"][0]["code"].as_str().expect("a code").to_owned());
    }
    let again = kiosk.ask("redeem", json!({ "order": Uuid::now_v7(), "credential": shown })).await;
    assert_eq!(again["status"], "conflict", "{again}");
    let unknown =
        json!({ "order": Uuid::now_v7(), "credential": { "type": "qr", "data": "OTA-0" } });
    assert_eq!(kiosk.ask("redeem", unknown).await["status"], "not_found");
    assert_eq!(lane.scan(&codes[0]).await["result"], "grant");
    assert_eq!(lane.scan("OTA-778899").await["result"], "deny");
}

#[tokio::test]
async fn a_counter_sells_by_http_with_the_same_steps() {
    let server = Server::start().await;
    let order = Uuid::now_v7();
    let begun = server.post("/api/v1/orders", &json!({ "order": order, "lines": two() })).await;
    assert_eq!((begun.status, &begun.body["amount"]), (200, &json!(46_000)), "{:?}", begun.body);
    let path = format!("/api/v1/orders/{order}/pay");
    let pay = json!({ "payment": "cash-1", "amount": 46_000 });
    for _ in 0..2 {
        assert_eq!(server.post(&path, &pay).await.body["state"], "issued");
    }
    let told = server.get(&format!("/api/v1/orders/{order}")).await;
    assert_eq!(told.body["tickets"].as_array().map(Vec::len), Some(2));
    let pass = json!({ "lines": [{ "product": "pass", "count": 1 }] });
    let nothing = server.post("/api/v1/orders/quote", &pass).await;
    assert_eq!(nothing.status, 422, "without a price: {:?}", nothing.body);
}
