//! Drivers of a load-test lane: moved from the pacer's thread, and noting the very moment at which
//! the lamp changes, which is when a visitor knows the answer.
//!
//! The turnstile behind them is the real one. It calls its display before it does anything else
//! with an answer, so that no switch of tasks on our side is counted as the server's time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use shanmen_devices::hardware::{
    Barrier, Display, Hardware, PassageSensor, Reading, Scanner, Signal,
};
use shanmen_protocols::{device::Show, ids::Direction};
use tokio::sync::mpsc;

use crate::clock::Clock;

/// Readings that wait for a lane: a lane is given one visitor at a time.
const READINGS_MAX: usize = 2;

/// Signals that wait for a lane.
const SIGNALS_MAX: usize = 8;

/// The visitors' side of a lane's drivers.
#[derive(Clone, Debug)]
pub struct LaneDrivers {
    /// The scanner.
    pub readings: mpsc::Sender<Reading>,
    /// The light barriers.
    pub signals: mpsc::Sender<Signal>,
    shown_ns: Arc<AtomicU64>,
}

impl LaneDrivers {
    /// Drivers, and the side from which they are moved.
    pub fn new(clock: Clock) -> (Self, Hardware) {
        let (readings, readings_rx) = mpsc::channel(READINGS_MAX);
        let (signals, signals_rx) = mpsc::channel(SIGNALS_MAX);
        let shown_ns = Arc::new(AtomicU64::new(0));
        let hardware = Hardware {
            barrier: Box::new(StillBarrier),
            display: Box::new(StampingDisplay { clock, shown_ns: Arc::clone(&shown_ns) }),
            scanner: Box::new(QueueScanner(readings_rx)),
            sensor: Box::new(QueueSensor(signals_rx)),
        };
        (Self { readings, signals, shown_ns }, hardware)
    }

    /// When the last answer was shown, in nanoseconds of the clock.
    pub fn shown_ns(&self) -> u64 {
        self.shown_ns.load(Relaxed)
    }
}

struct StillBarrier;

impl Barrier for StillBarrier {
    fn open(&mut self, _direction: Direction) {}
    fn close(&mut self) {}
}

struct StampingDisplay {
    clock: Clock,
    shown_ns: Arc<AtomicU64>,
}

impl Display for StampingDisplay {
    fn show(&mut self, _show: &Show) {
        self.shown_ns.store(self.clock.ns(), Relaxed);
    }

    fn rest(&mut self) {}
}

struct QueueScanner(mpsc::Receiver<Reading>);

impl Scanner for QueueScanner {
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reading>> {
        self.0.poll_recv(cx)
    }
}

struct QueueSensor(mpsc::Receiver<Signal>);

impl PassageSensor for QueueSensor {
    fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        self.0.poll_recv(cx)
    }
}
