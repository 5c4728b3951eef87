//! The scenario file's form: a park, its products and tickets, and the steps. An unknown key is
//! an error with its line and column; what is left out takes the default named here.

use std::{collections::BTreeMap, fmt, str::FromStr};

use anyhow::{anyhow, bail};
use serde::{Deserialize, Deserializer, de::Error as _};
use shanmen_protocols::{device::CredentialKind, ids::Direction, reason::Reason, time::UnixMs};
use shanmen_rules::{
    Day, LaneState, Need, ParkDefinition, Status, TimeOfDay,
    definition::{
        AreaDefinition, EntitlementDefinition, GateDefinition, LaneDefinition, ProductDefinition,
        SiteDefinition,
    },
};
use toml::Spanned;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    site: Option<SiteDefinition>,
    #[serde(default)]
    areas: Vec<Spanned<AreaDefinition>>,
    #[serde(default)]
    gates: Vec<Spanned<GateDefinition>>,
    #[serde(default)]
    lanes: Vec<Spanned<LaneDefinition>>,
    #[serde(default)]
    products: Vec<Spanned<ProductDefinition>>,
    #[serde(default)]
    tickets: Vec<Spanned<Ticket>>,
    #[serde(default)]
    steps: Vec<Spanned<Step>>,
}

/// A scenario with its gaps filled.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) park: ParkDefinition,
    /// Where each part of the park stands: `products[0]` and its place.
    pub(super) parts: Vec<(String, Place)>,
    pub(super) tickets: Vec<(Place, Ticket)>,
    pub(super) steps: Vec<(Place, Step)>,
}

/// Where something stands in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    pub(super) fn fault(self, problem: impl fmt::Display) -> anyhow::Error {
        anyhow!("line {}, column {}: {problem}", self.line, self.column)
    }
}

/// A ticket. Without `visit_date` it is for the day of the first step, without `persons` for as
/// few as its product allows, without `issued_at` issued at the first step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ticket {
    pub(super) id: String,
    pub(super) product: String,
    pub(super) visit_date: Option<Day>,
    pub(super) slot: Option<TimeOfDay>,
    pub(super) persons: Option<u16>,
    pub(super) issued_at: Option<At>,
    #[serde(default)]
    pub(super) status: Status,
    #[serde(default)]
    pub(super) credentials: Vec<Credential>,
}

/// One way to present a ticket.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    #[serde(rename = "type")]
    pub(super) kind: CredentialKind,
    pub(super) data: String,
}

/// A moment as it is written, RFC 3339 with its offset.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) text: String,
    pub(super) at: UnixMs,
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let at = jiff::Timestamp::from_str(&text).map_err(|_| {
            D::Error::custom(format!(
                "a moment is written like \"2026-10-01T09:00:00+08:00\", not {text:?}"
            ))
        })?;
        Ok(Self { at: UnixMs(at.as_millisecond()), text })
    }
}

/// What happens after a grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Passage {
    /// All pass.
    #[default]
    Taken,
    /// Nobody passes: the grant is released.
    NotTaken,
    /// So many pass.
    Partial(u16),
    /// Not known yet: the grant stays open until a `release`.
    Pending,
    /// The question alone: nothing is reserved and nobody passes.
    None,
}

impl<'de> Deserialize<'de> for Passage {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let count = text.strip_prefix("partial:").and_then(|count| count.trim().parse().ok());
        Ok(match (text.as_str(), count) {
            ("taken", _) => Self::Taken,
            ("not_taken", _) => Self::NotTaken,
            ("pending", _) => Self::Pending,
            ("none", _) => Self::None,
            (_, Some(count)) => Self::Partial(count),
            _ => {
                let known = "taken, not_taken, partial:20, pending or none";
                return Err(D::Error::custom(format!("a passage is {known}, not {text:?}")));
            }
        })
    }
}

/// One step. `set` and `release` happen before its scan, the `expect_` tables are looked at
/// after it. Without `at` it happens when the step before did.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) at: Option<At>,
    pub(super) lane: Option<String>,
    #[serde(default)]
    pub(super) direction: Direction,
    pub(super) ticket: Option<String>,
    pub(super) credential: Option<String>,
    pub(super) passage: Option<Passage>,
    pub(super) expect: Option<String>,
    pub(super) scan_id: Option<String>,
    #[serde(default)]
    pub(super) confirm: Vec<Need>,
    pub(super) release: Option<String>,
    pub(super) set: Option<Set>,
    #[serde(default)]
    pub(super) expect_occupancy: BTreeMap<String, u32>,
    #[serde(default)]
    pub(super) expect_entries: BTreeMap<String, u32>,
}

impl Step {
    /// Whether a ticket is presented in this step.
    pub(super) fn is_scan(&self) -> bool {
        self.lane.is_some() || self.ticket.is_some() || self.credential.is_some()
    }
}

/// What somebody changes: a ticket's status, or what a lane does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Set {
    pub(super) ticket: Option<String>,
    pub(super) status: Option<Status>,
    pub(super) lane: Option<String>,
    pub(super) state: Option<State>,
}

/// What a lane does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Open,
    Closed,
    Emergency,
}

impl From<State> for LaneState {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Closed => Self::Closed,
            State::Emergency => Self::Emergency,
        }
    }
}

