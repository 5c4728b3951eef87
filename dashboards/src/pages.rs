//! The pages and their assets, out of the binary: routes, content types, validators, the security
//! headers, and the modules that are made from Rust tables instead of being written twice.
//!
//! Refuses scripts, styles and connections from anywhere but this host. Nothing here knows the
//! state of the park; the feed brings it.

use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use rust_embed::{Embed, EmbeddedFile};
use shanmen_protocols::reason::Reason;

use crate::{Guard, Hub, guard::Guarded, packed, upgrade};

/// Everything that the pages load comes from here; `'self'` covers the feed's socket too.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

#[derive(Embed)]
#[folder = "assets/"]
pub(crate) struct Assets;

/// `GET /feed` (WebSocket), the pages `/`, `/wall`, `/flow`, `/ops` and `/login`, and `/assets/*`.
/// The pages are empty shells for anyone: what they show comes from the feed and the API, which
/// ask who it is.
///
/// `GET /api/v1/feed/snapshot` is the program's, from [`Hub::snapshot_frame`].
///
/// `guard` is asked who may watch.
pub fn router(hub: Hub, guard: Arc<dyn Guard>) -> Router {
    Router::new()
        .route("/", get(start))
        .route("/wall", get(wall))
        .route("/flow", get(async |headers: HeaderMap| file("flow.html", &headers).await))
        .route("/ops", get(async |headers: HeaderMap| file("ops.html", &headers).await))
        .route("/login", get(async |headers: HeaderMap| file("login.html", &headers).await))
        .route("/assets/{*path}", get(asset))
        .route("/feed", get(upgrade::feed))
        .with_state(Door { hub, guard })
}

/// What the routes share.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) hub: Hub,
    pub(crate) guard: Guarded,
}

/// The wall; with `?key=…`, the key of a view link, first the cookie and then the wall without
/// the key, so that it stays out of histories and of what is sent elsewhere.
async fn wall(State(door): State<Door>, uri: Uri, headers: HeaderMap) -> Response {
    let pairs = || uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    match pairs().find_map(|pair| pair.strip_prefix("key=")) {
        Some(key) => {
            let rest: Vec<_> = pairs().filter(|pair| !pair.starts_with("key=")).collect();
            let mark = if rest.is_empty() { "" } else { "?" };
            door.guard.enter(key, &format!("/wall{mark}{}", rest.join("&")))
        }
        None => file("wall.html", &headers).await,
    }
}

/// The page to begin with; the wall as long as there is none.
async fn start(headers: HeaderMap) -> Response {
    match Assets::get("index.html") {
        Some(_) => file("index.html", &headers).await,
        None => Redirect::temporary("/wall").into_response(),
    }
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    match path.as_str() {
        "reasons.js" => answer(&path, &REASONS.etag, REASONS.text.clone(), &headers),
        "build.js" => answer(&path, &BUILD.etag, BUILD.text.clone(), &headers),
        // For the checker of the modules' types, not for browsers.
        types if types.ends_with(".d.ts") => missing(),
        _ => file(&path, &headers).await,
    }
}

async fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some(found) = Assets::get(path) else { return missing() };
    let etag = etag(&found);
    if !packed::varies(path) {
        return answer(path, &etag, found.data, headers);
    }
    let packed = if packed::asked(headers) { packed::packed(path).await } else { None };
    let mut response = match packed {
        Some(bytes) => {
            // Another form of the file is another thing to hold: a tag of its own.
            let etag = format!("{}-gz\"", etag.trim_end_matches('"'));
            let mut response = answer(path, &etag, bytes, headers);
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
            response
        }
        None => answer(path, &etag, found.data, headers),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn missing() -> Response {
    let headers =
        [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (StatusCode::NOT_FOUND, headers, "no such page").into_response()
}

fn answer(path: &str, etag: &str, body: impl Into<Body>, asked: &HeaderMap) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type(path)),
        // Kept, but asked about each time: file names carry no version.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let known = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| matches!(value.trim().trim_start_matches("W/"), held if held == etag || held == "*"));
    let mut response = if known {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (StatusCode::OK, headers, body.into()).into_response()
    };
    if let Ok(etag) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn etag(file: &EmbeddedFile) -> String {
    quoted(&file.metadata.sha256_hash())
}

/// The first 16 bytes of a digest as an entity tag.
fn quoted(digest: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in digest.iter().take(16) {
        // Writing to a String cannot fail.
        write!(tag, "{byte:02x}").unwrap_or_default();
    }
    tag.push('"');
    tag
}

/// A module made from Rust.
struct Made {
    text: String,
    etag: String,
}

/// `/assets/reasons.js`: the reason table's display lines, so that the pages say what the lanes
/// say.
static REASONS: LazyLock<Made> = LazyLock::new(|| {
    let mut text = String::from(
        "// Made from the table of reasons by the server.\n\
         /** @type {Readonly<Record<string, {zh: string, en: string}>>} */\n\
         export const reasons = Object.freeze({\n",
    );
    for reason in Reason::ALL {
        let row = reason.row();
        let zh = serde_json::Value::from(row.display.zh);
        let en = serde_json::Value::from(row.display.en);
        // Writing to a String cannot fail.
        writeln!(text, "  {}: {{ zh: {zh}, en: {en} }},", row.code).unwrap_or_default();
    }
    text.push_str("});\n");
    Made { etag: format!("\"{}-{}\"", BUILD.name, text.len()), text }
});

/// What the embedded assets are, as one name: a page that lives for days asks for it after a
/// reconnect, and loads itself anew when the server brought other assets.
static BUILD: LazyLock<Build> = LazyLock::new(|| {
    let mut all = [0_u8; 16];
    for path in Assets::iter() {
        let digest = Assets::get(&path).map_or([0; 32], |found| found.metadata.sha256_hash());
        for (index, byte) in all.iter_mut().enumerate() {
            *byte = byte.rotate_left(1) ^ digest[index] ^ digest[index + 16];
        }
    }
    let etag = quoted(&all);
    let name = etag.trim_matches('"').to_owned();
    Build { text: format!("export const build = \"{name}\";\n"), name, etag }
});

struct Build {
    name: String,
    text: String,
    etag: String,
}
