//! `shanmen-device launch`: starts the program in force of a firmware folder, again and again.
//!
//! It is what the system starts, from a place that no firmware order touches: a new program that dies
//! at once is taken back after its third start, without its help. It refuses nothing and knows
//! nothing of devices. SIGTERM and Ctrl-C reach its child as they reach itself (a service manager
//! signals the whole group); it waits for the child to end in order.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use shanmen_devices::firmware::FileSlot;
use tokio::{process::Command, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The pause before another start.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the child may take to end in order.
const END: Duration = Duration::from_secs(30);

/// The arguments of `launch`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder of the firmware, with `current` in it.
    #[arg(long)]
    firmware: PathBuf,
    /// What its program is started with: `turnstile --config lane.toml`.
    #[arg(last = true, required = true)]
    with: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut slot = FileSlot::new(arguments.firmware).context("the folder of the firmware")?;
    while !shutdown.is_cancelled() {
        let program = slot.starting().context("the folder of the firmware")?;
        match Command::new(&program).args(&arguments.with).kill_on_drop(true).spawn() {
            Ok(mut child) => tokio::select! {
                ended = child.wait() => info!(?ended, "the program ended"),
                () = shutdown.cancelled() => {
                    if timeout(END, child.wait()).await.is_err() {
                        warn!("the program does not end in order and is killed");
                        child.kill().await.context("the program cannot be killed")?;
                    }
                }
            },
            Err(error) => warn!(program = %program.display(), %error, "not started"),
        }
        // It is either over, or starts again in a moment.
        timeout(PAUSE, shutdown.cancelled()).await.ok();
    }
    Ok(())
}
