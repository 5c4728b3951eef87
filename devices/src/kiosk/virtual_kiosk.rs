//! A kiosk with neither screen nor paper: a real kiosk's agent and orders, a payment that is made at
//! once, and tickets that are handed over in memory.
//!
//! Cheap: no file, no socket but the broker's. The virtual park and tests let one visitor after the
//! other use it. It refuses nothing by itself.

use std::{sync::Arc, time::Duration};

use shanmen_protocols::{
    device::{Credential, CredentialKind, OrderLine},
    ids::OrderId,
};
use tokio::{
    sync::{Mutex, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    front::{Front, Screen, Shown, Wish},
    kind::Kiosk,
    payment::VirtualPayments,
};
use crate::{
    agent::{self, AgentConfig, AgentHandle, Stopped},
    clock::Clock,
    print::ticket::TicketText,
    printer::{Words, worker::Worker},
    storage::MemoryStorage,
};

/// The tickets of one order that it has room for: the most that an order has, and some.
const PAPER_MAX: usize = 128;

/// How long a visitor waits for the tickets.
const PATIENCE: Duration = Duration::from_mins(1);

/// Tickets in a visitor's hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Bought {
    /// The order.
    pub order: OrderId,
    /// What was paid, in the smallest coin (分).
    pub amount: u64,
    /// The tickets.
    pub tickets: Vec<TicketText>,
}

/// Why a visitor has no tickets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBought {
    /// The kiosk or the control plane refuses.
    #[error("refused: {0}")]
    Refused(String),
    /// It is in doubt, or took too long: the kiosk goes on with it.
    #[error("not known: {0}")]
    Unknown(String),
    /// The kiosk is shut down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The kiosk.
#[derive(Debug)]
pub struct VirtualKiosk {
    handle: AgentHandle,
    hall: Mutex<Hall>,
}

/// What one visitor at a time stands before.
#[derive(Debug)]
struct Hall {
    screen: Screen,
    paper: mpsc::Receiver<TicketText>,
}

impl VirtualKiosk {
    /// Starts it on the current runtime, until `shutdown` is cancelled.
    pub fn start(agent: AgentConfig, clock: Clock, shutdown: CancellationToken) -> Self {
        let (paper_tx, paper) = mpsc::channel(PAPER_MAX);
        let (front, screen) = Front::pair(PAPER_MAX);
        let worker = Worker::on(paper_tx);
        let kiosk = Kiosk::new(Words::default(), None, front, worker, Arc::new(VirtualPayments));
        let handle = agent::start(agent, kiosk, Box::new(MemoryStorage), clock, shutdown);
        Self { handle, hall: Mutex::new(Hall { screen, paper }) }
    }

    /// The running device.
    pub fn handle(&self) -> &AgentHandle {
        &self.handle
    }

    /// Waits until it can sell. Once, before the first visitor.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn ready(&self) -> Result<(), Stopped> {
        let mut hall = self.hall.lock().await;
        while hall.screen.shown.recv().await.ok_or(Stopped)?
            != (Shown::Ready { online: true, printer: true })
        {}
        Ok(())
    }

    /// Waits for its turn, buys, pays, and takes the tickets.
    ///
    /// # Errors
    /// [`NotBought`].
    pub async fn buy(&self, lines: Vec<OrderLine>) -> Result<Bought, NotBought> {
        self.served(Wish::Buy { lines }).await
    }

    /// Waits for its turn, exchanges a code, and takes the tickets.
    ///
    /// # Errors
    /// [`NotBought`].
    pub async fn redeem(&self, code: &str) -> Result<Bought, NotBought> {
        let credential = Credential { kind: CredentialKind::ExchangeCode, data: code.to_owned() };
        self.served(Wish::Redeem { credential, confirm: None }).await
    }

    /// Waits until the task has ended, after its token was cancelled.
    pub async fn stopped(self) {
        self.handle.stopped().await;
    }

    async fn served(&self, wish: Wish) -> Result<Bought, NotBought> {
        let mut hall = self.hall.lock().await;
        // What an impatient visitor left behind is not the next one's.
        while hall.screen.shown.try_recv().is_ok() || hall.paper.try_recv().is_ok() {}
        hall.screen.wishes.send(wish).await.map_err(|_gone| Stopped)?;
        let ended = timeout(PATIENCE, hall.ended()).await;
        ended.unwrap_or_else(|_| Err(NotBought::Unknown("it takes too long".into())))
    }
}

impl Hall {
    async fn ended(&mut self) -> Result<Bought, NotBought> {
        let mut mine = None;
        while let Some(shown) = self.screen.shown.recv().await {
            let view = match shown {
                Shown::Refused { reason } => return Err(NotBought::Refused(reason)),
                Shown::Order(view) => view,
                Shown::Quote(_) | Shown::Message { .. } | Shown::Ready { .. } => continue,
            };
            // An order begins with this; one of an earlier visitor may still go on.
            if view.state == "asked" {
                mine = mine.or(Some(view.order));
            }
            if mine != Some(view.order) {
                continue;
            }
            let reason = || view.reason.clone().unwrap_or_default();
            match view.state {
                "collected" => {
                    let mut tickets = Vec::new();
                    while let Ok(ticket) = self.paper.try_recv() {
                        tickets.push(ticket);
                    }
                    return Ok(Bought { order: view.order, amount: view.amount, tickets });
                }
                "cancelled" => return Err(NotBought::Refused(reason())),
                "unknown" => return Err(NotBought::Unknown(reason())),
                _ => {}
            }
        }
        Err(Stopped.into())
    }
}
