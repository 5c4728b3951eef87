//! What a command may say: the ops of `command`, by kind of device, and their arguments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::ids::{Direction, GateId, GrantId, JobId};

/// How a lane works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LaneMode {
    /// Each presentation is asked for.
    #[default]
    Normal,
    /// It stands open; whoever passes is counted.
    Free,
    /// It stays shut, whatever is presented.
    Locked,
    /// It is being worked on: shut, and nothing counts as an alarm.
    Maintenance,
}

impl LaneMode {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Free => "free",
            Self::Locked => "locked",
            Self::Maintenance => "maintenance",
        }
    }
}

/// A firmware to be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FirmwareManifest {
    /// Its version.
    pub version: String,
    /// Where it is fetched, by HTTP.
    pub url: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Ed25519 over the 32 bytes of the SHA-256, by the vendor's key, in hex.
    pub signature: String,
}

/// What is printed, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PrintJob {
    /// Its key: never printed twice by itself.
    pub job: JobId,
    /// The template's name, `ticket` by default.
    #[serde(default = "ticket_template")]
    pub template: String,
    /// What goes into the template.
    #[serde(default)]
    pub data: Map<String, Value>,
    /// Printer bytes in Base64, in place of a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// How many, 1 by default.
    #[serde(default = "one")]
    pub copies: u16,
}

fn ticket_template() -> String {
    "ticket".into()
}

fn one() -> u16 {
    1
}

fn one_person() -> u32 {
    1
}

/// An order to a device, read: `op` and `args` of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", content = "args", rename_all = "snake_case")]
pub enum Order {
    /// Starts anew.
    Reboot {},
    /// Says hello again: config and lists follow.
    Sync {},
    /// Reports its health in the ack's `result`.
    Diagnose {},
    /// Reports the configuration in force on `up/config`.
    Config {},
    /// Installs a firmware; `received`, then `done` or `failed` with the old one back in force.
    Firmware(FirmwareManifest),
    /// Turnstile: opens once. It ends in one passage, like a grant.
    Open {
        /// The grant on record; it may be left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<GrantId>,
        /// Persons that may pass.
        #[serde(default = "one_person")]
        persons: u32,
        /// Which way.
        #[serde(default)]
        direction: Direction,
        /// How long the barrier waits for them, in milliseconds.
        #[serde(default = "hold_default_ms")]
        hold_ms: u32,
    },
    /// Turnstile: changes its mode.
    Mode {
        /// To this.
        mode: LaneMode,
    },
    /// Turnstile: ends what is shown and held, and its alarms.
    Clear {},
    /// Kiosk, handheld, turnstile: shows a line to whoever stands there.
    Message {
        /// The line.
        text: String,
        /// How long, in seconds; 10 by default.
        #[serde(default = "ten")]
        seconds: u32,
    },
    /// Kiosk, printer: prints.
    Print(PrintJob),
    /// Printer: gives up a job that is not printed yet.
    Cancel {
        /// The job.
        job: JobId,
    },
    /// Handheld: its operator is logged out.
    Logout {},
    /// Handheld: works at this gate from now on.
    Assign {
        /// The gate; none for a roaming point.
        #[serde(default)]
        gate: Option<GateId>,
    },
    /// Every lane opens, or closes again. The hardware's fire input stands above it.
    Emergency {
        /// Begins or ends.
        on: bool,
    },
}

fn hold_default_ms() -> u32 {
    super::HOLD_DEFAULT_MS
}

fn ten() -> u32 {
    10
}

/// Why a command's op or arguments are not an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOrder {
    /// An op that this version does not know.
    #[error("unknown op")]
    UnknownOp,
    /// The arguments do not fit the op.
    #[error("args: {0}")]
    Args(String),
}

/// All ops of this version.
pub const OPS: &[&str] = &[
    "reboot",
    "sync",
    "diagnose",
    "config",
    "firmware",
    "open",
    "mode",
    "clear",
    "message",
    "print",
    "cancel",
    "logout",
    "assign",
    "emergency",
];

impl Order {
    /// Reads `op` and `args` of a command.
    ///
    /// # Errors
    /// [`NotAnOrder`]: the command is to be rejected with it as the reason.
    pub fn read(op: &str, args: &Map<String, Value>) -> Result<Self, NotAnOrder> {
        if !OPS.contains(&op) {
            return Err(NotAnOrder::UnknownOp);
        }
        serde_json::from_value(json!({ "op": op, "args": args }))
            .map_err(|error| NotAnOrder::Args(crate::privacy::without_values(&error.to_string())))
    }

    /// `op` and `args` as a command says them.
    pub fn write(&self) -> (String, Map<String, Value>) {
        let mut json = serde_json::to_value(self).unwrap_or_default();
        let args = match json.get_mut("args").map(Value::take) {
            Some(Value::Object(args)) => args,
            _ => Map::new(),
        };
        (json["op"].as_str().unwrap_or_default().to_owned(), args)
    }

    /// Its op.
    pub fn op(&self) -> &'static str {
        match self {
            Self::Reboot {} => "reboot",
            Self::Sync {} => "sync",
            Self::Diagnose {} => "diagnose",
            Self::Config {} => "config",
            Self::Firmware(_) => "firmware",
            Self::Open { .. } => "open",
            Self::Mode { .. } => "mode",
            Self::Clear {} => "clear",
            Self::Message { .. } => "message",
            Self::Print(_) => "print",
            Self::Cancel { .. } => "cancel",
            Self::Logout {} => "logout",
            Self::Assign { .. } => "assign",
            Self::Emergency { .. } => "emergency",
        }
    }

    /// Whether it may be said to every device of a site at once.
    pub fn is_for_all(&self) -> bool {
        matches!(self, Self::Emergency { .. } | Self::Mode { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_reads_back_as_it_was_written() {
        let orders = [
            Order::Reboot {},
            Order::Open { grant: None, persons: 2, direction: Direction::Out, hold_ms: 9 },
            Order::Mode { mode: LaneMode::Free },
            Order::Emergency { on: true },
            Order::Assign { gate: None },
        ];
        for order in orders {
            let (op, args) = order.write();
            assert_eq!(op, order.op());
            assert!(OPS.contains(&&*op));
            assert_eq!(Order::read(&op, &args), Ok(order));
        }
    }

    #[test]
    fn an_opening_needs_no_arguments() {
        let order = Order::read("open", &Map::new()).unwrap();
        assert_eq!(
            order,
            Order::Open { grant: None, persons: 1, direction: Direction::In, hold_ms: 5_000 }
        );
    }

    #[test]
    fn what_is_no_order_is_told_without_its_values() {
        assert_eq!(Order::read("dance", &Map::new()), Err(NotAnOrder::UnknownOp));
        let args = json!({ "mode": "11010519491231002X" });
        let Err(NotAnOrder::Args(problem)) = Order::read("mode", args.as_object().unwrap()) else {
            panic!("a mode that is none")
        };
        assert!(!problem.contains("1101") && problem.contains("normal"), "{problem}");
    }
}
