//! The keys of the site: those that sign ticket codes, and the one that makes digests of
//! credentials. Where they are kept is the program's business; here they are only used.

use std::{collections::BTreeMap, sync::Arc};

use ed25519_dalek::{SigningKey, VerifyingKey};
use shanmen_protocols::{
    code::{self, Claims, CodeFault, KeyId},
    device::{Credential, CredentialKind},
    digest::DigestKey,
};

pub use shanmen_protocols::digest::Digest;

/// All keys of a site; cheap to clone. Its `Debug` shows no key.
#[derive(Clone)]
pub struct KeyRing(Arc<Keys>);

struct Keys {
    signing_id: KeyId,
    signing: SigningKey,
    known: BTreeMap<KeyId, VerifyingKey>,
    credential_key: DigestKey,
}

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
        Self(Arc::new(Keys {
            signing_id,
            signing,
            known,
            credential_key: DigestKey(credential_key),
        }))
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

    /// The key for digests.
    pub(crate) fn digest_key(&self) -> DigestKey {
        self.0.credential_key
    }

    /// A keyed hash of anything that must not be guessed from what is kept of it.
    pub(crate) fn keyed_hash(&self, bytes: &[u8]) -> [u8; 32] {
        self.0.credential_key.hash(bytes)
    }

    /// The digest of a credential whose data has been cleaned.
    pub fn digest(&self, credential: &Credential) -> Digest {
        self.digest_of(credential.kind, &credential.data)
    }

    /// The digest of cleaned data of a kind.
    pub fn digest_of(&self, kind: CredentialKind, data: &str) -> Digest {
        self.0.credential_key.credential(kind, data)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.known.len())
    }
}
