//! The world around a kiosk: its disk, the control plane, the bank, the printer and the visitors.

use std::collections::{BTreeMap, BTreeSet};

use shanmen_protocols::{
    device::{
        Body, Credential, CredentialKind, OrderBody, OrderLine, OrderState, OrderTicket,
        ResponseStatus,
    },
    ids::{ProductId, TicketId},
};

use super::super::*;
use crate::kiosk::{
    orders::{Answer, Stage},
    payment::Said,
};

/// How long a question is good on its way.
const ON_ITS_WAY_MS: u64 = 30_000;

/// One thing that happens. A fate is: 0 or 1 all goes well, 2 the answer is lost, 3 the question is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Begin,
    Redeem(u8),
    Plane(u8, u8),
    Bank(u8, u8),
    VisitorPays(u8),
    GiveUp(u8),
    Printer(u8),
    Expire(u8),
    Tick(u64),
}

#[derive(Debug)]
struct Sale {
    state: OrderState,
    amount: u64,
    tickets: Vec<OrderTicket>,
    code: Option<u8>,
}

#[derive(Debug)]
struct Money {
    order: OrderId,
    amount: u64,
    state: Said,
    shown: bool,
}

pub(super) struct World {
    core: Core,
    now_ms: u64,
    disk: BTreeMap<&'static str, BTreeMap<String, String>>,
    facts: Vec<Body>,
    ids: u128,
    /// Questions on their way: when, which number, about what.
    questions: Vec<(u64, u64, OrderId, What)>,
    asked: u64,
    /// The last question of each order.
    last: BTreeMap<OrderId, u64>,
    /// Calls of the bank, and whether the kiosk that made them still lives.
    calls: Vec<(bool, OrderId, Call)>,
    at_printer: Option<Job>,
    sales: BTreeMap<OrderId, Sale>,
    used_codes: BTreeSet<u8>,
    bank: BTreeMap<String, Money>,
    paper: Vec<TicketId>,
    power_cuts: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            core: Core::default(),
            now_ms: 0,
            disk: BTreeMap::new(),
            facts: Vec::new(),
            ids: 1,
            questions: Vec::new(),
            asked: 0,
            last: BTreeMap::new(),
            calls: Vec::new(),
            at_printer: None,
            sales: BTreeMap::new(),
            used_codes: BTreeSet::new(),
            bank: BTreeMap::new(),
            paper: Vec::new(),
            power_cuts: 0,
        }
    }

    fn now(&self) -> Moment {
        Moment { up_ms: self.now_ms, at: None }
    }

    fn id(&mut self) -> uuid::Uuid {
        self.ids += 1;
        uuid::Uuid::from_u128(self.ids)
    }

    pub(super) fn step(&mut self, step: Step, cut: Option<u8>) {
        let acts = self.happens(step);
        self.carry_out(acts, cut);
    }

    fn happens(&mut self, step: Step) -> Vec<Act> {
        let now = self.now();
        match step {
            Step::Begin => {
                let line = OrderLine {
                    product: ProductId::new("adult").unwrap(),
                    count: 2,
                    persons: None,
                    visit_date: None,
                    slot: None,
                };
                let order = OrderId(self.id());
                self.core.order(order, Event::Begin(vec![line]), now)
            }
            Step::Redeem(code) => {
                let order = OrderId(self.id());
                let data = format!("code {}", code % 4);
                let credential = Credential { kind: CredentialKind::ExchangeCode, data };
                self.core.order(order, Event::Redeem(credential, None), now)
            }
            Step::Plane(which, fate) => return self.plane(which, fate),
            Step::Bank(which, fate) => return self.bank_hears(which, fate),
            Step::VisitorPays(which) => {
                // Whoever sees a number may pay by it, long after the kiosk forgot it too.
                let shown = self.bank.values_mut().filter(|money| money.shown);
                let mut open: Vec<_> = shown.filter(|m| m.state == Said::Pending).collect();
                if !open.is_empty() {
                    let which = usize::from(which) % open.len();
                    open[which].state = Said::Paid(open[which].amount);
                }
                None
            }
            Step::GiveUp(which) => {
                let orders: Vec<_> = self.last.keys().copied().collect();
                let order = orders.get(usize::from(which) % orders.len().max(1)).copied();
                order.and_then(|order| self.core.order(order, Event::GiveUp, now))
            }
            Step::Printer(end) => {
                let Some(job) = self.at_printer.take() else { return Vec::new() };
                // 5 of 8 are well; the rest: not begun, in doubt and out, in doubt and not.
                let end = match end {
                    0..=4 => Ok(()),
                    5 => Err(Fault::Before("no_paper".into())),
                    _ => Err(Fault::Amid("gone".into())),
                };
                self.comes_out(&job, end.is_ok() || matches!(step, Step::Printer(6)));
                Some(self.core.printed(job.id, end, &[], now))
            }
            Step::Expire(which) => {
                let mut open: Vec<_> =
                    self.sales.values_mut().filter(|s| s.state == OrderState::Open).collect();
                if !open.is_empty() {
                    let which = usize::from(which) % open.len();
                    open[which].state = OrderState::Cancelled;
                }
                None
            }
            Step::Tick(ms) => {
                self.now_ms += ms;
                let since = self.now_ms.saturating_sub(ON_ITS_WAY_MS);
                let now = self.now();
                let mut acts = self.core.tick(now);
                let late = self.questions.extract_if(.., |(asked, ..)| *asked < since);
                for (_, number, order, _) in late {
                    // Given up by the kiosk too, unless it asks something else by now.
                    if self.last.get(&order) == Some(&number) {
                        let nothing = Event::Answer(Answer::Nothing);
                        acts.extend(self.core.order(order, nothing, now).unwrap_or_default());
                    }
                }
                Some(acts)
            }
        }
        .unwrap_or_default()
    }

    fn comes_out(&mut self, job: &Job, out: bool) {
        let Content::Ticket(text) = &job.content else { panic!("no ticket") };
        if out {
            self.paper.push(text.serial.parse().unwrap());
        }
    }

    /// The step's transaction, then what follows it; power is cut before the transaction (0) or
    /// after so many of the rest.
    fn carry_out(&mut self, acts: Vec<Act>, cut: Option<u8>) {
        if cut != Some(0) {
            for act in acts.iter().filter(|act| act.is_kept()) {
                match act.clone() {
                    Act::Keep(on, key, value) => {
                        self.disk.entry(on).or_default().insert(key, value);
                    }
                    Act::Forget(on, key) => {
                        self.disk.entry(on).or_default().remove(&key);
                    }
                    Act::Fact(body) => self.facts.push(body),
                    _ => {}
                }
            }
            let then = acts.into_iter().filter(|act| !act.is_kept());
            let until = cut.map_or(usize::MAX, |cut| usize::from(cut) - 1);
            for act in then.take(until) {
                self.carry(act);
            }
        }
        if cut.is_some() {
            self.power_cut();
        }
    }

    fn carry(&mut self, act: Act) {
        match act {
            Act::Ask(order, what) => {
                self.asked += 1;
                self.last.insert(order, self.asked);
                self.questions.push((self.now_ms, self.asked, order, what));
            }
            Act::Pay(order, call) => self.calls.push((true, order, call)),
            Act::Print(job) => {
                assert!(self.at_printer.is_none(), "two jobs at the printer");
                self.at_printer = Some(job);
            }
            Act::Show(view) => {
                if let Some(money) = view.payment.and_then(|number| self.bank.get_mut(&number)) {
                    money.shown = true;
                }
            }
            Act::Keep(..) | Act::Forget(..) | Act::Fact(_) | Act::Ended(..) => {}
        }
    }

    fn power_cut(&mut self) {
        self.power_cuts += 1;
        if let Some(job) = self.at_printer.take() {
            self.comes_out(&job, self.power_cuts.is_multiple_of(2));
        }
        self.calls.iter_mut().for_each(|(alive, ..)| *alive = false);
        self.last.clear();
        self.now_ms += 1_000;
        let disk = self.disk.clone();
        let held = |name: &'static str| disk.get(name).cloned().unwrap_or_default();
        let (core, acts) = Core::recover(held, Words::default(), self.now());
        self.core = core;
        self.carry_out(acts, None);
    }

    /// The control plane works on a question, and answers.
    fn plane(&mut self, which: u8, fate: u8) -> Vec<Act> {
        if self.questions.is_empty() {
            return Vec::new();
        }
        let at = usize::from(which) % self.questions.len();
        let (_, number, order, what) = self.questions.remove(at);
        let answer = if fate == 3 { Answer::Nothing } else { self.answer(order, what) };
        let answer = if fate == 2 { Answer::Nothing } else { answer };
        // Only to the last question of a kiosk that has not been off since.
        if self.last.get(&order) != Some(&number) {
            return Vec::new();
        }
        self.core.order(order, Event::Answer(answer), self.now()).unwrap_or_default()
    }

    fn answer(&mut self, order: OrderId, what: What) -> Answer {
        let not_found = Answer::Refused(ResponseStatus::NotFound, None);
        match what {
            What::Order { lines, .. } if lines.is_empty() => {}
            What::Order { .. } => {
                let sale = Sale {
                    state: OrderState::Open,
                    amount: 24_000,
                    tickets: Vec::new(),
                    code: None,
                };
                self.sales.entry(order).or_insert(sale);
            }
            What::Redeem { credential, .. } => {
                let code: u8 = credential.data.trim_start_matches("code ").parse().unwrap();
                let known = self.sales.contains_key(&order);
                if !known && !self.used_codes.insert(code) {
                    return Answer::Refused(ResponseStatus::Conflict, None);
                }
                if !known {
                    let tickets = vec![self.ticket()];
                    let state = OrderState::Issued;
                    let sale = Sale { state, amount: 0, tickets, code: Some(code) };
                    self.sales.insert(order, sale);
                }
            }
            What::Pay { payment, .. } => {
                let paid = matches!(self.bank[&payment].state, Said::Paid(_));
                assert!(paid, "the control plane hears of money that has not moved");
                let issues = self.sales.get(&order).is_some_and(|s| s.state == OrderState::Open);
                if issues {
                    let tickets = vec![self.ticket(), self.ticket()];
                    let sale = self.sales.get_mut(&order).unwrap();
                    (sale.state, sale.tickets) = (OrderState::Issued, tickets);
                }
            }
            What::CancelOrder { .. } => {
                if let Some(sale) = self.sales.get_mut(&order)
                    && sale.state == OrderState::Open
                {
                    sale.state = OrderState::Cancelled;
                }
            }
            What::Collected { .. } => {
                if let Some(sale) = self.sales.get_mut(&order) {
                    sale.state = OrderState::Collected;
                }
            }
            other => panic!("a kiosk does not ask for {other:?}"),
        }
        let Some(sale) = self.sales.get(&order) else { return not_found };
        Answer::Stands(Box::new(OrderBody {
            order: Some(order),
            state: sale.state,
            lines: Vec::new(),
            amount: sale.amount,
            expires: None,
            tickets: sale.tickets.clone(),
        }))
    }

    fn ticket(&mut self) -> OrderTicket {
        OrderTicket {
            ticket: TicketId(self.id()),
            code: "SM1".into(),
            product: ProductId::new("adult").unwrap(),
            name: "成人票".into(),
            name_en: "Adult".into(),
            persons: 1,
            price: 12_000,
            validity: "2026-10-01".into(),
        }
    }

    /// The bank works on a call, and answers.
    fn bank_hears(&mut self, which: u8, fate: u8) -> Vec<Act> {
        if self.calls.is_empty() {
            return Vec::new();
        }
        let at = usize::from(which) % self.calls.len();
        let (alive, order, call) = self.calls.remove(at);
        let said = match call {
            _ if fate == 3 => Err("no answer".to_owned()),
            // The worst of banks: another payment for the same order each time.
            Call::Begin(amount) => {
                let number = format!("pay{}", self.bank.len());
                let money = Money { order, amount, state: Said::Pending, shown: false };
                self.bank.insert(number.clone(), money);
                Ok(Said::Begun(number))
            }
            Call::Status(number) => Ok(self.bank[&number].state.clone()),
            Call::Close(number) => {
                let money = self.bank.get_mut(&number).unwrap();
                if money.state == Said::Pending {
                    money.state = Said::NotPaid;
                }
                Ok(money.state.clone())
            }
        };
        let said = if fate == 2 { Err("the answer is lost".to_owned()) } else { said };
        if !alive {
            return Vec::new();
        }
        self.core.order(order, Event::Payment(said), self.now()).unwrap_or_default()
    }

    /// Everything works from now on, and nobody wants anything new.
    pub(super) fn calm_down(&mut self) {
        for round in 0..400 {
            for step in [Step::Plane(0, 0), Step::Bank(0, 0), Step::Printer(0), Step::Tick(500)] {
                self.step(step, None);
            }
            // By then everybody who has not paid has left.
            let left = self.disk.get(ORDERS).filter(|_| round == 50).cloned().unwrap_or_default();
            for order in left.into_keys() {
                let now = self.now();
                let acts = self.core.order(order.parse().unwrap(), Event::GiveUp, now);
                self.carry_out(acts.unwrap_or_default(), None);
            }
        }
    }

    pub(super) fn collected(&self) -> usize {
        self.sales.values().filter(|sale| sale.state == OrderState::Collected).count()
    }

    fn told(&self, order: OrderId, word: &str) -> bool {
        self.facts.iter().any(|fact| match fact {
            Body::Order { order: of, state, .. } | Body::Redeem { order: of, state } => {
                *of == order && state == word
            }
            _ => false,
        })
    }

    /// Whatever must never be.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut payments: BTreeMap<OrderId, u32> = BTreeMap::new();
        for (number, money) in &self.bank {
            if !matches!(money.state, Said::Paid(_)) {
                continue;
            }
            *payments.entry(money.order).or_default() += 1;
            let on_record = self.facts.iter().any(|fact| {
                matches!(fact, Body::Order { order, state, payment: Some(payment) }
                    if *order == money.order && state == "paid" && payment == number)
            });
            if !on_record {
                faults.push(format!("{number} is paid, and no fact says so"));
            }
            self.served(money.order, "paid", &mut faults);
        }
        for (order, count) in payments {
            if count > 1 {
                faults.push(format!("{order} is paid {count} times"));
            }
        }
        for (order, sale) in &self.sales {
            if sale.code.is_some() {
                self.served(*order, "redeemed", &mut faults);
            }
            for ticket in &sale.tickets {
                let printed = self.paper.iter().filter(|t| **t == ticket.ticket).count();
                if printed > 1 {
                    faults.push(format!("{} is printed {printed} times", ticket.ticket));
                }
            }
        }
        for id in self.disk.get(ORDERS).into_iter().flat_map(BTreeMap::keys) {
            let stage = self.core.orders().get(id.parse().unwrap()).map(orders::Order::stage);
            if stage != Some(Stage::Unknown) {
                faults.push(format!("{id} does not come to an end: {stage:?}"));
            }
        }
        faults
    }

    /// Its tickets are on paper and collected, or its doubt is on record and kept.
    fn served(&self, order: OrderId, how: &str, faults: &mut Vec<String>) {
        let sale = self.sales.get(&order);
        let collected = sale.is_some_and(|sale| {
            sale.state == OrderState::Collected
                && sale.tickets.iter().all(|ticket| self.paper.contains(&ticket.ticket))
        });
        let kept = self.core.orders().get(order).map(orders::Order::stage);
        let in_doubt = self.told(order, "unknown") && kept == Some(Stage::Unknown);
        if !collected && !in_doubt {
            faults.push(format!("{order} is {how}, and neither served nor in doubt: {sale:?}"));
        }
    }
}
