//! Errors as problem details (RFC 9457): every refusal of the API has this one form.
//!
//! Owns the form and the way from the control plane's faults to it. Never tells more than the
//! caller sent or may know: internal causes go to the log. Called by all handlers.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shanmen_actors::api::Fault;
use utoipa::ToSchema;

/// One refusal.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// A refusal as it is sent, `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// A stable word for machines, as a URN: `urn:shanmen:problem:invalid`.
    #[serde(rename = "type")]
    kind: String,
    /// The HTTP status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong, where, and how to mend it.
    detail: String,
}

impl Problem {
    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// A problem of a kind; `kind` is a stable word.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), header: None }
    }

    /// With a header that belongs to it.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// The request cannot be read: not JSON, not an id.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// The request can be read, but asks for what cannot be.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// Nobody is logged in.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"shanmen\""))
    }

    /// Somebody is, but may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail).with(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"shanmen\", error=\"insufficient_scope\""),
        )
    }

    /// Too many attempts; again in so many seconds.
    pub fn too_many(retry_s: i64) -> Self {
        let detail = format!("too many failed attempts; try again in {retry_s} s");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", detail)
            .with(header::RETRY_AFTER, HeaderValue::from(retry_s))
    }

    /// A queue is full; again in a second.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
            .with(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The operator of the program has to look; `cause` goes to the log only.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        let detail = "the request failed; the cause is in the server's log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// What is wrong.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Invalid(detail) => Self::invalid(detail),
            Fault::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not-found", fault.to_string()),
            Fault::Conflict(detail) => Self::new(StatusCode::CONFLICT, "conflict", detail),
            Fault::Forbidden(why) => Self::forbidden(why),
            Fault::Busy(_) => Self::busy(fault.to_string()),
            Fault::Internal(cause) => Self::internal(cause),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: format!("urn:shanmen:problem:{}", self.kind),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let form = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(header::CONTENT_TYPE, form)], text).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(problem: Problem) -> (Response, serde_json::Value) {
        let (head, body) = problem.into_response().into_parts();
        let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
        (
            Response::from_parts(head, ().into_response().into_body()),
            serde_json::from_slice(&bytes).unwrap(),
        )
    }

    #[tokio::test]
    async fn a_problem_has_the_form_of_the_rfc() {
        let (head, body) = told(Fault::NotFound("ticket").into()).await;
        assert_eq!(head.headers()["content-type"], "application/problem+json");
        let expected = serde_json::json!({
            "type": "urn:shanmen:problem:not-found", "title": "Not Found", "status": 404,
            "detail": "ticket not found",
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn an_internal_cause_stays_in_the_log() {
        let (head, body) = told(Fault::Internal("disk /dev/sda1 is full".into()).into()).await;
        assert_eq!(head.status(), 500);
        assert!(!body.to_string().contains("sda1"), "{body}");
    }

    #[tokio::test]
    async fn who_is_not_logged_in_is_told_how_to() {
        let (head, _) = told(Problem::unauthorized("log in")).await;
        assert_eq!(head.status(), 401);
        assert!(head.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        let (head, _) = told(Problem::too_many(30)).await;
        assert_eq!(head.headers()["retry-after"], "30");
    }
}
