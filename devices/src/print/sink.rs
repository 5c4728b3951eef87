//! Where a printer's bytes go: TCP port 9100, a serial port, a file.
//!
//! A sink only opens a stream; [`super::driver`] writes and reads it, with a timeout on each. It
//! refuses what cannot be opened, and says which.

use std::{fmt, future::Future, io, path::PathBuf, pin::Pin};

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};

/// The port on which network printers take raw bytes.
pub const RAW_PORT: u16 = 9100;

/// What is written to and read from.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An opening under way.
pub type Opening<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// Where bytes go.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Opens it; whoever calls gives it a time.
    fn open(&self) -> Opening<'_>;

    /// Whether a printer answers on it. A file does not: what is written there counts as printed.
    fn answers(&self) -> bool;
}

/// A sink of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "sink", rename_all = "snake_case", deny_unknown_fields)]
pub enum Place {
    /// A network printer.
    Tcp {
        /// `host:port`; the port of raw printing is 9100.
        address: String,
    },
    /// A printer on a serial line, 8 bits, no parity, 1 stop bit, hardware flow control.
    Serial {
        /// `/dev/ttyUSB0` or the like.
        path: PathBuf,
        /// Bits a second.
        #[serde(default = "baud_default")]
        baud: u32,
    },
    /// A file that each job is appended to, or a device file of the system's own printer driver
    /// (`/dev/usb/lp0`).
    File {
        /// Where.
        path: PathBuf,
    },
}

fn baud_default() -> u32 {
    115_200
}

impl Sink for Place {
    fn open(&self) -> Opening<'_> {
        Box::pin(async move {
            Ok(match self {
                Self::Tcp { address } => {
                    let stream = tokio::net::TcpStream::connect(address.as_str()).await?;
                    // Else a question of status waits for the answer to the one before it.
                    stream.set_nodelay(true)?;
                    Box::new(stream) as Box<dyn Stream>
                }
                Self::Serial { path, baud } => {
                    let baud = *baud;
                    let settings = move |mut settings: serial2_tokio::Settings| {
                        settings.set_raw();
                        settings.set_baud_rate(baud)?;
                        // A printer that is busy says so by its handshake line, or loses dots.
                        settings.set_flow_control(serial2_tokio::FlowControl::RtsCts);
                        Ok(settings)
                    };
                    Box::new(serial2_tokio::SerialPort::open(path, settings)?)
                }
                Self::File { path } => {
                    let mut options = tokio::fs::OpenOptions::new();
                    Box::new(options.append(true).create(true).open(path).await?)
                }
            })
        })
    }

    fn answers(&self) -> bool {
        !matches!(self, Self::File { .. })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_keeps_one_job_behind_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.bin");
        let place = Place::File { path: path.clone() };
        for job in [b"one", b"two"] {
            let mut stream = place.open().await.unwrap();
            stream.write_all(job).await.unwrap();
            stream.flush().await.unwrap();
        }
        assert_eq!(std::fs::read(path).unwrap(), b"onetwo");
    }
}
