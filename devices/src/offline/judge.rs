//! The order of the checks offline. Pure: what is known, what was used here and the time go in.
//!
//! Policy, caps, what is shown, deny list, signature, list, own uses, rules; the first that fails is
//! the answer. The rules are the control plane's own ([`shanmen_rules::decide`]), on the ticket's state
//! as the list has it, with what happened at this device since put on top.

use shanmen_protocols::{
    code::{self, Claims},
    device::{
        Confirm, Credential, CredentialKind, DecisionResult, OfflineMode, OfflineSettings,
        PassageBy,
    },
    digest::{Digest, DigestKey},
    ids::{Direction, LaneId, TicketId},
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{
    Boundless, Day, IssueTerms, LaneIx, Need, Needs, Park, Person, Presentation, Status,
    TicketState, Verdict, credential, decide as decide_by_rules, standing,
};

use super::{
    Shown,
    knowledge::Knowledge,
    own::{Key, OwnUses, Use},
};
use crate::lane::OwnVerdict;

/// How far a device's time of a passage and the control plane's may lie apart, in milliseconds.
const SAME_MOMENT_MS: i64 = 2_000;

/// One day, in milliseconds.
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// What a decision goes by, beside what is known and shown.
pub(super) struct Ground<'a> {
    pub(super) settings: OfflineSettings,
    pub(super) lane: &'a LaneId,
    /// The true time; none where it is not known.
    pub(super) now: Option<UnixMs>,
    /// When the lists were last known to be current.
    pub(super) current_at: Option<UnixMs>,
    /// Persons admitted in this outage.
    pub(super) admitted: u32,
    /// The last fact that the control plane has.
    pub(super) acked: u64,
    /// For digests where the site has sent no key.
    pub(super) local_key: &'a DigestKey,
}

/// What a credential is, as far as can be told here.
enum Is {
    /// A signed code with a good signature.
    Signed(Box<Claims>),
    /// Digests under which it may be listed, the exchange code's apart.
    Opaque { digests: Vec<Digest>, exchange: Option<Digest> },
}

/// Decides one presentation.
pub(super) fn decide(
    known: &Knowledge,
    own: &OwnUses,
    ground: &Ground<'_>,
    shown: &Shown<'_>,
) -> OwnVerdict {
    try_decide(known, own, ground, shown)
        .unwrap_or_else(|(reason, by)| OwnVerdict::deny(reason, by))
}

type Refusal = (Reason, PassageBy);

fn try_decide(
    known: &Knowledge,
    own: &OwnUses,
    ground: &Ground<'_>,
    shown: &Shown<'_>,
) -> Result<OwnVerdict, Refusal> {
    let busy = (Reason::Busy, PassageBy::Own);
    let policy = ground.settings.policy;
    if policy == OfflineMode::Deny || ground.settings.max_count <= ground.admitted {
        return Err(busy);
    }
    // A device that does not know the time cannot tell how old its lists are, nor what is valid.
    let now = ground.now.ok_or(busy)?;
    let age_ms = ground.current_at.map(|at| now.since_ms(at)).ok_or(busy)?;
    if i64::from(ground.settings.max_age_s) * 1_000 < age_ms {
        return Err(busy);
    }
    let key = known.digest_key.as_ref().unwrap_or(ground.local_key);
    let is = read(known, key, shown.credential)?;
    refuse_denied(known, key, shown.credential, &is)?;
    let place =
        known.park.as_ref().and_then(|park| Some((park, park.lane_ix(ground.lane.as_str())?)));
    if let Some((park, lane)) = place {
        let presentation = presentation(now, lane, shown, &is);
        if let Some(verdict) = on_list(known, key, own, ground, park, &presentation, &is) {
            return from_rules(verdict.0, verdict.1);
        }
        if let Is::Signed(claims) = &is
            && policy != OfflineMode::List
        {
            let state =
                as_issued(park, claims, now).ok_or((Reason::Expired, PassageBy::Signature))?;
            let (id, since) = (claims.ticket, state.clone());
            let ticket = Listed { id, state: &state, since, exchange_code: false };
            let (verdict, by) = with_own(own, ground, park, &presentation, &ticket);
            let by = if by == PassageBy::Own { by } else { PassageBy::Signature };
            return from_rules(verdict, by);
        }
        // An exit is asked of the lane only, whatever is shown.
        let verdict = decide_by_rules(park, &presentation, None, &Boundless);
        if let Verdict::Grant(_) = verdict {
            return from_rules(verdict, PassageBy::List);
        }
    }
    if policy != OfflineMode::Open {
        return Err((Reason::UnknownTicket, PassageBy::List));
    }
    let key = key_of(known, ground.local_key, shown.credential)
        .ok_or((Reason::Unreadable, PassageBy::Own))?;
    if used_up(own.of(&key), shown.direction, now) {
        return Err((Reason::AlreadyUsed, PassageBy::Own));
    }
    let persons = if let Is::Signed(claims) = &is { claims.persons.into() } else { 1 };
    Ok(grant(persons, PassageBy::Own))
}

