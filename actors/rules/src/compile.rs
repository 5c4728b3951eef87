//! From the written form to the compiled park. Everything is checked, and all faults are given
//! at once, each with its place and what to do.
//!
//! Owns the checks of the site, areas, gates and lanes; products stand in `compile/products.rs`.

mod products;
mod versions;

use std::{collections::HashMap, fmt};

use jiff::tz::TimeZone;
use shanmen_protocols::ids::{AreaId, GateId, LaneId, SiteId};

pub use versions::{ProductVersion, check_for_sold};

use crate::{
    calendar::Calendar,
    definition::{
        AreaDefinition, CapacityAction, CapacityLevel, CapacityOf, GateDefinition, LaneDefinition,
        ParkDefinition, ProductDefinition, SiteDefinition, Text, TimeOfDay,
    },
    levels,
    park::{Area, AreaIx, Gate, GateIx, Lane, Limits, Names, Park, Site},
};

/// The most areas, gates, lanes or products of a park.
pub const PARTS_MAX: usize = 10_000;

/// The deepest nesting of areas; a passage walks up the tree.
pub const DEPTH_MAX: usize = 8;

/// The longest name, in characters.
const NAME_MAX_CHARS: usize = 100;

const OUTSIDE: &str = "outside";

/// One fault of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, as `products[3].entitlements[0].areas[1]`.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " ({})", self.hint) }
    }
}

/// The faults found so far.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, path: String, problem: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Fault { path, problem: problem.into(), hint: hint.into() });
    }

    /// Nothing, or all faults with their paths beginning at the part that was checked alone.
    fn or_nothing(mut self) -> Result<(), Vec<Fault>> {
        for fault in &mut self.0 {
            if let Some(path) = fault.path.strip_prefix('.') {
                fault.path = path.to_owned();
            }
        }
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }

    /// The checked id, or a fault.
    fn id<T: std::str::FromStr<Err = shanmen_protocols::ids::NotAName>>(
        &mut self,
        path: &str,
        id: &str,
    ) -> Option<T> {
        let checked = id.parse::<T>();
        if let Err(fault) = &checked {
            self.add(format!("{path}.id"), fault.to_string(), "");
        }
        checked.ok()
    }

    /// A name that people can read: it goes onto displays and into decisions.
    fn name(&mut self, path: &str, name: Option<&Text>) {
        let unreadable = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        for text in name.into_iter().flat_map(|name| [&name.zh, &name.en]) {
            if NAME_MAX_CHARS < text.chars().count() || text.chars().any(unreadable) {
                let problem =
                    format!("more than {NAME_MAX_CHARS} characters, or one that none can read");
                self.add(format!("{path}.name"), problem, "a name as it stands on a display");
            }
        }
    }

    /// The index of a reference, or a fault that names what there is.
    fn find(&mut self, path: String, kind: &str, id: &str, names: &HashMap<String, u16>) -> u16 {
        if let Some(&ix) = names.get(id) {
            return ix;
        }
        let mut known: Vec<&str> = names.keys().map(String::as_str).collect();
        known.sort_unstable();
        let hint = match known.len() {
            0 => format!("there is no {kind} yet"),
            1..=12 => format!("there is {}", known.join(", ")),
            count => format!("there are {count}, none of that name"),
        };
        self.add(path, format!("there is no {kind} {id:?}"), hint);
        0
    }
}

impl Park {
    /// Checks a definition and compiles it.
    ///
    /// # Errors
    /// All faults at once, in the order of the definition.
    pub fn compile(definition: &ParkDefinition) -> Result<Park, Vec<Fault>> {
        let mut faults = Faults::default();
        let ids = definition.products.iter().map(|product| product.id.as_str());
        name("products", ids, 0, &mut faults);
        let versions = definition.products.iter().cloned().map(ProductVersion::first);
        assemble(definition, &versions.collect::<Vec<_>>(), faults)
    }

    /// Compiles a site with all versions of its products, each at the index of its place; the
    /// definition's own products are not looked at.
    ///
    /// # Errors
    /// All faults at once; a version's place stands as `products[n]`.
    pub fn compile_versions(
        definition: &ParkDefinition,
        versions: &[ProductVersion],
    ) -> Result<Park, Vec<Fault>> {
        assemble(definition, versions, Faults::default())
    }

