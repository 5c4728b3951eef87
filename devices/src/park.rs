//! A virtual park: a fleet of turnstiles, and visitors with a believable day.
//!
//! `shanmen serve --demo` and the load test call it. The turnstiles are real devices over real
//! connections; only their drivers and visitors are made up. The visitors' day is compressed by a
//! speed; the control plane's clock is not. A day is reproducible from its seed: who comes when,
//! with what, and what goes wrong; how lanes and queues answer is up to the control plane.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`fleet`] | the turnstiles, and which lane leads where |
//! | [`office`] | the trait behind which tickets are sold |
//! | [`visitors`] | who comes, when and with what: pure, from a seed |
//! | [`day`] | walking them through the park |

pub mod day;
pub mod fleet;
pub mod office;
mod visit;
pub mod visitors;

use std::ops::RangeInclusive;

use shanmen_protocols::ids::{AreaId, DeviceId, GateId, LaneId, ProductId};

pub use self::{
    day::{DayReport, Pace, run, run_day},
    fleet::Fleet,
    office::{BoxOffice, NoSale, Sale, Sold, VisitDay},
};

/// The area that stands for the world around the site.
pub const OUTSIDE: &str = "outside";

/// Persons a day, unless told otherwise.
pub const VISITORS_A_DAY: u32 = 6_000;

/// Parties in the park at once, unless told otherwise; one more is turned away, and counted.
pub const PARTIES_AT_ONCE_MAX: usize = 4_000;

/// Which ways a lane may be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    /// From the gate's `from` area to its `to` area.
    In,
    /// Back.
    Out,
    /// Both.
    Both,
}

/// A lane of the park, with the device that stands in it.
#[derive(Clone)]
pub struct LaneSpec {
    /// The lane.
    pub lane: LaneId,
    /// Its gate.
    pub gate: GateId,
    /// The area before the gate.
    pub from: AreaId,
    /// The area behind it.
    pub to: AreaId,
    /// Which ways it may be walked.
    pub ways: Ways,
    /// Its turnstile.
    pub device: DeviceId,
    /// The turnstile's user at the broker.
    pub username: String,
    /// The turnstile's secret at the broker.
    pub password: String,
}

/// Never shows the secret.
impl std::fmt::Debug for LaneSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneSpec")
            .field("lane", &self.lane)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("ways", &self.ways)
            .finish_non_exhaustive()
    }
}

/// A product that visitors may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductSpec {
    /// The product.
    pub id: ProductId,
    /// Its class: `adult`, `senior`, `child`, `student`, `group` … Products of the classes
    /// `staff`, `guide` and `vehicle` are not chosen.
    pub class: String,
    /// Persons on one ticket.
    pub persons: RangeInclusive<u16>,
    /// The areas that it includes.
    pub areas: Vec<AreaId>,
    /// Whether its holder may come back.
    pub reentry: bool,
}

/// What the visitors of a day go by.
#[derive(Clone, Debug)]
pub struct ParkPlan {
    /// The lanes.
    pub lanes: Vec<LaneSpec>,
    /// What is sold; without any, nobody comes.
    pub products: Vec<ProductSpec>,
    /// Persons a day, about.
    pub visitors_a_day: u32,
    /// Parties in the park at once, at most.
    pub parties_at_once_max: usize,
}

impl ParkPlan {
    /// A plan of the usual size.
    pub fn new(lanes: Vec<LaneSpec>, products: Vec<ProductSpec>) -> Self {
        Self {
            lanes,
            products,
            visitors_a_day: VISITORS_A_DAY,
            parties_at_once_max: PARTIES_AT_ONCE_MAX,
        }
    }
}
