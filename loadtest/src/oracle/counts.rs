//! The oracle's own count, and its comparison with the feed's.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use shanmen_protocols::{feed::Snapshot, reason::Reason};

use crate::park::{self, CLASSES, gate_id};

/// Who came and went, and who was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Persons that came in.
    pub entries: u32,
    /// Of these, those who came in again on the same ticket.
    pub reentries: u32,
    /// Persons that left.
    pub exits: u32,
    /// Entries and exits by number of the gate.
    pub by_gate: BTreeMap<usize, (u32, u32)>,
    /// Refusals by reason.
    pub by_reason: BTreeMap<String, u32>,
    /// Entries by ticket class.
    pub by_class: BTreeMap<String, u32>,
}

impl Counts {
    /// So many persons of a class came in at a gate.
    pub(super) fn entered(&mut self, gate: usize, class: u8, persons: u32) {
        self.entries += persons;
        self.by_gate.entry(gate).or_default().0 += persons;
        let class = CLASSES[usize::from(class) % CLASSES.len()];
        *self.by_class.entry(class.to_owned()).or_default() += persons;
    }

    pub(super) fn left(&mut self, gate: usize, persons: u32) {
        self.exits += persons;
        self.by_gate.entry(gate).or_default().1 += persons;
    }

    pub(super) fn denied(&mut self, reason: Reason) {
        *self.by_reason.entry(reason.row().code.to_owned()).or_default() += 1;
    }

    /// Persons inside.
    pub fn inside(&self) -> i64 {
        i64::from(self.entries) - i64::from(self.exits)
    }

    /// Refusals.
    pub fn refusals(&self) -> u32 {
        self.by_reason.values().sum()
    }
}

/// Compares what the feed counted between two snapshots with the oracle's count; tells every
/// difference. `own`: the lanes of the load test's own park, whose areas, gates and classes it
/// knows; none for a park of others, where all that stood in the first snapshot has to be there.
/// `unheard`: so many answers of the server may have been refusals that no lane heard.
pub fn compare(
    counts: &Counts,
    before: &Snapshot,
    after: &Snapshot,
    own: Option<usize>,
    unheard: u64,
) -> Vec<String> {
    let own_park = own.is_some();
    let mut faults = Faults { unheard: i64::try_from(unheard).unwrap_or(i64::MAX), told: vec![] };
    let (old, new) = (&before.today, &after.today);
    if old.date != new.date {
        return vec![format!(
            "the business day turned ({} → {}): run it again",
            old.date, new.date
        )];
    }
    faults.missing(before, after, own);
    faults.grown("entries", old.entries, new.entries, counts.entries);
    faults.grown("reentries", old.reentries, new.reentries, counts.reentries);
    faults.grown("exits", old.exits, new.exits, counts.exits);
    faults.refused("denied", old.denied, new.denied, counts.refusals());
    let inside = i64::from(new.in_site) - i64::from(old.in_site);
    faults.same("in_site", inside, counts.inside());
    for area in after.areas.iter().filter(|area| area.parent.is_none() && own_park) {
        faults.same(&format!("occupancy of {}", area.id), area.occupancy.into(), counts.inside());
        faults.same(&format!("reserved in {}", area.id), area.reserved.into(), 0);
    }
    let reasons = old.by_reason.keys().chain(new.by_reason.keys()).chain(counts.by_reason.keys());
    for reason in reasons.collect::<BTreeSet<_>>() {
        let of = |map: &BTreeMap<String, u32>| map.get(reason).copied().unwrap_or(0);
        let (was, is) = (of(&old.by_reason), of(&new.by_reason));
        faults.refused(&format!("denied {reason}"), was, is, of(&counts.by_reason));
    }
    if own_park {
        for class in CLASSES {
            let of = |map: &BTreeMap<String, u32>| map.get(class).copied().unwrap_or(0);
            let (was, is) = (of(&old.by_class), of(&new.by_class));
            faults.grown(&format!("entries of {class}"), was, is, of(&counts.by_class));
        }
        for gate in &after.gates {
            let known = counts.by_gate.iter().find(|(n, _)| gate_id(**n) == gate.id.as_str());
            let (came, went) = known.map_or((0, 0), |(_, count)| *count);
            faults.same(&format!("in at {}", gate.id), gate.in_today.into(), came.into());
            faults.same(&format!("out at {}", gate.id), gate.out_today.into(), went.into());
        }
    }
    faults.told
}

struct Faults {
    unheard: i64,
    told: Vec<String>,
}

