//! `[security]`, and the certificates of `[server]` and `[broker]`.
//!
//! Owns which files each profile needs, and that clear text stays on the machine's own loopback
//! unless it is forced. Files are named here and read at the start.

use std::path::PathBuf;

use serde::Deserialize;
use shanmen_actors::security::Profile;

use super::{Broker, Server, broker_url::is_loopback, tree::Tree};

/// `[security]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// How devices are let in: `lab` (clear text, on the loopback), `tls` (TLS, a secret for each
    /// device), `mtls` (TLS, a certificate for each device with its id as the common name).
    pub profile: Profile,
    /// The authority that signed `cert`, in PEM: enrolled devices are told to trust it; with
    /// `mtls` it is also the one whose certificates devices show.
    pub ca: Option<PathBuf>,
    /// The key of `ca`, in PEM: with it a device's request for a certificate is signed when it
    /// enrols. Without it somebody else has to sign.
    pub ca_key: Option<PathBuf>,
    /// The certificate of the broker, and of the pages unless `[server]` names another, in PEM.
    pub cert: Option<PathBuf>,
    /// Its key, in PEM; only its owner may be able to read it.
    pub key: Option<PathBuf>,
    /// Listen in clear text, or reach an outside broker so, on more than the loopback: for a
    /// closed network only.
    pub insecure_listen: bool,
}

/// A certificate and its key, by their files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The certificate chain, in PEM.
    pub cert: PathBuf,
    /// The key, in PEM.
    pub key: PathBuf,
}

/// How the program speaks TLS to an outside broker, by files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideFiles {
    /// The authority that the broker's certificate is checked against.
    pub ca: PathBuf,
    /// The program's own certificate, if the broker wants one.
    pub own: Option<PairFiles>,
}

/// Where devices' connections are protected.
pub(super) fn check_embedded(tree: &mut Tree<'_>, broker: &Broker, security: &Security) {
    if security.profile == Profile::Lab {
        if !security.insecure_listen && !broker.listen.ip().is_loopback() {
            let problem = format!("{} would take devices in clear text", broker.listen);
            let path = if tree.has("broker") { "broker.listen" } else { "broker" };
            tree.fault_at(path, problem, plaintext_hint());
        }
        return;
    }
    let mut need = vec![("cert", security.cert.is_some()), ("key", security.key.is_some())];
    if security.profile == Profile::Mtls {
        need.push(("ca", security.ca.is_some()));
    }
    for (name, _) in need.into_iter().filter(|(_, there)| !there) {
        let problem = format!("this profile needs `{name}`");
        let hint = "name a PEM file; `shanmen keys tls --out DIR --host NAME` makes them";
        tree.fault_at("security.profile", problem, hint.to_owned());
    }
}

/// How the program speaks to an outside broker.
pub(super) fn check_outside(
    tree: &mut Tree<'_>,
    broker: &Broker,
    (host, tls): (&str, bool),
    security: &Security,
) -> Option<OutsideFiles> {
    let own = pair(tree, "broker", broker.cert.as_ref(), broker.key.as_ref());
    if tls {
        if broker.ca.is_none() {
            let problem = "mqtts:// needs `ca`, the authority of the broker's certificate";
            let hint = "name a PEM file; /etc/ssl/certs/ca-certificates.crt holds the system's";
            tree.fault_at("broker.url", problem.to_owned(), hint.to_owned());
        }
        return broker.ca.clone().map(|ca| OutsideFiles { ca, own });
    }
    if security.profile != Profile::Lab {
        let problem = "mqtt:// is clear text, and the profile is not `lab`".to_owned();
        tree.fault_at("broker.url", problem, "write mqtts://, and its `ca`".to_owned());
    } else if !security.insecure_listen && !is_loopback(host) {
        tree.fault_at("broker.url", format!("{host} would be reached in clear text"), {
            "write mqtts://, or set `insecure_listen = true` in [security] for a closed network"
                .to_owned()
        });
    }
    None
}

/// What the pages are served with.
pub(super) fn check_http(
    tree: &mut Tree<'_>,
    server: &Server,
    security: &Security,
) -> Option<PairFiles> {
    let own = pair(tree, "server", server.cert.as_ref(), server.key.as_ref());
    let of_profile = (security.profile != Profile::Lab)
        .then(|| pair(tree, "security", security.cert.as_ref(), security.key.as_ref()))
        .flatten();
    let found = own.or(of_profile);
    if found.is_none() && !security.insecure_listen && !server.http.ip().is_loopback() {
        let problem = format!("{} would serve the pages and logins in clear text", server.http);
        tree.fault_at("server.http", problem, plaintext_hint());
    }
    found
}

/// Both, or none.
fn pair(
    tree: &mut Tree<'_>,
    section: &str,
    cert: Option<&PathBuf>,
    key: Option<&PathBuf>,
) -> Option<PairFiles> {
    match (cert, key) {
        (Some(cert), Some(key)) => Some(PairFiles { cert: cert.clone(), key: key.clone() }),
        (None, None) => None,
        (Some(_), None) => {
            let path = format!("{section}.cert");
            tree.fault_at(&path, "a certificate without its key".into(), "name `key` too".into());
            None
        }
        (None, Some(_)) => {
            let path = format!("{section}.key");
            tree.fault_at(&path, "a key without its certificate".into(), "name `cert` too".into());
            None
        }
    }
}

fn plaintext_hint() -> String {
    "listen on 127.0.0.1, name `cert` and `key` (profile \"tls\" or \"mtls\" in [security] for \
     devices), or set `insecure_listen = true` in [security] for a closed network"
        .to_owned()
}
