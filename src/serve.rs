//! The composition root: puts the parts together, starts them, and stops them in order.
//!
//! Owns the order and nothing else. Start: folder, keys, control plane, feed, HTTP, first admin,
//! demo, addresses. Stop: demo, HTTP and viewers, control plane (no new scans, open grants kept,
//! ledger flushed). Every wait has an end. Called by the command line, and by tests in process.

use std::{future::Future, io::Write, net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};
use metrics_exporter_prometheus::PrometheusHandle;
use shanmen_actors::{
    ControlPlane,
    api::Settings,
    clock::{Clock, system_now},
    security::Profile,
};
use shanmen_dashboards::Hub;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    demo::{self, Demo},
    first_login,
    folder::{self, Folder},
    http::{self, Passwords},
    keys_file, logging, tls_files,
};

/// How long the start waits for every part to be ready before it goes on without.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the control plane may take to settle and flush.
const PLANE_STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// How long HTTP callers and viewers may take to end.
const HTTP_STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// How often the recorder drops what is over.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration.
    pub config: Config,
    /// How fast the virtual visitors' day goes, with a virtual fleet; none: neither.
    pub demo_speed: Option<f64>,
}

/// A running program.
pub struct Running {
    /// Where the pages and the API are.
    pub http: SocketAddr,
    /// How the pages' address begins: `https` or `http`.
    pub scheme: &'static str,
    /// Where devices connect.
    pub mqtt: (String, u16),
    folder: Folder,
    plane: ControlPlane,
    hub: Hub,
    demo: Option<Demo>,
    stop: CancellationToken,
    server: JoinHandle<()>,
    upkeep: JoinHandle<()>,
}

/// Starts, runs until `shutdown`, and stops in order. What people have to be told goes to `out`.
///
/// # Errors
/// When a part cannot start, ends by itself, or does not stop in time.
pub async fn run(
    options: Options,
    out: &mut (dyn Write + Send),
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut running = start(options, out).await?;
    let ended = tokio::select! {
        () = shutdown => false,
        _ = &mut running.server => true,
    };
    running.stop().await?;
    if ended {
        bail!("the HTTP listener ended by itself");
    }
    Ok(())
}

/// Starts everything, and gives it back once visitors can be taken.
///
/// # Errors
/// When a part cannot start.
pub async fn start(options: Options, out: &mut (dyn Write + Send)) -> anyhow::Result<Running> {
    let config = options.config;
    let data = config.server.data.clone();
    let folder = Folder::open(&data)?;
    let keys = keys_file::load_or_make(&data)?;
    let security = tls_files::security(&config)?;
    let https = tls_files::http(&config)?;
    if options.demo_speed.is_some() && security.profile == Profile::Mtls {
        bail!(
            "the virtual fleet of --demo has no certificates; leave --demo out, or set the \
             profile in [security] to \"lab\" or \"tls\""
        );
    }
    let metrics = logging::recorder()?;
    tls_files::tell_ends(&config, system_now())?;
    // Bound before the ledger is loaded: a taken port is told at once.
    let listener = TcpListener::bind(config.server.http).await.with_context(|| {
        format!(
            "cannot listen on {}; is another program there? --http names another address",
            config.server.http
        )
    })?;
    let http = listener.local_addr()?;
    let ledger = config.ledger.path.clone().unwrap_or_else(|| data.clone());
    folder::make_private_dir(&ledger)
        .with_context(|| format!("cannot make the ledger's folder {}", ledger.display()))?;
    let settings = Settings {
        park: config.park.clone(),
        data: ledger,
        devices: config.devices.clone(),
        durability: config.ledger.durability,
        broker: config.broker.clone(),
        keys,
        clock: Clock::system(),
        shards: 0,
        heartbeat_s: config.heartbeat_s,
        security,
    };
    let plane = ControlPlane::start(settings).await.context("the control plane did not start")?;
    let stop = CancellationToken::new();
    let hub = feed(&plane, &config, &stop).await;
    let passwords = Passwords::default();
    let router = http::router(http::Parts {
        plane: plane.clone(),
        hub: hub.clone(),
        park: &config.park,
        metrics: metrics.clone(),
        data: data.clone(),
        advertise: config.advertise.clone(),
        https: https.is_some(),
        open: config.watching_is_open(),
        passwords: passwords.clone(),
    })?;
    let limits = http::listen::Limits {
        request_timeout: Duration::from_secs(config.server.request_timeout_s.into()),
        connections_max: config.server.connections_max,
    };
    let first = first_login::make(&plane, &passwords, &data).await?;
    let scheme = if https.is_some() { "https" } else { "http" };
    let server = tokio::spawn(http::listen::serve(listener, https, router, limits, stop.clone()));
    let upkeep = tokio::spawn(keep_up(metrics));
    let mqtt = plane.broker_address();
    let mut running =
        Running { http, scheme, mqtt, folder, plane, hub, demo: None, stop, server, upkeep };
    if let Some(login) = first {
        writeln!(out, "First login: {} / {}  (told once)", login.user, login.password)?;
        writeln!(
            out,
            "  change it with POST /api/v1/password; it also stands in {}/first-login.json",
            data.display()
        )?;
    }
    running.ready().await;
    if let Some(speed) = options.demo_speed {
        let (demo, login) = demo::start(&running.plane, &passwords, &data, speed).await?;
        running.demo = Some(demo);
        writeln!(out, "Demo login: {} / {}", login.user, login.password)?;
    }
    running.announce(out)?;
    Ok(running)
}

