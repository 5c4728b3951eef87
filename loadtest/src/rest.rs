//! Lanes at rest, and their return after a restart of the broker: memory per connected lane, time
//! until all are back, and whether those who are back are served meanwhile.

use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, count_of},
    figures::{Latencies, Quantiles, ratio},
    fleet::{Crew, Fleet, Job},
    limits, oracle,
    plan::Visit,
    progress,
    run::Stage,
    server::{End, Server},
    usage,
};

/// How long lanes rest before the processor is read.
const REST: Duration = Duration::from_secs(10);

/// How long all lanes may take to come back: twice the longest pause of a device, and more.
const BACK_TIMEOUT: Duration = Duration::from_mins(5);

/// What is tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Lanes.
    pub lanes: usize,
    /// Scans a second at lanes that are back, while others are not.
    pub scans: u32,
    /// How the server ends.
    pub how: End,
    /// Where the report goes as JSON.
    pub json: Option<PathBuf>,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
struct Rested {
    lanes: usize,
    enrol_s: f64,
    connect_s: f64,
    server_empty_mib: f64,
    server_enrolled_mib: f64,
    server_connected_mib: f64,
    server_kib_a_lane: f64,
    own_mib: f64,
    own_kib_a_lane: f64,
    server_cpu_at_rest: f64,
    server_ready_s: f64,
    server_after_mib: f64,
    back_s: Quantiles,
    scans: Quantiles,
}

/// Tries it, reports to `out`; true when all came back and everybody at a lane that was back was
/// served.
pub async fn run(trial: Trial, stage: Stage, out: &mut dyn Write) -> anyhow::Result<bool> {
    limits::enough(trial.lanes)?;
    let Stage { target, server } = stage;
    let mut server = server.context("lanes at rest are measured on the load test's own server")?;
    let clock = Clock::start();
    let shutdown = CancellationToken::new();
    let _stops = shutdown.clone().drop_guard();
    let seconds = || crate::clock::seconds_of(clock.ns());
    let own = || usage::of(std::process::id()).map_or(0.0, |usage| usage.rss_mib);
    let mib = |server: &Server| server.pid().and_then(usage::of).map_or(0.0, |usage| usage.rss_mib);
    let mut told = Rested { lanes: trial.lanes, ..Rested::default() };
    let most = usize::try_from(trial.scans)? * usize::try_from(BACK_TIMEOUT.as_secs())?;
    let persons = vec![1; most.min(20_000)];
    let codes = target.issue(0, &persons).await?;
    told.server_empty_mib = mib(&server);
    progress::note(&format!("enrolling {} lanes", trial.lanes));
    let begun_s = seconds();
    let lanes = target.lanes(trial.lanes).await?;
    let turnstiles = target.enrol(&lanes, |_, _| {}).await?;
    told.enrol_s = seconds() - begun_s;
    told.server_enrolled_mib = mib(&server);
    let (own_before, begun_s) = (own(), seconds());
    let crew = Crew { turnstiles, hands: Vec::new(), walk: Duration::ZERO };
    let fleet = Fleet::start(clock, crew, &shutdown).await?;
    fleet.add_tickets(codes, &persons);
    told.connect_s = seconds() - begun_s;
    progress::note(&format!("all connected after {:.1} s; at rest", told.connect_s));
    let cpu = |server: &Server| server.pid().and_then(usage::of).map_or(0.0, |usage| usage.cpu_s);
    let (cpu_before, rest_s) = (cpu(&server), seconds());
    sleep(REST).await;
    told.server_cpu_at_rest = 100.0 * ratio(cpu(&server) - cpu_before, seconds() - rest_s);
    told.server_connected_mib = mib(&server);
    told.own_mib = own();
    let each_kib = |mib: f64| 1024.0 * mib / count_of(trial.lanes);
    told.server_kib_a_lane = each_kib(told.server_connected_mib - told.server_enrolled_mib);
    told.own_kib_a_lane = each_kib(told.own_mib - own_before);
    progress::note("the server is started again");
    server.restart(trial.how).await?;
    told.server_ready_s = server.started_in.as_secs_f64();
    told.back_s = storm(clock, &fleet, &trial, persons.len()).await?;
    told.scans = fleet.take_round().intended.quantiles();
    told.server_after_mib = mib(&server);
    fleet.oracle().finish();
    shutdown.cancel();
    let status = server.stop().await?;
    if !status.success() {
        fleet.oracle().breaks(format!("the server ended with {status}"));
    }
    let oracle = fleet.oracle();
    let (broken, words) = oracle.broken();
    report(&trial, &told, (broken, words), out)?;
    Ok(broken == 0)
}

