//! A printer as a kind of device: commands become jobs, what the printer says becomes facts.
//!
//! It decides nothing: which job is printed is the spool's part, what is an alarm the condition's.
//! The agent calls it.

use std::task::{Context, Poll};

use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{AckStatus, Order, PrintJob},
    ids::{CommandId, DeviceKind},
};
use tracing::info;

use super::{
    PrinterSettings,
    condition::Condition,
    content, health,
    spool::{Effect, Job, Spool, State, Taken},
    worker::{Report, Worker},
};
use crate::{
    agent::{Agent, Heard, Kind},
    print::driver::Fault,
};

/// The shelf of the jobs' records.
const JOBS: &str = "jobs";

/// The printer behind an agent.
pub(super) struct PrinterKind {
    settings: PrinterSettings,
    worker: Worker,
    spool: Spool,
    condition: Condition,
    /// What is printed once this step is kept.
    to_print: Vec<Job>,
}

impl PrinterKind {
    pub(super) fn new(settings: PrinterSettings, worker: Worker) -> Self {
        Self {
            settings,
            worker,
            spool: Spool::default(),
            condition: Condition::default(),
            to_print: Vec::new(),
        }
    }

    fn carry(&mut self, agent: &mut Agent, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Keep(job, record) => {
                    let record = serde_json::to_string(&record).unwrap_or_default();
                    agent.keep(JOBS, job.to_string(), record);
                }
                Effect::Forget(job) => agent.forget(JOBS, job.to_string()),
                Effect::Fact(body) => drop(agent.record(body)),
                Effect::Ended(job, command, record) => {
                    info!(device = %agent.device(), %job, state = ?record.state,
                        reason = record.reason.as_deref().unwrap_or(""), "print job ended");
                    let Some(command) = command else { continue };
                    let status = match record.state {
                        State::Done => AckStatus::Done,
                        _ => AckStatus::Failed,
                    };
                    let result = record.result(job);
                    agent.ack(command, status, record.reason, Some(result));
                }
                Effect::Print(job) => self.to_print.push(job),
            }
        }
    }

    fn print(&mut self, agent: &mut Agent, command: CommandId, order: PrintJob) {
        let id = order.job;
        let job = match content(order, &self.settings.words) {
            Ok((content, copies)) => Job { id, content, copies, command: Some(command) },
            Err(why) => return agent.refuse(command, why),
        };
        let mut effects = Vec::new();
        match self.spool.take(job, &mut effects) {
            Taken::Waits => agent.ack(command, AckStatus::Received, None, None),
            Taken::Again(record) => {
                let result = record.result(id);
                agent.ack(command, AckStatus::Duplicate, record.reason, Some(result));
            }
            Taken::Full => agent.refuse(command, "too many jobs wait: send it again later"),
        }
        self.carry(agent, effects);
    }
}

impl Kind for PrinterKind {
    const KIND: DeviceKind = DeviceKind::Printer;
    type Noticed = Report;

    fn started(&mut self, agent: &mut Agent) {
        self.condition = health::recall(agent);
        let mut effects = Vec::new();
        self.spool = Spool::recover(agent.shelf(JOBS), &mut effects);
        self.carry(agent, effects);
    }

    fn poll_noticed(&mut self, cx: &mut Context<'_>) -> Poll<Report> {
        self.worker.poll_report(cx)
    }

    fn noticed(&mut self, agent: &mut Agent, noticed: Report) {
        health::hear(&mut self.condition, agent, &noticed);
        if let Report::Printed { job, end, missing } = noticed {
            let mut effects = Vec::new();
            self.spool.printed(job, end, &missing, &mut effects);
            self.carry(agent, effects);
        }
    }

    fn hear(&mut self, _: &mut Agent, _: Heard) {
        // A printer asks nothing and has no settings of its own that the control plane changes.
    }

    fn obey(&mut self, agent: &mut Agent, id: CommandId, order: Order) {
        match order {
            Order::Print(order) => self.print(agent, id, order),
            Order::Cancel { job } => {
                let mut effects = Vec::new();
                if self.spool.cancel(job, &mut effects) {
                    agent.done(id);
                } else {
                    agent.refuse(id, "no such job waits: it is printed, begun or unknown here");
                }
                self.carry(agent, effects);
            }
            other => agent.refuse(id, format!("a printer knows no {}", other.op())),
        }
    }

    fn wake_at_ms(&self) -> Option<u64> {
        None
    }

    fn tick(&mut self, _: &mut Agent) {}

    fn carry_out(&mut self, agent: &mut Agent, durable: bool) {
        for job in std::mem::take(&mut self.to_print) {
            let id = job.id;
            // Without a record it could be printed a second time after a restart.
            if durable && self.worker.print(job) {
                continue;
            }
            let why = if durable { "the printer is busy" } else { "the disk refuses the record" };
            let mut effects = Vec::new();
            self.spool.printed(id, Err(Fault::Before(why.into())), &[], &mut effects);
            self.carry(agent, effects);
        }
    }

    fn telemetry(&self, values: &mut Map<String, Value>) {
        if let Some(stock) = self.settings.stock {
            values.insert("paper_percent".into(), self.condition.paper_percent(stock).into());
        }
        values.insert("jobs".into(), self.spool.len().into());
        values.insert("alarms".into(), self.condition.raised().into());
    }

    fn stopping(&mut self, _: &mut Agent) {
        // A job at the printer stays `started`, and is `unknown` at the next start.
    }
}