fn grant(persons: u32, by: PassageBy) -> OwnVerdict {
    let (result, reason, needs) = (DecisionResult::Grant, Reason::Ok, Vec::new());
    OwnVerdict { result, reason, persons, needs, by, credential: None }
}

/// Whether somebody went in on it here within a day: of what is not known here nothing else can be
/// asked.
fn used_up(uses: &[Use], direction: Direction, now: UnixMs) -> bool {
    let lately = |one: &Use| one.at.is_none_or(|at| now.since_ms(at) < DAY_MS);
    direction == Direction::In
        && uses.iter().any(|one| one.direction == Direction::In && lately(one))
}

fn from_rules(verdict: Verdict, by: PassageBy) -> Result<OwnVerdict, Refusal> {
    match verdict {
        Verdict::Grant(admission) => Ok(grant(admission.persons.into(), by)),
        Verdict::More { reason, needs } => {
            let needs = needs.iter().map(|need| word(need).into()).collect();
            let result = DecisionResult::More;
            Ok(OwnVerdict { result, reason, persons: 0, needs, by, credential: None })
        }
        Verdict::Deny { reason, .. } => Err((reason, by)),
    }
}

fn word(need: Need) -> &'static str {
    match need {
        Need::IdCard => "id_card",
        Need::Face => "face",
        Need::Attendant => "attendant",
    }
}

fn is_optical(kind: CredentialKind) -> bool {
    matches!(kind, CredentialKind::Qr | CredentialKind::Barcode | CredentialKind::Other)
}

/// What was shown: verified where it is signed, else its digests.
fn read(known: &Knowledge, key: &DigestKey, shown: &Credential) -> Result<Is, Refusal> {
    let cleaned = credential::clean(&shown.data);
    if is_optical(shown.kind) && code::looks_signed(&cleaned) {
        let claims = code::verify(&cleaned, |kid| known.ticket_keys.get(kid).copied());
        return match claims {
            Ok(claims) if known.park.as_ref().is_none_or(|p| p.site().id == claims.site) => {
                Ok(Is::Signed(Box::new(claims)))
            }
            _ => Err((Reason::Forged, PassageBy::Signature)),
        };
    }
    let digest = |kind: CredentialKind, text: &str| {
        let parsed = credential::parse(kind, text).map_err(|reason| (reason, PassageBy::Own))?;
        Ok(key.credential(kind, parsed.text()))
    };
    let mut digests = vec![digest(shown.kind, &cleaned)?];
    if let Some(once) = credential::doubled(&cleaned)
        && let Ok(of_half) = digest(shown.kind, once)
    {
        digests.push(of_half);
    }
    if shown.kind == CredentialKind::Rfid {
        // Cards that were issued before UIDs had one form are kept as they were written.
        digests.push(key.credential(shown.kind, &cleaned));
    }
    let also = if shown.kind == CredentialKind::ExchangeCode {
        Some(CredentialKind::Qr)
    } else {
        is_optical(shown.kind).then_some(CredentialKind::ExchangeCode)
    };
    let other = also.map(|kind| digest(kind, &cleaned)).transpose()?;
    let exchange = if shown.kind == CredentialKind::ExchangeCode {
        digests.extend(other);
        Some(digests[0])
    } else {
        other
    };
    Ok(Is::Opaque { digests, exchange })
}

fn refuse_denied(
    known: &Knowledge,
    key: &DigestKey,
    shown: &Credential,
    is: &Is,
) -> Result<(), Refusal> {
    let denied = |digest: &Digest| known.deny.contains(digest);
    let refuse = |reason| Err((reason, PassageBy::List));
    match is {
        Is::Signed(claims) => {
            let cleaned = credential::clean(&shown.data);
            if denied(&key.issue(claims.ticket, claims.epoch)) {
                return refuse(Reason::Superseded);
            }
            if denied(&key.ticket(claims.ticket)) || denied(&key.credential(shown.kind, &cleaned)) {
                return refuse(Reason::Voided);
            }
        }
        Is::Opaque { digests, exchange } => {
            let people = matches!(shown.kind, CredentialKind::IdCard | CredentialKind::Face);
            if digests.iter().chain(exchange).any(denied) {
                return refuse(if people { Reason::BlockedPerson } else { Reason::Voided });
            }
            // All tickets that it leads to are refused: then so is it.
            let mut leads = digests.iter().chain(exchange).filter_map(|d| known.leads.get(d));
            let tickets: Vec<&TicketId> = leads.by_ref().flatten().collect();
            if !tickets.is_empty() && tickets.iter().all(|t| denied(&key.ticket(**t))) {
                return refuse(Reason::Voided);
            }
        }
    }
    Ok(())
}

