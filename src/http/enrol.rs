//! Enrolment: a device trades its one-time claim for what it needs to connect.
//!
//! Open to anyone who has a claim; wrong claims are counted by address.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, header},
    response::Response,
};
use serde::Serialize;
use serde_json::Value;
use shanmen_actors::api::{EnrolRequest, Fault};
use utoipa::ToSchema;

use super::{App, Shared, body::Body, json, problem::Problem};

/// What a device sends, for the document; [`EnrolRequest`] is what is read.
#[derive(Serialize, ToSchema)]
#[schema(as = EnrolRequest)]
pub(super) struct Enrolling {
    /// The one-time code.
    claim: String,
    /// The machine's serial number.
    serial: Option<String>,
    /// The machine's model.
    model: Option<String>,
    /// A request for a certificate (PKCS#10 in PEM), where devices are let in by one.
    csr: Option<String>,
}

/// What it needs to connect: told once.
#[derive(Serialize, ToSchema)]
pub(super) struct Enrolled {
    /// The site's id.
    site: String,
    /// The device's id.
    device: String,
    /// Its topics begin so.
    base: String,
    /// `mqtts://host:port`, or `mqtt://` where the site speaks in clear text.
    broker: String,
    /// The authority of the broker's certificate in PEM, to be trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
    /// Its login at the broker.
    username: String,
    /// Its secret; none where it has a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    /// Its certificate in PEM, good for 397 days, where devices are let in by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    /// The public ticket keys, a JWK set.
    #[schema(value_type = Object)]
    keys: Value,
}

/// Trades a claim, once.
#[utoipa::path(post, path = "/enrol", tag = "devices", request_body = Enrolling,
    responses((status = 200, description = "enrolled; the secret is told once", body = Enrolled)))]
pub(super) async fn enrol(
    State(app): State<App>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Body(request): Body<EnrolRequest>,
) -> Result<Response, Problem> {
    let now = || app.plane.clock().now();
    if let Some(retry_s) = app.enrolments.blocked_s("", from.ip(), now()) {
        return Err(Problem::too_many(retry_s));
    }
    let enrolled = app.plane.enrol(request).await.inspect_err(|fault| {
        if !matches!(fault, Fault::Busy(_) | Fault::Internal(_)) {
            app.enrolments.failed("", from.ip(), now());
        }
    })?;
    json(&Enrolled {
        site: app.plane.park().site().id.to_string(),
        device: enrolled.device.to_string(),
        base: enrolled.base,
        broker: app.broker(enrolled.scheme, &headers),
        ca: enrolled.ca.map(|ca| ca.to_string()),
        username: enrolled.username,
        password: enrolled.password,
        certificate: enrolled.certificate,
        keys: app.texts.keys.clone(),
    })
}

impl Shared {
    /// Where a device connects. A broker that listens on every address is told by the name under
    /// which the device reached us.
    fn broker(&self, scheme: &str, headers: &HeaderMap) -> String {
        if let Some(url) = &self.advertise {
            return url.clone();
        }
        let (host, port) = self.plane.broker_address();
        let everywhere = host.parse().is_ok_and(|host: IpAddr| host.is_unspecified());
        let asked = headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let host = match asked.filter(|_| everywhere) {
            Some(asked) => without_port(asked),
            None => &host,
        };
        mqtt_url(scheme, host, port)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn mqtt_url(scheme: &str, host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("{scheme}://[{host}]:{port}")
    } else {
        format!("{scheme}://{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_a_url() {
        assert_eq!(mqtt_url("mqtt", "127.0.0.1", 1883), "mqtt://127.0.0.1:1883");
        assert_eq!(mqtt_url("mqtts", "::1", 8883), "mqtts://[::1]:8883");
        assert_eq!(without_port("gate.local:8080"), "gate.local");
        assert_eq!(without_port("[::1]:8080"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
    }
}
