//! Device twins: one actor for each device. A twin owns the session, the duplicate filter and the
//! numbers of the device's facts; what waits is done beside it and told back, so that a twin
//! never holds up its own mailbox.
//!
//! The kinds differ in what they say: `turnstile.rs` has presentations, `shown.rs` what a credential
//! leads to, `facts.rs` passages and all else that was seen. Kiosks, handhelds and printers present
//! and report the same way; what only they say has its place
//! beside it.

mod anchor;
mod answers;
mod asked;
mod clones;
mod core;
pub(crate) mod current;
mod drift;
mod facts;
mod numbers;
mod overdue;
mod shown;
mod standing;
mod turnstile;
mod words;
mod work;

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix::{Actor, ActorContext as _, Addr, AsyncContext as _, Context, Handler, Message};
use shanmen_protocols::{
    device::{
        Ack, ConfigReport, Decision, Event, Hello, Log, Request, Response, Scan, State, Telemetry,
    },
    ids::{DeviceId, Epoch, ScanId, SiteId},
    time::UnixMs,
    topic,
};
use tokio::sync::oneshot;

use self::{
    anchor::Moment as EventMoment,
    answers::Answers,
    asked::Asked,
    clones::Clones,
    core::{ANSWERS_KEPT, TwinCore},
    drift::Drift,
    numbers::Numbers,
    overdue::Overdue,
    standing::measure,
    work::Latencies,
};
pub(crate) use self::{
    asked::{Answers as RequestAnswers, Body as ResponseBody},
    shown::{digest, find_exchange, leads, seen},
    turnstile::ttl_of,
    words::refusal,
    work::{PassageFact, Reply, Shared, Way, fault},
};
use crate::{
    clock::Stopwatch,
    ledger::{Answer, Ledger, LedgerFault},
    registry::Device,
};

pub(crate) type Moment = EventMoment;

/// The device name under which callers of the program are on record.
pub(crate) const API_DEVICE: &str = "api";
/// How many messages may wait for a twin.
const MAILBOX_MAX: usize = 256;
/// How many for the twin of all callers of the program.
const API_MAILBOX_MAX: usize = 8_192;
/// How many answers the twin of all callers remembers.
const API_ANSWERS_KEPT: usize = 16_384;
/// How many scans that a device refused by itself are kept in mind.
const DENIED_KEPT: usize = 64;
/// How many facts of an epoch may wait until its numbers are read from the ledger.
const WAITING_FACTS_MAX: usize = 256;

/// What a device says.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Heard {
    /// A birth or death.
    State(State),
    /// The broker says that its last connection has ended.
    Gone,
    /// A handshake.
    Hello(Box<Hello>),
    /// A presentation; the watch runs since it arrived.
    Scan(Box<Scan>, Reply, Stopwatch),
    /// A fact, live.
    Event(Box<Event>),
    /// Facts, in a batch.
    Log(Box<Log>),
    /// Health and counters.
    Telemetry(Box<Telemetry>),
    /// The answer to a command.
    Ack(Box<Ack>),
    /// What is in force: the configuration, the lists, the lane's mode.
    Config(Box<ConfigReport>),
    /// A question.
    Request(Box<Request>),
}

/// What comes back from beside the twin.
#[derive(Message)]
#[rtype(result = "()")]
enum Back {
    /// A presentation was answered, or not.
    Answered(ScanId, Result<Arc<Answer>, shanmen_protocols::reason::Reason>, Stopwatch),
    /// Facts are in the ledger, or not.
    Written(Epoch, Vec<Written>),
    /// A request has its answer; whether that is kept for a repeat.
    Responded(Box<Response>, bool),
    /// Some answers may have taken too long.
    LookForOverdue,
    /// An epoch's numbers were read.
    Numbers(Epoch, Result<Numbers, String>),
}

/// One fact's number, the range that it declares lost, and whether the ledger has it.
pub(crate) struct Written {
    seq: u64,
    gap: Option<(u64, u64)>,
    there: bool,
}

/// A person changed the device's standing, or the program stops.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Order {
    /// Show the lane as it is now.
    ShowLane,
    /// The end.
    Stop,
}

