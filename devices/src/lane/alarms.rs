//! Which alarms are raised, and when they are over: one fact for each beginning and each end.
//!
//! Part of the lane's state machine. An alarm of a moment (somebody forced the barrier) is over
//! when nothing of the kind happened for [`ALARM_LASTS_MS`]; one with a cause (a jam, a fire) lasts
//! as long as the cause.

use std::collections::BTreeMap;

use shanmen_protocols::device::Body;

use super::Effect;

/// How long an alarm of a moment stands after the last such moment, in milliseconds.
pub(super) const ALARM_LASTS_MS: u64 = 30_000;

/// The alarms that are on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Alarms {
    /// Until when, in milliseconds since boot; none for as long as the cause.
    on: BTreeMap<&'static str, Option<u64>>,
}

impl Alarms {
    pub(super) fn raise(&mut self, now_ms: u64, code: &'static str, out: &mut Vec<Effect>) {
        if self.on.insert(code, Some(now_ms + ALARM_LASTS_MS)).is_none() {
            out.push(fact(code, true));
        }
    }

    pub(super) fn last(&mut self, code: &'static str, on: bool, out: &mut Vec<Effect>) {
        let changed =
            if on { self.on.insert(code, None).is_none() } else { self.on.remove(code).is_some() };
        if changed {
            out.push(fact(code, on));
        }
    }

    pub(super) fn wake_at_ms(&self) -> Option<u64> {
        self.on.values().flatten().min().copied()
    }

    /// Ends the alarms of a moment that are over.
    pub(super) fn tick(&mut self, now_ms: u64, out: &mut Vec<Effect>) {
        self.end(|until| until <= now_ms, out);
    }

    /// Ends all alarms of a moment: somebody has looked.
    pub(super) fn clear(&mut self, out: &mut Vec<Effect>) {
        self.end(|_until| true, out);
    }

    fn end(&mut self, is_over: impl Fn(u64) -> bool, out: &mut Vec<Effect>) {
        self.on.retain(|code, until| {
            let over = until.is_some_and(&is_over);
            if over {
                out.push(fact(code, false));
            }
            !over
        });
    }
}

fn fact(code: &str, active: bool) -> Effect {
    Effect::Record(Body::Alarm { code: code.into(), active })
}