    /// Checks a product against this park's areas and gates.
    ///
    /// # Errors
    /// All faults at once; their paths begin at the product, as `entitlements[0].areas[1]`.
    pub fn check_product(&self, product: &ProductDefinition) -> Result<(), Vec<Fault>> {
        let mut faults = Faults::default();
        products::compile_one(
            "",
            &ProductVersion::first(product.clone()),
            &self.names,
            &mut faults,
        );
        faults.or_nothing()
    }
}

fn assemble(
    definition: &ParkDefinition,
    versions: &[ProductVersion],
    mut faults: Faults,
) -> Result<Park, Vec<Fault>> {
    let site = compile_site(&definition.site, &mut faults);
    let areas = std::iter::once(OUTSIDE).chain(definition.areas.iter().map(|a| a.id.as_str()));
    let names = Names {
        areas: name("areas", areas, 1, &mut faults),
        gates: name("gates", definition.gates.iter().map(|g| g.id.as_str()), 0, &mut faults),
        lanes: name("lanes", definition.lanes.iter().map(|l| l.id.as_str()), 0, &mut faults),
        products: versions::latest(versions, &mut faults),
    };
    let levels = site.as_ref().map_or(&[][..], |(site, _)| &site.capacity_levels);
    let areas = compile_areas(&definition.areas, levels, &names, &mut faults);
    let gates = compile_gates(&definition.gates, &names, &mut faults);
    let lanes = compile_lanes(&definition.lanes, &names, &mut faults);
    let products = products::compile(versions, &names, &mut faults);
    match (site, faults.0.is_empty()) {
        (Some((site, zone)), true) => {
            let calendar = Calendar::new(zone, site.day_starts_at);
            Ok(Park { site, calendar, areas, gates, lanes, products, names })
        }
        _ => Err(faults.0),
    }
}

/// From id to index; a second one of the same id is a fault. The first `hidden` ids stand in no
/// list of the definition.
fn name<'a>(
    list: &str,
    ids: impl Iterator<Item = &'a str>,
    hidden: usize,
    faults: &mut Faults,
) -> HashMap<String, u16> {
    let mut names = HashMap::new();
    for (ix, id) in ids.enumerate() {
        let Some(short) = u16::try_from(ix).ok().filter(|_| ix <= PARTS_MAX) else {
            faults.add(list.to_owned(), format!("there are more than {PARTS_MAX}"), "");
            break;
        };
        if names.insert(id.to_owned(), short).is_some() {
            let path = format!("{list}[{}].id", ix - hidden.min(ix));
            let hint = if id == OUTSIDE { "the world outside is there by itself" } else { "" };
            faults.add(path, format!("{id:?} is there twice"), hint);
        }
    }
    names
}

fn compile_site(site: &SiteDefinition, faults: &mut Faults) -> Option<(Site, TimeZone)> {
    let id: Option<SiteId> = faults.id("site", &site.id);
    faults.name("site", site.name.as_ref());
    let zone = TimeZone::get(&site.timezone).map_err(|_| {
        let problem = format!("there is no time zone {:?}", site.timezone);
        faults.add("site.timezone".to_owned(), problem, "an IANA name, as Asia/Shanghai");
    });
    if site.day_starts_at >= TimeOfDay::END_OF_DAY {
        faults.add("site.day_starts_at".to_owned(), "must be before 24:00", "");
    }
    let mut levels = site.capacity_levels.clone().unwrap_or_else(CapacityLevel::usual);
    for (ix, level) in levels.iter().enumerate() {
        if !(1..=1_000).contains(&level.at_percent) {
            let path = format!("site.capacity_levels[{ix}].at_percent");
            faults.add(path, "must be 1 to 1000", "percent of the capacity");
        }
        if level.actions.contains(&CapacityAction::StopEntry) {
            if level.of == CapacityOf::Sold {
                let path = format!("site.capacity_levels[{ix}].of");
                faults.add(path, "stop_entry cannot go by what is sold", "instant or daily");
            } else if level.at_percent > 100 {
                let path = format!("site.capacity_levels[{ix}].at_percent");
                let hint = "an operator's override lets in more, for a time and on record";
                faults.add(path, "stop_entry above 100: the capacity is the limit", hint);
            }
        }
    }
    levels.sort_by_key(|level| level.at_percent);
    let zone = zone.ok()?;
    Some((
        Site {
            id: id?,
            name: Text::or_id(site.name.as_ref(), &site.id),
            timezone: site.timezone.clone(),
            day_starts_at: site.day_starts_at,
            opening_hours: site.opening_hours.clone(),
            holidays: site.holidays.clone(),
            capacity_levels: levels,
        },
        zone,
    ))
}

