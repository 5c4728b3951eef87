//! The compiled park: what [`decide`](crate::decide) reads. Identifiers have become indexes,
//! the area tree has become parent links, expressions have become programs.
//!
//! Owns nothing that changes: build it with [`Park::compile`], share it as an `Arc`, replace it
//! as a whole when the definition changes.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    Direction,
    ids::{AreaId, GateId, LaneId, ProductId, SiteId},
    time::UnixMs,
};
use smallvec::SmallVec;

use crate::{
    calendar::{Calendar, Moment},
    checks::condition::Condition,
    definition::{
        AntiPassback, CapacityLevel, Class, Days, HoursDefinition, LaneDirection, Persons,
        SlotDefinition, Text, ValidityDefinition,
    },
    span::Day,
    verdict::Needs,
};

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u16);

        impl $name {
            pub(crate) fn at(self) -> usize {
                usize::from(self.0)
            }
        }
    )*};
}
index! {
    /// An area's place in [`Park::areas`].
    AreaIx
    /// A gate's place in [`Park::gates`].
    GateIx
    /// A lane's place in [`Park::lanes`].
    LaneIx
    /// A product's place in [`Park::products`].
    ProductIx
}

impl AreaIx {
    /// The world around the site.
    pub const OUTSIDE: Self = Self(0);
}

/// The site's own facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// Its name.
    pub name: Text,
    /// Its IANA time zone.
    pub timezone: String,
    /// The business day's local turn.
    pub day_starts_at: crate::span::TimeOfDay,
    /// When it is open; for people to read.
    pub opening_hours: Vec<HoursDefinition>,
    /// Its public holidays; for people to read.
    pub holidays: Vec<Days>,
    /// Its capacity levels, the lowest first.
    pub capacity_levels: Vec<CapacityLevel>,
}

/// An area (区域).
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// Its id; `outside` at index 0.
    pub id: AreaId,
    /// Its name.
    pub name: Text,
    /// The area that it lies in; none for a top-level area and for the outside.
    pub parent: Option<AreaIx>,
    /// Persons at one time.
    pub capacity_instant: Option<u32>,
    /// Persons in one business day.
    pub capacity_daily: Option<u32>,
    /// What happens to a ticket presented again while inside.
    pub anti_passback: AntiPassback,
    /// Place on the plan.
    pub position: Option<(f64, f64)>,
    /// What `stop_entry` makes of the capacities.
    pub(crate) entry_limits: Limits,
}

impl Area {
    /// The counts at which entry stops: the capacities, or a share of them where a level with
    /// `stop_entry` stands below 100 %.
    pub fn entry_limits(&self) -> Limits {
        self.entry_limits
    }
}

/// The most persons at one time and in one business day; none: without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Persons at one time.
    pub instant: Option<u32>,
    /// Persons in one business day.
    pub daily: Option<u32>,
}

/// A gate (门).
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Its id.
    pub id: GateId,
    /// Its name.
    pub name: Text,
    /// Where `in` comes from.
    pub from: AreaIx,
    /// Where `in` leads.
    pub to: AreaIx,
    /// Place on the plan.
    pub position: Option<(f64, f64)>,
}

/// A lane (通道).
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// Its id.
    pub id: LaneId,
    /// Its name.
    pub name: Text,
    /// Its gate.
    pub gate: GateIx,
    /// Which ways it may be passed.
    pub direction: LaneDirection,
    /// Place on the plan.
    pub position: Option<(f64, f64)>,
}

/// A product.
#[derive(Clone, Debug)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Which version of the product of this id, from 1 on.
    pub version: u32,
    /// Whether tickets of it are sold now: it is the latest version and on sale.
    pub on_sale: bool,
    /// The areas that its tickets were sold for, each once: what is sold is counted by them,
    /// whatever decides the tickets later.
    pub sold_for: SmallVec<[AreaIx; 4]>,
    /// Its name.
    pub name: Text,
    /// Whom it is for.
    pub class: Class,
    /// How many people one ticket admits.
    pub persons: Persons,
    /// On which days.
    pub validity: ValidityDefinition,
    /// Timed entry.
    pub slot: Option<SlotDefinition>,
    /// Local hours; empty: all day.
    pub daily_hours: SmallVec<[HoursDefinition; 2]>,
    /// Bit 0 = Monday … bit 6 = Sunday.
    pub weekdays: u8,
    /// Dates without admission.
    pub blackout: Vec<Days>,
    /// What must be shown or confirmed.
    pub needs: Needs,
    /// The only gates that it is good for; empty: any.
    pub gates: SmallVec<[GateIx; 4]>,
    /// The condition.
    pub condition: Option<Condition>,
    /// What it admits to.
    pub entitlements: Vec<Entitlement>,
}

/// What a ticket admits to. Counts are per person, durations in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// The areas.
    pub areas: SmallVec<[AreaIx; 4]>,
    /// Admissions in all.
    pub uses: Option<u16>,
    /// Admissions in one business day.
    pub per_day: Option<u16>,
    /// The least time since the last entry.
    pub min_gap_ms: Option<i64>,
    /// The most time since the first entry.
    pub within_first_ms: Option<i64>,
    /// Coming back.
    pub reentry: Option<Reentry>,
}

