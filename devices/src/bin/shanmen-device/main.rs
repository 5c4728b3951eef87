//! `shanmen-device`: one device of a gate, on its own machine.
//!
//! ```text
//! shanmen-device enrol --server https://gates.example --claim CODE --lane north-1 --out lane.toml
//! shanmen-device turnstile --config lane.toml
//! shanmen-device printer --config printer.toml
//! shanmen-device kiosk --config kiosk.toml
//! shanmen-device launch --firmware /opt/shanmen-device -- turnstile --config lane.toml
//! shanmen-device handheld --config handheld.toml
//! ```
//!
//! A kind of device is one file beside this one and one line in [`Command`]. It runs until SIGTERM
//! or Ctrl-C, which end what is under way in order. Logs go to the standard error stream, as much
//! of them as `RUST_LOG` says (`info` by default).

mod enrolment;
mod handheld;
mod kiosk;
mod launch;
mod printer;
mod turnstile;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing_subscriber::EnvFilter;

/// One device of a gate.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trades a one-time claim for the file that the other commands read.
    Enrol(enrolment::Arguments),
    /// Starts the program in force of a firmware folder, and takes a broken one back.
    Launch(launch::Arguments),
    /// A turnstile in its lane.
    Turnstile(WithConfig),
    /// A ticket printer.
    Printer(WithConfig),
    /// A kiosk that sells tickets; its screen is another program, at the standard streams.
    Kiosk(WithConfig),
    /// An operator's handheld; its front speaks on the standard streams.
    Handheld(WithConfig),
}

/// What every kind of device is started with.
#[derive(clap::Args)]
struct WithConfig {
    /// The file that the device is told by.
    #[arg(long)]
    config: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // The one that is compiled in; a second call changes nothing.
    rustls::crypto::ring::default_provider().install_default().ok();
    let arguments = Arguments::parse();
    // A device has one task of its own; one thread is enough for it, and for small machines.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(async {
        match arguments.command {
            Command::Enrol(claim) => enrolment::run(claim).await,
            Command::Launch(arguments) => launch::run(arguments, until_told()?).await,
            Command::Turnstile(with) => turnstile::run(&with.config, until_told()?).await,
            Command::Printer(with) => printer::run(&with.config, until_told()?).await,
            Command::Kiosk(with) => kiosk::run(&with.config, until_told()?).await,
            Command::Handheld(with) => handheld::run(&with.config, until_told()?).await,
        }
    })
}

/// Cancelled by SIGTERM or Ctrl-C.
fn until_told() -> anyhow::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("Ctrl-C cannot be heard")?;
    let told = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM"),
            _ = interrupt.recv() => info!("Ctrl-C"),
        }
        told.cancel();
    });
    Ok(shutdown)
}
