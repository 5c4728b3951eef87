//! Check 7, the condition: a CEL expression of the product.

use shanmen_protocols::reason::Reason;

use crate::{
    calendar::Moment,
    park::{AreaIx, GateIx, LaneIx, Park, Product},
    ticket::TicketState,
    verdict::Room,
};

/// A compiled condition.
#[derive(Clone, Debug)]
pub struct Condition {
    source: String,
}

impl Condition {
    pub(crate) fn compile(source: &str) -> Result<Self, ConditionFault> {
        Ok(Self { source: source.to_owned() })
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// `condition_failed`, also when the expression cannot be evaluated.
pub(crate) fn check(
    _park: &Park,
    product: &Product,
    _ticket: &TicketState,
    _where_: (LaneIx, GateIx, AreaIx),
    _room: &impl Room,
    _now: &Moment,
) -> Result<(), Reason> {
    if product.condition.is_none() { Ok(()) } else { Err(Reason::ConditionFailed) }
}

/// Why a condition is refused at load.
pub(crate) struct ConditionFault {
    pub(crate) problem: String,
    pub(crate) hint: String,
}