fn presentation(now: UnixMs, lane: LaneIx, shown: &Shown<'_>, is: &Is) -> Presentation {
    let confirm = shown.confirm.unwrap_or_default();
    let by_itself = match shown.credential.kind {
        CredentialKind::IdCard => Needs::NONE.with(Need::IdCard),
        CredentialKind::Face => Needs::NONE.with(Need::Face),
        _ => Needs::NONE,
    };
    let (person, looked_at) = person(confirm);
    Presentation {
        code_epoch: if let Is::Signed(claims) = is { Some(claims.epoch) } else { None },
        confirm: by_itself.and(confirmed(confirm)).and(looked_at),
        person,
        ..Presentation::new(now, lane, shown.direction)
    }
}

fn confirmed(confirm: Confirm) -> Needs {
    let each = [
        (Need::Attendant, confirm.attendant),
        (Need::IdCard, confirm.id_card),
        (Need::Face, confirm.face),
    ];
    each.into_iter().filter_map(|(need, seen)| (seen == Some(true)).then_some(need)).collect()
}

/// A card or face that is not the holder's counts as shown, or it would be asked for for ever.
fn person(confirm: Confirm) -> (Person, Needs) {
    let each = [(Need::IdCard, confirm.id_card), (Need::Face, confirm.face)];
    let not_theirs: Needs =
        each.into_iter().filter_map(|(need, seen)| (seen == Some(false)).then_some(need)).collect();
    let person = if not_theirs.is_empty() { Person::Clear } else { Person::Mismatch };
    (person, not_theirs)
}

/// The best of the listed tickets that it leads to, decided by the rules; none where none is listed.
#[allow(clippy::too_many_arguments, reason = "all that is known, and what is shown")]
fn on_list(
    known: &Knowledge,
    key: &DigestKey,
    own: &OwnUses,
    ground: &Ground<'_>,
    park: &Park,
    presentation: &Presentation,
    is: &Is,
) -> Option<(Verdict, PassageBy)> {
    let mut leads: Vec<(TicketId, bool)> = Vec::new();
    match is {
        Is::Signed(claims) => leads.push((claims.ticket, false)),
        Is::Opaque { digests, exchange } => {
            for digest in digests {
                let tickets = known.leads.get(digest).into_iter().flatten();
                leads.extend(tickets.map(|ticket| (*ticket, Some(*digest) == *exchange)));
            }
            if leads.is_empty() {
                let tickets = exchange.and_then(|digest| known.leads.get(&digest));
                leads.extend(tickets.into_iter().flatten().map(|ticket| (*ticket, true)));
            }
        }
    }
    // A ticket that was taken back is not looked at, whatever else the credential leads to.
    let mut listed: Vec<Listed<'_>> = leads
        .into_iter()
        .filter(|(id, _)| !known.deny.contains(&key.ticket(*id)))
        .filter_map(|(id, exchange_code)| {
            let state = known.tickets.get(&id)?;
            Some(Listed { id, state, since: state.clone(), exchange_code })
        })
        .collect();
    if let Is::Opaque { digests, exchange } = is {
        let other = exchange.iter().filter(|digest| !digests.contains(digest));
        for digest in digests.iter().chain(other) {
            use_credential(
                own.of(&Key::Credential(digest.hex())),
                ground,
                park,
                presentation,
                &mut listed,
            );
        }
    }
    let decided = listed.into_iter().map(|one| {
        let presentation = Presentation { exchange_code: one.exchange_code, ..*presentation };
        let (verdict, by) = with_own(own, ground, park, &presentation, &one);
        let standing = standing(park, &presentation, &one.since, &verdict);
        (standing, verdict, by)
    });
    let best = decided.max_by(|(one, ..), (other, ..)| one.cmp(other));
    best.map(|(_, verdict, by)| (verdict, by))
}

