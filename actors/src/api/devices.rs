//! Devices: how one is let in by a claim, and how it stands.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    ids::{DeviceId, DeviceKind, GateId, LaneId},
    time::UnixMs,
};

use super::Reported;

/// A device of the configuration: approved, and bound to its place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSpec {
    /// Its id.
    pub id: DeviceId,
    /// What it is.
    pub kind: DeviceKind,
    /// The gate that it serves.
    #[serde(default)]
    pub gate: Option<GateId>,
    /// The lane that it serves.
    #[serde(default)]
    pub lane: Option<LaneId>,
}

/// A registered device's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceStanding {
    /// Seen, but no person has approved it yet.
    Pending,
    /// It may work.
    Approved,
    /// It may not.
    Revoked,
}

/// A device as operations sees it.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceView {
    /// Its id.
    pub id: DeviceId,
    /// What it is.
    pub kind: DeviceKind,
    /// The lane that it serves.
    pub lane: Option<LaneId>,
    /// The gate that it serves.
    pub gate: Option<GateId>,
    /// Its standing.
    pub status: DeviceStanding,
    /// Connected.
    pub online: bool,
    /// Serial, model and firmware as told in its hello.
    pub serial: String,
    /// Model.
    pub model: String,
    /// Firmware version.
    pub firmware: String,
    /// Since when the session stands.
    pub session_since: Option<UnixMs>,
    /// When it last said anything.
    pub last_seen: Option<UnixMs>,
    /// When it last scanned.
    pub last_scan: Option<UnixMs>,
    /// The last message that could not be taken: what, where and how to mend it.
    pub last_error: Option<DeviceError>,
    /// How far its clock is ahead of ours, in milliseconds, at its last hello.
    pub clock_skew_ms: Option<i64>,
    /// Grants without an outcome.
    pub open_grants: u32,
    /// The highest sequence number that the ledger has, all before it included.
    pub acked: u64,
    /// The last telemetry.
    pub telemetry: serde_json::Map<String, serde_json::Value>,
    /// When it came.
    pub telemetry_at: Option<UnixMs>,
    /// The version of the configuration that it should have; none where nobody set one.
    pub config_desired: Option<u64>,
    /// What it says of its configuration, lists and mode.
    pub reported: Reported,
}

/// A message that could not be taken.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceError {
    /// When.
    pub at: UnixMs,
    /// What, where and how to mend it; never the message itself.
    pub problem: String,
}

/// A claim to be made for a new device.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The device's id to be.
    pub device: DeviceId,
    /// What it is.
    pub kind: DeviceKind,
    /// The gate that it will serve.
    #[serde(default)]
    pub gate: Option<GateId>,
    /// The lane that it will serve.
    #[serde(default)]
    pub lane: Option<LaneId>,
    /// How long the claim is good for; 15 by default, at most 10,080 (a week).
    #[serde(default)]
    pub minutes: Option<u32>,
}

/// A claim code: shown once.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// The one-time code.
    pub claim: String,
    /// The device.
    pub device: DeviceId,
    /// When it runs out.
    pub expires_at: UnixMs,
}

/// A device trades its claim.
#[derive(Clone, Debug, Deserialize)]
pub struct EnrolRequest {
    /// The one-time code.
    pub claim: String,
    /// The machine's serial number.
    #[serde(default)]
    pub serial: String,
    /// The machine's model.
    #[serde(default)]
    pub model: String,
    /// A request for a certificate (PKCS#10 in PEM), where the site lets devices in by one.
    #[serde(default)]
    pub csr: Option<String>,
}

/// What an enrolled device needs to connect. Never shown in a log: it holds a secret.
#[derive(Clone)]
pub struct Enrolled {
    /// The device.
    pub device: DeviceId,
    /// Its topics' base.
    pub base: String,
    /// Its login at the broker.
    pub username: String,
    /// Its secret, shown once; none where it has a certificate.
    pub password: Option<String>,
    /// Its certificate in PEM, where the site lets devices in by one.
    pub certificate: Option<String>,
    /// The authority of the broker's certificate in PEM, for it to trust.
    pub ca: Option<Arc<str>>,
    /// How the broker's address begins: `mqtts` or `mqtt`.
    pub scheme: &'static str,
}

/// A device's new secret: shown once, and in no log.
#[derive(Clone)]
pub struct NewSecret {
    /// The device.
    pub device: DeviceId,
    /// Its secret from now on.
    pub password: String,
    /// Until when the secret before it is good as well.
    pub old_good_until: UnixMs,
}
