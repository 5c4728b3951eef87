//! What is to be run, and all that came of it.

use std::path::PathBuf;

use serde::Serialize;
use shanmen_devices::turnstile::TurnstileStats;

use super::{SegmentLine, Used};
use crate::{echo::Responder, figures::Round, metrics::Measured, oracle::Counts};

/// What is to be run.
#[derive(Clone, Debug, Serialize)]
pub struct Options {
    /// Lanes, each with a connection.
    pub gates: usize,
    /// Presentations a second.
    pub rate: f64,
    /// Length of each round.
    pub seconds: u64,
    /// How much of each round's beginning is not measured (it is checked all the same).
    pub warmup_s: f64,
    /// Rounds.
    pub rounds: u32,
    /// What the arrivals and the mix are made from.
    pub seed: u64,
    /// Quality of service of scans, and so of decisions.
    pub scan_qos: u8,
    /// From the opening of a lane until its visitor is through.
    pub walk_ms: u64,
    /// Who answers the echo; none: no echo.
    pub echo: Option<Responder>,
    /// Whether the echo carries the load of the passages' facts too.
    pub echo_facts: bool,
    /// Where the report goes as JSON.
    #[serde(skip)]
    pub json: Option<PathBuf>,
    /// Thresholds.
    pub limits: Limits,
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
    /// What this process (the fleet) used in the measured rounds.
    pub fleet: Option<Used>,
    /// What the server says of itself.
    pub told: Told,
    /// What the turnstiles counted.
    pub devices: TurnstileStats,
    /// The oracle's count.
    pub counts: Counts,
    /// Visits that could not be as planned.
    pub replaced: u64,
    /// Broken expectations.
    pub broken: u64,
    /// The first of them in words.
    pub broken_words: Vec<String>,
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
