//! The command line. Exit status: 0 as expected, 1 a broken expectation or a fault, 2 a command
//! line that cannot be.

mod place;
mod trials;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::bail;
use clap::{Args, Parser, Subcommand, value_parser};

use self::{
    place::{Place, stage},
    trials::{Compare, Rest, Saturate},
};
use crate::{
    callers,
    echo::{self, Form, Responder},
    feed,
    park::Size,
    run::{self, Limits, Options},
    scenario::Scenario,
};

/// Without a scenario: lanes, presentations a second, seconds of a round.
const GATES_DEFAULT: u16 = 200;
const RATE_DEFAULT: f64 = 500.0;
const SECONDS_DEFAULT: f64 = 20.0;

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
        /// A scenario file (TOML) in place of --gates, --rate and --seconds; `loadtest/scenarios/`
        /// has a library of them.
        #[arg(long, value_name = "FILE")]
        scenario: Option<PathBuf>,
        /// Play the scenario so many times as fast: the same visitors in less time.
        #[arg(long, value_name = "TIMES", requires = "scenario", value_parser = speed)]
        speed: Option<f64>,
        /// Where the span of --seconds begins, in seconds of the (faster) scenario.
        #[arg(long, value_name = "SECONDS", requires = "scenario", value_parser = begin)]
        from: Option<f64>,
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
    /// The highest rate that is held with the 99th percentile under a bound, beside the raw echo.
    Saturate(Saturate),
    /// Many lanes at rest: memory for each, and their return after a restart of the broker.
    Rest(Rest),
    /// Compare the reports of two runs.
    Compare(Compare),
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
    /// Lanes, each a turnstile with its own connection; 200 without a scenario.
    #[arg(long, value_parser = value_parser!(u16).range(1..=5000))]
    gates: Option<u16>,
    /// Presentations a second, all lanes together; 500 without a scenario, which has its own.
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Length of each round, in seconds, 20 by default; with a scenario, how much of it.
    #[arg(long, value_parser = length)]
    seconds: Option<f64>,
    /// How much of each round's beginning is checked, but not measured, in seconds; 1 by default.
    #[arg(long, value_parser = seconds)]
    warmup: Option<f64>,
    /// Rounds.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// What the arrivals and the mix are made from: the same seed, the same visitors.
    #[arg(long)]
    seed: Option<u64>,
    /// Quality of service of scans and decisions; the turnstiles' own default is 0.
    #[arg(long, value_parser = value_parser!(u8).range(0..=1))]
    scan_qos: Option<u8>,
    /// From a lane's opening until its visitor is through, in milliseconds; 0 by default.
    #[arg(long, value_parser = value_parser!(u64).range(0..=4000))]
    walk_ms: Option<u64>,
    /// Tickets that are imported before the run, beside its own, up to 20,000,000.
    #[arg(long, default_value_t = 0, value_name = "COUNT", value_parser = tickets)]
    tickets: usize,
    /// Who answers the echo.
    #[arg(long, value_enum, default_value_t = Responder::Outside)]
    responder: Responder,
    /// Let the echo carry the load of the passages' facts too (not measured).
    #[arg(long)]
    echo_facts: bool,
    /// Write the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a page with charts, too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
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
        Command::Run { scenario, speed, from, load, place, checks, with_echo } => {
            let scenario = match scenario {
                Some(file) => load.play(Scenario::load(&file)?, speed, from),
                None => load.steady(),
            };
            measured(scenario, &load, &place, &checks, with_echo, out).await
        }
        Command::CompareEcho { load, place, checks } => {
            measured(load.steady(), &load, &place, &checks, true, out).await
        }
        Command::Echo { load } => {
            let responder = load.responder;
            let options = options(load.steady(), &load, None, Limits::default());
            run::echo(options, responder, out).await
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
            let size = Size::lanes(gates.into());
            callers::run(options, stage(&place, &size).await?, out).await
        }
        Command::Feed(wanted) => feed::run(wanted, out).await,
        Command::Saturate(search) => search.run(out).await,
        Command::Rest(trial) => trial.run(out).await,
        Command::Compare(two) => two.run(out),
        Command::EchoBroker { responder, qos, answer_bytes } => {
            let (lanes, question_bytes, facts) = (0, 0, false);
            let form = Form { lanes, qos, responder, question_bytes, answer_bytes, facts };
            echo::broker::run(form, out).await?;
            Ok(true)
        }
    }
}

async fn measured(
    scenario: Scenario,
    load: &Load,
    place: &Place,
    checks: &Checks,
    with_echo: bool,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let limits =
        Limits { p99_ms: checks.p99_ms, ratio_p50: checks.echo_p50, ratio_p99: checks.echo_p99 };
    if scenario.ends_server() && !place.is_own() {
        bail!("the scenario restarts the server, which has to be the load test's own");
    }
    let size = run::size(&scenario);
    let options = options(scenario, load, with_echo.then_some(load.responder), limits);
    run::run(options, stage(place, &size).await?, out).await
}

fn options(scenario: Scenario, load: &Load, echo: Option<Responder>, limits: Limits) -> Options {
    Options {
        scenario,
        rounds: load.rounds,
        echo,
        echo_facts: load.echo_facts,
        preload: load.tickets,
        json: load.json.clone(),
        html: load.html.clone(),
        limits,
    }
}

impl Load {
    /// One rate, for so many rounds.
    fn steady(&self) -> Scenario {
        let each_s = self.seconds.unwrap_or(SECONDS_DEFAULT);
        let seconds = each_s * f64::from(self.rounds);
        let gates = usize::from(self.gates.unwrap_or(GATES_DEFAULT));
        let steady = Scenario::simple(gates, self.rate.unwrap_or(RATE_DEFAULT), seconds);
        self.with(steady)
    }

    /// A scenario, as far as the command line leaves it as it is.
    fn play(&self, scenario: Scenario, speed: Option<f64>, from: Option<f64>) -> Scenario {
        let scenario = self.with(scenario.faster(speed.unwrap_or(1.0)));
        match (from, self.seconds) {
            (None, None) => scenario,
            (from, seconds) => {
                let from_s = from.unwrap_or(scenario.from_s);
                let rest_s = (scenario.seconds() - from_s).max(1.0);
                scenario.span(from_s, seconds.unwrap_or(rest_s))
            }
        }
    }

    fn with(&self, mut scenario: Scenario) -> Scenario {
        let Self { warmup, seed, scan_qos, walk_ms, gates, .. } = *self;
        scenario.warmup_s = warmup.unwrap_or(scenario.warmup_s);
        scenario.seed = seed.unwrap_or(scenario.seed);
        scenario.scan_qos = scan_qos.unwrap_or(scenario.scan_qos);
        scenario.walk_ms = walk_ms.unwrap_or(scenario.walk_ms);
        scenario.lanes = gates.map_or(scenario.lanes, usize::from);
        scenario
    }
}

fn rate(text: &str) -> Result<f64, String> {
    between(text, 0.1, 100_000.0)
}

fn length(text: &str) -> Result<f64, String> {
    between(text, 0.5, 86_400.0)
}

fn speed(text: &str) -> Result<f64, String> {
    between(text, 0.1, 3_600.0)
}

fn begin(text: &str) -> Result<f64, String> {
    between(text, 0.0, 86_400.0)
}

fn tickets(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count <= 20_000_000).ok_or_else(|| "0 to 20,000,000".into())
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
