//! What goes into a decision and what comes out of it: the presentation, the room, the verdict.
//!
//! Owns the small `Copy` types at the border of this crate. The validation shard fills a
//! [`Presentation`], an offline gate and the scenario checker do the same.

use serde::{Deserialize, Serialize};
use shanmen_protocols::{ids::Direction, reason::Reason, time::UnixMs};

use crate::{
    definition::Need,
    park::{AreaIx, GateIx, LaneIx, Park},
    span::Day,
};

/// What a lane will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LaneState {
    /// It works.
    #[default]
    Open,
    /// It is closed: locked, or under maintenance.
    Closed,
    /// Fire release: every lane stands open.
    Emergency,
}

/// A set of things that a person shows or an attendant confirms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Needs(u8);

/// What has been shown or confirmed with a presentation.
pub type Confirm = Needs;

impl Needs {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// This set with `need`.
    #[must_use]
    pub fn with(self, need: Need) -> Self {
        Self(self.0 | Self::bit(need))
    }

    /// Whether `need` is in the set.
    pub fn has(self, need: Need) -> bool {
        self.0 & Self::bit(need) != 0
    }

    /// What is in either set.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `shown`.
    #[must_use]
    pub fn without(self, shown: Self) -> Self {
        Self(self.0 & !shown.0)
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The things in the set, identity first.
    pub fn iter(self) -> impl Iterator<Item = Need> {
        [Need::IdCard, Need::Face, Need::Attendant].into_iter().filter(move |&need| self.has(need))
    }

    fn bit(need: Need) -> u8 {
        match need {
            Need::IdCard => 1,
            Need::Face => 2,
            Need::Attendant => 4,
        }
    }
}

impl FromIterator<Need> for Needs {
    fn from_iter<I: IntoIterator<Item = Need>>(needs: I) -> Self {
        needs.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What is known of the person, found out before the rules are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Person {
    /// Nothing against them.
    #[default]
    Clear,
    /// The card or face shown is not the holder's (人证不符).
    Mismatch,
    /// On the list of blocked people.
    Blocked,
}

/// A ticket shown at a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// When it was shown.
    pub at: UnixMs,
    /// Where.
    pub lane: LaneIx,
    /// Which way.
    pub direction: Direction,
    /// What the lane will do.
    pub lane_state: LaneState,
    /// The issue epoch in a signed code; none for an opaque one. A lower one than the ticket's is
    /// `superseded`.
    pub code_epoch: Option<u16>,
    /// Whether the code is one to be exchanged for a ticket first (兑票码).
    pub exchange_code: bool,
    /// What has been shown or confirmed.
    pub confirm: Confirm,
    /// What is known of the person.
    pub person: Person,
}

impl Presentation {
    /// An ordinary presentation: lane open, opaque code, nothing confirmed.
    pub fn new(at: UnixMs, lane: LaneIx, direction: Direction) -> Self {
        Self {
            at,
            lane,
            direction,
            lane_state: LaneState::Open,
            code_epoch: None,
            exchange_code: false,
            confirm: Confirm::NONE,
            person: Person::Clear,
        }
    }
}

/// How full the areas are. Implemented by who owns the counts.
pub trait Room {
    /// Persons inside and persons with an open grant for `area`, its sub-areas included.
    fn persons(&self, area: AreaIx) -> u32;

    /// Persons who entered `area` this business day, open grants included, re-entries not.
    fn entries_today(&self, area: AreaIx) -> u32;

    /// How many persons may be in `area` at one time; lower it to hold people back earlier.
    fn capacity(&self, park: &Park, area: AreaIx) -> Option<u32> {
        park.area(area).entry_limits().instant
    }

    /// Whether an operator lets people into `area` at `at` although it is full; that goes on
    /// record.
    fn override_on(&self, area: AreaIx, at: UnixMs) -> bool {
        let _ = (area, at);
        false
    }
}

/// A site without limits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Boundless;

impl Room for Boundless {
    fn persons(&self, _: AreaIx) -> u32 {
        0
    }

    fn entries_today(&self, _: AreaIx) -> u32 {
        0
    }
}

/// The answer to a presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The lane may open.
    Grant(Admission),
    /// Something must be shown or confirmed first.
    More {
        /// `needs_identity` or `needs_attendant`.
        reason: Reason,
        /// All that is still missing.
        needs: Needs,
    },
    /// No. A refusal is an answer, not an error.
    Deny {
        /// The first check that failed.
        reason: Reason,
        /// What helps the visitor.
        facts: Facts,
    },
}

impl Verdict {
    /// `grant`, `more` or `deny`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Grant(_) => "grant",
            Self::More { .. } => "more",
            Self::Deny { .. } => "deny",
        }
    }

    /// The reason; [`Reason::Ok`] for a grant.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Grant(_) => Reason::Ok,
            Self::More { reason, .. } | Self::Deny { reason, .. } => *reason,
        }
    }
}

/// What a grant gives: enough to reserve it and to settle it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// How many people may pass.
    pub persons: u16,
    /// Which entitlement is used; `None` for an exit.
    pub entitlement: Option<u8>,
    /// Whether it is a re-entry (二次入园): it consumes no use.
    pub reentry: bool,
    /// Whether it goes on record as odd: soft anti-passback.
    pub flagged: bool,
    /// Whether an operator's override let it in although full.
    pub overridden: bool,
    /// Where the people come from: the ticket's own presence, else the gate's side.
    pub from: AreaIx,
    /// Where they go. Reserve room in `park.entered(from, to)`.
    pub to: AreaIx,
}

impl Admission {
    /// Whether this is an exit: it consumes nothing and reserves nothing on the ticket.
    pub fn is_exit(&self) -> bool {
        self.entitlement.is_none()
    }
}

/// What helps the visitor, and who helps them. Which fields are set depends on the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// When the ticket last let somebody in.
    pub used_at: Option<UnixMs>,
    /// At which gate that was.
    pub gate: Option<GateIx>,
    /// When to come back.
    pub come_back_at: Option<UnixMs>,
    /// The first valid day.
    pub valid_from: Option<Day>,
    /// The last valid day.
    pub valid_until: Option<Day>,
    /// Persons or entries counted.
    pub count: Option<u32>,
    /// Out of how many.
    pub capacity: Option<u32>,
    /// The area that it is about.
    pub area: Option<AreaIx>,
}

/// A refusal on its way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) facts: Facts,
}

impl Refusal {
    pub(crate) fn with(reason: Reason, facts: Facts) -> Self {
        Self { reason, facts }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, facts: Facts::default() }
    }
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        Self::Deny { reason: refusal.reason, facts: refusal.facts }
    }
}
