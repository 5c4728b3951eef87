//! Uplinks: what a device says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TTL_DEFAULT_MS;
use crate::{
    ids::{CommandId, DeviceKind, Direction, Epoch, LaneId, RequestId, ScanId, Session},
    time::{TimeBlock, lenient},
};

/// `up/state`, retained; the will is the same with `online: false`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// Connected or gone.
    pub online: bool,
    /// Whose birth or death it is; a death of another session is ignored.
    pub session: Session,
}

/// What a device can take at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Largest packet in bytes.
    #[serde(default)]
    pub packet: Option<u32>,
    /// Events it queues while offline.
    #[serde(default)]
    pub log: Option<u32>,
    /// Entries of its ticket list.
    #[serde(default)]
    pub list: Option<u32>,
}

/// `up/hello`: the handshake after each connect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// The time block: the anchor of this session's clock.
    #[serde(flatten)]
    pub time: TimeBlock,
    /// The protocol version that the device speaks, `1.0`.
    #[serde(default)]
    pub protocol: String,
    /// What the device says it is; what the registry says counts.
    #[serde(default, deserialize_with = "lenient")]
    pub kind: Option<DeviceKind>,
    /// Serial number.
    #[serde(default)]
    pub serial: String,
    /// Model.
    #[serde(default)]
    pub model: String,
    /// Firmware version.
    #[serde(default)]
    pub firmware: String,
    /// The number of this connection.
    pub session: Session,
    /// The device's event storage.
    #[serde(default)]
    pub epoch: Option<Epoch>,
    /// The sequence number that the device's next event will have.
    #[serde(default)]
    pub next_seq: Option<u64>,
    /// The configuration in force.
    #[serde(default)]
    pub config_version: Option<serde_json::Value>,
    /// The lists held: name to version.
    #[serde(default)]
    pub lists: serde_json::Map<String, serde_json::Value>,
    /// What the device can take.
    #[serde(default)]
    pub limits: Limits,
}

/// How a credential was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A QR code.
    Qr,
    /// A bar code.
    Barcode,
    /// The UID of an RFID card.
    Rfid,
    /// An ID card's number.
    IdCard,
    /// A face terminal's event id.
    Face,
    /// A code that is exchanged for tickets.
    ExchangeCode,
    /// A kind that this version does not know: looked up like a bar code.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

impl CredentialKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Qr => "qr",
            Self::Barcode => "barcode",
            Self::Rfid => "rfid",
            Self::IdCard => "id_card",
            Self::Face => "face",
            Self::ExchangeCode => "exchange_code",
            Self::Other => "other",
        }
    }
}

/// What was presented. Its `Debug` never shows the data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Credential {
    /// How.
    #[serde(rename = "type")]
    pub kind: CredentialKind,
    /// The plain code or number. It leaves this struct only as a digest.
    pub data: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({}, {} bytes)", self.kind.as_str(), self.data.len())
    }
}

/// What an attendant or reader has found out since an earlier `more`: `true`, it is confirmed;
/// `false`, the card or face is not the holder's. Left out: nobody has looked; an attendant's
/// `false` counts as that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Confirm {
    /// An attendant has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attendant: Option<bool>,
    /// The ID card was read; whether it is the holder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_card: Option<bool>,
    /// The face was compared; whether it is the holder's (人证比对).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face: Option<bool>,
}

/// `up/scan`: a presentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    /// The time block.
    #[serde(flatten)]
    pub time: TimeBlock,
    /// The idempotency key: the same id gets the same answer.
    pub id: ScanId,
    /// The lane; a device of one lane may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<LaneId>,
    /// Which way.
    #[serde(default)]
    pub direction: Direction,
    /// What was presented.
    pub credential: Credential,
    /// How long the device waits for the answer, in milliseconds.
    #[serde(default = "ttl_default_ms")]
    pub ttl_ms: u32,
    /// 1 for the first sending, 2 for the second.
    #[serde(default)]
    pub attempt: u32,
    /// Who holds the handheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What has been confirmed since an earlier `more`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirm>,
}

fn ttl_default_ms() -> u32 {
    TTL_DEFAULT_MS
}

/// `up/telemetry`: free-form numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Telemetry {
    /// The time block.
    #[serde(flatten)]
    pub time: TimeBlock,
    /// `temperature_c`, `paper_percent`, `queue` and what else the device counts.
    #[serde(flatten)]
    pub values: serde_json::Map<String, serde_json::Value>,
}

/// How a command ended at its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AckStatus {
    /// It has come; the work goes on, and another ack follows.
    Received,
    /// It is done.
    Done,
    /// It was tried, and failed.
    Failed,
    /// It was not tried: the device knows no such op, or may not now.
    Rejected,
    /// It came too late, or for another session: no effect.
    Expired,
    /// It came before: no second effect.
    Duplicate,
    /// A status that this version does not know.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

impl AckStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Duplicate => "duplicate",
            Self::Other => "other",
        }
    }

    /// Whether nothing more follows.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Received | Self::Other)
    }
}

/// `up/ack`: the answer to a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ack {
    /// The time block.
    #[serde(flatten)]
    pub time: TimeBlock,
    /// The command.
    pub id: CommandId,
    /// How it ended.
    pub status: AckStatus,
    /// Why it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What came of it: the report of a `diagnose`, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
}

/// `up/config`: what is in force, as the answer to `config`, after a list was swapped, and after
/// each hello that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigReport {
    /// The time block.
    #[serde(flatten)]
    pub time: TimeBlock,
    /// The version in force; none before the first.
    #[serde(default)]
    pub version: Option<u64>,
    /// The version that was refused, if one was: nothing of it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<u64>,
    /// For each key that was refused, why.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub rejects: std::collections::BTreeMap<String, String>,
    /// The lists held: name to version.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub lists: std::collections::BTreeMap<String, u64>,
    /// How the lane works, for a turnstile.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub mode: Option<super::LaneMode>,
}

/// `up/request`: a question. What it needs stands beside `what`; see [`super::What`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// The time block.
    #[serde(flatten)]
    pub time: TimeBlock,
    /// Its key: the same id gets the same answer.
    pub id: RequestId,
    /// What is asked, and with what.
    #[serde(flatten)]
    pub what: super::What,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_of_the_bare_minimum_is_read() {
        let scan: Scan = serde_json::from_str(
            r#"{"id":"01890000-0000-7000-8000-000000000001",
                "credential":{"type":"qr","data":"ABC-123"},"x-vendor":1}"#,
        )
        .unwrap();
        assert_eq!(scan.direction, Direction::In);
        assert_eq!(scan.ttl_ms, TTL_DEFAULT_MS);
        assert_eq!(scan.time, TimeBlock::default());
    }

    #[test]
    fn an_unknown_kind_of_credential_is_the_generic_case() {
        let credential: Credential =
            serde_json::from_str(r#"{"type":"palm_vein","data":"1"}"#).unwrap();
        assert_eq!(credential.kind, CredentialKind::Other);
    }

    #[test]
    fn a_credential_never_shows_in_a_log() {
        let credential = Credential { kind: CredentialKind::Qr, data: "SECRET-1".into() };
        assert!(!format!("{credential:?}").contains("SECRET"));
    }

    #[test]
    fn a_session_may_be_a_string_or_a_number() {
        for json in [r#"{"online":true,"session":"42"}"#, r#"{"online":true,"session":42}"#] {
            let state: State = serde_json::from_str(json).unwrap();
            assert_eq!(state.session.as_str(), "42");
        }
    }
}
