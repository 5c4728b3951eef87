//! The arguments of what is tried beside the run: saturation, lanes at rest, and two reports
//! compared.

use std::{io::Write, path::PathBuf};

use clap::{Args, value_parser};

use super::{
    length,
    place::{Place, stage},
    rate,
};
use crate::{park::Size, report, rest, saturate, server::End};

/// The highest rate that is held.
#[derive(Debug, Args)]
pub(super) struct Saturate {
    /// Lanes.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u16).range(1..=5000))]
    gates: u16,
    /// The first rate, presentations a second.
    #[arg(long, default_value_t = 500.0, value_parser = rate)]
    from: f64,
    /// Length of each round, in seconds.
    #[arg(long, default_value_t = 10.0, value_parser = length)]
    seconds: f64,
    /// The bound of the 99th percentile, in milliseconds.
    #[arg(long = "p99-ms", default_value_t = 20.0, value_parser = rate)]
    p99_ms: f64,
    /// Write the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Saturate {
    pub(super) async fn run(self, out: &mut (dyn Write + Send)) -> anyhow::Result<bool> {
        let lanes = usize::from(self.gates);
        let Self { from, seconds, p99_ms, json, place, .. } = self;
        let search = saturate::Search { lanes, from, seconds, p99_ms, json };
        saturate::run(search, stage(&place, &Size::lanes(lanes)).await?, out).await
    }
}

/// Lanes at rest, and their return.
#[derive(Debug, Args)]
pub(super) struct Rest {
    /// Lanes.
    #[arg(long, default_value_t = 5000, value_parser = value_parser!(u16).range(1..=5000))]
    lanes: u16,
    /// Scans a second at lanes that are back, while others are not.
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..=1000))]
    scans: u32,
    /// The most seconds from the server's being ready until all lanes are back.
    #[arg(long = "max-back-s", default_value_t = 30.0, value_parser = length)]
    back_max_s: f64,
    /// Which of the lanes that are back are asked.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kill the server in place of stopping it in order.
    #[arg(long)]
    kill: bool,
    /// Write the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Rest {
    pub(super) async fn run(self, out: &mut (dyn Write + Send)) -> anyhow::Result<bool> {
        let lanes = usize::from(self.lanes);
        let how = if self.kill { End::Killed } else { End::InOrder };
        let Self { scans, seed, back_max_s, json, .. } = self;
        let trial = rest::Trial { lanes, scans, seed, back_max_s, how, json };
        rest::run(trial, stage(&self.place, &Size::lanes(lanes)).await?, out).await
    }
}

/// Two reports.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The report of one run (`run --json`).
    a: PathBuf,
    /// The report of the other.
    b: PathBuf,
    /// Write a page with charts, too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Compare {
    pub(super) fn run(&self, out: &mut (dyn Write + Send)) -> anyhow::Result<bool> {
        report::compare::compare((&self.a, &self.b), self.html.as_deref(), out)?;
        Ok(true)
    }
}
