//! Check 9, the room (最大承载量): occupancy + reserved + these ≤ capacity, in every area entered.

use shanmen_protocols::reason::Reason;

use crate::{
    park::Park,
    verdict::{Admission, Facts, Refusal, Room},
};

/// `area_full`, then `day_full` (a re-entry is not counted in the day again). Whether an
/// operator's override was needed.
pub(crate) fn check(park: &Park, room: &impl Room, admission: &Admission) -> Result<bool, Refusal> {
    match full(park, room, admission) {
        None => Ok(false),
        Some(_) if room.override_on() => Ok(true),
        Some(refusal) => Err(refusal),
    }
}

fn full(park: &Park, room: &impl Room, admission: &Admission) -> Option<Refusal> {
    let over = |count: u32, capacity: Option<u32>| {
        capacity.filter(|&capacity| capacity < count.saturating_add(admission.persons.into()))
    };
    let refuse = |reason, area, count, capacity| {
        let (count, capacity, area) = (Some(count), Some(capacity), Some(area));
        Refusal::with(reason, Facts { count, capacity, area, ..Facts::default() })
    };
    let entered = || park.entered(admission.from, admission.to);
    let instant = entered().find_map(|area| {
        let persons = room.persons(area);
        over(persons, room.capacity(park, area))
            .map(|capacity| refuse(Reason::AreaFull, area, persons, capacity))
    });
    if instant.is_some() || admission.reentry {
        return instant;
    }
    entered().find_map(|area| {
        let entries = room.entries_today(area);
        over(entries, park.area(area).capacity_daily)
            .map(|capacity| refuse(Reason::DayFull, area, entries, capacity))
    })
}