impl Faults {
    /// Every area and gate stands in the snapshot, once: what is not there cannot be wrong.
    fn missing(&mut self, before: &Snapshot, after: &Snapshot, own: Option<usize>) {
        let own_gates: Vec<String> = own.into_iter().flat_map(park::gates_of).collect();
        let areas = before.areas.iter().map(|area| area.id.as_str()).chain(own.map(|_| park::AREA));
        let gates = before.gates.iter().map(|gate| gate.id.as_str());
        let gates = gates.chain(own_gates.iter().map(String::as_str));
        let in_areas = |id: &str| after.areas.iter().filter(|area| area.id.as_str() == id).count();
        let in_gates = |id: &str| after.gates.iter().filter(|gate| gate.id.as_str() == id).count();
        for id in areas.collect::<BTreeSet<_>>() {
            self.once("area", id, in_areas(id));
        }
        for id in gates.collect::<BTreeSet<_>>() {
            self.once("gate", id, in_gates(id));
        }
    }

    fn once(&mut self, what: &str, id: &str, is: usize) {
        if is != 1 {
            self.told.push(format!("the feed has {what} {id} {is} times, not once"));
        }
    }

    fn grown(&mut self, what: &str, before: u32, after: u32, expected: u32) {
        self.same(what, i64::from(after) - i64::from(before), expected.into());
    }

    /// Refusals: those that were heard at least.
    fn refused(&mut self, what: &str, before: u32, after: u32, heard: u32) {
        let is = i64::from(after) - i64::from(before);
        if !(0..=self.unheard).contains(&(is - i64::from(heard))) {
            self.same(what, is, heard.into());
        }
    }

    fn same(&mut self, what: &str, is: i64, expected: i64) {
        if is != expected {
            self.told.push(format!("the feed counts {what}: {is}, the oracle {expected}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use shanmen_protocols::{
        feed::{AreaNow, GateNow, Level, Past, SiteInfo, Text, Today},
        ids::{AreaId, GateId, SiteId},
    };

    use super::*;

    const LANES: usize = 3;

    fn snapshot() -> Snapshot {
        let area = |id: &str| AreaNow {
            id: AreaId::new(id).unwrap(),
            name: Text::default(),
            parent: None,
            occupancy: 0,
            reserved: 0,
            capacity: None,
            level: Level::Normal,
            entries_today: 0,
            sold_today: 0,
            actions: Vec::new(),
            override_until: None,
        };
        let gate = |id: String| GateNow {
            id: GateId::new(&id).unwrap(),
            name: Text::default(),
            from: AreaId::new("outside").unwrap(),
            to: AreaId::new(park::AREA).unwrap(),
            in_today: 0,
            out_today: 0,
            in_per_min: 0,
            out_per_min: 0,
            denied_per_min: 0,
        };
        Snapshot {
            site: SiteInfo {
                id: SiteId::new(park::SITE).unwrap(),
                name: Text::default(),
                timezone: "Etc/GMT".to_owned(),
                plan: shanmen_protocols::feed::Plan::default(),
            },
            areas: vec![area(park::AREA)],
            gates: park::gates_of(LANES).map(gate).collect(),
            lanes: Vec::new(),
            today: Today::default(),
            alarms: Vec::new(),
            recent: Vec::new(),
            past: Past::default(),
        }
    }

    fn told(before: &Snapshot, after: &Snapshot, own: Option<usize>) -> String {
        compare(&Counts::default(), before, after, own, 0).join("\n")
    }

    #[test]
    fn a_feed_that_has_every_row_is_as_expected() {
        let all = snapshot();
        assert_eq!(told(&all, &all, Some(LANES)), "");
        assert_eq!(told(&all, &all, None), "");
    }

    #[test]
    fn a_gate_that_the_feed_has_lost_is_told_even_if_it_never_had_it() {
        let (all, mut less) = (snapshot(), snapshot());
        less.gates.remove(1);
        for (before, own) in [(&all, Some(LANES)), (&all, None), (&less, Some(LANES))] {
            let told = told(before, &less, own);
            assert!(told.contains("gate g01 0 times"), "{told}");
        }
    }

    #[test]
    fn a_feed_without_the_root_area_is_told_even_if_it_never_had_it() {
        let (all, mut less) = (snapshot(), snapshot());
        less.areas.clear();
        for (before, own) in [(&all, Some(LANES)), (&all, None), (&less, Some(LANES))] {
            let told = told(before, &less, own);
            assert!(told.contains("area park 0 times"), "{told}");
        }
    }

    #[test]
    fn an_area_that_stands_there_twice_is_told() {
        let (all, mut more) = (snapshot(), snapshot());
        more.areas.extend(all.areas.clone());
        assert!(told(&all, &more, Some(LANES)).contains("area park 2 times"));
    }
}
