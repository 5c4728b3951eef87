//! The configurations that devices should have: one document each, with a version.
//!
//! A change is on record before it is sent; a device that was away gets it at its next hello. What
//! the device makes of it comes back on `up/config`. Called by the office and the twins.

use std::sync::Arc;

use dashmap::DashMap;
use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{ConfigDown, DeviceSettings},
    ids::{DeviceId, Session},
};

use crate::{
    api::{AuditLine, ConfigView, Fault},
    clock::Clock,
    ledger::{Ledger, Record, commit},
    twin::fault,
};

/// The longest document, in bytes: with what stands around it, it must fit one message.
const CONFIG_MAX_BYTES: usize = 16 * 1024;

/// A configuration with what it says.
struct Desired {
    view: ConfigView,
    settings: DeviceSettings,
}

/// All configurations.
pub(crate) struct Configs {
    desired: DashMap<DeviceId, Desired>,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    /// One change at a time, so that versions follow each other.
    changing: tokio::sync::Mutex<()>,
}

impl Configs {
    /// Takes those of the ledger.
    pub(crate) fn new(
        rows: Vec<(DeviceId, ConfigView)>,
        ledger: Arc<dyn Ledger>,
        clock: Clock,
    ) -> Self {
        let read = |(device, view): (DeviceId, ConfigView)| {
            // It was good when it was kept; what an earlier build took counts as the defaults.
            let settings = DeviceSettings::read(&view.config).unwrap_or_default();
            (device, Desired { view, settings })
        };
        let desired = rows.into_iter().map(read).collect();
        Self { desired, ledger, clock, changing: tokio::sync::Mutex::default() }
    }

    /// What a device should have.
    pub(crate) fn of(&self, device: &DeviceId) -> Option<ConfigView> {
        self.desired.get(device).map(|desired| desired.view.clone())
    }

    /// What it says; none where nobody set one.
    pub(crate) fn settings(&self, device: &DeviceId) -> Option<DeviceSettings> {
        self.desired.get(device).map(|desired| desired.settings.clone())
    }

    /// Sets what a device should have from now on. `seen` is the version that the caller has read.
    pub(crate) async fn set(
        &self,
        device: &DeviceId,
        config: Map<String, Value>,
        seen: Option<u64>,
        reason: &str,
        actor: &str,
    ) -> Result<ConfigView, Fault> {
        let settings = DeviceSettings::read(&config).map_err(|rejects| {
            let faults: Vec<String> =
                rejects.iter().map(|(key, why)| format!("config.{key}: {why}")).collect();
            Fault::Invalid(faults.join("; "))
        })?;
        let length = serde_json::to_vec(&config).map_or(0, |json| json.len());
        if CONFIG_MAX_BYTES < length {
            let most = format!("config: {length} bytes, {CONFIG_MAX_BYTES} at most");
            return Err(Fault::Invalid(most));
        }
        let _alone = self.changing.lock().await;
        let version = self.of(device).map_or(0, |config| config.version);
        if seen.is_some_and(|seen| seen != version) {
            let now =
                format!("the configuration is at version {version} now: read it and try again");
            return Err(Fault::Conflict(now));
        }
        let now = self.clock.now();
        let row = ConfigView {
            version: version + 1,
            config,
            at: now,
            actor: actor.to_owned(),
            reason: reason.to_owned(),
        };
        let audit = AuditLine {
            at: now,
            actor: actor.to_owned(),
            action: "device.config".into(),
            target: device.to_string(),
            note: format!("version {}: {reason}", row.version),
        };
        let record = Record::Config { device: device.clone(), config: row.clone(), audit };
        commit(&*self.ledger, record).await.map_err(fault)?;
        self.desired.insert(device.clone(), Desired { view: row.clone(), settings });
        Ok(row)
    }
}

/// The message for it.
pub(crate) fn message(config: &ConfigView, session: Session) -> ConfigDown {
    ConfigDown { session, version: config.version, config: config.config.clone() }
}
