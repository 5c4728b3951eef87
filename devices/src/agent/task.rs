//! The task of one device: outside events in, one step each, effects out.
//!
//! Connection, hardware and timers meet in one `select`; everything is handled in order by this
//! one owner. The kind goes on working while the connection is down.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    time::Duration,
};

use rand::RngExt as _;
use rumqttc::{ConnectionError, Event as Mqtt, EventLoop, Outgoing, Packet};
use shanmen_protocols::{device::Body, ids::CommandId};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::{Agent, Heard, Kind, counters::bump, link::Link, session::Due, talk::fresh_session};

/// How long each part of a shutdown may take: the last acknowledgements, and the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// How often one step may lead to another before something is wrong.
const ROUNDS_MAX: u32 = 1_000;

/// One device: the only owner of all its parts.
pub(super) struct Task<K: Kind> {
    pub(super) agent: Agent,
    pub(super) kind: K,
}

/// What woke the task, beside the connection.
enum Woken<N> {
    Noticed(N),
    Fetched(CommandId, Result<(), String>),
    Timer,
}

impl<K: Kind> Task<K> {
    /// Connects, works, and connects again, until `shutdown`.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        self.agent.record(Body::Boot { reason: self.agent.start.as_str().into() });
        self.kind.started(&mut self.agent);
        self.settle().await;
        loop {
            let agent = &mut self.agent;
            let (link, mut eventloop) =
                match Link::new(&agent.config, &agent.topics, agent.handshake.session()) {
                    Ok(parts) => parts,
                    Err(error) => {
                        error!(device = %agent.config.device, %error, "device cannot connect");
                        return;
                    }
                };
            agent.link = Some(link);
            let Some(error) = self.serve(&mut eventloop, &shutdown).await else {
                self.stop(&mut eventloop).await;
                return;
            };
            let pause = self.agent.disconnected(&error);
            self.settle().await;
            if self.work_until(pin!(sleep(pause)), &shutdown).await.is_none() {
                self.kind.stopping(&mut self.agent);
                self.settle().await;
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
                Ok(event) => self.mqtt_event(event).await,
                Err(error) => return Some(error),
            }
        }
    }

    /// Works with the hardware and timers until `other` is there; `None` at shutdown.
    async fn work_until<F: Future>(
        &mut self,
        mut other: Pin<&mut F>,
        shutdown: &CancellationToken,
    ) -> Option<F::Output> {
        loop {
            let wake_at = self.wake_at_ms().map(|at_ms| self.agent.clock.instant_at(at_ms));
            if self.agent.owed.leaves {
                shutdown.cancel();
            }
            let (agent, kind) = (&mut self.agent, &mut self.kind);
            let woken = tokio::select! {
                () = shutdown.cancelled() => return None,
                output = other.as_mut() => return Some(output),
                noticed = poll_fn(|cx| kind.poll_noticed(cx)) => Woken::Noticed(noticed),
                (id, result) = poll_fn(|cx| agent.poll_upkeep(cx)) => Woken::Fetched(id, result),
                () = until(wake_at), if wake_at.is_some() => Woken::Timer,
            };
            match woken {
                Woken::Noticed(noticed) => self.kind.noticed(&mut self.agent, noticed),
                Woken::Fetched(id, result) => self.agent.fetched(id, result),
                Woken::Timer => self.timers(),
            }
            self.settle().await;
        }
    }

    /// Ends a step: all that was heard is handled, then kept, then said, then done.
    async fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            while let Some(heard) = self.agent.heard.pop_front() {
                self.kind.hear(&mut self.agent, heard);
            }
            while let Some((id, order)) = self.agent.orders.pop_front() {
                let report = |values: &mut _| self.kind.telemetry(values);
                if let Some(order) = self.agent.obey(id, order, report) {
                    self.kind.obey(&mut self.agent, id, order);
                }
            }
            let durable = self.agent.commit().await;
            self.agent.flush();
            self.kind.carry_out(&mut self.agent, durable);
            self.agent.carry_out_upkeep();
            if self.agent.is_settled() {
                return;
            }
        }
        error!(device = %self.agent.config.device, "a step does not come to an end");
    }

    fn wake_at_ms(&self) -> Option<u64> {
        let agent = &self.agent;
        let queue = agent.handshake.is_accepted().then(|| agent.queue.wake_at_ms()).flatten();
        let times = [
            self.kind.wake_at_ms(),
            agent.handshake.wake_at_ms(),
            agent.requests.wake_at_ms(),
            agent.upkeep_wake_at_ms(),
            queue,
            agent.handshake.is_accepted().then_some(agent.lists_at_ms).flatten(),
        ];
        times.into_iter().flatten().min()
    }

    /// Everything that is due by now.
    fn timers(&mut self) {
        let agent = &mut self.agent;
        let now_ms = agent.clock.up_ms();
        if self.kind.wake_at_ms().is_some_and(|at| at <= now_ms) {
            self.kind.tick(agent);
        }
        match agent.handshake.due(now_ms) {
            Some(Due::Hello) => agent.say_hello(),
            Some(Due::Heartbeat) => {
                let mut values = agent.own_telemetry();
                self.kind.telemetry(&mut values);
                agent.report(values);
            }
            None => {}
        }
        agent.requests_due(now_ms);
        agent.lists_due(now_ms);
        agent.upkeep_due(now_ms);
        if agent.handshake.is_accepted() && agent.queue.overdue(now_ms) {
            bump(&agent.counters.fact_resends);
            agent.send_backlog();
        }
    }

    /// Ends what is under way, gives its facts a moment to be acknowledged, and says goodbye.
    async fn stop(&mut self, eventloop: &mut EventLoop) {
        self.kind.stopping(&mut self.agent);
        self.settle().await;
        let acknowledged = async {
            while self.agent.handshake.is_accepted() && !self.agent.queue.is_empty() {
                let Ok(event) = eventloop.poll().await else { return };
                self.mqtt_event(event).await;
            }
        };
        if timeout(GOODBYE, acknowledged).await.is_err() {
            let (device, left) = (&self.agent.config.device, self.agent.queue.len());
            debug!(%device, left, "facts not acknowledged");
        }
        if self.agent.handshake.wake_at_ms().is_none() {
            return; // Never connected: there is nobody to say goodbye to.
        }
        self.agent.say_state(false);
        self.settle().await;
        if let Some(Err(error)) = self.agent.link.as_ref().map(Link::disconnect) {
            debug!(device = %self.agent.config.device, %error, "no goodbye");
        }
        let goodbye = async {
            while let Ok(event) = eventloop.poll().await {
                if matches!(event, Mqtt::Outgoing(Outgoing::Disconnect)) {
                    break;
                }
            }
        };
        if timeout(GOODBYE, goodbye).await.is_err() {
            debug!(device = %self.agent.config.device, "no goodbye");
        }
    }

    /// What the connection brought.
    async fn mqtt_event(&mut self, event: Mqtt) {
        match event {
            Mqtt::Incoming(Packet::ConnAck(_)) => {
                self.agent.connected();
                self.timers();
            }
            Mqtt::Incoming(Packet::SubAck(ack)) => self.agent.subscribed(&ack),
            Mqtt::Incoming(Packet::Publish(publish)) => self.agent.downlink(&publish),
            Mqtt::Incoming(_) | Mqtt::Outgoing(_) => return,
        }
        self.settle().await;
    }
}

impl Agent {
    /// The connection failed or broke; says how long to pause.
    fn disconnected(&mut self, error: &ConnectionError) -> Duration {
        bump(&self.counters.disconnects);
        self.link = None;
        if self.handshake.is_accepted() {
            self.heard.push_back(Heard::Online(false));
        }
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
            warn!(device = %self.config.device, %error, pause_ms, "device offline");
        } else {
            debug!(device = %self.config.device, %error, pause_ms, "device still offline");
        }
        Duration::from_millis(pause_ms)
    }
}

/// `select!` makes the future even when it is disabled; then it never ends.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
