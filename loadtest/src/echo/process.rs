//! The handle on the echo's own process.

use std::{process::Stdio, time::Duration};

use anyhow::Context as _;
use clap::ValueEnum as _;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::Form;

/// How long it may take to be ready.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Broker and responder, in a process of their own. Dropping it ends it.
pub struct EchoProcess {
    child: Child,
    /// Where the broker listens.
    pub address: (String, u16),
}

impl EchoProcess {
    /// Starts it: this same program, as `echo-broker`.
    pub async fn start(form: Form) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Address {
            host: String,
            port: u16,
        }
        let responder = form.responder.to_possible_value().context("a responder has a name")?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("echo-broker")
            .args(["--responder", responder.get_name()])
            .args(["--qos", &form.qos.to_string()])
            .args(["--answer-bytes", &form.answer_bytes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the echo's broker")?;
        let out = child.stdout.take().context("the echo's broker has no output")?;
        let mut line = String::new();
        let mut lines = BufReader::new(out);
        timeout(START_TIMEOUT, lines.read_line(&mut line))
            .await
            .context("the echo's broker was not ready in time")??;
        let Address { host, port } =
            serde_json::from_str(&line).context("the echo's broker did not start")?;
        Ok(Self { child, address: (host, port) })
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}
