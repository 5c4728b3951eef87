//! The embedded broker: crate `mqtt5`, pinned, in this process.
//!
//! Connections come in through `door.rs`, which speaks TLS; `guests.rs` says who may connect, and
//! what each may say and hear. Uplinks are handed over in the sender's own task and never routed;
//! downlinks are routed in process. The crate's defaults that do not fit are overridden here, each
//! with its reason.

mod door;
mod guests;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use mqtt5::{
    QoS,
    broker::{
        BrokerConfig,
        config::{StorageBackend, StorageConfig},
        router::MessageRouter,
        storage::QueueLimits,
    },
    packet::publish::PublishPacket,
};
use shanmen_protocols::ids::SiteId;
use tokio::{net::TcpListener, sync::Mutex, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use self::{door::Door, guests::Guests};
use super::{Downlink, Link, LinkFault, PUBLISH_WAIT, Qos, Uplinks, address_of};
use crate::{clock::Clock, registry::Registry, security::Security};

/// The largest MQTT packet taken: a payload of 1 MiB still reaches the intake, which refuses it by
/// name; a larger one ends the connection.
const PACKET_MAX_BYTES: usize = 1024 * 1024 + 4096;
/// How many messages may wait for one device.
const DEVICE_QUEUE_MAX: usize = 256;
/// How long a device's session outlives its connection: nothing downlink is worth keeping longer
/// than its time to live, so nothing is.
const SESSION_EXPIRY: Duration = Duration::from_secs(0);
/// How many retained messages are kept: each device's own presence, and little more.
const RETAINED_MAX: usize = 100_000;
/// The largest retained message, in bytes.
const RETAINED_MAX_BYTES: usize = 4096;

/// A running embedded broker.
pub(crate) struct EmbeddedBroker {
    router: Arc<MessageRouter>,
    guests: Arc<Guests>,
    door: Door,
    address: (String, u16),
    up: Arc<AtomicBool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedBroker {
    /// Binds and starts; ready when it returns.
    pub(crate) async fn start(
        listen: SocketAddr,
        site: SiteId,
        security: &Security,
        registry: Arc<Registry>,
        clock: Clock,
        uplinks: Arc<dyn Uplinks>,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| format!("cannot listen for MQTT on {listen}: {error}"))?;
        let address = address_of(listener.local_addr().ok(), listen);
        let guests = Arc::new(Guests::new(security.profile, site, registry, clock, uplinks));
        let config = config(listen, Arc::clone(&guests));
        let router = Arc::new(router(&config, Arc::clone(&guests)));
        let started = router.initialize().await;
        started.map_err(|error| format!("the embedded broker did not start: {error}"))?;
        let tls = security.broker.clone().map(TlsAcceptor::from);
        let door = Door::new(tls, config, Arc::clone(&router), Arc::clone(&guests));
        let up = Arc::new(AtomicBool::new(true));
        let (running, keeper) = (Arc::clone(&up), door.clone());
        let task = tokio::spawn(async move {
            keeper.keep(listener).await;
            running.store(false, Ordering::Relaxed);
        });
        Ok(Self { router, guests, door, address, up, task: Mutex::new(Some(task)) })
    }
}

impl Link for EmbeddedBroker {
    fn publish(&self, message: Downlink) -> BoxFuture<'_, Result<(), LinkFault>> {
        Box::pin(async move {
            let qos = match message.qos {
                Qos::Zero => QoS::AtMostOnce,
                Qos::One => QoS::AtLeastOnce,
            };
            let mut packet = PublishPacket::new(&*message.topic, message.payload, qos);
            if let Some(ttl) = message.ttl {
                // Whole seconds, rounded up: a device checks its own time to live besides.
                let seconds = u32::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
                packet.properties.set_message_expiry_interval(seconds);
            }
            let now = tokio::time::Instant::now();
            // A slow device is waited for this long, a switchboard that is busy with a storm of
            // returning devices as long as the message is good for anything.
            let (slow, end) =
                (now + PUBLISH_WAIT, now + message.ttl.unwrap_or_default().max(PUBLISH_WAIT));
            let routed = self.router.route_message_with_deadline(&packet, None, slow);
            tokio::time::timeout_at(end, routed).await.map_err(|_| LinkFault::Full)
        })
    }

    fn up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    fn address(&self) -> (String, u16) {
        self.address.clone()
    }

    fn cut(&self, device: &str) -> usize {
        self.guests.cut(device)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.door.close().await;
            if let Some(task) = self.task.lock().await.take()
                && task.await.is_err()
            {
                tracing::error!("the embedded broker's door had failed");
            }
        })
    }
}

/// The broker's switchboard, as the crate itself would build it without storage.
fn router(config: &BrokerConfig, guests: Arc<Guests>) -> MessageRouter {
    MessageRouter::new()
        .with_fallback_queue_limits(QueueLimits {
            max_messages: config.storage_config.max_queued_messages_per_client,
            max_bytes: config.storage_config.max_queued_bytes_per_client,
        })
        .with_event_handler(guests)
        .with_retained_limits(RETAINED_MAX, RETAINED_MAX_BYTES)
}

fn config(listen: SocketAddr, guests: Arc<Guests>) -> BrokerConfig {
    let mut config = BrokerConfig::default()
        .with_bind_address(listen)
        .with_session_expiry(SESSION_EXPIRY)
        .with_max_packet_size(PACKET_MAX_BYTES)
        .with_maximum_qos(1)
        .with_max_subscriptions_per_client(8)
        .with_max_retained_messages(RETAINED_MAX)
        .with_max_retained_message_size(RETAINED_MAX_BYTES)
        .with_client_channel_capacity(DEVICE_QUEUE_MAX)
        .with_sys_topics_enabled(false)
        .with_storage(StorageConfig {
            backend: StorageBackend::Memory,
            enable_persistence: false,
            ..StorageConfig::default()
        });
    config.wildcard_subscription_available = false;
    config.shared_subscription_available = false;
    config.event_handler = Some(guests);
    config
}
