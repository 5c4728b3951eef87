//! What is to be run, and all that came of it.

use std::path::PathBuf;

use serde::Serialize;
use shanmen_devices::turnstile::TurnstileStats;

use super::{SegmentLine, Suffered, Used};
use crate::{
    echo::Responder,
    figures::{Quantiles, Round},
    kiosks::Sales,
    metrics::Measured,
    oracle::{Allowances, Broken, Counts},
    preload::Preloaded,
    scenario::Scenario,
    series::Tick,
    usage::ThreadUsed,
    viewers::Viewed,
};

/// What is to be run.
#[derive(Clone, Debug, Serialize)]
pub struct Options {
    /// Who comes when, and what goes wrong.
    pub scenario: Scenario,
    /// Rounds; the scenario's time is shared among them.
    pub rounds: u32,
    /// Who answers the echo; none: no echo.
    pub echo: Option<Responder>,
    /// Whether the echo carries the load of the passages' facts too.
    pub echo_facts: bool,
    /// Tickets that are imported before the run, beside its own.
    pub preload: usize,
    /// Where the report goes as JSON.
    #[serde(skip)]
    pub json: Option<PathBuf>,
    /// Where the report goes as a page.
    #[serde(skip)]
    pub html: Option<PathBuf>,
    /// Thresholds.
    pub limits: Limits,
}

impl Options {
    /// The length of one round, in seconds.
    pub fn each_s(&self) -> f64 {
        self.scenario.seconds() / f64::from(self.rounds.max(1))
    }
}

/// What breaks the run besides the oracle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Limits {
    /// 99th percentile from the intended moment, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Measured ÷ echo, at the median.
    pub ratio_p50: Option<f64>,
    /// Measured ÷ echo, at the 99th percentile.
    pub ratio_p99: Option<f64>,
}

/// All that came of a run.
pub struct Outcome {
    /// What was run.
    pub options: Options,
    /// The load of the machine before it.
    pub load_before: Option<f64>,
    /// Arrivals planned.
    pub planned: usize,
    /// The visitors, all rounds together.
    pub visitors: Round,
    /// The echo, all rounds together.
    pub echo: Option<Round>,
    /// Each round by itself, in order.
    pub segments: Vec<SegmentLine>,
    /// The longest queue before the lanes.
    pub queue_longest: usize,
    /// Echoes without an answer.
    pub echo_lost: u64,
    /// What the server used in the measured rounds.
    pub server: Option<Used>,
    /// Of it, the threads by their names.
    pub server_threads: Vec<ThreadUsed>,
    /// What this process (the fleet) used in the measured rounds.
    pub fleet: Option<Used>,
    /// What the server says of itself.
    pub told: Told,
    /// What the turnstiles counted.
    pub devices: TurnstileStats,
    /// The oracle's count.
    pub counts: Counts,
    /// Scans that were sent twice on purpose.
    pub twice: u64,
    /// What was allowed.
    pub allowances: Allowances,
    /// From the first try until they were served, of those who had to come again.
    pub recovered: Quantiles,
    /// The faults, and how lanes came back.
    pub suffered: Vec<Suffered>,
    /// What viewers saw.
    pub viewed: Viewed,
    /// What kiosks sold.
    pub sales: Sales,
    /// What was imported before the run.
    pub preloaded: Option<Preloaded>,
    /// Second by second.
    pub series: Vec<Tick>,
    /// Broken expectations.
    pub broken: u64,
    /// The first of them in words, with what led there.
    pub broken_words: Vec<Broken>,
}

/// The server's own metrics over the run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Told {
    /// One commit of the ledger, in seconds.
    pub commit_s: Measured,
    /// Rows in a commit.
    pub group: Measured,
    /// Scan to decision within the server, in seconds.
    pub decision_s: Measured,
    /// A checkpoint of the ledger, in seconds.
    pub checkpoint_s: Measured,
    /// Counters of trouble that have grown.
    pub troubles: Vec<(String, f64)>,
}
