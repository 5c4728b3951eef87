//! The embedded broker: crate `mqtt5`, pinned, in this process.
//!
//! Uplinks are handed over in the sender's own task and never routed; downlinks are routed in
//! process. Authentication and the per-device topic ACL are always on. Its defaults that do not
//! fit are overridden here, each with its reason.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use futures_util::future::BoxFuture;
use mqtt5::{
    QoS,
    broker::{
        BrokerConfig, MqttBroker,
        auth::{AuthProvider, AuthResult},
        config::{StorageBackend, StorageConfig},
        events::{
            BrokerEventHandler, ClientConnectEvent, ClientDisconnectEvent, ClientPublishEvent,
            PublishAction, RetainedSetEvent,
        },
        router::MessageRouter,
        server::BrokerShutdownHandle,
    },
    packet::{connect::ConnectPacket, publish::PublishPacket},
    types::ReasonCode,
};
use shanmen_protocols::{
    ids::SiteId,
    topic::{self, UpKind},
};
use tokio::{sync::Mutex, task::JoinHandle};

use super::{Downlink, Link, LinkFault, PUBLISH_WAIT, Qos, Uplinks, address_of};
use crate::registry::Registry;

/// The largest MQTT packet taken: a payload of 1 MiB still reaches the intake, which refuses it by
/// name; a larger one ends the connection.
const PACKET_MAX_BYTES: usize = 1024 * 1024 + 4096;
/// How many messages may wait for one device.
const DEVICE_QUEUE_MAX: usize = 256;
/// How long a device's session outlives its connection: nothing downlink is worth keeping longer
/// than its time to live, so nothing is.
const SESSION_EXPIRY: Duration = Duration::from_secs(0);
/// How long the broker may take to stop.
const STOP_WAIT: Duration = Duration::from_secs(3);

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A running embedded broker.
pub(crate) struct EmbeddedBroker {
    router: Arc<MessageRouter>,
    shutdown: BrokerShutdownHandle,
    address: (String, u16),
    up: Arc<AtomicBool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedBroker {
    /// Binds and starts; ready when it returns.
    pub(crate) async fn start(
        listen: SocketAddr,
        site: SiteId,
        registry: Arc<Registry>,
        uplinks: Arc<dyn Uplinks>,
    ) -> Result<Self, String> {
        let ports = Ports {
            site,
            registry,
            connected: DashMap::new(),
            connections: DashMap::new(),
            uplinks,
        };
        let ports = Arc::new(ports);
        let config = config(listen, Arc::clone(&ports));
        let mut broker = MqttBroker::with_config(config)
            .await
            .map_err(|error| format!("cannot listen for MQTT on {listen}: {error}"))?
            .with_auth_provider(ports);
        let router = broker.router();
        let shutdown = broker.shutdown_handle();
        let address = address_of(broker.local_addr(), listen);
        let mut ready = broker.ready_receiver();
        let up = Arc::new(AtomicBool::new(true));
        let running = Arc::clone(&up);
        let task = tokio::spawn(async move {
            if let Err(error) = broker.run().await {
                tracing::error!(%error, "the embedded broker stopped");
            }
            running.store(false, Ordering::Relaxed);
        });
        ready
            .wait_for(|ready| *ready)
            .await
            .map_err(|_| "the embedded broker did not start".to_owned())?;
        Ok(Self { router, shutdown, address, up, task: Mutex::new(Some(task)) })
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
            let deadline = tokio::time::Instant::now() + PUBLISH_WAIT;
            let sent = tokio::time::timeout_at(deadline, self.router.route_message(&packet, None));
            sent.await.map_err(|_| LinkFault::Full)
        })
    }

    fn up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    fn address(&self) -> (String, u16) {
        self.address.clone()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shutdown.shutdown();
            if let Some(task) = self.task.lock().await.take()
                && tokio::time::timeout(STOP_WAIT, task).await.is_err()
            {
                tracing::warn!("the embedded broker took too long to stop and was left");
            }
        })
    }
}

fn config(listen: SocketAddr, ports: Arc<Ports>) -> BrokerConfig {
    let mut config = BrokerConfig::default()
        .with_bind_address(listen)
        .with_session_expiry(SESSION_EXPIRY)
        .with_max_packet_size(PACKET_MAX_BYTES)
        .with_maximum_qos(1)
        .with_max_subscriptions_per_client(8)
        .with_max_retained_messages(100_000)
        .with_max_retained_message_size(4096)
        .with_client_channel_capacity(DEVICE_QUEUE_MAX)
        .with_sys_topics_enabled(false)
        .with_storage(StorageConfig {
            backend: StorageBackend::Memory,
            enable_persistence: false,
            ..StorageConfig::default()
        });
    config.wildcard_subscription_available = false;
    config.shared_subscription_available = false;
    // The crate demands a password file where this is off. It is our own provider that asks, from
    // the first connection on, and it lets nobody in without a login.
    config.auth_config.allow_anonymous = true;
    // A whole site may come from one address (NAT): a lockout by address would close every gate.
    // Secrets have 256 bits; guessing is hopeless.
    config.auth_config.rate_limit.enabled = false;
    config.event_handler = Some(ports);
    config
}

