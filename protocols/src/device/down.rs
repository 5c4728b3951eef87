//! Downlinks: what the control plane says. Every one names its `type`; none is ever retained.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{CommandId, Epoch, GrantId, RequestId, ScanId, Session},
    reason::{Lang, Light, Reason},
    time::UnixMs,
};

/// A message on `down`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Down {
    /// The answer to a hello.
    Hello(HelloDown),
    /// The answer to a scan.
    Decision(Decision),
    /// Facts that the ledger has.
    EventAck(EventAck),
    /// An order to the device.
    Command(CommandDown),
    /// The configuration that the device should have.
    Config(ConfigDown),
    /// What a list holds by now.
    List(ListDown),
    /// The answer to a request.
    Response(Response),
    /// A type that this version does not know; ignored.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

/// Whether a device may work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HelloStatus {
    /// It may.
    Accepted,
    /// A person has to approve it first.
    Pending,
    /// It may not.
    #[serde(other)]
    Rejected,
}

/// The answer to a hello.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HelloDown {
    /// The session that it answers; of another session it has no effect.
    pub session: Session,
    /// May the device work?
    pub status: HelloStatus,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The control plane's clock.
    pub server_time: UnixMs,
    /// How often the device shows that it lives, in seconds.
    pub heartbeat_s: u32,
    /// The highest sequence number of this epoch that the ledger has, all before it included.
    pub acked: u64,
    /// When to say hello again after `pending` or `rejected`, in seconds.
    pub retry_s: u32,
}

/// The result of a presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionResult {
    /// Open.
    Grant,
    /// Something is still needed: see `needs`.
    More,
    /// Wait: the final decision follows.
    Wait,
    /// Do not open. Unknown results read as this.
    #[serde(other)]
    Deny,
}

impl DecisionResult {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Deny => "deny",
            Self::More => "more",
            Self::Wait => "wait",
        }
    }
}

/// What the lane shows and says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// The main line.
    pub title: Cow<'static, str>,
    /// The second line.
    pub text: Cow<'static, str>,
    /// What is spoken.
    pub voice: Cow<'static, str>,
    /// The lamp.
    pub light: Light,
    /// The language of these lines.
    pub lang: Lang,
}

/// The answer to a scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The scan that it answers.
    pub id: ScanId,
    /// Open or not.
    pub result: DecisionResult,
    /// The permission to pass; with it the passage is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// Why; `ok` for a grant.
    pub reason: Reason,
    /// Persons that may pass.
    pub persons: u32,
    /// How long the barrier waits for them, in milliseconds.
    pub hold_ms: u32,
    /// What is still needed: `attendant`, `id_card`, `face`.
    #[serde(default)]
    pub needs: Vec<Cow<'static, str>>,
    /// What the lane shows and says.
    pub show: Show,
    /// What helps the visitor: `used_at`, `gate`, `come_back_at`, `count` …
    #[serde(default)]
    pub facts: serde_json::Map<String, serde_json::Value>,
}

/// Facts that the ledger has: the device may delete them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventAck {
    /// Of which event storage.
    pub epoch: Epoch,
    /// Up to and including this number.
    pub upto: u64,
}

/// An order to a device. Of another session, late or repeated it has no effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandDown {
    /// Its idempotency key.
    pub id: CommandId,
    /// The session that it is meant for; none in a command to every device of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// When it was sent, by the control plane's clock: with the `server_time` of the hello a
    /// device can tell how old it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMs>,
    /// What to do: see [`super::Order`].
    pub op: String,
    /// With what.
    #[serde(default)]
    pub args: serde_json::Map<String, serde_json::Value>,
    /// How long it is good for, in milliseconds.
    pub ttl_ms: u32,
}

/// The configuration that a device should have: the whole document, applied all or nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigDown {
    /// The session that it is meant for.
    pub session: Session,
    /// Its version; a device that has it already only reports it.
    pub version: u64,
    /// The document: keys as in [`super::DeviceSettings`], vendor keys begin `x-`.
    #[schemars(with = "super::DeviceSettings")]
    pub config: serde_json::Map<String, serde_json::Value>,
}

/// What a list holds by now: fetched by `request` `{"what": "list", …}` or over HTTP, verified,
/// and put in force as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListDown {
    /// `deny`, `tickets`, `keys` or `park`; a name that the device does not know is ignored.
    pub name: String,
    /// Its version: it grows with each change.
    pub version: u64,
    /// With `add` and `remove`: the version that they change. A device that has another one
    /// fetches the whole list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
    /// SHA-256 of the whole list as it is fetched, in hex.
    pub sha256: String,
    /// Its entries.
    pub count: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Lines that `base` did not have yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Lines of `base` that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// The body has what was asked for.
    Ok,
    /// The request makes no sense: `reason` says what and where.
    Invalid,
    /// Nothing of that id.
    NotFound,
    /// The device or its operator may not ask for this.
    Forbidden,
    /// It is no longer possible, or was done before.
    Conflict,
    /// Ask again.
    Busy,
    /// The control plane failed, or a status that this version does not know.
    #[serde(other)]
    Failed,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Response {
    /// The request.
    pub id: RequestId,
    /// How it ended.
    pub status: ResponseStatus,
    /// Why it did not end well: what, where and how to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was asked for.
    #[serde(default)]
    pub body: serde_json::Map<String, serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_downlink_names_its_type() {
        let ack = Down::EventAck(EventAck { epoch: Epoch::new("e").unwrap(), upto: 9 });
        assert_eq!(
            serde_json::to_string(&ack).unwrap(),
            r#"{"type":"event-ack","epoch":"e","upto":9}"#
        );
        let other: Down = serde_json::from_str(r#"{"type":"song","verse":1}"#).unwrap();
        assert_eq!(other, Down::Other);
    }

    #[test]
    fn an_unknown_result_never_opens() {
        let result: DecisionResult = serde_json::from_str("\"maybe\"").unwrap();
        assert_eq!(result, DecisionResult::Deny);
    }
}