/// The actor.
pub(crate) struct Twin {
    core: TwinCore,
    shared: Arc<Shared>,
    down: Arc<str>,
    id: DeviceId,
    latencies: Arc<Latencies>,
    waiting: HashMap<Epoch, Vec<Heard>>,
    overdue: Overdue<Option<Way>>,
    /// Scans that the device says it refused by itself: a grant for one is given back.
    denied: VecDeque<ScanId>,
    asked: Asked,
    /// The lane's counters against its passages, in the newest epoch.
    drift: Option<(Epoch, Drift)>,
    clones: Clones,
    mailbox: usize,
}

impl Twin {
    /// Starts the twin of a device.
    pub(crate) fn start(
        shared: Arc<Shared>,
        site: &SiteId,
        device: Arc<Device>,
        recalled: &mut Recalled,
        arbiter: &actix_rt::ArbiterHandle,
    ) -> Addr<Self> {
        let row = device.row();
        let down = Arc::from(topic::down(site, &row.id));
        let latencies = Arc::new(Latencies::of(work::kind_label(row.kind)));
        let answers = recalled.take(row.id.as_str());
        let sizes = (MAILBOX_MAX, ANSWERS_KEPT);
        Self::start_as(shared, device, answers, down, latencies, sizes, arbiter)
    }

    /// Starts the twin of the callers of the program: systems without MQTT.
    pub(crate) fn start_api(
        shared: Arc<Shared>,
        device: Arc<Device>,
        recalled: &mut Recalled,
        arbiter: &actix_rt::ArbiterHandle,
    ) -> Addr<Self> {
        let latencies = Arc::new(Latencies::of("api"));
        let sizes = (API_MAILBOX_MAX, API_ANSWERS_KEPT);
        let answers = recalled.take(API_DEVICE);
        Self::start_as(shared, device, answers, Arc::from(""), latencies, sizes, arbiter)
    }

    fn start_as(
        shared: Arc<Shared>,
        device: Arc<Device>,
        answers: Option<Answers<Reply>>,
        down: Arc<str>,
        latencies: Arc<Latencies>,
        (mailbox, answers_kept): (usize, usize),
        arbiter: &actix_rt::ArbiterHandle,
    ) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, move |ctx| {
            ctx.set_mailbox_capacity(mailbox);
            let id = device.row().id.clone();
            let answers = answers.unwrap_or_else(|| Answers::new(answers_kept));
            let core = TwinCore::new(device, answers);
            let waiting = HashMap::new();
            Self {
                core,
                shared,
                down,
                id,
                latencies,
                waiting,
                overdue: Overdue::default(),
                denied: VecDeque::new(),
                asked: Asked::default(),
                drift: None,
                clones: Clones::default(),
                mailbox,
            }
        })
    }

    fn hear(&mut self, heard: Heard, me: &Addr<Self>) {
        let now = self.shared.clock.now();
        match heard {
            Heard::State(state) => {
                if self.core.state(&state, now) {
                    self.presence_changed();
                }
            }
            Heard::Gone => {
                if std::mem::take(&mut self.core.device.live().online) {
                    self.presence_changed();
                }
            }
            Heard::Hello(hello) => self.hello(&hello, me),
            Heard::Scan(scan, reply, watch) => {
                let mut live = self.core.device.live();
                live.last_seen = Some(now);
                live.last_scan = Some(now);
                drop(live);
                self.scan(&scan, reply, watch, now, me);
            }
            Heard::Event(event) => {
                let Event { time, epoch, seq, body } = *event;
                let facts = vec![shanmen_protocols::device::LogEvent { time, seq, body }];
                self.facts(Log { epoch, events: facts }, me);
            }
            Heard::Log(log) => self.facts(*log, me),
            Heard::Telemetry(telemetry) => {
                let mut live = self.core.device.live();
                live.last_seen = Some(now);
                measure(&self.id, &telemetry.values);
                live.telemetry = telemetry.values;
                live.telemetry_at = Some(now);
            }
            Heard::Ack(ack) => {
                self.core.device.live().last_seen = Some(now);
                self.command_answered(*ack);
            }
            Heard::Config(report) => self.reported(*report, now),
            Heard::Request(request) => {
                self.core.device.live().last_seen = Some(now);
                self.request(*request, me);
            }
        }
    }

    fn back(&mut self, back: Back, me: &Addr<Self>) {
        match back {
            Back::Answered(id, answer, watch) => self.answered(id, answer, watch),
            Back::Written(epoch, written) => self.written(epoch, &written),
            Back::Responded(response, kept) => self.responded(*response, kept),
            Back::LookForOverdue => self.look_for_overdue(me),
            Back::Numbers(epoch, numbers) => self.numbers_read(epoch, numbers, me),
        }
    }

    fn numbers_read(&mut self, epoch: Epoch, numbers: Result<Numbers, String>, me: &Addr<Self>) {
        let waiting = self.waiting.remove(&epoch).unwrap_or_default();
        match numbers {
            Ok(numbers) => {
                self.core.remember(epoch, numbers);
                for heard in waiting {
                    self.hear(heard, me);
                }
            }
            Err(error) => {
                // The device sends its facts again; nothing is acknowledged meanwhile.
                tracing::error!(device = %self.id, %error, "cannot read which facts are known");
            }
        }
    }

    /// Answers at once, without a rule.
    fn refuse(&self, id: ScanId, reason: shanmen_protocols::reason::Reason, to: Reply) {
        let decision = self.shared.refusal(id, reason);
        self.send(to, decision);
    }

    fn send(&self, to: Reply, decision: Decision) {
        self.shared.reply(&self.down, to, decision);
    }

    /// A message failed half way: the twin begins anew. What it knows of answers and facts is kept,
    /// since each is changed in one step.
    fn begin_anew(&mut self) {
        metrics::counter!("shanmen_actor_panics_total", "actor" => "twin").increment(1);
        tracing::error!(device = %self.id, "a twin failed at one message and begins anew");
        self.core.begin_anew();
        self.waiting.clear();
    }
}

