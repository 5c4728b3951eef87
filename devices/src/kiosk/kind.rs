//! A kiosk as a kind of device: its core's acts are carried out, its screen and printer are heard.
//!
//! It decides nothing about orders: that is the core's part. It refuses to sell while the control
//! plane is out of reach or the printer cannot print. The agent calls it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Poll},
};

use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{AckStatus, Order, OrderBody, PrintJob, Response, ResponseStatus, What},
    ids::{CommandId, DeviceKind, OrderId, RequestId},
};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{
    core::{Act, Core, Moment},
    front::{Front, Shown, Wish},
    orders::{Answer, Event, ORDERS_MAX},
    payment::{Call, Payment, Said, call},
};
use crate::{
    agent::{Agent, Heard, Kind, NoAnswer},
    print::driver::Fault,
    printer::{
        Words,
        condition::Condition,
        content, health,
        spool::{Job, State, Taken},
        worker::{Report, Worker},
    },
};

/// What a kiosk notices.
pub(super) enum Noticed {
    Report(Report),
    Payment(OrderId, Result<Said, String>),
    Wish(Wish),
}

/// What a question was about.
enum Question {
    Quote,
    Order(OrderId),
}

/// The kiosk behind an agent.
pub(super) struct Kiosk {
    words: Words,
    stock: Option<u32>,
    front: Front,
    worker: Worker,
    payment: Arc<dyn Payment>,
    said: (mpsc::Sender<Paid>, mpsc::Receiver<Paid>),
    core: Core,
    condition: Condition,
    questions: BTreeMap<RequestId, Question>,
    /// What is done once this step is kept.
    to_do: Vec<Act>,
    shown_ready: Option<(bool, bool)>,
}

/// What the payment service says of an order.
type Paid = (OrderId, Result<Said, String>);

fn moment(agent: &Agent) -> Moment {
    Moment { up_ms: agent.now().up_ms, at: agent.true_time() }
}

impl Kiosk {
    /// With these words on its tickets; `stock` is how many tickets a full stock has.
    pub(super) fn new(
        words: Words,
        stock: Option<u32>,
        front: Front,
        worker: Worker,
        payment: Arc<dyn Payment>,
    ) -> Self {
        Self {
            words,
            stock,
            front,
            worker,
            payment,
            // One call of each order at a time.
            said: mpsc::channel(ORDERS_MAX),
            core: Core::default(),
            condition: Condition::default(),
            questions: BTreeMap::new(),
            to_do: Vec::new(),
            shown_ready: None,
        }
    }

