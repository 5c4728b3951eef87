//! An outside broker, through rumqttc: MQTT 5, or 3.1.1 where the broker knows no better; over TLS
//! where the configuration says so, with a certificate of the program's own if it has one.
//!
//! `TCP_NODELAY` is set (without it a round trip takes tens of milliseconds), and the uplinks are
//! subscribed to anew on every connect, whatever the broker says of a kept session.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use rumqttc::{NetworkOptions, TlsConfiguration, Transport, v5};
use rustls::ClientConfig;
use shanmen_protocols::{ids::SiteId, topic};
use tokio::{sync::watch, task::JoinHandle};

use super::{Downlink, Link, LinkFault, Qos, Uplinks};
use crate::api::OutsideBroker;

/// How many downlinks may wait for the connection.
const OUTBOX_MAX: usize = 8_192;
/// How many may be unacknowledged.
const INFLIGHT_MAX: u16 = 4_096;
/// The largest packet either way, in bytes; a payload above the contract's limit is refused later.
const PACKET_MAX_BYTES: u32 = 1024 * 1024 + 4096;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long to wait before connecting again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT_S: u64 = 5;

/// A link through an outside broker.
pub(crate) struct OutsideLink {
    address: (String, u16),
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Where the broker is, and how it is spoken to.
struct Way {
    broker: OutsideBroker,
    tls: Option<Arc<ClientConfig>>,
    site: SiteId,
}

impl Way {
    fn transport(&self) -> Transport {
        match &self.tls {
            Some(tls) => Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(tls))),
            None => Transport::Tcp,
        }
    }

    fn client_id(&self) -> String {
        format!("shanmen-{}", self.site)
    }
}

struct Shared {
    up: AtomicBool,
    client: Mutex<Option<Client>>,
    filter: String,
    uplinks: Arc<dyn Uplinks>,
}

#[derive(Clone)]
enum Client {
    V5(v5::AsyncClient),
    V4(rumqttc::AsyncClient),
}

/// How a connection ended.
enum End {
    Stopped,
    /// It had been up: the same version again.
    Lost,
    /// It never came up: perhaps the broker does not speak this version.
    NeverUp,
}

impl OutsideLink {
    /// Begins to connect, over TLS with `tls`; it goes on trying until it is stopped.
    pub(crate) fn start(
        broker: &OutsideBroker,
        tls: Option<Arc<ClientConfig>>,
        site: &SiteId,
        uplinks: Arc<dyn Uplinks>,
    ) -> Self {
        let shared = Arc::new(Shared {
            up: AtomicBool::new(false),
            client: Mutex::new(None),
            filter: topic::uplinks_of_site(site),
            uplinks,
        });
        let (stop, stopped) = watch::channel(false);
        let way = Way { broker: broker.clone(), tls, site: site.clone() };
        let task = tokio::spawn(run(way, Arc::clone(&shared), stopped));
        Self {
            address: (broker.host.clone(), broker.port),
            shared,
            stop,
            task: Mutex::new(Some(task)),
        }
    }
}

impl Link for OutsideLink {
    fn publish(&self, message: Downlink) -> BoxFuture<'_, Result<(), LinkFault>> {
        let client = lock(&self.shared.client).clone();
        let sent = match client {
            Some(Client::V5(client)) => {
                let qos = match message.qos {
                    Qos::Zero => v5::mqttbytes::QoS::AtMostOnce,
                    Qos::One => v5::mqttbytes::QoS::AtLeastOnce,
                };
                let properties = v5::mqttbytes::v5::PublishProperties {
                    message_expiry_interval: message.ttl.map(whole_seconds),
                    ..Default::default()
                };
                client
                    .try_publish_with_properties(
                        &*message.topic,
                        qos,
                        false,
                        message.payload,
                        properties,
                    )
                    .is_ok()
            }
            Some(Client::V4(client)) => {
                let qos = match message.qos {
                    Qos::Zero => rumqttc::QoS::AtMostOnce,
                    Qos::One => rumqttc::QoS::AtLeastOnce,
                };
                client.try_publish(&*message.topic, qos, false, message.payload.to_vec()).is_ok()
            }
            None => false,
        };
        Box::pin(std::future::ready(if sent { Ok(()) } else { Err(LinkFault::Full) }))
    }

    fn up(&self) -> bool {
        self.shared.up.load(Ordering::Relaxed)
    }

    fn address(&self) -> (String, u16) {
        self.address.clone()
    }

    /// The broker is somebody else's: it keeps a connection until it asks for the login again.
    fn cut(&self, _device: &str) -> usize {
        0
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.stop.send_replace(true);
            let task = lock(&self.task).take();
            if let Some(task) = task
                && task.await.is_err()
            {
                tracing::error!("the link to the broker had failed");
            }
        })
    }
}

