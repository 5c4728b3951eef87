//! Viewers at the feed beside visitors at the lanes: what a viewer costs, how old its frames are,
//! and whether the gates notice.
//!
//! Steps of so many viewers each, the first without any. Viewers are real `WebSockets` in this
//! process; a share of them reads slowly or not at all, as bad networks do. Called by the command
//! line.

mod packing;
mod told;
mod viewer;

use std::{
    io::Write,
    path::PathBuf,
    sync::{Arc, mpsc::channel},
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args, value_parser};
use shanmen_devices::turnstile::BrokerAddress;
use tokio::{sync::oneshot, time::sleep};
use tokio_util::sync::CancellationToken;

use self::{
    told::{Cost, Outcome, StepLine},
    viewer::{Audience, Manner},
};
use crate::{
    arrivals::moments,
    clock::{Clock, ns_of, seconds_of},
    fleet::{Crew, Fleet, Job},
    pace::pace,
    park::Size,
    plan::{Arrival, Mix, Rules, plan},
    progress,
    run::Used,
    scenario::Phase,
    server::{self, Server},
    setup::{self, Target},
    usage,
};

/// Between the last viewer's first frame and the measuring.
const SETTLE: Duration = Duration::from_secs(2);

/// How long the last visitors of a step may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is to be run.
#[derive(Clone, Debug, Args)]
pub struct Wanted {
    /// Steps: numbers of viewers. A step without any comes first.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000",
        value_parser = value_parser!(u16).range(1..=10_000))]
    viewers: Vec<u16>,
    /// Lanes, each a turnstile with its own connection.
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u16).range(1..=1000))]
    gates: u16,
    /// Presentations a second, all lanes together.
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u16).range(1..=5000))]
    rate: u16,
    /// Length of each step, in seconds.
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Viewers of a hundred that read slower than frames come.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u16).range(0..=100))]
    slow: u16,
    /// Viewers of a hundred that read nothing at all.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u16).range(0..=100))]
    stalled: u16,
    /// What the visitors are made from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs all steps, reports to `out`; true when the oracle found nothing, and no viewer missed a
/// frame without being given the state instead.
pub async fn run(wanted: Wanted, out: &mut (dyn Write + Send)) -> anyhow::Result<bool> {
    let steps: Vec<usize> =
        std::iter::once(0).chain(wanted.viewers.iter().copied().map(usize::from)).collect();
    let (server, target) = own_server(&wanted).await?;
    let each = Duration::from_secs(wanted.seconds);
    let count = u32::try_from(steps.len())?;
    let phases = [Phase::steady((each * count).as_secs_f64(), f64::from(wanted.rate))];
    let plan = plan(&moments(&phases, wanted.seed), &Rules::plain(Mix::default()), wanted.seed);
    let codes = target.issue(0, &plan.tickets).await.context("the tickets were not issued")?;
    let lanes = target.lanes(wanted.gates.into()).await?;
    let turnstiles = target.enrol(&lanes, |_, _| {}).await.context("enrolment")?;
    let (clock, shutdown) = (Clock::start(), CancellationToken::new());
    let _stops = shutdown.clone().drop_guard();
    let crew = Crew { turnstiles, hands: Vec::new(), walk: Duration::ZERO };
    let fleet = Fleet::start(clock, crew, &shutdown).await?;
    fleet.add_tickets(codes, &plan.tickets);
    let mut run = Run { wanted, clock, fleet, server, target, frames: Vec::new() };
    let mut told = Vec::with_capacity(steps.len());
    for (number, viewers) in steps.into_iter().enumerate() {
        let from = ns_of(each * u32::try_from(number)?);
        let share = |one: &&Arrival| from <= one.at_ns && one.at_ns < from + ns_of(each);
        let arrivals: Vec<_> = plan.arrivals.iter().filter(share).copied().collect();
        told.push(run.step(viewers, from, arrivals, told.first()).await?);
    }
    let packing = packing::measure(clock, &run.frames);
    let (broken, broken_words) = {
        let oracle = run.fleet.oracle();
        let (broken, words) = oracle.broken();
        (broken, words.iter().map(|one| one.what.clone()).collect())
    };
    shutdown.cancel();
    run.server.stop().await?;
    let gaps: u64 = told.iter().map(|line: &StepLine| line.gaps).sum();
    let outcome = Outcome { steps: told, packing, broken, broken_words };
    outcome.report(out, run.wanted.json.as_deref())?;
    Ok(broken == 0 && gaps == 0)
}