    /// What belongs into the step's transaction is handed on, the rest waits for
    /// [`Kind::carry_out`].
    fn take(&mut self, agent: &mut Agent, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Keep(on, key, value) => agent.keep(on, key, value),
                Act::Forget(on, key) => agent.forget(on, key),
                Act::Fact(body) => {
                    info!(device = %agent.device(), fact = ?body, "an order or a job went on");
                    agent.record(body);
                }
                Act::Ended(job, command, record) => {
                    let status = match record.state {
                        State::Done => AckStatus::Done,
                        _ => AckStatus::Failed,
                    };
                    let result = record.result(job);
                    agent.ack(command, status, record.reason, Some(result));
                }
                later => self.to_do.push(later),
            }
        }
    }

    /// False when there is no such order, or a new one has no room.
    fn order(&mut self, agent: &mut Agent, id: OrderId, event: Event) -> bool {
        let acts = self.core.order(id, event, moment(agent));
        let known = acts.is_some();
        self.take(agent, acts.unwrap_or_default());
        known
    }

    fn refuse(&self, reason: &str) {
        self.front.show(Shown::Refused { reason: reason.to_owned() });
    }

    /// Why nothing can be sold now.
    fn obstacle(&self, agent: &Agent) -> Option<&'static str> {
        if !agent.is_online() {
            return Some("the control plane is out of reach");
        }
        (!self.condition.is_ready()).then_some("the printer cannot print")
    }

    fn wish(&mut self, agent: &mut Agent, wish: Wish) {
        let (id, event) = match wish {
            Wish::Quote { lines } => {
                return match agent.ask(What::Quote { lines }) {
                    Ok(id) => drop(self.questions.insert(id, Question::Quote)),
                    Err(why) => self.refuse(&why.to_string()),
                };
            }
            Wish::Unreadable(why) => return self.refuse(&why),
            Wish::GiveUp { order } => (order, Event::GiveUp),
            Wish::Settle { order } => (order, Event::Settled),
            Wish::Buy { lines } => (OrderId::fresh(), Event::Begin(lines)),
            Wish::Redeem { credential, confirm } => {
                (OrderId::fresh(), Event::Redeem(credential, confirm))
            }
        };
        let is_new = matches!(event, Event::Begin(_) | Event::Redeem(..));
        if let Some(obstacle) = self.obstacle(agent).filter(|_| is_new) {
            self.refuse(obstacle);
        } else if !self.order(agent, id, event) {
            self.refuse("there is no such order, or too many wait for a person");
        }
    }

    fn answered(
        &mut self,
        agent: &mut Agent,
        id: RequestId,
        answer: Result<Box<Response>, NoAnswer>,
    ) {
        let body = |response: &mut Response| {
            let body = Value::Object(std::mem::take(&mut response.body));
            serde_json::from_value::<OrderBody>(body)
        };
        match (self.questions.remove(&id), answer) {
            (Some(Question::Order(order)), answer) => {
                let answer = match answer {
                    Err(_no_answer) => Answer::Nothing,
                    Ok(mut response) if response.status == ResponseStatus::Ok => {
                        // A body that cannot be read is no answer: it is asked for again.
                        body(&mut response)
                            .map_or(Answer::Nothing, |body| Answer::Stands(Box::new(body)))
                    }
                    Ok(response) => Answer::Refused(response.status, response.reason),
                };
                self.order(agent, order, Event::Answer(answer));
            }
            (Some(Question::Quote), Ok(mut response)) => {
                match (response.status, body(&mut response)) {
                    (ResponseStatus::Ok, Ok(body)) => {
                        self.front.show(Shown::Quote(Box::new(body)));
                    }
                    _ => self.refuse(response.reason.as_deref().unwrap_or("no price for this")),
                }
            }
            (Some(Question::Quote), Err(why)) => self.refuse(&why.to_string()),
            // Of a question that another one of its order came after.
            (None, _) => {}
        }
    }

    fn ask(&mut self, agent: &mut Agent, order: OrderId, what: What) {
        // An answer to an earlier question about this order is void.
        self.questions
            .retain(|_, question| !matches!(question, Question::Order(of) if *of == order));
        match agent.ask(what) {
            Ok(id) => drop(self.questions.insert(id, Question::Order(order))),
            Err(_too_many) => drop(self.order(agent, order, Event::Answer(Answer::Nothing))),
        }
    }

    fn pay(&self, order: OrderId, asked: Call) {
        let (payment, said) = (Arc::clone(&self.payment), self.said.0.clone());
        tokio::spawn(async move {
            let answer = call(&*payment, order, asked).await;
            // The kiosk may be gone.
            said.send((order, answer)).await.unwrap_or_default();
        });
    }

    fn print(&mut self, agent: &mut Agent, command: CommandId, order: PrintJob) {
        let id = order.job;
        let job = match content(order, &self.words) {
            Ok((content, copies)) => Job { id, content, copies, command: Some(command) },
            Err(why) => return agent.refuse(command, why),
        };
        let (taken, acts) = self.core.take(job, moment(agent));
        match taken {
            Taken::Waits => agent.ack(command, AckStatus::Received, None, None),
            Taken::Again(record) => {
                let result = record.result(id);
                agent.ack(command, AckStatus::Duplicate, record.reason, Some(result));
            }
            Taken::Full => agent.refuse(command, "too many jobs wait: send it again later"),
        }
        self.take(agent, acts);
    }

    fn show_ready(&mut self, agent: &Agent) {
        let now = (agent.is_online(), self.condition.is_ready());
        if self.shown_ready.replace(now) != Some(now) {
            self.front.show(Shown::Ready { online: now.0, printer: now.1 });
        }
    }

    fn report(&mut self, agent: &mut Agent, report: Report) {
        health::hear(&mut self.condition, agent, &report);
        if let Report::Printed { job, end, missing } = report {
            let acts = self.core.printed(job, end, &missing, moment(agent));
            self.take(agent, acts);
        }
    }
}

impl Kind for Kiosk {
    const KIND: DeviceKind = DeviceKind::Kiosk;
    type Noticed = Noticed;

