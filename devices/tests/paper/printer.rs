//! Jobs as commands: printed once, answered again, in doubt after a cut; alarms of the paper.

use shanmen_devices::{
    agent::{AgentConfig, AgentHandle},
    clock::Clock,
    firmware::Upkeep,
    print::{
        driver::Manner,
        sink::Place,
        status::Status,
        virtual_printer::{Mishap, VirtualPrinter},
    },
    printer::{self, PrinterSettings},
    storage::{MemoryStorage, SqliteStorage, Storage},
};
use shanmen_protocols::{
    device::{AckStatus, Body, JobState, Order, PrintJob},
    ids::{DeviceId, JobId, SiteId},
};
use tokio_util::sync::CancellationToken;

use crate::{broker::Broker, plane::Plane, within};

struct Bench {
    _broker: Broker,
    plane: Plane,
    paper: VirtualPrinter,
    agent: AgentConfig,
    settings: PrinterSettings,
}

impl Bench {
    async fn start() -> Option<Self> {
        let broker = Broker::start().await?;
        let (site, device) =
            (SiteId::new("huangshan").unwrap(), DeviceId::new("printer-1").unwrap());
        let plane = Plane::start(&broker.address(), &site, &device, Box::new(|_| None)).await;
        let paper = VirtualPrinter::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let sink = Place::Tcp { address: paper.address().to_string() };
        let settings = PrinterSettings {
            manner: Manner { step_ms: 1_000, paper_ms: 2_000, ..Manner::default() },
            poll_ms: 50,
            stock: Some(200),
            ..PrinterSettings::at(sink)
        };
        let agent = AgentConfig {
            reconnect_min_ms: 10,
            reconnect_max_ms: 100,
            ..AgentConfig::new(site, device, broker.address())
        };
        Some(Self { _broker: broker, plane, paper, agent, settings })
    }

    fn printer(&self, stop: &CancellationToken) -> AgentHandle {
        self.printer_with(Box::new(MemoryStorage), stop)
    }

    fn printer_with(&self, storage: Box<dyn Storage>, stop: &CancellationToken) -> AgentHandle {
        let (agent, settings) = (self.agent.clone(), self.settings.clone());
        let machine = (storage, Upkeep::default());
        printer::start(agent, settings, machine, Clock::default(), stop.clone())
    }

    fn print(&self, job: JobId) -> shanmen_protocols::ids::CommandId {
        let data = serde_json::json!({
            "name": "成人日票", "name_en": "Adult", "code": "SM1ABCDEF", "price": 12_000,
            "persons": 1, "validity": "2026-10-01", "holder": "王𬱖",
        });
        self.plane.command(&Order::Print(PrintJob {
            job,
            template: "ticket".into(),
            data: data.as_object().cloned().unwrap(),
            raw: None,
            copies: 1,
        }))
    }

    fn facts(seen: &crate::plane::Seen, of: JobId) -> Vec<JobState> {
        let facts = seen.facts.iter().filter_map(|fact| match fact {
            Body::Job { job, state, .. } if *job == of => Some(*state),
            _ => None,
        });
        facts.collect()
    }
}

#[tokio::test]
async fn a_job_is_printed_once_and_its_id_gets_the_first_answer_again() {
    let Some(bench) = Bench::start().await else { return };
    let stop = CancellationToken::new();
    let printer = bench.printer(&stop);
    within("accepted", printer.ready()).await.unwrap();
    let job = JobId::fresh();
    let ack = bench.plane.answer(bench.print(job)).await;
    assert_eq!(ack.status, AckStatus::Done);
    assert_eq!(ack.result.unwrap()["missing"], serde_json::json!(["U+2CC56"]));
    let again = bench.plane.answer(bench.print(job)).await;
    assert_eq!(again.status, AckStatus::Duplicate);
    assert_eq!(again.result.unwrap()["state"], "done");
    assert_eq!(bench.paper.count(), 1);
    let seen = bench.plane.has_seen("paper", |seen| {
        seen.telemetry.iter().any(|t| t.values.get("paper_percent").is_some_and(|p| *p == 99))
    });
    assert_eq!(Bench::facts(&seen.await, job), [JobState::Started, JobState::Done]);
    let refused = bench.plane.answer(bench.plane.command(&Order::Cancel { job })).await;
    assert_eq!(refused.status, AckStatus::Rejected);
    stop.cancel();
    within("the end", printer.stopped()).await;
}

