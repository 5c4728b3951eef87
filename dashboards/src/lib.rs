//! The live feed and its pages: the hub that numbers, keeps and sends the frames, the viewers'
//! WebSocket sessions, and the pages with their assets in the binary.
//!
//! Owns what viewers see, never what is true: it takes a [`Snapshot`] and a stream of [`Delta`]s
//! from whoever counts, and knows no ticket, actor or ledger. It refuses to let a viewer cost a
//! gate anything: every queue is bounded, a slow viewer loses frames or its seat, nobody else's.
//! The program calls [`start`] and merges [`router`] into its own routes.
//!
//! [`Snapshot`]: shanmen_protocols::feed::Snapshot
//! [`Delta`]: shanmen_protocols::feed::Delta

mod addresses;
mod coalesce;
mod glass;
mod guard;
mod hub;
mod limits;
mod metered;
mod packed;
mod pages;
mod session;
mod upgrade;
mod watch;
mod wire;

#[cfg(test)]
mod tests;

pub use guard::{Guard, Pass};
pub use hub::{Hub, start};
pub use limits::Limits;
pub use pages::router;
