//! A serial port that is kept open.
//!
//! Owns opening it, and opening it again when its adapter was unplugged or the line broke: after a
//! pause, longer each time within bounds, with a fault on the board meanwhile. It knows nothing of
//! what is said on the line; each serial driver hands in its own [`Talk`].

use std::{future::Future, io, path::PathBuf};

use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, sleep, sleep_until},
};
use tokio_serial::{DataBits, Parity, SerialPortBuilderExt as _, SerialStream, StopBits};

use super::{
    backoff::Backoff,
    fault::Fault,
    section::{ConfigError, Section},
};

/// How a line is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineSettings {
    port: PathBuf,
    baud: u32,
    parity: Parity,
    stop_bits: StopBits,
}

impl LineSettings {
    /// Its keys in a driver's section: `port`, `baud`, `parity`, `stop_bits`; eight data bits.
    pub(crate) fn take(section: &mut Section, baud: u64) -> Result<Self, ConfigError> {
        let port = section.need("port", "\"/dev/ttyS1\"")?;
        let baud = section.within("baud", baud, 300..=4_000_000)?;
        let parity = match section.or("parity", String::from("none"))?.as_str() {
            "none" => Parity::None,
            "even" => Parity::Even,
            "odd" => Parity::Odd,
            _ => return Err(section.wrong("parity", "one of none, even and odd is wanted")),
        };
        let stop_bits = match section.within("stop_bits", 1, 1..=2)? {
            1 => StopBits::One,
            _ => StopBits::Two,
        };
        Ok(Self { port, baud: u32::try_from(baud).unwrap_or(9_600), parity, stop_bits })
    }

    fn open(&self) -> Result<SerialStream, String> {
        tokio_serial::new(self.port.to_string_lossy(), self.baud)
            .data_bits(DataBits::Eight)
            .parity(self.parity)
            .stop_bits(self.stop_bits)
            .open_native_async()
            .map_err(|error| {
                let port = self.port.display();
                format!("{port}: {error}: is it plugged in, and may this user open it (dialout)?")
            })
    }
}

/// What a driver does with its open port.
pub(crate) trait Talk: Send {
    /// Talks until the line breaks; says why. Calls [`Works::works`] when the other side is there.
    fn talk(
        &mut self,
        line: SerialStream,
        works: &mut Works,
    ) -> impl Future<Output = io::Error> + Send;
}

/// Where a driver says that its hardware answers.
#[derive(Debug)]
pub(crate) struct Works {
    fault: Fault,
    backoff: Backoff,
}

impl Works {
    /// It answers: no fault any more.
    pub(crate) fn works(&mut self) {
        self.fault.clear();
        self.backoff.reset();
    }

    /// It does not answer, though the port is open.
    pub(crate) fn silent(&self, why: &dyn std::fmt::Display) {
        self.fault.raise(why);
    }
}

/// Keeps the port open and talks, for ever.
pub(crate) async fn keep(settings: LineSettings, fault: Fault, mut talk: impl Talk) {
    let mut works = Works { fault, backoff: Backoff::default() };
    loop {
        let error = match settings.open() {
            Ok(line) => {
                let error = talk.talk(line, &mut works).await;
                format!("{}: {error}", settings.port.display())
            }
            Err(error) => error,
        };
        works.fault.raise(&error);
        sleep(works.backoff.next_pause()).await;
    }
}

/// Reads what there is; an error also when the other side is gone. `None` when nothing came by
/// `until`.
pub(crate) async fn read_some(
    line: &mut SerialStream,
    buffer: &mut [u8],
    until: Option<Instant>,
) -> io::Result<Option<usize>> {
    let late = async {
        match until {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        read = line.read(buffer) => match read? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the adapter is gone")),
            len => Ok(Some(len)),
        },
        () = late => Ok(None),
    }
}
