//! The devices that may speak: who they are, where they stand, and how they are just now.
//!
//! The ledger keeps the rows; twins fill in what is seen live; the broker asks here whether a
//! login is right.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use serde_json::{Map, Value};
use shanmen_protocols::{
    ids::{DeviceId, Session},
    time::UnixMs,
};
use subtle::ConstantTimeEq as _;

use crate::{
    api::{DeviceError, DeviceStanding, DeviceView, Reported},
    ledger::DeviceRow,
    tally::Fleet,
};

/// One device.
pub(crate) struct Device {
    row: Mutex<DeviceRow>,
    live: Mutex<Live>,
}

/// What is seen of a device, and not kept over a restart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    pub(crate) online: bool,
    pub(crate) session: Option<Session>,
    pub(crate) session_since: Option<UnixMs>,
    pub(crate) serial: String,
    pub(crate) model: String,
    pub(crate) firmware: String,
    pub(crate) last_seen: Option<UnixMs>,
    pub(crate) last_scan: Option<UnixMs>,
    pub(crate) last_error: Option<DeviceError>,
    pub(crate) clock_skew_ms: Option<i64>,
    /// It calls its clock synchronised, and it is off.
    pub(crate) clock_off: bool,
    pub(crate) acked: u64,
    pub(crate) telemetry: Map<String, Value>,
    pub(crate) reported: Reported,
    /// It said in its hello that it holds lists.
    pub(crate) wants_lists: bool,
}

impl Device {
    fn new(row: DeviceRow) -> Self {
        Self { row: Mutex::new(row), live: Mutex::default() }
    }

    /// Its row as it stands.
    pub(crate) fn row(&self) -> DeviceRow {
        lock(&self.row).clone()
    }

    /// Whether it may work.
    pub(crate) fn standing(&self) -> DeviceStanding {
        lock(&self.row).standing
    }

    /// What is seen of it, to change.
    pub(crate) fn live(&self) -> MutexGuard<'_, Live> {
        lock(&self.live)
    }

    /// Notes a message that could not be taken.
    pub(crate) fn problem(&self, at: UnixMs, problem: String) {
        self.live().last_error = Some(DeviceError { at, problem });
    }
}

/// All devices.
#[derive(Default)]
pub(crate) struct Registry {
    devices: DashMap<DeviceId, Arc<Device>>,
    fleet: Arc<Fleet>,
}

impl Registry {
    /// The registry of the ledger's rows.
    pub(crate) fn new(rows: Vec<DeviceRow>, fleet: Arc<Fleet>) -> Self {
        let registry = Self { devices: DashMap::new(), fleet };
        for row in rows {
            registry.devices.insert(row.id.clone(), Arc::new(Device::new(row)));
        }
        registry.recount();
        registry
    }

    /// A device by its id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Device>> {
        self.devices.get(id).map(|device| Arc::clone(&device))
    }

    /// Adds a device or changes its row.
    pub(crate) fn put(&self, row: DeviceRow) -> Arc<Device> {
        let device = match self.devices.get(row.id.as_str()) {
            Some(device) => {
                *lock(&device.row) = row;
                Arc::clone(&device)
            }
            None => Arc::clone(
                &self.devices.entry(row.id.clone()).or_insert_with(|| Arc::new(Device::new(row))),
            ),
        };
        self.recount();
        device
    }

    /// Whether a login is right: the device's id and its secret.
    pub(crate) fn admits(&self, username: &str, password: &[u8]) -> bool {
        let Some(device) = self.get(username) else { return false };
        let row = lock(&device.row);
        let given = *blake3::hash(password).as_bytes();
        row.standing == DeviceStanding::Approved
            && row.secret.is_some_and(|secret| bool::from(secret.ct_eq(&given)))
    }

    /// How many devices there are.
    pub(crate) fn len(&self) -> usize {
        self.devices.len()
    }

    /// All ids.
    pub(crate) fn ids(&self) -> Vec<DeviceId> {
        self.devices.iter().map(|device| device.key().clone()).collect()
    }

    /// Counts anew who is there and who is connected.
    pub(crate) fn recount(&self) {
        let mut total = 0;
        let mut online = 0;
        for device in &self.devices {
            total += usize::from(device.standing() == DeviceStanding::Approved);
            online += usize::from(device.live().online);
        }
        self.fleet.set_total(total);
        self.fleet.set_online(online);
    }

    /// A device as operations sees it. `open_grants` counts those of its lane.
    pub(crate) fn view(&self, id: &DeviceId, open_grants: u32) -> Option<DeviceView> {
        let device = self.get(id.as_str())?;
        let row = device.row();
        let live = device.live().clone();
        let told = |live: String, row: String| if live.is_empty() { row } else { live };
        Some(DeviceView {
            id: row.id,
            kind: row.kind,
            lane: row.lane,
            gate: row.gate,
            status: row.standing,
            online: live.online,
            serial: told(live.serial, row.serial),
            model: told(live.model, row.model),
            firmware: live.firmware,
            session_since: live.session_since,
            last_seen: live.last_seen,
            last_scan: live.last_scan,
            last_error: live.last_error,
            clock_skew_ms: live.clock_skew_ms,
            open_grants,
            acked: live.acked,
            telemetry: live.telemetry,
            config_desired: None,
            reported: live.reported,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Values are replaced whole, so one left by a panic is still a good one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
