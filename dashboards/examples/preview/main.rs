//! A preview for work on the pages: serves them with a made-up park that moves.
//!
//! `cargo run -p shanmen-dashboards --example preview -- [ADDR] [SCENE] [TIMEZONE]`, where the
//! scene is `normal`, `full`, `empty`, `large`, `emergency` or `first` (the first day: no history). No rule, ledger or device is behind it; it is no
//! part of the program. The address is printed once it is served (a port of 0 is allowed).

mod park;
mod setup;

use std::{
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use shanmen_dashboards::{Guard, Limits, Pass, router, start};
use shanmen_protocols::time::UnixMs;
use tokio::{net::TcpListener, sync::broadcast, time::interval};
use tokio_util::sync::CancellationToken;

use park::Park;
use setup::Scene;

#[expect(clippy::disallowed_methods, reason = "a program's one place that reads the clock")]
fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMs(since.map_or(0, |past| i64::try_from(past.as_millis()).unwrap_or(i64::MAX)))
}

/// Lets everybody watch: there is nothing here but what is made up.
struct Anyone;

impl Guard for Anyone {
    fn admit(&self, _: &HeaderMap) -> Result<Pass, Response> {
        Ok(Box::new(|| true))
    }

    fn enter(&self, _: &str, page: &str) -> Response {
        Redirect::to(page).into_response()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let addr = args.next().unwrap_or_else(|| "127.0.0.1:8090".into());
    let scene = Scene::named(args.next().as_deref().unwrap_or("normal"))?;
    let timezone = args.next().unwrap_or_else(|| "Asia/Shanghai".into());

    let park = Arc::new(Mutex::new(Park::new(scene, &timezone, now())?));
    let (deltas, receiver) = broadcast::channel(64);
    let shutdown = CancellationToken::new();
    let state = {
        let park = park.clone();
        move || park.lock().unwrap_or_else(PoisonError::into_inner).snapshot()
    };
    let initial = state();
    let resync = move || -> futures_util::future::BoxFuture<'static, _> {
        let state = state.clone();
        Box::pin(async move { state() })
    };
    let hub = start(initial, receiver, resync, now, &shutdown, Limits::default());

    tokio::spawn(async move {
        let mut tick = interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            let changed = park.lock().unwrap_or_else(PoisonError::into_inner).step(now());
            if let Some(delta) = changed
                && deltas.send(Arc::new(delta)).is_err()
            {
                break;
            }
        }
    });

    let frame = {
        let hub = hub.clone();
        async move || ([(header::CONTENT_TYPE, "application/json")], hub.snapshot_frame())
    };
    let app: Router =
        router(hub.clone(), Arc::new(Anyone)).route("/api/v1/feed/snapshot", get(frame));
    let listener = TcpListener::bind(&addr).await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                shutdown.cancel();
            }
        })
        .await?;
    hub.closed().await;
    Ok(())
}
