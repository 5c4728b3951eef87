//! The steps of a scan's path that stay on one thread, by the real program: a whole control plane
//! with lanes at an embedded broker, asked one step at a time. `benches/path.rs` times them,
//! `benches/allocations.rs` counts what they allocate.
//!
//! Each step is good for [`ROUNDS`] rounds, since some use something up: a ticket, a code that
//! nobody has shown yet.

use std::{
    cell::RefCell, collections::VecDeque, error::Error, hint::black_box, path::Path, rc::Rc,
    sync::Arc,
};

use ed25519_dalek::SigningKey;
use shanmen_protocols::{
    code::Claims,
    device::{Credential, CredentialKind, Down, EventAck},
    ids::{DeviceId, DeviceKind, GrantId, LaneId, ProductId, SiteId},
    topic::{self, UpKind},
};
use shanmen_rules::credential;
use tokio::runtime::Runtime;

use super::{
    Kind, Measured, NOW, definition, id_of, issued,
    payloads::{epoch, passage, scan, static_code},
    runtime, scattered,
};
use crate::{
    ControlPlane,
    api::{BrokerChoice, DeviceSpec, Durability, Settings},
    clock::{Clock, Stopwatch},
    intake,
    keys::KeyRing,
    link::Qos,
    security::Security,
    twin::{self, Shared},
};

/// How often each step may be done.
pub const ROUNDS: u64 = 10_000;
/// How many lanes the site has, each with its device.
const LANES: usize = 200;

pub(super) type Made<T> = Result<T, Box<dyn Error>>;

/// One step of the path.
pub struct Step {
    /// What is done.
    pub name: String,
    /// Does it once; false when it went wrong.
    pub once: Box<dyn FnMut() -> bool>,
}

impl Step {
    fn new(name: impl Into<String>, once: impl FnMut() -> bool + 'static) -> Self {
        Self { name: name.into(), once: Box::new(once) }
    }
}

/// A control plane that runs, with nobody at its gates.
pub struct Running {
    pub(super) runtime: Runtime,
    pub(super) plane: ControlPlane,
    pub(super) shared: Arc<Shared>,
    pub(super) site: SiteId,
    pub(super) devices: Vec<DeviceId>,
}

impl Running {
    /// Starts it in an empty folder.
    pub fn start(folder: &Path) -> Made<Self> {
        let runtime = runtime()?;
        let devices: Vec<_> =
            (0..LANES).map(|n| DeviceId::new(&format!("t{n}"))).collect::<Result<_, _>>()?;
        let specs = devices.iter().enumerate().map(|(n, id)| {
            let lane = Some(LaneId::new(&format!("n{n}"))?);
            Ok(DeviceSpec { id: id.clone(), kind: DeviceKind::Turnstile, gate: None, lane })
        });
        let settings = Settings {
            park: definition(LANES)?,
            data: folder.to_owned(),
            devices: specs.collect::<Made<_>>()?,
            durability: Durability::Commit,
            broker: BrokerChoice::Embedded(([127, 0, 0, 1], 0).into()),
            keys: KeyRing::new("k1".into(), SigningKey::from_bytes(&[7; 32]), [], [9; 32]),
            clock: Clock::system(),
            shards: 0,
            heartbeat_s: 30,
            security: Security::default(),
        };
        let plane = runtime.block_on(ControlPlane::start(settings))?;
        let shared = Arc::clone(&plane.0.shared);
        Ok(Self { runtime, plane, shared, site: SiteId::new("p")?, devices })
    }

    /// Stops it in order.
    pub fn stop(self) {
        self.runtime.block_on(self.plane.stop());
    }

    /// From the bytes of a device to its message.
    pub fn decode(&self) -> Made<Vec<Step>> {
        let messages = [
            ("a scan with a static code", UpKind::Scan, serde_json::to_vec(&scan(static_code(1)))?),
            (
                "a scan with a signed code",
                UpKind::Scan,
                serde_json::to_vec(&scan(self.signed(1)?))?,
            ),
            ("a passage", UpKind::Event, serde_json::to_vec(&passage()?)?),
        ];
        let watch = Stopwatch::start();
        let step = |(name, kind, bytes): (&str, _, Vec<u8>)| {
            Step::new(format!("{name}, {} bytes", bytes.len()), move || {
                black_box(intake::read(kind, black_box(&bytes), Qos::Zero, watch)).is_ok()
            })
        };
        Ok(messages.into_iter().map(step).collect())
    }

    /// From a message's topic to its device and twin.
    pub fn route(&self) -> Vec<Step> {
        let topics: Rc<[String]> =
            self.devices.iter().map(|id| topic::up(&self.site, id, UpKind::Scan)).collect();
        let mut lane = (0..LANES).cycle();
        let mut next = move || lane.next().unwrap_or_default();
        let (shared, intake) = (Arc::clone(&self.shared), Arc::clone(&self.plane.0.intake));
        let (ids, mut next_id) = (self.devices.clone(), next.clone());
        let clock = shared.clock.clone();
        vec![
            Step::new("the topic taken apart", move || {
                black_box(topic::parse_uplink(black_box(&topics[next()]))).is_ok()
            }),
            Step::new(format!("device and twin among {LANES}"), move || {
                let id = ids[next_id()].as_str();
                let (twin, device) = (intake.twin(id), shared.registry.get(id));
                black_box(twin).is_some() && black_box(device).is_some()
            }),
            Step::new("the clock and a stop watch", move || {
                black_box(Stopwatch::start());
                black_box(clock.now()) > NOW
            }),
        ]
    }

