//! The command line. Exit status: 0 as expected, 1 a broken expectation or a fault, 2 a command
//! line that cannot be.

mod place;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::bail;
use clap::{Args, Parser, Subcommand, value_parser};

use self::place::{Place, stage};
use crate::{
    callers,
    echo::{self, Form, Responder},
    feed,
    run::{self, Limits, Options},
};

/// Shanmen's load test: a virtual fleet, visitors who do not wait for a slow server, and an oracle
/// that checks every answer.
#[derive(Debug, Parser)]
#[command(name = "shanmen-loadtest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Visitors at the lanes, over MQTT; without --target at a server process of its own.
    Run {
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        checks: Checks,
        /// Interleave each round with a round of the raw echo, and tell the ratio.
        #[arg(long)]
        with_echo: bool,
    },
    /// The same as `run --with-echo`: echo, run, echo, run …
    CompareEcho {
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        checks: Checks,
    },
    /// The raw round trip through the same broker, without a server.
    Echo {
        #[command(flatten)]
        load: Load,
    },
    /// Admissions over HTTP: so many callers, a keep-alive connection each.
    Http {
        /// Stages: numbers of callers.
        #[arg(long, value_delimiter = ',', default_value = "1,16,64",
            value_parser = value_parser!(u16).range(1..=1024))]
        callers: Vec<u16>,
        /// Length of each stage, in seconds.
        #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..=3600))]
        seconds: u64,
        /// Lanes at which is presented.
        #[arg(long, default_value_t = 200, value_parser = value_parser!(u16).range(1..=5000))]
        gates: u16,
        /// Presentations for each stage, at most; 6,000 for each second by default.
        #[arg(long)]
        presentations: Option<usize>,
        /// What the mix is made from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Write the report as JSON, too.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Viewers at the feed, and whether the gates notice.
    Feed(feed::Wanted),
    /// The echo's own process.
    #[command(hide = true)]
    EchoBroker {
        #[arg(long, value_enum)]
        responder: Responder,
        #[arg(long)]
        qos: u8,
        #[arg(long)]
        answer_bytes: usize,
    },
}

#[derive(Debug, Args)]
struct Load {
    /// Lanes, each a turnstile with its own connection.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u16).range(1..=5000))]
    gates: u16,
    /// Presentations a second, all lanes together.
    #[arg(long, default_value_t = 500.0, value_parser = rate)]
    rate: f64,
    /// Length of each round, in seconds.
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How much of each round's beginning is checked, but not measured, in seconds.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    warmup: f64,
    /// Rounds.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// What the arrivals and the mix are made from: the same seed, the same visitors.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Quality of service of scans and decisions; the turnstiles' own default is 0.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u8).range(0..=1))]
    scan_qos: u8,
    /// From a lane's opening until its visitor is through, in milliseconds.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u64).range(0..=4000))]
    walk_ms: u64,
    /// Who answers the echo.
    #[arg(long, value_enum, default_value_t = Responder::Outside)]
    responder: Responder,
    /// Let the echo carry the load of the passages' facts too (not measured).
    #[arg(long)]
    echo_facts: bool,
    /// Write the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Checks {
    /// Fail when the 99th percentile is longer, in milliseconds.
    #[arg(long = "max-p99-ms", value_name = "MS")]
    p99_ms: Option<f64>,
    /// Fail when the median is more than so many times the echo's.
    #[arg(long = "max-echo-p50", value_name = "TIMES")]
    echo_p50: Option<f64>,
    /// Fail when the 99th percentile is more than so many times the echo's.
    #[arg(long = "max-echo-p99", value_name = "TIMES")]
    echo_p99: Option<f64>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(&error.into()),
    };
    let mut out = io::stdout();
    let result = runtime.block_on(async {
        tokio::select! {
            result = run(cli, &mut out) => result,
            () = stopped() => bail!("stopped"),
        }
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => told(&error),
    }
}

/// Done at SIGINT or SIGTERM: the server process and its folder must not be left behind.
async fn stopped() {
    #[cfg(unix)]
    if let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        tokio::select! {
            _ = term.recv() => return,
            interrupted = tokio::signal::ctrl_c() => if interrupted.is_ok() { return },
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn told(error: &anyhow::Error) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    let _told = writeln!(io::stderr(), "shanmen-loadtest: {error:#}");
    ExitCode::FAILURE
}

async fn run(cli: Cli, out: &mut (dyn Write + Send)) -> anyhow::Result<bool> {
    match cli.command {
        Command::Run { load, place, checks, with_echo } => {
            measured(&load, &place, &checks, with_echo, out).await
        }
        Command::CompareEcho { load, place, checks } => {
            measured(&load, &place, &checks, true, out).await
        }
        Command::Echo { load } => {
            let responder = load.responder;
            run::echo(options(&load, None, Limits::default()), responder, out).await
        }
        Command::Http { callers, seconds, gates, presentations, seed, json, place } => {
            let each_s = usize::try_from(seconds)?.saturating_mul(6_000);
            let options = callers::Options {
                callers: callers.into_iter().map(usize::from).collect(),
                seconds,
                gates: gates.into(),
                seed,
                presentations: presentations.unwrap_or(each_s),
                json,
            };
            callers::run(options, stage(&place, gates.into()).await?, out).await
        }
        Command::Feed(wanted) => feed::run(wanted, out).await,
        Command::EchoBroker { responder, qos, answer_bytes } => {
            let (lanes, question_bytes, facts) = (0, 0, false);
            let form = Form { lanes, qos, responder, question_bytes, answer_bytes, facts };
            echo::broker::run(form, out).await?;
            Ok(true)
        }
    }
}

async fn measured(
    load: &Load,
    place: &Place,
    checks: &Checks,
    with_echo: bool,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let limits =
        Limits { p99_ms: checks.p99_ms, ratio_p50: checks.echo_p50, ratio_p99: checks.echo_p99 };
    let options = options(load, with_echo.then_some(load.responder), limits);
    run::run(options, stage(place, load.gates.into()).await?, out).await
}

fn options(load: &Load, echo: Option<Responder>, limits: Limits) -> Options {
    Options {
        gates: load.gates.into(),
        rate: load.rate,
        seconds: load.seconds,
        warmup_s: load.warmup,
        rounds: load.rounds,
        seed: load.seed,
        scan_qos: load.scan_qos,
        walk_ms: load.walk_ms,
        echo,
        echo_facts: load.echo_facts,
        json: load.json.clone(),
        limits,
    }
}

fn rate(text: &str) -> Result<f64, String> {
    between(text, 0.1, 100_000.0)
}

fn seconds(text: &str) -> Result<f64, String> {
    between(text, 0.0, 600.0)
}

fn between(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("a number from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
