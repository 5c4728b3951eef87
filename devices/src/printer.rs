//! A printer of the site: `print` and `cancel` as commands, jobs that are never printed twice.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`spool`] | the jobs and their records: pure |
//! | [`condition`] | alarms and paper: pure |
//! | [`worker`] | the task that has the printer to itself |
//! | `kind` | these three behind an agent |
//!
//! It refuses a template other than `ticket`, and a job that it has no room for.

pub mod condition;
pub(crate) mod health;
mod kind;
pub mod spool;
pub mod worker;

use std::sync::Arc;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use shanmen_protocols::{device::PrintJob, ids::JobId, privacy::without_values};
use tokio_util::sync::CancellationToken;

use self::{
    kind::PrinterKind,
    spool::{COPIES_MAX, Content, Record},
    worker::Worker,
};
use crate::{
    agent::{self, AgentConfig, AgentHandle},
    clock::Clock,
    firmware::Upkeep,
    print::{
        driver::{Manner, Printer},
        raster::DOTS_MAX,
        sink::Place,
        ticket::TicketText,
    },
    storage::Storage,
};

/// Words of the house that are on each ticket, unless a job brings its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Words {
    /// The site's name in Chinese.
    pub site: String,
    /// The site's name in English.
    pub site_en: String,
    /// Who sells.
    pub seller: String,
    /// A line for the visitor.
    pub note: String,
}

impl Words {
    /// Puts them where the ticket says nothing.
    pub fn fill(&self, mut ticket: TicketText) -> TicketText {
        let fields = [
            (&mut ticket.site, &self.site),
            (&mut ticket.site_en, &self.site_en),
            (&mut ticket.seller, &self.seller),
            (&mut ticket.note, &self.note),
        ];
        for (field, word) in fields {
            if field.is_empty() {
                field.clone_from(word);
            }
        }
        ticket
    }
}

/// A printer as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrinterSettings {
    /// Where its bytes go.
    pub place: Place,
    /// How it is spoken to.
    #[serde(default)]
    pub manner: Manner,
    /// How often its status is asked, in milliseconds.
    #[serde(default = "poll_default_ms")]
    pub poll_ms: u64,
    /// How many tickets a full stock has; left out, nothing is said of the paper left.
    #[serde(default)]
    pub stock: Option<u32>,
    /// What is on each ticket.
    #[serde(default)]
    pub words: Words,
}

fn poll_default_ms() -> u64 {
    5_000
}

impl PrinterSettings {
    /// A printer at this place, with all else by default.
    pub fn at(place: Place) -> Self {
        Self {
            place,
            manner: Manner::default(),
            poll_ms: poll_default_ms(),
            stock: None,
            words: Words::default(),
        }
    }

    /// Whether its numbers make sense.
    ///
    /// # Errors
    /// Which one does not, and what is wanted.
    pub fn check(&self) -> Result<(), String> {
        if !(8..=DOTS_MAX).contains(&self.manner.head_dots) {
            return Err(format!("manner.head_dots: 8 to {DOTS_MAX} is wanted"));
        }
        let times = [
            ("poll_ms", self.poll_ms),
            ("manner.step_ms", self.manner.step_ms),
            ("manner.paper_ms", self.manner.paper_ms),
        ];
        for (key, ms) in times {
            if !(1..=600_000).contains(&ms) {
                return Err(format!("{key}: 1 to 600000 is wanted"));
            }
        }
        Ok(())
    }

    /// The printer's task, on the current runtime.
    pub(crate) fn worker(&self) -> Worker {
        let printer = Printer::new(Arc::new(self.place.clone()), self.manner);
        Worker::start(printer, self.poll_ms)
    }
}

/// Starts a printer on the current runtime. It connects by itself, again and again, until
/// `shutdown` is cancelled.
pub fn start(
    agent: AgentConfig,
    settings: PrinterSettings,
    machine: (Box<dyn Storage>, Upkeep),
    clock: Clock,
    shutdown: CancellationToken,
) -> AgentHandle {
    let worker = settings.worker();
    agent::start_on(agent, PrinterKind::new(settings, worker), machine, clock, shutdown)
}

/// What a `print` command wants printed, and how often.
///
/// # Errors
/// Why it is refused, without a value of it.
pub(crate) fn content(order: PrintJob, words: &Words) -> Result<(Content, u16), String> {
    if !(1..=COPIES_MAX).contains(&order.copies) {
        return Err(format!("copies: 1 to {COPIES_MAX}"));
    }
    if let Some(raw) = order.raw {
        let bytes = BASE64.decode(raw.as_bytes());
        let bytes = bytes.map_err(|_| "raw: the printer's bytes in Base64".to_owned())?;
        return Ok((Content::Raw(bytes), order.copies));
    }
    if order.template != "ticket" {
        return Err("template: this printer has only `ticket`".to_owned());
    }
    let ticket: TicketText = serde_json::from_value(Value::Object(order.data))
        .map_err(|error| format!("data: {}", without_values(&error.to_string())))?;
    Ok((Content::Ticket(Box::new(words.fill(ticket))), order.copies))
}

impl Record {
    /// As an ack says it in `result`.
    pub(crate) fn result(&self, job: JobId) -> Value {
        let mut result = json!({ "job": job, "state": self.state });
        if let Some(reason) = &self.reason {
            result["reason"] = reason.as_str().into();
        }
        if !self.missing.is_empty() {
            result["missing"] = self.missing.as_slice().into();
        }
        result
    }
}
