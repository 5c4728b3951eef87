//! A printer and a kiosk as their control plane and their paper see them: Debian's mosquitto, real
//! TCP to a virtual printer, and a tiny control plane in the test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

#[path = "../sockets/broker.rs"]
mod broker;
mod kiosk;
mod plane;
mod printer;
mod program;

use std::time::Duration;

/// Every wait has an end, in a test too.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("never: {what}"))
}