fn compile_areas(
    areas: &[AreaDefinition],
    levels: &[CapacityLevel],
    names: &Names,
    faults: &mut Faults,
) -> Vec<Area> {
    let mut compiled = Vec::with_capacity(areas.len() + 1);
    if let Ok(id) = AreaId::new(OUTSIDE) {
        compiled.push(Area {
            id,
            name: Text { zh: "园外".to_owned(), en: "Outside".to_owned() },
            parent: None,
            capacity_instant: None,
            capacity_daily: None,
            anti_passback: crate::definition::AntiPassback::Off,
            position: None,
            entry_limits: Limits::default(),
        });
    }
    for (ix, area) in areas.iter().enumerate() {
        let path = format!("areas[{ix}]");
        faults.name(&path, area.name.as_ref());
        let id = faults.id(&path, &area.id);
        let parent = area.parent.as_deref().and_then(|parent| {
            if parent == OUTSIDE {
                return None; // A top-level area lies in the world.
            }
            let at = format!("{path}.parent");
            Some(AreaIx(faults.find(at, "area", parent, &names.areas)))
        });
        if let Some(id) = id {
            compiled.push(Area {
                id,
                name: Text::or_id(area.name.as_ref(), &area.id),
                parent,
                capacity_instant: area.capacity.instant,
                capacity_daily: area.capacity.daily,
                anti_passback: area.anti_passback,
                position: area.x.zip(area.y),
                entry_limits: levels::entry_limits(levels, area.capacity),
            });
        }
    }
    // With a fault above, indexes may be off; the tree is looked at once they are right.
    if compiled.len() == areas.len() + 1 {
        check_tree(&compiled, faults);
    }
    compiled
}

fn check_tree(areas: &[Area], faults: &mut Faults) {
    for (ix, area) in areas.iter().enumerate().skip(1) {
        let chain = std::iter::successors(area.parent, |parent| {
            areas.get(parent.at()).and_then(|area| area.parent)
        });
        if chain.take(DEPTH_MAX).count() == DEPTH_MAX {
            let path = format!("areas[{}].parent", ix - 1);
            let problem = format!("the areas lie in each other, or deeper than {DEPTH_MAX}");
            faults.add(path, problem, "an area's parents must end at a top-level area");
        }
    }
}

fn compile_gates(gates: &[GateDefinition], names: &Names, faults: &mut Faults) -> Vec<Gate> {
    let mut compiled = Vec::with_capacity(gates.len());
    for (ix, gate) in gates.iter().enumerate() {
        let path = format!("gates[{ix}]");
        faults.name(&path, gate.name.as_ref());
        let id: Option<GateId> = faults.id(&path, &gate.id);
        let from = AreaIx(faults.find(format!("{path}.from"), "area", &gate.from, &names.areas));
        let to = AreaIx(faults.find(format!("{path}.to"), "area", &gate.to, &names.areas));
        if gate.from == gate.to {
            faults.add(format!("{path}.to"), "leads where it comes from", "name two areas");
        }
        if let Some(id) = id {
            let name = Text::or_id(gate.name.as_ref(), &gate.id);
            compiled.push(Gate { id, name, from, to, position: gate.x.zip(gate.y) });
        }
    }
    compiled
}

fn compile_lanes(lanes: &[LaneDefinition], names: &Names, faults: &mut Faults) -> Vec<Lane> {
    let mut compiled = Vec::with_capacity(lanes.len());
    for (ix, lane) in lanes.iter().enumerate() {
        let path = format!("lanes[{ix}]");
        faults.name(&path, lane.name.as_ref());
        let id: Option<LaneId> = faults.id(&path, &lane.id);
        let gate = GateIx(faults.find(format!("{path}.gate"), "gate", &lane.gate, &names.gates));
        if let Some(id) = id {
            let name = Text::or_id(lane.name.as_ref(), &lane.id);
            let position = lane.x.zip(lane.y);
            compiled.push(Lane { id, name, gate, direction: lane.direction, position });
        }
    }
    compiled
}
