//! Who is let in at the broker's door: over TLS, by a secret or a certificate, until revoked.

use std::time::Duration;

use rumqttc::QoS;
use serde_json::{Value, json};
use shanmen_actors::{
    certificates::Authority,
    clock::{Stopwatch, system_now},
};
use shanmen_protocols::{ids::DeviceId, time::UnixMs};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::support::{
    Server,
    device::Device,
    eventually,
    secure::{Https, Knock, Own, Site, ended, request},
};

const DAY_MS: i64 = 86_400_000;

fn by_certificate<'k>(server: &Server, ca: &'k str, own: &'k Own, user: &'k str) -> Knock<'k> {
    let port = server.mqtt.1;
    Knock { port, ca: Some(ca), own: Some(own), user, password: "", client_id: user }
}

#[tokio::test]
async fn a_certificate_that_is_about_to_run_out_is_told_in_time() {
    let site = Site::make();
    let config = site.config("mtls") + "[[devices]]\nid = \"t1\"\nkind = \"turnstile\"\n";
    let (server, https) = site.start_with(&config).await;
    let authority = Authority::load(&site.ca, &site.ca_key).expect("the site's");
    let problem = async || {
        let (_, device) = https.call("GET", "/api/v1/devices/t1", &Value::Null).await;
        device["last_error"]["problem"].as_str().unwrap_or_default().to_owned()
    };
    let fresh = signed(&authority, "t1", system_now());
    by_certificate(&server, &site.ca, &fresh, "t1").connect().await.expect("signed elsewhere");
    assert_eq!(problem().await, "");
    let old = signed(&authority, "t1", UnixMs(system_now().0 - 380 * DAY_MS));
    by_certificate(&server, &site.ca, &old, "t1").connect().await.expect("still good");
    assert!(problem().await.contains("runs out in 16 days"), "{}", problem().await);
}

#[tokio::test]
async fn our_own_turnstiles_come_over_tls() {
    let site = Site::make();
    let demo = site.demo("tls").await;
    let demo = demo.unwrap_or_else(|told| panic!("{told}"));
    eventually("every lane online", async || {
        let path = "/api/v1/feed/snapshot";
        let (_, snapshot) = demo.https.call("GET", path, &Value::Null).await;
        let lanes = snapshot["lanes"].as_array()?;
        lanes.iter().all(|lane| lane["condition"] == "online").then_some(())
    })
    .await;
    assert_eq!(demo.https.refused("tls").await, 0);
    let told = site.demo("mtls").await.err().expect("it has no certificates");
    assert!(told.contains("leave --demo out"), "{told}");
}

/// A certificate signed for a device by `authority` at a moment of its choice.
fn signed(authority: &Authority, device: &str, at: UnixMs) -> Own {
    let (csr, key) = request();
    let id = DeviceId::new(device).expect("an id");
    (authority.device(&csr, &id, at).expect("signed"), key)
}

async fn told(knock: Knock<'_>) -> String {
    match knock.connect().await {
        Ok(_) => panic!("{} was let in", knock.user),
        Err(fault) => fault,
    }
}

async fn counted(https: &Https, why: &str, times: u64) {
    eventually(why, async || (https.refused(why).await == times).then_some(())).await;
}

#[tokio::test]
async fn fifty_silent_sockets_keep_nobody_out_and_are_closed() {
    let site = Site::make();
    let (server, https) = site.start("mtls").await;
    let (_, own) = https.enrol("t1").await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(("127.0.0.1", server.mqtt.1)).await.expect("a socket"));
    }
    let begun = Stopwatch::start();
    let good = by_certificate(&server, &site.ca, &own, "t1").connect().await.expect("let in");
    let took = begun.seconds();
    assert!(took < 2.0, "a handshake may take 5 s, it took {took} s");
    println!("with 50 silent sockets a device was let in after {took} s");
    let mut byte = [0; 1];
    for socket in &mut silent {
        let read = tokio::time::timeout(Duration::from_secs(15), socket.read(&mut byte)).await;
        assert!(matches!(read, Ok(Ok(0) | Err(_))), "a silent socket is closed: {read:?}");
    }
    counted(&https, "handshake_timeout", 50).await;
    drop(good);
}

