//! The task of one turnstile: outside events in, effects out.
//!
//! Connection, drivers and timers meet in one `select`; everything is handled in order by this
//! one owner. The lane goes on working while the connection is down. It decides nothing itself:
//! that is the lane's, the queue's and the handshake's part.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use rand::RngExt as _;
use rumqttc::{ConnectionError, Event as Mqtt, EventLoop, Outgoing, Packet};
use shanmen_protocols::{
    device::{Body, Scan, Sensor},
    ids::{Epoch, Session},
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Status, TurnstileConfig,
    stats::{Counters, bump},
};
use crate::{
    clock::Clock,
    hardware::{Answered, Hardware, Noticed},
    lane::{Effect, Ended, Event, Lane, LaneSettings},
    link::{Link, Topics},
    queue::EventQueue,
    session::Handshake,
};

/// How long each part of a shutdown may take: the last acknowledgements, and the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A presentation under way, beside what the lane knows of it.
pub(super) struct UnderWay {
    pub(super) scan: Scan,
    /// When it was sent; before that, when it was read.
    pub(super) sent_at: Instant,
    pub(super) answered: Option<oneshot::Sender<Answered>>,
    pub(super) ended: Option<oneshot::Sender<Ended>>,
}

/// One turnstile: the only owner of all its parts.
pub(super) struct Task {
    pub(super) config: TurnstileConfig,
    pub(super) topics: Topics,
    pub(super) clock: Clock,
    pub(super) hardware: Hardware,
    pub(super) lane: Lane,
    pub(super) queue: EventQueue,
    pub(super) handshake: Handshake,
    pub(super) link: Option<Link>,
    pub(super) under_way: Option<UnderWay>,
    /// Connections in a row that ended before the control plane accepted the device.
    pub(super) failures: u32,
    pub(super) counters: Arc<Counters>,
    pub(super) status: watch::Sender<Status>,
    pub(super) effects: Vec<Effect>,
}

/// What woke the task, beside the connection.
enum Woken {
    Noticed(Noticed),
    Timer,
}

impl Task {
    pub(super) fn new(
        config: TurnstileConfig,
        hardware: Hardware,
        clock: Clock,
        counters: Arc<Counters>,
        status: watch::Sender<Status>,
    ) -> Self {
        let settings = LaneSettings {
            lane: config.lane.clone(),
            ttl_ms: config.ttl_ms,
            offline: config.offline,
            lang: config.lang,
        };
        Self {
            topics: Topics::new(&config.site, &config.device),
            lane: Lane::new(settings, Sensor::default()),
            queue: EventQueue::new(fresh_epoch()),
            handshake: Handshake::new(fresh_session()),
            config,
            clock,
            hardware,
            link: None,
            under_way: None,
            failures: 0,
            counters,
            status,
            effects: Vec::new(),
        }
    }

