//! The broker's door: takes connections, speaks TLS with them, and hands each to the broker with
//! a guest of its own, who knows what certificate it came with.
//!
//! The broker's own listeners await a handshake before they take the next connection, so that one
//! silent socket would shut everybody out; here each has its own task, a bounded time and a
//! bounded number. It refuses what is over the bounds, and counts everything that it refuses.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use mqtt5::broker::{
    BrokerConfig,
    client_handler::ClientHandler,
    resource_monitor::{ResourceLimits, ResourceMonitor},
    router::MessageRouter,
    sys_topics::BrokerStats,
    tls_acceptor::TlsStreamWrapper,
    transport::BrokerTransport,
};
use rustls::CertificateError;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, broadcast},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::guests::{Guest, Guests};
use crate::certificates::{Holder, holder};

/// How long a TLS handshake may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(5);
/// How many handshakes may go on at one time; one more is turned away.
const HANDSHAKES_MAX: usize = 1024;
/// How many connections there may be; one more is turned away.
const CONNECTIONS_MAX: usize = 20_000;
/// How long a connection may take to end once it is told to.
const END_WAIT: Duration = Duration::from_secs(2);
/// After a failed `accept`, as when no file handle is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often sessions and counts that are over are thrown away.
const CLEAN_EVERY: Duration = Duration::from_mins(1);
/// How often every connection's credentials are looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A door; cheap to clone.
#[derive(Clone)]
pub(super) struct Door {
    tls: Option<TlsAcceptor>,
    config: Arc<BrokerConfig>,
    router: Arc<MessageRouter>,
    guests: Arc<Guests>,
    stats: Arc<BrokerStats>,
    monitor: Arc<ResourceMonitor>,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    inside: TaskTracker,
    stop: CancellationToken,
}

impl Door {
    pub(super) fn new(
        tls: Option<TlsAcceptor>,
        config: BrokerConfig,
        router: Arc<MessageRouter>,
        guests: Arc<Guests>,
    ) -> Self {
        // The bounds are this door's: the broker's own counts are not to turn anybody away.
        let limits = ResourceLimits {
            max_connections: CONNECTIONS_MAX,
            max_connections_per_ip: CONNECTIONS_MAX,
            max_message_rate_per_client: 0,
            max_bandwidth_per_client: 0,
            ..ResourceLimits::default()
        };
        Self {
            tls,
            config: Arc::new(config),
            router,
            guests,
            stats: Arc::new(BrokerStats::new()),
            monitor: Arc::new(ResourceMonitor::new(limits)),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            inside: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Takes connections until it is closed.
    pub(super) async fn keep(self, listener: TcpListener) {
        let stop = self.stop.clone();
        let take = async {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => self.take(stream, peer),
                    Err(error) => {
                        self.guests.turned_away("accept");
                        tracing::debug!(%error, "connection not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        let tidy = async {
            let mut clean = tokio::time::interval(CLEAN_EVERY);
            let mut look = tokio::time::interval(LOOK_EVERY);
            loop {
                tokio::select! {
                    _ = clean.tick() => {
                        self.router.sweep_sessions().await;
                        self.monitor.cleanup_expired_windows().await;
                    }
                    _ = look.tick() => self.guests.look_again(),
                }
            }
        };
        stop.run_until_cancelled(async { tokio::join!(take, tidy) }).await;
    }

    /// Lets nobody in any more, and ends all connections.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.inside.close();
        if tokio::time::timeout(END_WAIT + END_WAIT, self.inside.wait()).await.is_err() {
            tracing::warn!("some devices' connections did not end in time and were left");
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let Ok(place) = Arc::clone(&self.connections).try_acquire_owned() else {
            return self.guests.turned_away("connections");
        };
        let door = self.clone();
        self.inside.spawn(async move {
            let stop = door.stop.clone();
            if let Some(Some((transport, holder))) =
                stop.run_until_cancelled(door.greet(stream, peer)).await
            {
                door.serve(transport, peer, holder).await;
            }
            drop(place);
        });
    }

    /// Speaks TLS, where that is the profile: the way to the broker, and whose certificate it is.
    async fn greet(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<(BrokerTransport, Option<Holder>)> {
        // Without it a round trip takes tens of milliseconds.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let Some(tls) = &self.tls else { return Some((BrokerTransport::tcp(stream), None)) };
        let Ok(_place) = self.handshakes.try_acquire() else {
            self.guests.turned_away("handshakes");
            return None;
        };
        let why = match tokio::time::timeout(HANDSHAKE_WAIT, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let chain = stream.get_ref().1.peer_certificates();
                let holder = chain.and_then(|chain| holder(chain.first()?));
                return Some((BrokerTransport::tls(TlsStreamWrapper::new(stream)), holder));
            }
            Ok(Err(error)) => why(&error),
            Err(_) => "handshake_timeout",
        };
        self.guests.turned_away(why);
        tracing::warn!(%peer, why, "no TLS with a device");
        None
    }

    async fn serve(&self, transport: BrokerTransport, peer: SocketAddr, holder: Option<Holder>) {
        let (cut, told) = broadcast::channel(1);
        let guest = Arc::new(Guest::new(Arc::clone(&self.guests), holder, cut));
        let handler = ClientHandler::new(
            transport,
            peer,
            Arc::clone(&self.config),
            Arc::clone(&self.router),
            Arc::clone(&guest) as _,
            None,
            Arc::clone(&self.stats),
            Arc::clone(&self.monitor),
            told,
        );
        let mut run = std::pin::pin!(handler.run());
        let ended = tokio::select! {
            ended = &mut run => Some(ended),
            () = self.stop.cancelled() => {
                guest.cut();
                tokio::time::timeout(END_WAIT, run).await.ok()
            }
        };
        if let Some(Err(error)) = ended
            && !error.is_normal_disconnect()
        {
            tracing::debug!(%error, %peer, "a device's connection broke off");
        }
    }
}

/// Why a handshake failed, in a word for the counts.
fn why(error: &io::Error) -> &'static str {
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match fault {
        Some(rustls::Error::NoCertificatesPresented) => "certificate_missing",
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "certificate_expired",
        // Another authority of the same name signs with another key: a bad signature.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => "certificate_issuer",
        Some(rustls::Error::InvalidCertificate(_)) => "certificate",
        _ => "tls",
    }
}
