//! People: who is not let in, the swipes of staff and guide cards, and the audit trail.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shanmen_actors::api::{self, AuditQuery, SwipeQuery};
use shanmen_protocols::{device::Credential, ids::TicketId, time::UnixMs};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    App,
    body::{Body, Id},
    json,
    problem::Problem,
    roles::{BlockPersons, May, SeeAudit, SeeSwipes},
    tickets::{Presented, Why, checked_reason},
    times::Times,
};

/// The most rows of one answer, and how many without a wish.
const ROWS_MAX: u32 = 1_000;
const ROWS: u32 = 100;

/// Somebody to be blocked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToBlock {
    /// What they show: an ID card's number, a face. Kept as a keyed digest only.
    #[schema(value_type = Presented)]
    credential: Credential,
    /// For the audit trail, 1 to 500 characters; no name and no ID number.
    reason: String,
}

/// People who are not let in.
#[derive(Serialize, ToSchema)]
pub(super) struct BlockedPersons {
    /// The newest first.
    persons: Vec<BlockedPerson>,
}

/// Somebody who is not let in.
#[derive(Serialize, ToSchema)]
pub(super) struct BlockedPerson {
    /// The entry's id, a UUID.
    id: String,
    /// What it goes by: `id_card`, `face` …
    r#type: &'static str,
    /// Since when (RFC 3339).
    since: String,
    /// Who entered it.
    by: String,
    /// Why.
    reason: String,
}

impl BlockedPerson {
    fn of(person: api::BlockedPerson, times: &Times) -> Self {
        Self {
            id: person.id.to_string(),
            r#type: person.kind.as_str(),
            since: times.text(person.at),
            by: person.actor,
            reason: person.reason,
        }
    }
}

/// People who are not let in.
#[utoipa::path(get, path = "/api/v1/blocked-persons", tag = "operations",
    responses((status = 200, description = "the list, without any number", body = BlockedPersons)))]
pub(super) async fn blocked(
    State(app): State<App>,
    _: May<BlockPersons>,
) -> Result<Response, Problem> {
    let persons = app.plane.blocked_persons();
    let persons = persons.into_iter().map(|one| BlockedPerson::of(one, &app.times)).collect();
    json(&BlockedPersons { persons })
}

/// Lets nobody in who shows this, nor with a ticket that it leads to (`blocked_person`).
#[utoipa::path(post, path = "/api/v1/blocked-persons", tag = "operations", request_body = ToBlock,
    responses((status = 201, description = "on the list", body = BlockedPerson)))]
pub(super) async fn block(
    State(app): State<App>,
    caller: May<BlockPersons>,
    Body(wanted): Body<ToBlock>,
) -> Result<Response, Problem> {
    let reason = checked_reason(&wanted.reason)?;
    let person = app.plane.block_person(wanted.credential, reason, &caller.user).await?;
    Ok((StatusCode::CREATED, json(&BlockedPerson::of(person, &app.times))?).into_response())
}

/// Lets somebody in again.
#[utoipa::path(post, path = "/api/v1/blocked-persons/{id}/unblock", tag = "operations",
    request_body = Why,
    params(("id" = String, Path, description = "the entry's id")),
    responses((status = 204, description = "off the list")))]
pub(super) async fn unblock(
    State(app): State<App>,
    caller: May<BlockPersons>,
    Id(id): Id<Uuid>,
    Body(why): Body<Why>,
) -> Result<StatusCode, Problem> {
    app.plane.unblock_person(id, why.checked()?, &caller.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which swipes, or which lines of the audit trail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    from: Option<String>,
    to: Option<String>,
    class: Option<String>,
    ticket: Option<TicketId>,
    action: Option<String>,
    target: Option<String>,
    limit: Option<u32>,
}

/// Swipes.
#[derive(Serialize, ToSchema)]
pub(super) struct Swipes {
    /// The newest first.
    swipes: Vec<Swipe>,
}

/// One swipe of a card.
#[derive(Serialize, ToSchema)]
pub(super) struct Swipe {
    /// When (RFC 3339).
    at: String,
    /// The card, a UUID.
    ticket: String,
    /// What it is.
    product: String,
    /// `staff`, `guide` …
    class: &'static str,
    /// Its named holder, as given at the issue.
    #[schema(value_type = Option<Object>)]
    holder: Option<serde_json::Value>,
    /// At which device.
    device: String,
    /// In which lane.
    lane: String,
    /// `in` or `out`.
    direction: &'static str,
    /// `grant`, `more`, `deny`; `passage` for one decided elsewhere.
    result: &'static str,
    /// Why; on whose word for a `passage`.
    reason: String,
    /// How it ended; null while a grant is open, or where there was none.
    outcome: Option<String>,
}

/// The swipes of staff and guide cards (刷卡明细).
#[utoipa::path(get, path = "/api/v1/swipes", tag = "operations",
    params(("class" = Option<String>, Query, description = "staff or guide; both by default"),
           ("ticket" = Option<String>, Query, description = "one card only"),
           ("from" = Option<String>, Query, description = "RFC 3339; a day before `to` by default"),
           ("to" = Option<String>, Query, description = "RFC 3339, not included; now by default"),
           ("limit" = Option<u32>, Query, description = "1 to 1,000; 100 by default")),
    responses((status = 200, description = "the swipes, the newest first", body = Swipes)))]
