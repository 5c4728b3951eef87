//! The device program as it is installed: killed, restarted, offline, ordered about.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use shanmen_protocols::{
    device::{
        AckStatus, Body, ConfigDown, CredentialKind, Down, FirmwareManifest, LaneMode, Order,
        Outcome, Passage, PassageBy,
    },
    digest::DigestKey,
    ids::{DeviceId, Direction, GrantId, SiteId, TicketId},
    list::{KeyEntry, TicketEntry},
};
use shanmen_rules::{IssueTerms, Park, ParkDefinition, ProductVersion, Status, TicketState};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{
    broker::Broker,
    control::{Control, Manner, Seen, connection, now},
    within,
};

/// The program with its pipe.
struct Device {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Device {
    fn start(folder: &TempDir) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_shanmen-device"))
            .args(["turnstile", "--config"])
            .arg(folder.path().join("lane.toml"))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin, lines }
    }

    async fn tell(&mut self, line: Value) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn show(&mut self, code: &str) {
        self.tell(json!({ "read": { "type": "qr", "data": code } })).await;
    }

    /// The next line that has `key`.
    async fn next(&mut self, key: &str) -> Value {
        let found = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the program speaks");
                let line: Value = serde_json::from_str(&line).unwrap();
                if let Some(value) = line.get(key) {
                    return value.clone();
                }
            }
        };
        within(key, found).await
    }

    /// Waits until the barrier does this.
    async fn barrier(&mut self, what: &str) {
        while self.next("barrier").await != what {}
    }

    /// SIGKILL: nothing is said or written any more.
    async fn kill(mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }
}

struct Bench {
    folder: TempDir,
    broker: Broker,
    control: Control,
    device: DeviceId,
}

impl Bench {
    async fn start(settings: &str) -> Option<Self> {
        let broker = Broker::start().await?;
        let control = Control::start(&broker.address(), &SiteId::new("huangshan").unwrap()).await;
        let folder = tempfile::tempdir().unwrap();
        let port = broker.address().port;
        let file = format!(
            "site = \"huangshan\"\ndevice = \"n1\"\nlane = \"n1\"\ndata = \"data\"\n\
             queue_max = 20000\n[broker]\nurl = \"mqtt://127.0.0.1:{port}\"\n\
             reconnect_min_ms = 100\nreconnect_max_ms = 300\n\
             [hardware]\ndriver = \"virtual\"\n[settings]\nlang = \"en\"\n{settings}\n"
        );
        std::fs::write(folder.path().join("lane.toml"), file).unwrap();
        Some(Self { folder, broker, control, device: DeviceId::new("n1").unwrap() })
    }

    /// Starts the program, and waits until the control plane has accepted it.
    async fn device(&self) -> Device {
        let before = self.control.seen().reports.len();
        let device = Device::start(&self.folder);
        self.control.has_seen("a device at work", |seen| before < seen.reports.len()).await;
        device
    }

    fn session(&self) -> shanmen_protocols::ids::Session {
        self.control.seen().hellos.last().unwrap().session.clone()
    }

    /// Gives an order and waits for the last word on it.
    async fn order(&self, order: &Order) -> (AckStatus, Option<String>) {
        let command = Control::command(Some(&self.session()), order);
        let id = command.id;
        self.control.say(&self.device, &Down::Command(command));
        let is_last = |seen: &Seen| seen.acks.iter().any(|a| a.id == id && a.status.is_final());
        let seen = self.control.has_seen(order.op(), is_last).await;
        let ack = seen.acks.into_iter().rfind(|ack| ack.id == id).unwrap();
        (ack.status, ack.reason)
    }
}

/// The facts by number: a repeat is the same fact.
fn facts(seen: &Seen) -> BTreeMap<u64, Body> {
    let mut facts = BTreeMap::new();
    for (seq, body) in &seen.facts {
        if let Some(before) = facts.insert(*seq, body.clone()) {
            assert_eq!(before, *body, "fact {seq} has changed");
        }
    }
    facts
}

fn passages(seen: &Seen) -> Vec<Passage> {
    let passage = |body| if let Body::Passage(passage) = body { Some(passage) } else { None };
    facts(seen).into_values().filter_map(passage).collect()
}

fn outcomes_of(grant: GrantId, seen: &Seen) -> Vec<(Outcome, Option<u32>)> {
    let of_it = passages(seen).into_iter().filter(|passage| passage.grant == Some(grant));
    of_it.map(|passage| (passage.outcome, passage.count)).collect()
}

