//! The box office as the virtual visitors know it. The composition root stands behind it with the
//! control plane's own ticket sale.

use std::{future::Future, pin::Pin};

use shanmen_protocols::ids::{ProductId, TicketId};

/// The office's answer, later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The day that a ticket is for, in the site's local dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitDay {
    /// The present business day.
    Today,
    /// The next one: presented today, it is a ticket for the wrong day.
    Tomorrow,
}

/// What a visitor wants to buy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// The product.
    pub product: ProductId,
    /// Persons on the ticket.
    pub persons: u16,
    /// The day.
    pub day: VisitDay,
}

/// A ticket that was sold. Its `Debug` never shows the code.
#[derive(Clone, PartialEq, Eq)]
pub struct Sold {
    /// The ticket.
    pub ticket: TicketId,
    /// What its QR code says.
    pub code: String,
}

impl std::fmt::Debug for Sold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sold({})", self.ticket)
    }
}

/// The office did not do it: sold out, sales stopped, or not in reach.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no sale: {0}")]
pub struct NoSale(pub String);

/// Where virtual visitors get their tickets. A call that does not come back within
/// [`OFFICE_TIMEOUT`] counts as [`NoSale`].
pub trait BoxOffice: Send + Sync {
    /// Sells a ticket.
    fn sell(&self, sale: Sale) -> Later<'_, Result<Sold, NoSale>>;
    /// Takes a ticket back.
    fn refund(&self, ticket: TicketId) -> Later<'_, Result<(), NoSale>>;
}

/// How long a visitor waits at the window, in real time.
pub const OFFICE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
