//! An operator's duty at a handheld: who is logged in, what is being checked, whose passage waits
//! for its confirmation.
//!
//! Pure: an event and the time go in, effects come out. It refuses everything but a login while
//! nobody is logged in. Each grant ends in exactly one `passage` fact: when the operator says who
//! passed, or, if nobody says anything for [`DutySettings::confirm_ms`], as not taken. A
//! presentation that ran into its time to live is decided here, and a refusal goes on record, which
//! also settles a grant that came too late. The handheld's kind calls it.

mod answers;
mod checks;
mod grants;
mod vocabulary;

use std::{borrow::Cow, collections::BTreeMap};

use shanmen_protocols::{
    device::{Body, Order, PassageBy, Scan, What},
    ids::{Direction, GateId, LaneId, ScanId},
    reason::Reason,
    time::TimeBlock,
};

pub use self::vocabulary::{Check, DutySettings, Effect, Opening, Operator, Purpose};
use super::words::{Input, Output};
use crate::lane::Now;

/// Grants that wait for their confirmation at once; one more is not asked for.
pub const OPENINGS_MAX: usize = 16;

/// The longest reason, in characters.
const REASON_MAX: usize = 500;

const LOG_IN: &str = "nobody is logged in: log in first";
const OUT_OF_REACH: &str = "the control plane is out of reach: try again when it is back";

/// One operator's work.
#[derive(Debug)]
pub struct Duty {
    settings: DutySettings,
    lane: LaneId,
    gate: Option<GateId>,
    direction: Direction,
    operator: Option<Operator>,
    check: Option<Check>,
    openings: BTreeMap<ScanId, Opening>,
    online: bool,
}

impl Duty {
    /// Nobody is logged in; `openings` are those that a storage kept: the operator is given the
    /// whole time again.
    pub fn new(settings: DutySettings, openings: BTreeMap<ScanId, Opening>, now: Now) -> Self {
        let until_ms = now.up_ms + settings.confirm_ms;
        let renewed =
            openings.into_iter().map(|(scan, opening)| (scan, Opening { until_ms, ..opening }));
        Self {
            lane: settings.lane.clone(),
            gate: None,
            direction: Direction::In,
            operator: None,
            check: None,
            openings: renewed.collect(),
            online: false,
            settings,
        }
    }

    /// Other settings are in force.
    pub fn set(&mut self, settings: DutySettings) {
        self.settings = settings;
    }

    /// The check under way.
    pub fn check(&self) -> Option<&Check> {
        self.check.as_ref()
    }

    /// The lane where the operator stands.
    pub fn lane(&self) -> &LaneId {
        &self.lane
    }

    /// Grants that wait for their confirmation.
    pub fn openings(&self) -> usize {
        self.openings.len()
    }

    /// Whether somebody is logged in.
    pub fn is_manned(&self) -> bool {
        self.operator.is_some()
    }

    /// When [`Duty::tick`] has something to do, in milliseconds since boot.
    pub fn wake_at_ms(&self) -> Option<u64> {
        let check = self
            .check
            .as_ref()
            .map(|check| check.resend_at_ms.map_or(check.until_ms, |at| at.min(check.until_ms)));
        let openings = self.openings.values().map(|opening| opening.until_ms);
        let login = self.operator.as_ref().map(|operator| operator.until_ms);
        openings.chain(check).chain(login).min()
    }

    /// The control plane is in reach, or no longer.
    pub fn reached(&mut self, online: bool, out: &mut Vec<Effect>) {
        if online != self.online {
            self.online = online;
            out.push(Effect::Tell(None, Output::Online { online }));
        }
    }

    /// The operator wants something; `scan` is a fresh number for it.
    pub fn wants(
        &mut self,
        now: Now,
        n: Option<u64>,
        scan: ScanId,
        input: Input,
        out: &mut Vec<Effect>,
    ) {
        let what = input.word();
        if let Err(why) = self.follow(now, n, scan, input, out) {
            out.push(Effect::Tell(n, Output::Refused { what, why }));
        }
    }

