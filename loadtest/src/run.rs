//! The measured run: a scenario's visitors at the lanes, alone or interleaved with the echo (echo,
//! run, echo, run …), so that both meet the same machine in the same minutes.

mod bench;
mod outcome;
mod play;
mod rounds;
mod segment;
mod sizes;
mod verdict;
mod world;

use std::{io::Write, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

pub use self::{
    bench::{Bench, EchoBench},
    outcome::{Limits, Options, Outcome, Told},
    play::Suffered,
    segment::{SegmentLine, Used},
    world::size,
};
use self::{play::Play, rounds::Rounds, segment::Segment, world::World};
use crate::{
    arrivals::{moments, poisson},
    clock::Clock,
    echo::{EchoFleet, EchoProcess, Form, Responder},
    figures::Round,
    limits,
    metrics::Reading,
    plan::{Rules, plan},
    preload, report,
    server::Server,
    setup::Target,
    usage,
};

/// A park to run against, with its server where that is our own.
pub struct Stage {
    /// Where it is.
    pub target: Target,
    /// Its process.
    pub server: Option<Server>,
}

/// Runs, reports to `out`; true when nothing was broken.
pub async fn run(
    options: Options,
    mut stage: Stage,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let clock = Clock::start();
    let scenario = &options.scenario;
    limits::enough(scenario.lanes + scenario.company.viewers + scenario.company.kiosks)?;
    let load_before = usage::machine_load();
    let plan = plan(&moments(&scenario.phases, scenario.seed), &Rules::of(scenario), scenario.seed);
    let shutdown = CancellationToken::new();
    let _stops = shutdown.clone().drop_guard();
    let preloaded = preload::tickets(options.preload, &mut stage).await?;
    let mut world = World::open(clock, scenario, stage, &plan.tickets, &shutdown).await?;
    let echo = match options.echo {
        Some(responder) => {
            let sample = world.fleet.sample();
            Some(Echo::start(clock, &options, responder, &sample, &shutdown).await?)
        }
        None => None,
    };
    let metrics = |text: String| Reading::parse(&text);
    let told_before = metrics(world.target.connect().await?.text("/metrics").await?);
    let mut rounds = Rounds::new(clock, &options, &plan, &mut world, echo.as_ref());
    rounds.all().await?;
    let ran = rounds.end();
    world.login().await?;
    let told_after = metrics(world.target.connect().await?.text("/metrics").await?);
    // A server that was started again counts from its start.
    let told_before = if scenario.ends_server() { Reading::default() } else { told_before };
    let fleet = Arc::clone(&world.fleet);
    verdict::settle(&world).await?;
    let devices = fleet.stats();
    let viewed = world.viewers.as_ref().map(crate::viewers::Viewers::viewed).unwrap_or_default();
    shutdown.cancel();
    if let Some(server) = world.running.take().await {
        verdict::stop(&fleet, server).await;
    }
    verdict::limits(&fleet, &options, &ran.visitors, ran.echoes.as_ref());
    let oracle = fleet.oracle();
    let (broken, words) = oracle.broken();
    let outcome = Outcome {
        load_before,
        planned: plan.arrivals.len(),
        visitors: ran.visitors,
        echo: ran.echoes,
        segments: ran.segments,
        queue_longest: fleet.queue().longest,
        echo_lost: echo.as_ref().map_or(0, |echo| echo.fleet.lost()),
        server: ran.server_used,
        server_threads: ran.server_threads,
        fleet: ran.fleet_used,
        told: told(&told_after, &told_before),
        devices,
        counts: oracle.counts().clone(),
        twice: oracle.twice(),
        allowances: oracle.allowances(),
        recovered: fleet.recovered(),
        suffered: ran.suffered,
        viewed,
        sales: ran.sales,
        preloaded,
        series: ran.series,
        broken,
        broken_words: words.to_vec(),
        options,
    };
    drop(oracle);
    report::run(&outcome, out)?;
    Ok(outcome.broken == 0)
}

/// What the server says of itself between two readings.
pub(crate) fn told(after: &Reading, before: &Reading) -> Told {
    let of = |name| after.histogram(before, name);
    Told {
        commit_s: of("shanmen_ledger_commit_seconds"),
        group: of("shanmen_ledger_group_size"),
        decision_s: of("shanmen_decision_seconds"),
        checkpoint_s: of("shanmen_ledger_checkpoint_seconds"),
        troubles: after.troubles(before),
    }
}

/// The echo with its process.
pub struct Echo {
    process: EchoProcess,
    fleet: Arc<EchoFleet>,
}

impl Echo {
    async fn start(
        clock: Clock,
        options: &Options,
        responder: Responder,
        sample: &str,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let form = form(options, responder, sample);
        let process = EchoProcess::start(form).await?;
        let fleet = EchoFleet::start(clock, form, process.address.clone(), shutdown).await?;
        Ok(Self { process, fleet })
    }
}

/// An echo of the size of a scan with the code `sample`, and of its decision.
pub fn form(options: &Options, responder: Responder, sample: &str) -> Form {
    let (question_bytes, answer_bytes) = sizes::sizes(sample);
    Form {
        lanes: options.scenario.lanes,
        qos: options.scenario.scan_qos,
        responder,
        question_bytes,
        answer_bytes,
        facts: options.echo_facts,
    }
}

/// Runs the echo alone.
pub async fn echo(
    options: Options,
    responder: Responder,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let (all, lines, lost, form) = echoes(&options, responder).await?;
    report::echo(&options, form, &all, &lines, lost, out)?;
    Ok(lost == 0)
}

/// The rounds of an echo, with a process of their own.
async fn echoes(
    options: &Options,
    responder: Responder,
) -> anyhow::Result<(Round, Vec<SegmentLine>, u64, Form)> {
    let clock = Clock::start();
    limits::enough(options.scenario.lanes)?;
    let shutdown = CancellationToken::new();
    let _stops = shutdown.clone().drop_guard();
    let sample = sizes::sample();
    let echo = Echo::start(clock, options, responder, &sample, &shutdown).await?;
    let mut all = Round::default();
    let mut lines = Vec::new();
    let length = Duration::try_from_secs_f64(options.each_s())?;
    for number in 1..=u64::from(options.rounds) {
        let rate = options.scenario.peak();
        let moments = poisson(rate, length, options.scenario.seed + number);
        let segment = Segment { clock, options, number };
        let (round, line) = segment.echo(&echo.fleet, echo.process.pid(), moments).await?;
        all.add(&round);
        lines.push(line);
    }
    let lost = echo.fleet.lost();
    Ok((all, lines, lost, form(options, responder, &sample)))
}
