//! Shanmen's control plane: intake, device twins, validation pool, ledger and flow.
//!
//! The way of a scan: `link` (a broker's own task) → `intake` (bytes to a message) → `twin`
//! (repeats, lane, code) → `pool` (the rules, use and place reserved) → `ledger` (committed) →
//! back to the twin, which sends the decision. Requests run one way; the way back is a reply
//! value. `flow` counts what was committed and feeds the dashboards.
//!
//! The only crate with actix; SQL only in `ledger`. The program asks [`ControlPlane`].

mod accounts;
mod alerts;
pub mod api;
mod blocked;
mod capacity;
mod catalogue;
pub mod certificates;
pub mod clock;
mod commands;
mod configs;
mod desk;
mod emergency;
mod enrolment;
mod flow;
mod history;
mod intake;
pub mod keys;
mod ledger;
mod link;
mod lists;
mod live_park;
#[doc(hidden)]
pub mod measure;
mod orders;
mod plane;
mod pool;
mod registry;
pub mod security;
mod stage;
mod tally;
mod twin;
mod watch;
pub mod whole;

pub use plane::{ControlPlane, Importer};
