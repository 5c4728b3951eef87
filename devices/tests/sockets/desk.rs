//! How the tiny control plane answers a handheld's requests: as the contract says.

use serde_json::{Map, Value, json};
use shanmen_protocols::{
    device::{Request, Response, ResponseStatus, What},
    ids::GrantId,
};

use crate::control::now;

/// Whose password is `secret`; the token that it gives is `token-1`.
pub(crate) const TOKEN: &str = "token-1";

pub(crate) fn answer(request: &Request) -> Response {
    let (status, reason, body) = match &request.what {
        What::Login { password, .. } if password == "secret" => {
            let roles = ["operator"];
            let expires = now().0 + 3_600_000;
            ok(json!({ "operator": TOKEN, "roles": roles, "expires": expires }))
        }
        What::Login { .. } => refused(ResponseStatus::Forbidden, "user or password is wrong"),
        What::Lookup { operator, .. }
        | What::Override { operator, .. }
        | What::Undo { operator, .. }
            if operator != TOKEN =>
        {
            refused(ResponseStatus::Forbidden, "operator: unknown or over: log in again")
        }
        What::Lookup { .. } => ok(json!({ "id": "t-1", "history": [] })),
        What::Override { scan, persons, .. } => ok(json!({
            "id": scan, "result": "grant", "reason": "ok", "persons": persons, "hold_ms": 5_000,
            "show": { "title": "", "text": "", "voice": "", "light": "green", "lang": "en" },
        })),
        What::Undo { .. } => ok(json!({ "grant": GrantId::fresh(), "persons": 1 })),
        _ => refused(ResponseStatus::Invalid, "no such request"),
    };
    Response { id: request.id, status, reason, body }
}

type Answer = (ResponseStatus, Option<String>, Map<String, Value>);

fn ok(body: Value) -> Answer {
    let Value::Object(body) = body else { panic!("a body is an object") };
    (ResponseStatus::Ok, None, body)
}

fn refused(status: ResponseStatus, why: &str) -> Answer {
    (status, Some(why.to_owned()), Map::new())
}
