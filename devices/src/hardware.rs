//! The driver traits of a turnstile: what it moves, shows, reads and senses.
//!
//! A driver decides nothing. Readers are polled, not awaited: a poll that returns `Pending` has
//! taken nothing, so that no reading is lost when the task turns to something else. Virtual
//! drivers are in [`crate::virtual_lane`]; real ones (relay, serial or HID scanner, light
//! barriers) stand behind the same traits.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use shanmen_protocols::{
    device::{Confirm, Credential, Decision, Show},
    ids::Direction,
};
use tokio::sync::{mpsc, oneshot};

use crate::lane::{Answer, Ended};

/// The arms, flaps or relay. A call returns at once; the motor takes its time.
pub trait Barrier: Send {
    /// Lets people through in `direction` until [`Barrier::close`].
    fn open(&mut self, direction: Direction);
    /// Lets nobody through. Closing a closed barrier does nothing.
    fn close(&mut self);
    /// Lets everybody through, both ways, until [`Barrier::close`]: an emergency, or mode `free`.
    fn release(&mut self) {
        self.open(Direction::In);
        self.open(Direction::Out);
    }
}

/// The display, the lamp and the voice.
pub trait Display: Send {
    /// Shows and says it.
    fn show(&mut self, show: &Show);
    /// Back to the resting picture.
    fn rest(&mut self);
}

/// What reads credentials.
pub trait Scanner: Send {
    /// The next reading; `Ready(None)` when the scanner is gone for good.
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reading>>;
}

/// What sees people in the lane.
pub trait PassageSensor: Send {
    /// The next signal; `Ready(None)` when the sensor is gone for good.
    fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Option<Signal>>;
}

/// A light barrier of the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beam {
    /// On the outer side.
    A,
    /// On the inner side.
    B,
}

/// What the hardware saw. What it means (a passage, tailgating, force) is the lane's judgement,
/// since it depends on whether the barrier was open, and for whom.
///
/// Hardware that counts people by itself says [`Signal::Passed`] and [`Signal::TurnedBack`]; plain
/// light barriers say [`Signal::Beam`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// One person went all the way through.
    Passed(Direction),
    /// One person stepped in and came back out on the same side.
    TurnedBack(Direction),
    /// A light barrier was broken, or is clear again.
    Beam {
        /// Which.
        beam: Beam,
        /// Broken, or clear.
        broken: bool,
    },
    /// The fire input: on opens every way, whatever anybody orders.
    Fire(bool),
    /// Somebody climbs over.
    Climb,
    /// The motor does not get where it should, or does again.
    Jam(bool),
    /// The housing is open, or closed again.
    Tamper(bool),
    /// A part of the hardware does not answer, or all of them do again.
    Fault(bool),
}

/// A credential that was read.
#[derive(Debug)]
pub struct Reading {
    /// What was presented.
    pub credential: Credential,
    /// Which way its holder wants to go.
    pub direction: Direction,
    /// What was confirmed since an earlier `more`.
    pub confirm: Option<Confirm>,
    /// Who wants to know what came of it; a real scanner has nobody.
    pub watcher: Option<Watcher>,
}

/// Told what came of one reading. Either side may go away without harm.
#[derive(Debug)]
pub struct Watcher {
    /// Told the answer, once; dropped unused when the lane was not free.
    pub answered: oneshot::Sender<Answered>,
    /// Told how it ended, once.
    pub ended: oneshot::Sender<Ended>,
    /// The trial of a bad network: the scan goes out twice at once, and every decision about it is
    /// told here. None: it goes out once.
    pub twice: Option<mpsc::Sender<Decision>>,
}

/// The answer to a reading, and how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answer, the control plane's or the lane's own.
    pub answer: Answer,
    /// From the first sending to the answer; from the reading when nothing was sent.
    pub latency: Duration,
}

/// The drivers of one turnstile.
pub struct Hardware {
    /// The arms, flaps or relay.
    pub barrier: Box<dyn Barrier>,
    /// The display, the lamp and the voice.
    pub display: Box<dyn Display>,
    /// What reads credentials.
    pub scanner: Box<dyn Scanner>,
    /// What sees people in the lane.
    pub sensor: Box<dyn PassageSensor>,
}

/// One thing that the hardware noticed.
pub(crate) enum Noticed {
    Reading(Reading),
    Signal(Signal),
}

impl Hardware {
    /// The next thing noticed. A reader that is gone stays silent; the lane lives on.
    pub(crate) fn poll_noticed(&mut self, cx: &mut Context<'_>) -> Poll<Noticed> {
        // People first: a passage belongs to the grant before the next reading.
        if let Poll::Ready(Some(signal)) = self.sensor.poll_signal(cx) {
            return Poll::Ready(Noticed::Signal(signal));
        }
        if let Poll::Ready(Some(reading)) = self.scanner.poll_reading(cx) {
            return Poll::Ready(Noticed::Reading(reading));
        }
        Poll::Pending
    }
}