/// Reads a scenario and fills its gaps.
///
/// # Errors
/// With line and column.
/// With a park given, a scenario is tickets and steps only.
fn refuse_a_park(file: &File, placed: &impl Fn(usize) -> Place) -> anyhow::Result<()> {
    let first = |span: Option<std::ops::Range<usize>>| span.map(|span| span.start);
    let parts = [
        ("site", file.site.is_some().then_some(0)),
        ("areas", first(file.areas.first().map(Spanned::span))),
        ("gates", first(file.gates.first().map(Spanned::span))),
        ("lanes", first(file.lanes.first().map(Spanned::span))),
        ("products", first(file.products.first().map(Spanned::span))),
    ];
    for (name, start) in parts {
        if let Some(start) = start {
            return Err(
                placed(start).fault(format!("{name}: the park comes from --park; leave it out"))
            );
        }
    }
    Ok(())
}

/// Reads a scenario; `on` is the park that it is played on where it brings none.
pub(super) fn read(text: &str, on: Option<&ParkDefinition>) -> anyhow::Result<Scenario> {
    let file: File = toml::from_str(text)?;
    let placed = |offset: usize| Place::of(text, offset);
    if on.is_some() {
        refuse_a_park(&file, &placed)?;
    }
    let tickets: Vec<_> = file
        .tickets
        .into_iter()
        .map(|ticket| (placed(ticket.span().start), ticket.into_inner()))
        .collect();
    let steps: Vec<_> =
        file.steps.into_iter().map(|step| (placed(step.span().start), step.into_inner())).collect();
    if steps.is_empty() {
        bail!("there are no steps: begin with [[steps]] and its at, lane, ticket and expect");
    }
    for (place, step) in &steps {
        check_step(*place, step)?;
    }
    let mut parts = Vec::new();
    if let Some(park) = on {
        return Ok(Scenario { park: park.clone(), parts, tickets, steps });
    }
    let park = ParkDefinition {
        site: match file.site {
            Some(site) => site,
            None => toml::from_str("id = \"site\"")?,
        },
        areas: unpack(text, "areas", file.areas, &mut parts),
        gates: unpack(text, "gates", file.gates, &mut parts),
        lanes: unpack(text, "lanes", file.lanes, &mut parts),
        products: unpack(text, "products", file.products, &mut parts),
    };
    let park = fill(park, &tickets, &steps)?;
    Ok(Scenario { park, parts, tickets, steps })
}

/// Notes where each part stands.
fn unpack<T>(
    text: &str,
    list: &str,
    found: Vec<Spanned<T>>,
    parts: &mut Vec<(String, Place)>,
) -> Vec<T> {
    let each = found.into_iter().enumerate().map(|(ix, part)| {
        parts.push((format!("{list}[{ix}]"), Place::of(text, part.span().start)));
        part.into_inner()
    });
    each.collect()
}

fn check_step(place: Place, step: &Step) -> anyhow::Result<()> {
    if step.is_scan() {
        if step.lane.is_none() {
            return Err(place.fault("a scan names its lane"));
        }
        if step.ticket.is_some() == step.credential.is_some() {
            return Err(place.fault("a scan names a ticket or a credential"));
        }
    } else if step.expect.is_some() || step.passage.is_some() || step.scan_id.is_some() {
        return Err(place.fault("expect, passage and scan_id belong to a scan: name its lane"));
    }
    if let Some(expect) = &step.expect
        && !matches!(expect.as_str(), "grant" | "more" | "deny")
        && Reason::from_code(expect).is_none()
    {
        return Err(place.fault(format!("there is no reason {expect:?}")));
    }
    if let Some(set) = &step.set {
        let ticket = set.ticket.is_some() && set.status.is_some();
        let lane = set.lane.is_some() && set.state.is_some();
        let parts = [set.ticket.is_some(), set.status.is_some()];
        let others = [set.lane.is_some(), set.state.is_some()];
        if parts.contains(&true) != ticket || others.contains(&true) != lane || ticket == lane {
            let forms = "{ ticket = \"t1\", status = \"refunded\" } or \
                         { lane = \"n1\", state = \"closed\" }";
            return Err(place.fault(format!("set is {forms}")));
        }
    }
    Ok(())
}

/// Puts in what a short scenario leaves out: the area `park`, a gate into it, the lanes that
/// steps name, products that tickets name, and entitlements to every area with one use.
fn fill(
    mut park: ParkDefinition,
    tickets: &[(Place, Ticket)],
    steps: &[(Place, Step)],
) -> anyhow::Result<ParkDefinition> {
    if park.areas.is_empty() {
        park.areas.push(toml::from_str("id = \"park\"")?);
    }
    if park.gates.is_empty() {
        let Some(area) = park.areas.first() else { bail!("there is no area") };
        park.gates.push(toml::from_str(&format!("id = \"gate\"\nto = {:?}", area.id))?);
    }
    if park.lanes.is_empty() {
        let Some(gate) = park.gates.first().map(|gate| gate.id.clone()) else {
            bail!("there is no gate")
        };
        for lane in steps.iter().filter_map(|(_, step)| step.lane.as_ref()) {
            if park.lanes.iter().all(|known| known.id != *lane) {
                let lane = format!("id = {lane:?}\ngate = {gate:?}");
                park.lanes.push(toml::from_str(&lane)?);
            }
        }
    }
    if park.products.is_empty() {
        for (_, ticket) in tickets {
            if park.products.iter().all(|known| known.id != ticket.product) {
                park.products.push(toml::from_str(&format!("id = {:?}", ticket.product))?);
            }
        }
    }
    let areas: Vec<String> = park.areas.iter().map(|area| area.id.clone()).collect();
    for product in &mut park.products {
        if product.entitlements.is_empty() {
            let one =
                EntitlementDefinition { areas: areas.clone(), uses: Some(1), ..<_>::default() };
            product.entitlements.push(one);
        }
    }
    Ok(park)
}
