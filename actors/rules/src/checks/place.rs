//! Check 5, the place: which way is this, is it an exit, and does the ticket cover the area?

use shanmen_protocols::{ids::Direction, reason::Reason};

use crate::park::{AreaIx, GateIx, Park, Product};

/// Whether a passage is an exit: the lane's way out, or a way in that enters no area (a gate from
/// the cave back into the park, or from the park to the outside).
pub(crate) fn is_exit(park: &Park, direction: Direction, from: AreaIx, to: AreaIx) -> bool {
    direction == Direction::Out || park.entered(from, to).next().is_none()
}

/// `wrong_gate`: the product is for other gates.
pub(crate) fn gate(product: &Product, gate: GateIx) -> Result<(), Reason> {
    if product.gates.is_empty() || product.gates.contains(&gate) {
        Ok(())
    } else {
        Err(Reason::WrongGate)
    }
}

/// `area_not_included`: no entitlement names the area.
pub(crate) fn area(product: &Product, area: AreaIx) -> Result<(), Reason> {
    if product.entitlements.iter().any(|entitlement| entitlement.areas.contains(&area)) {
        Ok(())
    } else {
        Err(Reason::AreaNotIncluded)
    }
}