/// What the broker asks of us: who may connect, who may say what, and what was said.
struct Ports {
    site: SiteId,
    registry: Arc<Registry>,
    /// Which device holds a client id: another must not take it over.
    connected: DashMap<String, String>,
    /// How many connections each device has.
    connections: DashMap<String, u32>,
    uplinks: Arc<dyn Uplinks>,
}

impl AuthProvider for Ports {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        Box::pin(async move {
            let username = connect.username.as_deref().unwrap_or_default();
            let password = connect.password.as_deref().unwrap_or_default();
            if !self.registry.admits(username, password) {
                self.uplinks.refused(None, "login");
                tracing::warn!(%client, "a device's login was refused");
                return Ok(AuthResult::fail(ReasonCode::BadUsernameOrPassword));
            }
            let held = self.connected.get(&connect.client_id).map(|holder| holder.clone());
            if held.is_some_and(|holder| holder != username) {
                self.uplinks.refused(Some(username), "client_id");
                tracing::warn!(device = username, "its client id belongs to another device");
                return Ok(AuthResult::fail(ReasonCode::ClientIdentifierNotValid));
            }
            Ok(AuthResult::success_with_user(username))
        })
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        user: Option<&'a str>,
        topic: &'a str,
    ) -> Answer<'a, bool> {
        let may =
            user.is_some_and(|device| topic::device_may_publish(self.site.as_str(), device, topic));
        if !may {
            self.uplinks.refused(user, "acl_publish");
            tracing::warn!(device = user, "publishing to a topic that is not its own was refused");
        }
        Box::pin(std::future::ready(may))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        user: Option<&'a str>,
        filter: &'a str,
    ) -> Answer<'a, bool> {
        let may = user
            .is_some_and(|device| topic::device_may_subscribe(self.site.as_str(), device, filter));
        if !may {
            self.uplinks.refused(user, "acl_subscribe");
            tracing::warn!(device = user, "subscribing to a topic that is not its own was refused");
        }
        Box::pin(std::future::ready(may))
    }
}

impl BrokerEventHandler for Ports {
    fn on_client_connect(&self, event: ClientConnectEvent) -> Answer<'_, ()> {
        if let Some(user) = event.user_id {
            self.connected.insert(event.client_id.to_string(), user.to_string());
            *self.connections.entry(user.to_string()).or_default() += 1;
        }
        Box::pin(std::future::ready(()))
    }

    fn on_client_disconnect(&self, event: ClientDisconnectEvent) -> Answer<'_, ()> {
        let ended = event.user_id.as_deref().is_some_and(|user| {
            let mut last = false;
            self.connections.alter(user, |_, count| {
                last = count == 1;
                count.saturating_sub(1)
            });
            self.connections.remove_if(user, |_, count| *count == 0);
            last
        });
        if let (true, Some(user)) = (ended, event.user_id.as_deref()) {
            self.uplinks.gone(user);
        }
        // After a takeover the id is another connection's; only its holder's own end frees it.
        self.connected.remove_if(&*event.client_id, |_, holder| {
            event.user_id.as_deref() == Some(holder.as_str())
        });
        Box::pin(std::future::ready(()))
    }

    fn on_client_publish(&self, event: ClientPublishEvent) -> Answer<'_, PublishAction> {
        let is_state = topic::parse_uplink(&event.topic).is_ok_and(|up| up.kind == UpKind::State);
        let action = if is_state && event.retain {
            // Retained by the broker; it comes back through `on_retained_set`, as a will does.
            PublishAction::Continue
        } else {
            let qos = if event.qos == QoS::AtMostOnce { Qos::Zero } else { Qos::One };
            self.uplinks.take(&event.topic, &event.payload, qos, false);
            PublishAction::Handled
        };
        Box::pin(std::future::ready(action))
    }

    fn on_retained_set(&self, event: RetainedSetEvent) -> Answer<'_, ()> {
        if !event.cleared {
            self.uplinks.take(&event.topic, &event.payload, Qos::One, true);
        }
        Box::pin(std::future::ready(()))
    }
}
