//! What the system tests share: the real program as a process, an HTTP caller, and a device made
//! of a bare MQTT client, so that nothing of our own device code stands between test and wire.

pub(crate) mod demo;
pub(crate) mod device;
pub(crate) mod faults;
pub(crate) mod secure;
pub(crate) mod tools;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything in a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running program with its data folder.
pub(crate) struct Server {
    child: Option<Child>,
    folder: TempDir,
    arguments: Vec<String>,
    pub(crate) http: String,
    pub(crate) mqtt: (String, u16),
    pub(crate) token: String,
}

impl Server {
    /// Starts the program with the tests' park.
    pub(crate) async fn start() -> Self {
        Self::start_with(&park("")).await
    }

    /// Starts the program with a configuration.
    pub(crate) async fn start_with(config: &str) -> Self {
        let mut server = Self::start_bare(config).await;
        server.log_in().await;
        server
    }

    /// Starts the program with a configuration, and nobody logs in: it may speak HTTPS.
    pub(crate) async fn start_bare(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("shanmen.toml");
        std::fs::write(&file, config).expect("the configuration is written");
        let arguments = vec!["--config".into(), file.display().to_string()];
        let mut server = Self {
            child: None,
            folder,
            arguments,
            http: String::new(),
            mqtt: (String::new(), 0),
            token: String::new(),
        };
        server.spawn().await;
        server
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    async fn spawn(&mut self) {
        let addresses = self.data().join("addresses.json");
        drop(std::fs::remove_file(&addresses));
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())
            .expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_shanmen"))
            .arg("serve")
            .args(&self.arguments)
            .args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
            .arg("--data")
            .arg(self.data())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("the program starts");
        self.child = Some(child);
        let written = eventually("addresses.json", async || {
            let text = std::fs::read_to_string(&addresses).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        })
        .await;
        self.http = format!("http://{}", written["http"].as_str().expect("an HTTP address"));
        let mqtt = written["mqtt"].as_str().expect("an MQTT address");
        let (host, port) = mqtt.rsplit_once(':').expect("host:port");
        self.mqtt = (host.to_owned(), port.parse().expect("a port"));
    }

    async fn log_in(&mut self) {
        let login = std::fs::read_to_string(self.data().join("first-login.json"))
            .expect("the first login stands in a file");
        let login: Value = serde_json::from_str(&login).expect("JSON");
        let answer = self.post("/api/v1/login", &login).await;
        answer.body["token"].as_str().expect("a token").clone_into(&mut self.token);
    }

