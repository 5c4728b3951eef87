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

use std::path::Path;

use anyhow::Context as _;
use shanmen_devices::{
    clock::Clock,
    config::ConfigFile,
    hardware::Hardware,
    offline, pipe,
    storage::SqliteStorage,
    turnstile::{TurnstileConfig, start_with},
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
    file.finish()?;
    let (Some(common), Some(lane), Some(hardware)) = (common, lane, hardware) else {
        anyhow::bail!("{}: it cannot be read", path.display());
    };
    let mut agent = common.agent;
    agent.model = "shanmen-device turnstile".into();
    agent.lists = offline::LISTS;
    let storage = SqliteStorage::open(&common.data.join("device.db"))?;
    let hardware = hardware.start()?;
    let device = agent.device.clone();
    let config = TurnstileConfig { agent, lane, scan_at_least_once: false, free_exit };
    let turnstile =
        start_with(config, hardware, Box::new(storage), Clock::boot(common.clock), shutdown);
    info!(%device, "turnstile works");
    turnstile.stopped().await;
    info!(%device, "turnstile stopped");
    Ok(())
}

/// The hardware that the file names, not started yet.
enum Drivers {
    Virtual,
}

fn hardware(file: &mut ConfigFile) -> Option<Drivers> {
    match file.need::<String>("hardware.driver", "\"virtual\"")?.as_str() {
        "virtual" => Some(Drivers::Virtual),
        _ => {
            file.fault("hardware.driver", "unknown driver: use \"virtual\"");
            None
        }
    }
}

impl Drivers {
    fn start(self) -> anyhow::Result<Hardware> {
        match self {
            Self::Virtual => pipe::on_standard_streams().context("no thread for the pipe"),
        }
    }
}
