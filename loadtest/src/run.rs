//! The measured run: visitors at the lanes, alone or interleaved with the echo (echo, run, echo,
//! run …), so that both meet the same machine in the same minutes.

mod outcome;
mod segment;
mod sizes;
mod verdict;

use std::{io::Write, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use self::segment::Segment;
pub use self::{
    outcome::{Limits, Options, Outcome, Told},
    segment::{SegmentLine, Used},
};
use crate::{
    arrivals::poisson,
    clock::{Clock, ns_of},
    echo::{EchoFleet, EchoProcess, Form, Responder},
    figures::Round,
    fleet::Fleet,
    metrics::Reading,
    plan::{Mix, Plan, plan},
    progress, report,
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
pub async fn run(options: Options, stage: Stage, out: &mut dyn Write) -> anyhow::Result<bool> {
    let clock = Clock::start();
    let load_before = usage::machine_load();
    let length = Duration::from_secs(options.seconds * u64::from(options.rounds));
    let plan = plan(&poisson(options.rate, length, options.seed), Mix::default(), options.seed);
    let shutdown = CancellationToken::new();
    let _stops = shutdown.clone().drop_guard();
    let Stage { target, server } = stage;
    let before = target.snapshot().await?;
    progress::note(&format!("issuing {} tickets", plan.tickets));
    let codes = target.issue(plan.tickets).await.context("the tickets were not issued")?;
    progress::note(&format!("enrolling and connecting {} lanes", options.gates));
    let lanes = target.lanes(options.gates).await?;
    let enrolled = target.enrol(&lanes, options.scan_qos).await.context("enrolment")?;
    let sample = codes.first().cloned().unwrap_or_default();
    let walk = Duration::from_millis(options.walk_ms);
    let fleet = Fleet::start(clock, enrolled, codes, walk, &shutdown).await?;
    let echo = match options.echo {
        Some(responder) => Some(Echo::start(clock, &options, responder, &sample, &shutdown).await?),
        None => None,
    };
    let mut metrics = target.connect().await?;
    let told_before = Reading::parse(&metrics.text("/metrics").await?);
    let mut rounds = Rounds::new(clock, &options, &plan, &fleet, echo.as_ref(), server.as_ref());
    rounds.all().await?;
    let Rounds { visitors, echoes, segments, server_used, fleet_used, .. } = rounds;
    let mut metrics = target.connect().await?;
    let told = told(&Reading::parse(&metrics.text("/metrics").await?), &told_before);
    verdict::settle(&fleet, &target, &before).await?;
    let devices = fleet.stats();
    shutdown.cancel();
    if let Some(server) = server {
        verdict::stop(&fleet, server).await;
    }
    verdict::limits(&fleet, &options, &visitors, echoes.as_ref());
    let oracle = fleet.oracle();
    let (broken, words) = oracle.broken();
    let outcome = Outcome {
        load_before,
        planned: plan.arrivals.len(),
        visitors,
        echo: echoes,
        segments,
        queue_longest: fleet.queue().longest,
        echo_lost: echo.as_ref().map_or(0, |echo| echo.fleet.lost()),
        server: server_used,
        fleet: fleet_used,
        told,
        devices,
        counts: oracle.counts().clone(),
        replaced: oracle.replaced(),
        broken,
        broken_words: words.to_vec(),
        options,
    };
    drop(oracle);
    report::run(&outcome, out)?;
    Ok(outcome.broken == 0)
}

fn told(after: &Reading, before: &Reading) -> Told {
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
        lanes: options.gates,
        qos: options.scan_qos,
        responder,
        question_bytes,
        answer_bytes,
        facts: options.echo_facts,
    }
}

/// The rounds of a run, one after the other.
struct Rounds<'a> {
    clock: Clock,
    options: &'a Options,
    plan: &'a Plan,
    fleet: &'a Arc<Fleet>,
    echo: Option<&'a Echo>,
    server_pid: Option<u32>,
    visitors: Round,
    echoes: Option<Round>,
    segments: Vec<SegmentLine>,
    server_used: Option<Used>,
    fleet_used: Option<Used>,
}

impl<'a> Rounds<'a> {
    fn new(
        clock: Clock,
        options: &'a Options,
        plan: &'a Plan,
        fleet: &'a Arc<Fleet>,
        echo: Option<&'a Echo>,
        server: Option<&Server>,
    ) -> Self {
        Self {
            clock,
            options,
            plan,
            fleet,
            echo,
            server_pid: server.and_then(Server::pid),
            visitors: Round::default(),
            echoes: echo.map(|_| Round::default()),
            segments: Vec::new(),
            server_used: None,
            fleet_used: None,
        }
    }

    async fn all(&mut self) -> anyhow::Result<()> {
        let each_ns = ns_of(Duration::from_secs(self.options.seconds));
        for n in 0..u64::from(self.options.rounds) {
            let (from, until) = (n * each_ns, (n + 1) * each_ns);
            let arrivals: Vec<_> = self
                .plan
                .arrivals
                .iter()
                .filter(|arrival| from <= arrival.at_ns && arrival.at_ns < until)
                .map(|arrival| (arrival.at_ns - from, arrival.visit))
                .collect();
            let segment = Segment { clock: self.clock, options: self.options, number: n + 1 };
            if let Some(echo) = self.echo {
                let moments = arrivals.iter().map(|&(at_ns, _)| at_ns).collect();
                let (round, line) = segment.echo(&echo.fleet, echo.process.pid(), moments).await?;
                if let Some(echoes) = &mut self.echoes {
                    echoes.add(&round);
                }
                self.segments.push(line);
            }
            let (round, line, used) =
                segment.visitors(self.fleet, self.server_pid, arrivals).await?;
            self.visitors.add(&round);
            self.segments.push(line);
            Used::sum(&mut self.server_used, used.server);
            Used::sum(&mut self.fleet_used, used.fleet);
        }
        Ok(())
    }
}

/// Runs the echo alone.
pub async fn echo(
    options: Options,
    responder: Responder,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let clock = Clock::start();
    let shutdown = CancellationToken::new();
    let _stops = shutdown.clone().drop_guard();
    // A signed code is about this long.
    let sample = "S".repeat(sizes::CODE_BYTES);
    let echo = Echo::start(clock, &options, responder, &sample, &shutdown).await?;
    let mut all = Round::default();
    let mut lines = Vec::new();
    for number in 1..=u64::from(options.rounds) {
        let length = Duration::from_secs(options.seconds);
        let moments = poisson(options.rate, length, options.seed + number);
        let segment = Segment { clock, options: &options, number };
        let (round, line) = segment.echo(&echo.fleet, echo.process.pid(), moments).await?;
        all.add(&round);
        lines.push(line);
    }
    let lost = echo.fleet.lost();
    let form = form(&options, responder, &sample);
    report::echo(&options, form, &all, &lines, lost, out)?;
    Ok(lost == 0)
}
