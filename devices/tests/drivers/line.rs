//! A serial line without a cable: a pseudo-terminal under a name that can be unplugged.

use std::{path::PathBuf, time::Duration};

use shanmen_devices::{
    clock::Clock,
    drivers::{FaultBoard, Faults, Parts, from_config},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::watch,
    time::timeout,
};
use tokio_serial::{SerialPort as _, SerialStream};

pub(crate) const SOON: Duration = Duration::from_secs(10);

/// The place where an adapter is plugged in.
pub(crate) struct Socket {
    folder: tempfile::TempDir,
}

/// The hardware's end of a plugged-in adapter.
pub(crate) struct Plugged {
    pub(crate) line: SerialStream,
    /// Keeps the driver's end alive while the driver has not opened it yet.
    _other: std::fs::File,
    name: PathBuf,
}

impl Socket {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn port(&self) -> PathBuf {
        self.folder.path().join("tty")
    }

    pub(crate) fn plug(&self) -> Plugged {
        let (line, other) = SerialStream::pair().unwrap();
        let name = other.name().unwrap();
        // Not locked, as a serial port of the library would be.
        let held = std::fs::OpenOptions::new().read(true).write(true).open(&name).unwrap();
        std::os::unix::fs::symlink(name, self.port()).unwrap();
        Plugged { line, _other: held, name: self.port() }
    }
}

impl Plugged {
    /// The cable is pulled.
    pub(crate) fn unplug(self) {
        std::fs::remove_file(&self.name).unwrap();
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.line.write_all(bytes).await.unwrap();
        self.line.flush().await.unwrap();
    }

    /// Exactly so many bytes from the driver.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        timeout(SOON, self.line.read_exact(&mut bytes))
            .await
            .expect("the driver says something")
            .unwrap();
        bytes
    }
}

/// Starts what `section` says; `PORT` in it stands for the socket's port.
pub(crate) fn start(socket: &Socket, section: &str) -> (Parts, watch::Receiver<Faults>) {
    let text = section.replace("PORT", &socket.port().display().to_string());
    let board = FaultBoard::new();
    let parts = from_config(&text.parse().unwrap(), &board, &Clock::default()).unwrap();
    (parts, board.watch())
}

/// Waits for a fault of `part`; its reason.
pub(crate) async fn fault(faults: &mut watch::Receiver<Faults>, part: &str) -> String {
    let found = timeout(SOON, faults.wait_for(|faults| faults.contains_key(part)));
    found.await.expect("a fault").unwrap()[part].clone()
}

pub(crate) async fn no_fault(faults: &mut watch::Receiver<Faults>) {
    timeout(SOON, faults.wait_for(Faults::is_empty)).await.expect("it works again").unwrap();
}
