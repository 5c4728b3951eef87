//! The device program as it is installed: killed, restarted, offline, ordered about.

mod enrolment;
mod firmware;
mod kills;
mod offline;
mod orders;

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
