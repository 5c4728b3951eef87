//! The checks of products and their entitlements.

use std::collections::HashMap;

use shanmen_protocols::ids::ProductId;

use crate::{
    checks::condition::Condition,
    definition::{
        EntitlementDefinition, HoursDefinition, ProductDefinition, SlotDefinition, Text, TimeOfDay,
        ValidityDefinition,
    },
    park::{AreaIx, Entitlement, GateIx, Names, Product, Reentry},
};

use super::{Faults, ProductVersion};

/// The most entitlements of a product.
const ENTITLEMENTS_MAX: usize = 64;

/// Uses × persons stay below what a ticket counts to.
pub(super) const ADMISSIONS_MAX: u32 = 60_000;

pub(super) fn compile(
    versions: &[ProductVersion],
    names: &Names,
    faults: &mut Faults,
) -> Vec<Product> {
    let each = versions.iter().enumerate();
    each.filter_map(|(ix, one)| compile_one(&format!("products[{ix}]"), one, names, faults))
        .collect()
}

pub(super) fn compile_one(
    path: &str,
    one: &ProductVersion,
    names: &Names,
    faults: &mut Faults,
) -> Option<Product> {
    let product = &one.definition;
    let id: Option<ProductId> = faults.id(path, &product.id);
    faults.name(path, product.name.as_ref());
    check_persons(path, product, faults);
    check_validity(path, &product.validity, faults);
    if let Some(slot) = &product.slot {
        check_slot(path, slot, faults);
    }
    for (ix, hours) in product.daily_hours.iter().enumerate() {
        check_hours(&format!("{path}.daily_hours[{ix}]"), *hours, faults);
    }
    let find_gate = |(ix, gate): (usize, &String)| {
        GateIx(faults.find(format!("{path}.gates[{ix}]"), "gate", gate, &names.gates))
    };
    let gates = product.gates.iter().enumerate().map(find_gate).collect();
    let condition = product.condition.as_deref().and_then(|source| {
        Condition::compile(source)
            .map_err(|fault| {
                faults.add(format!("{path}.condition"), fault.problem, fault.hint);
            })
            .ok()
    });
    match product.entitlements.len() {
        0 => faults.add(
            format!("{path}.entitlements"),
            "it admits to nothing",
            "add [[products.entitlements]] with areas = [\"…\"]",
        ),
        1..=ENTITLEMENTS_MAX => {}
        _ => faults.add(
            format!("{path}.entitlements"),
            format!("there are more than {ENTITLEMENTS_MAX}"),
            "",
        ),
    }
    let each = product.entitlements.iter().enumerate();
    let entitlements = each
        .map(|(ix, entitlement)| {
            let path = format!("{path}.entitlements[{ix}]");
            check_counts(&path, entitlement, product.persons.max, faults);
            compile_entitlement(&path, entitlement, &names.areas, faults)
        })
        .collect();
    Some(Product {
        id: id?,
        version: one.version,
        on_sale: one.on_sale,
        sold_for: one
            .sold_for
            .iter()
            .filter_map(|id| names.areas.get(id))
            .map(|&ix| AreaIx(ix))
            .collect(),
        name: Text::or_id(product.name.as_ref(), &product.id),
        class: product.class,
        persons: product.persons,
        validity: product.validity.clone(),
        slot: product.slot,
        daily_hours: product.daily_hours.iter().copied().collect(),
        weekdays: weekday_bits(product),
        blackout: product.blackout.clone(),
        needs: product.needs.iter().copied().collect(),
        gates,
        condition,
        entitlements,
    })
}

/// Bit 0 = Monday; a product that names no day is good on all.
fn weekday_bits(product: &ProductDefinition) -> u8 {
    if product.weekdays.is_empty() {
        return 0b0111_1111;
    }
    product.weekdays.iter().fold(0, |bits, &day| bits | 1 << (day as u8 - 1))
}

fn check_persons(path: &str, product: &ProductDefinition, faults: &mut Faults) {
    let persons = product.persons;
    if persons.min < 1 || persons.max < persons.min {
        let hint = "a number, or { min = 2, max = 60 }";
        faults.add(format!("{path}.persons"), "must be 1 or more, and min up to max", hint);
    }
}

fn check_validity(path: &str, validity: &ValidityDefinition, faults: &mut Faults) {
    let path = || format!("{path}.validity");
    match *validity {
        ValidityDefinition::VisitDate {} => {}
        ValidityDefinition::Fixed { from, until } => {
            if until < from {
                faults.add(path(), format!("ends on {until}, before it begins on {from}"), "");
            }
        }
        ValidityDefinition::DaysFromIssue { days } => {
            if days == 0 {
                faults.add(path(), "days must be 1 or more", "the day of issue is the first");
            }
        }
        ValidityDefinition::DaysFromFirstUse { days, within_days } => {
            if days == 0 || within_days == Some(0) {
                faults.add(path(), "days and within_days must be 1 or more", "");
            }
        }
    }
}

fn check_slot(path: &str, slot: &SlotDefinition, faults: &mut Faults) {
    if slot.length.ms == 0 {
        faults.add(format!("{path}.slot.length"), "must be more than 0", "as \"1h\"");
    }
}

fn check_hours(path: &str, hours: HoursDefinition, faults: &mut Faults) {
    if hours.from == hours.until {
        faults.add(
            path.to_owned(),
            "begins when it ends: it is never open",
            "all day is 00:00 to 24:00",
        );
    }
    if hours.from >= TimeOfDay::END_OF_DAY {
        faults.add(format!("{path}.from"), "must be before 24:00", "");
    }
}

fn check_counts(path: &str, one: &EntitlementDefinition, persons: u16, faults: &mut Faults) {
    for (key, count) in [("uses", one.uses), ("per_day", one.per_day)] {
        match count {
            Some(0) => {
                faults.add(format!("{path}.{key}"), "must be 1 or more", "omit it for no limit");
            }
            Some(count) if u32::from(count) * u32::from(persons) > ADMISSIONS_MAX => faults.add(
                format!("{path}.{key}"),
                format!("{count} for each of {persons} persons is more than {ADMISSIONS_MAX}"),
                "omit it for no limit",
            ),
            _ => {}
        }
    }
    let Some(reentry) = &one.reentry else { return };
    if reentry.count == Some(0) {
        faults.add(format!("{path}.reentry.count"), "must be 1 or more", "omit reentry for none");
    }
    if reentry.within.is_some_and(|within| within < reentry.min_away) {
        faults.add(format!("{path}.reentry.within"), "is shorter than min_away", "");
    }
}

fn compile_entitlement(
    path: &str,
    one: &EntitlementDefinition,
    areas: &HashMap<String, u16>,
    faults: &mut Faults,
) -> Entitlement {
    if one.areas.is_empty() {
        faults.add(format!("{path}.areas"), "names no area", "");
    }
    let each = one.areas.iter().enumerate().map(|(ix, area)| {
        let path = format!("{path}.areas[{ix}]");
        if area == "outside" {
            faults.add(path.clone(), "nobody needs a ticket for the outside", "");
        }
        AreaIx(faults.find(path, "area", area, areas))
    });
    Entitlement {
        areas: each.collect(),
        uses: one.uses,
        per_day: one.per_day,
        min_gap_ms: one.min_gap.map(|span| span.ms),
        within_first_ms: one.within_first.map(|span| span.ms),
        reentry: one.reentry.map(|rule| Reentry {
            count: rule.count,
            within_ms: rule.within.map(|span| span.ms),
            min_away_ms: rule.min_away.ms,
            same_day: rule.same_day,
        }),
    }
}
