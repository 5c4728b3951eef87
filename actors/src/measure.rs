//! For `benches/` only: the real hot state and the real shard, with a ledger's queue that takes
//! everything in memory (`hot.rs`); the steps of a scan's path by the real program (`steps.rs`); and
//! what crosses threads on that path (`threads.rs`). Nothing here decides or keeps anything by
//! itself.
//!
//! Tickets are numbered from 0; number, id, state and credential follow from each other, so the
//! bench keeps nothing beside what is measured.

mod payloads;
pub mod steps;
pub mod threads;

use std::{path::Path, sync::Arc};

use shanmen_protocols::{
    device::{Outcome, PassageBy},
    ids::{Channel, DeviceId, Direction, GrantId, ScanId, TicketId},
    time::UnixMs,
};
use shanmen_rules::{
    IssueTerms, LaneIx, Park, ParkDefinition, Presentation, ProductIx, Status, TicketState,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    clock::{self, Clock, Stopwatch},
    flow::Occupancy,
    keys::Digest,
    ledger::{
        self, After, Answer, BulkEntry, Committed, Entry, Journaled, Ledger as _, Rows, TicketRow,
    },
    live_park::LivePark,
    pool::{Ask, ByGrant, HotState, Settle, ShardCore},
};

/// The moment of everything here: 2026-09-21.
const NOW: UnixMs = UnixMs(1_790_000_000_000);
/// How many tickets share one bulk write.
const BULK_ROWS: u64 = 500;

/// Which ticket is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One use.
    Single,
    /// As many uses as one likes.
    Pass,
}

/// A hot state and a shard over it.
pub struct Measured {
    core: ShardCore,
    device: DeviceId,
    single: TicketState,
    pass: TicketState,
}

impl Measured {
    /// An empty hot state.
    pub fn new() -> Result<Self, Box<dyn std::error::Error>> {
        Self::with(drop)
    }

    /// An empty hot state; every record is handed to `take`, and answered at once.
    fn with(
        take: impl Fn(Journaled) + Send + Sync + 'static,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let park = Arc::new(park()?);
        let append = move |entry: Entry| {
            take(entry.record);
            match entry.after {
                After::Answer(to, answer) => drop(to.answer(Ok(answer))),
                After::Ack(to) => drop(to.send(Ok(Committed { at: NOW, n: 1 }))),
                After::Nothing => {}
            }
            Ok(())
        };
        Ok(Self {
            single: issued(&park, Kind::Single)?,
            pass: issued(&park, Kind::Pass)?,
            core: ShardCore {
                occupancy: Arc::new(Occupancy::new(&park, park.business_day(NOW))),
                park: LivePark::new(park),
                hot: Arc::new(HotState::new()),
                append: Arc::new(append),
                relaxed: false,
            },
            device: DeviceId::new("t1")?,
        })
    }

    /// Puts a fresh ticket.
    pub fn put(&self, n: u64, kind: Kind) {
        let state = match kind {
            Kind::Single => &self.single,
            Kind::Pass => &self.pass,
        };
        self.core.hot.put(id_of(n), state.clone());
    }

    /// Lets a ticket's credential lead to it.
    pub fn lead(&self, n: u64) {
        self.core.hot.lead(digest_of(n), id_of(n));
    }

    /// Looks a ticket up by its id; true when it is there.
    pub fn ticket(&self, n: u64) -> bool {
        self.core.hot.ticket(id_of(n)).is_some()
    }

    /// Looks up by credential what leads to a ticket; true when it leads to it alone.
    pub fn leads(&self, n: u64) -> bool {
        self.core.hot.leads(digest_of(n)).as_slice() == [id_of(n)]
    }

    /// Shows a credential at the gate, and when it is granted lets the visitor pass. True when it
    /// was granted.
    pub fn present(&self, n: u64) -> bool {
        self.ask(n).is_some_and(|grant| self.pass(grant))
    }

    /// Shows a credential at the gate: the look-up, the decision, its answer received.
    pub fn ask(&self, n: u64) -> Option<GrantId> {
        let ticket = self.core.hot.leads(digest_of(n)).first().copied();
        self.decide(n, ticket)?.grant
    }

    /// A presentation at the gate of what leads to this ticket: the decision, its answer received.
    fn decide(&self, n: u64, ticket: Option<TicketId>) -> Option<Arc<Answer>> {
        let (answer, mut answered) = oneshot::channel();
        self.core.ask(Ask {
            scan: ScanId(Uuid::from_u64_pair(mixed(n), n)),
            device: self.device.clone(),
            presentation: Presentation::new(NOW, LaneIx(0), Direction::In),
            ticket,
            code_fault: None,
            answer: Box::new(answer),
        });
        answered.try_recv().ok()?.ok()
    }

