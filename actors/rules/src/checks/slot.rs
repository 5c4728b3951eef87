//! Check 4, timed entry (分时预约): open from start − early until start + length + late.

use shanmen_protocols::{reason::Reason, time::UnixMs};

use crate::{
    calendar::Moment,
    park::{Park, Product},
    ticket::TicketState,
    verdict::{Facts, Refusal},
};

/// `too_early` or `too_late`. The end of the slot is not in it.
pub(crate) fn check(
    park: &Park,
    product: &Product,
    ticket: &TicketState,
    now: &Moment,
) -> Result<(), Refusal> {
    let (Some(slot), Some((start, end))) = (product.slot, bounds(park, product, ticket, now))
    else {
        return Ok(());
    };
    let opens = start.plus_ms(-slot.early.ms);
    let closes = end.plus_ms(slot.late.ms);
    if now.at < opens {
        let facts = Facts { come_back_at: Some(opens), ..Facts::default() };
        return Err(Refusal::with(Reason::TooEarly, facts));
    }
    if closes <= now.at { Err(Reason::TooLate.into()) } else { Ok(()) }
}

/// The slot's start and end on the ticket's visit date, else on this business day.
pub(crate) fn bounds(
    park: &Park,
    product: &Product,
    ticket: &TicketState,
    now: &Moment,
) -> Option<(UnixMs, UnixMs)> {
    let length = product.slot?.length;
    let day = ticket.visit_date().unwrap_or(now.day);
    let start = park.calendar.slot_start(day, ticket.slot()?);
    Some((start, start.plus_ms(length.ms)))
}
