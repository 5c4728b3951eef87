//! View links: a wall for those who have no login. Made, listed and taken back by managers.
//!
//! A link's key is a token with the role `viewer`, kept as its digest like any other, so that it
//! outlives a restart; it is told once. Its user is `view:` with the link's name: no account can
//! be called so, and thus a link is no login. The link's id is the beginning of that digest.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use shanmen_protocols::time::UnixMs;
use utoipa::ToSchema;

use super::{
    App, Shared,
    body::Body,
    json,
    problem::Problem,
    roles::{May, ShareViews, VIEWER},
    tokens,
};

/// What the user of a link's token begins with.
const LINK: &str = "view:";

/// The longest name, in characters.
const NAME_MAX_CHARS: usize = 64;

/// The longest life, in days: ten years, for a wall that nobody should have to climb up to.
const DAYS_MAX: u16 = 3650;

/// The most links at one time.
const LINKS_MAX: usize = 1000;

const DAY_MS: i64 = 86_400_000;

/// Whether a token is that of a view link.
pub(super) fn is_link((user, ..): &(String, Vec<String>, UnixMs)) -> bool {
    user.starts_with(LINK)
}

/// Which page a link opens.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Page {
    /// The wall.
    #[default]
    Wall,
}

/// A link to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ViewLinkRequest {
    /// What it is for, as people call it: 1 to 64 characters.
    name: String,
    /// How long it is good, 1 to 3650 days.
    days: u16,
    /// What it opens.
    #[serde(default)]
    page: Page,
}

/// A fresh link: told once.
#[derive(Serialize, ToSchema)]
pub(super) struct NewViewLink {
    /// Its id, to take it back.
    id: String,
    /// Where it leads, with its key.
    url: String,
    /// When it is over (RFC 3339).
    expires: String,
}

/// A link, without its key.
#[derive(Serialize, ToSchema)]
pub(super) struct ViewLink {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// What it opens.
    page: Page,
    /// When it is over (RFC 3339).
    expires: String,
}

/// All links.
#[derive(Serialize, ToSchema)]
pub(super) struct ViewLinks {
    /// By name.
    links: Vec<ViewLink>,
}

/// Makes a link by which anyone can see the wall, and nothing else.
#[utoipa::path(post, path = "/api/v1/view-links", tag = "users", request_body = ViewLinkRequest,
    responses((status = 201, description = "the link, told once", body = NewViewLink)))]
pub(super) async fn make(
    State(app): State<App>,
    caller: May<ShareViews>,
    Body(asked): Body<ViewLinkRequest>,
) -> Result<Response, Problem> {
    let name = asked.name.trim();
    if name.is_empty()
        || name.chars().count() > NAME_MAX_CHARS
        || name.chars().any(char::is_control)
    {
        return Err(Problem::invalid("name: 1 to 64 characters, without line breaks"));
    }
    if !(1..=DAYS_MAX).contains(&asked.days) {
        return Err(Problem::invalid(format!("days: 1 to {DAYS_MAX}")));
    }
    if app.links().len() >= LINKS_MAX {
        let detail = format!("there are {LINKS_MAX} view links; take one back first");
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
    }
    let Page::Wall = asked.page;
    let (key, digest) = tokens::fresh()?;
    let expires = app.plane.clock().now().plus_ms(i64::from(asked.days) * DAY_MS);
    let user = format!("{LINK}{name}");
    app.plane.put_token(digest, &user, &[VIEWER.to_owned()], expires).await?;
    let id = id_of(&digest);
    app.audit(&caller.user, "view-link.make", &id, name).await?;
    let link =
        NewViewLink { id, url: format!("/wall?key={key}"), expires: app.times.text(expires) };
    Ok((StatusCode::CREATED, json(&link)?).into_response())
}

/// All links that are good, without their keys.
#[utoipa::path(get, path = "/api/v1/view-links", tag = "users",
    responses((status = 200, description = "all links", body = ViewLinks)))]
pub(super) async fn list(State(app): State<App>, _: May<ShareViews>) -> Result<Response, Problem> {
    let link = |(digest, name, end): ([u8; 32], String, UnixMs)| ViewLink {
        id: id_of(&digest),
        name,
        page: Page::Wall,
        expires: app.times.text(end),
    };
    let mut links: Vec<_> = app.links().into_iter().map(link).collect();
    links.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    json(&ViewLinks { links })
}

/// Takes a link back: whoever watches by it is shown out within a minute.
#[utoipa::path(delete, path = "/api/v1/view-links/{id}", tag = "users",
    params(("id" = String, Path, description = "the link's id")),
    responses((status = 204, description = "no longer good")))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: May<ShareViews>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let found = app.links().into_iter().find(|(digest, ..)| id_of(digest) == id);
    let Some((digest, name, _)) = found else {
        let detail = "there is no such view link, or it is over";
        return Err(Problem::new(StatusCode::NOT_FOUND, "not-found", detail));
    };
    let over = app.plane.clock().now();
    app.plane.put_token(digest, &format!("{LINK}{name}"), &[], over).await?;
    app.audit(&caller.user, "view-link.revoke", &id, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn id_of(digest: &[u8; 32]) -> String {
    HEXLOWER.encode(&digest[..8])
}

impl Shared {
    /// The links that are good: digest, name, end.
    fn links(&self) -> Vec<([u8; 32], String, UnixMs)> {
        let mut links = self.plane.tokens_of(|user| user.starts_with(LINK));
        for (_, user, _) in &mut links {
            user.drain(..LINK.len());
        }
        links
    }
}
