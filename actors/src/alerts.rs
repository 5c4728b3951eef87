//! Alarms: what wants a person. Raised once however often its cause is seen, acknowledged by
//! somebody, cleared when the cause has gone, and kept.
//!
//! Devices raise them by facts, the watch by what it sees each second. Every change is queued for
//! the books in its order; the flow reads what is on, and shows it. Off the path of a scan.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use shanmen_protocols::{
    feed::Alarm,
    ids::{AreaId, DeviceId, LaneId},
};
use tokio::sync::oneshot;

use crate::{
    api::{AuditLine, Fault},
    clock::Clock,
    ledger::{AlarmRow, DirectEntry, Ledger, Record},
    twin::fault,
};

/// What a device can raise; anything else counts as `fault`.
const OF_DEVICES: [&str; 13] = [
    "tailgating",
    "reverse",
    "forced",
    "climb",
    "loiter",
    "held",
    "jam",
    "tamper",
    "fire",
    "fault",
    "low_paper",
    "no_paper",
    "cover_open",
];
/// What happens and is over: it stays until somebody has seen it.
const MOMENTARY: [&str; 7] =
    ["tailgating", "reverse", "forced", "climb", "counter_drift", "conflict", "clone"];
/// How many changes may wait for the books while their queue is full.
const UNWRITTEN_MAX: usize = 10_000;

/// What an alarm is about: there is one alarm for each cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cause {
    pub(crate) code: Cow<'static, str>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) lane: Option<LaneId>,
    pub(crate) area: Option<AreaId>,
}

impl Cause {
    /// Something about a device, in its lane.
    pub(crate) fn device(
        code: impl Into<Cow<'static, str>>,
        device: DeviceId,
        lane: Option<LaneId>,
    ) -> Self {
        Self { code: code.into(), device: Some(device), lane, area: None }
    }

    /// Something about an area.
    pub(crate) fn area(code: &'static str, area: AreaId) -> Self {
        Self { code: code.into(), device: None, lane: None, area: Some(area) }
    }
}

/// The code of a device's word, as the contract knows it.
pub(crate) fn code_of(told: &str) -> &'static str {
    OF_DEVICES.into_iter().find(|code| *code == told).unwrap_or("fault")
}

/// All alarms that are on.
pub(crate) struct Alerts {
    state: Mutex<State>,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
}

struct State {
    on: HashMap<Cause, AlarmRow>,
    next: u64,
    unwritten: VecDeque<AlarmRow>,
}

impl Alerts {
    /// Takes the alarms of the ledger that are on, and the next number.
    pub(crate) fn new(
        (rows, next): (Vec<AlarmRow>, u64),
        ledger: Arc<dyn Ledger>,
        clock: Clock,
    ) -> Self {
        let on = rows.into_iter().map(|row| (row.cause.clone(), row)).collect();
        let state = State { on, next, unwritten: VecDeque::new() };
        Self { state: Mutex::new(state), ledger, clock }
    }

    /// Raises or clears the alarm of a cause; what is so already changes nothing.
    pub(crate) fn set(&self, cause: &Cause, on: bool) {
        let now = self.clock.now();
        let mut state = self.lock();
        if on {
            if state.on.contains_key(cause) {
                return;
            }
            let row = AlarmRow {
                id: state.next,
                cause: cause.clone(),
                raised_at: now,
                cleared_at: None,
                acknowledged: None,
            };
            state.next += 1;
            metrics::counter!("shanmen_alarms_raised_total", "code" => row.cause.code.clone())
                .increment(1);
            state.on.insert(cause.clone(), row.clone());
            self.write(&mut state, row);
        } else if let Some(mut row) = state.on.remove(cause) {
            row.cleared_at = Some(now);
            self.write(&mut state, row);
        }
    }

