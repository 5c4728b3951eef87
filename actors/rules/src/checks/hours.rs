//! Check 4, the hours of each day, by the wall clock: the start is in, the end is not.

use shanmen_protocols::reason::Reason;

use crate::{
    calendar::Moment,
    definition::HoursDefinition,
    park::{Park, Product},
    verdict::{Facts, Refusal},
};

/// `closed_hours`, with the next opening of this business day.
pub(crate) fn check(park: &Park, product: &Product, now: &Moment) -> Result<(), Refusal> {
    let hours = &product.daily_hours;
    if hours.is_empty() || hours.iter().any(|&range| holds(range, now.second_of_day)) {
        return Ok(());
    }
    let opens = |range: &HoursDefinition| {
        let minutes = range.from.minutes();
        let at = park.calendar.slot_start(now.day, minutes);
        (now.at < at).then_some(at)
    };
    let come_back_at = hours.iter().filter_map(opens).min();
    Err(Refusal::with(Reason::ClosedHours, Facts { come_back_at, ..Facts::default() }))
}

fn holds(range: HoursDefinition, second: u32) -> bool {
    let (from, until) = (range.from.seconds, range.until.seconds);
    if from <= until {
        from <= second && second < until
    } else {
        // 18:00 to 02:00: the night of one day and the morning of the next.
        from <= second || second < until
    }
}
