//! The HTTP API: routes, and what they share. JSON in and out, errors as problem details, the
//! API's document made from the handlers themselves.
//!
//! Owns the edge: it reads a request, asks the control plane, writes the answer. It decides
//! nothing and keeps nothing but failed logins. Called by the composition root, which hands it a
//! started control plane and hub.

mod admissions;
mod alarms;
mod asked;
mod attempts;
mod audit;
mod blocked;
mod body;
mod capacity;
mod commands;
mod devices;
mod duty;
mod enrol;
mod flow;
mod health;
mod import;
pub mod listen;
mod lists;
mod login;
mod lookup;
mod openapi;
mod operations;
mod orders;
mod passwords;
mod problem;
mod products;
mod qr;
mod roles;
mod site;
mod standing;
mod swipes;
mod tickets;
mod times;
mod tokens;
mod users;
mod view_links;
mod views;
mod watching;

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use shanmen_actors::ControlPlane;
use shanmen_dashboards::Hub;
use shanmen_rules::ParkDefinition;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{attempts::Attempts, times::Times};
pub use self::{passwords::Passwords, problem::Problem, roles::ROLES};

/// Wrong passwords in a minute, by user and address.
const LOGINS_MAX: u32 = 20;
/// Wrong claims in a minute, by address.
const ENROLMENTS_MAX: u32 = 20;
/// The window of both.
const WINDOW_MS: i64 = 60_000;

/// What the handlers share.
pub struct Shared {
    plane: ControlPlane,
    hub: Hub,
    times: Times,
    passwords: Passwords,
    logins: Attempts,
    enrolments: Attempts,
    metrics: PrometheusHandle,
    data: PathBuf,
    advertise: Option<String>,
    https: bool,
    open: bool,
    texts: site::Texts,
}

/// The handlers' state.
type App = Arc<Shared>;

/// What the API is built from.
pub struct Parts<'p> {
    /// The started control plane.
    pub plane: ControlPlane,
    /// The feed's hub.
    pub hub: Hub,
    /// The definition of the park in force.
    pub park: &'p ParkDefinition,
    /// The recorder.
    pub metrics: PrometheusHandle,
    /// The data folder.
    pub data: PathBuf,
    /// What enrolled devices are told to connect to.
    pub advertise: Option<String>,
    /// Whether the pages are served over TLS.
    pub https: bool,
    /// Whether anyone who reaches the port may watch the feed.
    pub open: bool,
    /// The one bound on hashing.
    pub passwords: Passwords,
}

/// All routes: the API, the pages and the feed.
///
/// # Errors
/// When the park's texts cannot be written as JSON.
pub fn router(parts: Parts<'_>) -> anyhow::Result<Router> {
    let texts = site::Texts::of(parts.park, parts.plane.keys())?;
    let app = Arc::new(Shared {
        times: Times::of(&parts.park.site.timezone),
        plane: parts.plane,
        hub: parts.hub.clone(),
        passwords: parts.passwords,
        logins: Attempts::new(LOGINS_MAX, WINDOW_MS),
        enrolments: Attempts::new(ENROLMENTS_MAX, WINDOW_MS),
        metrics: parts.metrics,
        data: parts.data,
        advertise: parts.advertise,
        https: parts.https,
        open: parts.open,
        texts,
    });
    app.plane.set_logins(Arc::new(login::AtDevices(Arc::downgrade(&app))));
    let (api, mut document) = routes().split_for_parts();
    openapi::finish(&mut document);
    let document = Bytes::from(serde_json::to_vec(&document)?);
    let api = api
        .route("/api/openapi.json", axum::routing::get(async || json_bytes(document)))
        .with_state(Arc::clone(&app));
    let guard = Arc::new(watching::Watching(app));
    Ok(api
        .merge(shanmen_dashboards::router(parts.hub, guard))
        .fallback(async || {
            Problem::new(StatusCode::NOT_FOUND, "no-such-path", "there is nothing at this path")
        })
        .method_not_allowed_fallback(async || {
            let detail = "this path does not take this method; see the Allow header";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
        }))
}

/// The API's own routes, with their documentation.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(site::site))
        .routes(routes!(products::list))
        .routes(routes!(products::show, products::put))
        .routes(routes!(products::versions))
        .routes(routes!(site::keys))
        .routes(routes!(login::login))
        .routes(routes!(login::logout))
        .routes(routes!(login::change_password))
        .routes(routes!(users::list))
        .routes(routes!(users::put))
        .routes(routes!(users::token))
        .routes(routes!(view_links::list, view_links::make))
        .routes(routes!(view_links::revoke))
        .routes(routes!(tickets::issue))
        .routes(routes!(import::import))
        .routes(routes!(lookup::look_up))
        .routes(routes!(tickets::show))
        .routes(routes!(tickets::void))
        .routes(routes!(tickets::freeze))
        .routes(routes!(tickets::unfreeze))
        .routes(routes!(tickets::reissue))
        .routes(routes!(qr::svg))
        .routes(routes!(qr::png))
        .routes(routes!(admissions::admit))
        .routes(routes!(admissions::passage))
        .routes(routes!(devices::list))
        .routes(routes!(devices::show))
        .routes(routes!(devices::approve))
        .routes(routes!(devices::claim))
        .routes(routes!(standing::secret))
        .routes(routes!(standing::revoke))
        .routes(routes!(commands::send, commands::list))
        .routes(routes!(duty::commands))
        .routes(routes!(duty::events))
        .routes(routes!(duty::me))
        .routes(routes!(duty::acts))
        .routes(routes!(commands::config, commands::set_config))
        .routes(routes!(commands::emergency, commands::set_emergency))
        .routes(routes!(enrol::enrol))
        .routes(routes!(orders::quote))
        .routes(routes!(orders::begin))
        .routes(routes!(orders::redeem))
        .routes(routes!(orders::show))
        .routes(routes!(orders::pay))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::collected))
        .routes(routes!(lists::fetch))
        .routes(routes!(operations::grants))
        .routes(routes!(operations::release))
        .routes(routes!(operations::snapshot))
        .routes(routes!(alarms::list))
        .routes(routes!(alarms::acknowledge))
        .routes(routes!(alarms::conflicts))
        .routes(routes!(capacity::list))
        .routes(routes!(capacity::set))
        .routes(routes!(blocked::list, blocked::block))
        .routes(routes!(blocked::unblock))
        .routes(routes!(swipes::list))
        .routes(routes!(audit::list))
        .routes(routes!(flow::series::list))
        .routes(routes!(flow::day::show))
        .routes(routes!(flow::week::week))
        .routes(routes!(flow::week::heatmap))
        .routes(routes!(flow::week::forecast))
        .routes(routes!(flow::export::file))
}

/// JSON that is there already.
fn json_bytes(bytes: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

/// A JSON answer, without the detour over a generic body.
fn json<T: Serialize>(value: &T) -> Result<Response, Problem> {
    serde_json::to_vec(value).map(|text| json_bytes(text.into())).map_err(Problem::internal)
}