/// A ticket of the list, with what happened here since.
struct Listed<'a> {
    id: TicketId,
    state: &'a TicketState,
    since: TicketState,
    exchange_code: bool,
}

/// Passages that are remembered under the credential, since it led to several tickets or to one
/// that was not listed yet: each is a use of the first ticket that was good for it.
fn use_credential(
    uses: &[Use],
    ground: &Ground<'_>,
    park: &Park,
    presentation: &Presentation,
    listed: &mut [Listed<'_>],
) {
    for one in uses {
        let at = one.at.unwrap_or(presentation.at);
        if listed.iter().any(|ticket| is_on_list(one, ticket.state, ground, at)) {
            continue;
        }
        let then = Presentation { at, direction: one.direction, ..*presentation };
        let grants = |ticket: &Listed<'_>| {
            let verdict = decide_by_rules(park, &then, Some(&ticket.since), &Boundless);
            matches!(verdict, Verdict::Grant(_))
        };
        let ix = listed.iter().position(grants).unwrap_or(0);
        if let Some(ticket) = listed.get_mut(ix) {
            let (_moved, _conflict) =
                ticket.since.record(park, presentation.lane, one.direction, one.count, at);
        }
    }
}

/// Whether the control plane had this passage when it made the list.
fn is_on_list(one: &Use, state: &TicketState, ground: &Ground<'_>, at: UnixMs) -> bool {
    let last = match one.direction {
        Direction::In => state.last_entry(),
        Direction::Out => state.last_exit(),
    };
    one.seq <= ground.acked && last.is_some_and(|last| -SAME_MOMENT_MS <= last.since_ms(at))
}

/// Decides by the rules, with what happened at this device since on top.
fn with_own(
    own: &OwnUses,
    ground: &Ground<'_>,
    park: &Park,
    presentation: &Presentation,
    ticket: &Listed<'_>,
) -> (Verdict, PassageBy) {
    let state = ticket.state;
    let mut since = ticket.since.clone();
    let mut any = since != *state;
    for one in own.of(&Key::Ticket(ticket.id)) {
        // An unknown moment counts as this one: that is the strictest.
        let at = one.at.unwrap_or(presentation.at);
        if !is_on_list(one, state, ground, at) {
            // What contradicts is the control plane's to report, once it has the facts.
            let (_moved, _conflict) =
                since.record(park, presentation.lane, one.direction, one.count, at);
            any = true;
        }
    }
    let verdict = decide_by_rules(park, presentation, Some(&since), &Boundless);
    let by_own = any
        && !matches!(verdict, Verdict::Grant(_))
        && matches!(
            decide_by_rules(park, presentation, Some(state), &Boundless),
            Verdict::Grant(_)
        );
    (verdict, if by_own { PassageBy::Own } else { PassageBy::List })
}

/// A ticket that is not on the list, as its signed code says it was sold; none outside its time.
fn as_issued(park: &Park, claims: &Claims, now: UnixMs) -> Option<TicketState> {
    let seconds = now.0.div_euclid(1_000);
    let in_time = claims.not_before_s.is_none_or(|from| from <= seconds)
        && claims.expires_s.is_none_or(|until| seconds < until);
    let terms = IssueTerms {
        product: park.product_ix(claims.product.as_str())?,
        visit_date: claims.visit_date.map(Day),
        slot: claims.slot_start_min,
        persons: claims.persons,
        issued_at: UnixMs(claims.issued_at_s.saturating_mul(1_000)),
        status: Status::Issued,
    };
    in_time.then(|| TicketState::issue(park, &terms).ok()).flatten()
}

/// Under what a passage on this credential is remembered; none for what cannot be read.
pub(super) fn key_of(known: &Knowledge, local: &DigestKey, shown: &Credential) -> Option<Key> {
    let key = known.digest_key.as_ref().unwrap_or(local);
    match read(known, key, shown) {
        Ok(Is::Signed(claims)) => Some(Key::Ticket(claims.ticket)),
        Ok(Is::Opaque { digests, exchange }) => {
            let mut leads = digests.iter().chain(&exchange).filter_map(|d| known.leads.get(d));
            match leads.next().map(Vec::as_slice) {
                Some([ticket]) => Some(Key::Ticket(*ticket)),
                _ => Some(Key::Credential(digests[0].hex())),
            }
        }
        // A code that was good for the control plane: signed with a key that is not here yet.
        Err((Reason::Forged, _)) => {
            let cleaned = credential::clean(&shown.data);
            Some(Key::Credential(key.credential(shown.kind, &cleaned).hex()))
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
