//! The highest rate that is held with the 99th percentile under a bound: a closed search with open
//! rounds, beside the raw echo at that rate.
//!
//! Rates grow by half until one is not held, then the gap is halved a few times. A rate is held
//! when its p99 from the intended moment is within the bound and nothing was broken; one that is
//! not gets a second round.

use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    arrivals::moments,
    clock::Clock,
    echo::Responder,
    figures::Quantiles,
    limits, oracle,
    plan::{Rules, plan},
    progress,
    run::{self, Bench, Limits, Options, Stage},
    scenario::Scenario,
};

/// How much the rate grows from one round to the next.
const GROWTH: f64 = 1.5;

/// How often the gap between held and not held is halved.
const HALVINGS: u32 = 4;

/// The lowest rate that is tried, a second.
const RATE_MIN: f64 = 10.0;

/// The highest rate that is tried, a second.
const RATE_MAX: f64 = 60_000.0;

/// What is searched.
#[derive(Clone, Debug)]
pub struct Search {
    /// Lanes.
    pub lanes: usize,
    /// The first rate.
    pub from: f64,
    /// Length of each round, in seconds.
    pub seconds: f64,
    /// The bound of the 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// Where the report goes as JSON.
    pub json: Option<PathBuf>,
}

/// One rate that was tried.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tried {
    /// Presentations a second.
    pub rate: f64,
    /// From the intended moment to the answer.
    pub latency: Quantiles,
    /// Whether it was held.
    pub held: bool,
}

/// Searches, reports to `out`; true when some rate was held and nothing was broken.
pub async fn run(search: Search, stage: Stage, out: &mut dyn Write) -> anyhow::Result<bool> {
    limits::enough(search.lanes)?;
    let clock = Clock::start();
    let shutdown = CancellationToken::new();
    let _stops = shutdown.clone().drop_guard();
    let scenario = Scenario::simple(search.lanes, search.from, search.seconds);
    let rounds = Bench::open(clock, &scenario, stage, &shutdown).await?;
    let mut tried = Vec::new();
    let (mut held, mut failed) = (0.0, f64::INFINITY);
    let mut rate = search.from;
    let mut halved = 0;
    while halved < HALVINGS && rate <= RATE_MAX {
        let mut one = at(&search, rate, &rounds).await?;
        tried.push(one);
        if !one.held {
            // A single stall of the machine is not the server's limit.
            one = at(&search, rate, &rounds).await?;
            tried.push(one);
        }
        if one.held {
            held = rate;
        } else {
            failed = rate;
        }
        rate = if failed.is_infinite() {
            rate * GROWTH
        } else if held > 0.0 {
            halved += 1;
            f64::midpoint(held, failed)
        } else if rate > RATE_MIN {
            rate / GROWTH
        } else {
            break;
        };
    }
    let (broken, words) = rounds.close(&shutdown).await?;
    let echo = if held > 0.0 { Some(echo(&search, held).await?) } else { None };
    report(&search, (held, &tried, echo), (broken, &words), out)?;
    Ok(held > 0.0 && broken == 0)
}

async fn at(search: &Search, rate: f64, rounds: &Bench) -> anyhow::Result<Tried> {
    let mut scenario = Scenario::simple(search.lanes, rate, search.seconds);
    scenario.warmup_s = (search.seconds / 5.0).min(1.0);
    let fleet = Arc::clone(rounds.fleet());
    let rules = Rules { first: fleet.tickets(), ..Rules::of(&scenario) };
    let seed = 1 + u64::try_from(rules.first)?;
    let plan = plan(&moments(&scenario.phases, seed), &rules, seed);
    let codes = rounds.target().issue(rules.first, &plan.tickets).await?;
    fleet.add_tickets(codes, &plan.tickets);
    let broken_before = fleet.oracle().broken().0;
    let options = options(scenario);
    let latency = rounds.play(&options, &plan).await?;
    let broken = fleet.oracle().broken().0 - broken_before;
    let held = latency.p99_us <= search.p99_ms * 1000.0 && broken == 0 && latency.count > 0;
    let word = if held { "held" } else { "not held" };
    progress::note(&format!("{rate:.0}/s: {word}, p99 {:.2} ms", latency.p99_us / 1000.0));
    // What was left behind by a rate that was too high is not the next one's.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(Tried { rate, latency, held })
}

fn options(scenario: Scenario) -> Options {
    Options {
        scenario,
        rounds: 1,
        echo: None,
        echo_facts: false,
        preload: 0,
        json: None,
        html: None,
        limits: Limits::default(),
    }
}

async fn echo(search: &Search, rate: f64) -> anyhow::Result<Quantiles> {
    let options = options(Scenario::simple(search.lanes, rate, search.seconds));
    let (round, ..) = run::echoes(&options, Responder::Outside).await?;
    Ok(round.intended.quantiles())
}

fn report(
    search: &Search,
    (held, tried, echo): (f64, &[Tried], Option<Quantiles>),
    (broken, words): (u64, &[oracle::Broken]),
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(
        out,
        "{} lanes, rounds of {} s, bound: p99 of {} ms\n",
        search.lanes, search.seconds, search.p99_ms
    )?;
    writeln!(out, "{:>10} {:>10} {:>10} {:>10}", "rate/s", "p50 ms", "p99 ms", "p99.9 ms")?;
    for one in tried {
        let [p50, p99, p999] = ms(one.latency);
        let word = if one.held { "held" } else { "not held" };
        writeln!(out, "{:>10.0} {p50:>10.3} {p99:>10.3} {p999:>10.3}  {word}", one.rate)?;
    }
    writeln!(out, "\nhighest rate held: {held:.0} a second")?;
    if let Some(echo) = echo {
        let [p50, p99, p999] = ms(echo);
        writeln!(out, "raw echo there:    p50 {p50:.3} ms, p99 {p99:.3} ms, p99.9 {p999:.3} ms")?;
    }
    crate::report::broken(out, broken, words)?;
    let value = || {
        json!({ "lanes": search.lanes, "p99_ms": search.p99_ms, "seconds": search.seconds,
        "held": held, "tried": tried, "echo": echo, "broken": broken, "broken_words": words })
    };
    crate::report::write_json(search.json.as_deref(), value)
}

fn ms(q: Quantiles) -> [f64; 3] {
    [q.p50_us, q.p99_us, q.p999_us].map(|us| us / 1000.0)
}
