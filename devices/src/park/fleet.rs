//! The turnstiles of the virtual park, and which lane leads where.

use std::sync::Arc;

use rand::{Rng, RngExt as _};
use shanmen_protocols::ids::{AreaId, Direction, SiteId};
use tokio_util::sync::CancellationToken;

use super::{LaneSpec, OUTSIDE, Ways};
use crate::{
    clock::Clock,
    tls::DeviceTls,
    turnstile::{BrokerAddress, Stopped, TurnstileConfig},
    virtual_lane::VirtualTurnstile,
};

/// A lane with its running turnstile.
#[derive(Debug)]
pub struct FleetLane {
    /// Where it stands.
    pub spec: LaneSpec,
    /// Its turnstile.
    pub turnstile: Arc<VirtualTurnstile>,
}

/// All turnstiles of a park.
#[derive(Debug)]
pub struct Fleet {
    lanes: Vec<FleetLane>,
    clock: Clock,
}

impl Fleet {
    /// Starts a turnstile for each lane; they connect by themselves, over TLS with `tls`, until
    /// `shutdown`.
    pub fn start(
        site: &SiteId,
        broker: &BrokerAddress,
        tls: Option<&DeviceTls>,
        lanes: &[LaneSpec],
        clock: &Clock,
        shutdown: &CancellationToken,
    ) -> Self {
        let start = |spec: &LaneSpec| {
            let mut config = TurnstileConfig::new(
                site.clone(),
                spec.device.clone(),
                spec.lane.clone(),
                broker.clone(),
            );
            config.agent.username.clone_from(&spec.username);
            config.agent.password.clone_from(&spec.password);
            config.agent.tls = tls.cloned();
            let turnstile = VirtualTurnstile::start(config, clock.clone(), shutdown.clone());
            FleetLane { spec: spec.clone(), turnstile: Arc::new(turnstile) }
        };
        Self { lanes: lanes.iter().map(start).collect(), clock: clock.clone() }
    }

    /// All lanes.
    pub fn lanes(&self) -> &[FleetLane] {
        &self.lanes
    }

    /// The clock of the fleet.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Waits until the control plane has accepted every turnstile.
    pub async fn ready(&self) -> Result<(), Stopped> {
        for lane in &self.lanes {
            lane.turnstile.ready().await?;
        }
        Ok(())
    }

    /// A lane on the way from one area to another, with the direction to take: the one with the
    /// shortest queue, ties by chance; `None` when none leads there.
    pub(super) fn lane_between(
        &self,
        from: &AreaId,
        to: &AreaId,
        rng: &mut impl Rng,
    ) -> Option<(&FleetLane, Direction)> {
        let mut best: Option<(&FleetLane, Direction)> = None;
        let (mut shortest, mut ties) = (usize::MAX, 0_u32);
        for lane in &self.lanes {
            let Some(direction) = lane.spec.direction(from, to) else { continue };
            let queue = lane.turnstile.queue_len();
            if queue < shortest {
                (best, shortest, ties) = (Some((lane, direction)), queue, 1);
            } else if queue == shortest {
                ties += 1;
                if rng.random_ratio(1, ties) {
                    best = Some((lane, direction));
                }
            }
        }
        best
    }
}

impl LaneSpec {
    /// The direction in which this lane leads from one area to another, if it does.
    pub fn direction(&self, from: &AreaId, to: &AreaId) -> Option<Direction> {
        let may_in = matches!(self.ways, Ways::In | Ways::Both);
        let may_out = matches!(self.ways, Ways::Out | Ways::Both);
        if may_in && self.from == *from && self.to == *to {
            Some(Direction::In)
        } else if may_out && self.to == *from && self.from == *to {
            Some(Direction::Out)
        } else {
            None
        }
    }

    /// Whether it stands at the edge of the site.
    pub fn is_outer(&self) -> bool {
        self.from.as_str() == OUTSIDE
    }
}
