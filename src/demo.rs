//! `--demo`: a virtual turnstile for every lane that has no device, kiosks, handhelds and printers
//! at work, a box office on the control plane, and visitors who walk through the park.
//!
//! Owns `DATA/demo-fleet.json`, the virtual devices' secrets, so that a restart uses them again.
//! The turnstiles are devices like any other: claimed, enrolled, and speaking MQTT over sockets.
//! Called by the composition root.

mod fleet;
mod office;
mod past;
mod staff;

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use shanmen_actors::{ControlPlane, security::Security};
use shanmen_devices::{
    clock::Clock,
    park::{self, Fleet, Pace, ParkPlan},
    tls::DeviceTls,
    turnstile::BrokerAddress,
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::{office::Office, staff::Staff};
use crate::{
    first_login::{self, Login},
    http::Passwords,
};

/// The demo's user, and the actor of what it does.
const USER: &str = "demo";

/// The demo may look at everything and work the gates, no more.
const ROLES: [&str; 2] = ["manager", "operator"];

/// How long the visitors may take to go home.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// A running demo.
pub struct Demo {
    stop: CancellationToken,
    day: JoinHandle<()>,
    staff: JoinSet<()>,
}

/// Starts fleet and visitors; gives the demo's login.
///
/// # Errors
/// When a file or an account cannot be written.
pub async fn start(
    plane: &ControlPlane,
    passwords: &Passwords,
    data: &Path,
    speed: f64,
) -> anyhow::Result<(Demo, Login)> {
    let login = Login { user: USER.to_owned(), password: first_login::password()? };
    first_login::put(plane, passwords, &login, &ROLES).await?;
    past::fill(plane).await.context("the demo's past was not written")?;
    let lanes = fleet::enrolled(plane, data).await.context("the demo's fleet did not enrol")?;
    let (host, port) = plane.broker_address();
    let stop = CancellationToken::new();
    let site = plane.park().site().id.clone();
    let clock = Clock::default();
    let broker = BrokerAddress { host, port };
    let tls = tls(plane.security())?;
    let turnstiles = Arc::new(Fleet::start(&site, &broker, tls.as_ref(), &lanes, &clock, &stop));
    let office = Arc::new(Office::of(plane.clone()));
    let plan = ParkPlan::new(lanes, office::on_sale(&plane.park()));
    let staff = Staff {
        plane: plane.clone(),
        fleet: Arc::clone(&turnstiles),
        office: Arc::clone(&office),
        products: plan.products.clone(),
        broker,
        tls,
        login: login.clone(),
        speed,
        stop: stop.clone(),
    };
    let staff = staff.work(data).await.context("the demo's other devices did not enrol")?;
    let first_day = plane.clock().now().0.unsigned_abs();
    tracing::info!(lanes = plan.lanes.len(), products = plan.products.len(), speed, "demo starts");
    let day =
        tokio::spawn(run(plan, turnstiles, office, Pace { speed, seed: first_day }, stop.clone()));
    Ok((Demo { stop, day, staff }, login))
}

/// How the virtual turnstiles speak TLS; none: in clear text.
fn tls(security: &Security) -> anyhow::Result<Option<DeviceTls>> {
    if security.scheme() == "mqtt" {
        return Ok(None);
    }
    let ca = security.ca.as_deref().context(
        "the virtual fleet of --demo has no authority to trust; name `ca` in [security]",
    )?;
    Ok(Some(DeviceTls::new(ca.as_bytes(), None)?))
}

/// The visitors come when the lanes are there.
async fn run(
    plan: ParkPlan,
    fleet: Arc<Fleet>,
    office: Arc<Office>,
    pace: Pace,
    stop: CancellationToken,
) {
    match stop.run_until_cancelled(fleet.ready()).await {
        Some(Ok(())) => park::run(plan, fleet, office, pace, stop).await,
        Some(Err(error)) => tracing::warn!(%error, "the demo's fleet stopped"),
        None => {}
    }
}

impl Demo {
    /// Sends the visitors home and stops the turnstiles.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if timeout(STOP_TIMEOUT, self.day).await.is_err() {
            tracing::warn!("some virtual visitors did not go home");
        }
        self.staff.shutdown().await;
    }
}