/// The hub on the control plane's feed.
async fn feed(plane: &ControlPlane, config: &Config, stop: &CancellationToken) -> Hub {
    let (snapshot, deltas) = plane.feed().await;
    let source = plane.clone();
    let resync = move || -> futures_util::future::BoxFuture<'static, _> {
        let source = source.clone();
        Box::pin(async move { source.feed_snapshot().await })
    };
    let limits = shanmen_dashboards::Limits {
        viewers_max: config.dashboards.viewers_max,
        viewers_per_address_max: config.dashboards.viewers_per_address_max,
        ..shanmen_dashboards::Limits::default()
    };
    shanmen_dashboards::start(snapshot, deltas, resync, system_now, stop, limits)
}

/// The recorder keeps every sample of a histogram until this is called.
async fn keep_up(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

impl Running {
    /// Waits until visitors can be taken; an outside broker that is away does not hold the start
    /// for ever, `/readyz` tells of it.
    async fn ready(&self) {
        let ready = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while !self.plane.readiness().is_ready() {
                ticks.tick().await;
            }
        };
        if timeout(READY_TIMEOUT, ready).await.is_err() {
            let parts = self.plane.readiness();
            tracing::warn!(
                ledger = parts.ledger,
                broker = parts.broker,
                hot_state = parts.hot_state,
                "started, but not ready yet"
            );
        }
    }

    fn announce(&self, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        let (http, mqtt) = (self.http.to_string(), host_port(&self.mqtt));
        self.folder.write_addresses(&http, &mqtt)?;
        tracing::info!(%http, %mqtt, data = %self.folder.path().display(), "shanmen is open");
        writeln!(out, "Wall: {}://{http}/wall", self.scheme)?;
        out.flush()?;
        Ok(())
    }

    /// The control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// Stops in order, within a bounded time.
    ///
    /// # Errors
    /// When a part did not stop in time.
    pub async fn stop(self) -> anyhow::Result<()> {
        tracing::info!("stopping");
        self.folder.remove(folder::ADDRESSES)?;
        if let Some(demo) = self.demo {
            demo.stop().await;
        }
        self.stop.cancel();
        let ended = async {
            self.hub.closed().await;
            if !self.server.is_finished()
                && let Err(error) = self.server.await
            {
                tracing::error!(%error, "the HTTP listener failed");
            }
        };
        if timeout(HTTP_STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!("some HTTP callers were cut off");
        }
        self.upkeep.abort();
        if timeout(PLANE_STOP_TIMEOUT, self.plane.stop()).await.is_err() {
            bail!("the control plane did not stop within {} s", PLANE_STOP_TIMEOUT.as_secs());
        }
        tracing::info!("stopped");
        Ok(())
    }
}

fn host_port((host, port): &(String, u16)) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
