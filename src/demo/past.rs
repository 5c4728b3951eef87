//! The demo's past: eight weeks of made-up days, so that the pages have something to compare today
//! with. The same for the same day and park, told in the log, and in the history only: no ticket, no
//! passage, no fact of a device is made up.
//!
//! Called once, by the demo, on a data folder without a past.

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};
use shanmen_actors::{
    ControlPlane,
    api::{Counted, DeviceAvailability, Fault, FlowBy, PastCount, PastDay},
    whole::{as_f64, parts, rounded},
};
use shanmen_protocols::time::UnixMs;
use shanmen_rules::{AreaIx, Day, Park, definition::LaneDirection};

/// How many days are made up: eight weeks.
const DAYS: i32 = 56;
/// Of so many days before today each minute is told, of earlier ones every fifth.
const FINE_DAYS: i32 = 8;
/// Steps of the other dimensions, in minutes.
const STEP: usize = 15;
/// From when to when visitors come, in minutes of the day.
const OPEN: std::ops::Range<usize> = 7 * 60..20 * 60;
/// Visitors of a middling day, in percent of what the site holds at one time.
const DAY_PERCENT: f64 = 85.0;
/// The capacity of a site that names none, in persons.
const CAPACITY: u32 = 8_000;
/// Each weekday's share of a middling day, Monday first.
const WEEKDAYS: [f64; 7] = [0.72, 0.7, 0.74, 0.8, 1.0, 1.55, 1.4];

/// The channels and their shares.
const CHANNELS: [(&str, f64); 5] =
    [("ota", 0.38), ("direct", 0.22), ("mini-program", 0.18), ("kiosk", 0.14), ("counter", 0.08)];
/// The reasons of refusals and their shares.
const REASONS: [(&str, f64); 5] = [
    ("already_used", 0.42),
    ("wrong_date", 0.24),
    ("unknown_ticket", 0.18),
    ("not_in_slot", 0.1),
    ("refunded", 0.06),
];

/// Makes the past up, where there is none.
pub(super) async fn fill(plane: &ControlPlane) -> Result<(), Fault> {
    let park = plane.park();
    let today = plane.today();
    let made = tokio::task::spawn_blocking(move || days(&park, today))
        .await
        .map_err(|error| Fault::Internal(error.to_string()))?;
    match plane.fill_past(made).await {
        Ok(days) => {
            tracing::info!(days, "the demo made up a past: the pages compare today with it");
            Ok(())
        }
        Err(Fault::Conflict(_)) => {
            tracing::debug!("there is a past already: none is made up");
            Ok(())
        }
        Err(fault) => Err(fault),
    }
}

fn days(park: &Park, today: Day) -> Vec<PastDay> {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(u64::from(today.0.unsigned_abs()));
    (1..=DAYS).rev().map(|ago| one_day(park, today.plus(-ago), ago, &mut chance)).collect()
}

/// A day, minute by minute.
struct Course {
    entered: Vec<u32>,
    gone: Vec<u32>,
    denied: Vec<u32>,
    untaken: Vec<u32>,
    reentered: Vec<u32>,
}

