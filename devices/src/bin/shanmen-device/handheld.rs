//! `shanmen-device handheld`: an operator's handheld, whose front speaks in lines of JSON.
//!
//! Besides the keys of every device its file has:
//!
//! ```toml
//! [handheld]
//! lane = "north-h"        # where it checks until it is sent elsewhere
//! confirm_s = 60          # how long a grant waits for the operator to say who passed
//!
//! [handheld.lanes]        # where it checks at each gate that it may be sent to
//! south = "south-h"
//!
//! [hardware.scanner]      # optional: what reads codes besides the front
//! driver = "camera"       # or serial-qr, usb-hid, pictures
//! device = "/dev/video0"
//! ```
//!
//! The lines on the standard streams are described in [`shanmen_devices::handheld`].

use std::path::Path;

use anyhow::Context as _;
use shanmen_devices::{
    clock::Clock,
    config::ConfigFile,
    drivers::{ConfigError, FaultBoard, Section, from_config},
    firmware::Upkeep,
    handheld::{Front, Gear, HandheldConfig, start},
    storage::{SqliteStorage, Storage},
};
use tokio_util::sync::CancellationToken;
use toml::Value;
use tracing::info;

pub(crate) async fn run(path: &Path, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut file = ConfigFile::open(path)?;
    let common = file.common();
    let section = Value::Table(file.section("handheld"));
    let hardware = file.section("hardware");
    let clock = Clock::boot(common.as_ref().map(|common| common.clock).unwrap_or_default());
    let board = FaultBoard::new();
    let parts = noted(&mut file, from_config(&hardware, &board, &clock));
    let config = common.and_then(|common| {
        let section = Section::new("handheld".into(), &section);
        let config = section.and_then(|section| HandheldConfig::read(common.agent, section));
        Some((noted(&mut file, config)?, common.data))
    });
    let upkeep = file.upkeep();
    file.finish()?;
    let (Some((config, data)), Some(parts)) = (config, parts) else {
        anyhow::bail!("{}: it cannot be read", path.display());
    };
    let storage = SqliteStorage::open(&data.join("device.db"))?;
    let device = config.agent.device.clone();
    let gear = parts.scanner.map(|scanner| Gear { scanner, board });
    let front = Front::stdio().context("no thread for the front")?;
    let machine: (Box<dyn Storage>, Upkeep) = (Box::new(storage), upkeep);
    let handheld = start(config, front, gear, machine, clock, shutdown);
    info!(%device, "handheld works");
    handheld.stopped().await;
    info!(%device, "handheld stopped");
    Ok(())
}

/// What was read, or its fault among the others of the file.
fn noted<T>(file: &mut ConfigFile, read: Result<T, ConfigError>) -> Option<T> {
    read.map_err(|error| file.fault(&error.at, &error.why)).ok()
}
