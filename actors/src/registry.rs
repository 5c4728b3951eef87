//! The devices that may speak: who they are, where they stand, and how they are just now.
//!
//! The ledger keeps the rows; twins fill in what is seen live; the broker asks here whether what a
//! connection shows is right. A secret that was replaced on purpose is good for a grace time, which
//! is kept in memory only: a restart ends it.

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
    row: Mutex<Arc<DeviceRow>>,
    /// The secret before this one, and until when it is good.
    previous: Mutex<Option<([u8; 32], UnixMs)>>,
    live: Mutex<Live>,
}

/// What a connection shows for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The digest of a secret.
    Secret([u8; 32]),
    /// A certificate that was verified: the digest of its public key, and when it runs out.
    Certificate { key: [u8; 32], until: UnixMs },
}

impl Shown {
    /// A secret as it came.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self::Secret(*blake3::hash(secret).as_bytes())
    }
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
    pub(crate) telemetry_at: Option<UnixMs>,
    pub(crate) reported: Reported,
    /// It said in its hello that it holds lists.
    pub(crate) wants_lists: bool,
}

impl Device {
    fn new(row: DeviceRow) -> Self {
        Self { row: Mutex::new(Arc::new(row)), previous: Mutex::default(), live: Mutex::default() }
    }

    /// Its row as it stands.
    pub(crate) fn row(&self) -> Arc<DeviceRow> {
        Arc::clone(&lock(&self.row))
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
                if lock(&device.row).secret != row.secret {
                    *lock(&device.previous) = None;
                }
                *lock(&device.row) = Arc::new(row);
                Arc::clone(&device)
            }
            None => Arc::clone(
                &self.devices.entry(row.id.clone()).or_insert_with(|| Arc::new(Device::new(row))),
            ),
        };
        self.recount();
        device
    }

    /// Changes a device's row to one with another secret; the one before stays good until then.
    pub(crate) fn replace_secret(&self, row: DeviceRow, old_good_until: UnixMs) -> Arc<Device> {
        let before = self.get(row.id.as_str()).and_then(|device| device.row().secret);
        let device = self.put(row);
        *lock(&device.previous) = before.map(|secret| (secret, old_good_until));
        device
    }

    /// Whether a device may come in with what it shows; a word for the counts otherwise.
    ///
    /// A certificate is the one that the device was enrolled with. One that somebody else has
    /// signed is good for a device that never was.
    pub(crate) fn admits(
        &self,
        device: &str,
        shown: &Shown,
        now: UnixMs,
    ) -> Result<(), &'static str> {
        let device = self.get(device).ok_or("login")?;
        let row = lock(&device.row);
        let is_own =
            |given: &[u8; 32]| row.secret.is_some_and(|secret| bool::from(secret.ct_eq(given)));
        match shown {
            Shown::Secret(given) => {
                let replaced = lock(&device.previous)
                    .is_some_and(|(old, until)| now < until && bool::from(old.ct_eq(given)));
                if !is_own(given) && !replaced {
                    return Err("login");
                }
            }
            Shown::Certificate { until, .. } if *until <= now => return Err("certificate_expired"),
            Shown::Certificate { key, .. } => {
                if row.secret.is_some() && !is_own(key) {
                    return Err("certificate_replaced");
                }
            }
        }
        match row.standing {
            DeviceStanding::Approved => Ok(()),
            DeviceStanding::Pending => Err("pending"),
            DeviceStanding::Revoked => Err("revoked"),
        }
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
            id: row.id.clone(),
            kind: row.kind,
            lane: row.lane.clone(),
            gate: row.gate.clone(),
            status: row.standing,
            online: live.online,
            serial: told(live.serial, row.serial.clone()),
            model: told(live.model, row.model.clone()),
            firmware: live.firmware,
            session_since: live.session_since,
            last_seen: live.last_seen,
            last_scan: live.last_scan,
            last_error: live.last_error,
            clock_skew_ms: live.clock_skew_ms,
            open_grants,
            acked: live.acked,
            telemetry: live.telemetry,
            telemetry_at: live.telemetry_at,
            config_desired: None,
            reported: live.reported,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Values are replaced whole, so one left by a panic is still a good one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

    use shanmen_protocols::ids::DeviceKind;

    use super::*;

    fn row(secret: Option<&str>) -> DeviceRow {
        DeviceRow {
            id: DeviceId::new("n1").unwrap(),
            kind: DeviceKind::Turnstile,
            gate: None,
            lane: None,
            standing: DeviceStanding::Approved,
            secret: secret.map(|secret| *blake3::hash(secret.as_bytes()).as_bytes()),
            serial: String::new(),
            model: String::new(),
            since: UnixMs(0),
        }
    }

    #[test]
    fn a_replaced_secret_is_good_until_its_grace_ends() {
        let registry = Registry::new(vec![row(Some("old"))], Arc::default());
        let admits = |secret: &str, now| {
            registry.admits("n1", &Shown::secret(secret.as_bytes()), UnixMs(now))
        };
        registry.replace_secret(row(Some("new")), UnixMs(1_000));
        assert_eq!((admits("old", 999), admits("new", 999)), (Ok(()), Ok(())));
        assert_eq!((admits("old", 1_000), admits("new", 1_000)), (Err("login"), Ok(())));
        registry.replace_secret(row(Some("newer")), UnixMs(5_000));
        assert_eq!(admits("old", 0), Err("login"), "only the last one has a grace");
        registry.put(row(Some("enrolled anew")));
        assert_eq!(admits("new", 0), Err("login"), "an enrolment leaves no other secret");
        assert_eq!(admits("", 0), Err("login"));
        registry.put(DeviceRow { standing: DeviceStanding::Revoked, ..row(Some("new")) });
        assert_eq!(admits("new", 0), Err("revoked"));
    }

    #[test]
    fn a_certificate_is_the_one_that_was_enrolled_unless_none_was() {
        let registry = Registry::new(vec![row(None)], Arc::default());
        let shown = |n, until| Shown::Certificate { key: [n; 32], until: UnixMs(until) };
        let admits = |shown: &Shown| registry.admits("n1", shown, UnixMs(10));
        assert_eq!(admits(&shown(7, 11)), Ok(()), "signed elsewhere");
        assert_eq!(admits(&shown(7, 10)), Err("certificate_expired"));
        assert_eq!(admits(&Shown::secret(b"")), Err("login"), "no secret is not the empty one");
        let enrolled = DeviceRow { secret: Some([8; 32]), ..row(None) };
        registry.put(enrolled.clone());
        assert_eq!(admits(&shown(7, 11)), Err("certificate_replaced"));
        assert_eq!(admits(&shown(8, 11)), Ok(()));
        registry.put(DeviceRow { standing: DeviceStanding::Pending, ..enrolled });
        assert_eq!(admits(&shown(8, 11)), Err("pending"));
        assert_eq!(registry.admits("n2", &shown(8, 11), UnixMs(10)), Err("login"));
    }
}
