//! A scanner that types like a keyboard (USB-HID), read from its event device.
//!
//! ```toml
//! [hardware.scanner]
//! driver = "usb-hid"
//! device = "/dev/input/by-id/usb-…-event-kbd"
//! gap_ms = 200            # a line without Enter ends when nothing was typed for so long
//! repeat_ms = 2000        # and undouble, strip_prefix, credential, direction as with serial-qr
//! ```
//!
//! The device is grabbed: nothing it types reaches a console, a login prompt or an input method. It
//! may come and go; while it is gone, that is a fault. This user has to be in the group `input`.

use std::{io, path::PathBuf, time::Duration};

use evdev::EventSummary;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tracing::warn;

use super::{
    backoff::Backoff,
    fault::Fault,
    keys::Keys,
    reader::{READINGS_MAX, Reader},
    section::{ConfigError, Section},
    sieve::{Sieve, SieveSettings},
};
use crate::{clock::Clock, hardware::Reading};

/// Which device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hid {
    device: PathBuf,
    gap: Duration,
    sieve: SieveSettings,
}

impl Hid {
    pub(super) fn take(section: &mut Section) -> Result<Self, ConfigError> {
        Ok(Self {
            device: section.need("device", "\"/dev/input/by-id/…-event-kbd\"")?,
            gap: Duration::from_millis(section.within("gap_ms", 200, 20..=5_000)?),
            sieve: SieveSettings::take(section)?,
        })
    }

    /// Starts it on the current runtime.
    pub fn start(self, fault: Fault, clock: Clock) -> Reader {
        let (readings_tx, readings) = mpsc::channel(READINGS_MAX);
        let listening =
            Listening { sieve: Sieve::new(self.sieve.clone()), clock, readings: readings_tx };
        Reader::new(readings, tokio::spawn(self.keep(fault, listening)))
    }

    async fn keep(self, fault: Fault, mut listening: Listening) {
        let mut backoff = Backoff::default();
        loop {
            let error = match self.open() {
                Ok(events) => {
                    fault.clear();
                    backoff.reset();
                    listening.listen(events, self.gap).await
                }
                Err(error) => error,
            };
            let device = self.device.display();
            fault.raise(&format_args!(
                "{device}: {error}: is it plugged in, and may this user read it (group input)?"
            ));
            sleep(backoff.next_pause()).await;
        }
    }

    fn open(&self) -> io::Result<evdev::EventStream> {
        let mut device = evdev::Device::open(&self.device)?;
        device.grab()?;
        device.into_event_stream()
    }
}

struct Listening {
    sieve: Sieve,
    clock: Clock,
    readings: mpsc::Sender<Reading>,
}

impl Listening {
    async fn listen(&mut self, mut events: evdev::EventStream, gap: Duration) -> io::Error {
        let mut keys = Keys::new();
        loop {
            let event = if keys.is_typing() {
                timeout(gap, events.next_event()).await
            } else {
                Ok(events.next_event().await)
            };
            let line = match event {
                Ok(Ok(event)) => match event.destructure() {
                    EventSummary::Key(_, key, value) => keys.key(key.code(), value),
                    _ => None,
                },
                Ok(Err(error)) => return error,
                Err(_silent) => keys.take(),
            };
            if let Some(line) = line {
                self.deliver(&line);
            }
        }
    }

    fn deliver(&mut self, line: &str) {
        let Some(reading) = self.sieve.pass(self.clock.up_ms(), line) else { return };
        if self.readings.try_send(reading).is_err() {
            warn!("a reading was dropped: nobody takes them");
        }
    }
}
