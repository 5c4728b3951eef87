//! The words of the lane's state machine: what happens to a lane, and what it wants done.

use std::borrow::Cow;

use shanmen_protocols::{
    device::{Body, Decision, DecisionResult, Outcome, PassageBy, Show},
    ids::{Direction, GrantId, LaneId, ScanId},
    reason::{Lang, Reason},
    time::UnixMs,
};

use crate::hardware::Signal;

/// What a lane decides when the control plane does not answer in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfflinePolicy {
    /// Nobody passes.
    #[default]
    Deny,
}

/// What does not change while the lane runs.
#[derive(Clone, Debug)]
pub struct LaneSettings {
    /// The lane.
    pub lane: LaneId,
    /// How long a decision may take, in milliseconds; 1 at least.
    pub ttl_ms: u32,
    /// What to do without one.
    pub offline: OfflinePolicy,
    /// The language of the lane's own lines.
    pub lang: Lang,
}

/// The moment of an event: the argument that stands for a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since boot.
    pub up_ms: u64,
    /// The wall clock, where the device has one.
    pub at: Option<UnixMs>,
}

/// What happens to a lane.
#[derive(Clone, Debug)]
pub enum Event {
    /// A credential was read; `scan` is the fresh id of this presentation.
    Presented {
        /// The presentation.
        scan: ScanId,
        /// Which way its holder wants to go.
        direction: Direction,
        /// Whether the control plane can be asked.
        online: bool,
    },
    /// A decision came.
    Decided {
        /// The decision.
        decision: Box<Decision>,
        /// Whether the broker marked it as retained: then it is old, whatever it says.
        retained: bool,
    },
    /// The light barriers saw something.
    Sensed(Signal),
    /// Time passed; see [`wake_at_ms`](super::Lane::wake_at_ms).
    Tick,
    /// The turnstile is shutting down: what is under way ends now.
    Stopping,
}

/// What a lane wants done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Publish the presentation.
    Send {
        /// The presentation.
        scan: ScanId,
        /// 1 for the first sending, 2 for the second.
        attempt: u32,
    },
    /// Let people through.
    Open(Direction),
    /// Let nobody through.
    Close,
    /// Show and say it.
    Show(Show),
    /// Back to the resting picture.
    Rest,
    /// A durable fact.
    Record(Body),
    /// The presentation has its answer.
    Answered(Answer),
    /// The presentation is over.
    Ended(Ended),
    /// The presentation was not taken up: the lane is not free.
    NotFree(ScanId),
    /// The decision had no effect.
    Ignored(Ignored),
}

/// The answer to a presentation, the control plane's or the lane's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The presentation.
    pub scan: ScanId,
    /// Open or not.
    pub result: DecisionResult,
    /// Why.
    pub reason: Reason,
    /// The permission to pass.
    pub grant: Option<GrantId>,
    /// Persons that may pass.
    pub persons: u32,
    /// What is still needed, with [`DecisionResult::More`].
    pub needs: Vec<Cow<'static, str>>,
    /// On whose word: [`PassageBy::Server`], or the lane's own after the time to live.
    pub by: PassageBy,
}

/// How a presentation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The outcome of its grant; `None` when there was none.
    pub outcome: Option<Outcome>,
    /// Persons that passed on it.
    pub passed: u32,
}

/// Why a decision had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It was retained by the broker.
    Retained,
    /// It answers no presentation that the lane waits for: late, repeated or never asked for.
    Unasked,
    /// One `wait` too many.
    TooManyWaits,
}
