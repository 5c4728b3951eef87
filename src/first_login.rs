//! The first admin: made when there is no account yet, told once.
//!
//! Owns `DATA/first-login.json`. Called by the composition root at the start, and by the HTTP API
//! when a password is changed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use shanmen_actors::{ControlPlane, api::Account};

use crate::{folder, http::Passwords};

/// The name of the first admin.
pub const ADMIN: &str = "admin";

const FILE: &str = "first-login.json";

/// A login as it is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// Makes the first admin where there is no account yet; gives its login, to be told once.
///
/// # Errors
/// When the account or the file cannot be written.
pub async fn make(
    plane: &ControlPlane,
    passwords: &Passwords,
    data: &Path,
) -> anyhow::Result<Option<Login>> {
    let accounts = plane.accounts().await.context("cannot read the accounts")?;
    if !accounts.is_empty() {
        return Ok(None);
    }
    let login = Login { user: ADMIN.to_owned(), password: password()? };
    // The file first: a crash in between must not leave an admin whose password nobody knows.
    folder::write_whole(&file(data), &serde_json::to_vec(&login)?)
        .with_context(|| format!("cannot write {FILE} in {}", data.display()))?;
    put(plane, passwords, &login, &["admin"]).await?;
    Ok(Some(login))
}

/// Adds or replaces an account with a password.
///
/// # Errors
/// When it cannot be written.
pub async fn put(
    plane: &ControlPlane,
    passwords: &Passwords,
    login: &Login,
    roles: &[&str],
) -> anyhow::Result<()> {
    let hash = passwords
        .hash(login.password.clone())
        .await
        .map_err(|problem| anyhow!("cannot hash a password: {}", problem.detail()))?;
    let account = Account {
        user: login.user.clone(),
        password_hash: Some(hash),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
    };
    plane.put_account(account).await.context("cannot write an account")
}

/// A fresh password: 25 letters and digits in groups of five, 125 bits.
///
/// # Errors
/// When the system gives no random numbers.
pub fn password() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| anyhow!("the system gives no random numbers"))?;
    let mut text = BASE32_NOPAD.encode(&bytes).to_ascii_lowercase();
    text.truncate(25);
    for at in [20, 15, 10, 5] {
        text.insert(at, '-');
    }
    Ok(text)
}

/// Removes the file, if it tells of `user`: the password in it is no longer true.
pub fn forget(data: &Path, user: &str) {
    let path = file(data);
    let told = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let Some(Login { user: told, .. }) = told else { return };
    if told == user
        && let Err(error) = folder::remove(&path)
    {
        tracing::warn!(%error, "cannot remove the first login's file");
    }
}

fn file(data: &Path) -> PathBuf {
    data.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_can_be_read_aloud() {
        let (one, two) = (password().unwrap(), password().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 29);
        assert!(one.split('-').all(|group| group.len() == 5), "{one}");
    }

    #[test]
    fn only_the_first_admins_own_change_removes_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let login = Login { user: ADMIN.into(), password: "x".into() };
        folder::write_whole(&file(dir.path()), &serde_json::to_vec(&login).unwrap()).unwrap();
        forget(dir.path(), "wang");
        assert!(file(dir.path()).exists());
        forget(dir.path(), ADMIN);
        assert!(!file(dir.path()).exists());
        forget(dir.path(), ADMIN);
    }
}