async fn run(way: Way, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut newest = true;
    loop {
        let end = if newest {
            run_v5(&way, &shared, &mut stopped).await
        } else {
            run_v4(&way, &shared, &mut stopped).await
        };
        shared.up.store(false, Ordering::Relaxed);
        lock(&shared.client).take();
        match end {
            End::Stopped => return,
            End::Lost => {}
            End::NeverUp => newest = !newest,
        }
        tokio::select! {
            () = tokio::time::sleep(RECONNECT_AFTER) => {}
            () = told(&mut stopped) => return,
        }
    }
}

/// Both versions of the client have the same shape and no common trait.
macro_rules! connection {
    ($name:ident, $variant:ident, $options:expr, $prepare:expr, $client:path, $event:path,
     $packet:path, $qos:expr, $one:pat, $topic:expr) => {
        async fn $name(
            way: &Way,
            shared: &Shared,
            stopped: &mut watch::Receiver<bool>,
        ) -> End {
            use $client as ThisClient;
            use $event as ThisEvent;
            use $packet as ThisPacket;
            let options = ($options)(way);
            let (client, mut event_loop) = ThisClient::new(options, OUTBOX_MAX);
            ($prepare)(&mut event_loop);
            let mut was_up = false;
            loop {
                let event = tokio::select! {
                    event = event_loop.poll() => event,
                    () = told(stopped) => {
                        if client.try_disconnect().is_ok() {
                            // One more turn sends it; the connection closes either way.
                            drop(tokio::time::timeout(Duration::from_millis(200), event_loop.poll()).await);
                        }
                        return End::Stopped;
                    }
                };
                match event {
                    Ok(ThisEvent::Incoming(ThisPacket::ConnAck(_))) => {
                        was_up = true;
                        if client.try_subscribe(shared.filter.clone(), $qos).is_err() {
                            return End::Lost;
                        }
                        *lock(&shared.client) = Some(Client::$variant(client.clone()));
                    }
                    Ok(ThisEvent::Incoming(ThisPacket::SubAck(_))) => {
                        tracing::info!(host = way.broker.host, "connected to the outside broker");
                        shared.up.store(true, Ordering::Relaxed);
                    }
                    Ok(ThisEvent::Incoming(ThisPacket::Publish(message))) => {
                        let qos = if matches!(message.qos, $one) { Qos::One } else { Qos::Zero };
                        match ($topic)(&message.topic) {
                            Some(topic) => {
                                shared.uplinks.take(topic, &message.payload, qos, message.retain);
                            }
                            None => shared.uplinks.refused(None, "topic"),
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, host = way.broker.host, "no connection to the outside broker");
                        return if was_up { End::Lost } else { End::NeverUp };
                    }
                }
            }
        }
    };
}

connection!(
    run_v5,
    V5,
    options_v5,
    |_: &mut v5::EventLoop| {},
    v5::AsyncClient,
    v5::Event,
    v5::Incoming,
    v5::mqttbytes::QoS::AtLeastOnce,
    v5::mqttbytes::QoS::AtLeastOnce,
    |topic| std::str::from_utf8(topic).ok()
);
connection!(
    run_v4,
    V4,
    options_v4,
    no_delay,
    rumqttc::AsyncClient,
    rumqttc::Event,
    rumqttc::Packet,
    rumqttc::QoS::AtLeastOnce,
    rumqttc::QoS::AtLeastOnce,
    Some::<&str>
);

/// Waits until the link is stopped.
async fn told(stopped: &mut watch::Receiver<bool>) {
    // An error means that the link has gone, which is the same.
    drop(stopped.wait_for(|stopped| *stopped).await);
}

fn options_v5(way: &Way) -> v5::MqttOptions {
    let broker = &way.broker;
    let mut options = v5::MqttOptions::new(way.client_id(), &broker.host, broker.port);
    options.set_transport(way.transport());
    options
        .set_network_options(network())
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(true)
        .set_connection_timeout(CONNECT_TIMEOUT_S)
        .set_max_packet_size(Some(PACKET_MAX_BYTES))
        .set_outgoing_inflight_upper_limit(INFLIGHT_MAX);
    if let (Some(user), Some(password)) = (&broker.username, &broker.password) {
        options.set_credentials(user, password);
    }
    options
}

fn options_v4(way: &Way) -> rumqttc::MqttOptions {
    let broker = &way.broker;
    let mut options = rumqttc::MqttOptions::new(way.client_id(), &broker.host, broker.port);
    options.set_transport(way.transport());
    let bytes = usize::try_from(PACKET_MAX_BYTES).unwrap_or(usize::MAX);
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(true)
        .set_max_packet_size(bytes, bytes)
        .set_inflight(INFLIGHT_MAX);
    if let (Some(user), Some(password)) = (&broker.username, &broker.password) {
        options.set_credentials(user, password);
    }
    options
}

fn no_delay(event_loop: &mut rumqttc::EventLoop) {
    event_loop.set_network_options(network());
}

fn network() -> NetworkOptions {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network
}

fn whole_seconds(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
