//! The keys of the site: those that sign ticket codes, and the one that makes digests of
//! credentials. Where they are kept is the program's business; here they are only used.

use std::{collections::BTreeMap, sync::Arc};

use ed25519_dalek::{SigningKey, VerifyingKey};
use shanmen_protocols::{
    code::{self, Claims, CodeFault, KeyId},
    device::{Credential, CredentialKind},
};

/// All keys of a site; cheap to clone. Its `Debug` shows no key.
#[derive(Clone)]
pub struct KeyRing(Arc<Keys>);

struct Keys {
    signing_id: KeyId,
    signing: SigningKey,
    known: BTreeMap<KeyId, VerifyingKey>,
    credential_key: [u8; 32],
}

/// A credential as it is kept: a keyed digest, never the plain code.
///
/// Optical codes (QR, bar code) share one space, since a scanner cannot always tell them apart; a
/// card's UID, an ID number and a face have one each, so that a printed number never passes for a
/// card. So have exchange codes (兑票码): what they were sold as decides, not what a scanner calls
/// them, so whoever looks an optical code up looks in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl KeyRing {
    /// Takes the keys: the one that signs now, all that are valid, and the credential key.
    pub fn new(
        signing_id: KeyId,
        signing: SigningKey,
        others: impl IntoIterator<Item = (KeyId, VerifyingKey)>,
        credential_key: [u8; 32],
    ) -> Self {
        let mut known: BTreeMap<_, _> = others.into_iter().collect();
        known.insert(signing_id.clone(), signing.verifying_key());
        Self(Arc::new(Keys { signing_id, signing, known, credential_key }))
    }

    /// The public keys that are valid, by key id.
    pub fn public(&self) -> impl Iterator<Item = (&str, [u8; 32])> {
        self.0.known.iter().map(|(id, key)| (id.as_str(), key.to_bytes()))
    }

    /// Signs a ticket code.
    pub fn sign(&self, claims: &Claims) -> Result<String, CodeFault> {
        code::sign(claims, &self.0.signing_id, &self.0.signing)
    }

    /// Reads and checks a signed ticket code.
    pub fn verify(&self, text: &str) -> Result<Claims, CodeFault> {
        code::verify(text, |id| self.0.known.get(id).copied())
    }

    /// A keyed hash of anything that must not be guessed from what is kept of it.
    pub(crate) fn keyed_hash(&self, bytes: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.0.credential_key, bytes).as_bytes()
    }

    /// The digest of a credential whose data has been cleaned.
    pub fn digest(&self, credential: &Credential) -> Digest {
        self.digest_of(credential.kind, &credential.data)
    }

    /// The digest of cleaned data of a kind.
    pub fn digest_of(&self, kind: CredentialKind, data: &str) -> Digest {
        let space: &[u8] = match kind {
            CredentialKind::Qr | CredentialKind::Barcode | CredentialKind::Other => b"optical\0",
            CredentialKind::ExchangeCode => b"exchange\0",
            CredentialKind::Rfid => b"rfid\0",
            CredentialKind::IdCard => b"id_card\0",
            CredentialKind::Face => b"face\0",
        };
        let mut hasher = blake3::Hasher::new_keyed(&self.0.credential_key);
        hasher.update(space);
        hasher.update(data.as_bytes());
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Digest(digest)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.known.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> KeyRing {
        KeyRing::new("k1".into(), SigningKey::from_bytes(&[1; 32]), [], [2; 32])
    }

    #[test]
    fn a_printed_number_never_passes_for_a_card() {
        let ring = ring();
        let qr = ring.digest_of(CredentialKind::Qr, "04A1B2");
        assert_eq!(qr, ring.digest_of(CredentialKind::Barcode, "04A1B2"));
        assert_ne!(qr, ring.digest_of(CredentialKind::Rfid, "04A1B2"));
        assert_ne!(qr, ring.digest_of(CredentialKind::IdCard, "04A1B2"));
    }

    #[test]
    fn another_site_has_other_digests() {
        let other = KeyRing::new("k1".into(), SigningKey::from_bytes(&[1; 32]), [], [3; 32]);
        let kind = CredentialKind::Qr;
        assert_ne!(ring().digest_of(kind, "A"), other.digest_of(kind, "A"));
    }
}
