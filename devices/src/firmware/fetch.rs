//! Fetching a program over HTTP, and checking that it is the one that was signed.
//!
//! The signature is checked before anything is fetched, length and digest while it comes: a wrong
//! server costs no more than the length that was signed for.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use shanmen_protocols::device::FirmwareManifest;
use tokio::{
    fs::{self, OpenOptions},
    io::AsyncWriteExt as _,
};

/// The longest program that is fetched, in bytes.
const FIRMWARE_MAX_BYTES: u64 = 512 * 1024 * 1024;

/// How long the server may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Why a program was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum NotFetched {
    /// Not the vendor's signature.
    #[error(
        "the signature is not the vendor's: it has to be made over the SHA-256, with the key \
             of the device's own file"
    )]
    NotSigned,
    /// Longer than any program of ours.
    #[error("{0} bytes are more than a device takes")]
    TooLong(u64),
    /// The server does not give it.
    #[error("the server does not give it: {0}")]
    Http(String),
    /// It cannot be written.
    #[error("it cannot be written: {0}")]
    File(#[from] io::Error),
    /// It is not what was announced.
    #[error("what came is not what was signed: {0}")]
    Other(&'static str),
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()
}

/// Checks that the vendor has signed this digest.
pub(super) fn check_signature(
    manifest: &FirmwareManifest,
    vendor: &VerifyingKey,
) -> Result<(), NotFetched> {
    if FIRMWARE_MAX_BYTES < manifest.size {
        return Err(NotFetched::TooLong(manifest.size));
    }
    let parts = bytes::<32>(&manifest.sha256).zip(bytes::<64>(&manifest.signature));
    let (digest, signature) = parts.ok_or(NotFetched::NotSigned)?;
    vendor
        .verify_strict(&digest, &Signature::from_bytes(&signature))
        .map_err(|_| NotFetched::NotSigned)
}

/// Fetches it into `path`, whole and on the disk, or leaves nothing there.
pub(super) async fn fetch(manifest: FirmwareManifest, path: PathBuf) -> Result<(), NotFetched> {
    let fetched = fetch_into(&manifest, &path).await;
    if fetched.is_err()
        && let Err(error) = fs::remove_file(&path).await
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "a part of a firmware is left");
    }
    fetched
}

async fn fetch_into(manifest: &FirmwareManifest, path: &Path) -> Result<(), NotFetched> {
    let http = |error: reqwest::Error| NotFetched::Http(error.without_url().to_string());
    let client = reqwest::Client::builder().read_timeout(SILENCE_MAX).build().map_err(http)?;
    let answer =
        client.get(&manifest.url).send().await.and_then(reqwest::Response::error_for_status);
    let mut answer = answer.map_err(http)?;
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o755).open(path).await?;
    let (mut digest, mut length) = (Sha256::new(), 0_u64);
    while let Some(part) = answer.chunk().await.map_err(http)? {
        length += u64::try_from(part.len()).unwrap_or(u64::MAX);
        if manifest.size < length {
            return Err(NotFetched::Other("it is longer"));
        }
        digest.update(&part);
        file.write_all(&part).await?;
    }
    if length != manifest.size {
        return Err(NotFetched::Other("it is shorter"));
    }
    if !HEXLOWER.encode(&digest.finalize()).eq_ignore_ascii_case(&manifest.sha256) {
        return Err(NotFetched::Other("its SHA-256 is another one"));
    }
    file.sync_all().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;

    fn vendor() -> SigningKey {
        SigningKey::from_bytes(&[3; 32])
    }

    fn manifest(program: &[u8], url: String) -> FirmwareManifest {
        let digest = Sha256::digest(program);
        FirmwareManifest {
            version: "2.0".into(),
            url,
            size: program.len().try_into().unwrap(),
            sha256: HEXLOWER.encode(&digest),
            signature: HEXLOWER.encode(&vendor().sign(&digest).to_bytes()),
        }
    }

    /// Serves `program` once.
    async fn serve(program: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/fw", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1_024];
            assert!(0 < socket.read(&mut asked).await.unwrap());
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", program.len());
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(program).await.unwrap();
        });
        url
    }

    async fn fetched(served: &'static [u8], signed: &[u8]) -> (Result<(), NotFetched>, bool) {
        // What is compiled in; a second call changes nothing.
        rustls::crypto::ring::default_provider().install_default().ok();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fw");
        let result = fetch(manifest(signed, serve(served).await), path.clone()).await;
        (result, path.exists())
    }

    #[tokio::test]
    async fn what_was_signed_is_fetched_whole() {
        let (result, there) = fetched(b"program", b"program").await;
        assert!(result.is_ok() && there, "{result:?}");
    }

    #[tokio::test]
    async fn anything_else_leaves_nothing() {
        for served in [&b"Program"[..], b"progra", b"program!"] {
            let (result, there) = fetched(served, b"program").await;
            assert!(matches!(result, Err(NotFetched::Other(_))) && !there, "{result:?}");
        }
    }

    #[test]
    fn only_the_vendors_signature_counts() {
        let good = manifest(b"program", String::new());
        let key = vendor().verifying_key();
        assert!(check_signature(&good, &key).is_ok());
        let other = SigningKey::from_bytes(&[4; 32]).verifying_key();
        assert!(check_signature(&good, &other).is_err());
        let swapped = FirmwareManifest { sha256: manifest(b"x", String::new()).sha256, ..good };
        assert!(check_signature(&swapped, &key).is_err());
        let long = FirmwareManifest { size: FIRMWARE_MAX_BYTES + 1, ..swapped };
        assert!(matches!(check_signature(&long, &key), Err(NotFetched::TooLong(_))));
    }
}
