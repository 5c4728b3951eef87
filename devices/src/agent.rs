//! What every kind of device does alike: the connection, the handshake, facts that are not lost,
//! commands, configuration, lists and questions.
//!
//! A kind of device (turnstile, kiosk, handheld, printer) is a [`Kind`]: it has the hardware and
//! decides what is done with it; the agent talks to the control plane for it. One task owns both:
//!
//! ```text
//! connection ─┐
//! hardware ───┼─► one step: the kind and the agent take it in ─► what has to be kept is kept
//! timers ─────┘   ─► what was said goes out ─► the kind moves its hardware (carry_out)
//! ```
//!
//! So nothing is said, opened or printed that is not on the disk, and a kill at any moment leaves
//! a state from which the device goes on. While the disk works the task waits for it: for as long
//! as one transaction takes, and only in a step that keeps something.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`link`] | one connection: topics, will, what goes out and how |
//! | [`session`] | the handshake and the heartbeat |
//! | [`queue`] | facts that are not acknowledged |
//! | [`commands`] | which commands have an effect |
//! | [`settings`] | the configuration in force |
//! | [`lists`] | the lists in force, and how new ones come |
//! | [`requests`] | questions that wait for their answer |
//! | `upkeep` | orders that end in another start |
//! | `talk`, `task` | what is said and heard; the task that runs it all |

pub mod commands;
mod counters;
mod handle;
pub mod link;
pub mod lists;
pub mod queue;
pub mod requests;
pub mod session;
pub mod settings;
mod talk;
mod task;
mod upkeep;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};

use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{
        Ack, AckStatus, Body, Decision, DeviceSettings, LaneMode, Order, Response, Telemetry, What,
    },
    ids::{CommandId, DeviceId, DeviceKind, RequestId, SiteId},
    time::UnixMs,
};
use tokio::sync::watch;
use tracing::{debug, error, warn};

use self::{
    commands::{Anchor, Commands},
    counters::{Counters, bump},
    handle::Status,
    link::{Link, NotSent, Topics},
    lists::Lists,
    queue::EventQueue,
    requests::Requests,
    session::Handshake,
    settings::Settings,
    upkeep::Owed,
};
pub use self::{
    counters::AgentStats,
    handle::{AgentHandle, Stopped, start, start_on},
    link::{BrokerAddress, Uplink},
    requests::NoAnswer,
};
use crate::{
    clock::Clock,
    firmware::Upkeep,
    lane::Now,
    storage::{KeptList, Start, Storage, Write},
    tls::DeviceTls,
};

/// The shelf of what the agent itself keeps.
const SHELF: &str = "agent";

/// What a device is told before it starts, whatever its kind.
#[derive(Clone)]
pub struct AgentConfig {
    /// Its site.
    pub site: SiteId,
    /// Its identity: a level of its topics.
    pub device: DeviceId,
    /// Where the broker listens.
    pub broker: BrokerAddress,
    /// How it speaks TLS to the broker; none: in clear text.
    pub tls: Option<DeviceTls>,
    /// Its user at the broker.
    pub username: String,
    /// Its secret at the broker.
    pub password: String,
    /// Its serial number, as it says hello.
    pub serial: String,
    /// Its model, as it says hello.
    pub model: String,
    /// The version of its program, as it says hello.
    pub firmware: String,
    /// The settings in force until the control plane sends others.
    pub settings: DeviceSettings,
    /// The lists that it wants; others are ignored.
    pub lists: &'static [&'static str],
    /// The most facts that it keeps unacknowledged.
    pub queue_max: usize,
    /// The shortest pause before it connects again, in milliseconds.
    pub reconnect_min_ms: u64,
    /// The longest pause before it connects again, in milliseconds.
    pub reconnect_max_ms: u64,
}

impl AgentConfig {
    /// A configuration with the contract's defaults: no lists, no secret.
    pub fn new(site: SiteId, device: DeviceId, broker: BrokerAddress) -> Self {
        Self {
            username: device.to_string(),
            password: String::new(),
            serial: device.to_string(),
            model: env!("CARGO_PKG_NAME").into(),
            firmware: env!("CARGO_PKG_VERSION").into(),
            site,
            device,
            broker,
            tls: None,
            settings: DeviceSettings::default(),
            lists: &[],
            queue_max: queue::QUEUE_MAX_EVENTS,
            reconnect_min_ms: 1_000,
            reconnect_max_ms: 60_000,
        }
    }

