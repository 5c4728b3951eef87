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

use std::collections::BTreeMap;

use shanmen_protocols::{
    device::{
        Body, Confirm, Credential, OrderBody, OrderLine, OrderState, OrderTicket, ResponseStatus,
        What,
    },
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

impl Order {
    fn hear(&mut self, id: OrderId, event: Event, now_ms: u64, effects: &mut Vec<Effect>) {
        match event {
            Event::Begin(lines) => {
                self.lines = lines;
                self.to(id, Stage::Asked, effects);
            }
            Event::Redeem(credential, confirm) => {
                self.redeem = true;
                self.presented = Some((credential, confirm));
                self.to(id, Stage::Asked, effects);
            }
            // A code may be used up by now: its tickets are printed in any case.
            Event::GiveUp => self.given_up = !self.redeem,
            Event::Answer(answer) => {
                self.waits = false;
                self.answered(id, answer, now_ms, effects);
            }
            Event::Payment(said) => {
                self.waits = false;
                self.payment_said(id, said, now_ms, effects);
            }
            Event::Job(job, state, reason) => self.job(id, job, state, reason, now_ms, effects),
            Event::Settled => {
                if self.stage == Stage::Unknown {
                    self.over(id, "settled", effects);
                }
            }
        }
    }

    fn answered(&mut self, id: OrderId, answer: Answer, now_ms: u64, effects: &mut Vec<Effect>) {
        let body = match answer {
            Answer::Stands(body) => *body,
            Answer::Nothing => return self.again(now_ms + AGAIN_MS),
            Answer::Refused(status, reason) => {
                return self.refused(id, status, reason, now_ms, effects);
            }
        };
        match (self.stage, body.state) {
            (Stage::Asked, OrderState::Open) => {
                self.amount = body.amount;
                self.expires = body.expires;
                self.to(id, Stage::Open, effects);
                self.fact(id, "open", effects);
            }
            (Stage::Asked | Stage::Paid | Stage::Cancelling, OrderState::Issued) => {
                self.tickets = body.tickets;
                self.to(id, Stage::Printing, effects);
                self.fact(id, "issued", effects);
            }
            // After a restart: the tickets again.
            (Stage::Printing, OrderState::Issued | OrderState::Collected) => {
                self.tickets = body.tickets;
                if self.tickets.is_empty() {
                    self.doubt(id, "the control plane has no tickets of it", effects);
                }
            }
            (Stage::Collected, _) => self.over(id, "collected", effects),
            (Stage::Cancelling | Stage::Asked, OrderState::Cancelled) => {
                self.fact(id, "cancelled", effects);
                self.over(id, "cancelled", effects);
            }
            (Stage::Paid, OrderState::Cancelled) => {
                self.doubt(id, "paid, and the order was cancelled before", effects);
            }
            (Stage::Paid | Stage::Asked, OrderState::Collected) => {
                self.doubt(id, "collected before it was printed here", effects);
            }
            // Nothing that was asked: it is asked again.
            (
                Stage::Asked
                | Stage::Open
                | Stage::Paying
                | Stage::Paid
                | Stage::Printing
                | Stage::Cancelling
                | Stage::Unknown,
                _,
            ) => self.again(now_ms + AGAIN_MS),
        }
    }

    fn refused(
        &mut self,
        id: OrderId,
        status: ResponseStatus,
        reason: Option<String>,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        if matches!(status, ResponseStatus::Busy | ResponseStatus::Failed) {
            return self.again(now_ms + AGAIN_MS);
        }
        // The question of before the restart may still be on its way, and use the code up.
        let late = self.redeem && self.presented.is_none() && self.stage == Stage::Asked;
        if late && status == ResponseStatus::NotFound && self.unheard < UNHEARD_MAX {
            self.unheard += 1;
            return self.again(now_ms + AGAIN_MS);
        }
        self.reason = reason;
        match self.stage {
            // No money has moved, and no code is used up.
            Stage::Asked | Stage::Cancelling => {
                self.fact(id, "cancelled", effects);
                self.over(id, "cancelled", effects);
            }
            Stage::Paid => self.doubt(id, "paid, and the control plane issues nothing", effects),
            Stage::Printing => self.doubt(id, "the control plane has no tickets of it", effects),
            // The visitor has the tickets; the fact has told so.
            Stage::Collected => self.over(id, "collected", effects),
            Stage::Open | Stage::Paying | Stage::Unknown => {}
        }
    }

    fn payment_said(
        &mut self,
        id: OrderId,
        said: Result<Said, String>,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        match (self.stage, said) {
            (Stage::Open, Ok(Said::Begun(reference))) => {
                self.payment = Some(reference);
                self.to(id, Stage::Paying, effects);
            }
            (Stage::Paying, Ok(Said::Pending)) => self.again(now_ms + PAYMENT_POLL_MS),
            (Stage::Paying, Ok(Said::Paid(amount))) => {
                self.amount = amount;
                self.to(id, Stage::Paid, effects);
                self.fact(id, "paid", effects);
            }
            (Stage::Paying, Ok(Said::NotPaid)) => self.to(id, Stage::Cancelling, effects),
            (Stage::Open | Stage::Paying, _) => self.again(now_ms + AGAIN_MS),
            // Of a call before a restart of the service, or before the order went on.
            (
                Stage::Asked
                | Stage::Paid
                | Stage::Printing
                | Stage::Collected
                | Stage::Cancelling
                | Stage::Unknown,
                _,
            ) => {}
        }
    }

    fn job(
        &mut self,
        id: OrderId,
        job: JobId,
        state: State,
        reason: Option<String>,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(ticket) = self.ticket_of(id, job) else { return };
        if self.stage != Stage::Printing || !state.is_final() {
            return;
        }
        self.in_print.remove(&ticket);
        match state {
            State::Done => drop(self.ends.insert(ticket, State::Done)),
            State::Failed => {
                let attempt = self.attempts.entry(ticket).or_default();
                *attempt += 1;
                if *attempt >= ATTEMPTS_MAX {
                    self.ends.insert(ticket, State::Failed);
                } else {
                    self.again(now_ms + AGAIN_MS);
                }
                self.reason = reason;
                // The attempt is kept before it is made: its job has another id.
                self.keep(id, effects);
                self.show(id, effects);
            }
            State::Unknown | State::Waiting | State::Started => {
                self.reason = reason;
                self.ends.insert(ticket, State::Unknown);
            }
        }
        if self.ends.len() < self.tickets.len() {
            return;
        }
        if self.ends.values().all(|end| *end == State::Done) {
            self.reason = None;
            self.to(id, Stage::Collected, effects);
            self.fact(id, "collected", effects);
        } else {
            self.doubt(id, "not every ticket is known to be printed", effects);
        }
    }

    /// Does what comes next, unless an answer is awaited or it is too early.
    fn go_on(&mut self, id: OrderId, now_ms: u64, at: Option<UnixMs>, effects: &mut Vec<Effect>) {
        if self.given_up && matches!(self.stage, Stage::Asked | Stage::Open) {
            // An answer that is still under way is of no use any more.
            self.waits = false;
            self.to(id, Stage::Cancelling, effects);
        }
        if self.waits || self.again_at_ms.is_some_and(|due| now_ms < due) {
            return;
        }
        let ask = match self.stage {
            Stage::Asked => Some(match (&self.presented, self.redeem) {
                (Some((credential, confirm)), _) => {
                    What::Redeem { order: id, credential: credential.clone(), confirm: *confirm }
                }
                // After a restart what was presented is gone; the order tells what came of it.
                (None, true) => What::Order { order: id, lines: Vec::new() },
                (None, false) => What::Order { order: id, lines: self.lines.clone() },
            }),
            Stage::Paid => Some(What::Pay {
                order: id,
                payment: self.payment.clone().unwrap_or_default(),
                amount: self.amount,
            }),
            Stage::Printing if self.tickets.is_empty() => {
                Some(What::Order { order: id, lines: Vec::new() })
            }
            Stage::Collected => Some(What::Collected { order: id }),
            Stage::Cancelling => Some(What::CancelOrder { order: id }),
            Stage::Open | Stage::Paying | Stage::Printing | Stage::Unknown => None,
        };
        if let Some(what) = ask {
            self.awaits();
            effects.push(Effect::Ask(id, what));
            return;
        }
        match self.stage {
            Stage::Open if self.amount == 0 => {
                self.payment = Some(NO_PAYMENT.to_owned());
                self.to(id, Stage::Paid, effects);
                self.fact(id, "paid", effects);
                self.go_on(id, now_ms, at, effects);
            }
            Stage::Open => {
                self.awaits();
                effects.push(Effect::Pay(id, Call::Begin(self.amount)));
            }
            Stage::Paying => {
                let reference = self.payment.clone().unwrap_or_default();
                let late = self.expires.zip(at).is_some_and(|(expires, at)| expires <= at);
                // Asked once more after a restart, before it is closed: it may be paid.
                let ends = (self.given_up && self.asked_after) || late;
                self.awaits();
                self.asked_after = true;
                effects.push(Effect::Pay(
                    id,
                    if ends { Call::Close(reference) } else { Call::Status(reference) },
                ));
            }
            Stage::Printing => self.print(id, effects),
            _ => {}
        }
    }

    fn print(&mut self, id: OrderId, effects: &mut Vec<Effect>) {
        self.again_at_ms = None;
        let tickets = self.tickets.clone();
        for ticket in tickets {
            if self.ends.contains_key(&ticket.ticket) || !self.in_print.insert(ticket.ticket) {
                continue;
            }
            let attempt = self.attempts.get(&ticket.ticket).copied().unwrap_or_default();
            let job = job_id(id, ticket.ticket, attempt);
            effects.push(Effect::Print(id, job, Box::new(ticket)));
        }
    }
}
