//! Lists of devices that decide offline: fetched in parts, changed within a second, for them alone.

use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Server, client, device::Device, today};

/// A lane that is configured to decide by its lists, with what it was told of them.
async fn offline_lane(server: &Server) -> (Device, Vec<Value>) {
    server.enrol("t1", "n1").await;
    let config =
        json!({ "config": { "offline": { "policy": "signed" } }, "reason": "a bad network" });
    assert_eq!(server.put("/api/v1/devices/t1/config", &config).await.status, 200);
    let mut lane = Device::enrolled(server, "t1", "n1").await;
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(lane.next("list").await);
    }
    (lane, told)
}

async fn fetch(lane: &mut Device, name: &str) -> (Vec<u8>, Value) {
    let mut content = Vec::new();
    loop {
        let ask = json!({ "name": name, "offset": content.len() });
        let response = lane.ask("list", ask).await;
        assert_eq!(response["status"], "ok", "{response}");
        let body = &response["body"];
        let part = BASE64.decode(body["data"].as_str().expect("data").as_bytes()).expect("Base64");
        content.extend(&part);
        if part.is_empty() || Some(content.len() as u64) == body["bytes"].as_u64() {
            return (content, body.clone());
        }
    }
}

fn lines(content: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(content).expect("text");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into())).collect()
}

#[tokio::test]
async fn a_lane_that_decides_offline_fetches_what_it_needs() {
    let server = Server::start().await;
    let (id, _) = server
        .ticket(json!({ "product": "adult-day", "visit_date": today(),
            "credentials": [{ "type": "rfid", "data": "04:a1:b2:c3" }] }))
        .await;
    server.ticket(json!({ "product": "adult-day", "visit_date": "2099-01-01" })).await;
    let (mut lane, told) = offline_lane(&server).await;
    let names: Vec<_> = told.iter().map(|list| list["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["deny", "tickets", "keys", "park"]);
    for manifest in &told {
        let name = manifest["name"].as_str().expect("a name");
        let (content, body) = fetch(&mut lane, name).await;
        assert_eq!(body["version"], manifest["version"], "{name}");
        assert_eq!(json!(HEXLOWER.encode(&Sha256::digest(&content))), manifest["sha256"], "{name}");
        assert_eq!(Some(lines(&content).len() as u64), manifest["count"].as_u64(), "{name}");
        let (user, secret) = lane.login();
        let url = format!("{}/api/v1/devices/t1/lists/{name}", server.http);
        let whole =
            client().get(&url).basic_auth(user, Some(secret)).send().await.expect("an answer");
        assert_eq!(whole.bytes().await.expect("a body"), content, "{name}: the same over HTTP");
        let stranger = client().get(&url).basic_auth(user, Some("guess")).send().await;
        assert_eq!(stranger.expect("an answer").status(), 401);
    }
    let tickets = lines(&fetch(&mut lane, "tickets").await.0);
    assert_eq!(tickets.len(), 1, "only those that may come today: {tickets:?}");
    assert_eq!((&tickets[0]["ticket"], &tickets[0]["areas"]), (&json!(id), &json!(["park"])));
    let keys = lines(&fetch(&mut lane, "keys").await.0);
    let key = keys.iter().find(|key| key["use"] == "digest").expect("the digests' key");
    let key: [u8; 32] = HEXLOWER
        .decode(key["key"].as_str().expect("hex").as_bytes())
        .expect("hex")
        .try_into()
        .expect("32 bytes");
    let mut digest = blake3::Hasher::new_keyed(&key);
    digest.update(b"rfid\0").update(b"04A1B2C3");
    let digest = HEXLOWER.encode(&digest.finalize().as_bytes()[..16]);
    assert_eq!(tickets[0]["credentials"], json!([digest]));
}

#[tokio::test]
async fn a_refund_is_on_the_deny_list_of_a_connected_lane_within_a_second() {
    let server = Server::start().await;
    let (id, _) = server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;
    let (past, _) =
        server.ticket(json!({ "product": "adult-day", "visit_date": "2020-01-01" })).await;
    let (mut lane, told) = offline_lane(&server).await;
    let void = |id: &str| format!("/api/v1/tickets/{id}/void");
    assert_eq!(server.post(&void(&past), &json!({ "reason": "x" })).await.status, 204);
    let begun = tokio::time::Instant::now();
    assert_eq!(server.post(&void(&id), &json!({ "reason": "refund" })).await.status, 204);
    let mut delta = lane.next("list").await;
    while delta["name"] != "deny" {
        // The list of tickets comes by itself, some time after the start.
        delta = lane.next("list").await;
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!((&delta["name"], &delta["base"]), (&json!("deny"), &told[0]["version"]));
    let added = delta["add"].as_array().expect("lines").clone();
    assert_eq!(added.len(), 1, "a ticket of a day gone by is not worth a line: {delta}");
    let (content, _) = fetch(&mut lane, "deny").await;
    assert_eq!(lines(&content), added);
    assert_eq!(json!(HEXLOWER.encode(&Sha256::digest(&content))), delta["sha256"]);
}

#[tokio::test]
async fn a_restart_forgets_nobody_who_is_not_let_in_and_a_new_product_no_ticket() {
    let mut server = Server::start().await;
    let (id, _) = server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;
    server.ticket(json!({ "product": "adult-day", "visit_date": today() })).await;
    let void = format!("/api/v1/tickets/{id}/void");
    assert_eq!(server.post(&void, &json!({ "reason": "x" })).await.status, 204);
    server.kill();
    server.restart().await;
    let (mut lane, told) = offline_lane(&server).await;
    assert_eq!((&told[0]["name"], &told[0]["count"]), (&json!("deny"), &json!(1)), "{told:?}");
    let product = json!({ "id": "new", "validity": { "kind": "visit_date" },
        "entitlements": [{ "areas": ["park"] }] });
    let put = server.put("/api/v1/products/new", &product).await;
    assert_eq!(put.status / 100, 2, "{:?}", put.body);
    let park = lane.next("list").await;
    let tickets = lane.next("list").await;
    assert_eq!((&park["name"], &tickets["name"]), (&json!("park"), &json!("tickets")));
    let lines = lines(&fetch(&mut lane, "tickets").await.0);
    assert_eq!((lines.len(), &lines[0]["park"]), (1, &park["version"]), "{lines:?}");
}

#[tokio::test]
async fn a_device_that_decides_by_no_list_gets_none() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    assert_eq!(lane.ask("list", json!({ "name": "keys" })).await["status"], "forbidden");
    let lines = json!({ "lines": [{ "product": "adult-day", "count": 1 }] });
    let sells = lane.ask("quote", lines).await;
    assert_eq!(sells["status"], "forbidden", "a turnstile sells nothing: {sells}");
    let time = lane.ask("time", json!({})).await;
    assert!(time["body"]["server_time"].as_i64() > Some(1_700_000_000_000), "{time}");
    let odd = lane.ask("weather", json!({ "for": "tomorrow" })).await;
    assert_eq!((&odd["status"], odd["reason"].is_string()), (&json!("invalid"), true), "{odd}");
    let blocked = json!({ "credential": { "type": "rfid", "data": "04A1B2C3" }, "reason": "x" });
    assert_eq!(server.post("/api/v1/blocked-persons", &blocked).await.status / 100, 2);
    assert_eq!(lane.next_within("list", Duration::from_secs(1)).await, None);
}
