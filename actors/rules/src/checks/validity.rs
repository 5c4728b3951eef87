//! Check 4, the days: validity, weekday, blackout. Days are business days, both ends in; a count
//! of days counts its first day.

use shanmen_protocols::reason::Reason;

use crate::{
    calendar::Moment,
    definition::ValidityDefinition,
    park::{Park, Product},
    span::Day,
    ticket::TicketState,
    verdict::{Facts, Refusal},
};

/// `not_yet_valid` or `expired`.
pub(crate) fn check(
    park: &Park,
    product: &Product,
    ticket: &TicketState,
    now: &Moment,
) -> Result<(), Refusal> {
    let (from, until) = valid_days(park, product, ticket);
    let facts = Facts { valid_from: from, valid_until: until, ..Facts::default() };
    if let Some(from) = from
        && now.day < from
    {
        let come_back_at = Some(park.calendar.turn_of(from));
        return Err(Refusal::with(Reason::NotYetValid, Facts { come_back_at, ..facts }));
    }
    if until.is_some_and(|until| until < now.day) {
        return Err(Refusal::with(Reason::Expired, facts));
    }
    Ok(())
}

/// The first and the last valid day, as far as they are known yet.
fn valid_days(park: &Park, product: &Product, ticket: &TicketState) -> (Option<Day>, Option<Day>) {
    let days = |first: Day, count: u16| (Some(first), Some(first.plus(i32::from(count) - 1)));
    match product.validity {
        ValidityDefinition::VisitDate {} => (ticket.visit_date(), ticket.visit_date()),
        ValidityDefinition::Fixed { from, until } => (Some(from), Some(until)),
        ValidityDefinition::DaysFromIssue { days: count } => {
            days(park.business_day(ticket.issued_at()), count)
        }
        ValidityDefinition::DaysFromFirstUse { days: count, within_days } => {
            match (ticket.first_entry(), within_days) {
                (Some(first), _) => days(park.business_day(first), count),
                (None, Some(within)) => days(park.business_day(ticket.issued_at()), within),
                (None, None) => (None, None),
            }
        }
    }
}

/// `wrong_date`: not on this day of the week.
pub(crate) fn weekday(product: &Product, now: &Moment) -> Result<(), Reason> {
    let bit = 1_u8 << (now.day.weekday() - 1);
    if product.weekdays & bit == 0 { Err(Reason::WrongDate) } else { Ok(()) }
}

/// `blackout`: not on this date.
pub(crate) fn blackout(product: &Product, now: &Moment) -> Result<(), Reason> {
    if product.blackout.iter().any(|days| days.contains(now.day)) {
        Err(Reason::Blackout)
    } else {
        Ok(())
    }
}