#[tokio::test]
async fn who_has_not_the_right_certificate_is_refused_and_counted() {
    let site = Site::make();
    let (server, https) = site.start("mtls").await;
    let (enrolled, own) = https.enrol("t1").await;
    assert_eq!(enrolled["ca"], json!(site.ca));
    assert_eq!(enrolled["password"], Value::Null);
    assert_eq!(enrolled["broker"], format!("mqtts://127.0.0.1:{}", server.mqtt.1));
    assert!(enrolled["keys"]["keys"][0].is_object(), "the ticket keys: {enrolled}");
    let knock = |own, user| by_certificate(&server, &site.ca, own, user);
    let authority = Authority::load(&site.ca, &site.ca_key).expect("the site's");
    let stranger = Authority::make("Shanmen site authority", system_now()).expect("made");
    let stranger = Authority::load(&stranger.certificate, &stranger.key).expect("another");
    let foreign = signed(&stranger, "t1", system_now());
    told(knock(&foreign, "t1")).await;
    counted(&https, "certificate_issuer", 1).await;
    let expired = signed(&authority, "t1", UnixMs(system_now().0 - 400 * DAY_MS));
    told(knock(&expired, "t1")).await;
    counted(&https, "certificate_expired", 1).await;
    told(Knock { own: None, ..knock(&own, "t1") }).await;
    counted(&https, "certificate_missing", 1).await;
    told(Knock { ca: None, ..knock(&own, "t1") }).await;
    counted(&https, "tls", 1).await;

    https.enrol("t2").await;
    let (status, metrics) = https.raw("GET", "/metrics", "").await;
    assert!(metrics.contains("shanmen_certificate_ends_seconds{of=\"broker\"} "), "{status}");
    let fault = told(knock(&own, "t2")).await;
    assert!(fault.contains("BadUserNamePassword"), "{fault}");
    counted(&https, "certificate_name", 1).await;
    let second = signed(&authority, "t1", system_now());
    told(knock(&second, "t1")).await;
    counted(&https, "certificate_replaced", 1).await;
    let unknown = signed(&authority, "t9", system_now());
    told(knock(&unknown, "t9")).await;
    counted(&https, "login", 1).await;

    let (_client, mut events) = knock(&own, "t1").connect().await.expect("the right one");
    let reason = json!({ "reason": "stolen at night" });
    let (status, answer) = https.call("POST", "/api/v1/devices/t1/revoke", &reason).await;
    assert_eq!((status, &answer["cut"]), (200, &json!(1)), "{answer}");
    ended(&mut events).await;
    told(knock(&own, "t1")).await;
    counted(&https, "revoked", 1).await;
    let (_, newer) = https.enrol("t1").await;
    told(knock(&own, "t1")).await;
    counted(&https, "certificate_replaced", 2).await;
    let anew = by_certificate(&server, &site.ca, &newer, "t1");
    let mut inside = vec![anew.connect().await.expect("enrolled anew")];
    for n in 1..8 {
        let id = format!("t1-{n}");
        let anew = by_certificate(&server, &site.ca, &newer, "t1");
        inside.push(Knock { client_id: &id, ..anew }.connect().await.expect("one of eight"));
    }
    let ninth = by_certificate(&server, &site.ca, &newer, "t1");
    told(Knock { client_id: "t1-9", ..ninth }).await;
    counted(&https, "connections", 1).await;
}

#[tokio::test]
async fn a_claim_is_traded_once_and_not_for_nothing() {
    let site = Site::make();
    let (_server, https) = site.start("mtls").await;
    let claim = https.claim("t1").await;
    for bad in [json!({ "claim": claim }), json!({ "claim": claim, "csr": "nonsense" })] {
        let (status, answer) = https.call("POST", "/enrol", &bad).await;
        assert_eq!(status, 422, "{answer}");
        assert!(answer["detail"].as_str().is_some_and(|told| told.contains("csr")), "{answer}");
    }
    let good = json!({ "claim": claim, "csr": request().0 });
    assert_eq!(https.call("POST", "/enrol", &good).await.0, 200, "the claim was not used up");
    let again = json!({ "claim": claim, "csr": request().0 });
    let (status, answer) = https.call("POST", "/enrol", &again).await;
    assert_eq!(status, 409, "{answer}");
}

