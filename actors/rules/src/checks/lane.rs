//! Check 1, the device: is the lane open, and may it be passed this way?

use shanmen_protocols::{ids::Direction, reason::Reason};

use crate::{
    definition::LaneDirection,
    park::Lane,
    verdict::{LaneState, Presentation},
};

/// `lane_closed`, `emergency` (every lane stands open: nothing to grant), `wrong_direction`.
///
/// At a gate that only leads out there is no wrong direction.
pub(crate) fn check(lane: &Lane, way_out: bool, presentation: &Presentation) -> Result<(), Reason> {
    match presentation.lane_state {
        LaneState::Closed => return Err(Reason::LaneClosed),
        LaneState::Emergency => return Err(Reason::Emergency),
        LaneState::Open => {}
    }
    match (lane.direction, presentation.direction) {
        _ if way_out => Ok(()),
        (LaneDirection::Both, _)
        | (LaneDirection::In, Direction::In)
        | (LaneDirection::Out, Direction::Out) => Ok(()),
        (LaneDirection::In, Direction::Out) | (LaneDirection::Out, Direction::In) => {
            Err(Reason::WrongDirection)
        }
    }
}
