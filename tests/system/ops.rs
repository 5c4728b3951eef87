//! The operators' desk: what happened at a device, the ticket behind what somebody shows, who is
//! logged in and what they did.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Server, device::Device, eventually};

const CARD: &str = "04A1B2C3D4E5F6";

/// Makes an account and logs it in: gives its token.
async fn logged_in(server: &Server, user: &str, role: &str) -> String {
    let account = json!({ "roles": [role], "password": "correct horse battery" });
    assert_eq!(server.put(&format!("/api/v1/users/{user}"), &account).await.status, 204);
    let login = json!({ "user": user, "password": "correct horse battery" });
    let answer = server.post("/api/v1/login", &login).await;
    answer.body["token"].as_str().expect("a token").to_owned()
}

/// Asks as somebody else.
async fn as_user<T>(server: &mut Server, token: &str, ask: impl AsyncFnOnce(&Server) -> T) -> T {
    let own = std::mem::replace(&mut server.token, token.to_owned());
    let answer = ask(server).await;
    server.token = own;
    answer
}

fn kinds(events: &Value) -> Vec<String> {
    let rows = events["events"].as_array().expect("events");
    rows.iter().map(|row| row["kind"].as_str().expect("a kind").to_owned()).collect()
}

#[tokio::test]
async fn what_happened_at_a_device_is_told_newest_first_and_without_a_code() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let mut other = Device::enrolled(&server, "t2", "n2").await;
    let (ticket, code) = server.ticket(json!({ "product": "pass" })).await;
    let decision = lane.scan(&code).await;
    lane.pass(&decision["grant"], "taken", 1).await;
    assert_eq!(other.scan("NOBODY-KNOWS-THIS").await["result"], "deny");
    lane.fact("alarm", json!({ "code": "jam", "active": true })).await;
    lane.fact("mode", json!({ "mode": "locked" })).await;
    let offline = json!({
        "lane": "n1", "direction": "in", "outcome": "taken", "count": 1, "by": "list",
        "credential": { "type": "qr", "data": code },
    });
    lane.fact("passage", offline).await;

    let path = "/api/v1/devices/t1/events";
    let told = server.get(path).await;
    assert_eq!(told.status, 200, "{:?}", told.body);
    let rows = told.body["events"].as_array().expect("events");
    let mut moments: Vec<&str> = rows.iter().filter_map(|row| row["at"].as_str()).collect();
    assert_eq!(moments.len(), 5, "{:?}", told.body);
    assert!(moments.is_sorted_by(|a, b| a >= b), "newest first: {moments:?}");
    moments.clear();
    for kind in ["presentation", "passage", "alarm", "mode"] {
        assert!(kinds(&told.body).contains(&kind.to_owned()), "{kind}: {:?}", told.body);
    }
    let shown = rows.iter().find(|row| row["kind"] == "presentation").expect("there");
    assert_eq!(
        (&shown["detail"]["result"], &shown["detail"]["lane"]),
        (&json!("grant"), &json!("n1"))
    );
    assert_eq!(shown["detail"]["ticket"], json!(ticket));
    let text = String::from_utf8(told.bytes).expect("text");
    assert!(!text.contains(&code) && !text.contains("credential"), "{text}");

    assert_eq!(kinds(&server.get(&format!("{path}?limit=2")).await.body).len(), 2);
    assert_eq!(server.get(&format!("{path}?limit=0")).await.status, 422);
    assert_eq!(server.get(&format!("{path}?since=1")).await.status, 400);
    assert_eq!(server.get("/api/v1/devices/nobody/events").await.status, 404);
    let refused = server.get("/api/v1/devices/t2/events").await.body;
    let why = &refused["events"][0]["detail"]["reason"];
    assert_eq!(why, "unknown_ticket", "{refused}");

    let seller = logged_in(&server, "li", "seller").await;
    let status = as_user(&mut server, &seller, async |s| s.get(path).await.status).await;
    assert_eq!(status, 403, "a seller has no business at the devices");

    // What the control plane itself says of a device stands there too.
    drop(lane.client.disconnect().await);
    drop(lane);
    server.kill();
    server.restart().await;
    let kept = server.get(path).await.body;
    assert!(kinds(&kept).contains(&"passage".to_owned()), "kept over a restart: {kept}");
}

