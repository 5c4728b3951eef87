//! The command line: reads it, runs one command, and tells faults so that they can be mended.
//!
//! Exit status: 0 done, 1 a check failed or the program broke off, 2 a faulty configuration or
//! command line. Called by `main` alone.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use shanmen_actors::clock::system_now;

use crate::{
    broker_acl, check,
    config::{self, Config, Faults, Override},
    keys_tls, logging,
    serve::{self, Options},
    tls_files,
};

/// Visitors' time over real time, unless told otherwise: their day of 13 hours in 13 minutes.
const DEMO_SPEED: f64 = 60.0;

/// What `--help` begins with.
const ABOUT: &str = "山门 Shanmen: the gate control plane for scenic areas.

Without a command it serves the sample park: pages on http://127.0.0.1:8080, devices on
mqtt://127.0.0.1:1883, data in ./shanmen-data. Add `serve --demo` to see visitors.";

#[derive(Debug, Parser)]
#[command(name = "shanmen", version, about = ABOUT)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane.
    Serve(Serve),
    /// Play scenario files through the admission rules; exit 1 where a step is not as expected.
    Check {
        /// Scenario files (TOML).
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Play them on the park of this configuration; they are tickets and steps only then.
        #[arg(long, value_name = "FILE")]
        park: Option<PathBuf>,
        /// One JSON object a step, for machines.
        #[arg(long)]
        json: bool,
    },
    /// Work on a configuration file.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Work on devices.
    Device {
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// Make keys.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
}

