//! A camera as a scanner: a thread that takes frames and reads them.
//!
//! Owns the thread, and the pause after a failure. A camera that fails is a fault of its part until
//! frames come again; the thread goes on trying. Dropping the scanner ends the thread.

use std::{
    sync::mpsc::{SyncSender, sync_channel},
    task::{Context, Poll},
    thread,
    time::Duration,
};

use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::{
    decode::Decoder,
    source::{FrameSource, Pause},
};
use crate::{
    clock::Clock,
    drivers::{Fault, Sieve, SieveSettings, backoff::Backoff},
    hardware::{Reading, Scanner},
};

/// Readings that nobody has taken yet; more are dropped, since their holders are still there.
const READINGS_MAX: usize = 4;

/// A camera that reads QR codes.
#[derive(Debug)]
pub struct CameraScanner {
    readings: mpsc::Receiver<Reading>,
    /// Dropped with the scanner: that ends the thread.
    _stop: SyncSender<()>,
}

impl CameraScanner {
    /// Starts reading `source` on a thread of its own.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub fn start(
        source: Box<dyn FrameSource>,
        settings: SieveSettings,
        fault: Fault,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let (readings_tx, readings) = mpsc::channel(READINGS_MAX);
        let (stop, stopped) = sync_channel(0);
        let watching = Watching {
            source,
            sieve: Sieve::new(settings),
            fault,
            clock,
            readings: readings_tx,
            pause: Pause::new(stopped),
        };
        thread::Builder::new().name("camera".into()).spawn(|| watching.run())?;
        Ok(Self { readings, _stop: stop })
    }
}

impl Scanner for CameraScanner {
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reading>> {
        self.readings.poll_recv(cx)
    }
}

struct Watching {
    source: Box<dyn FrameSource>,
    sieve: Sieve,
    fault: Fault,
    clock: Clock,
    readings: mpsc::Sender<Reading>,
    pause: Pause,
}

impl Watching {
    fn run(mut self) {
        let mut decoder = Decoder::new();
        let mut backoff = Backoff::default();
        let mut silent = 0;
        while !self.pause.stopped_within(Duration::ZERO) {
            match self.source.next_frame(&self.pause) {
                Ok(Some(frame)) => {
                    silent = 0;
                    backoff.reset();
                    self.fault.clear();
                    if let Some(text) = decoder.read_live(&frame) {
                        self.deliver(&text);
                    }
                }
                Ok(None) => {
                    // One frame late is nothing; none for seconds is a camera that hangs.
                    silent += 1;
                    if silent == 3 {
                        self.fault.raise(&"the camera sends no frames: plug it in again");
                    }
                }
                Err(error) => {
                    self.fault.raise(&error);
                    if self.pause.stopped_within(backoff.next_pause()) {
                        return;
                    }
                }
            }
        }
        debug!("camera stopped");
    }

    fn deliver(&mut self, text: &str) {
        let Some(reading) = self.sieve.pass(self.clock.up_ms(), text) else { return };
        if self.readings.try_send(reading).is_err() {
            warn!("a reading of the camera was dropped: nobody takes them");
        }
    }
}
