//! `shanmen-device turnstile`: a lane behind real or virtual hardware.
//!
//! Besides the keys of every device its file has:
//!
//! ```toml
//! lane = "north-1"
//! free_exit = false       # one may leave without showing anything
//!
//! [hardware]
//! driver = "virtual"      # lines of JSON on the standard streams
//! ```

use std::{io, path::Path};

use anyhow::Context as _;
use shanmen_devices::{
    clock::Clock,
    config::ConfigFile,
    firmware::Upkeep,
    hardware::Hardware,
    offline, pipe,
    storage::{SqliteStorage, Storage},
    turnstile::{TurnstileConfig, start_on},
};
use shanmen_protocols::ids::LaneId;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub(crate) async fn run(path: &Path, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut file = ConfigFile::open(path)?;
    let common = file.common();
    let lane = file.need::<LaneId>("lane", "\"north-1\"");
    let free_exit = file.get::<bool>("free_exit").unwrap_or(false);
    let hardware = hardware(&mut file);
    let upkeep = file.upkeep();
    file.finish()?;
    let (Some(common), Some(lane), Some(hardware)) = (common, lane, hardware) else {
        anyhow::bail!("{}: it cannot be read", path.display());
    };
    let mut agent = common.agent;
    agent.model = "shanmen-device turnstile".into();
    agent.lists = offline::LISTS;
    let storage = SqliteStorage::open(&common.data.join("device.db"))?;
    let hardware = hardware().context("the hardware cannot be started")?;
    let device = agent.device.clone();
    let config = TurnstileConfig { agent, lane, scan_at_least_once: false, free_exit };
    let machine: (Box<dyn Storage>, Upkeep) = (Box::new(storage), upkeep);
    let turnstile = start_on(config, hardware, machine, Clock::boot(common.clock), shutdown);
    info!(%device, "turnstile works");
    turnstile.stopped().await;
    info!(%device, "turnstile stopped");
    Ok(())
}

/// The hardware that the file names, to be started when the whole file is good.
fn hardware(file: &mut ConfigFile) -> Option<fn() -> io::Result<Hardware>> {
    let driver = file.need::<String>("hardware.driver", "\"virtual\"")?;
    if driver == "virtual" {
        return Some(pipe::on_standard_streams);
    }
    file.fault("hardware.driver", "unknown driver: use \"virtual\"");
    None
}
