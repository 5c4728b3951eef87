//! Grants that wait for the operator's word, and those that the operator gives. Part of the duty.

use std::borrow::Cow;

use shanmen_protocols::{
    device::{Credential, DecisionResult, Outcome, Passage, PassageBy, What},
    ids::{Direction, ScanId},
    reason::Reason,
};

use super::{Duty, Effect, OPENINGS_MAX, Opening, Operator, Purpose, checked};
use crate::{
    handheld::words::Output,
    lane::{Now, OwnVerdict},
};

/// Who may let somebody pass whom the rules refuse.
const MAY_OVERRIDE: &[&str] = &["operator", "admin"];

impl Duty {
    pub(super) fn room(&self) -> Result<(), Cow<'static, str>> {
        if self.openings.len() < OPENINGS_MAX {
            return Ok(());
        }
        Err(format!("{OPENINGS_MAX} grants wait: say first who passed on them").into())
    }

    pub(super) fn open(&mut self, now: Now, scan: ScanId, opening: Opening, out: &mut Vec<Effect>) {
        let opening = Opening { until_ms: now.up_ms + self.settings.confirm_ms, ..opening };
        out.push(Effect::Keep(scan, opening.clone()));
        self.openings.insert(scan, opening);
    }

    pub(super) fn passed(
        &mut self,
        n: Option<u64>,
        scan: ScanId,
        count: Option<u32>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Cow<'static, str>> {
        let opening =
            self.openings.get(&scan).ok_or("no grant of this scan waits: it has ended")?;
        let count = count.unwrap_or(opening.persons);
        if opening.persons < count {
            let most = opening.persons;
            return Err(format!("granted for {most}: the others need a check of their own").into());
        }
        self.end(n, scan, count, out);
        Ok(())
    }

    pub(super) fn end(&mut self, n: Option<u64>, scan: ScanId, count: u32, out: &mut Vec<Effect>) {
        let Some(opening) = self.openings.remove(&scan) else { return };
        let outcome = match count {
            0 => Outcome::NotTaken,
            _ if count < opening.persons => Outcome::Partial,
            _ => Outcome::Taken,
        };
        let passage = Passage {
            grant: opening.grant,
            scan: Some(scan),
            lane: opening.lane,
            direction: opening.direction,
            outcome,
            count: Some(count),
            counters: None,
            by: opening.by,
            credential: opening.credential,
            granted_at: opening.granted_at,
            operator: opening.operator,
            reason: opening.reason,
        };
        out.push(Effect::RecordPassage(passage, opening.shown));
        out.push(Effect::Forget(scan));
        out.push(Effect::Tell(n, Output::Ended { scan, outcome, count }));
    }

    pub(super) fn override_rules(
        &mut self,
        now: Now,
        n: Option<u64>,
        scan: ScanId,
        (reason, persons, credential, direction): (String, u16, Option<Credential>, Direction),
        out: &mut Vec<Effect>,
    ) -> Result<(), Cow<'static, str>> {
        let operator = self.token()?;
        let reason = checked(&reason)?;
        if persons == 0 {
            return Err("persons: one at least".into());
        }
        self.room()?;
        let may = |operator: &Operator| {
            operator.roles.iter().any(|role| MAY_OVERRIDE.contains(&role.as_str()))
        };
        if !self.operator.as_ref().is_some_and(may) {
            return Err(format!("this needs one of the roles {}", MAY_OVERRIDE.join(", ")).into());
        }
        let opening = Opening {
            grant: None,
            persons: persons.into(),
            direction,
            lane: Some(self.lane.clone()),
            by: PassageBy::Manual,
            credential: credential.clone(),
            operator: Some(operator.clone()),
            reason: Some(reason.clone()),
            granted_at: now.at,
            shown: credential.clone(),
            until_ms: 0,
        };
        if self.online {
            let lane = self.lane.clone();
            let what =
                What::Override { operator, scan, lane, direction, credential, persons, reason };
            out.push(Effect::Ask(n, what, Purpose::Override(scan, Box::new(opening))));
        } else {
            // Nobody can be asked: the passage itself brings who and why.
            self.open(now, scan, opening, out);
            let verdict = OwnVerdict {
                result: DecisionResult::Grant,
                reason: Reason::Ok,
                persons: persons.into(),
                needs: Vec::new(),
                by: PassageBy::Manual,
                credential: None,
            };
            let output = self.own_answer(scan, verdict);
            out.push(Effect::Tell(n, output));
        }
        Ok(())
    }
}
