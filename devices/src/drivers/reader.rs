//! A reader that works in a task: the scanner's side of it.

use std::task::{Context, Poll};

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::task::AbortOnDropHandle;

use crate::hardware::{Reading, Scanner};

/// Readings that nobody has taken yet. More are dropped: whoever stands there presents it again.
pub(crate) const READINGS_MAX: usize = 8;

/// The readings of a task; dropping it ends the task.
#[derive(Debug)]
pub struct Reader {
    readings: mpsc::Receiver<Reading>,
    _task: AbortOnDropHandle<()>,
}

impl Reader {
    pub(crate) fn new(readings: mpsc::Receiver<Reading>, task: JoinHandle<()>) -> Self {
        Self { readings, _task: AbortOnDropHandle::new(task) }
    }
}

impl Scanner for Reader {
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reading>> {
        self.readings.poll_recv(cx)
    }
}

/// Several readers of one lane as one: entry and exit side, codes and cards.
pub struct Readers(Vec<Box<dyn Scanner>>);

impl Readers {
    /// All of them, the first first.
    pub fn new(readers: Vec<Box<dyn Scanner>>) -> Self {
        Self(readers)
    }
}

impl Scanner for Readers {
    /// `Ready(None)` when all are gone for good.
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reading>> {
        let mut left = false;
        for reader in &mut self.0 {
            match reader.poll_reading(cx) {
                Poll::Ready(Some(reading)) => return Poll::Ready(Some(reading)),
                Poll::Ready(None) => {}
                Poll::Pending => left = true,
            }
        }
        if left { Poll::Pending } else { Poll::Ready(None) }
    }
}