#[tokio::test]
async fn a_printer_without_paper_raises_an_alarm_and_prints_nothing() {
    let Some(bench) = Bench::start().await else { return };
    let stop = CancellationToken::new();
    let printer = bench.printer(&stop);
    within("accepted", printer.ready()).await.unwrap();
    let alarm = |code: &str, active| {
        let alarm = Body::Alarm { code: code.into(), active };
        bench.plane.has_seen("an alarm", move |seen| seen.facts.contains(&alarm))
    };
    bench.paper.set_status(Status { no_paper: true, ..Status::default() });
    alarm("no_paper", true).await;
    let job = JobId::fresh();
    let ack = bench.plane.answer(bench.print(job)).await;
    assert_eq!((ack.status, ack.reason.as_deref()), (AckStatus::Failed, Some("no_paper")));
    bench.paper.set_status(Status::default());
    alarm("no_paper", false).await;
    assert_eq!(bench.plane.answer(bench.print(job)).await.status, AckStatus::Duplicate);
    assert_eq!(bench.paper.count(), 0, "the same id is never printed again");
    stop.cancel();
    within("the end", printer.stopped()).await;
}

#[tokio::test]
async fn a_job_cut_off_in_the_middle_is_unknown_and_waits_for_a_person() {
    let Some(bench) = Bench::start().await else { return };
    let stop = CancellationToken::new();
    let printer = bench.printer(&stop);
    within("accepted", printer.ready()).await.unwrap();
    bench.paper.after(20_000, Mishap::Break);
    let job = JobId::fresh();
    let ack = bench.plane.answer(bench.print(job)).await;
    assert_eq!(ack.status, AckStatus::Failed);
    assert_eq!(ack.result.unwrap()["state"], "unknown");
    let again = bench.plane.answer(bench.print(job)).await;
    assert_eq!(again.status, AckStatus::Duplicate);
    let new = bench.plane.answer(bench.print(JobId::fresh())).await;
    assert_eq!(new.status, AckStatus::Done);
    assert_eq!(bench.paper.pages().iter().filter(|page| page.whole).count(), 1);
    let seen = bench.plane.has_seen("the doubt", |seen| Bench::facts(seen, job).len() == 2).await;
    assert_eq!(Bench::facts(&seen, job), [JobState::Started, JobState::Unknown]);
    stop.cancel();
    within("the end", printer.stopped()).await;
}

#[tokio::test]
async fn a_job_under_way_at_a_restart_is_unknown_and_is_not_printed_again() {
    let Some(mut bench) = Bench::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("printer.db");
    let open = || Box::new(SqliteStorage::open(&file).unwrap());
    // The paper ends in the middle, and the job hangs.
    bench.settings.manner.paper_ms = 60_000;
    bench.paper.after(40_000, Mishap::PaperEnds);
    let stop = CancellationToken::new();
    let printer = bench.printer_with(open(), &stop);
    within("accepted", printer.ready()).await.unwrap();
    let job = JobId::fresh();
    bench.print(job);
    bench.plane.has_seen("the start", |seen| Bench::facts(seen, job) == [JobState::Started]).await;
    within("the end of the paper", bench.paper.has_gone_wrong()).await;
    stop.cancel();
    within("the end", printer.stopped()).await;
    within("the torn page", bench.paper.printed(1)).await;

    bench.paper.set_status(Status::default());
    let stop = CancellationToken::new();
    let printer = bench.printer_with(open(), &stop);
    within("accepted", printer.ready()).await.unwrap();
    let both = [JobState::Started, JobState::Unknown];
    bench.plane.has_seen("the doubt", |seen| Bench::facts(seen, job) == both).await;
    bench.plane.has_seen("the hello", |seen| seen.hellos.len() == 2).await;
    let again = bench.plane.answer(bench.print(job)).await;
    assert_eq!(again.status, AckStatus::Duplicate);
    assert_eq!(again.result.unwrap()["state"], "unknown");
    assert_eq!(bench.paper.count(), 1);
    stop.cancel();
    within("the end", printer.stopped()).await;
}