    /// Its MQTT client id, `{site}.{device}`: two sites may share a broker, and a device that
    /// comes twice throws out its own older connection and no other.
    pub fn client_id(&self) -> String {
        format!("{}.{}", self.site, self.device)
    }
}

/// Never shows the secret.
impl std::fmt::Debug for AgentConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentConfig")
            .field("site", &self.site)
            .field("device", &self.device)
            .field("broker", &self.broker)
            .finish_non_exhaustive()
    }
}

/// What a kind of device hears from its agent, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The control plane is in reach and has accepted the device, or is out of reach.
    Online(bool),
    /// The answer to a scan; a retained one has no effect, and the kind counts it.
    Decision {
        /// The answer.
        decision: Box<Decision>,
        /// Whether the broker marked it as retained.
        retained: bool,
    },
    /// Other settings are in force: [`Agent::settings`].
    Settings,
    /// A list was swapped: [`Agent::list`].
    List(String),
    /// What came of a question.
    Answer {
        /// The question.
        id: RequestId,
        /// The answer, whatever its status; or none.
        answer: Result<Box<Response>, NoAnswer>,
    },
}

/// A kind of device: its hardware, and what is done with it.
///
/// All calls come from one task and must not block; longer work goes into a task of its own that
/// reports through [`Kind::poll_noticed`].
pub trait Kind: Send + 'static {
    /// What the hello says.
    const KIND: DeviceKind;
    /// What its hardware notices.
    type Noticed: Send;

    /// The device starts: what its storage held is on [`Agent::shelf`].
    fn started(&mut self, agent: &mut Agent);

    /// The next thing that the hardware notices. `Pending` has taken nothing, so that nothing is
    /// lost when the task turns to something else.
    fn poll_noticed(&mut self, cx: &mut Context<'_>) -> Poll<Self::Noticed>;

    /// The hardware noticed something.
    fn noticed(&mut self, agent: &mut Agent, noticed: Self::Noticed);

    /// The agent heard something.
    fn hear(&mut self, agent: &mut Agent, heard: Heard);

    /// An order that has to be obeyed, once; answered by [`Agent::done`], [`Agent::refuse`] or
    /// [`Agent::ack`]. `reboot`, `sync`, `diagnose`, `config` and `firmware` are the agent's.
    fn obey(&mut self, agent: &mut Agent, id: CommandId, order: Order);

    /// When [`Kind::tick`] is due, in milliseconds since boot.
    fn wake_at_ms(&self) -> Option<u64>;

    /// Time passed.
    fn tick(&mut self, agent: &mut Agent);

    /// What was decided in this step is kept (`durable`), or cannot be kept since the disk
    /// refuses: move the hardware now. A kind that must not act without a record looks at `durable`.
    fn carry_out(&mut self, agent: &mut Agent, durable: bool);

    /// Numbers for the telemetry and for `diagnose`.
    fn telemetry(&self, values: &mut Map<String, Value>);

    /// The device is shutting down: what is under way ends now.
    fn stopping(&mut self, agent: &mut Agent);
}

/// The agent of one device.
pub struct Agent {
    config: AgentConfig,
    kind: DeviceKind,
    topics: Topics,
    clock: Clock,
    storage: Box<dyn Storage>,
    start: Start,
    shelves: BTreeMap<String, BTreeMap<String, String>>,
    queue: EventQueue,
    handshake: Handshake,
    anchor: Option<Anchor>,
    commands: Commands,
    settings: Settings,
    lists: Lists,
    /// When the lists are asked for again, in milliseconds since boot.
    lists_at_ms: Option<u64>,
    mode: Option<LaneMode>,
    requests: Requests,
    /// The question about the list on its way.
    list_request: Option<RequestId>,
    link: Option<Link>,
    /// Connections in a row that ended before the control plane accepted the device.
    failures: u32,
    writes: Vec<Write>,
    /// What is kept without waiting for the disk.
    unhurried: Vec<Write>,
    /// Whether the disk refused the last transaction.
    disk_refuses: bool,
    outbox: Vec<(Uplink, Vec<u8>)>,
    heard: VecDeque<Heard>,
    orders: VecDeque<(CommandId, Order)>,
    upkeep: Upkeep,
    owed: Owed,
    counters: Arc<Counters>,
    status: watch::Sender<Status>,
}

