//! The signed ticket code: `SM1` + Base32 of a `COSE_Sign1` over a CWT claim set, Ed25519.
//!
//! Letters and digits only, so that no keyboard-wedge scanner spoils it and it goes into a URL as
//! it is. Any COSE library can verify it. Sources: RFC 9052 (COSE), RFC 8392 (CWT), RFC 4648
//! (Base32), RFC 8032 (Ed25519). A code says what was sold; whether it may pass is decided by the
//! hot state.

use coset::{
    CborSerializable as _, CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable as _,
    cbor::value::Value,
    cwt::{ClaimName, ClaimsSet, ClaimsSetBuilder, Timestamp},
    iana,
};
use data_encoding::BASE32_NOPAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::ids::{ProductId, SiteId, TicketId};

/// What every signed code begins with.
pub const PREFIX: &str = "SM1";

/// The longest code that is looked at, in bytes: a code of ours has about 300.
pub const CODE_MAX_BYTES: usize = 1024;

const CLAIM_PRODUCT: i64 = -65537;
const CLAIM_PERSONS: i64 = -65538;
const CLAIM_EPOCH: i64 = -65539;
const CLAIM_VISIT_DATE: i64 = -65540;
const CLAIM_SLOT_START: i64 = -65541;

/// What a signed code says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `iss`: the site that sold it.
    pub site: SiteId,
    /// `cti`: the ticket.
    pub ticket: TicketId,
    /// What was sold.
    pub product: ProductId,
    /// For how many persons.
    pub persons: u16,
    /// The issue: a re-issue raises it, and the lower one is superseded.
    pub epoch: u16,
    /// The visit date: days since 1970-01-01.
    pub visit_date: Option<i32>,
    /// The slot's start: minutes of the local day.
    pub slot_start_min: Option<u16>,
    /// `iat`: seconds since 1970, UTC.
    pub issued_at_s: i64,
    /// `nbf`: seconds since 1970, UTC.
    pub not_before_s: Option<i64>,
    /// `exp`: seconds since 1970, UTC.
    pub expires_s: Option<i64>,
}

/// Why a string that looks like a signed code is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// It does not begin with `SM1`: an opaque code, to be looked up.
    #[error("not a signed code")]
    NotSigned,
    /// The text or the CBOR is damaged.
    #[error("a damaged code")]
    Damaged,
    /// No key of that id: never signed here, or the key is gone.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    BadSignature,
    /// Signed, but a claim is missing or of the wrong kind.
    #[error("a claim is missing or wrong")]
    BadClaims,
}

/// The id of a signing key: in the protected header, and `kid` of the JWK.
pub type KeyId = String;

/// Signs and writes a code.
///
/// # Errors
/// [`CodeFault::BadClaims`] when the claims cannot be written as CBOR.
pub fn sign(claims: &Claims, key_id: &str, key: &SigningKey) -> Result<String, CodeFault> {
    let mut set = ClaimsSetBuilder::new()
        .issuer(claims.site.as_str().to_owned())
        .issued_at(Timestamp::WholeSeconds(claims.issued_at_s))
        .cwt_id(claims.ticket.0.as_bytes().to_vec())
        .private_claim(CLAIM_PRODUCT, Value::from(claims.product.as_str()))
        .private_claim(CLAIM_PERSONS, Value::from(claims.persons))
        .private_claim(CLAIM_EPOCH, Value::from(claims.epoch));
    if let Some(days) = claims.visit_date {
        set = set.private_claim(CLAIM_VISIT_DATE, Value::from(days));
    }
    if let Some(minutes) = claims.slot_start_min {
        set = set.private_claim(CLAIM_SLOT_START, Value::from(minutes));
    }
    if let Some(at) = claims.not_before_s {
        set = set.not_before(Timestamp::WholeSeconds(at));
    }
    if let Some(at) = claims.expires_s {
        set = set.expiration_time(Timestamp::WholeSeconds(at));
    }
    let payload = set.build().to_vec().map_err(|_| CodeFault::BadClaims)?;
    let protected = HeaderBuilder::new()
        .algorithm(iana::Algorithm::EdDSA)
        .key_id(key_id.as_bytes().to_vec())
        .build();
    let message = CoseSign1Builder::new()
        .protected(protected)
        .payload(payload)
        .create_signature(b"", |bytes| key.sign(bytes).to_bytes().to_vec())
        .build();
    let cbor = message.to_tagged_vec().map_err(|_| CodeFault::BadClaims)?;
    let mut code = String::with_capacity(PREFIX.len() + cbor.len() * 8 / 5 + 8);
    code.push_str(PREFIX);
    BASE32_NOPAD.encode_append(&cbor, &mut code);
    Ok(code)
}

