//! Virtual drivers: they record what they were told, and are moved from the visitors' side.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use shanmen_protocols::{device::Show, ids::Direction};
use tokio::sync::mpsc;

use crate::{
    hardware::{Barrier, Display, Hardware, PassageSensor, Reading, Scanner, Signal},
    turnstile::Stopped,
};

/// Signals that wait for the lane; a group's walkers wait when it is full.
const SIGNALS_MAX: usize = 64;

/// Readings that wait for the lane.
const READINGS_MAX: usize = 4;

/// What the virtual drivers did.
#[derive(Debug, Default)]
pub struct DriverRecord {
    openings: AtomicU64,
    open: AtomicBool,
    shows: AtomicU64,
    last_show: Mutex<Option<Show>>,
}

impl DriverRecord {
    /// How often the barrier was opened.
    pub fn openings(&self) -> u64 {
        self.openings.load(Relaxed)
    }

    /// Whether the barrier is open now.
    pub fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// How often something was shown.
    pub fn shows(&self) -> u64 {
        self.shows.load(Relaxed)
    }

    /// What is shown now; `None` at rest.
    pub fn shown(&self) -> Option<Show> {
        self.last_show.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_shown(&self, show: Option<Show>) {
        *self.last_show.lock().unwrap_or_else(PoisonError::into_inner) = show;
    }
}

struct VirtualBarrier(Arc<DriverRecord>);

impl Barrier for VirtualBarrier {
    fn open(&mut self, _direction: Direction) {
        self.0.openings.fetch_add(1, Relaxed);
        self.0.open.store(true, Relaxed);
    }

    fn close(&mut self) {
        self.0.open.store(false, Relaxed);
    }
}

struct VirtualDisplay(Arc<DriverRecord>);

impl Display for VirtualDisplay {
    fn show(&mut self, show: &Show) {
        self.0.shows.fetch_add(1, Relaxed);
        self.0.set_shown(Some(show.clone()));
    }

    fn rest(&mut self) {
        self.0.set_shown(None);
    }
}

struct VirtualScanner(mpsc::Receiver<Reading>);

impl Scanner for VirtualScanner {
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reading>> {
        self.0.poll_recv(cx)
    }
}

struct VirtualSensor(mpsc::Receiver<Signal>);

impl PassageSensor for VirtualSensor {
    fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        self.0.poll_recv(cx)
    }
}

/// The visitors' side of virtual drivers.
#[derive(Debug)]
pub struct VirtualLane {
    readings: mpsc::Sender<Reading>,
    signals: mpsc::Sender<Signal>,
    record: Arc<DriverRecord>,
}

impl VirtualLane {
    /// Virtual drivers, and the side from which they are moved.
    pub fn new() -> (Self, Hardware) {
        let (readings, readings_rx) = mpsc::channel(READINGS_MAX);
        let (signals, signals_rx) = mpsc::channel(SIGNALS_MAX);
        let record = Arc::new(DriverRecord::default());
        let hardware = Hardware {
            barrier: Box::new(VirtualBarrier(Arc::clone(&record))),
            display: Box::new(VirtualDisplay(Arc::clone(&record))),
            scanner: Box::new(VirtualScanner(readings_rx)),
            sensor: Box::new(VirtualSensor(signals_rx)),
        };
        (Self { readings, signals, record }, hardware)
    }

    /// What the drivers did.
    pub fn record(&self) -> &DriverRecord {
        &self.record
    }

    /// Whether nobody reads the drivers any more.
    pub fn is_gone(&self) -> bool {
        self.readings.is_closed()
    }

    /// The scanner reads something.
    pub async fn scan(&self, reading: Reading) -> Result<(), Stopped> {
        self.readings.send(reading).await.map_err(|_gone| Stopped)
    }

    /// The light barriers see something.
    pub async fn sense(&self, signal: Signal) -> Result<(), Stopped> {
        self.signals.send(signal).await.map_err(|_gone| Stopped)
    }
}
