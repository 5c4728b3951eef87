//! One check: asked, waited for, decided by the control plane or here. Part of the duty.

use serde_json::Map;
use shanmen_protocols::{
    device::{Body, Decision, DecisionResult, PassageBy, Scan},
    ids::ScanId,
};

use super::{Check, Duty, Effect, Opening};
use crate::{
    handheld::words::Output,
    lane::{Now, OwnVerdict, WAITS_MAX},
};

impl Duty {
    pub(super) fn begin(&mut self, now: Now, n: Option<u64>, scan: Scan, out: &mut Vec<Effect>) {
        let ttl_ms = u64::from(self.settings.ttl_ms.max(1));
        self.check = Some(Check {
            n,
            resend_at_ms: Some(now.up_ms + ttl_ms / 3),
            until_ms: now.up_ms + ttl_ms,
            waits: 0,
            scan,
        });
        out.push(if self.online { Effect::Send } else { Effect::Judge });
    }

    /// The control plane answered a check.
    pub fn decided(&mut self, now: Now, decision: Decision, retained: bool, out: &mut Vec<Effect>) {
        // A retained answer is old, and any other answers nothing that waits here: no effect.
        let Some(check) = &mut self.check else { return };
        if retained || check.scan.id != decision.id || check.until_ms <= now.up_ms {
            return;
        }
        if decision.result == DecisionResult::Wait {
            if check.waits < WAITS_MAX {
                check.waits += 1;
                check.resend_at_ms = None;
                check.until_ms = now.up_ms + u64::from(self.settings.ttl_ms.max(1));
            }
            return;
        }
        let Some(check) = self.check.take() else { return };
        if decision.result == DecisionResult::Grant {
            let opening = Opening {
                grant: decision.grant,
                persons: decision.persons.max(1),
                direction: check.scan.direction,
                lane: check.scan.lane.clone(),
                by: PassageBy::Server,
                credential: None,
                operator: check.scan.operator.clone(),
                reason: None,
                granted_at: now.at,
                shown: Some(check.scan.credential.clone()),
                until_ms: 0,
            };
            self.open(now, decision.id, opening, out);
        }
        out.push(Effect::Tell(check.n, answer(decision, PassageBy::Server)));
    }

    /// What the device decides by itself, in answer to [`Effect::Judge`].
    pub fn judged(&mut self, now: Now, verdict: OwnVerdict, out: &mut Vec<Effect>) {
        let Some(check) = self.check.take() else { return };
        let (scan, by) = (check.scan.id, verdict.by);
        match verdict.result {
            DecisionResult::Grant => {
                let opening = Opening {
                    grant: None,
                    persons: verdict.persons.max(1),
                    direction: check.scan.direction,
                    lane: check.scan.lane.clone(),
                    by,
                    credential: verdict.credential.clone(),
                    operator: check.scan.operator.clone(),
                    reason: None,
                    granted_at: now.at,
                    shown: Some(check.scan.credential.clone()),
                    until_ms: 0,
                };
                self.open(now, scan, opening, out);
            }
            _ => out.push(Effect::Record(Body::Denied {
                scan: Some(scan),
                reason: verdict.reason,
                by,
            })),
        }
        let output = self.own_answer(scan, verdict);
        out.push(Effect::Tell(check.n, output));
    }

    /// A decision of the device's or the operator's own, in the device's words.
    pub(super) fn own_answer(&self, scan: ScanId, verdict: OwnVerdict) -> Output {
        let row = verdict.reason.row();
        Output::Decision {
            scan,
            result: verdict.result,
            reason: verdict.reason,
            persons: verdict.persons,
            needs: verdict.needs,
            by: verdict.by,
            title: row.display.in_lang(self.settings.lang).into(),
            text: "".into(),
            light: row.light,
            facts: Map::new(),
        }
    }
}

pub(super) fn answer(decision: Decision, by: PassageBy) -> Output {
    Output::Decision {
        scan: decision.id,
        result: decision.result,
        reason: decision.reason,
        persons: decision.persons,
        needs: decision.needs,
        by,
        title: decision.show.title,
        text: decision.show.text,
        light: decision.show.light,
        facts: decision.facts,
    }
}
