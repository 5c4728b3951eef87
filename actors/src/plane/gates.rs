//! What is asked for a gate without MQTT, and of grants without an outcome.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use shanmen_protocols::{
    device::{Decision, Outcome, PassageBy, Scan},
    ids::GrantId,
    time::TimeBlock,
};

use super::{ControlPlane, to_the_end};
use crate::{
    api::{AdmissionRequest, AuditLine, Fault, GrantView, PassageRequest, PassageResult},
    clock::Stopwatch,
    ledger::Ledger,
    twin::{Heard, Moment, PassageFact, caller, fault},
    watch::Watch,
};

/// How long a caller waits for a decision.
const DECISION_WAIT: Duration = Duration::from_secs(6);

impl ControlPlane {
    /// A presentation by a system without MQTT: the same path as a lane's scan.
    pub async fn admit(&self, request: AdmissionRequest) -> Result<Decision, Fault> {
        if self.0.stopping.load(Ordering::Relaxed) {
            return Err(Fault::Busy("the program, which is stopping,"));
        }
        if self.0.park.now().lane_ix(request.lane.as_str()).is_none() {
            let lane = &request.lane;
            return Err(Fault::Invalid(format!("lane: there is no lane {lane}: see /api/v1/site")));
        }
        let scan = Scan {
            time: TimeBlock::default(),
            id: request.id,
            lane: Some(request.lane),
            direction: request.direction,
            credential: request.credential,
            ttl_ms: shanmen_protocols::device::TTL_DEFAULT_MS,
            attempt: 1,
            operator: None,
            confirm: request.confirm,
        };
        let (reply, decision) = caller();
        let heard = Heard::Scan(Box::new(scan), reply, Stopwatch::start());
        self.0.api.try_send(heard).map_err(|_| {
            metrics::counter!("shanmen_twin_mailbox_overflow_total").increment(1);
            Fault::Busy("the queue of callers")
        })?;
        tokio::time::timeout(DECISION_WAIT, decision)
            .await
            .map_err(|_| Fault::Busy("the ledger"))?
            .map_err(|_| Fault::Busy("the queue of repeats"))
    }

    /// The end of such a grant. Told again it gives the first outcome.
    pub async fn passage(
        &self,
        grant: GrantId,
        request: PassageRequest,
    ) -> Result<PassageResult, Fault> {
        let plane = self.clone();
        to_the_end(async move { plane.end_grant(grant, request, PassageBy::Server, None).await })
            .await?
    }

    async fn end_grant(
        &self,
        grant: GrantId,
        request: PassageRequest,
        by: PassageBy,
        audit: Option<AuditLine>,
    ) -> Result<PassageResult, Fault> {
        let inner = &self.0;
        let Some(row) = inner.shared.pool.hot().grant(grant) else {
            return self.first_outcome(grant).await;
        };
        let persons = u32::from(row.open.admission.persons);
        if !matches!(request.outcome, Outcome::Taken | Outcome::Partial | Outcome::NotTaken) {
            return Err(Fault::Invalid("outcome: taken, partial or not_taken".into()));
        }
        if request.outcome == Outcome::Taken && request.count == Some(0) {
            return Err(Fault::Invalid("count: 0 persons is not_taken".into()));
        }
        if request.outcome == Outcome::Partial && request.count.is_none() {
            return Err(Fault::Invalid("count: missing; a partial passage needs it".into()));
        }
        if request.count.is_some_and(|count| persons < count) {
            let most = format!("count: more than the {persons} persons of the grant");
            return Err(Fault::Invalid(most));
        }
        let fact = PassageFact {
            grant: Some(grant),
            ticket: None,
            lane: row.open.lane,
            direction: row.open.direction,
            moment: Moment { at: inner.clock.now(), known: true },
            outcome: request.outcome,
            count: request.count,
            by,
            device: row.device,
            event: None,
            audit,
            again_is_a_fact: false,
        };
        match inner.shared.passage(fact).await {
            Ok((passage, committed)) => Ok(PassageResult {
                grant,
                outcome: passage.outcome.as_str().to_owned(),
                count: passage.count,
                committed_at: committed.at,
            }),
            Err(Fault::Conflict(_)) => self.first_outcome(grant).await,
            Err(error) => Err(error),
        }
    }

    async fn first_outcome(&self, grant: GrantId) -> Result<PassageResult, Fault> {
        let ledger = Arc::clone(&self.0.ledger);
        let closed = tokio::task::spawn_blocking(move || ledger.closed_grant(grant))
            .await
            .map_err(|error| Fault::Internal(error.to_string()))?
            .map_err(fault)?
            .ok_or(Fault::NotFound("grant"))?;
        Ok(PassageResult {
            grant,
            outcome: closed.outcome,
            count: u32::from(closed.taken),
            committed_at: closed.closed_at,
        })
    }

    /// Grants without an outcome yet, oldest first.
    pub fn open_grants(&self) -> Vec<GrantView> {
        let now = self.0.clock.now();
        let park = self.0.park.full();
        let mut grants: Vec<GrantView> = self
            .0
            .shared
            .pool
            .hot()
            .open_grants()
            .into_iter()
            .map(|row| GrantView {
                overdue: Watch::is_overdue(&row, now),
                id: row.id,
                ticket: row.ticket,
                device: row.device.to_string(),
                lane: park.lane(row.open.lane).id.to_string(),
                direction: row.open.direction,
                persons: row.open.admission.persons,
                granted_at: row.open.granted_at,
            })
            .collect();
        grants.sort_by_key(|grant| grant.granted_at);
        grants
    }

    /// An operator ends a grant, not taken.
    pub async fn release(&self, grant: GrantId, reason: &str, actor: &str) -> Result<(), Fault> {
        if self.0.shared.pool.hot().grant(grant).is_none() {
            self.first_outcome(grant).await?;
            return Err(Fault::Conflict("this grant has an outcome already".into()));
        }
        let audit = AuditLine {
            at: self.0.clock.now(),
            actor: actor.to_owned(),
            action: "grant.release".into(),
            target: grant.to_string(),
            note: reason.to_owned(),
        };
        let request = PassageRequest { outcome: Outcome::NotTaken, count: Some(0) };
        let plane = self.clone();
        to_the_end(async move {
            plane.end_grant(grant, request, PassageBy::Manual, Some(audit)).await.map(drop)
        })
        .await?
    }
}
