//! Admissions over HTTP: callers with a keep-alive connection each, asking as fast as they are
//! answered.
//!
//! A closed loop, unlike the lanes: what is asked here is how many decisions so many callers get.
//! Every grant's passage is reported, some scans are sent twice with the same id, and the same
//! oracle checks every answer.

mod caller;

use std::{
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde::Serialize;
use shanmen_protocols::ids::LaneId;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    clock::{Clock, ns_of, seconds_of},
    figures::{Latencies, Quantiles},
    oracle::{Broken, Counts, Oracle, compare},
    park::class_of,
    plan::{Arrival, Mix, Rules, plan},
    progress, report,
    run::{Stage, Used},
    server::Server,
    setup::Target,
    usage,
};

/// Between the arrivals of the plan, in nanoseconds: its order counts, not its time. A ticket is
/// used again 2,000 arrivals later at the earliest.
const PLAN_STEP_NS: u64 = 1_000_000;

/// How often the feed is asked before its counts are taken as final.
const ASKED_MAX: u32 = 50;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Stages: so many callers each.
    pub callers: Vec<usize>,
    /// Length of each stage.
    pub seconds: u64,
    /// Lanes at which is presented.
    pub gates: usize,
    /// What the mix is made from.
    pub seed: u64,
    /// Presentations for each stage, at most: their tickets are issued beforehand.
    pub presentations: usize,
    /// Where the report goes as JSON.
    pub json: Option<PathBuf>,
}

/// A stage's figures.
#[derive(Clone, Debug, Serialize)]
pub struct StageLine {
    /// Connections.
    pub callers: usize,
    /// Decisions in a second, their passages reported.
    pub decisions_per_s: f64,
    /// Requests in a second: decisions, repeats and passages.
    pub requests_per_s: f64,
    /// From the request to the decision.
    pub decision: Quantiles,
    /// From the report of a passage to its answer.
    pub passage: Quantiles,
    /// What the server used.
    pub server: Option<Used>,
}

/// All that came of it.
pub struct Outcome {
    /// Each stage.
    pub stages: Vec<StageLine>,
    /// The oracle's count.
    pub counts: Counts,
    /// Broken expectations.
    pub broken: u64,
    /// The first of them in words, with what led there.
    pub broken_words: Vec<Broken>,
    /// Where the report goes as JSON.
    pub json: Option<PathBuf>,
}

/// What the callers share.
struct Counter {
    clock: Clock,
    target: Target,
    lanes: Vec<LaneId>,
    codes: Vec<String>,
    arrivals: Vec<Arrival>,
    next: AtomicUsize,
    oracle: Mutex<Oracle>,
}

impl Counter {
    fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one caller, or all of a stage, measured.
#[derive(Default)]
struct Tally {
    decision: Latencies,
    passage: Latencies,
    requests: u64,
}

/// Runs all stages, reports to `out`; true when nothing was broken.
pub async fn run(
    options: Options,
    stage: Stage,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let Stage { target, server } = stage;
    let total = options.presentations.saturating_mul(options.callers.len());
    let moments: Vec<_> = (0..u64::try_from(total)?).map(|n| (n * PLAN_STEP_NS, 0)).collect();
    let plan = plan(&moments, &Rules::plain(Mix::default()), options.seed);
    progress::note(&format!("issuing {} tickets", plan.tickets.len()));
    let before = target.snapshot().await?;
    let codes = target.issue(0, &plan.tickets).await.context("the tickets were not issued")?;
    let clock = Clock::start();
    let mut oracle = Oracle::new(clock);
    for (n, sold) in plan.tickets.iter().enumerate() {
        oracle.add(sold.persons, class_of(n, *sold));
    }
    let lanes = target.lanes(options.gates).await?;
    let counter = Arc::new(Counter {
        clock,
        oracle: Mutex::new(oracle),
        target,
        lanes,
        codes,
        arrivals: plan.arrivals,
        next: AtomicUsize::new(0),
    });
    let mut stages = Vec::new();
    for &callers in &options.callers {
        stages.push(one_stage(&counter, callers, options.seconds, server.as_ref()).await?);
    }
    counter.oracle().finish();
    let counts = counter.oracle().counts().clone();
    let mut differences = Vec::new();
    for _ in 0..ASKED_MAX {
        let after = counter.target.snapshot().await?;
        let own = counter.target.own_park.then_some(counter.lanes.len());
        differences = compare(&counts, &before, &after, own, 0);
        if differences.is_empty() {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    for difference in differences {
        counter.oracle().breaks(difference);
    }
    if let Some(server) = server {
        match server.stop().await {
            Ok(status) if status.success() => {}
            Ok(status) => counter.oracle().breaks(format!("the server ended with {status}")),
            Err(error) => counter.oracle().breaks(format!("{error:#}")),
        }
    }
    let (broken, broken_words) = {
        let oracle = counter.oracle();
        let (broken, words) = oracle.broken();
        (broken, words.to_vec())
    };
    let outcome = Outcome { stages, counts, broken, broken_words, json: options.json };
    report::callers(&outcome, out)?;
    Ok(outcome.broken == 0)
}

async fn one_stage(
    counter: &Arc<Counter>,
    callers: usize,
    seconds: u64,
    server: Option<&Server>,
) -> anyhow::Result<StageLine> {
    let mut all = Vec::with_capacity(callers);
    for number in 0..callers {
        all.push(caller::Caller::open(Arc::clone(counter), number).await?);
    }
    let pid = server.and_then(Server::pid);
    let used_before = pid.and_then(usage::of);
    let start_ns = counter.clock.ns();
    let until_ns = start_ns + ns_of(Duration::from_secs(seconds));
    let mut running = JoinSet::new();
    for caller in all {
        running.spawn(caller.run(until_ns));
    }
    let mut tally = Tally::default();
    while let Some(one) = running.join_next().await {
        let one = one.context("a caller failed")??;
        tally.decision.add(&one.decision);
        tally.passage.add(&one.passage);
        tally.requests += one.requests;
    }
    let took_s = seconds_of(counter.clock.ns() - start_ns);
    let (decision, passage) = (tally.decision.quantiles(), tally.passage.quantiles());
    if decision.count == 0 {
        bail!("nobody was answered: the tickets have run out; raise --presentations");
    }
    let per_s = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took_s;
    let line = StageLine {
        callers,
        decisions_per_s: per_s(decision.count),
        requests_per_s: per_s(tally.requests),
        decision,
        passage,
        server: Used::between(used_before, pid.and_then(usage::of), took_s),
    };
    progress::note(&format!(
        "{callers} callers: {:.0} decisions/s, p50 {:.3} ms, p99 {:.3} ms in {took_s:.1} s",
        line.decisions_per_s,
        decision.p50_us / 1000.0,
        decision.p99_us / 1000.0
    ));
    Ok(line)
}
