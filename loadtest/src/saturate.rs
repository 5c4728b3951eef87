//! The highest rate that is held with the 99th percentile under a bound: a closed search with open
//! rounds, beside the highest that the raw echo holds under the same bound, with either responder.
//!
//! Rates double until one is not held, then the gap is narrowed. A rate is held when its p99 from
//! the intended moment is within the bound and nothing was broken (of an echo: lost); one that is
//! not gets a second round. Server and echo have the same lanes, rounds, moments and criterion,
//! and as many rounds at most; the echo runs when the server has ended.

mod hunt;

use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::hunt::Hunt;
use crate::{
    arrivals::moments,
    clock::Clock,
    echo::Responder,
    figures::{Quantiles, ratio},
    limits, oracle,
    plan::{Rules, plan},
    progress,
    run::{Bench, EchoBench, Limits, Options, Stage},
    scenario::Scenario,
};

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

/// What was found of the server, or of an echo.
#[derive(Clone, Debug, Serialize)]
struct Found {
    /// Who answers the echo; none for the server.
    responder: Option<Responder>,
    /// The highest rate that was held, 0 for none.
    held: f64,
    /// The lowest rate that was not, where one was tried.
    not_held: Option<f64>,
    /// The highest rate that the server held, in times of this one.
    server_to_this: f64,
    /// All rates that were tried, in order.
    tried: Vec<Tried>,
}

impl Found {
    fn of(responder: Option<Responder>, hunt: &Hunt, tried: Vec<Tried>, server: f64) -> Self {
        let held = hunt.held();
        Self {
            responder,
            held,
            not_held: hunt.failed(),
            server_to_this: ratio(server, held),
            tried,
        }
    }
}

/// Searches, reports to `out`; true when some rate was held and nothing was broken.
pub async fn run(search: Search, stage: Stage, out: &mut dyn Write) -> anyhow::Result<bool> {
    limits::enough(search.lanes)?;
    let clock = Clock::start();
    let shutdown = CancellationToken::new();
    let _stops = shutdown.clone().drop_guard();
    let scenario = Scenario::simple(search.lanes, search.from, search.seconds);
    let rounds = Bench::open(clock, &scenario, stage, &shutdown).await?;
    let (mut hunt, mut tried) = (Hunt::from(search.from), Vec::new());
    while let Some(rate) = hunt.next() {
        let one = at(&search, rate, &rounds).await?;
        hunt.told(one.held);
        tried.push(one);
    }
    let (broken, words) = rounds.close(&shutdown).await?;
    let server = hunt.held();
    let mut found = vec![Found::of(None, &hunt, tried, server)];
    for responder in [Responder::Outside, Responder::InProcess] {
        found.push(echo(&search, responder, server).await?);
    }
    report(&search, &found, (broken, &words), out)?;
    Ok(server > 0.0 && broken == 0)
}

/// The same search for an echo; it begins at twice what the server held.
async fn echo(search: &Search, responder: Responder, server: f64) -> anyhow::Result<Found> {
    let (mut hunt, mut tried) = (Hunt::from(2.0 * server.max(search.from)), Vec::new());
    let options = options(scenario(search, search.from));
    let bench = EchoBench::open(&options, responder).await?;
    while let Some(rate) = hunt.next() {
        let options = self::options(scenario(search, rate));
        let seed = 1 + u64::try_from(tried.len())?;
        let (latency, lost) = bench.play(&options, seed).await?;
        let held = is_held(search, latency, lost);
        told(&format!("echo {responder:?}"), rate, held, latency);
        hunt.told(held);
        tried.push(Tried { rate, latency, held });
    }
    Ok(Found::of(Some(responder), &hunt, tried, server))
}

/// The criterion, for server and echo alike.
fn is_held(search: &Search, latency: Quantiles, broken: u64) -> bool {
    latency.p99_us <= search.p99_ms * 1000.0 && broken == 0 && latency.count > 0
}

fn told(who: &str, rate: f64, held: bool, latency: Quantiles) {
    let word = if held { "held" } else { "not held" };
    progress::note(&format!("{who} {rate:.0}/s: {word}, p99 {:.2} ms", latency.p99_us / 1000.0));
}