    /// What the program has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// `kill -9`, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("a running program");
        child.kill().expect("it can be killed");
        child.wait().expect("it is gone");
    }

    /// Starts it again on the same data.
    pub(crate) async fn restart(&mut self) {
        self.spawn().await;
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("a running program");
        let id = child.id().to_string();
        assert!(Command::new("kill").arg(&id).status().expect("kill runs").success());
        eventually("the end of the program", async || child.try_wait().expect("it can be asked"))
            .await
            .code()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(client().get(format!("{}{path}", self.http))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(client().post(format!("{}{path}", self.http)).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(client().put(format!("{}{path}", self.http)).json(body)).await
    }

    /// Replaces the configuration, for the next start.
    pub(crate) fn configure(&self, config: &str) {
        std::fs::write(self.folder.path().join("shanmen.toml"), config).expect("it is written");
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = match self.token.as_str() {
            "" => request,
            token => request.bearer_auth(token),
        };
        let response = request.timeout(PATIENCE).send().await.expect("an answer");
        let status = response.status().as_u16();
        let kind = response
            .headers()
            .get("content-type")
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let bytes = response.bytes().await.expect("a body");
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, kind, body, bytes: bytes.to_vec() }
    }

    /// Issues one ticket; gives its id and signed code.
    pub(crate) async fn ticket(&self, ticket: Value) -> (String, String) {
        let answer = self.post("/api/v1/tickets", &json!({ "tickets": [ticket] })).await;
        assert_eq!(answer.status / 100, 2, "{:?}", answer.body);
        let text = |name: &str| answer.body["tickets"][0][name].as_str().expect("text").to_owned();
        (text("id"), text("code"))
    }

    /// Enrols a device by a claim; gives its username and password.
    pub(crate) async fn enrol(&self, device: &str, lane: &str) -> (String, String) {
        self.enrol_as(device, json!({ "kind": "turnstile", "lane": lane })).await
    }

    /// Enrols a device of any kind, at a place or nowhere.
    pub(crate) async fn enrol_as(&self, device: &str, place: Value) -> (String, String) {
        let mut claim = json!({ "device": device, "minutes": 5 });
        let map = claim.as_object_mut().expect("an object");
        map.extend(place.as_object().cloned().unwrap_or_default());
        let made = self.post("/api/v1/devices/claims", &claim).await;
        assert_eq!(made.status / 100, 2, "{:?}", made.body);
        let claim = json!({ "claim": made.body["claim"], "serial": "S1", "model": "test" });
        let answer = self.post("/enrol", &claim).await;
        assert_eq!(answer.status / 100, 2, "{:?}", answer.body);
        let text = |name: &str| answer.body[name].as_str().expect("text").to_owned();
        assert_eq!(text("base"), format!("sm/1/{}/{device}", text("site")));
        (text("username"), text("password"))
    }

    /// The feed's state now.
    pub(crate) async fn snapshot(&self) -> Value {
        self.get("/api/v1/feed/snapshot").await.body
    }

    /// Waits until the feed's state is as `good` wants it.
    pub(crate) async fn until(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        eventually(what, async || {
            let snapshot = self.snapshot().await;
            good(&snapshot).then_some(snapshot)
        })
        .await
    }

    /// One number of `/metrics`: the sum over all labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = String::from_utf8(self.get("/metrics").await.bytes).expect("text");
        text.lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            eprintln!("---- the program's log ----\n{}", self.log());
        }
    }
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn client() -> reqwest::Client {
    // The device program builds the client with TLS, and then it wants to be told whose; an error
    // says that it was told before.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().no_proxy().build().expect("an HTTP client")
}

/// Asks again and again, until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Today at the tests' park, which goes by UTC.
pub(crate) fn today() -> String {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// The tests' park: a gate with two lanes in and one both ways, a cave within for two people.
pub(crate) fn park(more: &str) -> String {
    format!(
        r#"{more}
[site]
id = "testpark"
timezone = "UTC"
[[areas]]
id = "park"
capacity = {{ instant = 1000 }}
[[areas]]
id = "cave"
parent = "park"
capacity = {{ instant = 2 }}
[[gates]]
id = "north"
from = "outside"
to = "park"
[[gates]]
id = "cave-gate"
from = "park"
to = "cave"
[[lanes]]
id = "n1"
gate = "north"
direction = "both"
[[lanes]]
id = "n2"
gate = "north"
direction = "both"
[[lanes]]
id = "c1"
gate = "cave-gate"
direction = "both"
[[products]]
id = "adult-day"
name = {{ zh = "成人票", en = "Adult day ticket" }}
class = "adult"
validity = {{ kind = "visit_date" }}
price = 23000
[[products.entitlements]]
areas = ["park"]
uses = 1
[[products]]
id = "group"
name = {{ zh = "团体票", en = "Group ticket" }}
class = "group"
persons = {{ min = 2, max = 60 }}
validity = {{ kind = "visit_date" }}
[[products.entitlements]]
areas = ["park"]
uses = 1
[[products]]
id = "pass"
name = {{ zh = "年卡", en = "Annual pass" }}
class = "pass"
validity = {{ kind = "fixed", from = "2020-01-01", until = "2099-12-31" }}
[[products.entitlements]]
areas = ["park", "cave"]
"#
    )
}

/// The folder of the tests.
pub(crate) fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}