#[tokio::test]
async fn a_kill_between_the_relay_and_the_fact_leaves_one_outcome() {
    let Some(bench) = Bench::start("").await else { return };
    for round in 0..6 {
        let mut device = bench.device().await;
        device.show(if round % 2 == 0 { "ABC-1" } else { "P2-GROUP" }).await;
        device.barrier("open").await;
        if 2 <= round {
            device.tell(json!({ "sense": "passed" })).await;
            if round % 2 == 0 {
                device.barrier("close").await;
            }
        }
        device.kill().await;
    }
    let device = bench.device().await;
    let settled = |seen: &Seen| {
        seen.grants.len() == 6 && seen.grants.iter().all(|g| !outcomes_of(*g, seen).is_empty())
    };
    let seen = bench.control.has_seen("an outcome for each grant", settled).await;
    for (round, grant) in seen.grants.iter().enumerate() {
        let outcomes = outcomes_of(*grant, &seen);
        assert_eq!(outcomes.len(), 1, "round {round}: {outcomes:?}");
        let expected: &[Outcome] = match round {
            0 | 1 => &[Outcome::NotTaken],
            2 | 4 => &[Outcome::Taken],
            // Killed at about the time of the first of two persons.
            _ => &[Outcome::NotTaken, Outcome::Partial],
        };
        assert!(expected.contains(&outcomes[0].0), "round {round}: {outcomes:?}");
    }
    let counters: Vec<_> = passages(&seen).iter().map(|p| p.counters.unwrap().inward).collect();
    assert!(counters.is_sorted(), "counters go on over restarts: {counters:?}");
    device.kill().await;
}

#[tokio::test]
async fn ten_thousand_facts_outlive_restarts_without_a_control_plane() {
    const FACTS: usize = 10_200;
    let Some(mut bench) = Bench::start("").await else { return };
    bench.broker.kill();
    let mut answered = 0;
    while answered < FACTS {
        let mut device = Device::start(&bench.folder);
        // Killed three times on the way.
        let until = (answered + FACTS / 3).min(FACTS);
        while answered < until {
            for _ in 0..50 {
                device.show("ABC-1").await;
            }
            for _ in 0..50 {
                assert_eq!(device.next("answer").await["reason"], "busy");
            }
            answered += 50;
        }
        device.kill().await;
    }
    bench.broker.restart().await;
    let device = bench.device().await;
    let last = bench.control.seen().hellos.last().unwrap().next_seq.unwrap() - 1;
    let all = |seen: &Seen| u64::try_from(facts(seen).len()).unwrap() >= last;
    // Each look goes through all facts: so one look for many facts.
    let seen = loop {
        let now = bench.control.seen();
        if all(&now) {
            break now;
        }
        let got = now.facts.len();
        bench.control.has_seen("more facts", |seen| got < seen.facts.len()).await;
    };
    let numbers: Vec<u64> = facts(&seen).keys().copied().collect();
    assert!(numbers.iter().copied().eq(1..=*numbers.last().unwrap()), "there is a gap");
    let denied = facts(&seen).values().filter(|b| matches!(b, Body::Denied { .. })).count();
    assert_eq!(denied, answered, "each refusal that was shown is on record, once");
    device.kill().await;
}

#[tokio::test]
async fn orders_are_followed_once_and_answered() {
    let Some(bench) = Bench::start("").await else { return };
    let mut device = bench.device().await;
    assert_eq!(bench.order(&Order::Mode { mode: LaneMode::Free }).await, (AckStatus::Done, None));
    device.barrier("release").await;
    assert_eq!(bench.order(&Order::Mode { mode: LaneMode::Normal }).await.0, AckStatus::Done);
    device.barrier("close").await;
    let open = Order::Open { grant: None, persons: 1, direction: Direction::In, hold_ms: 5_000 };
    let command = Control::command(Some(&bench.session()), &open);
    for _ in 0..2 {
        bench.control.say(&bench.device, &Down::Command(command.clone()));
    }
    let seen = bench.control.has_seen("two acks", |seen| {
        seen.acks.iter().filter(|ack| ack.id == command.id).count() == 2
    });
    let acks: Vec<AckStatus> =
        seen.await.acks.iter().filter(|a| a.id == command.id).map(|a| a.status).collect();
    assert_eq!(acks, [AckStatus::Done, AckStatus::Duplicate]);
    device.barrier("open").await;
    device.tell(json!({ "sense": "passed" })).await;
    device.barrier("close").await;
    let seen = bench.control.has_seen("the passage", |seen| !passages(seen).is_empty()).await;
    assert_eq!(
        (passages(&seen)[0].by, passages(&seen)[0].outcome),
        (PassageBy::Manual, Outcome::Taken)
    );
    // Late, of another session, retained, or nothing that a turnstile does.
    let mut late = Control::command(Some(&bench.session()), &open);
    late.at = late.at.map(|at| at.plus_ms(-60_000));
    bench.control.say(&bench.device, &Down::Command(late.clone()));
    let ended = bench.control.has_seen("expired", |seen| seen.acks.iter().any(|a| a.id == late.id));
    assert_eq!(ended.await.acks.last().unwrap().status, AckStatus::Expired);
    assert_eq!(bench.order(&Order::Logout {}).await.0, AckStatus::Rejected);
    let seen = bench.control.seen();
    assert_eq!(seen.reports.last().unwrap().mode, Some(LaneMode::Normal));
    device.kill().await;
}

