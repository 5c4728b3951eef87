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
    plan::Arrival,
    progress,
    usage::{self, Usage},
};

/// Between the making of a round and its first arrival.
const HEAD_START: Duration = Duration::from_millis(300);

/// How long the last visitors may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

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
        // A process that was started again counts from its start.
        let before = if after.cpu_s < before.cpu_s { Usage::default() } else { before };
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
    /// When its measuring begins.
    fn measured_from(&self, start_ns: u64) -> u64 {
        let warmup_s = self.options.scenario.warmup_s;
        start_ns + ns_of(Duration::try_from_secs_f64(warmup_s).unwrap_or_default())
    }

    /// When a round that is made now begins.
    pub(super) fn soon(&self) -> u64 {
        self.clock.ns() + ns_of(HEAD_START)
    }

    /// A round of visitors that begins at `start_ns`, until the last one has come.
    pub(super) async fn come(
        &self,
        fleet: &Arc<Fleet>,
        start_ns: u64,
        arrivals: Vec<Arrival>,
    ) -> anyhow::Result<()> {
        let measured_from_ns = self.measured_from(start_ns);
        let planned = arrivals.len();
        let jobs = arrivals.into_iter().map(move |Arrival { at_ns, visit, twice }| {
            let intended_ns = start_ns + at_ns;
            Job { twice, ..Job::first(intended_ns, visit, measured_from_ns <= intended_ns) }
        });
        let line = {
            let (fleet, number) = (Arc::clone(fleet), self.number);
            let (clock, length_s) = (self.clock, self.options.each_s());
            progress::show(move || {
                let (answered, now) = fleet.so_far();
                let at_s = seconds_of(clock.ns().saturating_sub(start_ns));
                let (waiting, allowed, broken) = {
                    let oracle = fleet.oracle();
                    (fleet.queue().waiting, oracle.allowances(), oracle.broken().0)
                };
                progress::View {
                    title: format!("run {number}"),
                    at_s,
                    of_s: length_s,
                    answered,
                    planned,
                    now,
                    waiting,
                    alone: allowed.alone,
                    broken,
                }
            })
        };
        let arriving = Arc::clone(fleet);
        let went =
            drive(self.clock, jobs, |job| job.intended_ns, move |job| arriving.arrive(job)).await;
        line.abort();
        went
    }

    /// The figures of a round of visitors that began at `start_ns` and is quiet now.
    pub(super) fn visited(
        &self,
        fleet: &Arc<Fleet>,
        start_ns: u64,
        (server, server_before, own_before): (u32, Option<Usage>, Option<Usage>),
    ) -> (Round, SegmentLine, BothUsed) {
        let of_s = seconds_of(self.clock.ns().saturating_sub(start_ns));
        let used = BothUsed {
            server: Used::between(server_before, usage::of(server), of_s),
            fleet: Used::between(own_before, own(), of_s),
        };
        let round = fleet.take_round();
        let line = self.line("run", &round, used.server);
        (round, line, used)
    }

    /// A round of echoes.
    pub(super) async fn echo(
        &self,
        fleet: &Arc<EchoFleet>,
        broker: Option<u32>,
        moments: Vec<u64>,
    ) -> anyhow::Result<(Round, SegmentLine)> {
        let start_ns = self.soon();
        let measured_from_ns = self.measured_from(start_ns);
        let planned = moments.len();
        let questions = moments.into_iter().map(move |at_ns| {
            let intended_ns = start_ns + at_ns;
            Question { intended_ns, measured: measured_from_ns <= intended_ns }
        });
        let before = broker.and_then(usage::of);
        let line = {
            let (fleet, number) = (Arc::clone(fleet), self.number);
            let (clock, length_s) = (self.clock, self.options.each_s());
            progress::show(move || {
                let (answered, now) = fleet.so_far();
                progress::View {
                    title: format!("echo {number}"),
                    at_s: seconds_of(clock.ns().saturating_sub(start_ns)),
                    of_s: length_s,
                    answered,
                    planned,
                    now,
                    waiting: fleet.queue().waiting,
                    alone: 0,
                    broken: fleet.lost(),
                }
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

/// What this process used so far.
pub(super) fn own() -> Option<Usage> {
    usage::of(std::process::id())
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
