//! A scanner on a serial line: whatever it reads comes as text, one frame a code.
//!
//! ```toml
//! [hardware.scanner]
//! driver = "serial-qr"
//! port = "/dev/ttyS1"     # or /dev/serial/by-id/…: that name survives another socket
//! baud = 9600             # the default
//! end = "line"            # line (CR, LF or both), cr, lf, stx-etx, gap
//! gap_ms = 50             # with gap: a code ends when nothing came for so long
//! repeat_ms = 2000        # the same code again within this is the same presentation
//! undouble = false        # true where the scanner sends each code twice in one line
//! strip_prefix = ""       # what the scanner puts before each code
//! credential = "qr"       # qr, barcode, rfid, id_card, face, exchange_code
//! direction = "in"        # in or out
//! ```
//!
//! A scanner that breaks long codes into lines is read with `end = "gap"`: breaks are left out of
//! the code. What is not UTF-8 is noise.

use std::io;

use tokio::sync::mpsc;
use tokio_serial::SerialStream;
use tracing::{debug, warn};

use super::{
    fault::Fault,
    framer::{End, Framer},
    reader::{READINGS_MAX, Reader},
    section::{ConfigError, Section},
    serial::{LineSettings, Talk, Works, keep, read_some},
    sieve::{Sieve, SieveSettings},
};
use crate::{clock::Clock, hardware::Reading};

/// What the scanner is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialQr {
    line: LineSettings,
    end: End,
    sieve: SieveSettings,
}

impl SerialQr {
    pub(super) fn take(section: &mut Section) -> Result<Self, ConfigError> {
        Ok(Self {
            line: LineSettings::take(section, 9_600)?,
            end: End::take(section)?,
            sieve: SieveSettings::take(section)?,
        })
    }

    /// Starts it on the current runtime.
    pub fn start(self, fault: Fault, clock: Clock) -> Reader {
        let (readings_tx, readings) = mpsc::channel(READINGS_MAX);
        let talk = Listening {
            framer: Framer::new(self.end),
            end: self.end,
            sieve: Sieve::new(self.sieve),
            clock,
            readings: readings_tx,
        };
        Reader::new(readings, tokio::spawn(keep(self.line, fault, talk)))
    }
}

struct Listening {
    framer: Framer,
    end: End,
    sieve: Sieve,
    clock: Clock,
    readings: mpsc::Sender<Reading>,
}

impl Talk for Listening {
    async fn talk(&mut self, mut line: SerialStream, works: &mut Works) -> io::Error {
        // What came before the line broke has no end any more.
        self.framer = Framer::new(self.end);
        works.works();
        let mut buffer = [0; 512];
        let mut frames = Vec::new();
        loop {
            let until = self.framer.wake_at_ms().map(|at_ms| self.clock.instant_at(at_ms));
            let read = match read_some(&mut line, &mut buffer, until).await {
                Ok(read) => read,
                Err(error) => return error,
            };
            let now_ms = self.clock.up_ms();
            match read {
                Some(len) => self.framer.push(now_ms, &buffer[..len], &mut frames),
                None => self.framer.tick(now_ms, &mut frames),
            }
            for frame in frames.drain(..) {
                self.deliver(now_ms, &frame);
            }
        }
    }
}

impl Listening {
    fn deliver(&mut self, now_ms: u64, frame: &[u8]) {
        let Ok(text) = std::str::from_utf8(frame) else {
            debug!(bytes = frame.len(), "noise on the scanner's line");
            return;
        };
        let Some(reading) = self.sieve.pass(now_ms, text) else { return };
        if self.readings.try_send(reading).is_err() {
            warn!("a reading was dropped: nobody takes them");
        }
    }
}
