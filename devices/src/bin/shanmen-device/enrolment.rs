//! `shanmen-device enrol`: its arguments.

use std::path::PathBuf;

use shanmen_devices::enrol::{Claim, enrol};
use shanmen_protocols::ids::LaneId;

/// The arguments of `enrol`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The control plane, `https://…`.
    #[arg(long)]
    server: String,
    /// The one-time code, as an operator made it.
    #[arg(long, env = "SHANMEN_CLAIM", hide_env_values = true)]
    claim: String,
    /// The file to write; what belongs to it is written beside it.
    #[arg(long)]
    out: PathBuf,
    /// The lane that a turnstile stands in.
    #[arg(long)]
    lane: Option<LaneId>,
    /// The authority to trust over HTTPS (PEM), where it is not a public one.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// The machine's serial number.
    #[arg(long, default_value = "")]
    serial: String,
    /// The machine's model.
    #[arg(long, default_value = "shanmen-device")]
    model: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { server, claim, out, lane, ca, serial, model } = arguments;
    let device =
        enrol(&Claim { server, ca, serial, model, lane, out: out.clone() }, &claim).await?;
    tracing::info!(%device, file = %out.display(), "enrolled");
    Ok(())
}
