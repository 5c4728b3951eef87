//! Orders at a kiosk: what comes next for each, whatever was cut off in the middle.
//!
//! Pure: time and answers go in, what has to be kept, asked, paid and printed comes out. An order's
//! id is kept before it is asked for, the payment's reference before the visitor sees it, the
//! payment before the control plane hears of it, and each print job before its first byte; so after
//! a cut every order goes on from its record:
//!
//! ```text
//! purchase: asked ─► open ─► paying ─► paid ─► printing ─► collected
//!              └──────┴────────┴─► cancelling        └─► unknown
//! code:     asked ─────────────────────────► printing ─► collected
//! ```
//!
//! It never pays, and never prints again what may be on paper: an order whose money or tickets are
//! in doubt is `unknown`, told as a fact, and kept until a person has settled it. Neither codes nor
//! what was presented are kept. [`super::core`] calls it.

mod record;
mod steps;

use std::collections::BTreeMap;

use shanmen_protocols::{
    device::{Body, Confirm, Credential, OrderBody, OrderLine, OrderTicket, ResponseStatus, What},
    ids::{JobId, OrderId},
    time::UnixMs,
};

pub use self::record::{Order, Stage, job_id};
use crate::{
    kiosk::payment::{Call, Said},
    printer::spool::State,
};

/// Orders that are kept at once; one more is not begun.
pub const ORDERS_MAX: usize = 64;

/// How often a payment is asked after, in milliseconds.
pub const PAYMENT_POLL_MS: u64 = 1_000;

/// How long after a question without an answer, or a ticket that was not printed, it is tried
/// again, in milliseconds.
pub const AGAIN_MS: u64 = 5_000;

/// How often a ticket is tried that the printer has not begun to print.
pub const ATTEMPTS_MAX: u32 = 24;

/// How often a code's order is asked for after a restart before it counts as never asked: longer than
/// the 30 s for which a question is good on its way.
const UNHEARD_MAX: u32 = 7;

/// The payment's number of an order that costs nothing.
const NO_PAYMENT: &str = "free";

/// What an order hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A visitor wants this; the id is a fresh one.
    Begin(Vec<OrderLine>),
    /// A visitor has a code; the id is a fresh one.
    Redeem(Credential, Option<Confirm>),
    /// The visitor has gone, or wants nothing any more.
    GiveUp,
    /// The control plane's answer to the last question.
    Answer(Answer),
    /// The payment service's answer to the last call; or why there is none.
    Payment(Result<Said, String>),
    /// A print job stands like this.
    Job(JobId, State, Option<String>),
    /// A person has settled what was in doubt.
    Settled,
}

/// An answer of the control plane.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// How the order stands.
    Stands(Box<OrderBody>),
    /// Not as it was asked, and why.
    Refused(ResponseStatus, Option<String>),
    /// None came, or one that is to be asked for again.
    Nothing,
}

/// What an order wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Keep its record.
    Keep(OrderId, String),
    /// Forget its record.
    Forget(OrderId),
    /// Tell a fact.
    Fact(Body),
    /// Ask the control plane.
    Ask(OrderId, What),
    /// Call the payment service.
    Pay(OrderId, Call),
    /// Print a ticket of it, once the job is taken in.
    Print(OrderId, JobId, Box<OrderTicket>),
    /// Show the visitor how it stands.
    Show(View),
}

/// What the screen shows of an order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct View {
    /// The order.
    pub order: OrderId,
    /// `asked`, `open`, `paying`, `paid`, `printing`, `collected`, `cancelling`, `cancelled`,
    /// `unknown`.
    pub state: &'static str,
    /// What is to be paid, in the smallest coin (分).
    pub amount: u64,
    /// The payment's number: what the visitor pays by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
    /// Why it does not go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// All orders of a kiosk.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    orders: BTreeMap<OrderId, Order>,
}

impl Orders {
    /// The records of a shelf, after a restart. Nobody stands before the screen any more: what is
    /// not paid is given up. A record that cannot be read is in doubt.
    pub fn recover(shelf: BTreeMap<String, String>, effects: &mut Vec<Effect>) -> Self {
        let mut orders = Self::default();
        for (key, value) in shelf {
            let Ok(id) = key.parse::<OrderId>() else { continue };
            let order = Order::recovered(&value);
            let doubt = order.is_none();
            let mut order = order.unwrap_or_default();
            if doubt {
                order.doubt(id, "its record cannot be read", effects);
            }
            orders.orders.insert(id, order);
        }
        orders
    }

    /// An order.
    pub fn get(&self, id: OrderId) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// Orders that are kept.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// Orders that a person has to settle.
    pub fn in_doubt(&self) -> usize {
        self.orders.values().filter(|order| order.stage == Stage::Unknown).count()
    }

    /// When [`Orders::tick`] has something to do, in milliseconds since boot.
    pub fn wake_at_ms(&self) -> Option<u64> {
        self.orders.values().filter_map(Order::wake_at_ms).min()
    }

    /// Which order a print job belongs to.
    pub fn of_job(&self, job: JobId) -> Option<OrderId> {
        self.orders.iter().find(|(id, order)| order.has_job(**id, job)).map(|(id, _)| *id)
    }

    /// Time passed: whatever is due is done.
    pub fn tick(&mut self, now_ms: u64, at: Option<UnixMs>, effects: &mut Vec<Effect>) {
        for (id, order) in &mut self.orders {
            if order.wake_at_ms().is_some_and(|due| due <= now_ms) {
                order.go_on(*id, now_ms, at, effects);
            }
        }
    }

    /// An order hears something. False when a new one has no room, or there is none of that id.
    pub fn on(
        &mut self,
        id: OrderId,
        event: Event,
        now_ms: u64,
        at: Option<UnixMs>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let is_new = matches!(event, Event::Begin(_) | Event::Redeem(..));
        if is_new == self.orders.contains_key(&id) || (is_new && self.orders.len() >= ORDERS_MAX) {
            return false;
        }
        let order = self.orders.entry(id).or_default();
        order.hear(id, event, now_ms, effects);
        order.go_on(id, now_ms, at, effects);
        if order.is_over() {
            self.orders.remove(&id);
        }
        true
    }
}
