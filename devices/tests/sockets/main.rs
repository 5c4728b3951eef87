//! Over real sockets: Debian's mosquitto, and a tiny control plane in the test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod broker;
mod control;
mod program;
mod turnstile;
mod virtual_park;

use std::time::Duration;

/// Every wait has an end, in a test too.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let limit = Duration::from_mins(1);
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("never: {what}"))
}
