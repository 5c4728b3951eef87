//! One MQTT connection of a device: its options and will, its two subscriptions, what it
//! publishes and how a downlink is read.
//!
//! It refuses what is retained, oversized or not a message of the contract. A connection has a
//! client of its own, so that nothing of an earlier session is ever sent again by the library: what
//! must not be lost is in the event queue. The agent calls it.

use std::time::Duration;

use rumqttc::{
    AsyncClient, EventLoop, LastWill, MqttOptions, NetworkOptions, Publish, QoS, SubscribeFilter,
};
use serde_json::error::Error as JsonError;
use shanmen_protocols::{
    device::{Down, State},
    ids::{DeviceId, Session, SiteId},
    topic::{self, PAYLOAD_MAX_BYTES, UpKind},
};

use super::AgentConfig;

/// Uplinks that wait for the socket; one more is refused, and counted.
const OUTBOX_MAX: usize = 256;

/// Confirmed uplinks that wait for their PUBACK.
const INFLIGHT_MAX: u16 = 64;

/// Payload and the rest of a packet, in bytes.
const PACKET_MAX_BYTES: usize = PAYLOAD_MAX_BYTES + 1024;

/// How long connecting or a flush may take, in seconds.
const NETWORK_TIMEOUT_S: u64 = 5;

/// The MQTT keep-alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where the broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerAddress {
    /// A name or an address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

/// Why an uplink did not go out.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// The outbox is full or closed: the socket does not keep up.
    #[error("the outbox is full")]
    OutboxFull,
    /// The message is larger than the contract allows.
    #[error("the message has {0} bytes, more than the contract allows")]
    TooLarge(usize),
    /// The message has no JSON form.
    #[error("the message has no JSON form")]
    Unwritable(#[from] JsonError),
}

/// A device's topics, written once.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    state: String,
    hello: String,
    scan: String,
    event: String,
    log: String,
    request: String,
    ack: String,
    config: String,
    telemetry: String,
    down: String,
    all_down: String,
}

impl Topics {
    pub(crate) fn new(site: &SiteId, device: &DeviceId) -> Self {
        let up = |kind| topic::up(site, device, kind);
        Self {
            state: up(UpKind::State),
            hello: up(UpKind::Hello),
            scan: up(UpKind::Scan),
            event: up(UpKind::Event),
            log: up(UpKind::Log),
            request: up(UpKind::Request),
            ack: up(UpKind::Ack),
            config: up(UpKind::Config),
            telemetry: up(UpKind::Telemetry),
            down: topic::down(site, device),
            all_down: topic::all_down(site),
        }
    }

    /// Whether `topic` is the device's own downlink topic, not the one of the whole site.
    pub(crate) fn is_own(&self, topic: &str) -> bool {
        self.down == topic
    }

    fn of(&self, uplink: Uplink) -> (&str, QoS, bool) {
        let (topic, qos) = match uplink {
            Uplink::State => (&self.state, QoS::AtLeastOnce),
            Uplink::Hello => (&self.hello, QoS::AtLeastOnce),
            Uplink::Scan { at_least_once: true } => (&self.scan, QoS::AtLeastOnce),
            Uplink::Scan { at_least_once: false } => (&self.scan, QoS::AtMostOnce),
            Uplink::Event => (&self.event, QoS::AtLeastOnce),
            Uplink::Log => (&self.log, QoS::AtLeastOnce),
            Uplink::Request => (&self.request, QoS::AtLeastOnce),
            Uplink::Ack => (&self.ack, QoS::AtLeastOnce),
            Uplink::Config => (&self.config, QoS::AtLeastOnce),
            Uplink::Telemetry => (&self.telemetry, QoS::AtMostOnce),
        };
        (topic, qos, uplink == Uplink::State)
    }
}

/// What a device says, with the topic, quality and retain flag that the contract gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uplink {
    /// Birth and death, retained.
    State,
    /// The handshake.
    Hello,
    /// A presentation.
    Scan {
        /// Whether the broker has to confirm it.
        at_least_once: bool,
    },
    /// A fact, live.
    Event,
    /// Facts of the backlog.
    Log,
    /// A question.
    Request,
    /// The answer to a command.
    Ack,
    /// The configuration in force.
    Config,
    /// Signs of life.
    Telemetry,
}

/// A message as it goes out.
///
/// # Errors
/// [`NotSent`]: it has no JSON form, or is larger than the contract allows.
pub(crate) fn write<M: serde::Serialize>(message: &M) -> Result<Vec<u8>, NotSent> {
    let payload = serde_json::to_vec(message)?;
    if PAYLOAD_MAX_BYTES < payload.len() {
        return Err(NotSent::TooLarge(payload.len()));
    }
    Ok(payload)
}

/// The sending half of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    client: AsyncClient,
    topics: Topics,
}

impl Link {
    /// A connection that opens when its event loop is first polled.
    pub(crate) fn new(
        config: &AgentConfig,
        topics: &Topics,
        session: &Session,
    ) -> Result<(Self, EventLoop), NotSent> {
        let mut options =
            MqttOptions::new(config.client_id(), &config.broker.host, config.broker.port);
        options
            .set_credentials(&config.username, &config.password)
            .set_clean_session(true)
            .set_keep_alive(KEEP_ALIVE)
            .set_inflight(INFLIGHT_MAX)
            .set_max_packet_size(PACKET_MAX_BYTES, PACKET_MAX_BYTES);
        if let Some(tls) = &config.tls {
            options.set_transport(tls.transport());
        }
        let gone = serde_json::to_vec(&State { online: false, session: session.clone() })?;
        options.set_last_will(LastWill::new(&topics.state, gone, QoS::AtLeastOnce, true));
        let (client, mut eventloop) = AsyncClient::new(options, OUTBOX_MAX);
        let mut network = NetworkOptions::new();
        // Without it Nagle holds a QoS 1 round trip for tens of milliseconds.
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(NETWORK_TIMEOUT_S);
        eventloop.set_network_options(network);
        Ok((Self { client, topics: topics.clone() }, eventloop))
    }

    /// Asks for the device's two topics: by exact name, since wildcards cost a broker dearly.
    pub(crate) fn subscribe(&self) -> Result<(), NotSent> {
        let filters = [&self.topics.down, &self.topics.all_down]
            .map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).map_err(|_full| NotSent::OutboxFull)
    }

    /// Hands an uplink to the connection, never waiting.
    pub(crate) fn publish(&self, uplink: Uplink, payload: Vec<u8>) -> Result<(), NotSent> {
        let (topic, qos, retain) = self.topics.of(uplink);
        self.client.try_publish(topic, qos, retain, payload).map_err(|_full| NotSent::OutboxFull)
    }

    /// Says goodbye to the broker, which then keeps the will to itself.
    pub(crate) fn disconnect(&self) -> Result<(), NotSent> {
        self.client.try_disconnect().map_err(|_full| NotSent::OutboxFull)
    }
}

/// Reads a downlink; `None` for what is not a message of the contract.
pub(crate) fn read_down(publish: &Publish) -> Option<Down> {
    if PAYLOAD_MAX_BYTES < publish.payload.len() {
        return None;
    }
    serde_json::from_slice(&publish.payload).ok()
}
