//! Intake: from a topic and bytes to a typed message in its twin's mailbox.
//!
//! Runs on the broker's own tasks and never blocks: what cannot be taken is counted by its cause,
//! noted at its device and logged without its content; other lanes do not notice.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix::Addr;
use dashmap::DashMap;
use serde::de::DeserializeOwned;
use shanmen_protocols::{
    device::{
        Ack, ConfigReport, Down, Event, Hello, LOG_MAX_EVENTS, Log, Request, Scan, State, Telemetry,
    },
    ids::{DeviceId, ScanId, SiteId},
    privacy::without_values,
    reason::Reason,
    time::UnixMs,
    topic::{self, NotAnUplink, PAYLOAD_MAX_BYTES, UpKind, Uplink},
};

use crate::{
    clock::{Clock, Stopwatch},
    link::{Qos, Uplinks},
    registry::{Device, Registry},
    twin::{Heard, Reply, Shared, Twin, Way, refusal, ttl_of},
};

/// How long the answer to a scan is worth anything that does not say so.
const DEFAULT_TTL: Duration = Duration::from_millis(1500);
/// How much of a problem's text is kept, in bytes.
const PROBLEM_MAX_BYTES: usize = 200;

/// Takes the hello of a device that the registry does not know.
pub(crate) type Stranger = Box<dyn Fn(&DeviceId, &Hello) + Send + Sync>;

/// The way in.
pub(crate) struct Intake {
    site: SiteId,
    clock: Clock,
    registry: Arc<Registry>,
    twins: DashMap<DeviceId, Addr<Twin>>,
    /// Set once the twins can work; what arrives before is refused as `starting`.
    shared: OnceLock<Arc<Shared>>,
    /// Only an outside broker lets such a device speak at all.
    stranger: OnceLock<Stranger>,
}

impl Intake {
    /// An intake without twins.
    pub(crate) fn new(site: SiteId, clock: Clock, registry: Arc<Registry>) -> Self {
        Self {
            site,
            clock,
            registry,
            twins: DashMap::new(),
            shared: OnceLock::new(),
            stranger: OnceLock::new(),
        }
    }

    /// Opens the way: from now on messages reach their twins.
    pub(crate) fn open(&self, shared: Arc<Shared>, stranger: Stranger) {
        if self.shared.set(shared).is_err() || self.stranger.set(stranger).is_err() {
            tracing::error!("the intake was opened twice");
        }
    }

    /// Adds a device's twin.
    pub(crate) fn add(&self, id: DeviceId, twin: Addr<Twin>) {
        self.twins.insert(id, twin);
    }

    /// A device's twin.
    pub(crate) fn twin(&self, id: &str) -> Option<Addr<Twin>> {
        self.twins.get(id).map(|twin| twin.clone())
    }

    /// All twins.
    pub(crate) fn twins(&self) -> Vec<Addr<Twin>> {
        self.twins.iter().map(|twin| twin.clone()).collect()
    }

    fn hear(&self, uplink: Uplink<'_>, payload: &[u8], qos: Qos) {
        let watch = Stopwatch::start();
        let now = self.clock.now();
        let Some(twin) = self.twin(uplink.device) else {
            self.stranger(uplink, payload, now);
            return;
        };
        match read(uplink.kind, payload, qos, watch) {
            Ok(heard) => self.deliver(&twin, heard, uplink, qos),
            Err(problem) => {
                count("malformed");
                note(self.registry.get(uplink.device).as_deref(), now, uplink, &problem);
                if uplink.kind == UpKind::Scan {
                    self.unreadable(uplink, payload, qos);
                }
            }
        }
    }

    fn deliver(&self, twin: &Addr<Twin>, heard: Heard, uplink: Uplink<'_>, qos: Qos) {
        let Err(refused) = twin.try_send(heard) else { return };
        metrics::counter!("shanmen_twin_mailbox_overflow_total").increment(1);
        tracing::warn!(device = uplink.device, "the twin's mailbox is full");
        // A fact is sent again by the device; a visitor is told to try again.
        // A repeat is left alone: its first sending has been answered, or will be.
        if let Heard::Scan(scan, _, _) = refused.into_inner()
            && scan.attempt <= 1
        {
            self.refuse(uplink, scan.id, Reason::Busy, ttl_of(&scan), qos);
        }
    }

    /// A scan that makes no sense, but for its id, is answered: the visitor need not wait.
    fn unreadable(&self, uplink: Uplink<'_>, payload: &[u8], qos: Qos) {
        #[derive(serde::Deserialize)]
        struct IdOnly {
            id: ScanId,
        }
        if let Ok(IdOnly { id }) = serde_json::from_slice(payload) {
            self.refuse(uplink, id, Reason::Unreadable, DEFAULT_TTL, qos);
        }
    }

