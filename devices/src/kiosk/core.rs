//! A kiosk's orders and its print jobs as one: what each step keeps, tells and does.
//!
//! Pure. All that one step keeps and tells belongs into one transaction; what it asks, pays, prints
//! and shows comes after it. It refuses an order when too many are kept. The kiosk's kind carries
//! it out; the tests cut its power.

use std::collections::{BTreeMap, VecDeque};

use shanmen_protocols::{
    device::{Body, OrderTicket, What},
    ids::{CommandId, JobId, OrderId},
    time::UnixMs,
};

use super::{
    orders::{self, Event, Orders, View},
    payment::Call,
};
use crate::{
    print::{driver::Fault, ticket::TicketText},
    printer::{
        Words,
        spool::{self, Content, Job, Record, Spool, State, Taken},
    },
};

/// The shelf of the orders.
pub const ORDERS: &str = "orders";

/// The shelf of the print jobs.
pub const JOBS: &str = "jobs";

/// What a step keeps, tells and does.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Keep this on a shelf.
    Keep(&'static str, String, String),
    /// Forget this.
    Forget(&'static str, String),
    /// Tell this fact.
    Fact(Body),
    /// Answer the command that asked for a job.
    Ended(JobId, CommandId, Record),
    /// Ask the control plane about an order; an answer to an earlier question of it is void.
    Ask(OrderId, What),
    /// Call the payment service.
    Pay(OrderId, Call),
    /// Print.
    Print(Job),
    /// Show.
    Show(View),
}

impl Act {
    /// Whether it belongs into the step's transaction.
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::Keep(..) | Self::Forget(..) | Self::Fact(_))
    }
}

/// The present moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since boot.
    pub up_ms: u64,
    /// The control plane's time, as far as it is known.
    pub at: Option<UnixMs>,
}

/// The orders and the jobs of one kiosk.
#[derive(Clone, Debug, Default)]
pub struct Core {
    orders: Orders,
    spool: Spool,
    words: Words,
}

/// What one part wants of the other.
enum Want {
    Order(orders::Effect),
    Job(spool::Effect),
}

impl Core {
    /// From what two shelves held.
    pub fn recover(
        mut shelf: impl FnMut(&'static str) -> BTreeMap<String, String>,
        words: Words,
        now: Moment,
    ) -> (Self, Vec<Act>) {
        let (mut of_orders, mut of_jobs) = (Vec::new(), Vec::new());
        let spool = Spool::recover(shelf(JOBS), &mut of_jobs);
        let orders = Orders::recover(shelf(ORDERS), &mut of_orders);
        let mut core = Self { orders, spool, words };
        let wants = of_jobs.into_iter().map(Want::Job);
        let acts = core.work_off(wants.chain(of_orders.into_iter().map(Want::Order)), now);
        (core, acts)
    }

    /// The orders.
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Jobs that wait or are being printed.
    pub fn jobs(&self) -> usize {
        self.spool.len()
    }

    /// An order hears something; none when it has no room, or is not known.
    pub fn order(&mut self, id: OrderId, event: Event, now: Moment) -> Option<Vec<Act>> {
        let mut effects = Vec::new();
        let taken = self.orders.on(id, event, now.up_ms, now.at, &mut effects);
        taken.then(|| self.work_off(effects.into_iter().map(Want::Order), now))
    }

    /// A command's job is handed in.
    pub fn take(&mut self, job: Job, now: Moment) -> (Taken, Vec<Act>) {
        let mut effects = Vec::new();
        let taken = self.spool.take(job, &mut effects);
        (taken, self.work_off(effects.into_iter().map(Want::Job), now))
    }

    /// The printer has ended a job.
    pub fn printed(
        &mut self,
        job: JobId,
        end: Result<(), Fault>,
        missing: &[char],
        now: Moment,
    ) -> Vec<Act> {
        let mut effects = Vec::new();
        self.spool.printed(job, end, missing, &mut effects);
        self.work_off(effects.into_iter().map(Want::Job), now)
    }

    /// Time passed.
    pub fn tick(&mut self, now: Moment) -> Vec<Act> {
        let mut effects = Vec::new();
        self.orders.tick(now.up_ms, now.at, &mut effects);
        self.work_off(effects.into_iter().map(Want::Order), now)
    }

    fn work_off(&mut self, wants: impl Iterator<Item = Want>, now: Moment) -> Vec<Act> {
        let mut wants: VecDeque<Want> = wants.collect();
        let mut acts = Vec::new();
        while let Some(want) = wants.pop_front() {
            match want {
                Want::Order(effect) => match effect {
                    orders::Effect::Keep(id, record) => {
                        acts.push(Act::Keep(ORDERS, id.to_string(), record));
                    }
                    orders::Effect::Forget(id) => acts.push(Act::Forget(ORDERS, id.to_string())),
                    orders::Effect::Fact(body) => acts.push(Act::Fact(body)),
                    orders::Effect::Ask(id, what) => acts.push(Act::Ask(id, what)),
                    orders::Effect::Pay(id, call) => acts.push(Act::Pay(id, call)),
                    orders::Effect::Show(view) => acts.push(Act::Show(view)),
                    orders::Effect::Print(order, job, ticket) => {
                        self.hand_in(order, job, *ticket, now, &mut wants);
                    }
                },
                Want::Job(effect) => match effect {
                    spool::Effect::Keep(id, record) => {
                        let record = serde_json::to_string(&record).unwrap_or_default();
                        acts.push(Act::Keep(JOBS, id.to_string(), record));
                    }
                    spool::Effect::Forget(id) => acts.push(Act::Forget(JOBS, id.to_string())),
                    spool::Effect::Fact(body) => acts.push(Act::Fact(body)),
                    spool::Effect::Print(job) => acts.push(Act::Print(job)),
                    spool::Effect::Ended(job, Some(command), record) => {
                        acts.push(Act::Ended(job, command, record));
                    }
                    spool::Effect::Ended(job, None, record) => {
                        if let Some(order) = self.orders.of_job(job) {
                            let event = Event::Job(job, record.state, record.reason);
                            self.tell(order, event, now, &mut wants);
                        }
                    }
                },
            }
        }
        acts
    }

    /// A ticket's job: printed in its turn, or known already.
    fn hand_in(
        &mut self,
        order: OrderId,
        id: JobId,
        ticket: OrderTicket,
        now: Moment,
        wants: &mut VecDeque<Want>,
    ) {
        let text = TicketText {
            serial: ticket.ticket.to_string(),
            name: ticket.name,
            name_en: ticket.name_en,
            code: ticket.code,
            persons: ticket.persons,
            price: ticket.price,
            validity: ticket.validity,
            ..TicketText::default()
        };
        let content = Content::Ticket(Box::new(self.words.fill(text)));
        let mut effects = Vec::new();
        let taken = self.spool.take(Job { id, content, copies: 1, command: None }, &mut effects);
        wants.extend(effects.into_iter().map(Want::Job));
        match taken {
            Taken::Waits => {}
            Taken::Again(record) => {
                self.tell(order, Event::Job(id, record.state, record.reason), now, wants);
            }
            Taken::Full => {
                let why = Some("too many jobs wait".to_owned());
                self.tell(order, Event::Job(id, State::Failed, why), now, wants);
            }
        }
    }

    fn tell(&mut self, order: OrderId, event: Event, now: Moment, wants: &mut VecDeque<Want>) {
        let mut effects = Vec::new();
        self.orders.on(order, event, now.up_ms, now.at, &mut effects);
        wants.extend(effects.into_iter().map(Want::Order));
    }
}

#[cfg(test)]
mod tests;