#[tokio::test]
async fn over_tls_a_device_has_a_secret_and_clear_text_is_not_understood() {
    let site = Site::make();
    let (server, https) = site.start("tls").await;
    let body = json!({ "claim": https.claim("t1").await, "csr": request().0 });
    let (status, enrolled) = https.call("POST", "/enrol", &body).await;
    assert_eq!((status, &enrolled["certificate"]), (200, &Value::Null), "{enrolled}");
    let password = enrolled["password"].as_str().expect("a secret");
    let knock = |ca, password| Knock {
        port: server.mqtt.1,
        ca,
        own: None,
        user: "t1",
        password,
        client_id: "t1",
    };
    knock(Some(&site.ca), password).connect().await.expect("let in");
    told(knock(Some(&site.ca), "guess")).await;
    counted(&https, "login", 1).await;
    told(knock(None, password)).await;
    let other = Authority::make("another", system_now()).expect("made").certificate;
    told(knock(Some(&other), password)).await;
    let mut plain = TcpStream::connect(server.http.trim_start_matches("http://")).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET /healthz HTTP/1.0\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.expect("closed");
    assert!(!answer.starts_with(b"HTTP/"), "the pages are HTTPS");
    assert!(!server.log().contains(password), "a secret stays out of the log");
    let login = std::fs::read_to_string(server.data().join("first-login.json")).expect("there");
    let (head, _) = https.raw("POST", "/api/v1/login", &login).await;
    assert!(head.contains("; HttpOnly; SameSite=Strict; Secure;"), "{head}");
}