impl Agent {
    fn new(
        config: AgentConfig,
        kind: DeviceKind,
        (mut storage, upkeep): (Box<dyn Storage>, Upkeep),
        clock: Clock,
        counters: Arc<Counters>,
        status: watch::Sender<Status>,
    ) -> Self {
        let mut kept = storage.kept();
        let own = kept.shelves.remove(SHELF).unwrap_or_default();
        let seen = own.get("commands").and_then(|json| serde_json::from_str(json).ok());
        let mut agent = Self {
            kind,
            topics: Topics::new(&config.site, &config.device),
            clock,
            storage,
            queue: EventQueue::new(&mut kept, config.queue_max),
            handshake: Handshake::new(talk::fresh_session()),
            anchor: None,
            commands: Commands::new(seen.unwrap_or_default()),
            settings: Settings::new(config.settings.clone(), own.get("config").map(String::as_str)),
            lists: Lists::new(config.lists, kept.lists),
            start: kept.start,
            shelves: kept.shelves,
            lists_at_ms: None,
            mode: None,
            requests: Requests::default(),
            list_request: None,
            link: None,
            failures: 0,
            writes: Vec::new(),
            unhurried: Vec::new(),
            disk_refuses: false,
            outbox: Vec::new(),
            heard: VecDeque::new(),
            orders: VecDeque::new(),
            upkeep,
            owed: Owed::default(),
            counters,
            status,
            config,
        };
        agent.upkeep_started(own.get("reboot").map(String::as_str));
        agent
    }

    /// The device.
    pub fn device(&self) -> &DeviceId {
        &self.config.device
    }

    /// The clock of the device.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The present moment, by the device's own clock.
    pub fn now(&self) -> Now {
        Now { up_ms: self.clock.up_ms(), at: self.clock.unix() }
    }

    /// The control plane's time as far as it is known since this start, else the device's own.
    pub fn true_time(&self) -> Option<UnixMs> {
        let up_ms = self.clock.up_ms();
        self.anchor.map(|anchor| anchor.server_time_at(up_ms)).or_else(|| self.clock.unix())
    }

    /// Whether the control plane is in reach and has accepted the device.
    pub fn is_online(&self) -> bool {
        self.handshake.is_accepted()
    }

    /// The settings in force.
    pub fn settings(&self) -> &DeviceSettings {
        self.settings.in_force()
    }

    /// A list in force.
    pub fn list(&self, name: &str) -> Option<&KeptList> {
        self.lists.get(name)
    }

