//! A printer's condition between its worker and its agent: kept over restarts, its alarms recorded.
//! The printer and the kiosk call it.

use tracing::warn;

use super::{condition::Condition, worker::Report};
use crate::agent::Agent;

/// The shelf of the printer's condition.
const PRINTER: &str = "printer";

/// The condition as it was kept.
pub(crate) fn recall(agent: &mut Agent) -> Condition {
    let kept = agent.shelf(PRINTER);
    Condition::kept(kept.get("condition").map(String::as_str))
}

/// Takes what a report says of the printer itself; what has changed is kept, and told.
pub(crate) fn hear(condition: &mut Condition, agent: &mut Agent, report: &Report) {
    let before = condition.json();
    match report {
        Report::Printed { end, .. } => condition.used(u16::from(end.is_ok())),
        Report::Status(status) => {
            for alarm in condition.told(status) {
                warn!(device = %agent.device(), ?alarm, "the printer's condition changed");
                agent.record(alarm);
            }
        }
    }
    let after = condition.json();
    if before != after {
        agent.keep(PRINTER, "condition", after);
    }
}