    /// A device has started anew: what it had raised is over, or it raises it again.
    pub(crate) fn booted(&self, device: &DeviceId) {
        let of_device = |cause: &&Cause| {
            cause.device.as_ref() == Some(device)
                && OF_DEVICES.contains(&&*cause.code)
                && !MOMENTARY.contains(&&*cause.code)
        };
        let causes: Vec<Cause> = self.lock().on.keys().filter(of_device).cloned().collect();
        for cause in causes {
            self.set(&cause, false);
        }
    }

    /// Somebody has seen an alarm: on the audit trail. What is momentary is over with that.
    pub(crate) async fn acknowledge(
        &self,
        id: u64,
        note: &str,
        actor: &str,
    ) -> Result<AlarmRow, Fault> {
        let now = self.clock.now();
        let (row, committed) = {
            let mut state = self.lock();
            let found = state.on.values().find(|row| row.id == id).cloned();
            let mut row = found.ok_or(Fault::NotFound("alarm that is on"))?;
            if row.acknowledged.is_some() {
                return Err(Fault::Conflict("this alarm was acknowledged before".into()));
            }
            row.acknowledged = Some((now, actor.to_owned(), note.to_owned()));
            if MOMENTARY.contains(&&*row.cause.code) {
                row.cleared_at = Some(now);
            }
            let audit = AuditLine {
                at: now,
                actor: actor.to_owned(),
                action: "alarm.acknowledge".into(),
                target: id.to_string(),
                note: format!("{}: {note}", row.cause.code),
            };
            let (done, committed) = oneshot::channel();
            let record = Record::Alarm { row: row.clone(), audit: Some(audit) };
            self.ledger.append_direct(DirectEntry { record, done }).map_err(fault)?;
            match row.cleared_at {
                None => state.on.insert(row.cause.clone(), row.clone()),
                Some(_) => state.on.remove(&row.cause),
            };
            (row, committed)
        };
        let lost = |_| Fault::Internal("the ledger has stopped".into());
        committed.await.map_err(lost)?.map_err(fault)?;
        Ok(row)
    }

    /// The alarms that are on, the newest first.
    pub(crate) fn all(&self) -> Vec<AlarmRow> {
        let mut rows: Vec<AlarmRow> = self.lock().on.values().cloned().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.id));
        rows
    }

    /// The same as the glass shows it.
    pub(crate) fn glass(&self) -> Vec<Alarm> {
        let mut alarms: Vec<Alarm> = self.lock().on.values().map(shown).collect();
        alarms.sort_by_key(|alarm| alarm.id);
        alarms
    }

    /// Writes what could not be written before.
    pub(crate) fn catch_up(&self) {
        let mut state = self.lock();
        while let Some(row) = state.unwritten.pop_front() {
            if !self.queue(&row) {
                state.unwritten.push_front(row);
                return;
            }
        }
    }

    /// A change goes to the books, in its order.
    fn write(&self, state: &mut State, row: AlarmRow) {
        if !state.unwritten.is_empty() || !self.queue(&row) {
            if UNWRITTEN_MAX <= state.unwritten.len() {
                metrics::counter!("shanmen_alarms_unwritten_overflow_total").increment(1);
                state.unwritten.pop_front();
            }
            state.unwritten.push_back(row);
        }
    }

    fn queue(&self, row: &AlarmRow) -> bool {
        // Nobody waits for this commit: the books' writer tells its own faults.
        let (done, _) = oneshot::channel();
        let record = Record::Alarm { row: row.clone(), audit: None };
        self.ledger.append_direct(DirectEntry { record, done }).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Rows are replaced whole, so what a panic left is still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown(row: &AlarmRow) -> Alarm {
    Alarm {
        id: row.id,
        code: row.cause.code.clone().into_owned(),
        at: row.raised_at,
        device: row.cause.device.clone(),
        lane: row.cause.lane.clone(),
        area: row.cause.area.clone(),
        acknowledged: row.acknowledged.is_some(),
        active: row.cleared_at.is_none(),
    }
}
