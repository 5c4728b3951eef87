//! The program with its demo, as a newcomer starts it.

use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::eventually;

/// A running demo.
pub(crate) struct Demo {
    child: Child,
    _folder: TempDir,
    pub(crate) http: String,
    /// The admin's user and password.
    pub(crate) login: (String, String),
}

impl Demo {
    /// Starts `shanmen serve --demo`, its day four times as fast as usual: every day is another one,
    /// and some begin quietly.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let child = Command::new(env!("CARGO_BIN_EXE_shanmen"))
            .args(["serve", "--demo", "--demo-speed", "240"])
            .args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let addresses = data.join("addresses.json");
        let written = eventually("addresses.json", async || {
            let text = std::fs::read_to_string(&addresses).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        })
        .await;
        let http = format!("http://{}", written["http"].as_str().expect("an address"));
        let login =
            std::fs::read_to_string(data.join("first-login.json")).expect("the first login");
        let login: Value = serde_json::from_str(&login).expect("JSON");
        let word = |key: &str| login[key].as_str().expect("a word").to_owned();
        let login = (word("user"), word("password"));
        Self { child, _folder: folder, http, login }
    }

    /// The feed's state now.
    pub(crate) async fn snapshot(&self) -> Value {
        let url = format!("{}/api/v1/feed/snapshot", self.http);
        super::client().get(url).send().await.expect("an answer").json().await.expect("JSON")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
