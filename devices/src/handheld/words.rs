//! What is said between a handheld and its front: lines of JSON, one object each.
//!
//! Owns the words in both directions; the table of them stands in [`crate::handheld`]. It refuses an
//! unknown word or field, without repeating what the line said: it may hold a password or a code.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{Confirm, Credential, DecisionResult, Outcome, PassageBy},
    ids::{Direction, GateId, LaneId, ScanId, TicketId},
    privacy::without_values,
    reason::{Light, Reason},
    time::UnixMs,
};

/// What the operator wants.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// Logs in.
    Login {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// Logs out.
    Logout {},
    /// Where the operator stands now.
    Place {
        /// The lane; as before when left out.
        #[serde(default)]
        lane: Option<LaneId>,
        /// Which way people go there; as before when left out.
        #[serde(default)]
        direction: Option<Direction>,
    },
    /// Checks what somebody shows.
    Scan {
        /// What.
        credential: Credential,
        /// Which way; that of the place when left out.
        #[serde(default)]
        direction: Option<Direction>,
        /// What has been confirmed since an earlier `more`.
        #[serde(default)]
        confirm: Option<Confirm>,
    },
    /// Says who passed on a grant.
    Passed {
        /// The presentation.
        scan: ScanId,
        /// How many; all when left out, 0 for nobody.
        #[serde(default)]
        count: Option<u32>,
    },
    /// Asks for a ticket and its history.
    Lookup {
        /// By what is shown.
        #[serde(default)]
        credential: Option<Credential>,
        /// By its number.
        #[serde(default)]
        ticket: Option<TicketId>,
    },
    /// Lets somebody pass whom the rules refuse.
    Override {
        /// Why; on record.
        reason: String,
        /// How many; one when left out.
        #[serde(default)]
        persons: Option<u16>,
        /// What is shown, if anything.
        #[serde(default)]
        credential: Option<Credential>,
        /// Which way; that of the place when left out.
        #[serde(default)]
        direction: Option<Direction>,
    },
    /// Takes a passage back.
    Undo {
        /// The presentation that led to it.
        scan: ScanId,
        /// Why; on record.
        reason: String,
    },
}

/// Never shows a password or a code.
impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl Input {
    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Login { .. } => "login",
            Self::Logout {} => "logout",
            Self::Place { .. } => "place",
            Self::Scan { .. } => "scan",
            Self::Passed { .. } => "passed",
            Self::Lookup { .. } => "lookup",
            Self::Override { .. } => "override",
            Self::Undo { .. } => "undo",
        }
    }

    /// Reads a line: what is wanted, and the number that its answer repeats.
    ///
    /// # Errors
    /// What is wrong with the line, without what it says.
    pub fn read(line: &str) -> Result<(Option<u64>, Self), String> {
        let json: Value = serde_json::from_str(line).map_err(|error| {
            format!("not a line of JSON: {}", without_values(&error.to_string()))
        })?;
        let Value::Object(mut words) = json else { return Err("an object is wanted".into()) };
        let number = match words.remove("n") {
            None => None,
            Some(number) => Some(number.as_u64().ok_or("n: a number from 0 is wanted")?),
        };
        serde_json::from_value(Value::Object(words))
            .map(|input| (number, input))
            .map_err(|error| without_values(&error.to_string()))
    }
}

/// What the handheld tells its front.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Output {
    /// The control plane is in reach, or no longer.
    Online {
        /// In reach.
        online: bool,
    },
    /// Somebody is logged in.
    LoggedIn {
        /// What they may do.
        roles: Vec<String>,
        /// Until when.
        expires: UnixMs,
    },
    /// Nobody is logged in any more.
    LoggedOut {
        /// Why.
        why: Cow<'static, str>,
    },
    /// Where the operator stands.
    Place {
        /// The gate; none for a roaming point.
        gate: Option<GateId>,
        /// The lane.
        lane: LaneId,
        /// Which way people go there.
        direction: Direction,
    },
    /// The answer to a check or an override.
    Decision {
        /// The presentation: with a grant, `passed` is said of it.
        scan: ScanId,
        /// Let pass or not.
        result: DecisionResult,
        /// Why.
        reason: Reason,
        /// Persons that may pass.
        persons: u32,
        /// What is still needed, with `more`.
        needs: Vec<Cow<'static, str>>,
        /// On whose word.
        by: PassageBy,
        /// The line to show.
        title: Cow<'static, str>,
        /// The second line.
        text: Cow<'static, str>,
        /// The colour.
        light: Light,
        /// What helps: `used_at`, `gate` …
        facts: Map<String, Value>,
    },
    /// A grant has ended.
    Ended {
        /// The presentation.
        scan: ScanId,
        /// How.
        outcome: Outcome,
        /// How many passed.
        count: u32,
    },
    /// A ticket and its history.
    Ticket {
        /// As `GET /api/v1/tickets/{id}`.
        ticket: Map<String, Value>,
    },
    /// A passage was taken back.
    Undone {
        /// The presentation.
        scan: ScanId,
        /// How many persons.
        persons: u64,
    },
    /// What was wanted is not done.
    Refused {
        /// Its word.
        what: &'static str,
        /// Why, and what helps.
        why: Cow<'static, str>,
    },
    /// The control plane says something to the operator.
    Message {
        /// What.
        text: String,
        /// How long it is shown, in seconds.
        seconds: u32,
    },
    /// What does not work at present, each part with why; empty when all works.
    Faults {
        /// By part.
        parts: crate::drivers::Faults,
    },
}

/// A line for the front.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The number of the line that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// What.
    #[serde(flatten)]
    pub output: Output,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_its_number() {
        let (n, input) =
            Input::read(r#"{"n":7,"do":"lookup","credential":{"type":"qr","data":"T-1"}}"#)
                .unwrap();
        assert_eq!((n, input.word()), (Some(7), "lookup"));
        assert_eq!(Input::read(r#"{"do":"logout"}"#).unwrap(), (None, Input::Logout {}));
    }

    #[test]
    fn a_wrong_line_is_told_without_what_it_says() {
        for line in [
            "hunter2",
            r#""hunter2""#,
            r#"{"do":"hunter2"}"#,
            r#"{"do":"login","user":"a","password":["hunter2"]}"#,
            r#"{"do":"login","user":"a","password":"b","n":"hunter2"}"#,
            r#"{"do":"scan","credential":"hunter2"}"#,
        ] {
            let why = Input::read(line).unwrap_err();
            assert!(!why.contains("hunter2") && !why.is_empty(), "{line}: {why}");
        }
        let why = Input::read(r#"{"do":"logout","now":true}"#).unwrap_err();
        assert!(why.contains("now"), "{why}");
    }
}
