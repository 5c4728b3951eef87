//! A handheld: an operator checks tickets with it, at a gate or wherever people are.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`duty`] | who is logged in, what is checked, whose passage waits: pure |
//! | [`words`] | what is said between the handheld and its front |
//! | [`front`] | the queues between both; lines on standard input and output |
//! | [`virtual_handheld`] | a handheld whose operator is a program |
//! | `kind` | the handheld behind its [agent] |
//!
//! # Lines
//!
//! One JSON object a line, UTF-8, 16 KiB at most. A line may have a number, `n`; the line that
//! answers it repeats it. The operator says:
//!
//! | `do` | with | answered by `say` |
//! | --- | --- | --- |
//! | `login` | `user`, `password` | `logged_in` (`roles`, `expires`), then `place` |
//! | `logout` | | `logged_out` (`why`) |
//! | `place` | `lane`, `direction` (`in`, `out`); each may be left out | `place` |
//! | `scan` | `credential` {`type`, `data`}, `direction`, `confirm` {`attendant`, `id_card`, `face`} | `decision` |
//! | `passed` | `scan`, `count` (all when left out, 0 for nobody) | `ended` (`outcome`, `count`) |
//! | `lookup` | `credential` or `ticket` | `ticket` |
//! | `override` | `reason`, `persons`, `credential`, `direction` | `decision` |
//! | `undo` | `scan`, `reason` | `undone` (`persons`) |
//!
//! What is not done is answered `refused` (`what`, `why`). Unasked come `online`, `logged_out`,
//! `place` (assigned elsewhere), `message` (`text`, `seconds`), `faults` (`parts`), `ended` (a grant
//! on which nobody said who passed), and `decision` for what the camera or scanner read.
//!
//! ```text
//! > {"n":1,"do":"login","user":"li","password":"…"}
//! < {"n":1,"say":"logged_in","roles":["operator"],"expires":1763780000000}
//! < {"say":"place","gate":null,"lane":"north-h","direction":"in"}
//! > {"n":2,"do":"scan","credential":{"type":"qr","data":"SM1…"}}
//! < {"n":2,"say":"decision","scan":"0193…","result":"grant","reason":"ok","persons":2,…}
//! > {"n":3,"do":"passed","scan":"0193…"}
//! < {"n":3,"say":"ended","scan":"0193…","outcome":"taken","count":2}
//! ```
//!
//! Out of reach of the control plane a login counts until its end, checks are decided by the
//! device's lists as far as its configuration says ([`crate::offline`]), and an override brings who and
//! why with its passage; logging in, looking up and taking back need the control plane. Tokens and passwords are never on disk, but for the token in a fact that
//! has not been acknowledged yet.

pub mod duty;
pub mod front;
mod kind;
pub mod virtual_handheld;
pub mod words;

use std::collections::BTreeMap;

use shanmen_protocols::ids::{DeviceId, GateId, LaneId, SiteId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::{front::Front, virtual_handheld::VirtualHandheld};
use crate::{
    agent::{self, AgentConfig, AgentHandle, BrokerAddress},
    clock::Clock,
    drivers::{ConfigError, FaultBoard, Faults, Section},
    firmware::Upkeep,
    hardware::Scanner,
    storage::Storage,
};

/// A running handheld. Dropping it does not stop it; cancelling its token does.
pub type HandheldHandle = AgentHandle;

/// How long a grant waits for its confirmation by default, in seconds.
const CONFIRM_S: u64 = 60;

/// What a handheld is told before it starts.
#[derive(Clone, Debug)]
pub struct HandheldConfig {
    /// What every device is told.
    pub agent: AgentConfig,
    /// The lane where it checks until it is sent elsewhere: that of its roaming point.
    pub lane: LaneId,
    /// Where it checks at each gate that it may be sent to.
    pub lanes: BTreeMap<GateId, LaneId>,
    /// How long a grant waits for the operator to say who passed, in milliseconds; then nobody
    /// did.
    pub confirm_ms: u64,
}

impl HandheldConfig {
    /// A configuration with the contract's defaults.
    pub fn new(site: SiteId, device: DeviceId, lane: LaneId, broker: BrokerAddress) -> Self {
        let agent = AgentConfig::new(site, device, broker);
        Self::of(agent, lane)
    }

    fn of(mut agent: AgentConfig, lane: LaneId) -> Self {
        agent.lists = crate::offline::LISTS;
        agent.model = concat!(env!("CARGO_PKG_NAME"), " handheld").into();
        Self { agent, lane, lanes: BTreeMap::new(), confirm_ms: CONFIRM_S * 1_000 }
    }

    /// Reads the section `[handheld]`: `lane`, `confirm_s` (5 to 600, 60 by default), and
    /// `[handheld.lanes]` with a lane for each gate.
    ///
    /// # Errors
    /// [`ConfigError`]: what is wrong, where, and what would be right.
    pub fn read(agent: AgentConfig, mut section: Section) -> Result<Self, ConfigError> {
        let lane = section.need("lane", "\"north-h\"")?;
        let config = Self {
            lanes: section.or("lanes", BTreeMap::new())?,
            confirm_ms: section.within("confirm_s", CONFIRM_S, 5..=600)? * 1_000,
            ..Self::of(agent, lane)
        };
        section.finish()?;
        Ok(config)
    }
}

/// Its hardware, where it has some.
pub struct Gear {
    /// The camera or scanner.
    pub scanner: Box<dyn Scanner>,
    /// Where its drivers write their faults.
    pub board: FaultBoard,
}

/// Starts a handheld on the current runtime. It connects by itself, again and again, until
/// `shutdown` is cancelled.
pub fn start(
    config: HandheldConfig,
    front: Front,
    gear: Option<Gear>,
    machine: (Box<dyn Storage>, Upkeep),
    clock: Clock,
    shutdown: CancellationToken,
) -> HandheldHandle {
    let (scanner, faults) = gear.map(|gear| (gear.scanner, gear.board.changes())).unzip();
    let faults: Option<mpsc::Receiver<Faults>> = faults;
    let equipment = kind::Equipment { front, scanner, faults };
    let agent = config.agent.clone();
    agent::start_on(agent, kind::Handheld::new(config, equipment), machine, clock, shutdown)
}
