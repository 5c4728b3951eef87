//! Shanmen's control plane: intake, device twins, validation pool, ledger and flow.

pub mod api;
pub mod clock;
pub mod keys;
mod plane;

pub use plane::{ControlPlane, Importer};
