//! Without the control plane, or with one that is too slow.

use super::*;

#[tokio::test]
async fn offline_a_lane_decides_by_the_lists_that_it_was_sent() {
    let policy = "offline = { policy = \"list\" }";
    let Some(mut bench) = Bench::start(policy).await else { return };
    let device = bench.device().await;
    for (name, text) in lists() {
        bench.control.list(&bench.device, name, 7, &text);
    }
    let held = |seen: &Seen| seen.reports.last().unwrap().lists.len() == 4;
    bench.control.has_seen("four lists", held).await;
    // Online one ticket is used: the list does not say so.
    let mut device = device;
    device.show("DAY-0").await;
    device.barrier("open").await;
    device.tell(json!({ "sense": "passed" })).await;
    assert_eq!(device.next("ended").await["outcome"], "taken");
    device.kill().await;
    bench.broker.kill();
    let mut device = Device::start(&bench.folder);
    device.barrier("close").await;
    // The lists are read beside the lane's work: a lane that has just started may not have them.
    let mut answer = json!({ "reason": "unknown_ticket" });
    for _ in 0..200 {
        device.show("DAY-1").await;
        answer = device.next("answer").await;
        if answer["reason"] != "unknown_ticket" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((&answer["result"], &answer["by"]), (&json!("grant"), &json!("list")));
    device.tell(json!({ "sense": "passed" })).await;
    assert_eq!(device.next("ended").await["outcome"], "taken");
    for (code, reason, by) in [
        ("DAY-1", "already_used", "own"),
        ("DAY-0", "already_used", "own"),
        ("DENIED-1", "voided", "list"),
        ("STRANGER", "unknown_ticket", "list"),
    ] {
        device.show(code).await;
        let answer = device.next("answer").await;
        assert_eq!((&answer["reason"], &answer["by"]), (&json!(reason), &json!(by)), "{code}");
    }
    device.kill().await;
    // The same after a restart, and the passage comes in with what was shown.
    let mut device = Device::start(&bench.folder);
    device.barrier("close").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    device.show("DAY-1").await;
    assert_eq!(device.next("answer").await["reason"], "already_used");
    bench.broker.restart().await;
    let by_list = |seen: &Seen| passages(seen).iter().any(|p| p.by == PassageBy::List);
    let seen = bench.control.has_seen("the passage", by_list).await;
    let passage = passages(&seen).into_iter().find(|p| p.by == PassageBy::List).unwrap();
    assert_eq!(passage.credential.unwrap().data, "DAY-1");
    assert!(passage.scan.is_some() && passage.granted_at.is_some() && passage.grant.is_none());
    device.kill().await;
}

#[tokio::test]
async fn a_lane_without_a_clock_refuses_offline_what_it_cannot_date() {
    let Some(mut bench) = Bench::start("offline = { policy = \"open\" }").await else { return };
    let path = bench.folder.path().join("lane.toml");
    let file = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("clock = \"none\"\n{file}")).unwrap();
    bench.broker.kill();
    let mut device = Device::start(&bench.folder);
    device.show("ABC-1").await;
    assert_eq!(device.next("answer").await["reason"], "busy");
    bench.broker.restart().await;
    // With the control plane's time it knows; online everything works as ever.
    bench.control.has_seen("a device at work", |seen| !seen.reports.is_empty()).await;
    device.show("ABC-2").await;
    device.barrier("open").await;
    device.tell(json!({ "sense": "passed" })).await;
    let seen = bench.control.has_seen("the passage", |seen| !passages(seen).is_empty()).await;
    assert_eq!(seen.scans.last().unwrap().time.at, None, "it makes up no time");
    bench.broker.kill();
    while device.next("answer").await["reason"] != "ok" {}
    for _ in 0..100 {
        device.show("STRANGER").await;
        let answer = device.next("answer").await;
        if answer["by"] == "own" && answer["result"] == "grant" {
            device.kill().await;
            return;
        }
    }
    panic!("the control plane's time is not used");
}

#[tokio::test]
async fn two_late_decisions_in_a_row_are_an_outage_until_one_is_answered() {
    let settings = "ttl_ms = 300\noffline = { policy = \"open\" }";
    let Some(bench) = Bench::start(settings).await else { return };
    let mut device = bench.device().await;
    // What is known here is current; that is told by a list.
    bench.control.list(&bench.device, "deny", 1, "");
    bench.control.has_seen("the list", |seen| !seen.reports.last().unwrap().lists.is_empty()).await;
    bench.control.order(|orders| orders.manner = Manner::GrantTooLate);
    device.show("ABC-1").await;
    assert_eq!(device.next("answer").await["reason"], "busy");
    device.show("ABC-2").await;
    let answer = device.next("answer").await;
    assert_eq!((&answer["result"], &answer["by"]), (&json!("grant"), &json!("own")));
    device.tell(json!({ "sense": "passed" })).await;
    device.next("ended").await;
    bench.control.order(|orders| orders.manner = Manner::Grant);
    device.show("ABC-3").await;
    assert_eq!(device.next("answer").await["by"], "server");
    device.kill().await;
}

/// A small park with two tickets for today, and one that is denied.
fn lists() -> [(&'static str, String); 4] {
    let key = DigestKey([9; 32]);
    let definition: ParkDefinition = serde_json::from_value(json!({
        "site": { "id": "huangshan", "timezone": "Asia/Shanghai" },
        "areas": [{ "id": "park" }],
        "gates": [{ "id": "north", "from": "outside", "to": "park" }],
        "lanes": [{ "id": "n1", "gate": "north" }],
        "products": [{ "id": "day", "entitlements": [{ "areas": ["park"], "uses": 1 }] }],
    }))
    .unwrap();
    let products: Vec<ProductVersion> =
        definition.products.iter().cloned().map(ProductVersion::first).collect();
    let park = Park::compile_versions(&definition, &products).unwrap();
    let terms = IssueTerms {
        product: park.product_ix("day").unwrap(),
        visit_date: Some(park.business_day(now())),
        slot: None,
        persons: 1,
        issued_at: now(),
        status: Status::Issued,
    };
    let state = TicketState::issue(&park, &terms).unwrap();
    let ticket = |n: u128, code: &str| {
        let entry = TicketEntry {
            ticket: TicketId(uuid::Uuid::from_u128(n)),
            credentials: vec![key.credential(CredentialKind::Qr, code).hex()],
            state: BASE64.encode(&postcard::to_allocvec(&state).unwrap()),
            park: 7,
            persons: 1,
            areas: vec!["park".into()],
        };
        serde_json::to_string(&entry).unwrap() + "\n"
    };
    let mut tickets = ticket(1, "DAY-0") + &ticket(2, "DAY-1") + &ticket(3, "DENIED-1");
    // As many as make more than one chunk.
    tickets.extend((10..200).map(|n| ticket(n, &format!("FILLER-{n}"))));
    let digest = KeyEntry::Digest { key: HEXLOWER.encode(&key.0) };
    let line = json!({ "version": 7, "definition": definition, "products": products });
    let denied = key.ticket(TicketId(uuid::Uuid::from_u128(3)));
    [
        ("deny", format!("{}\n", denied.hex())),
        ("keys", serde_json::to_string(&digest).unwrap() + "\n"),
        ("park", format!("{line}\n")),
        ("tickets", tickets),
    ]
}