#[tokio::test]
async fn a_ticket_is_found_by_what_is_shown_and_the_look_up_is_on_record_without_it() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let card = json!([{ "type": "rfid", "data": CARD }]);
    let (id, code) = server.ticket(json!({ "product": "pass", "credentials": card })).await;
    let (second, _) = server.ticket(json!({ "product": "pass", "credentials": card })).await;
    let decision = lane.scan(&code).await;
    lane.pass(&decision["grant"], "taken", 1).await;

    let path = "/api/v1/tickets/lookup";
    let by_code = server.post(path, &json!({ "code": format!(" {code}\n") })).await;
    assert_eq!((by_code.status, &by_code.body["id"]), (200, &json!(id)), "{:?}", by_code.body);
    assert_eq!((&by_code.body["found_by"], &by_code.body["entries"]), (&json!("code"), &json!(1)));
    assert_eq!(by_code.body["presentations"][0]["result"], "grant");
    assert_eq!(by_code.body["passages"][0]["outcome"], "taken");
    let by_id = server.post(path, &json!({ "code": id })).await.body;
    assert_eq!((&by_id["id"], &by_id["found_by"]), (&json!(id), &json!("id")));
    for shown in [json!({ "code": CARD, "type": "rfid" }), json!({ "code": CARD })] {
        let found = server.post(path, &shown).await.body;
        let both = [found["id"].clone(), found["also"][0].clone()];
        assert!(both.contains(&json!(id)) && both.contains(&json!(second)), "{found}");
        assert_eq!(found["found_by"], "rfid");
    }

    let again = json!({ "reason": "a torn ticket" });
    assert_eq!(server.post(&format!("/api/v1/tickets/{id}/reissue"), &again).await.status, 200);
    assert_eq!(server.post(path, &json!({ "code": code })).await.body["code_superseded"], true);
    let mut forged = code.clone();
    let last = forged.pop().expect("a letter");
    forged.push(if last == 'A' { 'B' } else { 'A' });
    for (shown, status) in [
        (json!({ "code": forged }), 422),
        (json!({ "code": "NOBODY-KNOWS-THIS" }), 404),
        (json!({ "code": Uuid::now_v7() }), 404),
        (json!({ "code": " " }), 422),
        (json!({ "code": "x".repeat(600) }), 422),
        (json!({ "code": CARD, "kind": "rfid" }), 422),
        (json!({ "data": code }), 422),
    ] {
        let refused = server.post(path, &shown).await;
        assert_eq!(refused.status, status, "{shown}: {:?}", refused.body);
        let text = String::from_utf8(refused.bytes).expect("text");
        let shown = shown["code"].as_str().map(str::trim).filter(|text| !text.is_empty());
        assert!(shown.is_none_or(|shown| !text.contains(shown)), "it repeats the code: {text}");
    }
    assert_ne!(server.get(&format!("{path}?code={id}")).await.status, 200, "never by GET");

    let trail = server.get("/api/v1/audit?action=ticket.lookup").await.body;
    let lines = trail["lines"].as_array().expect("lines");
    assert_eq!(lines.len(), 5, "{trail}");
    assert!(lines.iter().all(|line| line["actor"] == "admin"), "{trail}");
    assert!(lines.iter().any(|line| line["target"] == json!(id)), "{trail}");
    let trail = trail.to_string();
    for secret in [&code, CARD, &forged] {
        assert!(!trail.contains(secret), "the audit trail repeats a code");
        assert!(!server.log().contains(secret), "the log repeats a code");
    }
    let keeper = logged_in(&server, "wang", "device-admin").await;
    let ask = json!({ "code": id });
    let status = as_user(&mut server, &keeper, async |s| s.post(path, &ask).await.status).await;
    assert_eq!(status, 403);
    let seller = logged_in(&server, "li", "seller").await;
    let status = as_user(&mut server, &seller, async |s| s.post(path, &ask).await.status).await;
    assert_eq!(status, 200, "a seller looks tickets up");
}

