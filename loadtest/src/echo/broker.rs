//! The echo's own process: the embedded broker with the server's settings, and a responder.
//!
//! Settings as in the control plane's `link/embedded.rs`, but for what the echo needs: anyone may
//! connect, an outside responder may subscribe with wildcards, and its queue is longer than a
//! device's, since it hears all of them. It ends when its standard input does, so that it never
//! outlives the run.

use std::{
    future::{Future, ready},
    io::Write,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use mqtt5::{
    QoS as BrokerQos,
    broker::{
        BrokerConfig, MqttBroker,
        auth::{AuthProvider, AuthResult},
        config::{StorageBackend, StorageConfig},
        events::{BrokerEventHandler, ClientPublishEvent, PublishAction},
        router::MessageRouter,
    },
    packet::{connect::ConnectPacket, publish::PublishPacket},
};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, Publish, QoS};
use shanmen_protocols::{
    ids::{DeviceId, SiteId},
    topic,
};
use tokio::{io::AsyncReadExt as _, sync::mpsc};

use super::{
    Form, ID_BYTES, Responder, SITE,
    client::{ACK_BYTES, FACT_MARK, network, padded, qos_of},
};

const PACKET_MAX_BYTES: usize = 1024 * 1024 + 4096;
const RESPONDER_QUEUE_MAX: usize = 8192;
const RESPONDER_INFLIGHT_MAX: u16 = 8192;

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What an uplink is answered with.
#[derive(Clone, Copy)]
struct Words {
    qos: u8,
    answer_bytes: usize,
}

impl Words {
    /// Where the answer goes, at which quality of service, and what it says.
    fn answer(self, topic: &str, payload: &[u8]) -> Option<(String, u8, Vec<u8>)> {
        let uplink = topic::parse_uplink(topic).ok()?;
        let (site, device) = (SiteId::new(uplink.site).ok()?, DeviceId::new(uplink.device).ok()?);
        let down = topic::down(&site, &device);
        if payload.first() == Some(&FACT_MARK) {
            return Some((down, 1, padded(&[FACT_MARK], ACK_BYTES)));
        }
        Some((down, self.qos, padded(payload.get(..ID_BYTES)?, self.answer_bytes)))
    }
}

/// Runs broker and responder until standard input ends. Says where it listens, as one line of
/// JSON on `out`.
pub async fn run(form: Form, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let words = Words { qos: form.qos, answer_bytes: form.answer_bytes };
    let (heard, hearing) = mpsc::channel(RESPONDER_QUEUE_MAX);
    let in_process = form.responder == Responder::InProcess;
    let ports = Arc::new(Ports { heard: in_process.then_some(heard) });
    let mut broker = MqttBroker::with_config(config(Arc::clone(&ports)))
        .await
        .context("the echo's broker cannot listen")?
        .with_auth_provider(ports);
    let address = broker.local_addr().context("the echo's broker has no address")?;
    let router = broker.router();
    let mut is_ready = broker.ready_receiver();
    let running = tokio::spawn(async move { broker.run().await });
    is_ready.wait_for(|ready| *ready).await.context("the echo's broker did not start")?;
    let (subscribed_tx, subscribed) = tokio::sync::oneshot::channel();
    let responder = if in_process {
        subscribed_tx.send(()).ok();
        tokio::spawn(answer_in_process(router, hearing, words))
    } else {
        tokio::spawn(answer_outside(address, words, subscribed_tx))
    };
    subscribed.await.context("the echo's responder did not connect")?;
    writeln!(out, "{{\"host\":\"{}\",\"port\":{}}}", address.ip(), address.port())?;
    out.flush()?;
    let mut ended = [0_u8; 64];
    while tokio::io::stdin().read(&mut ended).await.is_ok_and(|read| read > 0) {}
    responder.abort();
    running.abort();
    Ok(())
}

fn config(ports: Arc<Ports>) -> BrokerConfig {
    let mut config = BrokerConfig::default()
        .with_bind_address(SocketAddr::from(([127, 0, 0, 1], 0)))
        .with_session_expiry(Duration::ZERO)
        .with_max_packet_size(PACKET_MAX_BYTES)
        .with_maximum_qos(1)
        .with_max_subscriptions_per_client(8)
        .with_max_retained_messages(100_000)
        .with_max_retained_message_size(4096)
        .with_client_channel_capacity(RESPONDER_QUEUE_MAX)
        .with_sys_topics_enabled(false)
        .with_storage(StorageConfig {
            backend: StorageBackend::Memory,
            enable_persistence: false,
            ..StorageConfig::default()
        });
    config.shared_subscription_available = false;
    config.auth_config.rate_limit.enabled = false;
    config.event_handler = Some(ports);
    config
}

async fn answer_in_process(
    router: Arc<MessageRouter>,
    mut hearing: mpsc::Receiver<(Arc<str>, Bytes)>,
    words: Words,
) {
    while let Some((topic, payload)) = hearing.recv().await {
        let Some((down, qos, answer)) = words.answer(&topic, &payload) else { continue };
        let qos = if qos == 0 { BrokerQos::AtMostOnce } else { BrokerQos::AtLeastOnce };
        router.route_message(&PublishPacket::new(down, answer, qos), None).await;
    }
}

async fn answer_outside(
    address: SocketAddr,
    words: Words,
    subscribed: tokio::sync::oneshot::Sender<()>,
) {
    let mut options = MqttOptions::new("echo.responder", address.ip().to_string(), address.port());
    options
        .set_credentials("responder", "echo")
        .set_clean_session(true)
        .set_inflight(RESPONDER_INFLIGHT_MAX)
        .set_max_packet_size(PACKET_MAX_BYTES, PACKET_MAX_BYTES);
    let (client, mut eventloop) = AsyncClient::new(options, RESPONDER_QUEUE_MAX);
    eventloop.set_network_options(network());
    let Ok(site) = SiteId::new(SITE) else { return };
    let mut subscribed = Some(subscribed);
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // The outbox of a fresh connection has room.
                client.try_subscribe(topic::uplinks_of_site(&site), QoS::AtLeastOnce).ok();
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                subscribed.take().map(|told| told.send(()).ok());
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => answer_to(&client, words, &publish),
            Ok(_) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

fn answer_to(client: &AsyncClient, words: Words, publish: &Publish) {
    if let Some((down, qos, answer)) = words.answer(&publish.topic, &publish.payload) {
        // What finds no room is lost, and the client counts it as unanswered.
        client.try_publish(down, qos_of(qos), false, answer).ok();
    }
}

/// What the broker asks of us: anyone may, and who hears it.
struct Ports {
    heard: Option<mpsc::Sender<(Arc<str>, Bytes)>>,
}

impl AuthProvider for Ports {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        _client: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        let user = connect.username.clone().unwrap_or_default();
        Box::pin(ready(Ok(AuthResult::success_with_user(&user))))
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        _user: Option<&'a str>,
        _topic: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(ready(true))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        _user: Option<&'a str>,
        _filter: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(ready(true))
    }
}

impl BrokerEventHandler for Ports {
    fn on_client_publish(&self, event: ClientPublishEvent) -> Answer<'_, PublishAction> {
        let action = match &self.heard {
            Some(heard) => {
                // What finds no room is lost, and the client counts it as unanswered.
                heard.try_send((event.topic, event.payload)).ok();
                PublishAction::Handled
            }
            None => PublishAction::Continue,
        };
        Box::pin(ready(action))
    }
}
