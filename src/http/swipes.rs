//! The swipes of staff and guide cards (刷卡明细).

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::{Deserialize, Serialize};
use shanmen_actors::api::SwipeQuery;
use shanmen_protocols::ids::TicketId;
use utoipa::ToSchema;

use super::{
    App,
    asked::{asked, rows, span},
    json,
    problem::Problem,
    roles::{May, SeeSwipes},
};

/// Which swipes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    class: Option<String>,
    ticket: Option<TicketId>,
    from: Option<String>,
    to: Option<String>,
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
pub(super) async fn list(
    State(app): State<App>,
    _: May<SeeSwipes>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let which = asked(which, "class, ticket, from, to, limit")?;
    let (from, until) = span(&app, which.from.as_deref(), which.to.as_deref())?;
    let classes = which.class.unwrap_or_else(|| "staff,guide".to_owned());
    let query = SwipeQuery { from, until, ticket: which.ticket, limit: rows(which.limit)? };
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
