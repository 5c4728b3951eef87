//! Foreign tools: mosquitto, Python peers, Node with Chromium. Where one is missing the test says
//! so and is left out; `.ci/run` installs them all and sets `SHANMEN_TEST_ALL=1`, with which a
//! missing one is a failure.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::{eventually, tests_folder};

/// The tool, or none after saying what is left out.
pub(crate) fn found(what: &str, tool: Option<PathBuf>) -> Option<PathBuf> {
    if tool.is_none() {
        assert!(
            std::env::var_os("SHANMEN_TEST_ALL").is_none(),
            "SHANMEN_TEST_ALL is set, and {what} is missing"
        );
        eprintln!("LEFT OUT: {what} is not installed");
    }
    tool
}

/// A program of the path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")];
    std::env::split_paths(&path)
        .chain(extra)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// The Python of `tests/peers`, with what its requirements name.
pub(crate) fn python() -> Option<PathBuf> {
    let python = tests_folder().join("peers/.venv/bin/python");
    found("Python with tests/peers/requirements.txt (python3 -m venv tests/peers/.venv)", {
        python.is_file().then_some(python)
    })
}

/// A mosquitto of our own on a free port of the loopback.
pub(crate) struct Mosquitto {
    child: Child,
    pub(crate) port: u16,
    /// Holds the configuration while it runs.
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    /// Starts one that lets anybody in; none where mosquitto is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_on(free_port()).await
    }

    /// Starts one on a port of the test's choice.
    pub(crate) async fn start_on(port: u16) -> Option<Self> {
        let program = found("mosquitto", program("mosquitto"))?;
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("mosquitto.conf");
        let text =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n");
        std::fs::write(&config, text).expect("written");
        let child = Command::new(program)
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto starts");
        let mosquitto = Self { child, port, _folder: folder };
        eventually("mosquitto's port", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Some(mosquitto)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
