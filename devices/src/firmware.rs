//! A new program for a device, and starting the machine anew.
//!
//! An order names the file, its length, its SHA-256 and the vendor's signature of that; it is fetched
//! beside what runs, checked, and put in force by one rename. Then the device starts anew, on trial:
//! the new program has to be accepted by the control plane within [`CONFIRM_MS`], which it watches
//! itself, and may be started [`STARTS_MAX`] times for that, which its launcher watches, since a broken
//! one cannot; else the one before is put back in force. Either way the order gets its last answer
//! from whichever program is in force in the end. It refuses whatever the vendor's key of the
//! device's own file did not sign.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `fetch.rs` | fetching and checking |
//! | `slot.rs` | what is in force, on trial, and before it: [`FirmwareSlot`], and one of files |
//!
//! The agent calls it; the device program makes it from its configuration.

mod fetch;
mod slot;

use std::{
    future::Future as _,
    process::Command,
    task::{Context, Poll},
};

use ed25519_dalek::VerifyingKey;
use shanmen_protocols::{device::FirmwareManifest, ids::CommandId};
use tokio::task::JoinHandle;

pub use self::{
    fetch::NotFetched,
    slot::{FileSlot, FirmwareSlot, Standing},
};

/// How long a new program may take until the control plane has accepted it, in milliseconds.
pub const CONFIRM_MS: u64 = 300_000;

/// How often a program on trial may be started: it may die before it can say anything.
pub const STARTS_MAX: u32 = 3;

/// What starts the machine anew.
pub trait Machine: Send {
    /// Starts it anew, in a moment; the device ends in order meanwhile.
    ///
    /// # Errors
    /// Why it cannot.
    fn reboot(&mut self) -> Result<(), String>;
}

/// A machine that is started anew by a program of the system, as `/sbin/reboot`.
#[derive(Clone, Debug)]
pub struct SystemMachine {
    program: Vec<String>,
}

impl SystemMachine {
    /// With the program and its arguments; `None` without a program.
    pub fn new(program: Vec<String>) -> Option<Self> {
        (!program.is_empty()).then_some(Self { program })
    }
}

impl Machine for SystemMachine {
    fn reboot(&mut self) -> Result<(), String> {
        let (program, arguments) = self.program.split_first().ok_or("no program is named")?;
        let started = Command::new(program).args(arguments).spawn();
        started.map(|_child| ()).map_err(|error| format!("{program}: {error}"))
    }
}

/// What keeps a device's machine and program going; without, such orders are refused.
#[derive(Default)]
pub struct Upkeep {
    /// What starts the machine anew.
    pub machine: Option<Box<dyn Machine>>,
    /// How the program is renewed.
    pub firmware: Option<Firmware>,
}

/// How a device's program is renewed.
pub struct Firmware {
    slot: Box<dyn FirmwareSlot>,
    /// Whose signature counts.
    vendor: VerifyingKey,
    fetching: Option<Fetching>,
}

/// A program on its way.
struct Fetching {
    order: CommandId,
    version: String,
    task: JoinHandle<Result<(), NotFetched>>,
}

impl Firmware {
    /// With the vendor's key of the device's own file.
    pub fn new(slot: Box<dyn FirmwareSlot>, vendor: VerifyingKey) -> Self {
        Self { slot, vendor, fetching: None }
    }

    /// Where programs are kept.
    pub(crate) fn slot(&mut self) -> &mut dyn FirmwareSlot {
        &mut *self.slot
    }

    /// Begins to fetch.
    ///
    /// # Errors
    /// Why not now, or not this.
    pub(crate) fn begin(
        &mut self,
        id: CommandId,
        manifest: FirmwareManifest,
    ) -> Result<(), String> {
        if self.fetching.is_some() {
            return Err("another firmware is being fetched".into());
        }
        fetch::check_signature(&manifest, &self.vendor).map_err(|error| error.to_string())?;
        let path = self.slot.place_for(&manifest.version).map_err(|error| error.to_string())?;
        let version = manifest.version.clone();
        let task = tokio::spawn(fetch::fetch(manifest, path));
        self.fetching = Some(Fetching { order: id, version, task });
        Ok(())
    }

    /// What came of fetching: `Ok` when the new program is in force, on trial.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(CommandId, Result<(), String>)> {
        let Some(mut fetching) = self.fetching.take() else { return Poll::Pending };
        let Poll::Ready(fetched) = std::pin::Pin::new(&mut fetching.task).poll(cx) else {
            self.fetching = Some(fetching);
            return Poll::Pending;
        };
        let Fetching { order: id, version, .. } = fetching;
        let result = match fetched {
            Ok(Ok(())) => self.slot.switch(&version, id).map_err(|error| error.to_string()),
            Ok(Err(why)) => Err(why.to_string()),
            Err(error) => Err(error.to_string()),
        };
        Poll::Ready((id, result))
    }
}
