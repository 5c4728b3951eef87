//! `shanmen-device printer`: a ticket printer.
//!
//! Besides the keys of every device its file has:
//!
//! ```toml
//! [printer]
//! poll_ms = 5000              # how often its status is asked
//! stock = 500                 # tickets of a full stock; without it nothing is said of what is left
//!
//! [printer.place]
//! sink = "tcp"                # tcp with address, serial with path and baud, file with path
//! address = "10.0.0.9:9100"
//!
//! [printer.manner]            # all may be left out
//! language = "escpos"         # or tspl, zpl
//! form = "picture"            # or text: ESC/POS with a Chinese font of the printer's own
//! ending = "cut"              # or mark, mark_and_cut, tear: ESC/POS
//! head_dots = 576             # 72 mm at 203 dpi
//! step_ms = 3000              # how long an opening, a write or a status may take
//! paper_ms = 20000            # how long the paper may take after the last byte
//!
//! [printer.words]             # on every ticket, unless a job brings its own
//! site = "黄山风景区"
//! site_en = "Huangshan Scenic Area"
//! seller = "南门售票处"
//! note = "请妥善保管"
//! ```

use std::path::Path;

use shanmen_devices::{
    clock::Clock,
    config::ConfigFile,
    firmware::Upkeep,
    print::sink::Place,
    printer::{PrinterSettings, start},
    storage::{SqliteStorage, Storage},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// The printer that the file tells of; `None` with a fault.
pub(crate) fn settings(file: &mut ConfigFile) -> Option<PrinterSettings> {
    let mut settings =
        file.need::<PrinterSettings>("printer", "{ place = { sink = \"tcp\", address = \"…\" } }")?;
    if let Err(why) = settings.check() {
        file.fault("printer", why);
        return None;
    }
    if let Place::File { path } = &mut settings.place {
        *path = file.beside(path);
    }
    Some(settings)
}

pub(crate) async fn run(path: &Path, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut file = ConfigFile::open(path)?;
    let (common, settings) = (file.common(), settings(&mut file));
    let upkeep = file.upkeep();
    file.finish()?;
    let (Some(common), Some(settings)) = (common, settings) else {
        anyhow::bail!("{}: it cannot be read", path.display());
    };
    let mut agent = common.agent;
    agent.model = "shanmen-device printer".into();
    let storage = SqliteStorage::open(&common.data.join("device.db"))?;
    let device = agent.device.clone();
    let machine: (Box<dyn Storage>, Upkeep) = (Box::new(storage), upkeep);
    let printer = start(agent, settings, machine, Clock::boot(common.clock), shutdown);
    info!(%device, "printer works");
    printer.stopped().await;
    info!(%device, "printer stopped");
    Ok(())
}