#[derive(Debug, Default, Args)]
struct Serve {
    /// The configuration file; without one, the sample park.
    #[arg(long, value_name = "FILE", env = "SHANMEN_CONFIG")]
    config: Option<PathBuf>,
    /// The data folder [default: ./shanmen-data].
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where pages and API listen; port 0 takes a free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Where the embedded broker listens; port 0 takes a free one [default: 127.0.0.1:1883].
    #[arg(long, value_name = "ADDR", conflicts_with = "broker")]
    mqtt: Option<String>,
    /// An outside broker instead, as `mqtt://user:password@host:1883`.
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Add a virtual fleet, and visitors who walk through it.
    #[arg(long)]
    demo: bool,
    /// Visitors' time over real time, 0.1 to 3600 [default: 60].
    #[arg(long, value_name = "N", requires = "demo", value_parser = speed)]
    demo_speed: Option<f64>,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check a configuration file; tells all faults at once, with line and column.
    Check {
        /// The file (TOML).
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
    /// Write an outside broker's access list: each device its own topics, and no other.
    Acl {
        /// Whose list.
        #[arg(long)]
        broker: broker_acl::Kind,
        /// The configuration file; without one, the sample park.
        #[arg(long, value_name = "FILE", env = "SHANMEN_CONFIG")]
        config: Option<PathBuf>,
        /// The program's own login at that broker [default: the one in the broker's url, or
        /// shanmen].
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make an authority of the site's own and a server certificate signed by it, and tell what
    /// to put into the configuration. An authority that is there already is used again.
    Tls {
        /// The folder for ca.pem, ca.key, server.pem and server.key.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// A name or address under which devices and browsers reach the program; repeat it for
        /// several. The machine's own loopback is always in.
        #[arg(long, value_name = "NAME", required = true)]
        host: Vec<String>,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    match run(Cli::parse(), &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _told = writeln!(io::stderr(), "shanmen: {error:#}");
            let faulty = error.downcast_ref::<Faults>().is_some();
            if faulty { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn run(cli: Cli, out: &mut impl Write) -> anyhow::Result<bool> {
    match cli.command {
        None => serve(&Serve::default()),
        Some(Command::Serve(args)) => serve(&args),
        Some(Command::Check { files, park, json }) => {
            let config = park.as_deref().map(|file| config::load(Some(file), &[])).transpose()?;
            check::run(&files, config.as_ref().map(|config| &config.park), json, out)
        }
        Some(Command::Config { command: ConfigCommand::Check { file } }) => {
            let config = config::load(Some(&file), &config::environment(environment()))?;
            tls_files::security(&config)?;
            tls_files::http(&config)?;
            writeln!(out, "{}: {}", file.display(), summary(&config))?;
            Ok(true)
        }
        Some(Command::Device { command: DeviceCommand::Acl { broker, config, user } }) => {
            let config = config::load(config.as_deref(), &config::environment(environment()))?;
            out.write_all(broker_acl::write(broker, &config, user.as_deref())?.as_bytes())?;
            Ok(true)
        }
        Some(Command::Keys { command: KeysCommand::Tls { out: dir, host } }) => {
            keys_tls::make(&dir, &host, system_now(), out)?;
            Ok(true)
        }
    }
}

fn serve(args: &Serve) -> anyhow::Result<bool> {
    let mut overrides = config::environment(environment());
    overrides.extend(flags(args));
    let config = config::load(args.config.as_deref(), &overrides)?;
    logging::start(config.server.log, config.server.log_filter.as_deref())?;
    tracing::info!(park = summary(&config), "starting");
    let demo_speed = args.demo.then(|| args.demo_speed.unwrap_or(DEMO_SPEED));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let signal = signal()?;
        serve::run(Options { config, demo_speed }, &mut io::stdout(), signal).await
    })?;
    // A hashing thread that hangs must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    Ok(true)
}

/// The flags as overrides: they go before the environment, and their faults name them.
fn flags(args: &Serve) -> impl Iterator<Item = Override> {
    [
        ("--data", "server", "data", &args.data),
        ("--http", "server", "http", &args.http),
        ("--mqtt", "broker", "listen", &args.mqtt),
        ("--broker", "broker", "url", &args.broker),
    ]
    .into_iter()
    .filter_map(|(name, section, key, value)| {
        Some(Override {
            name: name.to_owned(),
            section: section.to_owned(),
            key: key.to_owned(),
            value: value.clone()?,
        })
    })
}

/// The environment as far as it is text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn summary(config: &Config) -> String {
    let park = &config.park;
    format!(
        "site {} with {} areas, {} gates, {} lanes, {} products",
        park.site.id,
        park.areas.len(),
        park.gates.len(),
        park.lanes.len(),
        park.products.len()
    )
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=3600.0).contains(&speed) => Ok(speed),
        _ => Err("a speed is a number from 0.1 to 3600; 60 shows a day in 13 minutes".to_owned()),
    }
}

/// Done at SIGTERM or SIGINT.
#[cfg(unix)]
fn signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

/// Done at Ctrl-C.
#[cfg(not(unix))]
fn signal() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_flag_goes_before_the_environment_and_is_named_in_its_fault() {
        let cli = Cli::try_parse_from(["shanmen", "serve", "--http", "nowhere"]).unwrap();
        let Some(Command::Serve(args)) = cli.command else { panic!("not serve") };
        let overrides: Vec<_> = flags(&args).collect();
        let told = config::load(None, &overrides).unwrap_err().to_string();
        assert!(told.starts_with("--http: "), "{told}");
    }

    #[test]
    fn a_speed_out_of_range_is_refused() {
        for bad in ["0", "NaN", "fast", "4000"] {
            assert!(
                Cli::try_parse_from(["shanmen", "serve", "--demo", "--demo-speed", bad]).is_err()
            );
        }
        assert!(Cli::try_parse_from(["shanmen", "serve", "--demo-speed", "60"]).is_err());
        assert!(
            Cli::try_parse_from(["shanmen", "serve", "--mqtt", "[::1]:0", "--broker", "x"])
                .is_err()
        );
    }

    #[test]
    fn a_faulty_file_is_a_fault_of_its_own_kind() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.toml");
        std::fs::write(&file, "[server]\nport = 1\n").unwrap();
        let command = ConfigCommand::Check { file };
        let cli = Cli { command: Some(Command::Config { command }) };
        let error = run(cli, &mut Vec::new()).unwrap_err();
        assert!(error.downcast_ref::<Faults>().is_some(), "{error}");
        assert!(error.to_string().contains("a.toml:2:1: "), "{error}");
    }
}