fn scenario(search: &Search, rate: f64) -> Scenario {
    let mut scenario = Scenario::simple(search.lanes, rate, search.seconds);
    scenario.warmup_s = (search.seconds / 5.0).min(1.0);
    scenario
}

async fn at(search: &Search, rate: f64, rounds: &Bench) -> anyhow::Result<Tried> {
    let scenario = scenario(search, rate);
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
    let held = is_held(search, latency, broken);
    told("server", rate, held, latency);
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

fn report(
    search: &Search,
    found: &[Found],
    (broken, words): (u64, &[oracle::Broken]),
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(
        out,
        "{} lanes, rounds of {} s, bound: p99 of {} ms\n",
        search.lanes, search.seconds, search.p99_ms
    )?;
    for one in found {
        let who = who(one);
        writeln!(
            out,
            "{who:<18} {:>10} {:>10} {:>10} {:>10}",
            "rate/s", "p50 ms", "p99 ms", "p99.9 ms"
        )?;
        for Tried { rate, latency, held } in &one.tried {
            let [p50, p99, p999] = ms(*latency);
            let word = if *held { "held" } else { "not held" };
            writeln!(out, "{:<18} {rate:>10.0} {p50:>10.3} {p99:>10.3} {p999:>10.3}  {word}", "")?;
        }
    }
    writeln!(out)?;
    for one in found {
        let who = who(one);
        let bound = one
            .not_held
            .map_or("none above tried".to_owned(), |rate| format!("not held: {rate:.0}"));
        write!(out, "{who:<18} highest rate held: {:.0} a second ({bound})", one.held)?;
        match one.responder {
            Some(_) => writeln!(out, "; the server holds {:.2} of it", one.server_to_this)?,
            None => writeln!(out)?,
        }
    }
    crate::report::broken(out, broken, words)?;
    crate::report::write_json(search.json.as_deref(), || json_of(search, found, (broken, words)))
}

fn json_of(
    search: &Search,
    found: &[Found],
    (broken, words): (u64, &[oracle::Broken]),
) -> serde_json::Value {
    let server = found.iter().find(|one| one.responder.is_none());
    let echoes: Vec<&Found> = found.iter().filter(|one| one.responder.is_some()).collect();
    json!({ "lanes": search.lanes, "p99_ms": search.p99_ms, "seconds": search.seconds,
        "held": server.map(|one| one.held), "not_held": server.and_then(|one| one.not_held),
        "tried": server.map(|one| &one.tried), "echoes": echoes,
        "broken": broken, "broken_words": words })
}

fn who(found: &Found) -> &'static str {
    match found.responder {
        None => "server",
        Some(Responder::Outside) => "echo, outside",
        Some(Responder::InProcess) => "echo, in process",
    }
}

fn ms(q: Quantiles) -> [f64; 3] {
    [q.p50_us, q.p99_us, q.p999_us].map(|us| us / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_stands_beside_both_echoes_in_the_report_and_its_json() {
        let search = Search { lanes: 4, from: 500.0, seconds: 5.0, p99_ms: 20.0, json: None };
        let found = |responder, up_to: f64| {
            let (mut hunt, mut tried) = (Hunt::from(500.0), Vec::new());
            while let Some(rate) = hunt.next() {
                let held = rate <= up_to;
                hunt.told(held);
                tried.push(Tried { rate, latency: Quantiles::default(), held });
            }
            Found::of(responder, &hunt, tried, 4000.0)
        };
        let all = [
            found(None, 4000.0),
            found(Some(Responder::Outside), 8000.0),
            found(Some(Responder::InProcess), 16_000.0),
        ];
        let mut out = Vec::new();
        report(&search, &all, (0, &[]), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("the server holds 0.50 of it"), "{text}");
        assert!(text.contains("the server holds 0.25 of it"), "{text}");
        let json = json_of(&search, &all, (0, &[]));
        assert_eq!(json["held"], 4000.0);
        assert_eq!(json["echoes"][0]["server_to_this"], 0.5);
        assert_eq!(json["echoes"][1]["responder"], "in-process");
    }
}
