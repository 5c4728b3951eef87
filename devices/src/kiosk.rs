//! A kiosk: sells tickets and exchanges codes, and loses neither money nor tickets to a power cut.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`orders`] | each order's state machine: pure |
//! | [`core`] | orders and print jobs as one: pure |
//! | [`payment`] | the payment service's trait, and one driven by files |
//! | [`front`] | the screen, as JSON lines |
//! | `kind` | these behind an agent |
//! | [`virtual_kiosk`] | a kiosk with neither screen nor paper: the demo |
//!
//! What is joined to a real payment service stands behind [`payment::Payment`].

pub mod core;
pub mod front;
mod kind;
pub mod orders;
pub mod payment;
pub mod virtual_kiosk;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::{front::Front, kind::Kiosk, payment::Payment};
use crate::{
    agent::{self, AgentConfig, AgentHandle},
    clock::Clock,
    firmware::Upkeep,
    printer::PrinterSettings,
    storage::Storage,
};

/// Starts a kiosk on the current runtime. It connects by itself, again and again, until `shutdown`
/// is cancelled; orders that were cut off before go on at once.
pub fn start(
    agent: AgentConfig,
    printer: &PrinterSettings,
    front: Front,
    payment: Arc<dyn Payment>,
    machine: (Box<dyn Storage>, Upkeep),
    clock: Clock,
    shutdown: CancellationToken,
) -> AgentHandle {
    let kiosk = Kiosk::new(printer.words.clone(), printer.stock, front, printer.worker(), payment);
    agent::start_on(agent, kiosk, machine, clock, shutdown)
}
