//! Check 6, the uses: how many of the ticket's people an entitlement admits now, and as what.
//!
//! Counts are person-admissions. The rest of a partly taken group belongs to the admission that
//! it is the rest of, on the same business day.

use shanmen_protocols::reason::Reason;

use crate::{
    calendar::Moment,
    park::{Entitlement, Park},
    ticket::{TicketState, Use},
    verdict::{Facts, Refusal},
};

use super::reentry;

/// What an entitlement would admit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// How many people.
    pub(crate) persons: u16,
    /// Whether they come back on an earlier admission.
    pub(crate) reentry: bool,
    /// Whether they are the rest of a group of which some have passed today.
    pub(crate) rest: bool,
}

/// `in_progress`: a grant is open for the ticket (请勿重刷).
pub(crate) fn in_progress(ticket: &TicketState) -> Result<(), Reason> {
    if ticket.is_reserved() { Err(Reason::InProgress) } else { Ok(()) }
}

/// `already_used`, `daily_limit`; or, where the product allows re-entry and the uses are gone,
/// the re-entry's own reason, which [`Shortage::Reentry`] holds back until the checks between
/// have been made.
pub(crate) fn offer(
    park: &Park,
    ticket: &TicketState,
    ix: usize,
    entitlement: &Entitlement,
    now: &Moment,
) -> Result<Offer, Shortage> {
    let one = ticket.use_of(ix);
    let group = ticket.persons().max(1);
    let today = one.entries_on(now.day);
    let left = |limit: Option<u16>, taken: u16| {
        limit.map_or(u32::from(u16::MAX), |limit| {
            (u32::from(limit) * u32::from(group)).saturating_sub(taken.into())
        })
    };
    let in_all = left(entitlement.uses, one.entries);
    let on_day = left(entitlement.per_day, today);
    let rest = !today.is_multiple_of(group) && in_all > 0 && on_day > 0;
    let back = reentry::offer(park, ticket, ix, entitlement, now);
    if let Some(Ok(persons)) = back
        && !rest
    {
        return Ok(Offer { persons, reentry: true, rest });
    }
    if in_all == 0 {
        return Err(match back {
            Some(Err(refusal)) => Shortage::Reentry(refusal),
            _ => Shortage::Plain(Refusal::with(Reason::AlreadyUsed, facts(&one))),
        });
    }
    if on_day == 0 {
        let come_back_at = Some(park.calendar.turn_of(now.day.plus(1)));
        let facts = Facts { come_back_at, ..facts(&one) };
        return Err(Shortage::Plain(Refusal::with(Reason::DailyLimit, facts)));
    }
    let persons = u32::from(group - today % group).min(in_all).min(on_day);
    Ok(Offer { persons: u16::try_from(persons).unwrap_or(group), reentry: false, rest })
}

/// Why there is nothing to offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// Final.
    Plain(Refusal),
    /// The re-entry's reason; `already_inside` stands before it.
    Reentry(Refusal),
}

/// When and at which gate an entitlement was last used.
pub(crate) fn facts(one: &Use) -> Facts {
    Facts {
        used_at: one.last_entry.get(),
        gate: one.gate(),
        count: Some(one.entries.into()),
        ..Facts::default()
    }
}
