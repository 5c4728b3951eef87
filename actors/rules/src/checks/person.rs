//! Check 8, the person: what must be shown or confirmed first, and who is not let in.

use shanmen_protocols::reason::Reason;

use crate::{
    definition::Need,
    verdict::{Needs, Person, Presentation},
};

/// What is still missing, with its reason: identity before the attendant.
pub(crate) fn missing(needs: Needs, presentation: &Presentation) -> Option<(Reason, Needs)> {
    let missing = needs.without(presentation.confirm);
    if missing.is_empty() {
        return None;
    }
    let identity = missing.has(Need::IdCard) || missing.has(Need::Face);
    Some((if identity { Reason::NeedsIdentity } else { Reason::NeedsAttendant }, missing))
}

/// `identity_mismatch`, `blocked_person`.
pub(crate) fn check(presentation: &Presentation) -> Result<(), Reason> {
    match presentation.person {
        Person::Clear => Ok(()),
        Person::Mismatch => Err(Reason::IdentityMismatch),
        Person::Blocked => Err(Reason::BlockedPerson),
    }
}
