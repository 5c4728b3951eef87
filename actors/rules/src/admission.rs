//! The order of the checks: the first that fails is the answer.
//!
//! Owns that order and nothing else; each rule stands in its own file under `checks/`. Called by
//! the validation shard, by an offline gate and by the scenario checker, with the same facts.

use std::cmp::Reverse;

use shanmen_protocols::{reason::Reason, time::UnixMs};

use crate::{
    calendar::Moment,
    checks::{
        condition, hours, lane, passback, person, place, room, slot, spacing, status, uses,
        uses::Shortage, validity,
    },
    park::{AreaIx, Park, Product},
    ticket::TicketState,
    verdict::{Admission, Presentation, Refusal, Room, Verdict},
};

/// Decides one presentation. `ticket` is `None` for an unknown ticket; an exit through it is
/// still an exit. The same scan id again is not asked here: it gets its first answer.
///
/// Allocates nothing, whatever the answer, unless the product has a condition: CEL gathers its
/// variables on the heap. `tests/allocations.rs` counts.
pub fn decide(
    park: &Park,
    presentation: &Presentation,
    ticket: Option<&TicketState>,
    room: &impl Room,
) -> Verdict {
    try_decide(park, presentation, ticket, room).unwrap_or_else(Verdict::from)
}

/// How well a ticket stands for a presentation, where a credential leads to several: the greatest
/// is chosen. First whose people are to leave here, then the first issued that would pass; then
/// one that lacks only a confirmation; else the one whose refusal comes latest in the order of
/// the checks, since that says most.
pub fn standing(
    park: &Park,
    presentation: &Presentation,
    ticket: &TicketState,
    verdict: &Verdict,
) -> Standing {
    let (grade, reason) = match verdict {
        Verdict::Grant(admission) if admission.is_exit() => {
            (2 + u8::from(leaves_here(park, presentation, ticket)), None)
        }
        Verdict::Grant(_) => (2, None),
        Verdict::More { .. } => (1, None),
        Verdict::Deny { reason, .. } => (0, Some(*reason)),
    };
    Standing(grade, reason, Reverse(ticket.issued_at()))
}

/// See [`standing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing(u8, Option<Reason>, Reverse<UnixMs>);

fn leaves_here(park: &Park, presentation: &Presentation, ticket: &TicketState) -> bool {
    let gate = park.get_lane(presentation.lane).and_then(|lane| park.get_gate(lane.gate));
    gate.is_some_and(|gate| {
        let (from, _) = park.way(gate, presentation.direction);
        ticket.persons_in(park, from, park.business_day(presentation.at)) > 0
    })
}

fn try_decide(
    park: &Park,
    presentation: &Presentation,
    ticket: Option<&TicketState>,
    room: &impl Room,
) -> Result<Verdict, Refusal> {
    // 1. device
    let lane = park.get_lane(presentation.lane).ok_or(Reason::Internal)?;
    let gate = park.get_gate(lane.gate).ok_or(Reason::Internal)?;
    lane::check(lane, park.is_way_out(gate), presentation)?;
    let (from, to) = park.way(gate, presentation.direction);
    if place::is_exit(park, presentation.direction, from, to) {
        return Ok(Verdict::Grant(exit(park, presentation, ticket, from, to)));
    }
    // 2. code
    let ticket = ticket.ok_or(Reason::UnknownTicket)?;
    let product = park.get_product(ticket.product()).ok_or(Reason::Internal)?;
    // 3. ticket
    status::check(ticket, presentation)?;
    // 4. time
    let now = park.moment(presentation.at);
    validity::check(park, product, ticket, &now)?;
    validity::weekday(product, &now)?;
    slot::check(park, product, ticket, &now)?;
    hours::check(park, product, &now)?;
    validity::blackout(product, &now)?;
    // 5. place
    place::gate(product, lane.gate)?;
    place::area(product, to)?;
    // 6. use
    uses::in_progress(ticket)?;
    let mut admission = best_use(park, product, ticket, (from, to), &now)?;
    // 7. condition
    let spot = condition::Spot { lane: presentation.lane, gate: lane.gate, area: to };
    condition::check(park, product, ticket, spot, room, &now)?;
    // 8. person
    if let Some((reason, needs)) = person::missing(product.needs, presentation) {
        return Ok(Verdict::More { reason, needs });
    }
    person::check(presentation)?;
    // 9. room
    admission.overridden = room::check(park, room, &admission, presentation.at)?;
    Ok(Verdict::Grant(admission))
}

/// The first entitlement for the area that admits somebody; else the refusal of the one that
/// came furthest.
fn best_use(
    park: &Park,
    product: &Product,
    ticket: &TicketState,
    way: (AreaIx, AreaIx),
    now: &Moment,
) -> Result<Admission, Refusal> {
    let mut furthest = Refusal::from(Reason::AreaNotIncluded);
    for (ix, entitlement) in product.entitlements.iter().enumerate() {
        if !entitlement.areas.contains(&way.1) {
            continue;
        }
        match use_of(park, product, ticket, ix, way, now) {
            Ok(admission) => return Ok(admission),
            // Reasons are ordered as the checks are.
            Err(refusal) if furthest.reason < refusal.reason => furthest = refusal,
            Err(_) => {}
        }
    }
    Err(furthest)
}

fn use_of(
    park: &Park,
    product: &Product,
    ticket: &TicketState,
    ix: usize,
    (from, to): (AreaIx, AreaIx),
    now: &Moment,
) -> Result<Admission, Refusal> {
    let entitlement = &product.entitlements[ix];
    let one = ticket.use_of(ix);
    let offer = match uses::offer(park, ticket, ix, entitlement, now) {
        Ok(offer) => offer,
        Err(Shortage::Plain(refusal)) => return Err(refusal),
        Err(Shortage::Reentry(refusal)) => {
            passback::check(park, ticket, from, to, ticket.persons(), now)?;
            return Err(refusal);
        }
    };
    let (persons, flagged) = passback::check(park, ticket, from, to, offer.persons, now)?;
    spacing::min_gap(entitlement, &one, offer.rest, now)?;
    spacing::within_first(entitlement, &one, now)?;
    Ok(Admission {
        persons,
        entitlement: Some(u8::try_from(ix).unwrap_or(u8::MAX)),
        reentry: offer.reentry,
        flagged,
        overridden: false,
        from: ticket.origin(from, persons, now.day),
        to,
    })
}

/// An exit consumes nothing and is never refused for want of a ticket rule: people must be able
/// to leave.
fn exit(
    park: &Park,
    presentation: &Presentation,
    ticket: Option<&TicketState>,
    from: AreaIx,
    to: AreaIx,
) -> Admission {
    let (mut persons, mut origin) = (1, from);
    if let Some(ticket) = ticket {
        let day = park.business_day(presentation.at);
        let here = ticket.persons_in(park, from, day);
        persons = if here > 0 { here } else { ticket.persons() };
        let known = ticket.places().find(|place| park.lies_in(place.area, from));
        origin = known.filter(|_| here > 0).map_or(from, |place| place.area);
    }
    let (entitlement, reentry, flagged, overridden) = (None, false, false, false);
    Admission { persons, entitlement, reentry, flagged, overridden, from: origin, to }
}
