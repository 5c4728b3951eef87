//! What is checked when the last visitor is through: counts, acknowledgements, open grants, the
//! server's end, and the thresholds.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use shanmen_protocols::feed::Snapshot;
use tokio::time::sleep;

use super::{Options, World};
use crate::{
    figures::{Round, ratio},
    fleet::Fleet,
    oracle::compare,
    server::Server,
    setup::Target,
    viewers::Viewers,
};

/// Conflicts in one answer, at most.
const CONFLICTS_TOLD: u64 = 1_000;

/// How often the feed is asked before its counts are taken as final, and how long in between.
const ASKED_MAX: u32 = 50;
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// Compares everything with the oracle; what differs goes to it as broken.
pub(super) async fn settle(world: &World) -> anyhow::Result<()> {
    let World { fleet, target, before, .. } = world;
    fleet.oracle().finish();
    let (counts, allowed) = {
        let oracle = fleet.oracle();
        (oracle.counts().clone(), oracle.allowances())
    };
    // Whom a lane answered alone the server may have refused, unheard.
    let unheard = allowed.alone;
    let own = target.own_park.then(|| fleet.turnstiles());
    let same = |after: &Snapshot| compare(&counts, before, after, own, unheard);
    let stats = fleet.stats();
    let facts = stats.facts + fleet.hand_facts();
    let mut differences = Vec::new();
    for _ in 0..ASKED_MAX {
        differences = same(&target.snapshot().await?);
        let viewers = world.viewers.iter().flat_map(Viewers::held).enumerate();
        for (n, held) in viewers {
            differences.extend(same(&held).into_iter().map(|what| format!("viewer {n}: {what}")));
        }
        let acked = acknowledged(target).await?;
        if target.own_park && acked < facts {
            differences.push(format!("the devices recorded {facts} facts, the server has {acked}"));
        }
        if differences.is_empty() {
            break;
        }
        // The feed streams a few times a second: it may be a moment behind.
        sleep(ASKED_EVERY).await;
    }
    let open = open_grants(target).await?;
    let conflicts = conflicts(target).await?;
    let mut oracle = fleet.oracle();
    for difference in differences {
        oracle.breaks(difference);
    }
    if target.own_park && open > 0 {
        oracle.breaks(format!("{open} grants are still open"));
    }
    // What a lane alone let in while the server still held a grant nobody heard is one for it, too.
    let ours = allowed.conflicts;
    let most = ours.saturating_add(allowed.alone_granted);
    if target.own_park && !(ours.min(CONFLICTS_TOLD)..=most).contains(&conflicts) {
        oracle.breaks(format!("the server tells {conflicts} conflicts, the oracle {ours}"));
    }
    if stats.unacknowledged > 0 || stats.facts_lost > 0 {
        let (waiting, lost) = (stats.unacknowledged, stats.facts_lost);
        oracle.breaks(format!("facts: {waiting} not acknowledged, {lost} lost"));
    }
    if stats.not_free > 0 || stats.not_sent > 0 || stats.foreign_downlinks > 0 {
        oracle.breaks(format!("the turnstiles tell of faults: {stats:?}"));
    }
    Ok(())
}

/// What two gates let in twice, as far as one answer tells.
async fn conflicts(target: &Target) -> anyhow::Result<u64> {
    #[derive(Deserialize)]
    struct Conflicts {
        conflicts: Vec<Value>,
    }
    let path = format!("/api/v1/conflicts?limit={CONFLICTS_TOLD}");
    let answer: Conflicts = target.connect().await?.get(&path).await?;
    Ok(u64::try_from(answer.conflicts.len())?)
}

async fn open_grants(target: &Target) -> anyhow::Result<usize> {
    #[derive(Deserialize)]
    struct Grants {
        grants: Vec<Value>,
    }
    let path = "/api/v1/grants?open=true";
    let answer: Grants = target.connect().await?.get(path).await?;
    Ok(answer.grants.len())
}

/// Facts that the server has, of all devices: their numbers have no gaps.
async fn acknowledged(target: &Target) -> anyhow::Result<u64> {
    #[derive(Deserialize)]
    struct Devices {
        devices: Vec<Device>,
    }
    #[derive(Deserialize)]
    struct Device {
        acked: u64,
    }
    let answer: Devices = target.connect().await?.get("/api/v1/devices").await?;
    Ok(answer.devices.iter().map(|device| device.acked).sum())
}

/// Stops the server in order.
pub(super) async fn stop(fleet: &Fleet, server: Server) {
    let warnings = server.warnings();
    let words = server.last_words();
    if warnings > 0 {
        crate::progress::note(&format!("{warnings} warnings; {words}"));
    }
    match server.stop().await {
        Ok(status) if status.success() => {}
        Ok(status) => fleet.oracle().breaks(format!("the server ended with {status}")),
        Err(error) => fleet.oracle().breaks(format!("{error:#}")),
    }
}

/// Checks the thresholds that were set.
pub(super) fn limits(fleet: &Fleet, options: &Options, visitors: &Round, echo: Option<&Round>) {
    let limits = options.limits;
    let run = visitors.intended.quantiles();
    let mut oracle = fleet.oracle();
    if let Some(most_ms) = limits.p99_ms
        && most_ms * 1000.0 < run.p99_us
    {
        let is_ms = run.p99_us / 1000.0;
        oracle.breaks(format!("p99 is {is_ms:.3} ms, more than {most_ms} ms"));
    }
    let Some(echo) = echo.map(|echo| echo.intended.quantiles()) else { return };
    let mut check = |name: &str, is: f64, most: Option<f64>| {
        if let Some(most) = most
            && most < is
        {
            oracle.breaks(format!("{name} is {is:.2} times the echo's, more than {most}"));
        }
    };
    check("p50", ratio(run.p50_us, echo.p50_us), limits.ratio_p50);
    check("p99", ratio(run.p99_us, echo.p99_us), limits.ratio_p99);
}
