//! The oracle's own count, and its comparison with the feed's.

use std::collections::BTreeMap;

use serde::Serialize;
use shanmen_protocols::{feed::Snapshot, reason::Reason};

use crate::park::{CLASSES, gate_id};

/// Who came and went, and who was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Persons that came in.
    pub entries: u32,
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
/// difference. `own_park`: the park is the load test's own, whose gates and classes it knows.
/// `unheard`: so many answers of the server may have been refusals that no lane heard.
pub fn compare(
    counts: &Counts,
    before: &Snapshot,
    after: &Snapshot,
    own_park: bool,
    unheard: u64,
) -> Vec<String> {
    let mut faults = Faults { unheard: i64::try_from(unheard).unwrap_or(i64::MAX), told: vec![] };
    let (old, new) = (&before.today, &after.today);
    if old.date != new.date {
        return vec![format!(
            "the business day turned ({} → {}): run it again",
            old.date, new.date
        )];
    }
    faults.grown("entries", old.entries, new.entries, counts.entries);
    faults.grown("exits", old.exits, new.exits, counts.exits);
    faults.refused("denied", old.denied, new.denied, counts.refusals());
    let inside = i64::from(new.in_site) - i64::from(old.in_site);
    faults.same("in_site", inside, counts.inside());
    for area in after.areas.iter().filter(|area| area.parent.is_none() && own_park) {
        faults.same(&format!("occupancy of {}", area.id), area.occupancy.into(), counts.inside());
        faults.same(&format!("reserved in {}", area.id), area.reserved.into(), 0);
    }
    let reasons = old.by_reason.keys().chain(new.by_reason.keys()).chain(counts.by_reason.keys());
    for reason in reasons.collect::<std::collections::BTreeSet<_>>() {
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
