//! What came of the duty's questions. Part of the duty.

use serde_json::{Map, Value};
use shanmen_protocols::device::{Decision, DecisionResult, PassageBy};

use super::{Duty, Effect, Opening, Operator, Purpose, checks::answer, vocabulary};
use crate::{handheld::words::Output, lane::Now};

/// How long a login counts whose end cannot be told for want of a clock, in milliseconds.
const LOGIN_MS: u64 = 8 * 3_600_000;

impl Duty {
    /// What came of a question: its body, or why there is none.
    pub fn answered(
        &mut self,
        now: Now,
        n: Option<u64>,
        purpose: Purpose,
        answer: Result<Map<String, Value>, String>,
        out: &mut Vec<Effect>,
    ) {
        let what = purpose.word();
        let done = answer.and_then(|body| self.take(now, n, purpose, body, out));
        if let Err(why) = done {
            out.push(Effect::Tell(n, Output::Refused { what, why: why.into() }));
        }
    }

    pub(super) fn take(
        &mut self,
        now: Now,
        n: Option<u64>,
        purpose: Purpose,
        body: Map<String, Value>,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let unreadable =
            |error: serde_json::Error| format!("an answer that cannot be read: {error}");
        match purpose {
            Purpose::Login => {
                let login: vocabulary::LoggedIn =
                    serde_json::from_value(Value::Object(body)).map_err(unreadable)?;
                let left_ms = now
                    .at
                    .map_or(LOGIN_MS, |at| u64::try_from(login.expires.since_ms(at)).unwrap_or(0));
                let until_ms = now.up_ms.saturating_add(left_ms);
                let (roles, expires) = (login.roles.clone(), login.expires);
                self.operator =
                    Some(Operator { token: login.operator, roles: login.roles, until_ms });
                out.push(Effect::Tell(n, Output::LoggedIn { roles, expires }));
                out.push(Effect::Tell(None, self.place()));
            }
            Purpose::Lookup => out.push(Effect::Tell(n, Output::Ticket { ticket: body })),
            Purpose::Undo(scan) => {
                let persons = body.get("persons").and_then(Value::as_u64).unwrap_or(0);
                out.push(Effect::Tell(n, Output::Undone { scan, persons }));
            }
            Purpose::Override(scan, opening) => {
                let decision: Decision =
                    serde_json::from_value(Value::Object(body)).map_err(unreadable)?;
                if decision.result == DecisionResult::Grant {
                    let persons = decision.persons.max(1);
                    let opening =
                        Opening { persons, grant: decision.grant, granted_at: now.at, ..*opening };
                    self.open(now, scan, opening, out);
                }
                out.push(Effect::Tell(n, answer(decision, PassageBy::Manual)));
            }
        }
        Ok(())
    }
}