    /// From a credential to its key, and to the ticket among so many.
    pub fn digest(&self, tickets: u64) -> Made<Vec<Step>> {
        let (hot, keys) = (self.shared.pool.hot(), &self.shared.keys);
        let fresh = issued(&self.plane.park(), Kind::Single)?;
        for n in 0..tickets {
            hot.put(id_of(n), fresh.clone());
            hot.lead(keys.digest(&static_code(n)), id_of(n));
        }
        let asked = || (0..ROUNDS).map(move |n| scattered(n, tickets));
        let signed: Vec<_> = asked().map(|n| self.signed(n)).collect::<Made<_>>()?;
        let printed: Vec<_> = asked().map(static_code).collect();
        let (keys, one) = (keys.clone(), static_code(1));
        let among = |shown| format!("{shown}, to its ticket among {tickets}");
        Ok(vec![
            Step::new("a static code, to its digest", move || {
                let cleaned = credential::clean(black_box(&one.data));
                black_box(twin::digest(&keys, one.kind, &cleaned)).is_ok()
            }),
            self.leads(among("a static code"), printed),
            self.leads(among("a signed code, the first time"), signed.clone()),
            self.leads(among("the same code again"), signed),
        ])
    }

    fn leads(&self, name: String, credentials: Vec<Credential>) -> Step {
        let (shared, mut credentials) = (Arc::clone(&self.shared), credentials.into_iter());
        Step::new(name, move || {
            let shown = credentials.next();
            shown.is_some_and(|shown| black_box(twin::leads(&shared, &shown)).len() == 1)
        })
    }

    /// From an answer to the bytes of its decision.
    pub fn encode(&self) -> Made<Vec<Step>> {
        let measured = filled(1)?;
        let decide = || measured.decide(0, Some(id_of(0))).ok_or("no answer");
        let granted = decide()?;
        let passed = granted.grant.is_some_and(|grant| measured.pass(grant));
        let refused = decide()?;
        if !passed || refused.grant.is_some() {
            return Err("a ticket of one use was not used once".into());
        }
        let mut steps = Vec::new();
        for (name, answer) in [("a grant", granted), ("a refusal", refused)] {
            let shared = Arc::clone(&self.shared);
            let encode = move || serde_json::to_vec(&Down::Decision(shared.decision(&answer)));
            steps.push(encoded(name, encode)?);
        }
        let ack = Down::EventAck(EventAck { epoch: epoch()?, upto: 4_711 });
        steps.push(encoded("an acknowledgement", move || serde_json::to_vec(black_box(&ack)))?);
        Ok(steps)
    }

    /// A ticket's signed code.
    fn signed(&self, n: u64) -> Made<Credential> {
        let claims = Claims {
            site: self.site.clone(),
            ticket: id_of(n),
            product: ProductId::new("single")?,
            persons: 1,
            epoch: 0,
            visit_date: Some(20_717),
            slot_start_min: None,
            issued_at_s: NOW.0 / 1_000,
            not_before_s: None,
            expires_s: None,
        };
        Ok(Credential { kind: CredentialKind::Qr, data: self.shared.keys.sign(&claims)? })
    }
}

/// Decisions and passages of tickets of one use, among so many: from what leads to a ticket until
/// the ledger's queue has the record.
pub fn decide(tickets: u64) -> Made<Vec<Step>> {
    let measured = Rc::new(filled(tickets)?);
    let open = Rc::new(RefCell::new(VecDeque::<GrantId>::new()));
    let ids: Rc<[_]> = (0..ROUNDS).map(|n| id_of(scattered(n, tickets))).collect();
    let shown = |name: &str, tell: Box<dyn Fn(Option<GrantId>) -> bool>| {
        let (measured, ids, mut rounds) = (Rc::clone(&measured), Rc::clone(&ids), 0..ROUNDS);
        Step::new(format!("{name} among {tickets}"), move || {
            let n = rounds.next().unwrap_or_default();
            let ticket = usize::try_from(n).ok().and_then(|n| ids.get(n)).copied();
            measured.decide(n, ticket).is_some_and(|answer| tell(answer.grant))
        })
    };
    let granted = Rc::clone(&open);
    let keep = move |grant: Option<GrantId>| {
        granted.borrow_mut().extend(grant);
        grant.is_some()
    };
    let passing = Rc::clone(&measured);
    Ok(vec![
        shown("a grant", Box::new(keep)),
        Step::new(format!("its passage among {tickets}"), move || {
            let grant = open.borrow_mut().pop_front();
            grant.is_some_and(|grant| passing.pass(grant))
        }),
        shown("a refusal of a used ticket", Box::new(|grant| grant.is_none())),
    ])
}

/// So many tickets of one use in memory.
pub(super) fn filled(tickets: u64) -> Made<Measured> {
    let measured = Measured::new()?;
    (0..tickets).for_each(|n| measured.put(n, Kind::Single));
    Ok(measured)
}

fn encoded(name: &str, encode: impl Fn() -> serde_json::Result<Vec<u8>> + 'static) -> Made<Step> {
    let length = encode()?.len();
    Ok(Step::new(format!("{name}, {length} bytes"), move || {
        black_box(encode()).is_ok_and(|bytes| bytes.len() == length)
    }))
}
