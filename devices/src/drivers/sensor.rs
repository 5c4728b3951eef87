//! A passage sensor that works in a task, and the one on a serial line.
//!
//! ```toml
//! [hardware.sensor]
//! driver = "serial-sensor"
//! port = "/dev/ttyS2"
//! baud = 9600
//! end = "line"            # as with serial-qr
//! passed_in = "IN"        # the words of the counter; each may be left out
//! passed_out = "OUT"
//! turned_back_in = "BACK-IN"
//! turned_back_out = "BACK-OUT"
//! ```
//!
//! A counter of the trade sends a word for each passage; the words are in its manual. What is none
//! of them is noise.

use std::{
    io,
    task::{Context, Poll},
};

use shanmen_protocols::ids::Direction;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_serial::SerialStream;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::{
    fault::Fault,
    framer::{End, Framer},
    section::{ConfigError, Section},
    serial::{LineSettings, Talk, Works, keep, read_some},
};
use crate::{
    clock::Clock,
    hardware::{PassageSensor, Signal},
};

/// Signals that the lane has not taken yet: a lane takes them at once, or is gone.
pub(crate) const SIGNALS_MAX: usize = 64;

/// The signals of a task; dropping it ends the task.
#[derive(Debug)]
pub struct Sensing {
    signals: mpsc::Receiver<Signal>,
    _task: AbortOnDropHandle<()>,
}

impl Sensing {
    pub(crate) fn new(signals: mpsc::Receiver<Signal>, task: JoinHandle<()>) -> Self {
        Self { signals, _task: AbortOnDropHandle::new(task) }
    }
}

impl PassageSensor for Sensing {
    fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        self.signals.poll_recv(cx)
    }
}

/// What the serial sensor is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialSensor {
    line: LineSettings,
    end: End,
    words: Vec<(String, Signal)>,
}

impl SerialSensor {
    pub(super) fn take(section: &mut Section) -> Result<Self, ConfigError> {
        let mut words = Vec::new();
        for (key, signal) in [
            ("passed_in", Signal::Passed(Direction::In)),
            ("passed_out", Signal::Passed(Direction::Out)),
            ("turned_back_in", Signal::TurnedBack(Direction::In)),
            ("turned_back_out", Signal::TurnedBack(Direction::Out)),
        ] {
            if let Some(word) = section.get::<String>(key)? {
                words.push((word, signal));
            }
        }
        if words.is_empty() {
            return Err(ConfigError {
                at: section.at().to_owned(),
                why: "no word is known: add passed_in = \"IN\", as the counter's manual says"
                    .into(),
            });
        }
        Ok(Self { line: LineSettings::take(section, 9_600)?, end: End::take(section)?, words })
    }

    /// Starts it on the current runtime.
    pub fn start(self, fault: Fault, clock: Clock) -> Sensing {
        let (signals_tx, signals) = mpsc::channel(SIGNALS_MAX);
        let counting = Counting { end: self.end, words: self.words, clock, signals: signals_tx };
        Sensing::new(signals, tokio::spawn(keep(self.line, fault, counting)))
    }
}

struct Counting {
    end: End,
    words: Vec<(String, Signal)>,
    clock: Clock,
    signals: mpsc::Sender<Signal>,
}

impl Talk for Counting {
    async fn talk(&mut self, mut line: SerialStream, works: &mut Works) -> io::Error {
        works.works();
        let mut framer = Framer::new(self.end);
        let mut buffer = [0; 256];
        let mut heard = Vec::new();
        loop {
            let until = framer.wake_at_ms().map(|at_ms| self.clock.instant_at(at_ms));
            match read_some(&mut line, &mut buffer, until).await {
                Ok(Some(len)) => framer.push(self.clock.up_ms(), &buffer[..len], &mut heard),
                Ok(None) => framer.tick(self.clock.up_ms(), &mut heard),
                Err(error) => return error,
            }
            for word in heard.drain(..) {
                self.deliver(&word);
            }
        }
    }
}

impl Counting {
    fn deliver(&self, frame: &[u8]) {
        let word = frame.trim_ascii();
        let Some((_, signal)) = self.words.iter().find(|(known, _)| known.as_bytes() == word)
        else {
            debug!(bytes = word.len(), "noise on the sensor's line");
            return;
        };
        if self.signals.try_send(*signal).is_err() {
            warn!(?signal, "a passage was not taken: nobody counts");
        }
    }
}
