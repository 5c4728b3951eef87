//! Where frames come from.
//!
//! Owns the trait that every camera stands behind, its one error, and the wait that a stop ends.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use super::frame::Frame;

/// A camera. Its calls block; it has a thread of its own.
pub trait FrameSource: Send {
    /// The next frame; waits for it within `pause`, a second at most. `None`: none came by then.
    ///
    /// # Errors
    /// The camera is gone or broken. The next call tries again from the start.
    fn next_frame(&mut self, pause: &Pause) -> Result<Option<Frame>, CameraError>;
}

/// A camera does not deliver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("camera {what}: {why}")]
pub struct CameraError {
    /// The device or file.
    pub what: String,
    /// Why, and what helps.
    pub why: String,
}

/// A wait that ends early when the camera is to stop.
#[derive(Debug)]
pub struct Pause(Receiver<()>);

impl Pause {
    /// Ends when the sender of `stop` is dropped.
    pub fn new(stop: Receiver<()>) -> Self {
        Self(stop)
    }

    /// Waits for `time`; true when the camera is to stop.
    pub fn stopped_within(&self, time: Duration) -> bool {
        !matches!(self.0.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}
