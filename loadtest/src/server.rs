//! A server process of the load test's own: `shanmen serve` with its park, a data folder that goes
//! away with it, and free ports.
//!
//! It knows the program by its command line and the two files of its data folder. It ends the
//! process in order, and takes note when that fails.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{
    clock,
    park::{self, Size},
};

/// How long the server may take to be ready: millions of tickets are read then.
const START_TIMEOUT: Duration = Duration::from_mins(5);

/// How long it may take to stop in order.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of the server's log is told when something fails, in bytes.
const LOG_TOLD_BYTES: usize = 2_000;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Addresses {
    /// `host:port` of the API.
    pub http: String,
    /// `host:port` of the broker.
    pub mqtt: String,
}

/// The first login.
#[derive(Clone, Deserialize)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// How a server process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGTERM: it stops in order.
    InOrder,
    /// SIGKILL: a power cut of the process.
    Killed,
}

/// A running server process. Dropping it ends it the hard way.
pub struct Server {
    child: Child,
    program: PathBuf,
    folder: TempDir,
    broker: Option<String>,
    /// How long it took from its start until it was ready, the last time.
    pub started_in: Duration,
    /// Where it listens.
    pub addresses: Addresses,
    /// Its first login.
    pub login: Login,
}

/// The server's program: `SHANMEN_BIN`, or `shanmen` beside this one; `None` when there is none.
pub fn program() -> Option<PathBuf> {
    if let Some(named) = env::var_os("SHANMEN_BIN") {
        return Some(PathBuf::from(named));
    }
    let own = env::current_exe().ok()?;
    let name = format!("shanmen{}", env::consts::EXE_SUFFIX);
    // A test's own program lies one folder deeper.
    let folders = own.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join(&name)).find(|path| path.is_file())
}

impl Server {
    /// Starts `program` with a park of this size, and waits until it is ready. `broker`: an outside
    /// one, as `mqtt://user:password@host:1883`, in place of its own.
    pub async fn start(program: &Path, size: &Size, broker: Option<&str>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("shanmen-loadtest-").tempdir()?;
        fs::write(folder.path().join("park.toml"), park::config(size, clock::unix_s()))?;
        let nowhere = Addresses { http: "127.0.0.1:0".to_owned(), mqtt: "127.0.0.1:0".to_owned() };
        let child = spawn(program, folder.path(), &nowhere, broker)?;
        let mut server = Self {
            child,
            program: program.to_owned(),
            folder,
            broker: broker.map(str::to_owned),
            started_in: Duration::ZERO,
            addresses: nowhere,
            login: Login { user: String::new(), password: String::new() },
        };
        server.wait_ready().await?;
        Ok(server)
    }

    /// Ends it, and starts it again on the same folder and ports; waits until it is ready.
    pub async fn restart(&mut self, how: End) -> anyhow::Result<()> {
        self.end(how).await?;
        // What the last start wrote would be taken for this one's.
        fs::remove_file(self.folder.path().join("data/addresses.json")).ok();
        let (folder, broker) = (self.folder.path(), self.broker.as_deref());
        self.child = spawn(&self.program, folder, &self.addresses, broker)?;
        self.wait_ready().await
    }

    async fn end(&mut self, how: End) -> anyhow::Result<ExitStatus> {
        if how == End::Killed {
            self.child.kill().await?;
            return Ok(self.child.wait().await?);
        }
        let Some(pid) = self.child.id() else { return Ok(self.child.wait().await?) };
        // The standard library knows no SIGTERM.
        let told = Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await;
        if !told.is_ok_and(|status| status.success()) {
            self.child.start_kill()?;
        }
        if let Ok(status) = timeout(STOP_TIMEOUT, self.child.wait()).await {
            return Ok(status?);
        }
        self.child.kill().await?;
        bail!("the server did not stop within {} s", STOP_TIMEOUT.as_secs())
    }

    async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let data = self.folder.path().join("data");
        let begun = clock::Clock::start();
        let started = timeout(START_TIMEOUT, self.ready(&data)).await;
        let started = started.unwrap_or_else(|_| Err(anyhow::anyhow!("it was not ready in time")));
        started.with_context(|| self.last_words())?;
        self.started_in = Duration::from_nanos(begun.ns());
        Ok(())
    }

    async fn ready(&mut self, data: &Path) -> anyhow::Result<()> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at its start: {status}");
            }
            if let Ok(text) = fs::read(data.join("addresses.json")) {
                self.addresses = serde_json::from_slice(&text).context("addresses.json")?;
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        let text = fs::read(data.join("first-login.json")).context("first-login.json")?;
        self.login = serde_json::from_slice(&text).context("first-login.json")?;
        Ok(())
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let text = fs::read(self.folder.path().join("server.log")).unwrap_or_default();
        let from = text.len().saturating_sub(LOG_TOLD_BYTES);
        format!("the server's log ends:\n{}", String::from_utf8_lossy(&text[from..]))
    }

    /// How many lines of its log are warnings or errors.
    pub fn warnings(&self) -> usize {
        let text = fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
        text.lines().filter(|line| line.contains(" WARN ") || line.contains("ERROR ")).count()
    }

    /// Stops it in order; tells how it ended.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        self.end(End::InOrder).await
    }
}

fn spawn(
    program: &Path,
    folder: &Path,
    addresses: &Addresses,
    broker: Option<&str>,
) -> anyhow::Result<Child> {
    let log = fs::File::options().create(true).append(true).open(folder.join("server.log"))?;
    let mut command = Command::new(program);
    command
        .arg("serve")
        .arg("--config")
        .arg(folder.join("park.toml"))
        .arg("--data")
        .arg(folder.join("data"))
        .args(["--http", &addresses.http])
        .args(match broker {
            Some(url) => ["--broker", url],
            None => ["--mqtt", &addresses.mqtt],
        })
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true);
    if env::var_os("RUST_LOG").is_none() {
        command.env("RUST_LOG", "warn");
    }
    command.spawn().with_context(|| format!("cannot start {}", program.display()))
}
