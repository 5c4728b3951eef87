//! A device's lists over HTTP, for those too large for messages.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use shanmen_protocols::ids::DeviceId;

use super::{App, problem::Problem};

/// A list as a whole, for the device itself: it logs in as at the broker.
#[utoipa::path(get, path = "/api/v1/devices/{id}/lists/{name}", tag = "devices",
    params(("id" = String, Path, description = "the device's id"),
        ("name" = String, Path, description = "`deny tickets keys park`")),
    security(("device" = [])),
    responses((status = 200, description = "the list, a line for each entry", body = String,
        content_type = "text/plain")))]
pub(super) async fn fetch(
    State(app): State<App>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = DeviceId::new(&id).map_err(|_| Problem::unauthorized(HOW))?;
    let (user, password) = basic(&headers).ok_or_else(|| Problem::unauthorized(HOW))?;
    if user != id.as_str() || !app.plane.admits(&user, password.as_bytes()) {
        return Err(Problem::unauthorized(HOW));
    }
    let content = app.plane.list_content(&id, &name).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], content).into_response())
}

const HOW: &str = "a device logs in here as at the broker: Authorization: Basic id:secret";

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(encoded.trim().as_bytes()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
