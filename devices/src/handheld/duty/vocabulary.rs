//! What a duty keeps, is told and wants done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    device::{Body, Credential, Passage, PassageBy, Scan, What},
    ids::{Direction, GateId, GrantId, LaneId, ScanId},
    reason::Lang,
    time::UnixMs,
};

use crate::handheld::words::Output;

/// What a duty is told before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutySettings {
    /// The lane where it checks until it is sent elsewhere.
    pub lane: LaneId,
    /// Where it checks at each gate that it may be sent to.
    pub lanes: BTreeMap<GateId, LaneId>,
    /// How long a decision may take, in milliseconds.
    pub ttl_ms: u32,
    /// How long a grant waits for its confirmation, in milliseconds.
    pub confirm_ms: u64,
    /// The language of its own lines.
    pub lang: Lang,
}

/// Who is logged in.
#[derive(Clone)]
pub struct Operator {
    /// What their scans and requests carry: a secret, in memory only.
    pub token: String,
    /// What they may do.
    pub roles: Vec<String>,
    /// Until when, in milliseconds since boot.
    pub until_ms: u64,
}

/// Never shows the token.
impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// The answer to a login.
#[derive(Deserialize)]
pub(super) struct LoggedIn {
    pub(super) operator: String,
    pub(super) roles: Vec<String>,
    pub(super) expires: UnixMs,
}

/// A presentation that waits for its decision.
#[derive(Clone)]
pub struct Check {
    /// The number of the line that asked for it.
    pub n: Option<u64>,
    /// The presentation, but for its time block.
    pub scan: Scan,
    /// When it is sent again, in milliseconds since boot.
    pub resend_at_ms: Option<u64>,
    /// When the device decides by itself.
    pub until_ms: u64,
    /// How many `wait` answers it had.
    pub waits: u8,
}

/// Never shows the operator's token.
impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").field("scan", &self.scan.id).finish_non_exhaustive()
    }
}

/// A grant that waits for the operator to say who passed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// The grant; none where the device or the operator decided.
    pub grant: Option<GrantId>,
    /// Persons that may pass.
    pub persons: u32,
    /// Which way.
    pub direction: Direction,
    /// Where.
    pub lane: Option<LaneId>,
    /// On whose word.
    pub by: PassageBy,
    /// What was shown, for what was not decided by the control plane.
    pub credential: Option<Credential>,
    /// Whose token.
    pub operator: Option<String>,
    /// Why, for an override.
    pub reason: Option<String>,
    /// When.
    pub granted_at: Option<UnixMs>,
    /// What was shown, whoever decided: for this device's own record of uses, and in memory only.
    #[serde(skip)]
    pub shown: Option<Credential>,
    /// When it ends as not taken, in milliseconds since boot.
    #[serde(skip)]
    pub until_ms: u64,
}

/// Never shows a code or a token.
impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("persons", &self.persons).finish_non_exhaustive()
    }
}

/// What a question is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// A login.
    Login,
    /// A ticket's history.
    Lookup,
    /// An override: what is opened when it is on record.
    Override(ScanId, Box<Opening>),
    /// A passage to be taken back.
    Undo(ScanId),
}

impl Purpose {
    /// The word of the line that wanted it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Lookup => "lookup",
            Self::Override(..) => "override",
            Self::Undo(_) => "undo",
        }
    }
}

/// What a duty wants done, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send [`Duty::check`](super::Duty::check).
    Send,
    /// Decide about it here, and say so with [`Duty::judged`](super::Duty::judged).
    Judge,
    /// Ask the control plane; the answer goes to [`Duty::answered`](super::Duty::answered).
    Ask(Option<u64>, What, Purpose),
    /// A durable fact.
    Record(Body),
    /// A durable fact of people who passed, and what they showed.
    RecordPassage(Passage, Option<Credential>),
    /// Keep an opening over a restart.
    Keep(ScanId, Opening),
    /// It has ended.
    Forget(ScanId),
    /// Tell the front, once all before it is kept.
    Tell(Option<u64>, Output),
}
