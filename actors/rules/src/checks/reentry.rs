//! Check 6, coming back on the same admission (二次入园). It needs an exit on record, and it
//! consumes no use.

use shanmen_protocols::{reason::Reason, time::UnixMs};

use crate::{
    calendar::Moment,
    park::{Entitlement, Park, Reentry},
    ticket::TicketState,
    verdict::{Facts, Refusal},
};

use super::uses;

/// How many people may come back now, or the re-entry's own reason; `None` where the product
/// has no re-entry or nobody has been in yet.
pub(crate) fn offer(
    park: &Park,
    ticket: &TicketState,
    ix: usize,
    entitlement: &Entitlement,
    now: &Moment,
) -> Option<Result<u16, Refusal>> {
    let rule = entitlement.reentry.as_ref()?;
    let last_entry = ticket.use_of(ix).last_entry.get()?;
    Some(check(park, ticket, ix, entitlement, rule, last_entry, now))
}

/// Whether `count` people who passed at `at` came back on an earlier admission, as far as the
/// ticket remembers. A report may come late: an entry before all others makes the later one the
/// re-entry, and then too one use is consumed, not two.
pub(crate) fn may(park: &Park, ticket: &TicketState, ix: usize, at: UnixMs, count: u16) -> bool {
    let product = park.get_product(ticket.product());
    let Some(entitlement) = product.and_then(|product| product.entitlements.get(ix)) else {
        return false;
    };
    let one = ticket.use_of(ix);
    let (Some(rule), Some(first), Some(last)) =
        (&entitlement.reentry, one.first_entry.get(), one.last_entry.get())
    else {
        return false;
    };
    if last <= at {
        let now = park.moment(at);
        let offer = check(park, ticket, ix, entitlement, rule, last, &now);
        return offer.is_ok_and(|persons| count <= persons);
    }
    let (earlier, back) = if at < first { (at, last) } else { (first, at) };
    let Some(exit) = one.last_exit.get().filter(|&exit| earlier <= exit && exit <= back) else {
        return false;
    };
    let gone_ms = back.since_ms(exit);
    let same_day = park.business_day(earlier) == park.business_day(back);
    (same_day || !rule.same_day)
        && rule.min_away_ms <= gone_ms
        && rule.within_ms.is_none_or(|within| gone_ms <= within)
        && count <= left(rule, ticket, one.reentries)
}

/// How many more people may come back on the present admission.
fn left(rule: &Reentry, ticket: &TicketState, reentries: u16) -> u16 {
    rule.count
        .map_or(u16::MAX, |count| count.saturating_mul(ticket.persons()).saturating_sub(reentries))
}

/// `not_exited`, `reentry_expired`, `reentry_exhausted`, `too_soon`.
fn check(
    park: &Park,
    ticket: &TicketState,
    ix: usize,
    entitlement: &Entitlement,
    rule: &Reentry,
    last_entry: UnixMs,
    now: &Moment,
) -> Result<u16, Refusal> {
    let one = ticket.use_of(ix);
    let refuse =
        |reason, come_back_at| Refusal::with(reason, Facts { come_back_at, ..uses::facts(&one) });
    // Of a group some may be out while others are still in: any exit of theirs will do.
    let needed = if ticket.persons() == 1 { Some(last_entry) } else { one.first_entry.get() };
    let exit = one.last_exit.get().filter(|&exit| needed.is_some_and(|needed| needed <= exit));
    let away = away(park, ticket, entitlement, one.entries, now);
    let Some(exit) = exit.filter(|_| away > 0) else {
        return Err(refuse(Reason::NotExited, None));
    };
    let other_day = rule.same_day && park.business_day(last_entry) != now.day;
    let gone_ms = now.at.since_ms(exit);
    if other_day || rule.within_ms.is_some_and(|within| within < gone_ms) {
        return Err(refuse(Reason::ReentryExpired, None));
    }
    let left = left(rule, ticket, one.reentries);
    if left == 0 {
        return Err(refuse(Reason::ReentryExhausted, None));
    }
    if gone_ms < rule.min_away_ms {
        return Err(refuse(Reason::TooSoon, Some(exit.plus_ms(rule.min_away_ms))));
    }
    Ok(away.min(left))
}

/// How many of those admitted are not inside now.
fn away(
    park: &Park,
    ticket: &TicketState,
    entitlement: &Entitlement,
    entries: u16,
    now: &Moment,
) -> u16 {
    let inside = if ticket.presence_day() < now.day {
        0
    } else {
        let here = ticket
            .places()
            .filter(|place| entitlement.areas.iter().any(|&area| park.lies_in(place.area, area)));
        here.fold(0_u16, |sum, place| sum.saturating_add(place.persons))
    };
    entries.min(ticket.persons()).saturating_sub(inside)
}
