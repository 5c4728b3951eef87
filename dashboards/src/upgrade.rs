//! `GET /feed`: from an HTTP request to a viewer's session. Refuses what is no WebSocket
//! handshake (RFC 6455, 4.2.1), a page of another host, who may not watch, and a viewer too many.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use hyper_util::rt::TokioIo;
use metrics::counter;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

use crate::{Limits, metered::Metered, pages::Door, session, watch};

/// What the socket itself has to say: pings, answers to pings, and the close. Frames of the feed
/// go past this buffer, see `wire.rs`.
const WRITE_BUFFER_MAX_BYTES: usize = 4096;

/// Answers `GET /feed`.
pub(crate) async fn feed(State(door): State<Door>, mut request: Request) -> Response {
    let Door { hub, guard } = door;
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err(refusal) => return refused("handshake", refusal),
    };
    if !same_host(request.headers()) {
        return refused("origin", (StatusCode::FORBIDDEN, "the feed is for its own pages"));
    }
    let pass = match guard.admit(request.headers()) {
        Ok(pass) => pass,
        Err(refusal) => return refused("login", refusal),
    };
    if hub.closing().is_cancelled() {
        return refused("closing", (StatusCode::SERVICE_UNAVAILABLE, "the feed has ended"));
    }
    let Ok(seat) = hub.seats().clone().try_acquire_owned() else {
        let retry = [(header::RETRY_AFTER, "10")];
        return refused("full", (StatusCode::SERVICE_UNAVAILABLE, retry, "too many viewers"));
    };
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let Some(place) = hub.addresses().take(from, hub.limits().viewers_per_address_max) else {
        let retry = [(header::RETRY_AFTER, "10")];
        let why = "too many viewers from this address";
        return refused("address", (StatusCode::SERVICE_UNAVAILABLE, retry, why));
    };
    if request.extensions().get::<hyper::upgrade::OnUpgrade>().is_none() {
        return refused("handshake", (StatusCode::BAD_REQUEST, "this connection cannot upgrade"));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let viewer = hub.clone();
    hub.sessions().spawn(async move {
        let waited = timeout(viewer.limits().send_timeout, upgrade).await;
        let Ok(Ok(upgraded)) = waited else {
            return; // the client left before its 101
        };
        let config = Some(config(viewer.limits()));
        let io = Metered::new(TokioIo::new(upgraded));
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, config).await;
        session::run(socket, &viewer, &pass, seat).await;
        drop(place);
    });
    let switch = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, switch).into_response()
}

fn refused(why: &'static str, answer: impl IntoResponse) -> Response {
    counter!(watch::REFUSED, "why" => why).increment(1);
    tracing::debug!(why, "feed refused");
    answer.into_response()
}

fn config(limits: &Limits) -> WebSocketConfig {
    // tungstenite's default buffers cost 135 KB a viewer.
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_MAX_BYTES)
        .max_message_size(Some(limits.inbound_max_bytes))
        .max_frame_size(Some(limits.inbound_max_bytes))
}

/// Why a request is no handshake.
#[derive(Clone, Copy, Debug)]
enum NoHandshake {
    PlainHttp,
    Version,
    Key,
}

impl IntoResponse for NoHandshake {
    fn into_response(self) -> Response {
        match self {
            Self::PlainHttp => {
                let hint = [(header::UPGRADE, "websocket"), (header::CONNECTION, "upgrade")];
                let why = "the feed is a WebSocket; its state alone is at /api/v1/feed/snapshot";
                (StatusCode::UPGRADE_REQUIRED, hint, why).into_response()
            }
            Self::Version => {
                let known = [(header::SEC_WEBSOCKET_VERSION, "13")];
                (StatusCode::UPGRADE_REQUIRED, known, "WebSocket version 13").into_response()
            }
            Self::Key => (StatusCode::BAD_REQUEST, "no proper Sec-WebSocket-Key").into_response(),
        }
    }
}

/// The answer to the handshake's key.
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, NoHandshake> {
    if !lists(headers, &header::CONNECTION, "upgrade")
        || !lists(headers, &header::UPGRADE, "websocket")
    {
        return Err(NoHandshake::PlainHttp);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(NoHandshake::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(NoHandshake::Key)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| NoHandshake::Key)
}

/// Whether one of the comma-separated values of `name` is `token`.
fn lists(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// Whether the request comes from a page of this host, or from no page at all. A browser sends
/// cookies with a WebSocket handshake from anywhere, so that only this keeps other sites out.
fn same_host(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let origin = origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let host = host.and_then(|text| text.parse::<axum::http::uri::Authority>().ok());
    let (Some(origin), Some(host)) = (origin, host) else {
        return false;
    };
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    origin.host().is_some_and(|name| name.eq_ignore_ascii_case(host.host()))
        && origin.port_u16().unwrap_or(default_port) == host.port_u16().unwrap_or(default_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_this_host_may_watch() {
        let check = |origin: Option<&str>, host: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(same_host(&headers), expected, "{origin:?} on {host}");
        };
        check(None, "gate.local:8080", true);
        check(Some("http://gate.local:8080"), "gate.local:8080", true);
        check(Some("http://GATE.local"), "gate.local", true);
        check(Some("https://gate.local"), "gate.local:443", true);
        check(Some("http://[::1]:8080"), "[::1]:8080", true);
        check(Some("http://gate.local:8081"), "gate.local:8080", false);
        check(Some("http://evil.example"), "gate.local:8080", false);
        check(Some("http://gate.local.evil.example:8080"), "gate.local:8080", false);
        check(Some("null"), "gate.local:8080", false);
        check(Some("file://"), "gate.local:8080", false);
    }
}
