//! Foreign clients, enrolled by a claim: paho in Python, and mosquitto's own command line tools.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Server, eventually, tests_folder,
    tools::{found, program, python},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_turnstile_in_python_lets_a_visitor_in() {
    let Some(python) = python() else { return };
    let server = Server::start().await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let claim = json!({ "device": "py-1", "kind": "turnstile", "lane": "n1", "minutes": 5 });
    let claim = server.post("/api/v1/devices/claims", &claim).await.body["claim"]
        .as_str()
        .expect("a claim")
        .to_owned();
    let output = Command::new(python)
        .arg(tests_folder().join("peers/turnstile.py"))
        .args([&server.http, &claim, &code, "NOT-A-TICKET"])
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers[0], json!({ "result": "grant", "reason": "ok" }));
    assert_eq!(answers[1], json!({ "result": "deny", "reason": "unknown_ticket" }));
    let snapshot = server.until("one in the park", |s| s["today"]["in_site"] == 1).await;
    assert_eq!(snapshot["gates"][0]["in_today"], 1);
    let device = server.get("/api/v1/devices/py-1").await.body;
    assert_eq!((&device["model"], &device["acked"]), (&json!("paho"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquittos_own_tools_can_be_a_lane() {
    let tools = (
        found("mosquitto_sub", program("mosquitto_sub")),
        found("mosquitto_pub", program("mosquitto_pub")),
    );
    let (Some(subscribe), Some(publish)) = tools else { return };
    let server = Server::start().await;
    let (_, code) = server.ticket(json!({ "product": "pass" })).await;
    let (user, password) = server.enrol("mq-1", "n1").await;
    let port = server.mqtt.1.to_string();
    let login = ["-h", "127.0.0.1", "-p", &port, "-u", &user, "-P", &password, "-q", "1"];
    let folder = tempfile::tempdir().expect("a folder");
    let heard = folder.path().join("heard");
    let mut listener = Command::new(subscribe)
        .args(login)
        .args(["-t", "sm/1/testpark/mq-1/down"])
        .stdout(std::fs::File::create(&heard).expect("a file"))
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let say = |what: &str, message: &Value| {
        let topic = format!("sm/1/testpark/mq-1/up/{what}");
        let status = Command::new(&publish)
            .args(login)
            .args(["-t", &topic, "-m", &message.to_string()])
            .status();
        assert!(status.expect("it starts").success());
    };
    let downlink = async |kind: &str| {
        eventually(kind, async || {
            let text = std::fs::read_to_string(&heard).ok()?;
            text.lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find(|message| message["type"] == kind)
        })
        .await
    };
    // The subscription is there once the answer to a hello comes; hellos may be repeated.
    eventually("an accepted hello", async || {
        say(
            "hello",
            &json!({ "protocol": "1.0", "kind": "turnstile", "session": "7", "epoch": "e" }),
        );
        let text = std::fs::read_to_string(&heard).ok()?;
        text.contains("\"accepted\"").then_some(())
    })
    .await;
    let id = Uuid::now_v7();
    say("scan", &json!({ "id": id, "credential": { "type": "qr", "data": code } }));
    let decision = downlink("decision").await;
    assert_eq!((&decision["id"], &decision["result"]), (&json!(id), &json!("grant")));
    say(
        "event",
        &json!({
            "epoch": "e", "seq": 1, "type": "passage", "grant": decision["grant"],
            "outcome": "taken", "count": 1,
        }),
    );
    assert_eq!(downlink("event-ack").await["upto"], 1);
    server.until("one in the park", |s| s["today"]["in_site"] == 1).await;
    drop(listener.kill());
    drop(listener.wait());
}