#[tokio::test]
async fn an_old_secret_is_good_for_its_grace_and_then_cut() {
    let server = Server::start().await;
    let (user, old) = server.enrol("t1", "n1").await;
    let knock = |password, client_id| Knock {
        port: server.mqtt.1,
        ca: None,
        own: None,
        user: &user,
        password,
        client_id,
    };
    let made = server.post("/api/v1/devices/t1/secret", &json!({ "grace_s": 3 })).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let new = made.body["password"].as_str().expect("a secret").to_owned();
    let (_old, mut events) = knock(&old, "a").connect().await.expect("within its grace");
    let (_new, mut newer) = knock(&new, "b").connect().await.expect("the new one");
    ended(&mut events).await;
    told(knock(&old, "a")).await;
    let alive = tokio::time::timeout(Duration::from_millis(300), newer.poll()).await;
    assert!(!matches!(alive, Ok(Err(_))), "the new one stays: {alive:?}");
    let audit = server.get("/api/v1/audit?action=device.secret").await.body.to_string();
    assert!(audit.contains("\"t1\"") && !audit.contains(&new), "{audit}");
    let log = server.log();
    assert!(!log.contains(&new) && !log.contains(&old), "no secret in the log");
    let bad = server.post("/api/v1/devices/t1/secret", &json!({ "grace_s": 86_401 })).await;
    assert_eq!(bad.status, 422, "{}", bad.body);
    assert_eq!(server.post("/api/v1/devices/t9/secret", &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_revoked_device_is_cut_at_once_and_stays_out() {
    let mut server = Server::start().await;
    let lane = Device::enrolled(&server, "t1", "n1").await;
    let (user, password) = server.enrol("t2", "n2").await;
    let knock = |server: &Server| {
        let (port, user, password) = (server.mqtt.1, user.clone(), password.clone());
        async move {
            let (user, password) = (user.as_str(), password.as_str());
            let id = "t2";
            Knock { port, ca: None, own: None, user, password, client_id: id }.connect().await
        }
    };
    let (_client, mut events) = knock(&server).await.expect("let in");
    let nothing = server.post("/api/v1/devices/t2/revoke", &json!({ "reason": " " })).await;
    assert_eq!(nothing.status, 422, "{}", nothing.body);
    let begun = Stopwatch::start();
    let revoked = server.post("/api/v1/devices/t2/revoke", &json!({ "reason": "sold" })).await;
    assert_eq!((revoked.status, &revoked.body["cut"]), (200, &json!(1)), "{}", revoked.body);
    ended(&mut events).await;
    assert!(begun.seconds() < 1.0, "cut after {} s", begun.seconds());
    assert!(knock(&server).await.is_err());
    assert_eq!(server.get("/api/v1/devices/t2").await.body["status"], "revoked");
    let audit = server.get("/api/v1/audit?action=device.revoke").await.body.to_string();
    assert!(audit.contains("sold") && audit.contains("\"t2\""), "{audit}");
    let refused = server.post("/api/v1/devices/t2/secret", &json!({})).await;
    assert_eq!(refused.status, 409, "no new secret for it: {}", refused.body);
    server.kill();
    server.restart().await;
    assert!(knock(&server).await.is_err(), "over a restart");
    let mut lane = lane.reconnect(&server).await;
    assert_eq!(lane.hello().await["status"], "accepted", "nobody else is cut off");
}

#[tokio::test]
async fn a_device_speaks_and_listens_only_where_it_may() {
    let site = Site::make();
    let (server, https) = site.start("mtls").await;
    let (_, own) = https.enrol("t1").await;
    https.enrol("t2").await;
    let connect = async || {
        let knock = by_certificate(&server, &site.ca, &own, "t1");
        knock.connect().await.expect("let in")
    };
    let subscribed = async |filter: &str| {
        let (client, mut events) = connect().await;
        client.subscribe(filter, QoS::AtLeastOnce).await.expect("queued");
        loop {
            match events.poll().await {
                Ok(rumqttc::Event::Incoming(rumqttc::Packet::SubAck(ack))) => {
                    return ack
                        .return_codes
                        .iter()
                        .all(|code| *code != rumqttc::SubscribeReasonCode::Failure);
                }
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    };
    assert!(subscribed("sm/1/testpark/t1/down").await);
    assert!(subscribed("sm/1/testpark/_all/down").await);
    let elsewhere = [
        "#",
        "sm/#",
        "sm/1/testpark/+/down",
        "sm/1/testpark/t2/down",
        "sm/1/testpark/t2/up/scan",
        "sm/1/other/t1/down",
        "$share/g/sm/1/testpark/t1/down",
        "$SYS/#",
    ];
    for filter in elsewhere {
        assert!(!subscribed(filter).await, "{filter} may not be heard");
    }
    let before = https.refused("acl_publish").await;
    let elsewhere = [
        "sm/1/testpark/t2/up/hello",
        "sm/1/testpark/t1/down",
        "sm/1/testpark/_all/down",
        "sm/1/testpark/t2/down",
        "sm/1/other/t1/up/hello",
    ];
    for (n, topic) in elsewhere.into_iter().enumerate() {
        let (client, mut events) = connect().await;
        client.publish(topic, QoS::AtLeastOnce, false, "{}").await.expect("queued");
        let expected = before + 1 + u64::try_from(n).expect("few");
        let polls = async { while events.poll().await.is_ok() {} };
        tokio::select! {
            () = async { polls.await; std::future::pending().await } => {}
            () = counted(&https, "acl_publish", expected) => {}
        }
    }
}

#[tokio::test]
async fn two_machines_under_one_id_raise_an_alarm() {
    let server = Server::start().await;
    let (user, password) = server.enrol("t1", "n1").await;
    let says = async |boot: u64, session: u64| {
        let port = server.mqtt.1;
        let (user, password) = (user.as_str(), password.as_str());
        let knock = Knock { port, ca: None, own: None, user, password, client_id: "t1" };
        let (client, mut events) = knock.connect().await.expect("let in");
        let hello = json!({
            "protocol": "1.0", "kind": "turnstile", "session": session.to_string(),
            "epoch": "copied", "boot": boot, "up_ms": 1, "clock": "none", "at": null,
        });
        let topic = "sm/1/testpark/t1/up/hello";
        client.publish(topic, QoS::AtLeastOnce, false, hello.to_string()).await.expect("queued");
        loop {
            let event = events.poll().await.expect("connected");
            if matches!(event, rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_))) {
                return;
            }
        }
    };
    let alarm = async || {
        let alarms = server.get("/api/v1/alarms").await.body;
        let list = alarms["alarms"].as_array().cloned().unwrap_or_default();
        list.into_iter().find(|alarm| alarm["code"] == "clone")
    };
    for session in 0..4 {
        says(session % 2, session).await;
    }
    assert!(alarm().await.is_none(), "four hellos are three changes");
    says(0, 4).await;
    let found = eventually("the alarm", alarm).await;
    assert_eq!((&found["device"], &found["lane"]), (&json!("t1"), &json!("n1")), "{found}");
}
