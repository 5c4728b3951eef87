//! Versions of a product: each keeps the index under which its tickets were sold.
//!
//! Owns what a change may do to tickets already sold: a ticket counts its uses by the place of an
//! entitlement, and has only the terms that its sale gave it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Fault, Faults, products::ADMISSIONS_MAX};
use crate::definition::{ProductDefinition, ValidityDefinition};

/// One version of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProductVersion {
    /// The definition that its tickets are decided by.
    pub definition: ProductDefinition,
    /// The areas that they were sold for: those of its own definition, each once.
    pub sold_for: Vec<String>,
    /// From 1 on, for each product id.
    pub version: u32,
    /// Whether it is sold: only the latest version of an id can be.
    pub on_sale: bool,
}

impl ProductVersion {
    /// The first version of a product, on sale where it says so.
    pub fn first(definition: ProductDefinition) -> Self {
        let sold_for = Self::areas(&definition);
        Self { version: 1, on_sale: definition.on_sale, sold_for, definition }
    }

    /// The areas that a definition admits to, each once.
    pub fn areas(definition: &ProductDefinition) -> Vec<String> {
        let mut areas: Vec<String> = Vec::new();
        for area in definition.entitlements.iter().flat_map(|one| &one.areas) {
            if !areas.contains(area) {
                areas.push(area.clone());
            }
        }
        areas
    }
}

/// The index of the latest version of each product id.
pub(super) fn latest(versions: &[ProductVersion], faults: &mut Faults) -> HashMap<String, u16> {
    let mut names = HashMap::new();
    for (ix, one) in versions.iter().enumerate() {
        // The last index stands for "none" in a ticket's blob.
        let Some(ix) = u16::try_from(ix).ok().filter(|&ix| ix < u16::MAX) else {
            let problem = format!("there are more than {} versions of products", u16::MAX);
            faults.add("products".to_owned(), problem, "");
            break;
        };
        names.insert(one.definition.id.clone(), ix);
    }
    names
}

/// Whether `new` can also be for the tickets that were sold under `old`.
///
/// # Errors
/// What does not fit, all at once; paths begin at the product.
pub fn check_for_sold(old: &ProductDefinition, new: &ProductDefinition) -> Result<(), Vec<Fault>> {
    let mut faults = Faults::default();
    let mut add = |path: String, problem: String| {
        let hint = "leave out applies_to_sold: then it is for new tickets only";
        faults.add(path, problem, hint);
    };
    let by_date = |one: &ProductDefinition| one.validity == ValidityDefinition::VisitDate {};
    if by_date(new) && !by_date(old) {
        add("validity".into(), "tickets of that version have no visit date".into());
    }
    if new.slot.is_some() && old.slot.is_none() {
        add("slot".into(), "tickets of that version have no slot".into());
    }
    for (ix, before) in old.entitlements.iter().enumerate() {
        let Some(now) = new.entitlements.get(ix) else {
            let sold = before.areas.join(", ");
            add("entitlements".into(), format!("number {ix} ({sold}) was sold and is gone"));
            continue;
        };
        if !before.areas.iter().any(|area| now.areas.contains(area)) {
            let problem =
                format!("tickets count in this place what was for {}", before.areas.join(", "));
            add(format!("entitlements[{ix}].areas"), problem);
        }
        for (key, count) in [("uses", now.uses), ("per_day", now.per_day)] {
            let persons = u32::from(old.persons.max);
            if count.is_some_and(|count| u32::from(count) * persons > ADMISSIONS_MAX) {
                let problem = format!("too many for tickets sold for {persons} persons");
                add(format!("entitlements[{ix}].{key}"), problem);
            }
        }
    }
    faults.or_nothing()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(toml: &str) -> ProductDefinition {
        toml::from_str(&format!("id = \"p\"\n{toml}")).unwrap()
    }

    fn paths(old: &str, new: &str) -> Vec<String> {
        let faults = check_for_sold(&product(old), &product(new)).err().unwrap_or_default();
        faults.into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn what_a_sold_ticket_lacks_cannot_be_asked_of_it() {
        let plain = "validity = { kind = \"days_from_issue\", days = 3 }
            entitlements = [{ areas = [\"park\", \"cave\"], uses = 1 }, { areas = [\"boat\"] }]";
        assert!(paths(plain, plain).is_empty());
        let later = "validity = { kind = \"days_from_issue\", days = 9 }
            daily_hours = [{ from = \"08:00\", until = \"19:00\" }]
            entitlements = [{ areas = [\"cave\"] }, { areas = [\"boat\"] }, { areas = [\"park\"] }]";
        assert!(paths(plain, later).is_empty());
        let dated = "slot = { length = \"1h\" }
            entitlements = [{ areas = [\"boat\"], uses = 1 }]";
        assert_eq!(
            paths(plain, dated),
            ["validity", "slot", "entitlements[0].areas", "entitlements"]
        );
        let crowd = "persons = { min = 1, max = 600 }\nentitlements = [{ areas = [\"park\"] }]";
        let many = "entitlements = [{ areas = [\"park\"], uses = 1000 }]";
        assert_eq!(paths(crowd, many), ["entitlements[0].uses"]);
    }
}