fn one_day(park: &Park, day: Day, ago: i32, chance: &mut Xoshiro256PlusPlus) -> PastDay {
    let rain = chance.random_bool(0.15);
    let capacity = f64::from(capacity(park).unwrap_or(CAPACITY));
    let weekday = WEEKDAYS[usize::from(day.weekday().saturating_sub(1)).min(6)];
    let growth = 1.0 + 0.1 * f64::from(DAYS - ago) / f64::from(DAYS);
    let dice: f64 = chance.random_range(0.9..1.1);
    let weather = if rain { 0.55 } else { 1.0 };
    let total = capacity * DAY_PERCENT / 100.0 * weekday * growth * dice * weather;
    let course = course(total, chance);
    let begin = park.calendar().turn_of(day);
    let at = |minute: usize| begin.plus_ms(i64::try_from(minute).unwrap_or(0) * 60_000);
    let mut counts = Vec::new();
    inside(park, &course, if ago <= FINE_DAYS { 1 } else { 5 }, &at, &mut counts);
    // The share of the first gate grows: the new station is known by and by.
    let shift = 0.12 * f64::from(DAYS - ago) / f64::from(DAYS);
    spread(park, &course, shift, &at, &mut counts);
    let stays = (2..40).map(|bin| {
        let hours = f64::from(bin) * 0.25 + 0.125;
        let share = (-(hours - 3.6_f64).powi(2) / 3.2).exp() * 0.25 / 3.17;
        (bin * 15 + 7, rounded(total * share))
    });
    let devices = park.lanes().iter().map(|lane| DeviceAvailability {
        day,
        device: format!("demo-{}", lane.id),
        known_min: 1_440,
        online_min: if chance.random_bool(0.2) { chance.random_range(1_300..1_440) } else { 1_440 },
    });
    let devices = devices.collect();
    let noise: f64 = chance.random_range(0.92..1.08);
    PastDay { day, counts, stays: stays.collect(), devices, sold: rounded(total * 0.62 * noise) }
}

