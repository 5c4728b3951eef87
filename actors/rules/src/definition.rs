//! The written form of a park and of what it sells: what stands in the configuration and in a
//! scenario file.
//!
//! Owns the serde types and nothing else: an unknown key is an error, a missing one takes the
//! default named here. [`crate::Park::compile`] checks the whole and makes it fast.

mod product;

use serde::{Deserialize, Serialize};

pub use crate::span::{Day, Days, Span, TextFault, TimeOfDay};
pub use product::{
    Class, EntitlementDefinition, HoursDefinition, Need, Persons, ProductDefinition,
    ReentryDefinition, SlotDefinition, ValidityDefinition, WeekdayName,
};

/// A name in both languages. An empty one falls back to the other, then to the id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Chinese.
    #[serde(default)]
    pub zh: String,
    /// English.
    #[serde(default)]
    pub en: String,
}

impl Text {
    /// This name with its gaps filled: from the other language, else from `id`.
    #[must_use]
    pub fn or_id(name: Option<&Self>, id: &str) -> Self {
        let (zh, en) = name.map_or(("", ""), |text| (text.zh.as_str(), text.en.as_str()));
        let first = |texts: [&str; 3]| {
            texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned()
        };
        Self { zh: first([zh, en, id]), en: first([en, zh, id]) }
    }
}

/// A whole park and its products.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParkDefinition {
    /// The scenic area itself (景区).
    pub site: SiteDefinition,
    /// Its areas (区域); a parent may stand after its child.
    #[serde(default)]
    pub areas: Vec<AreaDefinition>,
    /// Its gates (门).
    #[serde(default)]
    pub gates: Vec<GateDefinition>,
    /// Its lanes (通道).
    #[serde(default)]
    pub lanes: Vec<LaneDefinition>,
    /// What it sells.
    #[serde(default)]
    pub products: Vec<ProductDefinition>,
}

/// The scenic area (景区).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteDefinition {
    /// `[a-z0-9-]{1,32}`.
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// An IANA time zone, as `Asia/Shanghai`.
    #[serde(default = "shanghai")]
    pub timezone: String,
    /// The business day's local turn; `00:00` by default.
    #[serde(default)]
    pub day_starts_at: TimeOfDay,
    /// When the site is open, for people to read. No admission rule: a product has `daily_hours`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opening_hours: Vec<HoursDefinition>,
    /// Public holidays, for people to read. No admission rule: a product has `blackout`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Days>,
    /// Capacity levels; omitted: 80 announce, 90 slow, 100 stop sales and entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_levels: Option<Vec<CapacityLevel>>,
}

fn shanghai() -> String {
    "Asia/Shanghai".to_owned()
}

/// One warning level of the carrying capacity (LB/T 034 leaves the numbers to the place).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacityLevel {
    /// Percent of the capacity, 1 to 1,000.
    pub at_percent: u16,
    /// Of which count; `instant` by default.
    #[serde(default)]
    pub of: CapacityOf,
    /// What is done at this level.
    pub actions: Vec<CapacityAction>,
}

impl CapacityLevel {
    /// The levels of a site that names none.
    pub fn usual() -> Vec<Self> {
        use CapacityAction::{Announce, Slow, StopEntry, StopSales};
        [(80, vec![Announce]), (90, vec![Slow]), (100, vec![StopSales, StopEntry])]
            .into_iter()
            .map(|(at_percent, actions)| Self { at_percent, of: CapacityOf::Instant, actions })
            .collect()
    }
}

/// The count that a capacity level looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapacityOf {
    /// People inside now.
    #[default]
    Instant,
    /// Entries of the business day.
    Daily,
    /// Tickets sold for the business day.
    Sold,
}

/// What is done at a capacity level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapacityAction {
    /// Tell visitors and staff.
    Announce,
    /// Let people in more slowly.
    Slow,
    /// Sell no more (停售).
    StopSales,
    /// Let nobody in (限流).
    StopEntry,
}

/// An area or sub-area (区域, 子景点).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaDefinition {
    /// `[a-z0-9-]{1,32}`, not `outside`.
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// The area that it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// How many people it bears (最大承载量).
    #[serde(default)]
    pub capacity: CapacityDefinition,
    /// What happens to a ticket that is presented again while inside.
    #[serde(default)]
    pub anti_passback: AntiPassback,
    /// Place on the plan, in the plan's own units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// Place on the plan, in the plan's own units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
}

/// How many people an area bears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacityDefinition {
    /// At one time (瞬时承载量), persons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instant: Option<u32>,
    /// In one business day (日承载量), persons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
}

/// What happens to a ticket that is presented again while inside (防折返).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AntiPassback {
    /// Nothing.
    #[default]
    Off,
    /// It is granted, and flagged.
    Soft,
    /// It is denied: `already_inside`.
    Hard,
}

/// A gate (门) between two areas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateDefinition {
    /// `[a-z0-9-]{1,32}`.
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// The area that one comes from; `outside` by default.
    #[serde(default = "outside")]
    pub from: String,
    /// The area that one comes into.
    pub to: String,
    /// Place on the plan, in the plan's own units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// Place on the plan, in the plan's own units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
}

fn outside() -> String {
    "outside".to_owned()
}

/// One turnstile's lane (通道) of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneDefinition {
    /// `[a-z0-9-]{1,32}`.
    pub id: String,
    /// The gate that it belongs to.
    pub gate: String,
    /// Which ways it may be passed.
    #[serde(default)]
    pub direction: LaneDirection,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// Place on the plan, in the plan's own units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// Place on the plan, in the plan's own units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
}

/// Which ways a lane may be passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneDirection {
    /// Only in.
    In,
    /// Only out.
    Out,
    /// Both ways.
    #[default]
    Both,
}
