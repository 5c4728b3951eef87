//! What is sold is changed while the gates work: versions, what a change does to tickets sold
//! before, faults with their place, and the configuration file's own word after a restart.

use serde_json::{Value, json};

use crate::support::{Server, client, device::Device, park, today};

/// Hours that are over, whatever the time of the test: a minute half a day away.
fn closed_now() -> Value {
    let hour = (jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour() + 12) % 24;
    json!([{ "from": format!("{hour:02}:00"), "until": format!("{hour:02}:01") }])
}

async fn night_ticket(server: &Server, more: Value) -> Value {
    let mut product = json!({
        "id": "night", "name": { "zh": "夜场票", "en": "Night ticket" },
        "validity": { "kind": "visit_date" },
        "entitlements": [{ "areas": ["park"], "uses": 1 }],
    });
    let map = product.as_object_mut().expect("an object");
    map.extend(more.as_object().cloned().unwrap_or_default());
    let answer = server.put("/api/v1/products/night?reason=summer", &product).await;
    assert!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, answer.body);
    answer.body
}

#[tokio::test]
async fn a_product_that_is_added_is_sold_and_opens_at_once() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let added = night_ticket(&server, json!({})).await;
    assert_eq!((&added["version"], &added["on_sale"]), (&json!(1), &json!(true)));
    let (id, code) = server.ticket(json!({ "product": "night", "visit_date": today() })).await;
    assert_eq!(lane.scan(&code).await["result"], "grant");
    assert_eq!(server.get(&format!("/api/v1/tickets/{id}")).await.body["product"], "night");
    let listed = server.get("/api/v1/products").await.body;
    let ids: Vec<_> = listed["products"].as_array().unwrap().iter().map(|p| &p["id"]).collect();
    assert_eq!(ids, ["adult-day", "group", "pass", "night"]);
    let trail = server.get("/api/v1/audit?action=product.").await.body;
    assert_eq!(trail["lines"][0]["target"], "night", "{trail}");
    assert!(trail["lines"][0]["note"].as_str().unwrap().contains("summer"), "{trail}");
}

#[tokio::test]
async fn a_ticket_keeps_the_terms_of_its_sale_unless_the_change_says_that_it_is_for_all() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    night_ticket(&server, json!({})).await;
    let ticket = json!({ "product": "night", "visit_date": today() });
    let (_, first) = server.ticket(ticket.clone()).await;
    let (_, second) = server.ticket(ticket.clone()).await;

    let changed = night_ticket(&server, json!({ "daily_hours": closed_now() })).await;
    assert_eq!(changed["version"], 2);
    let (_, third) = server.ticket(ticket.clone()).await;
    assert_eq!(lane.scan(&third).await["reason"], "closed_hours", "sold on the new terms");
    let decision = lane.scan(&first).await;
    assert_eq!(decision["result"], "grant", "sold on the old ones: {decision}");
    lane.pass(&decision["grant"], "taken", 1).await;
    assert_eq!(lane.scan(&first).await["reason"], "already_used", "its uses go on");

    let for_all = json!({ "daily_hours": closed_now(), "applies_to_sold": true });
    assert_eq!(night_ticket(&server, for_all.clone()).await["version"], 3);
    assert_eq!(lane.scan(&second).await["reason"], "closed_hours", "for the sold ones too");
    assert_eq!(night_ticket(&server, for_all).await["version"], 3, "it says so already");

    server.kill();
    server.restart().await;
    let mut lane = lane.reconnect(&server).await;
    assert_eq!(lane.scan(&second).await["reason"], "closed_hours", "kept over a power cut");
    let versions = server.get("/api/v1/products/night/versions").await.body;
    let told: Vec<_> =
        versions["versions"].as_array().unwrap().iter().map(|v| &v["version"]).collect();
    assert_eq!(told, [3, 2, 1]);
    assert_eq!(versions["versions"][0]["by"], "admin");
}

