//! The virtual fleet's enrolment: one turnstile for each lane without a device.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use shanmen_actors::{
    ControlPlane,
    api::{ClaimRequest, EnrolRequest, Fault},
};
use shanmen_devices::park::{LaneSpec, Ways};
use shanmen_protocols::ids::{DeviceId, DeviceKind, LaneId};
use shanmen_rules::{Lane, definition::LaneDirection};

use super::USER;
use crate::folder;

const FILE: &str = "demo-fleet.json";

/// Claims of the demo live only until the next line.
const CLAIM_MINUTES: u32 = 5;

/// What one turnstile connects with.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Secret {
    pub(super) device: DeviceId,
    pub(super) username: String,
    pub(super) password: String,
}

/// Enrols what is missing; gives all lanes that a virtual turnstile serves.
pub(super) async fn enrolled(plane: &ControlPlane, data: &Path) -> anyhow::Result<Vec<LaneSpec>> {
    let path = data.join(FILE);
    let mut kept: BTreeMap<LaneId, Secret> = match folder::read_private(&path)? {
        Some(text) => serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged; remove it", path.display()))?,
        None => BTreeMap::new(),
    };
    let before = kept.len();
    let devices = plane.devices();
    // After a new ledger the kept secrets are worth nothing.
    kept.retain(|_, secret| devices.iter().any(|device| device.id == secret.device));
    let mut changed = kept.len() != before;
    for lane in plane.park().lanes() {
        let served = devices.iter().any(|device| device.lane.as_ref() == Some(&lane.id));
        if kept.contains_key(&lane.id) || served {
            continue;
        }
        match enrol(plane, lane).await {
            Ok(secret) => {
                kept.insert(lane.id.clone(), secret);
                changed = true;
            }
            Err(error) => tracing::warn!(lane = %lane.id, %error, "no virtual turnstile"),
        }
    }
    if changed {
        folder::write_whole(&path, &serde_json::to_vec(&kept)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let park = plane.park();
    let specs = park.lanes().iter().filter_map(|lane| {
        let secret = kept.get(&lane.id)?;
        let gate = park.gate(lane.gate);
        Some(LaneSpec {
            lane: lane.id.clone(),
            gate: gate.id.clone(),
            from: park.area(gate.from).id.clone(),
            to: park.area(gate.to).id.clone(),
            ways: ways(lane.direction),
            device: secret.device.clone(),
            username: secret.username.clone(),
            password: secret.password.clone(),
        })
    });
    Ok(specs.collect())
}

async fn enrol(plane: &ControlPlane, lane: &Lane) -> Result<Secret, Fault> {
    let device = DeviceId::new(&format!("demo-{}", lane.id))
        .or_else(|_| DeviceId::new(lane.id.as_str()))
        .map_err(|fault| Fault::Invalid(fault.to_string()))?;
    enrol_device(plane, device, DeviceKind::Turnstile, Some(lane.id.clone())).await
}

/// Enrols a virtual device of any kind.
pub(super) async fn enrol_device(
    plane: &ControlPlane,
    device: DeviceId,
    kind: DeviceKind,
    lane: Option<LaneId>,
) -> Result<Secret, Fault> {
    let serial = format!("VIRTUAL-{device}");
    let request = ClaimRequest { device, kind, gate: None, lane, minutes: Some(CLAIM_MINUTES) };
    let claim = plane.claim(request, USER).await?;
    let model = "virtual".to_owned();
    let request = EnrolRequest { claim: claim.claim, serial, model, csr: None };
    let enrolled = plane.enrol(request).await?;
    // The demo is refused where devices have certificates.
    let password = enrolled.password.ok_or(Fault::NotFound("secret of a virtual device"))?;
    Ok(Secret { device: enrolled.device, username: enrolled.username, password })
}

fn ways(direction: LaneDirection) -> Ways {
    match direction {
        LaneDirection::In => Ways::In,
        LaneDirection::Out => Ways::Out,
        LaneDirection::Both => Ways::Both,
    }
}
