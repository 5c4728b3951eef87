//! Rounds at the word of another, of visitors or echoes: what the search for the highest rate is
//! made of.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Echo, Options, Segment, Stage, World, segment::PATIENCE, sizes, verdict};
use crate::{
    arrivals::moments, clock::Clock, echo::Responder, figures::Quantiles, fleet::Fleet,
    oracle::Broken, plan::Plan, scenario::Scenario, setup::Target,
};

/// A park that is ready for one round after the other.
pub struct Bench {
    clock: Clock,
    world: World,
}

impl Bench {
    /// Lanes that are connected, and no tickets yet.
    pub async fn open(
        clock: Clock,
        scenario: &Scenario,
        stage: Stage,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let world = World::open(clock, scenario, stage, &[], shutdown).await?;
        Ok(Self { clock, world })
    }

    /// The lanes.
    pub fn fleet(&self) -> &Arc<Fleet> {
        &self.world.fleet
    }

    /// Where the park is.
    pub fn target(&self) -> &Target {
        &self.world.target
    }

    /// Lets a plan's visitors come, and waits until all are through.
    pub async fn play(&self, options: &Options, plan: &Plan) -> anyhow::Result<Quantiles> {
        let segment = Segment { clock: self.clock, options, number: 1 };
        let fleet = &self.world.fleet;
        segment.come(fleet, segment.soon(), plan.arrivals.clone()).await?;
        if let Err(error) = fleet.quiet(PATIENCE).await {
            fleet.oracle().breaks(error.to_string());
        }
        Ok(fleet.take_round().intended.quantiles())
    }

    /// Compares everything with the oracle, and ends the server.
    pub async fn close(self, shutdown: &CancellationToken) -> anyhow::Result<(u64, Vec<Broken>)> {
        let world = self.world;
        verdict::settle(&world).await?;
        shutdown.cancel();
        if let Some(server) = world.running.take().await {
            verdict::stop(&world.fleet, server).await;
        }
        let oracle = world.fleet.oracle();
        let (broken, words) = oracle.broken();
        Ok((broken, words.to_vec()))
    }
}

/// An echo that is ready for one round after the other, with a broker's process of its own.
pub struct EchoBench {
    clock: Clock,
    echo: Echo,
    _stops: DropGuard,
}

impl EchoBench {
    /// Clients that are connected, as many as `options` has lanes.
    pub async fn open(options: &Options, responder: Responder) -> anyhow::Result<Self> {
        let (clock, shutdown) = (Clock::start(), CancellationToken::new());
        let sample = sizes::sample();
        let echo = Echo::start(clock, options, responder, &sample, &shutdown).await?;
        Ok(Self { clock, echo, _stops: shutdown.drop_guard() })
    }

    /// Asks at the scenario's moments, and waits until all are answered or given up: the latency
    /// from the intended moment, and how many were lost.
    pub async fn play(&self, options: &Options, seed: u64) -> anyhow::Result<(Quantiles, u64)> {
        let segment = Segment { clock: self.clock, options, number: seed };
        let moments = moments(&options.scenario.phases, seed);
        let at_ns = moments.into_iter().map(|(at_ns, _)| at_ns).collect();
        let Echo { process, fleet } = &self.echo;
        let lost_before = fleet.lost();
        let (round, _) = segment.echo(fleet, process.pid(), at_ns).await?;
        Ok((round.intended.quantiles(), fleet.lost() - lost_before))
    }
}
