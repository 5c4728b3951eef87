//! One round of visitors or echoes: the pacer, the progress line, what the processes used.

use std::{
    sync::{Arc, mpsc::channel},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use serde::Serialize;
use tokio::sync::oneshot;

use super::Options;
use crate::{
    clock::{Clock, ns_of, seconds_of},
    echo::{EchoFleet, Question},
    figures::{Quantiles, Round},
    fleet::{Fleet, Job},
    pace::pace,
    plan::Visit,
    progress,
    usage::{self, Usage},
};

/// Between the making of a round and its first arrival.
const HEAD_START: Duration = Duration::from_millis(300);

/// How long the last visitors may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// One round by itself.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentLine {
    /// `echo` or `run`.
    pub kind: &'static str,
    /// Its number, from 1.
    pub number: u64,
    /// From the intended moment to the answer.
    pub intended: Quantiles,
    /// From the sending to the answer.
    pub sent: Quantiles,
    /// Processor seconds of the broker's (the server's) process.
    pub cpu_s: f64,
    /// The load of the machine after it.
    pub machine_load: Option<f64>,
}

/// What a process used over the measured rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Used {
    /// Processor seconds.
    pub cpu_s: f64,
    /// Of so many seconds.
    pub of_s: f64,
    /// Memory at the end, in MiB.
    pub rss_mib: f64,
    /// The most that it ever was, in MiB.
    pub peak_mib: f64,
    /// Threads at the end.
    pub threads: u32,
}

impl Used {
    pub(crate) fn between(before: Option<Usage>, after: Option<Usage>, of_s: f64) -> Option<Self> {
        let (before, after) = before.zip(after)?;
        Some(Self {
            cpu_s: after.cpu_s - before.cpu_s,
            of_s,
            rss_mib: after.rss_mib,
            peak_mib: after.peak_mib,
            threads: after.threads,
        })
    }

    /// Adds a round's.
    pub(super) fn sum(all: &mut Option<Self>, one: Option<Self>) {
        let Some(one) = one else { return };
        let before = all.unwrap_or_default();
        *all = Some(Self { cpu_s: before.cpu_s + one.cpu_s, of_s: before.of_s + one.of_s, ..one });
    }
}

/// What both sides used in a round.
pub(super) struct BothUsed {
    pub(super) server: Option<Used>,
    pub(super) fleet: Option<Used>,
}

/// One round.
pub(super) struct Segment<'a> {
    pub(super) clock: Clock,
    pub(super) options: &'a Options,
    pub(super) number: u64,
}