#[tokio::test]
async fn an_emergency_is_for_all_and_the_fire_input_stands_above_it() {
    let Some(bench) = Bench::start("").await else { return };
    let mut device = bench.device().await;
    let all = |on| Down::Command(Control::command(None, &Order::Emergency { on }));
    bench.control.say_to_all(&all(true));
    device.barrier("release").await;
    device.tell(json!({ "sense": "passed", "direction": "out" })).await;
    let seen = bench.control.has_seen("a passage", |seen| !passages(seen).is_empty()).await;
    assert_eq!(passages(&seen)[0].by, PassageBy::Emergency);
    device.kill().await;
    let mut device = bench.device().await;
    device.barrier("release").await;
    device.tell(json!({ "sense": "fire", "on": true })).await;
    bench
        .control
        .has_seen("the fire", |seen| {
            facts(seen)
                .values()
                .any(|body| matches!(body, Body::Alarm { code, active: true } if code == "fire"))
        })
        .await;
    bench.control.say_to_all(&all(false));
    let refused = |seen: &Seen| seen.acks.iter().any(|ack| ack.status == AckStatus::Rejected);
    bench.control.has_seen("a refusal to close", refused).await;
    device.tell(json!({ "sense": "fire", "on": false })).await;
    device.barrier("close").await;
    device.kill().await;
}

#[tokio::test]
async fn a_configuration_is_taken_whole_or_not_at_all_and_outlives_a_restart() {
    let Some(bench) = Bench::start("").await else { return };
    let device = bench.device().await;
    let config = |version, config: Value| {
        let config = config.as_object().unwrap().clone();
        Down::Config(ConfigDown { session: bench.session(), version, config })
    };
    bench.control.say(&bench.device, &config(3, json!({ "ttl_ms": 700 })));
    let taken = |seen: &Seen| seen.reports.last().unwrap().version == Some(3);
    bench.control.has_seen("version 3", taken).await;
    bench.control.say(&bench.device, &config(4, json!({ "ttl_ms": 800, "volume": 900 })));
    let refused = |seen: &Seen| seen.reports.last().unwrap().refused == Some(4);
    let report = bench.control.has_seen("a refusal", refused).await.reports.pop().unwrap();
    assert_eq!(report.version, Some(3));
    assert_eq!(report.rejects.keys().collect::<Vec<_>>(), ["volume"]);
    device.kill().await;
    let mut device = bench.device().await;
    let seen = bench.control.seen();
    assert_eq!(seen.hellos.last().unwrap().config_version, Some(3.into()));
    device.show("ABC-1").await;
    device.barrier("open").await;
    assert_eq!(bench.control.seen().scans.last().unwrap().ttl_ms, 700);
    device.kill().await;
}

#[tokio::test]
async fn a_second_session_takes_over_and_orders_of_the_first_have_no_effect() {
    let Some(bench) = Bench::start("").await else { return };
    let device = bench.device().await;
    let first = bench.session();
    // Somebody else with this device's name: the broker throws the device out.
    let (_thief, mut eventloop) = connection(&bench.broker.address(), "huangshan.n1");
    let hellos = bench.control.seen().hellos.len();
    let thief = tokio::spawn(async move {
        let polled = tokio::time::timeout(Duration::from_secs(1), async {
            while eventloop.poll().await.is_ok() {}
        });
        drop(polled.await);
    });
    bench.control.has_seen("another hello", |seen| hellos < seen.hellos.len()).await;
    thief.await.unwrap();
    let again = bench.control.has_seen("a report", |seen| {
        seen.hellos.last().unwrap().session != first && 2 <= seen.reports.len()
    });
    assert_eq!(again.await.hellos[0].epoch, bench.control.seen().hellos.last().unwrap().epoch);
    let stale = Control::command(Some(&first), &Order::Mode { mode: LaneMode::Free });
    let id = stale.id;
    bench.control.say(&bench.device, &Down::Command(stale));
    let seen = bench.control.has_seen("an ack", |seen| seen.acks.iter().any(|a| a.id == id)).await;
    assert_eq!(seen.acks.last().unwrap().status, AckStatus::Expired);
    device.kill().await;
}

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

