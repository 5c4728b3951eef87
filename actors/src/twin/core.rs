//! A device's twin without its actor: the session, the duplicate filter, the clock's anchor, the
//! numbers of its facts. Everything that waits (a verdict, a commit) is done beside it, in
//! `work.rs`, and told back.

use std::{collections::HashMap, sync::Arc};

use shanmen_protocols::{
    device::{Hello, HelloStatus, Scan, State},
    ids::{Direction, Epoch, LaneId, Session},
    reason::Reason,
    time::{ClockState, UnixMs},
};
use shanmen_rules::{LaneIx, Park};

use super::{
    anchor::{Anchor, Moment, SKEW_MAX_MS},
    answers::Answers,
    numbers::Numbers,
    work::Reply,
};
use crate::{api::DeviceStanding, registry::Device};

/// How many answers a device's twin remembers.
pub(crate) const ANSWERS_KEPT: usize = 256;
/// How many epochs of a device's storage are kept in mind.
const EPOCHS_MAX: usize = 4;

/// What a twin knows.
pub(crate) struct TwinCore {
    pub(crate) device: Arc<Device>,
    pub(crate) answers: Answers<Reply>,
    anchor: Anchor,
    session: Option<Session>,
    epochs: HashMap<Epoch, Numbers>,
}

/// Where a presentation may be made, or why not here.
pub(crate) enum Place {
    /// In this lane.
    Lane(LaneIx, Direction),
    /// Nowhere: refused with this, and what to tell the operator.
    Nowhere(Reason, String),
}

impl TwinCore {
    /// A twin that has heard nothing yet.
    pub(crate) fn new(device: Arc<Device>, answers: Answers<Reply>) -> Self {
        Self { device, answers, anchor: Anchor::default(), session: None, epochs: HashMap::new() }
    }

    /// Begins anew after a failure, but for what is on its way to the ledger and what was answered.
    pub(crate) fn begin_anew(&mut self) {
        self.session = None;
        self.anchor = Anchor::default();
    }

    /// Takes a birth or death; true when the device's presence changed. A death of another
    /// session is ignored: it is an old connection's.
    pub(crate) fn state(&mut self, state: &State, now: UnixMs) -> bool {
        let current = self.session.as_ref() == Some(&state.session);
        if state.online {
            if !current {
                self.session = Some(state.session.clone());
                self.begin_session(&state.session, now);
            }
        } else if !current {
            metrics::counter!("shanmen_twin_old_deaths_total").increment(1);
            return false;
        }
        let mut live = self.device.live();
        live.last_seen = Some(now);
        std::mem::replace(&mut live.online, state.online) != state.online
    }

    /// Takes a handshake: the session, the clock's anchor, what the device says of itself.
    pub(crate) fn hello(&mut self, hello: &Hello, now: UnixMs) -> (HelloStatus, bool) {
        self.session = Some(hello.session.clone());
        self.begin_session(&hello.session, now);
        let skew = self.anchor.set(&hello.time, now);
        let mut live = self.device.live();
        live.serial.clone_from(&hello.serial);
        live.model.clone_from(&hello.model);
        live.firmware.clone_from(&hello.firmware);
        live.clock_skew_ms = skew;
        let off_ms =
            skew.filter(|ms| ms.abs() > SKEW_MAX_MS && hello.time.clock == ClockState::Synced);
        live.clock_off = off_ms.is_some();
        live.last_seen = Some(now);
        let changed = !std::mem::replace(&mut live.online, true);
        drop(live);
        if let Some(off_ms) = off_ms {
            metrics::counter!("shanmen_device_clocks_off_total").increment(1);
            let problem = format!(
                "hello: at: the clock calls itself synced and is off by {off_ms} ms; look at its \
                 time server (it decides nothing here)"
            );
            self.device.problem(now, problem);
        }
        let status = match self.device.standing() {
            DeviceStanding::Approved => HelloStatus::Accepted,
            DeviceStanding::Pending => HelloStatus::Pending,
            DeviceStanding::Revoked => HelloStatus::Rejected,
        };
        (status, changed)
    }

    fn begin_session(&self, session: &Session, now: UnixMs) {
        let mut live = self.device.live();
        if live.session.as_ref() != Some(session) {
            live.session = Some(session.clone());
            live.session_since = Some(now);
        }
    }

    /// Where a scan may be made: the device's own lane, a lane of its gate, or for a device bound
    /// to neither (a handheld) any lane.
    pub(crate) fn place(&self, park: &Park, scan: &Scan) -> Place {
        if self.device.standing() != DeviceStanding::Approved {
            return Place::Nowhere(Reason::LaneClosed, "the device is not approved".into());
        }
        match self.lane(park, scan.lane.as_ref()) {
            Ok(lane) => Place::Lane(lane, scan.direction),
            Err(problem) => Place::Nowhere(Reason::LaneClosed, problem),
        }
    }

    /// The lane that a message is about.
    pub(crate) fn lane(&self, park: &Park, named: Option<&LaneId>) -> Result<LaneIx, String> {
        let row = self.device.row();
        let name = match (named, &row.lane) {
            (Some(named), Some(own)) if named != own => {
                return Err(format!("lane: {named} is not this device's lane, {own}"));
            }
            (Some(named), _) => named,
            (None, Some(own)) => own,
            (None, None) => {
                return Err("lane: missing, and the device has no lane of its own".into());
            }
        };
        let lane = park
            .lane_ix(name.as_str())
            .ok_or_else(|| format!("lane: {name} is not a lane of this site"))?;
        match &row.gate {
            Some(gate) if row.lane.is_none() => {
                let of = &park.gate(park.lane(lane).gate).id;
                if of == gate {
                    Ok(lane)
                } else {
                    Err(format!("lane: {name} is at gate {of}, this device at gate {gate}"))
                }
            }
            _ => Ok(lane),
        }
    }

    /// When a fact happened.
    pub(crate) fn moment(&self, time: &shanmen_protocols::time::TimeBlock, now: UnixMs) -> Moment {
        self.anchor.moment(time, now)
    }

    /// The numbers of an epoch, if they are in mind.
    pub(crate) fn numbers(&mut self, epoch: &Epoch) -> Option<&mut Numbers> {
        self.epochs.get_mut(epoch)
    }

    /// Takes an epoch's numbers as the ledger has them. An epoch already in mind knows better:
    /// facts may be on their way.
    pub(crate) fn remember(&mut self, epoch: Epoch, numbers: Numbers) {
        if self.epochs.len() >= EPOCHS_MAX && !self.epochs.contains_key(&epoch) {
            // Epochs change after a wipe only; the ledger has what is forgotten here, but for what
            // is still on its way.
            self.epochs.retain(|_, numbers| numbers.is_busy());
        }
        let held = self.epochs.entry(epoch).or_insert(numbers);
        self.device.live().acked = held.upto();
    }
}
