//! Who may watch the feed: anyone who reaches the port where `[dashboards] open` says so;
//! otherwise who is logged in, and who came by a view link.
//!
//! A token in the `Authorization` header is always checked: a program that sends a wrong one is
//! told so. Cookies come along by themselves, so that a stale one is as good as none. Asked by the
//! feed's upgrade and by its snapshot.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use shanmen_dashboards::{Guard, Pass};

use super::{
    App, Shared,
    problem::Problem,
    roles::{COOKIE, bearer, cookie},
    tokens, view_links,
};

/// The cookie of a view link: not that of a login, which it must not put out of use.
const VIEW_COOKIE: &str = "shanmen-view";

/// The guard of the feed.
pub(super) struct Watching(pub(super) App);

impl Guard for Watching {
    fn admit(&self, headers: &HeaderMap) -> Result<Pass, Response> {
        let Some(digest) = self.0.watcher(headers).map_err(IntoResponse::into_response)? else {
            return Ok(Box::new(|| true));
        };
        let app = Arc::clone(&self.0);
        Ok(Box::new(move || app.plane.token(&digest).is_some()))
    }

    fn enter(&self, key: &str, page: &str) -> Response {
        let digest = tokens::digest(key);
        let Some((_, _, end)) = self.0.plane.token(&digest).filter(view_links::is_link) else {
            // For people, who opened a link: not a problem document.
            let told = "此查看链接无效或已过期,请向管理员索取新链接。\n\
                        This view link is unknown or over; ask for a new one.\n";
            return (StatusCode::UNAUTHORIZED, told).into_response();
        };
        let seconds = end.since_ms(self.0.plane.clock().now()) / 1000;
        let cookie = self.0.cookie_named(VIEW_COOKIE, key, seconds);
        match HeaderValue::from_str(&cookie) {
            Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(page)).into_response(),
            Err(fault) => Problem::internal(fault).into_response(),
        }
    }
}

impl Shared {
    /// Whose token lets the caller watch; none where anyone may.
    ///
    /// # Errors
    /// `unauthorized` where nobody is logged in, or with a token that is wrong.
    pub(super) fn watcher(&self, headers: &HeaderMap) -> Result<Option<[u8; 32]>, Problem> {
        let known = |token: &str| {
            let digest = tokens::digest(token);
            self.plane.token(&digest).map(|_| digest)
        };
        if let Some(token) = bearer(headers)? {
            let unknown =
                || Problem::unauthorized("the token is unknown or over; log in at /api/v1/login");
            return known(token).map(Some).ok_or_else(unknown);
        }
        if self.open {
            return Ok(None);
        }
        let mut cookies =
            [COOKIE, VIEW_COOKIE].into_iter().filter_map(|name| cookie(headers, name));
        let found = cookies.find_map(known);
        found.map(Some).ok_or_else(|| {
            Problem::unauthorized(
                "log in at /login, open a view link, or send Authorization: Bearer <token>; \
                 `open = true` in [dashboards] lets anyone watch",
            )
        })
    }
}
