//! The words of the lane's state machine: what happens to a lane, what it wants done, what of it
//! is kept over a restart.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    device::{
        Body, Credential, Decision, DecisionResult, LaneMode, Outcome, PassageBy, Sensor, Show,
    },
    ids::{Direction, GrantId, LaneId, ScanId},
    reason::{Lang, Reason},
    time::UnixMs,
};

use crate::hardware::Signal;

/// What does not change while the lane runs, unless its configuration does.
#[derive(Clone, Debug)]
pub struct LaneSettings {
    /// The lane.
    pub lane: LaneId,
    /// How long a decision may take, in milliseconds; 1 at least.
    pub ttl_ms: u32,
    /// The language of the lane's own lines.
    pub lang: Lang,
    /// A passage without a grant this soon after another one in the same direction is tailgating,
    /// in milliseconds.
    pub tailgate_ms: u64,
    /// How long somebody may stand in the lane, in milliseconds.
    pub loiter_ms: u64,
    /// Whether one may leave without showing anything.
    pub free_exit: bool,
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
    /// What the device itself decides, in answer to [`Effect::Judge`].
    Judged(OwnVerdict),
    /// The hardware saw something.
    Sensed(Signal),
    /// Time passed; see [`wake_at_ms`](super::Lane::wake_at_ms).
    Tick,
    /// The turnstile is shutting down: what is under way ends now.
    Stopping,
}

/// What the device decides without the control plane.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnVerdict {
    /// Grant, deny or more.
    pub result: DecisionResult,
    /// Why.
    pub reason: Reason,
    /// Persons that may pass.
    pub persons: u32,
    /// What is still needed, with [`DecisionResult::More`].
    pub needs: Vec<Cow<'static, str>>,
    /// On what ground.
    pub by: PassageBy,
    /// What was presented, for the passage's fact; only with a grant.
    pub credential: Option<Credential>,
}

impl OwnVerdict {
    /// A refusal.
    pub fn deny(reason: Reason, by: PassageBy) -> Self {
        let (result, needs) = (DecisionResult::Deny, Vec::new());
        Self { result, reason, persons: 0, needs, by, credential: None }
    }
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
    /// Decide without the control plane, and say so with [`Event::Judged`].
    Judge {
        /// The presentation.
        scan: ScanId,
        /// Which way its holder wants to go.
        direction: Direction,
    },
    /// What [`Lane::kept`](super::Lane::kept) says has changed: keep it.
    Keep,
    /// Let people through.
    Open(Direction),
    /// Let everybody through, both ways, until [`Effect::Close`].
    Release,
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

/// One opening of the barrier, which ends in one outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The presentation that led to it; none for a manual one.
    pub scan: Option<ScanId>,
    /// The grant that it is on.
    pub grant: Option<GrantId>,
    /// Which way.
    pub direction: Direction,
    /// Persons that may pass.
    pub persons: u32,
    /// Persons that have passed.
    pub passed: u32,
    /// How long the barrier waits for each, in milliseconds.
    pub hold_ms: u64,
    /// On whose word.
    pub by: PassageBy,
    /// What was presented, where the device decided.
    pub credential: Option<Credential>,
    /// When it opened, by the wall clock.
    pub opened_at: Option<UnixMs>,
    /// When it closes, in milliseconds since boot: of no meaning after a restart.
    #[serde(skip)]
    pub close_at_ms: u64,
}

/// Who wants every lane open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    /// The control plane's order.
    pub by_order: bool,
    /// The fire input. It stands above every order.
    pub by_fire: bool,
}

impl Emergency {
    /// Whether the lane stands open for it.
    pub fn is_on(self) -> bool {
        self.by_order || self.by_fire
    }
}

/// What of a lane is kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptLane {
    /// Its cumulative counters.
    pub counters: Sensor,
    /// Its mode.
    pub mode: LaneMode,
    /// Whether it stands open for an emergency.
    pub emergency: Emergency,
    /// An opening that has no outcome yet.
    pub opening: Option<Opening>,
}
