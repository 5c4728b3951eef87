//! Check 9, the room (最大承载量): occupancy + reserved + these ≤ capacity, in every area entered.

use shanmen_protocols::{reason::Reason, time::UnixMs};

use crate::{
    park::Park,
    verdict::{Admission, Facts, Refusal, Room},
};

/// `area_full`, then `day_full` (a re-entry is not counted in the day again), each by the area's
/// limit: its capacity, or the lower level at which entry stops. Whether an operator's override
/// was needed.
pub(crate) fn check(
    park: &Park,
    room: &impl Room,
    admission: &Admission,
    at: UnixMs,
) -> Result<bool, Refusal> {
    let persons = u32::from(admission.persons);
    let entered = || park.entered(admission.from, admission.to);
    let mut overridden = false;
    let mut full = |reason, area, count: u32, limit: Option<u32>| match limit {
        Some(limit) if limit < count.saturating_add(persons) => {
            if room.override_on(area, at) {
                overridden = true;
                return Ok(());
            }
            let (count, capacity, area) = (Some(count), Some(limit), Some(area));
            Err(Refusal::with(reason, Facts { count, capacity, area, ..Facts::default() }))
        }
        _ => Ok(()),
    };
    for area in entered() {
        full(Reason::AreaFull, area, room.persons(area), room.capacity(park, area))?;
    }
    if !admission.reentry {
        for area in entered() {
            let limit = park.area(area).entry_limits().daily;
            full(Reason::DayFull, area, room.entries_today(area), limit)?;
        }
    }
    Ok(overridden)
}