    /// The names of the lists that the device wants.
    pub fn config_lists(&self) -> &'static [&'static str] {
        self.config.lists
    }

    /// Whether no newer list is known of that is not in force.
    pub fn lists_are_current(&self) -> bool {
        self.lists.are_current()
    }

    /// The number of the last fact that the control plane has; 0 for none.
    pub fn acknowledged_upto(&self) -> u64 {
        self.queue.acknowledged_upto()
    }

    /// How the lane works, for the report of what is in force.
    pub fn works_in(&mut self, mode: LaneMode) {
        self.mode = Some(mode);
    }

    /// What the storage held on a shelf when the device started; taken once.
    pub fn shelf(&mut self, name: &str) -> BTreeMap<String, String> {
        self.shelves.remove(name).unwrap_or_default()
    }

    /// Keeps a value on a shelf; it is durable before anything else of this step is seen outside.
    pub fn keep(&mut self, on: &'static str, key: impl Into<String>, value: impl Into<String>) {
        self.writes.push(Write::Put { shelf: on, key: key.into(), value: value.into() });
    }

    /// Keeps a value that a kill may take back: nothing of this step waits for it.
    pub fn keep_unhurried(&mut self, on: &'static str, key: impl Into<String>, value: String) {
        self.unhurried.push(Write::Put { shelf: on, key: key.into(), value });
    }

    /// Forgets a value of a shelf, without waiting for it.
    pub fn forget_unhurried(&mut self, on: &'static str, key: impl Into<String>) {
        self.unhurried.push(Write::Remove { shelf: on, key: key.into() });
    }

    /// Forgets a value of a shelf.
    pub fn forget(&mut self, on: &'static str, key: impl Into<String>) {
        self.writes.push(Write::Remove { shelf: on, key: key.into() });
    }

    /// Records a fact: kept until the control plane has it. Its number.
    pub fn record(&mut self, body: Body) -> u64 {
        bump(&self.counters.facts);
        let event = self.queue.push(body, self.clock.time_block(), self.clock.up_ms());
        self.writes.extend(self.queue.take_writes());
        self.counters.facts_lost.store(self.queue.lost(), Relaxed);
        if self.handshake.is_accepted() {
            self.say(Uplink::Event, &event);
        }
        self.tell_status();
        event.seq
    }

    /// Facts not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.queue.len()
    }

    /// Says something, once what this step keeps is kept.
    pub fn say<M: serde::Serialize>(&mut self, uplink: Uplink, message: &M) {
        match link::write(message) {
            Ok(payload) => self.outbox.push((uplink, payload)),
            Err(error) => {
                bump(&self.counters.not_sent);
                error!(device = %self.config.device, ?uplink, %error, "uplink not sent");
            }
        }
    }

    /// Asks the control plane. The answer is [`Heard::Answer`], or comes never to pass: offline
    /// too, the question is given up in the end.
    ///
    /// # Errors
    /// [`NoAnswer::TooMany`]: it is not asked.
    pub fn ask(&mut self, what: What) -> Result<RequestId, NoAnswer> {
        let request = self.requests.ask(what, self.clock.time_block(), self.clock.up_ms())?;
        if self.handshake.is_accepted() {
            self.say(Uplink::Request, &request);
        }
        Ok(request.id)
    }

    /// An order is done.
    pub fn done(&mut self, id: CommandId) {
        self.ack(id, AckStatus::Done, None, None);
    }

    /// An order is not obeyed: why.
    pub fn refuse(&mut self, id: CommandId, reason: impl Into<String>) {
        self.ack(id, AckStatus::Rejected, Some(reason.into()), None);
    }

    /// Answers an order: `received` first where it takes its time, and one final status.
    pub fn ack(
        &mut self,
        id: CommandId,
        status: AckStatus,
        reason: Option<String>,
        result: Option<Value>,
    ) {
        let ack = Ack { time: self.clock.time_block(), id, status, reason, result };
        self.say(Uplink::Ack, &ack);
    }

    /// Says how the device is, out of turn.
    pub fn report(&mut self, values: Map<String, Value>) {
        let telemetry = Telemetry { time: self.clock.time_block(), values };
        self.say(Uplink::Telemetry, &telemetry);
    }

    /// Keeps what this step has to keep; false when the disk refuses.
    async fn commit(&mut self) -> bool {
        let waits = !self.writes.is_empty();
        let mut writes = std::mem::take(&mut self.unhurried);
        writes.append(&mut self.writes);
        if writes.is_empty() {
            return true;
        }
        let committed = self.storage.commit(writes);
        if !waits {
            return true;
        }
        let kept = match committed {
            None => Ok(()),
            Some(done) => done.await.unwrap_or(Err(crate::storage::StorageError::Closed)),
        };
        match kept {
            Ok(()) => {
                if std::mem::take(&mut self.disk_refuses) {
                    warn!(device = %self.config.device, "the disk works again");
                }
                true
            }
            Err(error) => {
                bump(&self.counters.not_kept);
                if !std::mem::replace(&mut self.disk_refuses, true) {
                    error!(device = %self.config.device, %error, "nothing is kept over a restart");
                    // In memory, and with the control plane: that is all that can be done.
                    self.record(Body::Alarm { code: "fault".into(), active: true });
                    self.writes.clear();
                }
                false
            }
        }
    }

    /// Lets out what was said in this step.
    fn flush(&mut self) {
        for (uplink, payload) in self.outbox.drain(..) {
            // Without a connection it is not said; what matters is said again after the hello.
            let Some(link) = &self.link else { continue };
            if let Err(error) = link.publish(uplink, payload) {
                not_sent(&self.counters, &self.config.device, &error);
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.writes.is_empty()
            && self.unhurried.is_empty()
            && self.outbox.is_empty()
            && self.heard.is_empty()
            && self.orders.is_empty()
    }

    fn tell_status(&self) {
        let now = Status { ready: self.handshake.is_accepted(), unacknowledged: self.queue.len() };
        self.status.send_if_modified(|status| std::mem::replace(status, now) != now);
    }
}

/// Counts what did not go out: the protocol sends it again where it matters.
fn not_sent(counters: &Counters, device: &DeviceId, error: &NotSent) {
    bump(&counters.not_sent);
    debug!(%device, %error, "uplink not sent");
}