/// Waits until all lanes are back; meanwhile visitors come to those that are.
async fn storm(
    clock: Clock,
    fleet: &Arc<Fleet>,
    trial: &Trial,
    tickets: usize,
) -> anyhow::Result<Quantiles> {
    let begun_ns = clock.ns();
    let mut coming = JoinSet::new();
    for lane in 0..trial.lanes {
        let fleet = Arc::clone(fleet);
        coming.spawn(async move {
            // The end of the old connection was seen long before the server was ready.
            fleet.back(lane).await?;
            anyhow::Ok(clock.ns().saturating_sub(begun_ns))
        });
    }
    let visitors = tokio::spawn({
        let (fleet, lanes, scans) = (Arc::clone(fleet), trial.lanes, trial.scans.max(1));
        async move {
            let mut rng = StdRng::seed_from_u64(7);
            let mut each = interval(Duration::from_secs(1) / scans);
            let mut ticket = 0;
            while ticket < tickets {
                each.tick().await;
                let lane = rng.random_range(0..lanes);
                let job = Job::first(clock.ns(), Visit::Enter(ticket), true);
                if fleet.is_ready(lane) && fleet.arrive_at(lane, job) {
                    ticket += 1;
                }
            }
        }
    });
    let mut back = Latencies::default();
    let all = async {
        while let Some(one) = coming.join_next().await {
            back.record(one??);
        }
        anyhow::Ok(())
    };
    let came = timeout(BACK_TIMEOUT, all).await;
    visitors.abort();
    if came.is_err() {
        let missing = trial.lanes - fleet.online();
        fleet.oracle().breaks(format!("{missing} lanes were not back in time"));
    } else if let Ok(Err(error)) = came {
        return Err(error);
    }
    fleet.quiet(Duration::from_mins(1)).await?;
    Ok(back.quantiles())
}

fn report(
    trial: &Trial,
    told: &Rested,
    (broken, words): (u64, &[oracle::Broken]),
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let seconds = |us: f64| us / 1e6;
    writeln!(out, "{} lanes at rest, then the server: {:?}\n", told.lanes, trial.how)?;
    writeln!(
        out,
        "enrolled in   {:.1} s, connected and accepted in {:.1} s",
        told.enrol_s, told.connect_s
    )?;
    writeln!(
        out,
        "server        {:.0} MiB empty, {:.0} enrolled, {:.0} connected: {:.1} KiB a connected lane; \
         {:.1} % of a core at rest",
        told.server_empty_mib,
        told.server_enrolled_mib,
        told.server_connected_mib,
        told.server_kib_a_lane,
        told.server_cpu_at_rest
    )?;
    writeln!(
        out,
        "load test     {:.0} MiB: {:.1} KiB a device",
        told.own_mib, told.own_kib_a_lane
    )?;
    let (back, scans) = (told.back_s, told.scans);
    writeln!(
        out,
        "back          ready after {:.2} s; then half of the lanes after {:.2} s, 99 % after \
         {:.2} s, all after {:.2} s; {:.0} MiB",
        told.server_ready_s,
        seconds(back.p50_us),
        seconds(back.p99_us),
        seconds(back.max_us),
        told.server_after_mib
    )?;
    writeln!(
        out,
        "scans         {} meanwhile at lanes that were back: p50 {:.2} ms, p99 {:.2} ms, at most \
         {:.2} ms",
        scans.count,
        scans.p50_us / 1000.0,
        scans.p99_us / 1000.0,
        scans.max_us / 1000.0
    )?;
    crate::report::broken(out, broken, words)?;
    let value = || json!({ "rest": told, "broken": broken, "broken_words": words });
    crate::report::write_json(trial.json.as_deref(), value)
}
