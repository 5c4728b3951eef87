//! Digests: what is kept of a credential in place of its plain text, in the ledger, in memory and on
//! the lists of offline devices.
//!
//! BLAKE3 in keyed mode, cut to 16 bytes. The key is the site's; a device gets it with its list
//! `keys`, and no other way.

use crate::{device::CredentialKind, ids::TicketId};

/// A credential as it is kept: a keyed digest, never the plain code.
///
/// Optical codes (QR, bar code) share one space, since a scanner cannot always tell them apart; a
/// card's UID, an ID number and a face have one each, so that a printed number never passes for a
/// card. So have exchange codes (兑票码): what they were sold as decides, not what a scanner calls
/// them, so whoever looks an optical code up looks in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// In lower-case hex, as lists have it.
    pub fn hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// From hex.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

/// The site's key for digests. Its `Debug` shows nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DigestKey(pub [u8; 32]);

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DigestKey")
    }
}

impl DigestKey {
    /// The digest of a credential's text in the one form that is looked up.
    pub fn credential(&self, kind: CredentialKind, text: &str) -> Digest {
        let space: &[u8] = match kind {
            CredentialKind::Qr | CredentialKind::Barcode | CredentialKind::Other => b"optical\0",
            CredentialKind::ExchangeCode => b"exchange\0",
            CredentialKind::Rfid => b"rfid\0",
            CredentialKind::IdCard => b"id_card\0",
            CredentialKind::Face => b"face\0",
        };
        self.digest(&[space, text.as_bytes()])
    }

    /// The digest by which a deny list names a whole ticket.
    pub fn ticket(&self, ticket: TicketId) -> Digest {
        self.digest(&[b"ticket\0", ticket.0.as_bytes()])
    }

    /// The digest by which a deny list names one superseded issue of a ticket's signed code.
    pub fn issue(&self, ticket: TicketId, epoch: u16) -> Digest {
        self.digest(&[b"issue\0", ticket.0.as_bytes(), &epoch.to_be_bytes()])
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(part);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Digest(digest)
    }

    /// A whole keyed hash of anything that must not be guessed from what is kept of it.
    pub fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, bytes).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_number_never_passes_for_a_card() {
        let key = DigestKey([2; 32]);
        let qr = key.credential(CredentialKind::Qr, "04A1B2");
        assert_eq!(qr, key.credential(CredentialKind::Barcode, "04A1B2"));
        assert_ne!(qr, key.credential(CredentialKind::Rfid, "04A1B2"));
        assert_ne!(qr, key.credential(CredentialKind::IdCard, "04A1B2"));
        assert_ne!(qr, DigestKey([3; 32]).credential(CredentialKind::Qr, "04A1B2"));
    }

    #[test]
    fn a_digest_reads_back_from_its_hex() {
        let digest = DigestKey([2; 32]).ticket(TicketId(uuid::Uuid::from_u128(7)));
        assert_eq!(Digest::from_hex(&digest.hex()), Some(digest));
        assert_eq!(Digest::from_hex("abc"), None);
    }
}
