//! Debian's mosquitto as a child process on a free port of the loopback.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use shanmen_devices::turnstile::BrokerAddress;
use tempfile::TempDir;

/// A broker that dies with its owner.
pub(crate) struct Broker {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Broker {
    /// Starts one; `None`, said plainly, where mosquitto is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/opt/homebrew/sbin"];
        let program = folders
            .iter()
            .map(|folder| PathBuf::from(folder).join("mosquitto"))
            .find(|p| p.exists());
        let Some(program) = program else {
            let all = std::env::var_os("SHANMEN_TEST_ALL").is_some();
            assert!(!all, "mosquitto is missing: apt-get install mosquitto");
            println!("skipped: no mosquitto");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n\
             set_tcp_nodelay true\nlog_dest none\n"
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let mut broker = Self { program, folder, port, child: None };
        broker.restart().await;
        Some(broker)
    }

    pub(crate) fn address(&self) -> BrokerAddress {
        BrokerAddress { host: "127.0.0.1".into(), port: self.port }
    }

    /// Kills it: no goodbye, nothing flushed.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it on the same port, and waits until it takes connections.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let up = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                // Nothing tells when a foreign process listens.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), up).await.expect("mosquitto starts");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
