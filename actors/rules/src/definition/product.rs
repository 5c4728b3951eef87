//! The written form of a product: whom it is for, when it is valid, what it admits to.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Day, Days, Span, Text, TimeOfDay};

/// What is sold, or given: one kind of ticket, pass or card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductDefinition {
    /// `[a-z0-9-]{1,32}`.
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// Whom it is for; `adult` by default.
    #[serde(default)]
    pub class: Class,
    /// How many people one ticket admits; 1 by default.
    #[serde(default)]
    pub persons: Persons,
    /// On which days it is valid; on the ticket's visit date by default.
    #[serde(default)]
    pub validity: ValidityDefinition,
    /// Timed entry (分时预约): the ticket names its slot's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<SlotDefinition>,
    /// Local hours of each day; omitted: all day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub daily_hours: Vec<HoursDefinition>,
    /// Days of the week; omitted: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<WeekdayName>,
    /// Dates on which it is not valid, both ends in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blackout: Vec<Days>,
    /// What must be shown or confirmed besides the ticket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// The gates that it is good for; omitted: all that lead to its areas. Else `wrong_gate`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<String>,
    /// A CEL expression that must be true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What it admits to; several make a package (套票).
    #[serde(default)]
    pub entitlements: Vec<EntitlementDefinition>,
    /// What it costs for each person, in the smallest coin (分); one without a price is not sold at
    /// kiosks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<u32>,
    /// Whether it is sold; true by default. What was sold stays good when it is not.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub on_sale: bool,
    /// Whether this definition is also for the tickets that were sold under an earlier one; false
    /// by default: a ticket keeps the terms under which it was sold.
    #[serde(default, skip_serializing_if = "is_false")]
    pub applies_to_sold: bool,
}

/// Whom a product is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// 成人.
    #[default]
    Adult,
    /// 老人.
    Senior,
    /// 儿童.
    Child,
    /// 学生.
    Student,
    /// 军人.
    Military,
    /// 残疾.
    Disabled,
    /// 导游: a named holder.
    Guide,
    /// 员工: a named holder.
    Staff,
    /// 团体.
    Group,
    /// 次卡, 年卡.
    Pass,
    /// 车辆.
    Vehicle,
}

impl Class {
    /// The word in definitions and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adult => "adult",
            Self::Senior => "senior",
            Self::Child => "child",
            Self::Student => "student",
            Self::Military => "military",
            Self::Disabled => "disabled",
            Self::Guide => "guide",
            Self::Staff => "staff",
            Self::Group => "group",
            Self::Pass => "pass",
            Self::Vehicle => "vehicle",
        }
    }

    /// Whether it is a concession, which announces itself to the attendant (学生票, 老人票 …).
    pub fn is_concession(self) -> bool {
        matches!(self, Self::Senior | Self::Child | Self::Student | Self::Military | Self::Disabled)
    }
}

/// How many people one ticket of a product admits: `1`, or `{ min = 2, max = 60 }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persons {
    /// The fewest, at least 1.
    pub min: u16,
    /// The most.
    pub max: u16,
}

impl Default for Persons {
    fn default() -> Self {
        Self { min: 1, max: 1 }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonsRange {
    min: u16,
    max: u16,
}

impl Serialize for Persons {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.min == self.max {
            to.serialize_u16(self.min)
        } else {
            PersonsRange { min: self.min, max: self.max }.serialize(to)
        }
    }
}

impl<'de> Deserialize<'de> for Persons {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Persons;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of persons, or { min = 2, max = 60 }")
            }
            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Persons, E> {
                let count = u16::try_from(count)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))?;
                Ok(Persons { min: count, max: count })
            }
            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Persons, E> {
                self.visit_i64(i64::try_from(count).unwrap_or(i64::MAX))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Persons, A::Error> {
                let range = PersonsRange::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Persons { min: range.min, max: range.max })
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// On which days a ticket is valid. All dates are business days, both ends in; a count of days
/// counts its first day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ValidityDefinition {
    /// On the date that the ticket names.
    VisitDate {},
    /// On every day of a fixed range.
    Fixed {
        /// The first day.
        from: Day,
        /// The last day.
        until: Day,
    },
    /// On `days` days, the day of issue being the first.
    DaysFromIssue {
        /// How many days, at least 1.
        days: u16,
    },
    /// On `days` days, the day of the first entry being the first.
    DaysFromFirstUse {
        /// How many days, at least 1.
        days: u16,
        /// The first entry must fall into so many days, the day of issue being the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_days: Option<u16>,
    },
}

impl Default for ValidityDefinition {
    fn default() -> Self {
        Self::VisitDate {}
    }
}

/// Timed entry (分时预约): open from start − early until start + length + late, the end not in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotDefinition {
    /// How long a slot is.
    pub length: Span,
    /// How much earlier one may come; 0 by default.
    #[serde(default)]
    pub early: Span,
    /// How much later one may come; 0 by default.
    #[serde(default)]
    pub late: Span,
}

/// Local hours: the start is in, the end is not. An end before the start is the next morning's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursDefinition {
    /// Open from here on.
    pub from: TimeOfDay,
    /// Closed from here on.
    pub until: TimeOfDay,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum WeekdayName {
    Mon = 1,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// What must be shown or confirmed besides the ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The holder's ID card.
    IdCard,
    /// The holder's face.
    Face,
    /// The attendant's eye (a height check, a student card).
    Attendant,
}

/// What a ticket admits to, and how often. All limits hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntitlementDefinition {
    /// The areas; a sub-area counts only when it is named.
    pub areas: Vec<String>,
    /// Admissions of each person in all; omitted: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u16>,
    /// Admissions of each person in one business day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u16>,
    /// The least time since the last entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_gap: Option<Span>,
    /// The most time since the first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_first: Option<Span>,
    /// Coming back on the same admission (二次入园).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reentry: Option<ReentryDefinition>,
}

/// Coming back on the same admission (二次入园); needs an exit on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReentryDefinition {
    /// How often each person may come back on one admission; omitted: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u16>,
    /// The most time since the exit, the end in; omitted: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// The least time since the exit.
    #[serde(default)]
    pub min_away: Span,
    /// Only on the business day of the entry; true by default.
    #[serde(default = "yes")]
    pub same_day: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !*value
}
