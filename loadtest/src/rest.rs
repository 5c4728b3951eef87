//! Lanes at rest, and their return after a restart of the broker: memory per connected lane, time
//! until all are back, and whether those who are back are served meanwhile.

use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;
use serde_json::json;
use shanmen_protocols::feed::Snapshot;
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, count_of},
    figures::{Latencies, Quantiles, ratio},
    fleet::{Crew, Fleet, Job},
    limits,
    metrics::Reading,
    oracle,
    park::Sold,
    plan::Visit,
    progress, report,
    run::{self, Stage, Told},
    server::{End, Server},
    setup::{self, Target},
    usage,
};

/// How long lanes rest before the processor is read.
const REST: Duration = Duration::from_secs(10);

/// How long all lanes may take to come back: twice the longest pause of a device, and more.
const BACK_TIMEOUT: Duration = Duration::from_mins(5);

/// How often it is looked which lanes are back.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often the feed is asked before its counts are taken as final, and how long in between.
const ASKED_MAX: u32 = 50;
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// What is tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Lanes.
    pub lanes: usize,
    /// Scans a second at lanes that are back, while others are not.
    pub scans: u32,
    /// Which of the lanes that are back are asked.
    pub seed: u64,
    /// The most seconds that may pass from the server's being ready until all lanes are back.
    pub back_max_s: f64,
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
    #[serde(flatten)]
    storm: Storm,
    /// What the server says of itself since its start.
    told: Told,
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
    let tickets = vec![Sold::ONE; most.min(20_000)];
    let codes = target.issue(0, &tickets).await?;
    let before = target.snapshot().await?;
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
    fleet.add_tickets(codes, &tickets);
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
    let ended = endings(&fleet);
    server.restart(trial.how).await?;
    told.server_ready_s = server.started_in.as_secs_f64();
    told.storm = storm(clock, &fleet, &trial, (&ended, tickets.len())).await?;
    told.server_after_mib = mib(&server);
    told.told = compared(&fleet, &target, (&server, &before)).await?;
    fleet.oracle().finish();
    for shortfall in shortfalls(&trial, &told.storm) {
        fleet.oracle().breaks(shortfall);
    }
    shutdown.cancel();
    let status = server.stop().await?;
    if !status.success() {
        fleet.oracle().breaks(format!("the server ended with {status}"));
    }
    let oracle = fleet.oracle();
    let (broken, words) = oracle.broken();
    tell(&trial, &told, (broken, words), out)?;
    Ok(broken == 0)
}

/// What came of the storm.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Storm {
    /// From the moment at which the server was ready until a lane was back.
    back_s: Quantiles,
    /// Lanes that still took their old connection for good when the server was ready.
    unaware: usize,
    /// Lanes that lost their new connection again.
    lost_again: usize,
    /// Scans at lanes that were back.
    asked: u64,
    /// Of these, granted.
    granted: u64,
    /// Refused by the server.
    refused: u64,
    /// Not answered by the server in time.
    undecided: u64,
    /// From the scan to the answer.
    scans: Quantiles,
}

/// A lane's connection as it was seen: how often it had ended by then.
fn endings(fleet: &Fleet) -> Vec<u64> {
    (0..fleet.turnstiles()).map(|lane| fleet.disconnects(lane)).collect()
}

/// Waits until all lanes are back; meanwhile visitors come to those that are. `before`: how often
/// the connection of each had ended before the server did. A lane that has not noticed the end of
/// its old connection yet takes itself for connected, and is not back.
async fn storm(
    clock: Clock,
    fleet: &Arc<Fleet>,
    trial: &Trial,
    (before, tickets): (&[u64], usize),
) -> anyhow::Result<Storm> {
    let (begun_ns, mut rng) = (clock.ns(), StdRng::seed_from_u64(trial.seed));
    let (mut back, mut storm) = (Latencies::default(), Storm::default());
    let mut waited_for: Vec<usize> = (0..before.len()).collect();
    let unaware = |lane: &&usize| fleet.disconnects(**lane) == before[**lane];
    storm.unaware = waited_for.iter().filter(unaware).count();
    // Each with how often its connection had ended when it was back.
    let mut returned: Vec<(usize, u64)> = Vec::with_capacity(before.len());
    let (mut look, mut scan) =
        (interval(LOOK_EVERY), interval(Duration::from_secs(1) / trial.scans.max(1)));
    let over = sleep(BACK_TIMEOUT);
    tokio::pin!(over);
    let mut asked = 0;
    while !waited_for.is_empty() {
        tokio::select! {
            () = &mut over => break,
            _ = look.tick() => waited_for.retain(|&lane| {
                let ended = fleet.disconnects(lane);
                let is_back = before[lane] < ended && fleet.is_ready(lane);
                if is_back {
                    back.record(clock.ns().saturating_sub(begun_ns));
                    returned.push((lane, ended));
                }
                !is_back
            }),
            _ = scan.tick(), if !returned.is_empty() && asked < tickets => {
                let (lane, ended) = returned[rng.random_range(0..returned.len())];
                let job = Job::first(clock.ns(), Visit::Enter(asked), true);
                let stayed = fleet.disconnects(lane) == ended && fleet.is_ready(lane);
                if stayed && fleet.arrive_at(lane, job) {
                    asked += 1;
                }
            }
        }
    }
    if !waited_for.is_empty() {
        let missing = waited_for.len();
        fleet.oracle().breaks(format!("{missing} lanes were not back in time"));
    }
    fleet.quiet(Duration::from_mins(1)).await?;
    storm.back_s = back.quantiles();
    storm.lost_again =
        returned.iter().filter(|(lane, ended)| fleet.disconnects(*lane) != *ended).count();
    storm.asked = u64::try_from(asked)?;
    storm.scans = fleet.take_round().intended.quantiles();
    let oracle = fleet.oracle();
    // A ticket of the storm is for one.
    storm.granted = oracle.counts().entries.into();
    storm.refused = oracle.counts().refusals().into();
    storm.undecided = oracle.unanswered();
    Ok(storm)
}