/// Reads a code and checks its signature with the key that `key_of` finds for its key id.
///
/// Lower-case letters are taken too, since some scanners and phones change them.
///
/// # Errors
/// [`CodeFault`]; a fault other than [`CodeFault::NotSigned`] is answered `forged`.
pub fn verify(
    code: &str,
    key_of: impl FnOnce(&str) -> Option<VerifyingKey>,
) -> Result<Claims, CodeFault> {
    if !looks_signed(code) {
        return Err(CodeFault::NotSigned);
    }
    let body = code.get(PREFIX.len()..).ok_or(CodeFault::Damaged)?;
    if code.len() > CODE_MAX_BYTES {
        return Err(CodeFault::Damaged);
    }
    let cbor = BASE32_NOPAD
        .decode(body.to_ascii_uppercase().as_bytes())
        .map_err(|_| CodeFault::Damaged)?;
    let message = CoseSign1::from_tagged_slice(&cbor)
        .or_else(|_| CoseSign1::from_slice(&cbor))
        .map_err(|_| CodeFault::Damaged)?;
    let key_id =
        std::str::from_utf8(&message.protected.header.key_id).map_err(|_| CodeFault::UnknownKey)?;
    let key = key_of(key_id).ok_or(CodeFault::UnknownKey)?;
    let eddsa = coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::EdDSA);
    if message.protected.header.alg != Some(eddsa) {
        return Err(CodeFault::BadSignature);
    }
    message.verify_signature(b"", |signature, bytes| {
        let signature = Signature::from_slice(signature).map_err(|_| CodeFault::BadSignature)?;
        key.verify_strict(bytes, &signature).map_err(|_| CodeFault::BadSignature)
    })?;
    let payload = message.payload.as_deref().ok_or(CodeFault::BadClaims)?;
    let set = ClaimsSet::from_slice(payload).map_err(|_| CodeFault::BadClaims)?;
    claims_of(set).ok_or(CodeFault::BadClaims)
}

/// Whether a string claims to be a signed code; any other is an opaque one.
///
/// It begins with `SM1`, and goes on for 16 letters of the Base32 alphabet, or is longer than any
/// opaque code of ours would be: a damaged signed code is a forged one, not an unknown ticket.
pub fn looks_signed(code: &str) -> bool {
    let Some(body) = code.get(PREFIX.len()..) else { return false };
    let base32 = |b: u8| b.is_ascii_alphabetic() || (b'2'..=b'7').contains(&b);
    code.as_bytes()[..PREFIX.len()].eq_ignore_ascii_case(PREFIX.as_bytes())
        && (body.len() > 64 || (body.len() >= 16 && body.bytes().all(base32)))
}

fn claims_of(set: ClaimsSet) -> Option<Claims> {
    let seconds = |at: Option<Timestamp>| match at {
        Some(Timestamp::WholeSeconds(seconds)) => Some(seconds),
        #[expect(clippy::cast_possible_truncation, reason = "seconds, saturating")]
        Some(Timestamp::FractionalSeconds(seconds)) => Some(seconds as i64),
        None => None,
    };
    let private = |id: i64| {
        set.rest.iter().find(|(name, _)| *name == ClaimName::PrivateUse(id)).map(|(_, value)| value)
    };
    let number = |id: i64| private(id).and_then(Value::as_integer).map(i128::from);
    Some(Claims {
        site: SiteId::new(set.issuer.as_deref()?).ok()?,
        ticket: TicketId(uuid::Uuid::from_slice(set.cwt_id.as_deref()?).ok()?),
        product: ProductId::new(private(CLAIM_PRODUCT)?.as_text()?).ok()?,
        persons: number(CLAIM_PERSONS).map_or(Some(1), |n| n.try_into().ok())?,
        epoch: number(CLAIM_EPOCH).map_or(Some(0), |n| n.try_into().ok())?,
        visit_date: number(CLAIM_VISIT_DATE).map(i32::try_from).transpose().ok()?,
        slot_start_min: number(CLAIM_SLOT_START).map(u16::try_from).transpose().ok()?,
        issued_at_s: seconds(set.issued_at).unwrap_or(0),
        not_before_s: seconds(set.not_before),
        expires_s: seconds(set.expiration_time),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn claims() -> Claims {
        Claims {
            site: SiteId::new("huangshan").unwrap(),
            ticket: TicketId(uuid::Uuid::from_u128(1)),
            product: ProductId::new("adult-day").unwrap(),
            persons: 1,
            epoch: 0,
            visit_date: Some(20_000),
            slot_start_min: Some(540),
            issued_at_s: 1_760_000_000,
            not_before_s: None,
            expires_s: Some(1_760_100_000),
        }
    }

    fn known(id: &str) -> Option<VerifyingKey> {
        (id == "k1").then(|| key().verifying_key())
    }

    #[test]
    fn a_code_says_what_was_signed_and_has_only_letters_and_digits() {
        let code = sign(&claims(), "k1", &key()).unwrap();
        assert!(code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()), "{code}");
        assert!(code.len() < 400, "{} bytes do not fit a handy QR code", code.len());
        assert_eq!(verify(&code, known), Ok(claims()));
        assert_eq!(verify(&code.to_lowercase(), known), Ok(claims()));
    }

    #[test]
    fn a_changed_letter_anywhere_is_never_accepted() {
        let code = sign(&claims(), "k1", &key()).unwrap();
        for at in PREFIX.len()..code.len() {
            let mut forged = code.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(verify(&forged, known).is_err(), "position {at}");
        }
    }

    #[test]
    fn an_unknown_key_is_told_apart_from_a_bad_signature() {
        let code = sign(&claims(), "k9", &key()).unwrap();
        assert_eq!(verify(&code, known), Err(CodeFault::UnknownKey));
        let other = SigningKey::from_bytes(&[8; 32]);
        let code = sign(&claims(), "k1", &other).unwrap();
        assert_eq!(verify(&code, known), Err(CodeFault::BadSignature));
    }

    #[test]
    fn any_other_string_is_an_opaque_code() {
        for code in ["", "SM1", "ABC-123", "SM1234", "票", "SM1-0000-1111-2222-3333"] {
            assert_eq!(verify(code, known), Err(CodeFault::NotSigned), "{code}");
        }
        assert_eq!(verify("SM1AAAABBBBCCCCDDDD", known), Err(CodeFault::Damaged));
    }
}
