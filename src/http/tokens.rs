//! Tokens: 256 random bits, told once, kept as a digest.

use data_encoding::BASE64URL_NOPAD;

use super::problem::Problem;

/// A fresh token and its digest (BLAKE3), which is all that is kept of it.
///
/// # Errors
/// `internal` when the system gives no random numbers.
pub(super) fn fresh() -> Result<(String, [u8; 32]), Problem> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    let token = BASE64URL_NOPAD.encode(&bytes);
    let digest = digest(&token);
    Ok((token, digest))
}

/// The digest of a token as it was sent.
pub(super) fn digest(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}
