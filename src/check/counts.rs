//! People in the areas of a scenario, counted as flow counts them.

use shanmen_protocols::time::UnixMs;
use shanmen_rules::{AreaIx, Day, Movements, OpenGrant, Park, Room};

/// People in the areas, as flow counts them.
pub(super) struct Counts {
    day: Day,
    inside: Vec<u32>,
    reserved: Vec<u32>,
    entries: Vec<u32>,
    entries_reserved: Vec<u32>,
}

impl Room for Counts {
    fn persons(&self, area: AreaIx) -> u32 {
        let ix = usize::from(area.0);
        self.inside[ix] + self.reserved[ix]
    }

    fn entries_today(&self, area: AreaIx) -> u32 {
        let ix = usize::from(area.0);
        self.entries[ix] + self.entries_reserved[ix]
    }
}

impl Counts {
    /// Nobody is inside at the beginning.
    pub(super) fn new(park: &Park, first: UnixMs) -> Self {
        let none = vec![0; park.areas().len()];
        Self {
            day: park.business_day(first),
            inside: none.clone(),
            reserved: none.clone(),
            entries: none.clone(),
            entries_reserved: none,
        }
    }

    /// Persons inside an area, its sub-areas included.
    pub(super) fn inside(&self, area: AreaIx) -> u32 {
        self.inside[usize::from(area.0)]
    }

    /// The business day turns: nobody is inside any more.
    pub(super) fn turn(&mut self, day: Day) {
        if self.day < day {
            self.day = day;
            self.inside.fill(0);
            self.entries.fill(0);
        }
    }

    pub(super) fn reserve(&mut self, park: &Park, open: &OpenGrant, hold: bool) {
        let admission = &open.admission;
        if admission.is_exit() {
            return;
        }
        let persons = u32::from(admission.persons);
        let change = |count: &mut u32| {
            *count = if hold { *count + persons } else { count.saturating_sub(persons) };
        };
        for area in park.entered(admission.from, admission.to) {
            change(&mut self.reserved[usize::from(area.0)]);
            if !admission.reentry {
                change(&mut self.entries_reserved[usize::from(area.0)]);
            }
        }
    }

    pub(super) fn apply(&mut self, park: &Park, movements: &Movements) {
        for movement in movements {
            let persons = u32::from(movement.persons);
            for area in park.left(movement.from, movement.to) {
                let count = &mut self.inside[usize::from(area.0)];
                *count = count.saturating_sub(persons);
            }
            for area in park.entered(movement.from, movement.to) {
                self.inside[usize::from(area.0)] += persons;
                if !movement.reentry {
                    self.entries[usize::from(area.0)] += persons;
                }
            }
        }
    }
}