async fn own_server(wanted: &Wanted) -> anyhow::Result<(Server, Target)> {
    let viewers = wanted.viewers.iter().copied().max().map_or(0, usize::from);
    let size = Size { viewers, ..Size::lanes(wanted.gates.into()) };
    let program = server::program().context(
        "there is no program `shanmen` beside this one: build it (cargo build --release), \
         or name it with SHANMEN_BIN",
    )?;
    let server = Server::start(&program, &size, None).await?;
    let (host, port) = server.addresses.mqtt.rsplit_once(':').context("addresses.json: mqtt")?;
    let target = Target {
        http: server.addresses.http.clone(),
        mqtt: BrokerAddress { host: host.to_owned(), port: port.parse()? },
        token: setup::login(&server.addresses.http, &server.login).await?,
        own_park: true,
        product: None,
    };
    Ok((server, target))
}

struct Run {
    wanted: Wanted,
    clock: Clock,
    fleet: Arc<Fleet>,
    server: Server,
    target: Target,
    /// Frames as they came, for the measure of compression.
    frames: Vec<Vec<u8>>,
}

impl Run {
    async fn step(
        &mut self,
        viewers: usize,
        from_ns: u64,
        arrivals: Vec<Arrival>,
        without: Option<&StepLine>,
    ) -> anyhow::Result<StepLine> {
        progress::note(&format!("{viewers} viewers: connecting"));
        let share = |percent: u16| (viewers * usize::from(percent)).div_ceil(100);
        let (slow, stalled) = (share(self.wanted.slow), share(self.wanted.stalled));
        let good = viewers.saturating_sub(slow + stalled);
        let manner = |n| match n {
            n if n < good => Manner::Good,
            n if n < good + slow => Manner::Slow,
            _ => Manner::Stalled,
        };
        let manners = (0..viewers).map(manner).collect();
        let audience = Audience::gather(&self.target.http, manners).await?;
        sleep(SETTLE).await;
        let told_before = self.told().await?;
        let pid = self.server.pid();
        let before = pid.and_then(usage::of);
        let own_before = usage::of(std::process::id());
        let began_ns = self.clock.ns();
        audience.measure(true);
        self.visitors(from_ns, arrivals).await?;
        audience.measure(false);
        let of_s = seconds_of(self.clock.ns() - began_ns);
        let used = Used::between(before, pid.and_then(usage::of), of_s);
        let own = Used::between(own_before, usage::of(std::process::id()), of_s);
        let told = self.told().await?.since(told_before);
        let mut seen = audience.part().await;
        self.frames.append(&mut seen.captured);
        let round = self.fleet.take_round();
        let line = StepLine::of(
            Cost { viewers, slow, stalled, of_s, server: used, own },
            &seen,
            round.intended.quantiles(),
            told,
            without,
        );
        progress::note(&line.words());
        Ok(line)
    }

    /// The visitors of one step, all the way through.
    async fn visitors(&self, from_ns: u64, arrivals: Vec<Arrival>) -> anyhow::Result<()> {
        let start_ns = self.clock.ns();
        let jobs = arrivals.into_iter().map(move |one| {
            let intended_ns = start_ns + (one.at_ns - from_ns);
            (intended_ns, Job::first(intended_ns, one.visit, true))
        });
        let (fleet, clock) = (Arc::clone(&self.fleet), self.clock);
        let (stop, stopped) = channel();
        let (done, ended) = oneshot::channel();
        std::thread::Builder::new().name("pacer".into()).spawn(move || {
            pace(clock, &stopped, jobs, |_, job| fleet.arrive(job));
            // Whoever waited may have gone.
            done.send(()).ok();
        })?;
        ended.await.context("the pacer failed")?;
        drop(stop);
        let whole_ns = start_ns + ns_of(Duration::from_secs(self.wanted.seconds));
        sleep(Duration::from_nanos(whole_ns.saturating_sub(self.clock.ns()))).await;
        self.fleet.quiet(PATIENCE).await
    }

    async fn told(&self) -> anyhow::Result<told::Counters> {
        let text = self.target.connect().await?.text("/metrics").await?;
        Ok(told::Counters::parse(&text))
    }
}
