//! The HTTP listener: accepts, bounds and ends connections; over TLS where it has a certificate.
//!
//! Owns what every request shares before a route is looked for: TLS, `TCP_NODELAY`, the limits of
//! time and number, and the security headers. One future for each connection and no layer in
//! between, since an admission takes some 200 µs all told. Called by the composition root.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use metrics::counter;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::problem::Problem;

/// How long a caller may take to send its headers; an idle connection is closed after it too.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may take to end once the program stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// After a failed `accept`, as when no file handle is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What has no time limit as a whole.
const LONG: [&str; 2] = ["/feed", "/api/v1/tickets/import"];

/// The limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Connections at one time; the next ones wait to be accepted.
    pub connections_max: usize,
}

/// Serves, over TLS with `tls`, until `shutdown`, then until the last connection has ended, which is bounded.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let connections = TaskTracker::new();
    let accept = async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let door = Door { router: router.clone(), peer, limits };
                    connections.spawn(door.greet(stream, tls.clone(), place, shutdown.clone()));
                }
                Err(error) => {
                    counter!("shanmen_http_accept_failures_total").increment(1);
                    tracing::debug!(%error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    shutdown.run_until_cancelled(accept).await;
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// One connection.
#[derive(Clone)]
struct Door {
    router: Router,
    peer: SocketAddr,
    limits: Limits,
}

impl Door {
    async fn greet(
        self,
        stream: TcpStream,
        tls: Option<TlsAcceptor>,
        place: OwnedSemaphorePermit,
        shutdown: CancellationToken,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let Some(tls) = tls else { return self.serve(stream, place, shutdown).await };
        let greeting = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream));
        match shutdown.run_until_cancelled(greeting).await {
            Some(Ok(Ok(stream))) => self.serve(stream, place, shutdown).await,
            Some(_) => counter!("shanmen_http_tls_failures_total").increment(1),
            None => {}
        }
    }

    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        place: OwnedSemaphorePermit,
        shutdown: CancellationToken,
    ) {
        let service = service_fn(move |request| self.clone().answer(request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                timeout(STOP_TIMEOUT, connection).await.ok()
            }
        };
        if let Some(Err(error)) = ended {
            tracing::trace!(%error, "connection broke off");
        }
        drop(place);
    }

    async fn answer(self, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let long = LONG.contains(&request.uri().path());
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answer = TowerToHyperService::new(self.router).call(request);
        let mut response = if long {
            answer.await?
        } else {
            match timeout(self.limits.request_timeout, answer).await {
                Ok(response) => response?,
                Err(_) => timed_out(),
            }
        };
        counter!("shanmen_http_requests_total", "status" => class(response.status())).increment(1);
        harden(response.headers_mut());
        Ok(response)
    }
}

fn timed_out() -> Response {
    let detail = "the request took too long; what it asked for may have been done all the same";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail)
        .with(header::RETRY_AFTER, HeaderValue::from_static("1"))
        .into_response()
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// The security headers, where a page has not set its own.
fn harden(headers: &mut HeaderMap) {
    const HEADERS: [(HeaderName, HeaderValue); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
}
