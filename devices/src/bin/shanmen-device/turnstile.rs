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
//!
//! In place of the virtual one, real hardware has a section for each of its parts, as the drivers
//! describe it: `[hardware.scanner]`, `[hardware.barrier]`, `[hardware.sensor]` …

use std::{io, path::Path};

use anyhow::Context as _;
use shanmen_devices::{
    clock::Clock,
    config::ConfigFile,
    drivers::{self, FaultBoard, Parts, Watching},
    firmware::Upkeep,
    hardware::Hardware,
    offline, pipe,
    storage::{SqliteStorage, Storage},
    turnstile::{TurnstileConfig, start_on},
};
use shanmen_protocols::ids::LaneId;
use tokio_util::sync::CancellationToken;
use toml::Value;
use tracing::info;

pub(crate) async fn run(path: &Path, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut file = ConfigFile::open(path)?;
    let common = file.common();
    let lane = file.need::<LaneId>("lane", "\"north-1\"");
    let free_exit = file.get::<bool>("free_exit").unwrap_or(false);
    let clock = Clock::boot(common.as_ref().map(|common| common.clock).unwrap_or_default());
    let board = FaultBoard::new();
    let hardware = hardware(&mut file, &board, &clock);
    let upkeep = file.upkeep();
    file.finish()?;
    let (Some(common), Some(lane), Some(hardware)) = (common, lane, hardware) else {
        anyhow::bail!("{}: it cannot be read", path.display());
    };
    let mut agent = common.agent;
    agent.model = "shanmen-device turnstile".into();
    agent.lists = offline::LISTS;
    let storage = SqliteStorage::open(&common.data.join("device.db"))?;
    let mut hardware = hardware.start().context("the hardware cannot be started")?;
    hardware.sensor = Box::new(Watching::new(hardware.sensor, &board));
    let device = agent.device.clone();
    let config = TurnstileConfig { agent, lane, scan_at_least_once: false, free_exit };
    let machine: (Box<dyn Storage>, Upkeep) = (Box::new(storage), upkeep);
    let turnstile = start_on(config, hardware, machine, clock, shutdown);
    info!(%device, "turnstile works");
    turnstile.stopped().await;
    info!(%device, "turnstile stopped");
    Ok(())
}

/// The hardware that the file names. What is virtual is started when the whole file is good.
fn hardware(file: &mut ConfigFile, board: &FaultBoard, clock: &Clock) -> Option<Drivers> {
    let sections = file.section("hardware");
    if sections.get("driver").and_then(Value::as_str) == Some("virtual") {
        for key in sections.keys().filter(|key| *key != "driver") {
            file.fault(
                &format!("hardware.{key}"),
                "not with driver = \"virtual\": remove one of both",
            );
        }
        return Some(Drivers::Virtual);
    }
    let parts = drivers::from_config(&sections, board, clock).and_then(Parts::of_turnstile);
    parts.map(Drivers::Real).map_err(|error| file.fault(&error.at, &error.why)).ok()
}

enum Drivers {
    Virtual,
    Real(Hardware),
}

impl Drivers {
    fn start(self) -> io::Result<Hardware> {
        match self {
            Self::Virtual => pipe::on_standard_streams(),
            Self::Real(hardware) => Ok(hardware),
        }
    }
}