    /// Lets the visitor of a grant pass: the passage with its commit received.
    pub fn pass(&self, grant: GrantId) -> bool {
        let Some(row) = self.core.hot.grant(grant) else { return false };
        let (done, mut settled) = oneshot::channel();
        self.core.settle(Settle {
            by_grant: ByGrant::Open(Box::new(row)),
            at: NOW,
            now: NOW,
            time_known: true,
            outcome: Outcome::Taken,
            count: None,
            by: PassageBy::Server,
            device: self.device.clone(),
            event: None,
            audit: None,
            done,
        });
        settled.try_recv().is_ok_and(|settled| {
            settled.is_ok_and(|mut passed| passed.committed.try_recv().is_ok())
        })
    }

    /// Loads a ledger into the hot state, as a start does: tickets, seconds.
    pub fn load(&self, folder: &Path) -> Result<(usize, f64), Box<dyn std::error::Error>> {
        let runtime = runtime()?;
        let _inside = runtime.enter();
        let watch = Stopwatch::start();
        let ledger = ledger::open(folder, Clock::of(|| NOW))?;
        let hot = &self.core.hot;
        ledger.load(
            NOW,
            Rows {
                ticket: &mut |id, blob| {
                    hot.put(id, ledger::ticket_state(blob)?);
                    Ok(())
                },
                credential: &mut |digest, ticket| hot.lead(Digest(digest), ticket),
            },
        )?;
        let seconds = watch.seconds();
        ledger.stop();
        Ok((hot.sizes().0, seconds))
    }
}

/// Writes tickets with one credential each into a new ledger, through its bulk queue.
pub fn fill(folder: &Path, tickets: u64) -> Result<(), Box<dyn std::error::Error>> {
    let state = issued(&park()?, Kind::Single)?;
    runtime()?.block_on(async {
        let ledger = ledger::open(folder, Clock::of(clock::system_now))?;
        for first in (0..tickets).step_by(usize::try_from(BULK_ROWS)?) {
            let rows = (first..tickets.min(first + BULK_ROWS)).map(|n| TicketRow {
                id: id_of(n),
                state: state.clone(),
                credentials: vec![digest_of(n)],
                holder: None,
                channel: Channel::direct(),
            });
            let (done, committed) = oneshot::channel();
            ledger.append_bulk(BulkEntry { tickets: rows.collect(), done }).await?;
            committed.await??;
        }
        ledger.stop();
        Ok::<_, Box<dyn std::error::Error>>(())
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// One area, one gate with so many lanes (`n0` and up), a ticket of one use and a pass.
fn definition(lanes: usize) -> serde_json::Result<ParkDefinition> {
    let lanes: Vec<_> =
        (0..lanes).map(|n| serde_json::json!({ "id": format!("n{n}"), "gate": "g" })).collect();
    serde_json::from_value(serde_json::json!({
        "site": { "id": "p", "timezone": "Asia/Shanghai" },
        "areas": [{ "id": "park", "capacity": { "instant": 2_000_000_000 } }],
        "gates": [{ "id": "g", "from": "outside", "to": "park" }],
        "lanes": lanes,
        "products": [
            { "id": "single", "class": "adult",
              "validity": { "kind": "fixed", "from": "2020-01-01", "until": "2099-12-31" },
              "entitlements": [{ "areas": ["park"], "uses": 1 }] },
            { "id": "pass", "class": "adult",
              "validity": { "kind": "fixed", "from": "2020-01-01", "until": "2099-12-31" },
              "entitlements": [{ "areas": ["park"] }] },
        ],
    }))
}

fn park() -> Result<Park, Box<dyn std::error::Error>> {
    Park::compile(&definition(1)?).map_err(|faults| format!("{faults:?}").into())
}

fn issued(park: &Park, kind: Kind) -> Result<TicketState, Box<dyn std::error::Error>> {
    let terms = IssueTerms {
        product: ProductIx(u16::from(kind == Kind::Pass)),
        visit_date: None,
        slot: None,
        persons: 1,
        issued_at: NOW,
        status: Status::Issued,
    };
    TicketState::issue(park, &terms).map_err(|fault| fault.to_string().into())
}

/// Like a fresh id (UUID version 7) of a sale of 64 tickets a millisecond.
fn id_of(n: u64) -> TicketId {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&mixed(n).to_be_bytes());
    random[8..].copy_from_slice(&mixed(!n).to_be_bytes()[..2]);
    let at_ms = NOW.0.unsigned_abs() + n / 64;
    TicketId(uuid::Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid())
}

fn digest_of(n: u64) -> Digest {
    Digest(
        (u128::from(mixed(n ^ (1 << 62))) << 64 | u128::from(mixed(n ^ (1 << 63)))).to_be_bytes(),
    )
}

/// Another order of `0..count`: neighbours come apart, each number comes once.
pub fn scattered(n: u64, count: u64) -> u64 {
    // A prime that does not divide a power of ten.
    n * 611_953 % count
}

/// One step of `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
/// 2014): a number as if at random, a different one for each `n`.
pub fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}
