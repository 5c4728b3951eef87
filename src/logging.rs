//! Structured logs and the metrics recorder: set up once for the process.
//!
//! Owns the filter, the form of a log line and the histogram buckets. Called by the command line
//! and the composition root.

use std::{
    io::IsTerminal as _,
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogForm {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// What is logged when neither `RUST_LOG` nor the configuration says otherwise.
pub const FILTER_DEFAULT: &str = "info,mqtt5=warn";

/// Latencies in seconds: a decision takes about 200 µs, so the steps are fine down there.
const SECONDS: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_3, 0.000_5, 0.000_75, 0.001, 0.002, 0.003, 0.005, 0.01,
    0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Whatever else is counted in a histogram, as the size of a commit's batch.
const COUNTS: [f64; 12] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 5_000.0, 10_000.0];

/// Starts logging to standard error. `RUST_LOG` goes before `filter`.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(form: LogForm, filter: Option<&str>) -> anyhow::Result<()> {
    let wanted = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let text = wanted.as_deref().or(filter).unwrap_or(FILTER_DEFAULT);
    let filter = EnvFilter::try_new(text)
        .with_context(|| format!("the log filter {text:?} cannot be read; try \"info\""))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A process that logs already (a test that starts two) keeps what it has.
    let started = match form {
        LogForm::Human => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogForm::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was set up before");
    }
    Ok(())
}

/// The recorder of the process, installed at the first call.
///
/// # Errors
/// When another recorder was installed before.
pub fn recorder() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut held = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = held.as_ref() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets(&COUNTS)?
        .set_buckets_for_metric(Matcher::Suffix("seconds".to_owned()), &SECONDS)?
        .install_recorder()
        .context("cannot install the metrics recorder")?;
    *held = Some(handle.clone());
    Ok(handle)
}