pub(super) async fn swipes(
    State(app): State<App>,
    _: May<SeeSwipes>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let which = asked(which, &["class", "ticket", "from", "to", "limit"])?;
    let (from, until) = which.span(&app)?;
    let classes = which.class.clone().unwrap_or_else(|| "staff,guide".to_owned());
    let query = SwipeQuery { from, until, ticket: which.ticket, limit: which.limit()? };
    if let Some(other) = classes.split(',').find(|one| !["staff", "guide"].contains(&one.trim())) {
        let detail = format!("class: staff or guide, not {other:?}: visitors have no swipe log");
        return Err(Problem::invalid(detail));
    }
    let wanted = |class: &str| classes.split(',').any(|one| one.trim() == class);
    let found = app.plane.swipes(query, wanted).await?;
    let park = app.plane.park();
    let swipes = found.into_iter().filter_map(|swipe| {
        let product = park.get_product(shanmen_rules::ProductIx(swipe.product))?;
        Some(Swipe {
            at: app.times.text(swipe.at),
            ticket: swipe.ticket.to_string(),
            product: product.id.to_string(),
            class: product.class.as_str(),
            holder: swipe.holder,
            device: swipe.device,
            lane: swipe.lane,
            direction: swipe.direction.as_str(),
            result: swipe.result,
            reason: swipe.reason,
            outcome: swipe.outcome,
        })
    });
    json(&Swipes { swipes: swipes.collect() })
}

/// Lines of the audit trail.
#[derive(Serialize, ToSchema)]
pub(super) struct Trail {
    /// The newest first.
    lines: Vec<TrailLine>,
}

/// One line: who did what to what, and why.
#[derive(Serialize, ToSchema)]
pub(super) struct TrailLine {
    /// When (RFC 3339).
    at: String,
    /// Who.
    actor: String,
    /// What, as a stable word: `ticket.void`, `product.put` …
    action: String,
    /// On what.
    target: String,
    /// Why, and what else helps.
    note: String,
}

/// The audit trail.
#[utoipa::path(get, path = "/api/v1/audit", tag = "operations",
    params(("action" = Option<String>, Query, description = "actions that begin so, as `product.`"),
           ("target" = Option<String>, Query, description = "one target only"),
           ("from" = Option<String>, Query, description = "RFC 3339; a day before `to` by default"),
           ("to" = Option<String>, Query, description = "RFC 3339, not included; now by default"),
           ("limit" = Option<u32>, Query, description = "1 to 1,000; 100 by default")),
    responses((status = 200, description = "the lines, the newest first", body = Trail)))]
pub(super) async fn audit(
    State(app): State<App>,
    _: May<SeeAudit>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let which = asked(which, &["action", "target", "from", "to", "limit"])?;
    let (from, until) = which.span(&app)?;
    let query = AuditQuery {
        from,
        until,
        limit: which.limit()?,
        action: which.action.unwrap_or_default(),
        target: which.target,
    };
    let lines = app.plane.audit_trail(query).await?.into_iter().map(|line| TrailLine {
        at: app.times.text(line.at),
        actor: line.actor,
        action: line.action,
        target: line.target,
        note: line.note,
    });
    json(&Trail { lines: lines.collect() })
}

fn asked(which: Result<Query<Which>, QueryRejection>, known: &[&str]) -> Result<Which, Problem> {
    let refused = || Problem::malformed(format!("what can be asked: {}", known.join(", ")));
    let Query(which) = which.map_err(|_| refused())?;
    let given = [
        ("class", which.class.is_some()),
        ("ticket", which.ticket.is_some()),
        ("action", which.action.is_some()),
        ("target", which.target.is_some()),
    ];
    if given.iter().any(|(name, given)| *given && !known.contains(name)) {
        return Err(refused());
    }
    Ok(which)
}

impl Which {
    /// From when to when: the last day without a wish.
    fn span(&self, app: &App) -> Result<(UnixMs, UnixMs), Problem> {
        const DAY_MS: i64 = 24 * 3_600_000;
        // The last millisecond is in.
        let now = app.plane.clock().now().plus_ms(1);
        let until = self.to.as_deref().map_or(Ok(now), |text| moment("to", text))?;
        let from =
            self.from.as_deref().map_or(Ok(until.plus_ms(-DAY_MS)), |text| moment("from", text))?;
        Ok((from, until))
    }

    fn limit(&self) -> Result<u32, Problem> {
        let limit = self.limit.unwrap_or(ROWS);
        if (1..=ROWS_MAX).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::invalid(format!("limit: 1 to {ROWS_MAX}")))
    }
}

/// A moment of a query; a `+` that nobody escaped has become a space on its way.
fn moment(name: &str, text: &str) -> Result<UnixMs, Problem> {
    let at: Timestamp = text.trim().replace(' ', "+").parse().map_err(|_| {
        Problem::invalid(format!("{name}: a moment like 2026-10-01T09:00:00+08:00"))
    })?;
    Ok(UnixMs(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_a_query_may_have_lost_its_plus() {
        let told = |text| moment("from", text).map_err(|problem| problem.detail().to_owned());
        assert_eq!(told("2026-10-01T09:00:00 08:00"), Ok(UnixMs(1_790_816_400_000)));
        assert_eq!(told("2026-10-01T01:00:00Z"), Ok(UnixMs(1_790_816_400_000)));
        assert!(told("today").unwrap_err().starts_with("from: "));
    }
}
