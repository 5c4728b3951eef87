//! Which parts of the hardware do not work at present.
//!
//! Owns one board of faults, shared by all drivers of a device; it holds the state, not a queue,
//! so that nothing is lost and nothing grows. A driver raises and clears the fault of its own part;
//! the device's agent watches the board and raises `alarm fault`.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::hardware::{PassageSensor, Signal};

/// The parts that do not work now, each with why.
pub type Faults = BTreeMap<&'static str, String>;

/// The board that all drivers of a device write on.
#[derive(Clone, Debug)]
pub struct FaultBoard {
    faults: Arc<watch::Sender<Faults>>,
}

impl FaultBoard {
    /// A board without faults.
    pub fn new() -> Self {
        Self { faults: Arc::new(watch::Sender::new(Faults::new())) }
    }

    /// What is written on it, now and after each change.
    pub fn watch(&self) -> watch::Receiver<Faults> {
        self.faults.subscribe()
    }

    /// What is written on it after each change, for a task that polls; several changes in a row
    /// may come as one. Needs a runtime.
    pub fn changes(&self) -> mpsc::Receiver<Faults> {
        let (changes_tx, changes) = mpsc::channel(1);
        let mut watched = self.watch();
        tokio::spawn(async move {
            while watched.changed().await.is_ok() {
                let faults = watched.borrow_and_update().clone();
                if changes_tx.send(faults).await.is_err() {
                    return;
                }
            }
        });
        changes
    }

    /// The line of one part.
    pub fn part(&self, part: &'static str) -> Fault {
        Fault { part, board: self.clone() }
    }
}

impl Default for FaultBoard {
    fn default() -> Self {
        Self::new()
    }
}

/// A lane's sensor that also tells when something is written on the board: the lane raises the
/// alarm.
pub struct Watching {
    sensor: Box<dyn PassageSensor>,
    changes: mpsc::Receiver<Faults>,
    gone: bool,
    told: bool,
}

impl Watching {
    /// Watches the board beside a sensor. Needs a runtime.
    pub fn new(sensor: Box<dyn PassageSensor>, board: &FaultBoard) -> Self {
        let told = false;
        Self { sensor, changes: board.changes(), gone: false, told }
    }
}

impl PassageSensor for Watching {
    fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        if !self.gone {
            match self.sensor.poll_signal(cx) {
                Poll::Ready(None) => self.gone = true,
                Poll::Ready(signal) => return Poll::Ready(signal),
                Poll::Pending => {}
            }
        }
        loop {
            match self.changes.poll_recv(cx) {
                Poll::Ready(Some(faults)) if self.told == faults.is_empty() => {
                    self.told = !self.told;
                    return Poll::Ready(Some(Signal::Fault(self.told)));
                }
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// One part's line on the board.
#[derive(Clone, Debug)]
pub struct Fault {
    part: &'static str,
    board: FaultBoard,
}

impl Fault {
    /// The part does not work. Said again with another reason, the first one stays: it came first.
    pub fn raise(&self, why: &dyn std::fmt::Display) {
        self.board.faults.send_if_modified(|faults| {
            let is_new = !faults.contains_key(self.part);
            if is_new {
                warn!(part = self.part, %why, "hardware fault");
                faults.insert(self.part, why.to_string());
            }
            is_new
        });
    }

    /// The part works.
    pub fn clear(&self) {
        self.board.faults.send_if_modified(|faults| {
            let was = faults.remove(self.part).is_some();
            if was {
                info!(part = self.part, "hardware works again");
            }
            was
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_lane_is_told_when_a_part_fails_and_when_all_work() {
        struct Nothing;
        impl PassageSensor for Nothing {
            fn poll_signal(&mut self, _cx: &mut Context<'_>) -> Poll<Option<Signal>> {
                Poll::Pending
            }
        }
        let board = FaultBoard::new();
        let mut watching = Watching::new(Box::new(Nothing), &board);
        let mut next = async || poll_fn(|cx| watching.poll_signal(cx)).await;
        let (scanner, relay) = (board.part("scanner"), board.part("barrier"));
        scanner.raise(&"unplugged");
        assert_eq!(next().await, Some(Signal::Fault(true)));
        relay.raise(&"silent");
        scanner.clear();
        tokio::task::yield_now().await;
        relay.clear();
        assert_eq!(next().await, Some(Signal::Fault(false)));
    }

    #[test]
    fn a_fault_stands_until_its_own_part_works() {
        let board = FaultBoard::new();
        let mut watched = board.watch();
        let (scanner, relay) = (board.part("scanner"), board.part("barrier"));
        scanner.raise(&"gone");
        scanner.raise(&"still gone");
        relay.clear();
        assert_eq!(*watched.borrow_and_update(), Faults::from([("scanner", "gone".to_owned())]));
        scanner.clear();
        assert!(watched.has_changed().unwrap());
        assert!(watched.borrow_and_update().is_empty());
        scanner.clear();
        assert!(!watched.has_changed().unwrap(), "nothing new was said");
    }
}
