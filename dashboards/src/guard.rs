//! Who may watch: asked of the program, which knows logins. This crate knows only the answers.

use std::sync::Arc;

use axum::{http::HeaderMap, response::Response};

/// Whether a viewer who was let in may still watch: asked again while the session lasts.
pub type Pass = Box<dyn Fn() -> bool + Send + Sync>;

/// What the program answers to those who want to watch.
pub trait Guard: Send + Sync + 'static {
    /// Whether somebody with these headers may watch.
    ///
    /// # Errors
    /// The answer to who may not, before any upgrade.
    #[allow(clippy::result_large_err, reason = "a refusal is sent at once, and not carried about")]
    fn admit(&self, headers: &HeaderMap) -> Result<Pass, Response>;

    /// The answer to a page that was asked for with the key of a view link: a cookie and the way
    /// to `page` without the key, or a refusal.
    fn enter(&self, key: &str, page: &str) -> Response;
}

/// A guard, as the routes hold it.
pub(crate) type Guarded = Arc<dyn Guard>;
