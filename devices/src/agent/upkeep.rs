//! Orders that end in another start: a reboot, a new program.
//!
//! Their last answer is owed until the control plane has accepted the device again; a kill in
//! between does not lose it. Part of the agent.

use std::task::{Context, Poll};

use shanmen_protocols::{
    device::{AckStatus, FirmwareManifest},
    ids::CommandId,
};
use tracing::{error, info, warn};

use super::{Agent, SHELF};
use crate::firmware::{CONFIRM_MS, Standing};

/// What is owed, and what is to come.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// Orders whose last answer is due, with it.
    answers: Vec<(CommandId, AckStatus, Option<String>)>,
    /// The order of the program on trial, and until when it has to be accepted.
    trial: Option<(CommandId, u64)>,
    /// The order to start the machine anew, once that is kept.
    reboot: Option<CommandId>,
    /// Whether the device ends, to be started anew.
    pub(super) leaves: bool,
}

impl Agent {
    /// The device has started, after whatever.
    pub(super) fn upkeep_started(&mut self, reboot: Option<&str>) {
        if let Some(id) = reboot.and_then(|id| id.parse().ok()) {
            self.owed.answers.push((id, AckStatus::Done, None));
        }
        let Some(firmware) = &mut self.upkeep.firmware else { return };
        match firmware.slot().started() {
            Ok(Standing::InForce) => {}
            Ok(Standing::OnTrial(id)) => {
                self.owed.trial = Some((id, self.clock.up_ms() + CONFIRM_MS));
            }
            Ok(Standing::TakenBack(id)) => {
                let why = "the new program did not work in time; the one before is back in force";
                self.owed.answers.push((id, AckStatus::Failed, Some(why.into())));
            }
            Err(error) => error!(%error, "the folder of the firmware cannot be used"),
        }
    }

    /// The control plane has accepted the device: its program works, and what is owed is paid.
    pub(super) fn upkeep_accepted(&mut self) {
        if let Some((id, _)) = self.owed.trial.take()
            && let Some(firmware) = &mut self.upkeep.firmware
        {
            match firmware.slot().confirm() {
                Ok(()) => self.owed.answers.push((id, AckStatus::Done, None)),
                Err(error) => error!(%error, "the new firmware cannot be confirmed"),
            }
        }
        for (id, status, reason) in std::mem::take(&mut self.owed.answers) {
            info!(device = %self.config.device, %id, ?status, "an order that took another start");
            self.ack(id, status, reason, None);
            self.forget(SHELF, "reboot");
            if let Some(firmware) = &mut self.upkeep.firmware
                && let Err(error) = firmware.slot().told()
            {
                warn!(%error, "it will be told again");
            }
        }
    }

    pub(super) fn upkeep_wake_at_ms(&self) -> Option<u64> {
        self.owed.trial.map(|(_, until)| until)
    }

    /// A program that was not accepted in time is taken back.
    pub(super) fn upkeep_due(&mut self, now_ms: u64) {
        if self.owed.trial.is_none_or(|(_, until)| now_ms < until) {
            return;
        }
        self.owed.trial = None;
        let Some(firmware) = &mut self.upkeep.firmware else { return };
        match firmware.slot().take_back() {
            Ok(()) => {
                warn!(device = %self.config.device, "the new firmware is taken back");
                self.owed.leaves = true;
            }
            Err(error) => error!(%error, "the new firmware cannot be taken back"),
        }
    }

    pub(super) fn order_reboot(&mut self, id: CommandId) {
        if self.upkeep.machine.is_none() {
            self.refuse(id, "this device cannot: its file names no [machine] reboot");
            return;
        }
        self.keep(SHELF, "reboot", id.to_string());
        self.ack(id, AckStatus::Received, None, None);
        self.owed.reboot = Some(id);
    }

    pub(super) fn order_firmware(&mut self, id: CommandId, manifest: FirmwareManifest) {
        let Some(firmware) = &mut self.upkeep.firmware else {
            self.refuse(id, "this device cannot: its file names no [firmware] key");
            return;
        };
        match firmware.begin(id, manifest) {
            Ok(()) => self.ack(id, AckStatus::Received, None, None),
            Err(why) => self.refuse(id, why),
        }
    }

    /// Waits for a program that is being fetched.
    pub(super) fn poll_upkeep(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<(CommandId, Result<(), String>)> {
        self.upkeep.firmware.as_mut().map_or(Poll::Pending, |firmware| firmware.poll(cx))
    }

    /// A program was fetched, or not.
    pub(super) fn fetched(&mut self, id: CommandId, result: Result<(), String>) {
        match result {
            Ok(()) => {
                info!(device = %self.config.device, %id, "a new firmware is on trial");
                self.owed.leaves = true;
            }
            Err(why) => self.ack(id, AckStatus::Failed, Some(why), None),
        }
    }

    /// What was kept is kept: now the machine may go down.
    pub(super) fn carry_out_upkeep(&mut self) {
        let Some(id) = self.owed.reboot.take() else { return };
        let Some(machine) = &mut self.upkeep.machine else { return };
        match machine.reboot() {
            Ok(()) => self.owed.leaves = true,
            Err(why) => {
                self.forget(SHELF, "reboot");
                self.ack(id, AckStatus::Failed, Some(why), None);
            }
        }
    }
}
