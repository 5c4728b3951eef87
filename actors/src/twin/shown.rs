//! What is shown at a lane: which ticket a credential leads to, and what it says of the person.

use shanmen_protocols::{
    code,
    device::{Confirm, Credential, CredentialKind},
    ids::TicketId,
    reason::Reason,
};
use shanmen_rules::{Need, Needs, Person, credential};

use super::Shared;
use crate::{
    keys::{Digest, KeyRing},
    pool::Leads,
};

/// What a credential leads to.
#[derive(Default)]
pub(super) struct Found {
    pub(super) leads: Leads,
    /// The issue number that a signed code names.
    pub(super) epoch: Option<u16>,
    /// What is wrong with the credential itself: `unreadable` or `forged`.
    pub(super) fault: Option<Reason>,
    /// What was looked up; none for a signed code.
    pub(super) digest: Option<Digest>,
    /// A code to be exchanged for a ticket first.
    pub(super) exchange: bool,
}

/// What a credential leads to: a signed code says its ticket itself, any other is looked up by
/// its digest.
pub(super) fn find(shared: &Shared, shown: &Credential) -> Found {
    let none = |fault| Found { fault: Some(fault), ..Found::default() };
    let signed = |ticket, epoch| Found {
        leads: [ticket].into_iter().collect(),
        epoch: Some(epoch),
        ..Found::default()
    };
    let cleaned = credential::clean(&shown.data);
    let optical =
        matches!(shown.kind, CredentialKind::Qr | CredentialKind::Barcode | CredentialKind::Other);
    if optical && code::looks_signed(&cleaned) {
        let hot = shared.pool.hot();
        let digest = shared.keys.digest_of(CredentialKind::Qr, &cleaned);
        if let Some((ticket, epoch)) = hot.code(digest) {
            return signed(ticket, epoch);
        }
        return match shared.keys.verify(&cleaned) {
            Ok(claims) if claims.site == shared.park.now().site().id => {
                hot.remember_code(digest, claims.ticket, claims.epoch);
                signed(claims.ticket, claims.epoch)
            }
            _ => none(Reason::Forged),
        };
    }
    let hot = shared.pool.hot();
    let mut first = None;
    for &kind in spaces(shown.kind) {
        for text in [Some(&*cleaned), credential::doubled(&cleaned)].into_iter().flatten() {
            match digest(&shared.keys, kind, text) {
                Ok(digest) => {
                    let leads = hot.leads(digest);
                    if !leads.is_empty() {
                        let exchange = kind == CredentialKind::ExchangeCode;
                        return Found { leads, digest: Some(digest), exchange, ..Found::default() };
                    }
                    first.get_or_insert(digest);
                }
                Err(reason) if first.is_none() => return none(reason),
                Err(_) => {}
            }
        }
    }
    let mut leads = Leads::new();
    if shown.kind == CredentialKind::Rfid {
        // Cards that were issued before UIDs had one form are kept as they were written.
        leads = hot.leads(shared.keys.digest_of(shown.kind, &cleaned));
    }
    Found { leads, digest: first, ..Found::default() }
}

/// The tickets that a credential leads to, wherever and whenever it is shown.
pub(crate) fn leads(shared: &Shared, shown: &Credential) -> Leads {
    find(shared, shown).leads
}

/// What a credential leads to, for a person who asks.
pub(crate) struct Seen {
    pub(crate) tickets: Vec<TicketId>,
    /// The issue number that a signed code names.
    pub(crate) epoch: Option<u16>,
    /// What is wrong with the credential itself.
    pub(crate) fault: Option<Reason>,
}

/// What a credential leads to, wherever it is shown.
pub(crate) fn seen(shared: &Shared, credential: &Credential) -> Seen {
    let found = find(shared, credential);
    Seen { tickets: found.leads.to_vec(), epoch: found.epoch, fault: found.fault }
}

/// The digest of a code that is to be exchanged, and its tickets; none where it cannot be read. A
/// signed code is none: it opens gates itself.
pub(crate) fn find_exchange(shared: &Shared, shown: &Credential) -> Option<(Digest, Leads)> {
    let cleaned = credential::clean(&shown.data);
    let mut first = None;
    for kind in [CredentialKind::ExchangeCode, CredentialKind::Qr] {
        let Ok(digest) = digest(&shared.keys, kind, &cleaned) else { continue };
        let leads = shared.pool.hot().leads(digest);
        if !leads.is_empty() {
            return Some((digest, leads));
        }
        first.get_or_insert((digest, leads));
    }
    first
}

/// Where a credential of a kind may be kept: a scanner does not know what an optical code is for.
fn spaces(kind: CredentialKind) -> &'static [CredentialKind] {
    match kind {
        CredentialKind::Qr | CredentialKind::Barcode | CredentialKind::Other => {
            &[CredentialKind::Qr, CredentialKind::ExchangeCode]
        }
        CredentialKind::ExchangeCode => &[CredentialKind::ExchangeCode, CredentialKind::Qr],
        CredentialKind::Rfid => &[CredentialKind::Rfid],
        CredentialKind::IdCard => &[CredentialKind::IdCard],
        CredentialKind::Face => &[CredentialKind::Face],
    }
}

/// The digest of a cleaned credential, in the one form that is looked up.
pub(crate) fn digest(
    keys: &KeyRing,
    kind: CredentialKind,
    cleaned: &str,
) -> Result<crate::keys::Digest, Reason> {
    let parsed = credential::parse(kind, cleaned)?;
    Ok(keys.digest_of(kind, parsed.text()))
}

/// What has been confirmed, as the rules know it.
pub(super) fn confirmed(confirm: Confirm) -> Needs {
    [
        (Need::Attendant, confirm.attendant),
        (Need::IdCard, confirm.id_card),
        (Need::Face, confirm.face),
    ]
    .into_iter()
    .filter_map(|(need, looked)| looked.unwrap_or(false).then_some(need))
    .collect()
}

/// What a credential shows by itself: who comes with the ID card needs no other.
pub(super) fn shown(kind: CredentialKind) -> Needs {
    match kind {
        CredentialKind::IdCard => Needs::NONE.with(Need::IdCard),
        CredentialKind::Face => Needs::NONE.with(Need::Face),
        _ => Needs::NONE,
    }
}

/// What is known of the person: a card or face that is not the holder's counts as shown, or the
/// lane would ask for it for ever.
pub(super) fn person(confirm: Confirm) -> (Person, Needs) {
    let not_theirs: Needs = [(Need::IdCard, confirm.id_card), (Need::Face, confirm.face)]
        .into_iter()
        .filter_map(|(need, looked)| (looked == Some(false)).then_some(need))
        .collect();
    let person = if not_theirs.is_empty() { Person::Clear } else { Person::Mismatch };
    (person, not_theirs)
}