    /// Connects, works, and connects again, until `shutdown`.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        self.record(Body::Boot { reason: "start".into() });
        loop {
            let (link, mut eventloop) =
                match Link::new(&self.config, &self.topics, self.handshake.session()) {
                    Ok(parts) => parts,
                    Err(error) => {
                        warn!(device = %self.config.device, %error, "turnstile cannot connect");
                        return;
                    }
                };
            self.link = Some(link);
            let Some(error) = self.serve(&mut eventloop, &shutdown).await else {
                self.stop(&mut eventloop).await;
                return;
            };
            let pause = self.disconnected(&error);
            if self.work_until(pin!(sleep(pause)), &shutdown).await.is_none() {
                self.lane_event(Event::Stopping);
                return;
            }
        }
    }

    /// Serves one connection until it breaks; `None` at shutdown.
    async fn serve(
        &mut self,
        eventloop: &mut EventLoop,
        shutdown: &CancellationToken,
    ) -> Option<ConnectionError> {
        loop {
            // The poll is kept across everything else that happens, and never cut in the middle.
            let polled = {
                let poll = pin!(eventloop.poll());
                self.work_until(poll, shutdown).await?
            };
            match polled {
                Ok(event) => self.mqtt_event(event),
                Err(error) => return Some(error),
            }
        }
    }

    /// Works with the drivers and timers until `other` is there; `None` at shutdown.
    async fn work_until<F: Future>(
        &mut self,
        mut other: Pin<&mut F>,
        shutdown: &CancellationToken,
    ) -> Option<F::Output> {
        loop {
            let wake_at = self.wake_at_ms().map(|at_ms| self.clock.instant_at(at_ms));
            let hardware = &mut self.hardware;
            let woken = tokio::select! {
                () = shutdown.cancelled() => return None,
                output = other.as_mut() => return Some(output),
                noticed = poll_fn(|cx| hardware.poll_noticed(cx)) => Woken::Noticed(noticed),
                () = until(wake_at), if wake_at.is_some() => Woken::Timer,
            };
            match woken {
                Woken::Noticed(Noticed::Reading(reading)) => self.read(reading),
                Woken::Noticed(Noticed::Signal(signal)) => self.lane_event(Event::Sensed(signal)),
                Woken::Timer => self.timers(),
            }
        }
    }

    fn wake_at_ms(&self) -> Option<u64> {
        let accepted = self.handshake.is_accepted();
        let queue = if accepted { self.queue.wake_at_ms() } else { None };
        [self.lane.wake_at_ms(), self.handshake.wake_at_ms(), queue].into_iter().flatten().min()
    }

    /// Everything that is due by now.
    pub(super) fn timers(&mut self) {
        let now_ms = self.clock.up_ms();
        if self.lane.wake_at_ms().is_some_and(|at| at <= now_ms) {
            self.lane_event(Event::Tick);
        }
        if let Some(due) = self.handshake.due(now_ms) {
            self.greet(due);
        }
        if self.handshake.is_accepted() && self.queue.overdue(now_ms) {
            bump(&self.counters.fact_resends);
            self.send_backlog();
        }
    }

    /// The connection failed or broke; says how long to pause.
    fn disconnected(&mut self, error: &ConnectionError) -> Duration {
        bump(&self.counters.disconnects);
        self.link = None;
        self.handshake.disconnected(fresh_session());
        self.tell_status();
        self.failures = self.failures.saturating_add(1);
        let shortest = self.config.reconnect_min_ms.max(1);
        let longest = shortest
            .saturating_mul(1 << self.failures.min(16))
            .min(self.config.reconnect_max_ms)
            .max(shortest);
        // Jitter, or all lanes of a park would come back in the same instant.
        let pause_ms = rand::rng().random_range(shortest..=longest);
        if self.failures == 1 {
            warn!(device = %self.config.device, %error, pause_ms, "turnstile offline");
        } else {
            debug!(device = %self.config.device, %error, pause_ms, "turnstile still offline");
        }
        Duration::from_millis(pause_ms)
    }

    /// Ends what is under way, gives its facts a moment to be acknowledged, and says goodbye.
    async fn stop(&mut self, eventloop: &mut EventLoop) {
        self.lane_event(Event::Stopping);
        let acknowledged = async {
            while self.handshake.is_accepted() && !self.queue.is_empty() {
                let Ok(event) = eventloop.poll().await else { return };
                self.mqtt_event(event);
            }
        };
        if timeout(GOODBYE, acknowledged).await.is_err() {
            debug!(device = %self.config.device, left = self.queue.len(), "facts not acknowledged");
        }
        if self.handshake.wake_at_ms().is_none() {
            return; // Never connected: there is nobody to say goodbye to.
        }
        self.publish_state(false);
        let asked = self.link.as_ref().map(Link::disconnect);
        self.note(asked);
        let goodbye = async {
            while let Ok(event) = eventloop.poll().await {
                if matches!(event, Mqtt::Outgoing(Outgoing::Disconnect)) {
                    break;
                }
            }
        };
        if timeout(GOODBYE, goodbye).await.is_err() {
            debug!(device = %self.config.device, "no goodbye");
        }
    }

    /// What the connection brought.
    fn mqtt_event(&mut self, event: Mqtt) {
        match event {
            Mqtt::Incoming(Packet::ConnAck(_)) => self.connected(),
            Mqtt::Incoming(Packet::SubAck(ack)) => self.subscribed(&ack),
            Mqtt::Incoming(Packet::Publish(publish)) => self.downlink(&publish),
            Mqtt::Incoming(_) | Mqtt::Outgoing(_) => {}
        }
    }
}

/// `select!` makes the future even when it is disabled; then it never ends.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A number that no other connection has.
fn fresh_session() -> Session {
    Session::new(&rand::random::<u64>().to_string()).expect("20 digits are a session")
}

/// A number that no other storage has.
fn fresh_epoch() -> Epoch {
    Epoch::new(&format!("{:016x}", rand::random::<u64>())).expect("16 digits are an epoch")
}
