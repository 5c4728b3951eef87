//! Check 6, the clock of an entitlement: not too soon after the last entry, not too long after
//! the first. Both hold for a re-entry too: all limits of a product hold.

use shanmen_protocols::reason::Reason;

use crate::{
    calendar::Moment,
    park::Entitlement,
    ticket::Use,
    verdict::{Facts, Refusal},
};

/// `too_soon`: `min_gap` since the last entry has not passed; at its end it has. The rest of a
/// group is not held up by its first half.
pub(crate) fn min_gap(
    entitlement: &Entitlement,
    one: &Use,
    rest: bool,
    now: &Moment,
) -> Result<(), Refusal> {
    let (Some(gap_ms), Some(last)) = (entitlement.min_gap_ms, one.last_entry.get()) else {
        return Ok(());
    };
    if rest || gap_ms <= now.at.since_ms(last) {
        return Ok(());
    }
    let come_back_at = Some(last.plus_ms(gap_ms));
    let facts = Facts { come_back_at, used_at: Some(last), gate: one.gate(), ..Facts::default() };
    Err(Refusal::with(Reason::TooSoon, facts))
}

/// `stay_exceeded`: more than `within_first` since the first entry.
pub(crate) fn within_first(
    entitlement: &Entitlement,
    one: &Use,
    now: &Moment,
) -> Result<(), Refusal> {
    let (Some(within_ms), Some(first)) = (entitlement.within_first_ms, one.first_entry.get())
    else {
        return Ok(());
    };
    if now.at.since_ms(first) <= within_ms {
        return Ok(());
    }
    let facts = Facts { used_at: Some(first), gate: one.gate(), ..Facts::default() };
    Err(Refusal::with(Reason::StayExceeded, facts))
}
