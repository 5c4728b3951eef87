//! The link to the devices: a broker, embedded or outside, behind one small trait.
//!
//! Uplinks come in through [`Uplinks::take`], which never blocks; downlinks go out through
//! [`Link::publish`], which waits for a slow device only a bounded time. Nothing is ever retained.

mod embedded;
mod outside;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub(crate) use self::{embedded::EmbeddedBroker, outside::OutsideLink};

/// How long a downlink may wait for a slow device before it is given up.
pub(crate) const PUBLISH_WAIT: Duration = Duration::from_millis(100);

/// Quality of service; 2 is not part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Qos {
    /// At most once.
    Zero,
    /// At least once.
    One,
}

/// One message to a device.
pub(crate) struct Downlink {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    /// How long it is good for: the broker drops it afterwards (MQTT 5).
    pub(crate) ttl: Option<Duration>,
}

/// Who takes uplinks. Called on the broker's own tasks: it must not block.
pub(crate) trait Uplinks: Send + Sync + 'static {
    /// Takes one message.
    fn take(&self, topic: &str, payload: &[u8], qos: Qos, retained: bool);

    /// A device's last connection has ended, whatever was said of it.
    fn gone(&self, device: &str);

    /// A message was refused before it got here, and why; `device` where it is known.
    fn refused(&self, device: Option<&str>, why: &'static str);
}

/// Why a downlink did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkFault {
    /// The way out is full.
    #[error("the outbox is full")]
    Full,
}

/// The way to the devices.
pub(crate) trait Link: Send + Sync + 'static {
    /// Sends one message.
    fn publish(&self, message: Downlink) -> BoxFuture<'_, Result<(), LinkFault>>;

    /// Whether devices can be reached.
    fn up(&self) -> bool;

    /// Where devices connect.
    fn address(&self) -> (String, u16);

    /// Ends a device's connections, as far as the broker is ours; how many were told to end.
    fn cut(&self, device: &str) -> usize;

    /// Stops taking and sending.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

fn address_of(bound: Option<SocketAddr>, asked: SocketAddr) -> (String, u16) {
    let address = bound.unwrap_or(asked);
    (address.ip().to_string(), address.port())
}