    fn refuse(&self, uplink: Uplink<'_>, id: ScanId, reason: Reason, ttl: Duration, qos: Qos) {
        let (Some(shared), Ok(device)) = (self.shared.get(), DeviceId::new(uplink.device)) else {
            return;
        };
        let decision = refusal(id, reason, shared.lang);
        let down: Arc<str> = Arc::from(topic::down(&self.site, &device));
        shared.post(&down, Down::Decision(decision), qos, ttl);
    }

    fn stranger(&self, uplink: Uplink<'_>, payload: &[u8], now: UnixMs) {
        if uplink.kind == UpKind::Hello
            && let (Ok(id), Ok(hello)) =
                (DeviceId::new(uplink.device), serde_json::from_slice::<Hello>(payload))
            && let Some(take) = self.stranger.get()
        {
            take(&id, &hello);
            return;
        }
        count("unknown_device");
        tracing::debug!(device = uplink.device, at = now.0, "a message of an unknown device");
    }
}

impl Uplinks for Intake {
    fn take(&self, topic: &str, payload: &[u8], qos: Qos, retained: bool) {
        let uplink = match topic::parse_uplink(topic) {
            Ok(uplink) if uplink.site == self.site.as_str() => uplink,
            Ok(_) => return count("other_site"),
            Err(NotAnUplink::UnknownSuffix) => return count("unknown_suffix"),
            Err(NotAnUplink::Foreign) => return count("foreign_topic"),
            Err(NotAnUplink::BadId) => return count("bad_id"),
        };
        if self.shared.get().is_none() {
            return count("starting");
        }
        if retained && uplink.kind != UpKind::State {
            // Only a state may be retained: anything else retained is an echo of the past.
            return count("retained");
        }
        if payload.len() > PAYLOAD_MAX_BYTES {
            count("too_large");
            let problem =
                format!("the payload has {} bytes, {PAYLOAD_MAX_BYTES} at most", payload.len());
            let device = self.registry.get(uplink.device);
            return note(device.as_deref(), self.clock.now(), uplink, &problem);
        }
        self.hear(uplink, payload, qos);
    }

    fn gone(&self, device: &str) {
        if let Some(twin) = self.twin(device)
            && twin.try_send(Heard::Gone).is_err()
        {
            count("twin_busy");
        }
    }

    fn refused(&self, device: Option<&str>, why: &'static str) {
        count(why);
        if let Some(device) = device.and_then(|id| self.registry.get(id)) {
            device.problem(self.clock.now(), format!("refused by the broker: {why}"));
        }
    }
}

/// Reads a message of a kind; else what is wrong with it, without its content.
pub(crate) fn read(
    kind: UpKind,
    payload: &[u8],
    qos: Qos,
    watch: Stopwatch,
) -> Result<Heard, String> {
    Ok(match kind {
        UpKind::State => Heard::State(json::<State>(payload)?),
        UpKind::Hello => Heard::Hello(Box::new(json::<Hello>(payload)?)),
        UpKind::Scan => {
            let scan = Box::new(json::<Scan>(payload)?);
            let reply = Reply::Down(Way::new(qos, ttl_of(&scan)));
            Heard::Scan(scan, reply, watch)
        }
        UpKind::Event => Heard::Event(Box::new(json::<Event>(payload)?)),
        UpKind::Log => {
            let log = Box::new(json::<Log>(payload)?);
            if log.events.len() > LOG_MAX_EVENTS {
                return Err(format!(
                    "events: {} in one log, {LOG_MAX_EVENTS} at most",
                    log.events.len()
                ));
            }
            Heard::Log(log)
        }
        UpKind::Telemetry => Heard::Telemetry(Box::new(json::<Telemetry>(payload)?)),
        UpKind::Ack => Heard::Ack(Box::new(json::<Ack>(payload)?)),
        UpKind::Config => Heard::Config(Box::new(json::<ConfigReport>(payload)?)),
        UpKind::Request => Heard::Request(Box::new(json::<Request>(payload)?)),
    })
}

fn json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    serde_json::from_slice(payload).map_err(|error| without_values(&error.to_string()))
}

fn count(why: &'static str) {
    metrics::counter!("shanmen_intake_refused_total", "why" => why).increment(1);
}

fn note(device: Option<&Device>, at: UnixMs, uplink: Uplink<'_>, problem: &str) {
    let mut problem = format!("up/{}: {problem}", uplink.kind.as_str());
    let mut end = PROBLEM_MAX_BYTES.min(problem.len());
    while !problem.is_char_boundary(end) {
        end -= 1;
    }
    problem.truncate(end);
    tracing::warn!(device = uplink.device, problem, "a message could not be taken");
    if let Some(device) = device {
        device.problem(at, problem);
    }
}