/// How far back a device may repeat a scan and still be recognised, in milliseconds: a day.
const RECALL_MS: i64 = 24 * 3_600_000;

/// The answers that the ledger has, by device: what the twins begin with.
pub(crate) struct Recalled(HashMap<String, Answers<Reply>>);

impl Recalled {
    /// Reads the answers of the last day.
    pub(crate) fn read(ledger: &dyn Ledger, now: UnixMs) -> Result<Self, LedgerFault> {
        let mut by_device: HashMap<String, Answers<Reply>> = HashMap::new();
        ledger.answers_since(now.plus_ms(-RECALL_MS), &mut |device, answer| {
            let kept = if device == API_DEVICE { API_ANSWERS_KEPT } else { ANSWERS_KEPT };
            let answers = by_device.entry(device.to_owned()).or_insert_with(|| Answers::new(kept));
            answers.give(answer.scan, Arc::new(answer));
        })?;
        Ok(Self(by_device))
    }

    /// Nothing: for a device that is new.
    pub(crate) fn none() -> Self {
        Self(HashMap::new())
    }

    /// Takes a device's answers.
    pub(crate) fn take(&mut self, device: &str) -> Option<Answers<Reply>> {
        self.0.remove(device)
    }
}

/// Tells the twin what came back; waits while its mailbox is full.
async fn tell(twin: &Addr<Twin>, back: Back) {
    if twin.send(back).await.is_err() {
        tracing::debug!("the twin has stopped");
    }
}

impl Actor for Twin {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox);
        self.show_lane();
    }
}

impl Handler<Heard> for Twin {
    type Result = ();

    fn handle(&mut self, heard: Heard, ctx: &mut Self::Context) {
        let me = ctx.address();
        if catch_unwind(AssertUnwindSafe(|| self.hear(heard, &me))).is_err() {
            self.begin_anew();
        }
    }
}

impl Handler<Back> for Twin {
    type Result = ();

    fn handle(&mut self, back: Back, ctx: &mut Self::Context) {
        let me = ctx.address();
        if catch_unwind(AssertUnwindSafe(|| self.back(back, &me))).is_err() {
            self.begin_anew();
        }
    }
}

impl Handler<Order> for Twin {
    type Result = ();

    fn handle(&mut self, order: Order, ctx: &mut Self::Context) {
        match order {
            Order::ShowLane => self.show_lane(),
            Order::Stop => ctx.stop(),
        }
    }
}

/// A way to wait for one decision.
pub(crate) fn caller() -> (Reply, oneshot::Receiver<Decision>) {
    let (to, decision) = oneshot::channel();
    (Reply::Caller(to), decision)
}