#[tokio::test]
async fn a_refusal_is_told_with_when_and_where_the_ticket_was_used() {
    let server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let today = crate::support::today();
    let (id, code) = server.ticket(json!({ "product": "adult-day", "visit_date": today })).await;
    let decision = lane.scan(&code).await;
    lane.pass(&decision["grant"], "taken", 1).await;
    assert_eq!(lane.scan(&code).await["result"], "deny");
    let found = server.post("/api/v1/tickets/lookup", &json!({ "code": id })).await.body;
    let last = &found["presentations"][0];
    assert_eq!(last["result"], "deny", "{found}");
    assert!(last["facts"]["used_at"].is_number() || last["facts"]["used_at"].is_string(), "{last}");
    assert_eq!(last["facts"]["gate"], "north", "{last}");
}

#[tokio::test]
async fn everybody_is_told_what_they_may_do_and_what_they_did() {
    let mut server = Server::start().await;
    let mut lane = Device::enrolled(&server, "t1", "n1").await;
    let operator = logged_in(&server, "zhao", "operator").await;
    let me = as_user(&mut server, &operator, async |s| s.get("/api/v1/me").await.body).await;
    assert_eq!((&me["user"], &me["roles"]), (&json!("zhao"), &json!(["operator"])));
    let may = me["may"].as_array().expect("duties");
    assert!(may.contains(&json!("operate")) && !may.contains(&json!("see_audit")), "{me}");
    assert_eq!(me["lacks"]["see_audit"], json!(["auditor"]));

    let open = json!({ "op": "open", "reason": "a pram" });
    let sent = as_user(&mut server, &operator, async |s| {
        s.post("/api/v1/devices/t1/commands", &open).await
    })
    .await;
    assert_eq!(sent.status, 202, "{:?}", sent.body);
    let command = lane.next("command").await;
    lane.ack(&command, "done", json!({})).await;
    assert_eq!(server.post("/api/v1/devices/t1/commands", &open).await.status, 202);
    let done = eventually("the command's end", async || {
        let told = server.get("/api/v1/commands?op=open,mode&by=zhao").await.body;
        (told["commands"][0]["state"] == "done").then_some(told)
    })
    .await;
    assert_eq!(done["commands"].as_array().map(Vec::len), Some(1), "{done}");
    assert_eq!(
        (&done["commands"][0]["by"], &done["commands"][0]["reason"]),
        (&json!("zhao"), &json!("a pram"))
    );
    let all = server.get("/api/v1/commands?device=t1&limit=10").await.body;
    assert_eq!(all["commands"].as_array().map(Vec::len), Some(2), "{all}");
    let none = server.get("/api/v1/commands?op=mode").await.body;
    assert_eq!(none["commands"], json!([]));

    let acts = as_user(&mut server, &operator, async |s| s.get("/api/v1/me/acts").await.body).await;
    let lines = acts["lines"].as_array().expect("lines");
    assert!(lines.iter().all(|line| line["actor"] == "zhao"), "nobody else's: {acts}");
    assert_eq!(lines[0]["action"], "device.command", "{acts}");
    let trail =
        as_user(&mut server, &operator, async |s| s.get("/api/v1/audit").await.status).await;
    assert_eq!(trail, 403, "the whole trail is for auditors");
    server.token.clear();
    for path in ["/api/v1/me", "/api/v1/me/acts", "/api/v1/commands", "/api/v1/devices/t1/events"] {
        assert_eq!(server.get(path).await.status, 401, "{path}");
    }
}
