//! What the security tests need besides: certificates made by the program itself, its API over
//! HTTPS, and devices that knock at the broker's door.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, Transport};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use shanmen_actors::security::{self, Pair};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{PATIENCE, Server, eventually};

/// A certificate and its key in PEM.
pub(crate) type Own = (String, String);

/// A folder of certificates, as `shanmen keys tls` makes it.
pub(crate) struct Site {
    folder: TempDir,
    /// What the program told to put into the configuration.
    told: String,
    pub(crate) ca: String,
    pub(crate) ca_key: String,
}

impl Site {
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = Command::new(env!("CARGO_BIN_EXE_shanmen"))
            .args(["keys", "tls", "--host", "gate.example", "--out"])
            .arg(folder.path())
            .output()
            .expect("it runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("made");
        let (ca, ca_key) = (read("ca.pem"), read("ca.key"));
        Self { told: String::from_utf8(made.stdout).expect("text"), ca, ca_key, folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration of a profile.
    pub(crate) fn config(&self, profile: &str) -> String {
        super::park(&self.told.replacen("\"tls\"", &format!("{profile:?}"), 1))
    }

    /// Starts the program with a profile, and logs in over HTTPS.
    pub(crate) async fn start(&self, profile: &str) -> (Server, Https) {
        self.start_with(&self.config(profile)).await
    }

    /// Starts the program with its virtual fleet; what it tells when it will not.
    pub(crate) async fn demo(&self, profile: &str) -> Result<Demo, String> {
        let at = |name: &str| self.path().join(format!("{name}-{profile}"));
        let (file, data, log) = (at("config"), at("data"), at("log"));
        std::fs::write(&file, self.config(profile)).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_shanmen"))
            .args(["serve", "--demo", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
            .args([Path::new("--config"), &file, Path::new("--data"), &data])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("a log"))
            .spawn()
            .expect("it starts");
        let started = eventually("addresses.json", async || {
            if child.try_wait().expect("asked").is_some() {
                return Some(Err(std::fs::read_to_string(&log).expect("a log")));
            }
            let text = std::fs::read_to_string(data.join("addresses.json")).ok()?;
            let written: Value = serde_json::from_str(&text).ok()?;
            Some(Ok(written["http"].as_str()?.to_owned()))
        })
        .await;
        let (ca, token) = (self.ca.clone(), String::new());
        let mut https = Https { address: started?, ca, token };
        https.log_in(&data).await;
        Ok(Demo { child, https })
    }

    /// Starts the program with a configuration, and logs in over HTTPS.
    pub(crate) async fn start_with(&self, config: &str) -> (Server, Https) {
        let server = Server::start_bare(config).await;
        let address = server.http.trim_start_matches("http://").to_owned();
        let mut https = Https { address, ca: self.ca.clone(), token: String::new() };
        https.log_in(&server.data()).await;
        (server, https)
    }
}

/// The program with its virtual fleet.
pub(crate) struct Demo {
    child: Child,
    pub(crate) https: Https,
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program's API over HTTPS.
pub(crate) struct Https {
    address: String,
    ca: String,
    token: String,
}

impl Https {
    /// Takes the token of the first login, which stands in the data folder.
    async fn log_in(&mut self, data: &Path) {
        let login = std::fs::read_to_string(data.join("first-login.json"))
            .expect("the first login stands in a file");
        let login = serde_json::from_str(&login).expect("JSON");
        let (status, answer) = self.call("POST", "/api/v1/login", &login).await;
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().expect("a token").clone_into(&mut self.token);
    }

    /// One request; status and body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.text(method, path, &body.to_string()).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn text(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let (head, body) = self.raw(method, path, body).await;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body)
    }

    /// One request; the answer's head and body.
    pub(crate) async fn raw(&self, method: &str, path: &str, body: &str) -> (String, String) {
        let talk = async {
            let config = security::client(&self.ca, None).expect("a good CA");
            let name = ServerName::try_from("localhost").expect("a name");
            let stream = TcpStream::connect(&self.address).await.expect("a connection");
            let mut stream = TlsConnector::from(config).connect(name, stream).await.expect("HTTPS");
            let request = format!(
                "{method} {path} HTTP/1.0\r\nhost: localhost\r\nconnection: close\r\n\
                 content-type: application/json\r\nauthorization: Bearer {}\r\n\
                 content-length: {}\r\n\r\n{body}",
                self.token,
                body.len()
            );
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.expect("an answer");
            String::from_utf8(answer).expect("text")
        };
        let answer = timeout(PATIENCE, talk).await.expect("an answer in time");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        (head.to_owned(), body.to_owned())
    }

    /// How often the broker has refused something for this reason.
    pub(crate) async fn refused(&self, why: &str) -> u64 {
        let (_, metrics) = self.text("GET", "/metrics", "").await;
        let line = format!("shanmen_intake_refused_total{{why=\"{why}\"}} ");
        metrics
            .lines()
            .find_map(|text| text.strip_prefix(&line)?.trim().parse().ok())
            .unwrap_or_default()
    }

    /// A claim for a device of lane n1.
    pub(crate) async fn claim(&self, device: &str) -> Value {
        let claim = json!({ "device": device, "kind": "turnstile", "lane": "n1" });
        let (status, made) = self.call("POST", "/api/v1/devices/claims", &claim).await;
        assert_eq!(status, 200, "{made}");
        made["claim"].clone()
    }

    /// Enrols a device by a certificate: the answer, and what it came to.
    pub(crate) async fn enrol(&self, device: &str) -> (Value, Own) {
        let (csr, key) = request();
        let body = json!({ "claim": self.claim(device).await, "csr": csr });
        let (status, answer) = self.call("POST", "/enrol", &body).await;
        assert_eq!(status, 200, "{answer}");
        let certificate = answer["certificate"].as_str().expect("a certificate").to_owned();
        (answer, (certificate, key))
    }
}

/// A device's request for a certificate, and its key.
pub(crate) fn request() -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let request = CertificateParams::default().serialize_request(&key).expect("a request");
    (request.pem().expect("PEM"), key.serialize_pem())
}

/// How somebody comes to the broker's door.
pub(crate) struct Knock<'k> {
    pub(crate) port: u16,
    /// The authority that is trusted; none: clear text.
    pub(crate) ca: Option<&'k str>,
    pub(crate) own: Option<&'k Own>,
    pub(crate) user: &'k str,
    pub(crate) password: &'k str,
    pub(crate) client_id: &'k str,
}

impl Knock<'_> {
    /// Connects until the broker has said yes; what went wrong otherwise.
    pub(crate) async fn connect(&self) -> Result<(AsyncClient, EventLoop), String> {
        let mut options = MqttOptions::new(self.client_id, "localhost", self.port);
        options.set_credentials(self.user, self.password).set_keep_alive(Duration::from_secs(15));
        if let Some(ca) = self.ca {
            let own = self.own.map(|(certificate, key)| Pair { certificate, key });
            let config = security::client(ca, own).expect("good certificates");
            let tls = rumqttc::TlsConfiguration::Rustls(Arc::clone(&config));
            options.set_transport(Transport::tls_with_config(tls));
        }
        let (client, mut events) = AsyncClient::new(options, 16);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        match timeout(PATIENCE, events.poll()).await.expect("an answer in time") {
            Ok(Event::Incoming(Packet::ConnAck(_))) => Ok((client, events)),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Waits until the connection ends.
pub(crate) async fn ended(events: &mut EventLoop) {
    let end = async { while events.poll().await.is_ok() {} };
    timeout(PATIENCE, end).await.expect("the connection ends");
}