    fn started(&mut self, agent: &mut Agent) {
        self.condition = health::recall(agent);
        let (now, words) = (moment(agent), self.words.clone());
        let (core, acts) = Core::recover(|name| agent.shelf(name), words, now);
        self.core = core;
        if !self.core.orders().is_empty() {
            let (orders, in_doubt) = (self.core.orders().len(), self.core.orders().in_doubt());
            warn!(device = %agent.device(), orders, in_doubt, "orders of before the restart");
        }
        self.take(agent, acts);
    }

    fn poll_noticed(&mut self, cx: &mut Context<'_>) -> Poll<Noticed> {
        // Money and paper first: a new wish can wait.
        if let Poll::Ready(Some((order, said))) = self.said.1.poll_recv(cx) {
            return Poll::Ready(Noticed::Payment(order, said));
        }
        if let Poll::Ready(report) = self.worker.poll_report(cx) {
            return Poll::Ready(Noticed::Report(report));
        }
        self.front.poll_wish(cx).map(Noticed::Wish)
    }

    fn noticed(&mut self, agent: &mut Agent, noticed: Noticed) {
        match noticed {
            Noticed::Report(report) => self.report(agent, report),
            Noticed::Wish(wish) => self.wish(agent, wish),
            Noticed::Payment(order, said) => {
                // An order that is over by now needs no answer any more.
                self.order(agent, order, Event::Payment(said));
            }
        }
        self.show_ready(agent);
    }

    fn hear(&mut self, agent: &mut Agent, heard: Heard) {
        if let Heard::Answer { id, answer } = heard {
            self.answered(agent, id, answer);
        }
        self.show_ready(agent);
    }

    fn obey(&mut self, agent: &mut Agent, id: CommandId, order: Order) {
        match order {
            Order::Print(order) => self.print(agent, id, order),
            Order::Message { text, seconds } => {
                self.front.show(Shown::Message { text, seconds });
                agent.done(id);
            }
            other => agent.refuse(id, format!("a kiosk knows no {}", other.op())),
        }
    }

    fn wake_at_ms(&self) -> Option<u64> {
        self.core.orders().wake_at_ms()
    }

    fn tick(&mut self, agent: &mut Agent) {
        let acts = self.core.tick(moment(agent));
        self.take(agent, acts);
    }

    fn carry_out(&mut self, agent: &mut Agent, durable: bool) {
        for act in std::mem::take(&mut self.to_do) {
            match act {
                // Nothing is begun, and no code used up, that is forgotten after a restart.
                Act::Ask(order, What::Order { .. } | What::Redeem { .. }) if !durable => {
                    let why = Some("the disk refuses the record".to_owned());
                    let refused = Answer::Refused(ResponseStatus::Invalid, why);
                    self.order(agent, order, Event::Answer(refused));
                }
                Act::Ask(order, what) => self.ask(agent, order, what),
                // Without a record money could move that nobody knows of after a restart.
                Act::Pay(order, asked) if durable => self.pay(order, asked),
                Act::Pay(order, _) => {
                    let why = Err("the disk refuses the record".to_owned());
                    self.order(agent, order, Event::Payment(why));
                }
                Act::Print(job) => {
                    let id = job.id;
                    if durable && self.worker.print(job) {
                        continue;
                    }
                    let why = if durable { "the printer is busy" } else { "the disk refuses" };
                    let end = Err(Fault::Before(why.to_owned()));
                    let acts = self.core.printed(id, end, &[], moment(agent));
                    self.take(agent, acts);
                }
                // Nobody is asked to pay by a number that is not kept.
                Act::Show(view) if durable || view.payment.is_none() => {
                    self.front.show(Shown::Order(view));
                }
                Act::Show(_) | Act::Keep(..) | Act::Forget(..) | Act::Fact(_) | Act::Ended(..) => {}
            }
        }
    }

    fn telemetry(&self, values: &mut Map<String, Value>) {
        if let Some(stock) = self.stock {
            values.insert("paper_percent".into(), self.condition.paper_percent(stock).into());
        }
        values.insert("jobs".into(), self.core.jobs().into());
        values.insert("orders".into(), self.core.orders().len().into());
        values.insert("orders_in_doubt".into(), self.core.orders().in_doubt().into());
        values.insert("alarms".into(), self.condition.raised().into());
    }

    fn stopping(&mut self, _: &mut Agent) {
        // Every order goes on from its record at the next start.
    }
}