/// What the goal says of the storm, and is not so.
fn shortfalls(trial: &Trial, storm: &Storm) -> Vec<String> {
    let mut told = Vec::new();
    let last_s = storm.back_s.max_us / 1e6;
    if trial.back_max_s < last_s {
        let most_s = trial.back_max_s;
        told.push(format!("the last lane was back after {last_s:.2} s, more than {most_s} s"));
    }
    let Storm { asked, granted, refused, undecided, .. } = *storm;
    if asked == 0 {
        told.push("nobody was asked at a lane that was back".to_owned());
    }
    if asked != granted {
        told.push(format!(
            "of {asked} scans at lanes that were back {granted} were granted, {refused} refused and \
             {undecided} not decided in time"
        ));
    }
    told
}

/// What the feed counts in the end is what the oracle does, over the restart. Gives what the server
/// says of itself since then.
async fn compared(
    fleet: &Fleet,
    target: &Target,
    (server, before): (&Server, &Snapshot),
) -> anyhow::Result<Told> {
    let mut target = target.clone();
    target.token = setup::login(&target.http, &server.login).await?;
    let (counts, unheard) = {
        let oracle = fleet.oracle();
        (oracle.counts().clone(), oracle.unanswered())
    };
    let mut differences = Vec::new();
    for _ in 0..ASKED_MAX {
        let after = target.snapshot().await?;
        differences = oracle::compare(&counts, before, &after, Some(fleet.turnstiles()), unheard);
        if differences.is_empty() {
            break;
        }
        // The feed streams a few times a second: it may be a moment behind.
        sleep(ASKED_EVERY).await;
    }
    for difference in differences {
        fleet.oracle().breaks(difference);
    }
    let metrics = Reading::parse(&target.connect().await?.text("/metrics").await?);
    Ok(run::told(&metrics, &Reading::default()))
}

fn tell(
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
    let Storm { back_s: back, scans, .. } = told.storm;
    writeln!(
        out,
        "back          ready after {:.2} s; then half of the lanes after {:.2} s, 99 % after \
         {:.2} s, all after {:.2} s (at most {} s); {} had not noticed by then, {} lost it again; {:.0} MiB",
        told.server_ready_s,
        seconds(back.p50_us),
        seconds(back.p99_us),
        seconds(back.max_us),
        trial.back_max_s,
        told.storm.unaware,
        told.storm.lost_again,
        told.server_after_mib
    )?;
    writeln!(
        out,
        "scans         {} asked meanwhile at lanes that were back: {} granted, {} refused, {} not \
         decided in time; p50 {:.2} ms, p99 {:.2} ms, at most {:.2} ms",
        told.storm.asked,
        told.storm.granted,
        told.storm.refused,
        told.storm.undecided,
        scans.p50_us / 1000.0,
        scans.p99_us / 1000.0,
        scans.max_us / 1000.0
    )?;
    report::told(out, &told.told)?;
    report::broken(out, broken, words)?;
    let value = || json!({ "rest": told, "broken": broken, "broken_words": words });
    report::write_json(trial.json.as_deref(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial() -> Trial {
        let how = End::InOrder;
        Trial { lanes: 10, scans: 50, seed: 1, back_max_s: 30.0, how, json: None }
    }

    fn good() -> Storm {
        let back_s = Quantiles { max_us: 8e6, ..Quantiles::default() };
        Storm { back_s, asked: 100, granted: 100, ..Storm::default() }
    }

    #[test]
    fn a_storm_that_settles_in_time_and_serves_all_is_as_expected() {
        assert_eq!(shortfalls(&trial(), &good()), Vec::<String>::new());
    }

    #[test]
    fn a_lane_that_comes_back_too_late_is_told() {
        let back_s = Quantiles { max_us: 31e6, ..Quantiles::default() };
        let told = shortfalls(&trial(), &Storm { back_s, ..good() }).join("\n");
        assert!(told.contains("after 31.00 s, more than 30 s"), "{told}");
    }

    #[test]
    fn a_scan_that_was_refused_or_not_decided_is_told_and_so_is_a_storm_without_any() {
        let refused = Storm { granted: 98, refused: 1, undecided: 1, ..good() };
        let told = shortfalls(&trial(), &refused).join("\n");
        assert!(told.contains("98 were granted, 1 refused and 1 not decided"), "{told}");
        let none = Storm { asked: 0, granted: 0, ..good() };
        assert_eq!(shortfalls(&trial(), &none).len(), 1);
    }
}