/// Who comes and goes: a morning peak, an afternoon shoulder, and stays of some hours.
fn course(total: f64, chance: &mut Xoshiro256PlusPlus) -> Course {
    let late: f64 = chance.random_range(-20.0..20.0);
    let bump = |minute: f64, middle: f64, width: f64| {
        (-((minute - middle - late) / width).powi(2) / 2.0).exp()
    };
    let weights: Vec<f64> = OPEN
        .map(|minute| {
            let at = as_f64(minute);
            let base = bump(at, 600.0, 55.0) + 0.55 * bump(at, 840.0, 70.0);
            base * chance.random_range(0.6..1.4)
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    let entered = parts(weights.iter().map(|weight| total * weight / sum));
    // Everybody leaves after two to five hours, evenly, and by closing time at the latest.
    let mut leaving = vec![0.0; OPEN.len()];
    for (minute, count) in entered.iter().enumerate() {
        for stay in (120..300).step_by(10) {
            let leaves = (minute + stay).min(OPEN.len() - 1 - stay % 30);
            leaving[leaves.max(minute)] += f64::from(*count) / 18.0;
        }
    }
    let one_in = |n: f64| parts(entered.iter().map(|count| f64::from(*count) / n));
    Course {
        gone: parts(leaving.into_iter()),
        denied: one_in(33.0),
        untaken: one_in(120.0),
        reentered: one_in(20.0),
        entered,
    }
}

/// The site and its areas: counts and peaks, every `step` minutes.
fn inside(
    park: &Park,
    course: &Course,
    step: usize,
    at: &impl Fn(usize) -> UnixMs,
    counts: &mut Vec<PastCount>,
) {
    let (mut now, mut most) = (0_u32, 0_u32);
    for (entered, gone) in course.entered.iter().zip(&course.gone) {
        now = (now + entered).saturating_sub(*gone);
        most = most.max(now);
    }
    now = 0;
    for from in (0..OPEN.len()).step_by(step) {
        let range = from..(from + step).min(OPEN.len());
        let mut peak = now;
        for minute in range.clone() {
            now = (now + course.entered[minute]).saturating_sub(course.gone[minute]);
            peak = peak.max(now);
        }
        let at = at(OPEN.start + from);
        let sum = |counts: &[u32]| counts[range.clone()].iter().sum::<u32>();
        let site = Counted {
            entered: sum(&course.entered),
            gone: sum(&course.gone),
            denied: sum(&course.denied),
            reentered: sum(&course.reentered),
            not_taken: sum(&course.untaken),
            peak,
            ..Counted::default()
        };
        if site == Counted::default() {
            continue;
        }
        counts.push(PastCount { by: FlowBy::Site, at, key: String::new(), counted: site });
        for area in park.areas().iter().skip(1) {
            let share = area_share(area, most);
            let within = |count: u32| rounded(f64::from(count) * share);
            let counted = Counted {
                entered: within(site.entered),
                gone: within(site.gone),
                denied: if area.parent.is_none() { site.denied } else { 0 },
                peak: within(site.peak),
                ..Counted::default()
            };
            counts.push(PastCount { by: FlowBy::Area, at, key: area.id.to_string(), counted });
        }
    }
}

/// What of the site's visitors are in an area: all in its top areas; of an inner one so many that
/// it is rarely crowded.
fn area_share(area: &shanmen_rules::Area, most: u32) -> f64 {
    match (area.parent, area.capacity_instant) {
        (None, _) => 1.0,
        (Some(_), None) => 0.06,
        (Some(_), Some(capacity)) => (0.7 * f64::from(capacity) / f64::from(most.max(1))).min(0.06),
    }
}

/// Gates, lanes, products, classes, channels and reasons, by fixed shares.
fn spread(
    park: &Park,
    course: &Course,
    shift: f64,
    at: &impl Fn(usize) -> UnixMs,
    counts: &mut Vec<PastCount>,
) {
    let shares = shares(park, shift);
    for from in (0..OPEN.len()).step_by(STEP) {
        let range = from..(from + STEP).min(OPEN.len());
        let entered: u32 = course.entered[range.clone()].iter().sum();
        let gone: u32 = course.gone[range.clone()].iter().sum();
        let refused: u32 = course.denied[range].iter().sum();
        let at = at(OPEN.start + from);
        for (by, keyed) in &shares {
            let ins = parts(keyed.iter().map(|one| f64::from(entered) * one.inward));
            let outs = parts(keyed.iter().map(|one| f64::from(gone) * one.outward));
            let denied = parts(keyed.iter().map(|one| f64::from(refused) * one.refused));
            for (n, one) in keyed.iter().enumerate() {
                let counted = Counted {
                    entered: ins[n],
                    gone: outs[n],
                    denied: denied[n],
                    ..Counted::default()
                };
                if counted != Counted::default() {
                    counts.push(PastCount { by: *by, at, key: one.key.clone(), counted });
                }
            }
        }
    }
}

/// What of the site's counts falls to one key.
#[derive(Clone, Default)]
struct Share {
    key: String,
    inward: f64,
    outward: f64,
    refused: f64,
}

fn shares(park: &Park, shift: f64) -> Vec<(FlowBy, Vec<Share>)> {
    let (gates, lanes) = gate_shares(park, shift);
    let mut products = BTreeMap::<String, (String, f64)>::new();
    let top = |area: &AreaIx| *area != AreaIx::OUTSIDE && park.area(*area).parent.is_none();
    let lets_in = |product: &&shanmen_rules::Product| {
        product.on_sale && product.entitlements.iter().any(|one| one.areas.iter().any(top))
    };
    for product in park.products().iter().filter(lets_in) {
        let class = product.class.as_str();
        let weight = match class {
            "adult" => 6.0,
            "child" | "student" => 1.6,
            "senior" | "group" | "pass" => 1.2,
            _ => 0.1,
        };
        products.insert(product.id.to_string(), (class.to_owned(), weight));
    }
    let sum: f64 = products.values().map(|(_, weight)| weight).sum();
    let mut classes = BTreeMap::<String, f64>::new();
    for (class, weight) in products.values() {
        *classes.entry(class.clone()).or_default() += weight / sum;
    }
    let sold = |key: &str, share: f64| Share {
        key: key.to_owned(),
        inward: share,
        outward: share,
        refused: 0.0,
    };
    let reason = |(key, share): &(&str, f64)| Share {
        key: (*key).to_owned(),
        refused: *share,
        ..Share::default()
    };
    vec![
        (FlowBy::Gate, gates),
        (FlowBy::Lane, lanes),
        (FlowBy::Product, products.iter().map(|(id, (_, w))| sold(id, w / sum)).collect()),
        (FlowBy::Class, classes.iter().map(|(class, share)| sold(class, *share)).collect()),
        (FlowBy::Channel, CHANNELS.iter().map(|(key, share)| sold(key, *share)).collect()),
        (FlowBy::Reason, REASONS.iter().map(reason).collect()),
    ]
}

/// Gates to the outside share all that come, and those that lead out all that leave.
fn gate_shares(park: &Park, shift: f64) -> (Vec<Share>, Vec<Share>) {
    let outer =
        |gate: &&shanmen_rules::Gate| gate.from == AreaIx::OUTSIDE || gate.to == AreaIx::OUTSIDE;
    let outer: Vec<_> = park.gates().iter().filter(outer).collect();
    let lets_in = |gate: &shanmen_rules::Gate| {
        let mut lanes = park.lanes().iter().filter(|lane| park.gate(lane.gate).id == gate.id);
        !park.is_way_out(gate) && lanes.any(|lane| lane.direction != LaneDirection::Out)
    };
    let ways_in = outer.iter().filter(|gate| lets_in(gate)).count().max(1);
    let (mut gates, mut lanes) = (Vec::new(), Vec::new());
    let mut first = true;
    for gate in &outer {
        let even = 1.0 / as_f64(ways_in);
        let more =
            if std::mem::take(&mut first) { shift } else { -shift / as_f64((ways_in - 1).max(1)) };
        let inward = match (lets_in(gate), ways_in) {
            (false, _) => 0.0,
            (true, 1) => 1.0,
            (true, _) => even + more,
        };
        let outward = 1.0 / as_f64(outer.len());
        let of = |key: String, part: f64| Share {
            key,
            inward: inward * part,
            outward: outward * part,
            refused: inward * part,
        };
        gates.push(of(gate.id.to_string(), 1.0));
        let own = park.lanes().iter().filter(|lane| park.gate(lane.gate).id == gate.id);
        let own: Vec<_> = own.map(|lane| lane.id.to_string()).collect();
        let each = 1.0 / as_f64(own.len().max(1));
        lanes.extend(own.into_iter().map(|lane| of(lane, each)));
    }
    (gates, lanes)
}

/// Persons that the site holds at one time, where its top areas say so.
fn capacity(park: &Park) -> Option<u32> {
    let top = park.areas().iter().skip(1).filter(|area| area.parent.is_none());
    top.map(|area| area.capacity_instant).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_made_up_past_is_the_same_again_and_adds_up() {
        let config = crate::config::load(None, &[]).unwrap();
        let park = Park::compile(&config.park).unwrap();
        let (first, again) = (days(&park, Day(20_779)), days(&park, Day(20_779)));
        assert_eq!(first.len(), 56);
        for (one, other) in first.iter().zip(&again) {
            let sum = |past: &PastDay, by| -> u32 {
                let of = past.counts.iter().filter(|one| one.by == by);
                of.map(|one| one.counted.entered).sum()
            };
            let site = sum(one, FlowBy::Site);
            assert_eq!(site, sum(other, FlowBy::Site));
            assert!(3_000 < site && site < 40_000, "{site} on {}", one.day);
            let denied = |by| -> u32 {
                let of = one.counts.iter().filter(|one| one.by == by);
                of.map(|one| one.counted.denied).sum()
            };
            assert_eq!(denied(FlowBy::Site), denied(FlowBy::Area), "{}", one.day);
            assert!(denied(FlowBy::Site).abs_diff(denied(FlowBy::Reason)) <= 60, "{}", one.day);
            for by in [FlowBy::Gate, FlowBy::Lane, FlowBy::Class, FlowBy::Channel] {
                assert!(site.abs_diff(sum(one, by)) <= 60, "{by:?} on {}", one.day);
            }
        }
    }
}
