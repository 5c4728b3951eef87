//! What is asked and told about orders, and what a device may ask of people's business.

use futures_util::future::BoxFuture;
use shanmen_protocols::time::UnixMs;

use super::Fault;

/// A login that was good.
#[derive(Clone)]
pub struct LoggedIn {
    /// The token: told once.
    pub token: String,
    /// What it may do.
    pub roles: Vec<String>,
    /// When it is over.
    pub expires: UnixMs,
}

/// Who checks passwords: the program, which has them hashed and counts wrong ones.
pub trait Logins: Send + Sync {
    /// Logs somebody in at a device, whose id stands for the address that it comes from.
    fn login(
        &self,
        device: String,
        user: String,
        password: String,
    ) -> BoxFuture<'_, Result<LoggedIn, Fault>>;
}
