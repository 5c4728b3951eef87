//! Tickets that are there before the run: imported as a ticket system would do it, in batches,
//! and read again at a start. They are nobody's: no visitor of the run shows one.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use hyper::Method;
use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock, count_of, seconds_of},
    park::{self, Sold},
    progress,
    run::Stage,
    server::End,
    setup, usage,
};

/// Tickets in one request.
const BATCH: usize = 20_000;

/// What an import and a start with its tickets took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Preloaded {
    /// Tickets.
    pub tickets: usize,
    /// The import, in seconds.
    pub import_s: f64,
    /// Tickets a second.
    pub per_s: f64,
    /// The server's memory before it and after it, in MiB.
    pub mib: [Option<f64>; 2],
    /// From a start with all of them until the server is ready, in seconds.
    pub start_s: Option<f64>,
    /// The server's memory after that start, in MiB.
    pub start_mib: Option<f64>,
}

#[derive(Deserialize)]
struct Imported {
    accepted: u64,
    rejected_count: u64,
}

/// Imports so many tickets, with a credential each, and starts a server of our own again.
pub async fn tickets(count: usize, stage: &mut Stage) -> anyhow::Result<Option<Preloaded>> {
    if count == 0 {
        return Ok(None);
    }
    let memory = |stage: &Stage| {
        let pid = stage.server.as_ref().and_then(crate::server::Server::pid);
        pid.and_then(usage::of).map(|usage| usage.rss_mib)
    };
    let before = memory(stage);
    let clock = Clock::start();
    let date = stage.target.snapshot().await?.today.date;
    let mut connection = stage.target.connect().await?;
    let mut told = 0;
    for from in (0..count).step_by(BATCH) {
        let until = count.min(from + BATCH);
        let mut lines = String::with_capacity((until - from) * 130);
        for n in from..until {
            let product = match &stage.target.product {
                Some(product) => product.clone(),
                None => park::product_of(park::class_of(n, Sold::ONE)),
            };
            writeln!(
                lines,
                "{{\"product\":\"{product}\",\"visit_date\":\"{date}\",\"credentials\":\
                 [{{\"type\":\"rfid\",\"data\":\"E2{n:014X}\"}}]}}"
            )?;
        }
        let path = "/api/v1/tickets/import";
        let (status, body) = connection.call(Method::POST, path, lines.into_bytes()).await?;
        if !status.is_success() {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&body));
        }
        let done: Imported = serde_json::from_slice(&body).context("the answer to an import")?;
        if done.rejected_count > 0 || done.accepted != u64::try_from(until - from)? {
            bail!("{} tickets of an import were refused", done.rejected_count);
        }
        if told + 1_000_000 <= until {
            told = until;
            progress::note(&format!("{until} tickets imported in {:.0} s", seconds_of(clock.ns())));
        }
    }
    let import_s = seconds_of(clock.ns());
    let after = memory(stage);
    let mut start_s = None;
    if let Some(server) = &mut stage.server {
        server.restart(End::InOrder).await?;
        start_s = Some(server.started_in.as_secs_f64());
        stage.target.token = setup::login(&stage.target.http, &server.login).await?;
    }
    Ok(Some(Preloaded {
        tickets: count,
        import_s,
        per_s: count_of(count) / import_s,
        mib: [before, after],
        start_s,
        start_mib: memory(stage).filter(|_| start_s.is_some()),
    }))
}
