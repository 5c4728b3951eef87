//! The device program itself, killed in the middle with SIGKILL.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use shanmen_devices::print::virtual_printer::{Mishap, VirtualPrinter};
use shanmen_protocols::{
    device::{AckStatus, Body, JobState, Order, PrintJob},
    ids::{DeviceId, JobId, SiteId},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{
    broker::Broker,
    kiosk::Shop,
    plane::{Answers, Plane},
    within,
};

struct Yard {
    broker: Broker,
    plane: Plane,
    paper: VirtualPrinter,
    folder: tempfile::TempDir,
}

struct Program {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Yard {
    async fn start(answers: Answers) -> Option<Self> {
        let broker = Broker::start().await?;
        let (site, device) = (SiteId::new("huangshan").unwrap(), DeviceId::new("d1").unwrap());
        let plane = Plane::start(&broker.address(), &site, &device, answers).await;
        let paper = VirtualPrinter::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        Some(Self { broker, plane, paper, folder: tempfile::tempdir().unwrap() })
    }

    fn run(&self, kind: &str) -> Program {
        let config = self.folder.path().join("device.toml");
        let kiosk = if kind == "kiosk" { "[kiosk]\npayments = \"payments\"\n" } else { "" };
        let text = format!(
            "site = \"huangshan\"\ndevice = \"d1\"\ndata = \"data\"\n\
             [broker]\nurl = \"mqtt://127.0.0.1:{}\"\n\
             reconnect_min_ms = 20\nreconnect_max_ms = 200\n\
             [printer]\npoll_ms = 100\n[printer.place]\nsink = \"tcp\"\naddress = \"{}\"\n{kiosk}",
            self.broker.address().port,
            self.paper.address(),
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_shanmen-device"))
            .args([kind, "--config"])
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Program { child, input, output }
    }
}

impl Program {
    async fn wish(&mut self, wish: &Value) {
        self.input.write_all(format!("{wish}\n").as_bytes()).await.unwrap();
    }

    async fn shows(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let seen = async {
            loop {
                let line = self.output.next_line().await.unwrap().expect("the program lives");
                let shown: Value = serde_json::from_str(&line).unwrap();
                if wanted(&shown) {
                    return shown;
                }
            }
        };
        within(what, seen).await
    }

    /// SIGKILL: nothing is flushed, nobody says goodbye.
    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn pay(folder: &Path, view: &Value) {
    let end = format!("payments/{}.end", view["payment"].as_str().unwrap());
    std::fs::write(folder.join(end), format!("paid {}", view["amount"])).unwrap();
}

fn is(state: &str) -> impl Fn(&Value) -> bool {
    move |shown| shown["show"] == "order" && shown["state"] == state
}

#[tokio::test]
async fn a_kiosk_that_is_killed_while_the_visitor_pays_prints_the_ticket_once() {
    let Some(yard) = Yard::start(Shop::default().answers()).await else { return };
    let mut kiosk = yard.run("kiosk");
    let ready = |shown: &Value| *shown == json!({"show":"ready","online":true,"printer":true});
    kiosk.shows("ready", ready).await;
    kiosk.wish(&json!({"do":"buy","lines":[{"product":"adult","count":1}]})).await;
    let paying = kiosk.shows("paying", is("paying")).await;
    kiosk.kill().await;
    pay(yard.folder.path(), &paying);
    let mut kiosk = yard.run("kiosk");
    let collected = kiosk.shows("collected", is("collected")).await;
    assert_eq!(collected["order"], paying["order"]);
    kiosk.kill().await;
    let mut kiosk = yard.run("kiosk");
    kiosk.shows("ready again", ready).await;
    assert_eq!(yard.paper.count(), 1);
    assert_eq!(yard.paper.pages().iter().filter(|page| page.whole).count(), 1);
    kiosk.kill().await;
}

#[tokio::test]
async fn a_printer_that_is_killed_in_the_middle_of_a_job_leaves_it_unknown() {
    let Some(yard) = Yard::start(Box::new(|_| None)).await else { return };
    let printer = yard.run("printer");
    yard.plane.has_seen("a hello", |seen| seen.hellos.len() == 1).await;
    yard.paper.after(40_000, Mishap::PaperEnds);
    let job = JobId::fresh();
    let data = json!({ "name": "成人票", "code": "SM1ABC" });
    let order = Order::Print(PrintJob {
        job,
        template: "ticket".into(),
        data: data.as_object().cloned().unwrap(),
        raw: None,
        copies: 1,
    });
    yard.plane.command(&order);
    within("the end of the paper", yard.paper.has_gone_wrong()).await;
    printer.kill().await;
    within("the torn page", yard.paper.printed(1)).await;
    yard.paper.set_status(shanmen_devices::print::status::Status::default());
    let printer = yard.run("printer");
    let unknown = |fact: &Body| matches!(fact, Body::Job { job: of, state: JobState::Unknown, .. } if *of == job);
    yard.plane.has_seen("the doubt", |seen| seen.facts.iter().any(unknown)).await;
    yard.plane.has_seen("a hello", |seen| seen.hellos.len() == 2).await;
    let again = yard.plane.answer(yard.plane.command(&order)).await;
    assert_eq!(again.status, AckStatus::Duplicate);
    assert_eq!(yard.paper.count(), 1);
    printer.kill().await;
}
