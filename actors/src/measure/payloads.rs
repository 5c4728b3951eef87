//! What devices say, for the steps of a scan's path: messages as a turnstile sends them.

use std::error::Error;

use shanmen_protocols::{
    device::{
        Body, Credential, CredentialKind, Event, Outcome, Passage, PassageBy, Scan, Sensor,
        TTL_DEFAULT_MS,
    },
    ids::{Direction, Epoch, GrantId, LaneId, ScanId},
    time::{ClockState, TimeBlock},
};
use uuid::Uuid;

use super::{NOW, mixed};

/// What the printed code of a ticket looks like that was sold elsewhere.
pub(super) fn static_code(n: u64) -> Credential {
    Credential { kind: CredentialKind::Qr, data: format!("T{:019}", mixed(n) >> 1) }
}

/// A scan as a turnstile sends it.
pub(super) fn scan(credential: Credential) -> Scan {
    Scan {
        time: time(),
        id: ScanId(Uuid::from_u64_pair(mixed(1), mixed(2))),
        lane: LaneId::new("n1").ok(),
        direction: Direction::In,
        credential,
        ttl_ms: TTL_DEFAULT_MS,
        attempt: 1,
        operator: None,
        confirm: None,
    }
}

/// A passage as a turnstile reports it.
pub(super) fn passage() -> Result<Event, Box<dyn Error>> {
    let passage = Passage {
        grant: Some(GrantId::fresh()),
        scan: Some(ScanId::fresh()),
        lane: Some(LaneId::new("n1")?),
        direction: Direction::In,
        outcome: Outcome::Taken,
        count: Some(1),
        counters: Some(Sensor { inward: 4_711, outward: 0 }),
        by: PassageBy::Server,
        credential: None,
        granted_at: Some(NOW),
        operator: None,
        reason: None,
    };
    Ok(Event { time: time(), epoch: epoch()?, seq: 4_711, body: Body::Passage(passage) })
}

fn time() -> TimeBlock {
    TimeBlock {
        at: Some(NOW),
        up_ms: Some(36_000_000),
        boot: Some(mixed(3) >> 32),
        clock: ClockState::Synced,
    }
}

pub(super) fn epoch() -> Result<Epoch, Box<dyn Error>> {
    Ok(Epoch::new("9f86d081884c7d65").ok_or("16 digits are an epoch")?)
}
