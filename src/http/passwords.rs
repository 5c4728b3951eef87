//! Passwords: Argon2id, off the threads that serve requests, two at a time.
//!
//! Owns the hashing and its bound: a hash takes 19 MiB and tens of milliseconds, and a flood of
//! logins must not take the gates' cores. Called by the login and by whoever makes accounts.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// Hashes at one time.
const AT_ONCE: usize = 2;

/// How long one waits for one's turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest password that is looked at, in bytes.
pub(super) const PASSWORD_MAX_BYTES: usize = 256;

/// The shortest that is taken for a new one, in characters.
pub(super) const PASSWORD_MIN_CHARS: usize = 10;

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// One's turn to hash.
#[derive(Debug)]
pub struct Turn(OwnedSemaphorePermit);

impl Passwords {
    /// Waits for one's turn, not for long.
    ///
    /// # Errors
    /// `busy` when there are too many before.
    pub async fn turn(&self) -> Result<Turn, Problem> {
        match tokio::time::timeout(TURN_TIMEOUT, self.0.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn(permit)),
            _ => Err(Problem::busy("too many logins at once; try again")),
        }
    }

    /// Hashes a password, in PHC form.
    ///
    /// # Errors
    /// `busy`, or `internal` when the system gives no random numbers.
    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        self.turn().await?.run(move || hash(&password)).await?
    }
}

impl Turn {
    /// Whether `password` fits `stored`. Without a stored one it takes as long and does not fit,
    /// so that the time does not tell which users there are.
    ///
    /// # Errors
    /// `internal` when the hashing thread fails.
    pub async fn fits(self, password: String, stored: Option<String>) -> Result<bool, Problem> {
        static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash("nobody").ok());
        self.run(move || {
            let known = stored.is_some();
            let Some(text) = stored.as_ref().or(NOBODY.as_ref()) else { return false };
            let Ok(stored) = PasswordHash::new(text) else { return false };
            let fits = password.len() <= PASSWORD_MAX_BYTES
                && Argon2::default().verify_password(password.as_bytes(), &stored).is_ok();
            fits && known
        })
        .await
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = self.0;
        // The turn goes with the work: a caller that hangs up does not let another one in.
        let run = move || {
            let done = work();
            drop(permit);
            done
        };
        tokio::task::spawn_blocking(run).await.map_err(Problem::internal)
    }
}

fn hash(password: &str) -> Result<String, Problem> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(Problem::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::default();
        let stored = passwords.hash("cloud-ridge".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        for (password, stored, fits) in [
            ("cloud-ridge", Some(stored.clone()), true),
            ("cloud-Ridge", Some(stored.clone()), false),
            ("nobody", None, false),
            ("cloud-ridge", Some("rubbish".to_owned()), false),
        ] {
            let turn = passwords.turn().await.unwrap();
            assert_eq!(turn.fits(password.into(), stored).await.unwrap(), fits, "{password}");
        }
    }
}