    fn follow(
        &mut self,
        now: Now,
        n: Option<u64>,
        scan: ScanId,
        input: Input,
        out: &mut Vec<Effect>,
    ) -> Result<(), Cow<'static, str>> {
        match input {
            Input::Login { user, password } => {
                self.reach()?;
                out.push(Effect::Ask(n, What::Login { user, password }, Purpose::Login));
            }
            Input::Logout {} => {
                self.token()?;
                self.log_out("by the operator".into(), out);
            }
            Input::Place { lane, direction } => {
                self.lane = lane.unwrap_or_else(|| self.lane.clone());
                self.direction = direction.unwrap_or(self.direction);
                out.push(Effect::Tell(n, self.place()));
            }
            Input::Scan { credential, direction, confirm } => {
                let operator = self.token()?;
                if self.check.is_some() {
                    return Err("a check is under way: wait for its answer".into());
                }
                self.room()?;
                let direction = direction.unwrap_or(self.direction);
                let scan = Scan {
                    time: TimeBlock::default(),
                    id: scan,
                    lane: Some(self.lane.clone()),
                    direction,
                    credential,
                    ttl_ms: self.settings.ttl_ms,
                    attempt: 1,
                    operator: Some(operator),
                    confirm,
                };
                self.begin(now, n, scan, out);
            }
            Input::Passed { scan, count } => self.passed(n, scan, count, out)?,
            Input::Lookup { credential, ticket } => {
                let operator = self.token()?;
                if credential.is_none() && ticket.is_none() {
                    return Err("say what: credential or ticket".into());
                }
                self.reach()?;
                out.push(Effect::Ask(
                    n,
                    What::Lookup { operator, credential, ticket },
                    Purpose::Lookup,
                ));
            }
            Input::Override { reason, persons, credential, direction } => {
                let persons = persons.unwrap_or(1);
                let direction = direction.unwrap_or(self.direction);
                self.override_rules(now, n, scan, (reason, persons, credential, direction), out)?;
            }
            Input::Undo { scan, reason } => {
                let operator = self.token()?;
                let reason = checked(&reason)?;
                if self.openings.contains_key(&scan) {
                    return Err("nobody has passed on it yet: say passed with count 0".into());
                }
                self.reach()?;
                out.push(Effect::Ask(
                    n,
                    What::Undo { operator, scan, reason },
                    Purpose::Undo(scan),
                ));
            }
        }
        Ok(())
    }

    fn token(&self) -> Result<String, Cow<'static, str>> {
        self.operator.as_ref().map(|operator| operator.token.clone()).ok_or(LOG_IN.into())
    }

    fn reach(&self) -> Result<(), Cow<'static, str>> {
        if self.online { Ok(()) } else { Err(OUT_OF_REACH.into()) }
    }

    fn place(&self) -> Output {
        Output::Place {
            gate: self.gate.clone(),
            lane: self.lane.clone(),
            direction: self.direction,
        }
    }

    fn log_out(&mut self, why: Cow<'static, str>, out: &mut Vec<Effect>) {
        if self.operator.take().is_some() {
            out.push(Effect::Tell(None, Output::LoggedOut { why }));
        }
    }

    /// An order of the control plane.
    ///
    /// # Errors
    /// Why it is not obeyed.
    pub fn ordered(&mut self, order: Order, out: &mut Vec<Effect>) -> Result<(), String> {
        match order {
            Order::Logout {} => self.log_out("by the control plane".into(), out),
            Order::Message { text, seconds } => {
                out.push(Effect::Tell(None, Output::Message { text, seconds }));
            }
            Order::Assign { gate: None } => {
                self.gate = None;
                self.lane = self.settings.lane.clone();
                out.push(Effect::Tell(None, self.place()));
            }
            Order::Assign { gate: Some(gate) } => {
                let Some(lane) = self.settings.lanes.get(&gate) else {
                    return Err(format!("no lane of gate {gate} is known here: add it to [lanes]"));
                };
                self.lane = lane.clone();
                self.gate = Some(gate);
                out.push(Effect::Tell(None, self.place()));
            }
            Order::Emergency { on } => {
                let text = if on {
                    "紧急疏散:全部放行 Emergency: let everybody out"
                } else {
                    "紧急疏散结束 Emergency over"
                };
                out.push(Effect::Tell(None, Output::Message { text: text.into(), seconds: 600 }));
            }
            other => return Err(format!("a handheld has no {}", other.op())),
        }
        Ok(())
    }

    /// Time passed.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        if let Some(check) = &mut self.check {
            if check.until_ms <= now.up_ms {
                check.resend_at_ms = None;
                out.push(Effect::Judge);
            } else if check.resend_at_ms.is_some_and(|at| at <= now.up_ms) {
                check.resend_at_ms = None;
                check.scan.attempt = 2;
                if self.online {
                    out.push(Effect::Send);
                }
            }
        }
        let late = self.openings.iter().filter(|(_, opening)| opening.until_ms <= now.up_ms);
        let late: Vec<ScanId> = late.map(|(scan, _)| *scan).collect();
        for scan in late {
            self.end(None, scan, 0, out);
        }
        if self.operator.as_ref().is_some_and(|operator| operator.until_ms <= now.up_ms) {
            self.log_out("the login is over: log in again".into(), out);
        }
    }

    /// The device is shutting down: a check under way is refused. Openings are kept, and go on when
    /// it starts again.
    pub fn stopping(&mut self, out: &mut Vec<Effect>) {
        if let Some(check) = self.check.take() {
            let (reason, by) = (Reason::Busy, PassageBy::Own);
            out.push(Effect::Record(Body::Denied { scan: Some(check.scan.id), reason, by }));
        }
    }
}

fn checked(reason: &str) -> Result<String, Cow<'static, str>> {
    let reason = reason.trim();
    if reason.is_empty() || REASON_MAX < reason.chars().count() {
        return Err(format!("reason: 1 to {REASON_MAX} characters").into());
    }
    Ok(reason.to_owned())
}

#[cfg(test)]
mod tests;
