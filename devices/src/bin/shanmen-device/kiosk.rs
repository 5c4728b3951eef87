//! `shanmen-device kiosk`: sells tickets; its screen is another program, at its standard streams.
//!
//! Besides the keys of every device, and `[printer]` as a printer has it, its file has:
//!
//! ```toml
//! [kiosk]
//! payments = "payments"       # the folder of payments: see `shanmen_devices::kiosk::payment`
//! ```
//!
//! The screen's lines are told in `shanmen_devices::kiosk::front`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use shanmen_devices::{
    clock::Clock,
    config::ConfigFile,
    firmware::Upkeep,
    kiosk::{
        front::{Front, stdio},
        payment::FilePayments,
        start,
    },
    storage::{SqliteStorage, Storage},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::printer;

/// Lines that wait on either side of the screen's pipe.
const LINES_MAX: usize = 256;

pub(crate) async fn run(path: &Path, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut file = ConfigFile::open(path)?;
    let (common, settings) = (file.common(), printer::settings(&mut file));
    let payments = file.need::<PathBuf>("kiosk.payments", "\"payments\"");
    let payments = payments.map(|folder| file.beside(&folder));
    let upkeep = file.upkeep();
    file.finish()?;
    let (Some(common), Some(settings), Some(payments)) = (common, settings, payments) else {
        anyhow::bail!("{}: it cannot be read", path.display());
    };
    let payment = FilePayments::open(&payments)
        .with_context(|| format!("kiosk.payments: {} cannot be made", payments.display()))?;
    let mut agent = common.agent;
    agent.model = "shanmen-device kiosk".into();
    let storage = SqliteStorage::open(&common.data.join("device.db"))?;
    let machine: (Box<dyn Storage>, Upkeep) = (Box::new(storage), upkeep);
    let device = agent.device.clone();
    let (front, screen) = Front::pair(LINES_MAX);
    stdio(screen);
    let clock = Clock::boot(common.clock);
    let kiosk = start(agent, &settings, front, Arc::new(payment), machine, clock, shutdown);
    info!(%device, "kiosk works");
    kiosk.stopped().await;
    info!(%device, "kiosk stopped");
    Ok(())
}
