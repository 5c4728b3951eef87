//! What an operator may do at a handheld beyond the rules: let somebody pass, and take a passage
//! back. Each with who and why on the audit trail.

use serde_json::json;
use shanmen_protocols::{
    device::{
        Decision, DecisionResult, HOLD_DEFAULT_MS, Outcome, PassageBy, Show, UNDO_WINDOW_MS, What,
    },
    ids::{Direction, LaneId, ScanId},
    reason::{Lang, Light, Reason},
};

use super::{ControlPlane, devices::written};
use crate::{
    api::{AuditLine, Fault},
    ledger::{DeviceRow, Record, commit},
    pool::ByGrant,
    twin::{Moment, PassageFact, ResponseBody, fault},
};

/// Who may override the rules, and take a passage back.
const MAY: &[&str] = &["operator"];
/// The longest reason, in characters.
const REASON_MAX: usize = 500;
/// The most persons of one override.
const PERSONS_MAX: u16 = 100;

impl ControlPlane {
    pub(super) async fn at_handheld(
        &self,
        device: DeviceRow,
        what: What,
    ) -> Result<ResponseBody, Fault> {
        match what {
            What::Override { operator, scan, lane, direction, credential, persons, reason } => {
                let user = self.operator(&operator, MAY)?;
                let shown = credential.is_some();
                let decision =
                    self.override_rules(&user, scan, &lane, direction, persons, &reason, shown);
                written(&decision.await?)
            }
            What::Undo { operator, scan, reason } => {
                let user = self.operator(&operator, MAY)?;
                self.take_back(&device, &user, scan, &reason).await
            }
            _ => Err(Fault::Internal("not a handheld's request".into())),
        }
    }

    /// On record before anybody passes; the passage itself comes as a fact, `by` manual, with the
    /// scan and what was presented.
    #[allow(clippy::too_many_arguments, reason = "the words of one request")]
    async fn override_rules(
        &self,
        user: &str,
        scan: ScanId,
        lane: &LaneId,
        direction: Direction,
        persons: u16,
        reason: &str,
        shown: bool,
    ) -> Result<Decision, Fault> {
        let reason = checked(reason)?;
        if !(1..=PERSONS_MAX).contains(&persons) {
            return Err(Fault::Invalid(format!("persons: 1 to {PERSONS_MAX}")));
        }
        if self.0.park.now().lane_ix(lane.as_str()).is_none() {
            return Err(Fault::Invalid(format!("lane: there is no lane {lane}")));
        }
        let with = if shown { "with" } else { "without" };
        let audit = AuditLine {
            at: self.0.clock.now(),
            actor: user.to_owned(),
            action: "gate.override".into(),
            target: lane.to_string(),
            note: format!(
                "{scan}: {persons} {}, {with} a credential: {reason}",
                direction.as_str()
            ),
        };
        commit(&*self.0.ledger, Record::Audit(audit)).await.map_err(fault)?;
        let words = Reason::Ok.row();
        Ok(Decision {
            id: scan,
            result: DecisionResult::Grant,
            grant: None,
            reason: Reason::Ok,
            persons: persons.into(),
            hold_ms: HOLD_DEFAULT_MS,
            needs: Vec::new(),
            show: Show {
                title: words.display.in_lang(Lang::Zh).into(),
                text: "".into(),
                voice: words.voice.in_lang(Lang::Zh).into(),
                light: Light::Green,
                lang: Lang::Zh,
            },
            facts: serde_json::Map::from_iter([("overridden".to_owned(), true.into())]),
        })
    }

    async fn take_back(
        &self,
        device: &DeviceRow,
        user: &str,
        scan: ScanId,
        reason: &str,
    ) -> Result<ResponseBody, Fault> {
        let reason = checked(reason)?;
        let closed = self.closed_by_scan(&device.id, scan).await?;
        let now = self.0.clock.now();
        if UNDO_WINDOW_MS < now.since_ms(closed.closed_at) {
            let late = "scan: its passage is older than five minutes: it stays on record";
            return Err(Fault::Conflict(late.into()));
        }
        if closed.taken == 0 || closed.row.open.admission.is_exit() {
            return Err(Fault::Conflict("scan: nobody went in on it".into()));
        }
        let (grant, persons) = (closed.row.id, closed.taken);
        let audit = AuditLine {
            at: now,
            actor: user.to_owned(),
            action: "gate.undo".into(),
            target: grant.to_string(),
            note: format!("{persons} persons: {reason}"),
        };
        let fact = PassageFact {
            grant: None,
            ticket: closed.row.ticket,
            lane: closed.row.open.lane,
            direction: Direction::Out,
            moment: Moment { at: now, known: true },
            outcome: Outcome::Reversed,
            count: Some(persons.into()),
            by: PassageBy::Manual,
            device: device.id.clone(),
            event: None,
            audit: Some(audit),
            again_is_a_fact: false,
        };
        let back = ByGrant::TakenBack(Box::new(closed));
        self.0.shared.settle(&fact, back).await?;
        let body = json!({ "grant": grant, "persons": persons });
        Ok(body.as_object().cloned().unwrap_or_default())
    }
}

fn checked(reason: &str) -> Result<&str, Fault> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX {
        return Err(Fault::Invalid(format!("reason: 1 to {REASON_MAX} characters")));
    }
    Ok(reason)
}
