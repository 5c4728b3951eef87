//! Check 6, anti-passback (防折返): a ticket inside is not handed out over the fence.

use shanmen_protocols::reason::Reason;

use crate::{
    calendar::Moment,
    definition::AntiPassback,
    park::{AreaIx, Park},
    ticket::TicketState,
    verdict::{Facts, Refusal},
};

/// How many of `persons` may come in: all of them where the areas have no hard anti-passback,
/// else those who are not inside; and whether a soft one is to be flagged. `already_inside` when
/// that leaves nobody.
pub(crate) fn check(
    park: &Park,
    ticket: &TicketState,
    from: AreaIx,
    to: AreaIx,
    persons: u16,
    now: &Moment,
) -> Result<(u16, bool), Refusal> {
    let (mut admitted, mut flagged) = (persons, false);
    for ix in park.entered(from, to) {
        let mode = park.area(ix).anti_passback;
        if mode == AntiPassback::Off {
            continue;
        }
        let inside = ticket.persons_in(park, ix, now.day);
        let free = ticket.persons().saturating_sub(inside);
        match mode {
            AntiPassback::Hard if free == 0 => {
                let facts = Facts {
                    used_at: ticket.last_entry(),
                    count: Some(inside.into()),
                    area: Some(ix),
                    ..Facts::default()
                };
                return Err(Refusal::with(Reason::AlreadyInside, facts));
            }
            AntiPassback::Hard => admitted = admitted.min(free),
            AntiPassback::Soft => flagged |= free < persons,
            AntiPassback::Off => {}
        }
    }
    Ok((admitted, flagged))
}
