//! The visitors' day: reproducible, and plausible in its totals.

use std::collections::BTreeMap;

use shanmen_protocols::ids::{DeviceId, GateId, LaneId, ProductId};

use super::*;
use crate::park::{LaneSpec, Ways};

fn area(id: &str) -> AreaId {
    AreaId::new(id).unwrap()
}

fn lane(id: &str, from: &str, to: &str) -> LaneSpec {
    LaneSpec {
        lane: LaneId::new(id).unwrap(),
        gate: GateId::new("gate").unwrap(),
        from: area(from),
        to: area(to),
        ways: Ways::Both,
        device: DeviceId::new(id).unwrap(),
        username: id.into(),
        password: "secret".into(),
    }
}

fn product(id: &str, class: &str, persons: std::ops::RangeInclusive<u16>) -> ProductSpec {
    let areas = if id == "package" { vec![area("park"), area("cave")] } else { vec![area("park")] };
    ProductSpec {
        id: ProductId::new(id).unwrap(),
        class: class.into(),
        persons,
        areas,
        reentry: true,
    }
}

fn plan() -> ParkPlan {
    ParkPlan::new(
        vec![lane("n1", OUTSIDE, "park"), lane("c1", "park", "cave")],
        vec![
            product("adult-day", "adult", 1..=1),
            product("package", "adult", 1..=1),
            product("child-day", "child", 1..=1),
            product("senior-day", "senior", 1..=1),
            product("staff-card", "staff", 1..=1),
            product("group", "group", 10..=40),
        ],
    )
}

#[test]
fn a_seed_gives_the_same_day_again_and_another_seed_another() {
    assert_eq!(parties_of_day(&plan(), 7), parties_of_day(&plan(), 7));
    assert_ne!(parties_of_day(&plan(), 7), parties_of_day(&plan(), 8));
}

#[test]
fn as_many_come_as_the_plan_says() {
    for seed in 0..5 {
        let persons: u32 = parties_of_day(&plan(), seed).iter().map(Party::persons).sum();
        assert!((6_000..6_050).contains(&persons), "{persons}");
    }
}

#[test]
fn they_come_in_order_and_are_gone_by_closing_time() {
    let parties = parties_of_day(&plan(), 1);
    assert!(parties.is_sorted_by_key(|party| party.arrives));
    for (number, party) in (0..).zip(&parties) {
        assert_eq!(party.number, number);
        assert!(party.arrives <= LAST_ENTRY);
        assert!(party.arrives + party.stay <= CLOSING + STAY_MIN);
        assert!(STAY_MIN <= party.stay);
        let busy: Duration = party.excursions.iter().map(|excursion| excursion.stay).sum();
        assert!(busy < party.stay);
    }
}

#[test]
fn the_morning_is_the_peak_and_the_afternoon_a_shoulder() {
    let mut by_hour: BTreeMap<u64, u32> = BTreeMap::new();
    for party in parties_of_day(&plan(), 3) {
        *by_hour.entry(party.arrives.as_secs() / 3_600).or_default() += party.persons();
    }
    let persons = |hours: std::ops::Range<u64>| -> u32 {
        hours.map(|hour| by_hour.get(&hour).copied().unwrap_or(0)).sum()
    };
    // From 07:00: the hours of the peak, of noon, of the shoulder, and before the last entry.
    assert!(persons(2..4) > 2 * persons(4..6));
    assert!(persons(6..8) > persons(4..6) / 2);
    assert!(persons(6..8) < persons(2..4));
    assert!(persons(9..11) > 0);
}

#[test]
fn a_quarter_or_so_come_in_groups_within_what_a_group_ticket_allows() {
    let parties = parties_of_day(&plan(), 4);
    let group = 5;
    let of_groups: Vec<&Wanted> = parties
        .iter()
        .flat_map(|party| &party.tickets)
        .filter(|wanted| wanted.product == group)
        .collect();
    assert!(of_groups.iter().all(|wanted| (12..=40).contains(&wanted.persons)));
    let persons: u32 = of_groups.iter().map(|wanted| u32::from(wanted.persons)).sum();
    assert!((900..2_400).contains(&persons), "{persons}");
}

#[test]
fn nobody_chooses_a_staff_card() {
    let staff = 4;
    let mut tickets = parties_of_day(&plan(), 5).into_iter().flat_map(|party| party.tickets);
    assert!(tickets.all(|wanted| wanted.product != staff));
}

#[test]
fn every_mishap_happens_on_a_usual_day_and_most_parties_have_none() {
    let parties = parties_of_day(&plan(), 6);
    let mut by_mishap: BTreeMap<Mishap, usize> = BTreeMap::new();
    for party in &parties {
        *by_mishap.entry(party.mishap).or_default() += 1;
    }
    assert_eq!(by_mishap.len(), 8, "{by_mishap:?}");
    assert!(parties.len() * 9 / 10 < by_mishap[&Mishap::None]);
}

#[test]
fn most_go_where_their_ticket_leads_and_few_where_it_does_not() {
    let plan = plan();
    let goes = |package: bool| {
        let parties = parties_of_day(&plan, 9);
        let of: Vec<_> = parties
            .iter()
            .filter(|party| party.tickets.iter().all(|t| (t.product == 1) == package))
            .collect();
        of.iter().filter(|party| !party.excursions.is_empty()).count() * 100 / of.len()
    };
    assert!(goes(true) > 50);
    assert!(goes(false) < 10);
}

#[test]
fn without_anything_on_sale_nobody_comes() {
    let plan = ParkPlan::new(vec![lane("n1", OUTSIDE, "park")], vec![]);
    assert!(parties_of_day(&plan, 1).is_empty());
}
