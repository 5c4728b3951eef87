//! The site's keys on disk: `DATA/keys/keys.json`, 0600, made on the first start.
//!
//! Owns the file and nothing else; the keys are used through [`KeyRing`]. Several ticket keys may
//! stand in it: the one named by `signing` signs, all of them verify, so that tickets sold before
//! a rotation stay good. Refuses a file that others may read, or that it does not understand:
//! made anew, every ticket sold so far would be worthless.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use shanmen_actors::keys::KeyRing;

use crate::folder;

/// Where the keys are, inside the data folder.
const FILE: &str = "keys/keys.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    /// The id of the key that signs.
    signing: String,
    /// All ticket keys.
    tickets: Vec<TicketKey>,
    /// What makes digests of credentials, 32 bytes in hex. Another one makes all cards unknown.
    credentials: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketKey {
    kid: String,
    /// The Ed25519 secret, 32 bytes in hex.
    secret: String,
}

/// Reads the keys of a data folder; makes them where there are none.
///
/// # Errors
/// When the file cannot be read, written or understood.
pub fn load_or_make(data: &Path) -> anyhow::Result<KeyRing> {
    let path = data.join(FILE);
    let bytes = match folder::read_private(&path)? {
        Some(bytes) => bytes,
        None => make(&path)?,
    };
    parse(&bytes).with_context(|| {
        format!("{} is damaged; restore it from a backup, tickets depend on it", path.display())
    })
}

fn make(path: &Path) -> anyhow::Result<Vec<u8>> {
    let secret = random_32()?;
    let kid = key_id(&SigningKey::from_bytes(&secret));
    let file = KeysFile {
        signing: kid.clone(),
        tickets: vec![TicketKey { kid, secret: HEXLOWER.encode(&secret) }],
        credentials: HEXLOWER.encode(&random_32()?),
    };
    let bytes = serde_json::to_vec_pretty(&file)?;
    if let Some(dir) = path.parent() {
        folder::make_private_dir(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    folder::write_whole(path, &bytes)
        .with_context(|| format!("cannot write {}", path.display()))?;
    tracing::info!(key = %file.signing, "ticket keys made");
    Ok(bytes)
}

/// The faults here name places, never contents: serde's own words would quote the file.
fn parse(bytes: &[u8]) -> anyhow::Result<KeyRing> {
    let file: KeysFile = serde_json::from_slice(bytes)
        .map_err(|fault| anyhow!("not a keys file at line {}", fault.line()))?;
    let mut signing = None;
    let mut known = Vec::new();
    for key in &file.tickets {
        let secret = bytes_32(&key.secret)
            .with_context(|| format!("the secret of key {} is not 64 hex digits", key.kid))?;
        let pair = SigningKey::from_bytes(&secret);
        known.push((key.kid.clone(), pair.verifying_key()));
        if key.kid == file.signing {
            signing = Some(pair);
        }
    }
    let signing =
        signing.ok_or_else(|| anyhow!("\"signing\" names {}, which is not there", file.signing))?;
    let credentials =
        bytes_32(&file.credentials).context("\"credentials\" is not 64 hex digits")?;
    Ok(KeyRing::new(file.signing, signing, known, credentials))
}

fn bytes_32(hex: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}

/// A short id, since it stands in every code: eight letters of the public key's digest.
fn key_id(key: &SigningKey) -> String {
    let digest = blake3::hash(key.verifying_key().as_bytes());
    BASE32_NOPAD.encode(&digest.as_bytes()[..5]).to_ascii_lowercase()
}

fn random_32() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| anyhow!("the system gives no random numbers"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_stay() {
        let dir = tempfile::tempdir().unwrap();
        let first: Vec<_> = public(&load_or_make(dir.path()).unwrap());
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].0.len(), 8);
        assert_eq!(public(&load_or_make(dir.path()).unwrap()), first);
    }

    #[cfg(unix)]
    #[test]
    fn keys_belong_to_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        load_or_make(dir.path()).unwrap();
        let mode = |name: &str| {
            std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777
        };
        assert_eq!(mode(FILE), 0o600);
        assert_eq!(mode("keys"), 0o700);
    }

    #[test]
    fn a_retired_key_still_verifies() {
        let dir = tempfile::tempdir().unwrap();
        load_or_make(dir.path()).unwrap();
        let path = dir.path().join(FILE);
        let mut file: KeysFile = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        file.tickets.push(TicketKey { kid: "new".into(), secret: HEXLOWER.encode(&[7; 32]) });
        file.signing = "new".into();
        folder::write_whole(&path, &serde_json::to_vec(&file).unwrap()).unwrap();
        assert_eq!(public(&load_or_make(dir.path()).unwrap()).len(), 2);
    }

    #[test]
    fn a_damaged_file_is_refused_without_a_word_of_its_secrets() {
        let secret = "ab".repeat(31);
        let text = format!(
            r#"{{"signing":"k","tickets":[{{"kid":"k","secret":"{secret}"}}],"credentials":"00"}}"#
        );
        let fault = format!("{:#}", parse(text.as_bytes()).err().unwrap());
        assert!(fault.contains("key k") && !fault.contains(&secret), "{fault}");
    }

    fn public(ring: &KeyRing) -> Vec<(String, [u8; 32])> {
        ring.public().map(|(id, key)| (id.to_owned(), key)).collect()
    }
}