impl Segment<'_> {
    /// When the round begins and when its measuring does.
    fn starts(&self) -> (u64, u64) {
        let start_ns = self.clock.ns() + ns_of(HEAD_START);
        let warmup = Duration::try_from_secs_f64(self.options.warmup_s).unwrap_or_default();
        (start_ns, start_ns + ns_of(warmup))
    }

    /// A round of visitors.
    pub(super) async fn visitors(
        &self,
        fleet: &Arc<Fleet>,
        server: Option<u32>,
        arrivals: Vec<(u64, Visit)>,
    ) -> anyhow::Result<(Round, SegmentLine, BothUsed)> {
        let (start_ns, measured_from_ns) = self.starts();
        let planned = arrivals.len();
        let jobs = arrivals.into_iter().map(move |(at_ns, visit)| {
            let intended_ns = start_ns + at_ns;
            Job { intended_ns, visit, measured: measured_from_ns <= intended_ns }
        });
        let (server_before, own_before) = (server.and_then(usage::of), own());
        let line = {
            let (fleet, number) = (Arc::clone(fleet), self.number);
            progress::show(move || {
                let (answered, now) = fleet.so_far();
                let (waiting, broken) = (fleet.queue().waiting, fleet.oracle().broken().0);
                progress_line("run", number, answered, planned, now, waiting, broken)
            })
        };
        let arriving = Arc::clone(fleet);
        let went =
            drive(self.clock, jobs, |job| job.intended_ns, move |job| arriving.arrive(job)).await;
        let quiet = fleet.quiet(PATIENCE).await;
        line.abort();
        went?;
        if let Err(error) = quiet {
            fleet.oracle().breaks(error.to_string());
        }
        let of_s = seconds_of(self.clock.ns().saturating_sub(start_ns));
        let used = BothUsed {
            server: Used::between(server_before, server.and_then(usage::of), of_s),
            fleet: Used::between(own_before, own(), of_s),
        };
        let round = fleet.take_round();
        let line = self.line("run", &round, used.server);
        Ok((round, line, used))
    }

    /// A round of echoes.
    pub(super) async fn echo(
        &self,
        fleet: &Arc<EchoFleet>,
        broker: Option<u32>,
        moments: Vec<u64>,
    ) -> anyhow::Result<(Round, SegmentLine)> {
        let (start_ns, measured_from_ns) = self.starts();
        let planned = moments.len();
        let questions = moments.into_iter().map(move |at_ns| {
            let intended_ns = start_ns + at_ns;
            Question { intended_ns, measured: measured_from_ns <= intended_ns }
        });
        let before = broker.and_then(usage::of);
        let line = {
            let (fleet, number) = (Arc::clone(fleet), self.number);
            progress::show(move || {
                let (answered, now) = fleet.so_far();
                let (waiting, lost) = (fleet.queue().waiting, fleet.lost());
                progress_line("echo", number, answered, planned, now, waiting, lost)
            })
        };
        let asking = Arc::clone(fleet);
        let went =
            drive(self.clock, questions, |one| one.intended_ns, move |one| asking.ask(one)).await;
        let quiet = fleet.quiet(PATIENCE).await;
        line.abort();
        went?;
        quiet?;
        let of_s = seconds_of(self.clock.ns().saturating_sub(start_ns));
        let used = Used::between(before, broker.and_then(usage::of), of_s);
        let round = fleet.take_round();
        let line = self.line("echo", &round, used);
        Ok((round, line))
    }

    fn line(&self, kind: &'static str, round: &Round, used: Option<Used>) -> SegmentLine {
        let line = SegmentLine {
            kind,
            number: self.number,
            intended: round.intended.quantiles(),
            sent: round.sent.quantiles(),
            cpu_s: used.map_or(0.0, |used| used.cpu_s),
            machine_load: usage::machine_load(),
        };
        let (q, answered) = (line.intended, round.answered);
        let ms = |us: f64| us / 1000.0;
        progress::note(&format!(
            "{kind} {}: {answered} answered, p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, max {:.1} ms",
            self.number,
            ms(q.p50_us),
            ms(q.p99_us),
            ms(q.p999_us),
            ms(q.max_us)
        ));
        line
    }
}

fn own() -> Option<Usage> {
    usage::of(std::process::id())
}

fn progress_line(
    kind: &str,
    number: u64,
    answered: u64,
    planned: usize,
    now: Quantiles,
    waiting: usize,
    wrong: u64,
) -> String {
    format!(
        "{kind} {number}: {answered} of {planned} answered, p50 {:.2} ms, p99 {:.2} ms, \
         p99.9 {:.2} ms, {waiting} waiting for a lane, {wrong} wrong",
        now.p50_us / 1000.0,
        now.p99_us / 1000.0,
        now.p999_us / 1000.0
    )
}

/// Lets a thread of its own keep the schedule, and waits for its end.
async fn drive<T: Send + 'static>(
    clock: Clock,
    arrivals: impl Iterator<Item = T> + Send + 'static,
    moment: impl Fn(&T) -> u64 + Send + 'static,
    mut go: impl FnMut(T) + Send + 'static,
) -> anyhow::Result<()> {
    let (stop, stopped) = channel();
    let (done, ended) = oneshot::channel();
    thread::Builder::new().name("pacer".into()).spawn(move || {
        let arrivals = arrivals.map(|arrival| (moment(&arrival), arrival));
        pace(clock, &stopped, arrivals, |_, arrival| go(arrival));
        // Whoever waited may have gone.
        done.send(()).ok();
    })?;
    ended.await.context("the pacer failed")?;
    drop(stop);
    Ok(())
}
