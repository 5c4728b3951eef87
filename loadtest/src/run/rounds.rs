//! The rounds of a run, one after the other: visitors, and the echo before each where it is asked
//! for. Faults happen in the first round; a scenario with faults has no other.

use std::sync::atomic::Ordering::Relaxed;

use super::{
    Echo, Options, Play, Segment, SegmentLine, Suffered, Used, World,
    segment::{PATIENCE, own},
};
use crate::{
    clock::{Clock, ns_of},
    figures::Round,
    kiosks::Sales,
    plan::{Arrival, Plan},
    series::{Series, Tick},
    usage::{self, ThreadUsed},
};

/// What came of all rounds.
pub(super) struct Ran {
    pub(super) visitors: Round,
    pub(super) echoes: Option<Round>,
    pub(super) segments: Vec<SegmentLine>,
    pub(super) server_used: Option<Used>,
    pub(super) fleet_used: Option<Used>,
    pub(super) server_threads: Vec<ThreadUsed>,
    pub(super) suffered: Vec<Suffered>,
    pub(super) series: Vec<Tick>,
    pub(super) sales: Sales,
}

pub(super) struct Rounds<'a> {
    clock: Clock,
    options: &'a Options,
    plan: &'a Plan,
    world: &'a mut World,
    echo: Option<&'a Echo>,
    ran: Ran,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(
        clock: Clock,
        options: &'a Options,
        plan: &'a Plan,
        world: &'a mut World,
        echo: Option<&'a Echo>,
    ) -> Self {
        let ran = Ran {
            visitors: Round::default(),
            echoes: echo.map(|_| Round::default()),
            segments: Vec::new(),
            server_used: None,
            fleet_used: None,
            server_threads: Vec::new(),
            suffered: Vec::new(),
            series: Vec::new(),
            sales: Sales::default(),
        };
        Self { clock, options, plan, world, echo, ran }
    }

    pub(super) fn end(self) -> Ran {
        self.ran
    }

    pub(super) async fn all(&mut self) -> anyhow::Result<()> {
        let each_ns = ns_of(std::time::Duration::try_from_secs_f64(self.options.each_s())?);
        let last = u64::from(self.options.rounds.max(1)) - 1;
        for n in 0..=last {
            let until = if n == last { u64::MAX } else { (n + 1) * each_ns };
            let from = n * each_ns;
            let arrivals: Vec<_> = self
                .plan
                .arrivals
                .iter()
                .filter(|arrival| from <= arrival.at_ns && arrival.at_ns < until)
                .map(|arrival| Arrival { at_ns: arrival.at_ns - from, ..*arrival })
                .collect();
            let segment = Segment { clock: self.clock, options: self.options, number: n + 1 };
            if let Some(echo) = self.echo {
                let moments = arrivals.iter().map(|arrival| arrival.at_ns).collect();
                let (round, line) = segment.echo(&echo.fleet, echo.process.pid(), moments).await?;
                if let Some(echoes) = &mut self.ran.echoes {
                    echoes.add(&round);
                }
                self.ran.segments.push(line);
            }
            self.one(&segment, arrivals, n == last).await?;
        }
        Ok(())
    }

    async fn one(
        &mut self,
        segment: &Segment<'_>,
        arrivals: Vec<Arrival>,
        last: bool,
    ) -> anyhow::Result<()> {
        let (clock, fleet) = (self.clock, std::sync::Arc::clone(&self.world.fleet));
        let pid = std::sync::Arc::clone(&self.world.running.pid);
        let start_ns = segment.soon();
        let used_before = (usage::of(pid.load(Relaxed)), own());
        let threads_before = usage::threads(pid.load(Relaxed));
        let series = Series::start(clock, start_ns, &fleet, &self.world.target, &pid);
        let play = (segment.number == 1)
            .then(|| Play::begin(clock, start_ns, &self.options.scenario, self.world));
        let came = segment.come(&fleet, start_ns, arrivals).await;
        if let Some(play) = play {
            self.ran.suffered = play.end().await;
        }
        if last && let Some(kiosks) = self.world.kiosks.take() {
            self.ran.sales = kiosks.close().await;
        }
        let quiet = fleet.quiet(PATIENCE).await;
        self.ran.series.extend(series.stop());
        came?;
        if let Err(error) = quiet {
            fleet.oracle().breaks(error.to_string());
        }
        let threads = usage::threads_between(&threads_before, &usage::threads(pid.load(Relaxed)));
        usage::threads_add(&mut self.ran.server_threads, threads);
        let used_before = (pid.load(Relaxed), used_before.0, used_before.1);
        let (round, line, used) = segment.visited(&fleet, start_ns, used_before);
        self.ran.visitors.add(&round);
        self.ran.segments.push(line);
        Used::sum(&mut self.ran.server_used, used.server);
        Used::sum(&mut self.ran.fleet_used, used.fleet);
        Ok(())
    }
}