#[tokio::test]
async fn a_file_with_faults_is_told_in_full_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lane.toml");
    std::fs::write(&path, "site = \"s\"\n[broker]\nurl = \"x\"\n[hardware]\ndriver = \"y\"\n")
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_shanmen-device"))
        .args(["turnstile", "--config"])
        .arg(&path)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    for place in ["device: ", "data: ", "lane: ", "broker.url: ", "hardware.driver: "] {
        assert!(told.contains(place), "{place} is not in {told}");
    }
}

#[tokio::test]
async fn sigterm_ends_in_order() {
    let Some(bench) = Bench::start("").await else { return };
    let mut device = bench.device().await;
    device.show("ABC-1").await;
    device.barrier("open").await;
    let pid = device.child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let status = within("the end", device.child.wait()).await.unwrap();
    assert!(status.success());
    let gone = |seen: &Seen| !seen.states.last().unwrap().online && !passages(seen).is_empty();
    let seen = bench.control.has_seen("a goodbye", gone).await;
    assert_eq!(passages(&seen)[0].outcome, Outcome::NotTaken);
}

/// Serves files over HTTP on the loopback, as many as are asked for.
async fn serve(files: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4_096];
            let length = tokio::io::AsyncReadExt::read(&mut socket, &mut asked).await.unwrap();
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            let file = files.iter().find(|(name, _)| asked.starts_with(&format!("GET /{name} ")));
            let (_, bytes) = file.unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                bytes.len()
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(bytes).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_new_program_is_put_in_force_and_a_broken_one_is_taken_back() {
    use ed25519_dalek::{Signer as _, SigningKey};
    let Some(bench) = Bench::start("").await else { return };
    let vendor = SigningKey::from_bytes(&[5; 32]);
    let path = bench.folder.path().join("lane.toml");
    let key = HEXLOWER.encode(vendor.verifying_key().as_bytes());
    let firmware = bench.folder.path().join("firmware");
    let file = std::fs::read_to_string(&path).unwrap();
    let file = format!("{file}[firmware]\nfolder = \"firmware\"\nkey = \"{key}\"\n");
    std::fs::write(&path, file).unwrap();
    std::fs::create_dir(&firmware).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_shanmen-device"), firmware.join("program-1")).unwrap();
    std::os::unix::fs::symlink("program-1", firmware.join("current")).unwrap();
    let good = std::fs::read(env!("CARGO_BIN_EXE_shanmen-device")).unwrap();
    let broken = b"#!/bin/sh\nexit 1\n".to_vec();
    let sign = |version: &str, bytes: &[u8], url: &str| {
        let digest = <sha2::Sha256 as sha2::Digest>::digest(bytes);
        Order::Firmware(FirmwareManifest {
            version: version.into(),
            url: format!("{url}/{version}"),
            size: bytes.len().try_into().unwrap(),
            sha256: HEXLOWER.encode(&digest),
            signature: HEXLOWER.encode(&vendor.sign(&digest).to_bytes()),
        })
    };
    let url = serve(vec![("broken", broken.clone()), ("good", good.clone())]).await;
    let mut launcher = Command::new(env!("CARGO_BIN_EXE_shanmen-device"))
        .args(["launch", "--firmware"])
        .arg(&firmware)
        .args(["--", "turnstile", "--config"])
        .arg(&path)
        .env("RUST_LOG", "warn")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let group = Group(launcher.id().unwrap());
    bench.control.has_seen("a device at work", |seen| !seen.reports.is_empty()).await;
    let Order::Firmware(forged) = sign("broken", &good, &url) else { unreachable!() };
    let forged = Order::Firmware(FirmwareManifest { signature: "00".repeat(64), ..forged });
    assert_eq!(bench.order(&forged).await.0, AckStatus::Rejected);
    let (status, why) = bench.order(&sign("broken", &broken, &url)).await;
    assert_eq!(status, AckStatus::Failed, "{why:?}");
    let current = || std::fs::read_link(firmware.join("current")).unwrap();
    assert_eq!(current(), std::path::Path::new("program-1"));
    assert_eq!(bench.order(&sign("good", &good, &url)).await, (AckStatus::Done, None));
    assert_eq!(current(), std::path::Path::new("program-good"));
    group.end("-TERM");
    assert!(within("the end", launcher.wait()).await.unwrap().success());
}

/// A process with all that it has started: none of them outlives the test.
struct Group(u32);

impl Group {
    fn end(&self, signal: &str) {
        let group = format!("-{}", self.0);
        std::process::Command::new("kill").args([signal, "--", &group]).status().unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end("-KILL");
    }
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
