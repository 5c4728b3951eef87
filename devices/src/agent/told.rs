//! What a device is told before it starts, whatever its kind.
//!
//! The device program reads it from a file; tests and the virtual park make it up. Its `Debug` never
//! shows the secret.

use shanmen_protocols::{
    device::DeviceSettings,
    ids::{DeviceId, SiteId},
};

use super::{BrokerAddress, queue};
use crate::tls::DeviceTls;

/// What a device is told before it starts, whatever its kind.
#[derive(Clone)]
pub struct AgentConfig {
    /// Its site.
    pub site: SiteId,
    /// Its identity: a level of its topics.
    pub device: DeviceId,
    /// Where the broker listens.
    pub broker: BrokerAddress,
    /// How it speaks TLS to the broker; none: in clear text.
    pub tls: Option<DeviceTls>,
    /// Its user at the broker.
    pub username: String,
    /// Its secret at the broker.
    pub password: String,
    /// Its serial number, as it says hello.
    pub serial: String,
    /// Its model, as it says hello.
    pub model: String,
    /// The version of its program, as it says hello.
    pub firmware: String,
    /// The settings in force until the control plane sends others.
    pub settings: DeviceSettings,
    /// The lists that it wants; others are ignored.
    pub lists: &'static [&'static str],
    /// The most facts that it keeps unacknowledged.
    pub queue_max: usize,
    /// The shortest pause before it connects again, in milliseconds.
    pub reconnect_min_ms: u64,
    /// The longest pause before it connects again, in milliseconds.
    pub reconnect_max_ms: u64,
}

impl AgentConfig {
    /// A configuration with the contract's defaults: no lists, no secret.
    pub fn new(site: SiteId, device: DeviceId, broker: BrokerAddress) -> Self {
        Self {
            username: device.to_string(),
            password: String::new(),
            serial: device.to_string(),
            model: env!("CARGO_PKG_NAME").into(),
            firmware: env!("CARGO_PKG_VERSION").into(),
            site,
            device,
            broker,
            tls: None,
            settings: DeviceSettings::default(),
            lists: &[],
            queue_max: queue::QUEUE_MAX_EVENTS,
            reconnect_min_ms: 1_000,
            reconnect_max_ms: 60_000,
        }
    }

    /// Its MQTT client id, `{site}.{device}`: two sites may share a broker, and a device that
    /// comes twice throws out its own older connection and no other.
    pub fn client_id(&self) -> String {
        format!("{}.{}", self.site, self.device)
    }
}

/// Never shows the secret.
impl std::fmt::Debug for AgentConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentConfig")
            .field("site", &self.site)
            .field("device", &self.device)
            .field("broker", &self.broker)
            .finish_non_exhaustive()
    }
}