#[tokio::test]
async fn a_faulty_product_is_refused_with_its_place_and_a_hint() {
    let mut server = Server::start().await;
    let entitled = json!([{ "areas": ["park"] }]);
    let faults = [
        (json!({ "entitlements": [{ "areas": ["parc"] }] }), "entitlements[0].areas[0]", "park"),
        (json!({ "entitlements": [] }), "entitlements", "areas"),
        (json!({ "entitlements": entitled, "gates": ["west"] }), "gates[0]", "north"),
        (json!({ "entitlements": entitled, "condition": "entries <" }), "condition", "column 10"),
        (json!({ "entitlements": entitled, "condition": "foo(1)" }), "condition", "foo"),
        (json!({ "entitlements": entitled, "condition": "entries" }), "condition", "true or false"),
        (
            json!({ "entitlements": entitled, "name": { "zh": "票".repeat(200), "en": "" } }),
            "name",
            "100",
        ),
        (json!({ "entitlements": entitled, "prize": 1 }), "prize", "unknown field"),
        (json!({ "entitlements": entitled, "weekdays": ["day"] }), "weekdays[0]", "sun"),
        (json!({ "id": "other", "entitlements": entitled }), "id", "path"),
    ];
    for (product, place, hint) in faults {
        let answer = server.put("/api/v1/products/new", &product).await;
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 422, "{product}: {detail}");
        assert!(detail.contains(place) && detail.contains(hint), "{product}: {detail}");
    }
    assert_eq!(server.get("/api/v1/products/new").await.status, 404, "nothing of it is there");
    // What sold tickets lack cannot be asked of them.
    let dated = json!({ "validity": { "kind": "visit_date" }, "entitlements": [{ "areas": ["park", "cave"] }], "applies_to_sold": true });
    let answer = server.put("/api/v1/products/pass", &dated).await;
    assert_eq!(answer.status, 422);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("validity") && detail.contains("applies_to_sold"), "{detail}");
    server.token.clear();
    let answer = server.put("/api/v1/products/new", &json!({ "entitlements": entitled })).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn two_people_never_overwrite_each_others_change() {
    let server = Server::start().await;
    let read = server.get("/api/v1/products/adult-day").await.body;
    let mut mine = read.clone();
    mine["weekdays"] = json!(["mon"]);
    let mut theirs = read.clone();
    theirs["weekdays"] = json!(["sun"]);
    let path = "/api/v1/products/adult-day";
    assert_eq!(server.put(path, &mine).await.body["version"], 2);
    let late = server.put(path, &theirs).await;
    assert_eq!(late.status, 409, "{}", late.body);
    assert!(late.body["detail"].as_str().unwrap().contains("version 2"), "{}", late.body);
    theirs.as_object_mut().unwrap().remove("version");
    let guarded = client().put(format!("{}{path}", server.http)).header("if-match", "\"1\"");
    assert_eq!(server.send(guarded.json(&theirs)).await.status, 409);
    assert_eq!(server.put(path, &theirs).await.body["version"], 3, "who has not read may insist");
}

#[tokio::test]
async fn what_is_no_longer_sold_stays_good() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let mut pass = server.get("/api/v1/products/pass").await.body;
    pass["on_sale"] = json!(false);
    let ended = server.put("/api/v1/products/pass", &pass).await;
    assert_eq!((ended.status, &ended.body["on_sale"]), (200, &json!(false)), "{}", ended.body);
    let order = json!({ "tickets": [{ "product": "pass" }] });
    let refused = server.post("/api/v1/tickets", &order).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body["detail"].as_str().unwrap().contains("not on sale"), "{}", refused.body);
    assert_eq!(lane.scan(&code).await["result"], "grant");
}

#[tokio::test]
async fn the_configuration_file_has_its_word_where_it_has_changed() {
    let mut server = Server::start().await;
    let mut product = server.get("/api/v1/products/adult-day").await.body;
    product["weekdays"] = json!(["mon"]);
    assert_eq!(server.put("/api/v1/products/adult-day", &product).await.status, 200);
    assert_eq!(server.terminate().await, Some(0));
    server.restart().await;
    let now = server.get("/api/v1/products/adult-day").await.body;
    assert_eq!((&now["version"], &now["weekdays"]), (&json!(2), &json!(["mon"])), "same file");
    assert_eq!(server.terminate().await, Some(0));
    // The file is edited: one product changed, one gone.
    let edited = park("").replace("Adult day ticket", "Day ticket");
    let cut = edited.find("[[products]]\nid = \"pass\"").expect("the pass");
    server.configure(&edited[..cut]);
    server.restart().await;
    let now = server.get("/api/v1/products/adult-day").await.body;
    assert_eq!((&now["version"], &now["name"]["en"]), (&json!(3), &json!("Day ticket")));
    let pass = server.get("/api/v1/products/pass").await.body;
    assert_eq!(pass["on_sale"], false, "the file no longer names it");
}
