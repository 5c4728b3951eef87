//! What comes in: JSON bodies, ids in paths. Parsed once, at the edge, with faults that name
//! their place and never quote a value.

use std::str::FromStr;

use axum::{
    Json,
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// The largest body that is taken, in bytes; an import is streamed and has no limit.
pub(super) const BODY_MAX_BYTES: usize = 1 << 20;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !media_type(request.headers()).is_some_and(|media| is_json(&media)) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "send the body as Content-Type: application/json",
            ));
        }
        let told = request.headers().get(header::CONTENT_LENGTH);
        let told = told.and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
        if told.is_some_and(|length| length > BODY_MAX_BYTES) {
            return Err(too_large());
        }
        let bytes = to_bytes(request.into_body(), BODY_MAX_BYTES).await.map_err(|fault| {
            // The only faults here are the limit and a caller that went away.
            tracing::debug!(%fault, "body not taken");
            too_large()
        })?;
        match Json::<T>::from_bytes(&bytes) {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::JsonDataError(fault)) => {
                Err(Problem::invalid(words(&fault.body_text())))
            }
            Err(fault) => Err(Problem::malformed(words(&fault.body_text()))),
        }
    }
}

fn too_large() -> Problem {
    let detail = format!("the body is larger than {BODY_MAX_BYTES} bytes, or broke off");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
}

/// The media type without its parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn is_json(media: &str) -> bool {
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

/// serde's words without the library's preface and without the values that they quote: a value
/// may be a password, a code or an ID number.
fn words(text: &str) -> String {
    let text = text
        .split_once(": ")
        .filter(|(preface, _)| preface.ends_with("type") || preface.ends_with("JSON"));
    mask(text.map_or("the body is not JSON", |(_, rest)| rest))
}

/// Replaces the value in `invalid type: string "…", expected …`.
pub(super) fn mask(text: &str) -> String {
    for (open, close, what) in [
        ("string \"", "\", expected", "a string"),
        ("integer `", "`, expected", "an integer"),
        ("floating point `", "`, expected", "a number"),
    ] {
        if let (Some(from), Some(to)) = (text.find(open), text.rfind(close))
            && from + open.len() <= to
        {
            // The closing quote goes too, the comma stays.
            return format!("{}{what}{}", &text[..from], &text[to + 1..]);
        }
    }
    text.to_owned()
}

/// What an [`Id`] is called in a fault.
pub(super) trait Named: FromStr {
    /// As in "a ticket id is a UUID".
    const FORM: &'static str;
}

macro_rules! named {
    ($($name:ident $form:literal)*) => {$(
        impl Named for shanmen_protocols::ids::$name {
            const FORM: &'static str = $form;
        }
    )*};
}
named! {
    TicketId "a ticket id is a UUID"
    OrderId "an order id is a UUID"
    GrantId "a grant id is a UUID"
    AreaId "an area id is 1 to 32 of a-z, 0-9 and '-'"
    DeviceId "a device id is 1 to 32 of a-z, 0-9 and '-'"
}

impl Named for uuid::Uuid {
    const FORM: &'static str = "an entry's id is a UUID";
}

/// The one id in a path.
#[derive(Debug)]
pub(super) struct Id<T>(pub T);

impl<T: Named, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "not-found", T::FORM))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only its faults are looked at")]
        lines: Vec<Line>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Line {
        #[expect(dead_code, reason = "only its faults are looked at")]
        persons: u16,
    }

    async fn told(media: &str, body: impl Into<axum::body::Body>) -> (StatusCode, String) {
        let request = Request::post("/").header("content-type", media).body(body.into()).unwrap();
        let problem = Body::<Order>::from_request(request, &()).await.unwrap_err();
        let detail = problem.detail().to_owned();
        (axum::response::IntoResponse::into_response(problem).status(), detail)
    }

    #[tokio::test]
    async fn a_fault_has_its_place_and_never_its_value() {
        let (status, detail) =
            told("application/json", r#"{"lines":[{"persons":"34010219"}]}"#).await;
        assert_eq!(status, 422);
        assert!(
            detail.starts_with("lines[0].persons: invalid type: a string, expected u16"),
            "{detail}"
        );
        assert!(detail.contains("line 1 column"), "{detail}");
        let (status, detail) = told("application/json", "{\"lines\":\n[}").await;
        assert_eq!(status, 400);
        assert!(detail.contains("line 2 column 2"), "{detail}");
        let (status, detail) = told("application/json; charset=utf-8", r#"{"x":1}"#).await;
        assert_eq!(status, 422);
        assert!(detail.contains("unknown field `x`"), "{detail}");
    }

    #[tokio::test]
    async fn other_media_and_large_bodies_are_refused() {
        assert_eq!(told("text/plain", "{}").await.0, 415);
        assert_eq!(told("application/json", vec![b' '; BODY_MAX_BYTES + 1]).await.0, 413);
    }

    #[test]
    fn quoted_values_are_masked() {
        assert_eq!(
            mask("a: invalid type: integer `7`, expected a string"),
            "a: invalid type: an integer, expected a string"
        );
        assert_eq!(mask("missing field `id`"), "missing field `id`");
    }
}