/// Coming back on the same admission (二次入园).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reentry {
    /// How often each person may, per admission.
    pub count: Option<u16>,
    /// The most time since the exit, the end in.
    pub within_ms: Option<i64>,
    /// The least time since the exit.
    pub min_away_ms: i64,
    /// Only on the business day of the entry.
    pub same_day: bool,
}

/// The compiled park. See the module's words.
#[derive(Clone, Debug)]
pub struct Park {
    pub(crate) site: Site,
    pub(crate) calendar: Calendar,
    pub(crate) areas: Vec<Area>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) products: Vec<Product>,
    pub(crate) names: Names,
}

/// From id to index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) areas: HashMap<String, u16>,
    pub(crate) gates: HashMap<String, u16>,
    pub(crate) lanes: HashMap<String, u16>,
    pub(crate) products: HashMap<String, u16>,
}

impl Park {
    /// The site's own facts.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// All areas; index 0 is the outside.
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// All gates.
    pub fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// All lanes.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// All products, each version of one at an index of its own, the earlier before the later.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// The area at `ix`; the outside for an index of another park.
    pub fn area(&self, ix: AreaIx) -> &Area {
        self.areas.get(ix.at()).unwrap_or(&self.areas[0])
    }

    /// The gate at `ix`.
    ///
    /// # Panics
    /// When `ix` is not of this park; [`Park::get_gate`] asks instead.
    pub fn gate(&self, ix: GateIx) -> &Gate {
        &self.gates[ix.at()]
    }

    /// The lane at `ix`.
    ///
    /// # Panics
    /// When `ix` is not of this park; [`Park::get_lane`] asks instead.
    pub fn lane(&self, ix: LaneIx) -> &Lane {
        &self.lanes[ix.at()]
    }

    /// The product at `ix`.
    ///
    /// # Panics
    /// When `ix` is not of this park; [`Park::get_product`] asks instead.
    pub fn product(&self, ix: ProductIx) -> &Product {
        &self.products[ix.at()]
    }

    /// The gate at `ix`, if there is one.
    pub fn get_gate(&self, ix: GateIx) -> Option<&Gate> {
        self.gates.get(ix.at())
    }

    /// The lane at `ix`, if there is one.
    pub fn get_lane(&self, ix: LaneIx) -> Option<&Lane> {
        self.lanes.get(ix.at())
    }

    /// The product at `ix`, if there is one.
    pub fn get_product(&self, ix: ProductIx) -> Option<&Product> {
        self.products.get(ix.at())
    }

    /// The index of an area id.
    pub fn area_ix(&self, id: &str) -> Option<AreaIx> {
        self.names.areas.get(id).copied().map(AreaIx)
    }

    /// The index of a gate id.
    pub fn gate_ix(&self, id: &str) -> Option<GateIx> {
        self.names.gates.get(id).copied().map(GateIx)
    }

    /// The index of a lane id.
    pub fn lane_ix(&self, id: &str) -> Option<LaneIx> {
        self.names.lanes.get(id).copied().map(LaneIx)
    }

    /// The index of the latest version of a product id.
    pub fn product_ix(&self, id: &str) -> Option<ProductIx> {
        self.names.products.get(id).copied().map(ProductIx)
    }

    /// The site's calendar.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// What the site's calendar and clock show at `at`.
    pub fn moment(&self, at: UnixMs) -> Moment {
        self.calendar.moment(at)
    }

    /// The business day of `at`.
    pub fn business_day(&self, at: UnixMs) -> Day {
        self.calendar.moment(at).day
    }

    /// The next beginning of a business day, later than `at`.
    pub fn next_turn(&self, at: UnixMs) -> UnixMs {
        self.calendar.turn_of(self.business_day(at).plus(1))
    }

    /// `area` and the areas that it lies in, from the inside out, the outside not among them.
    pub fn within(&self, area: AreaIx) -> impl Iterator<Item = AreaIx> + Clone + '_ {
        let first = (area != AreaIx::OUTSIDE && area.at() < self.areas.len()).then_some(area);
        std::iter::successors(first, |ix| self.areas[ix.at()].parent)
    }

    /// The areas that one enters on the way from `from` to `to`.
    pub fn entered(&self, from: AreaIx, to: AreaIx) -> impl Iterator<Item = AreaIx> + Clone + '_ {
        self.within(to).filter(move |&area| !self.lies_in(from, area))
    }

    /// The areas that one leaves on the way from `from` to `to`.
    pub fn left(&self, from: AreaIx, to: AreaIx) -> impl Iterator<Item = AreaIx> + Clone + '_ {
        self.entered(to, from)
    }

    /// Whether a gate only leads out: from the park to the outside, from the cave back into the
    /// park. Its lanes are passed one way, whatever they call it: nobody enters by an exit.
    pub fn is_way_out(&self, gate: &Gate) -> bool {
        self.entered(gate.from, gate.to).next().is_none()
    }

    /// From where to where a passage of a gate in `direction` leads.
    pub fn way(&self, gate: &Gate, direction: Direction) -> (AreaIx, AreaIx) {
        match direction {
            Direction::In => (gate.from, gate.to),
            Direction::Out if self.is_way_out(gate) => (gate.from, gate.to),
            Direction::Out => (gate.to, gate.from),
        }
    }

    /// Whether who is in `inner` is in `outer` too.
    pub fn lies_in(&self, inner: AreaIx, outer: AreaIx) -> bool {
        self.within(inner).any(|area| area == outer)
    }
}
