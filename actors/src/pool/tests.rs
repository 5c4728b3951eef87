//! A shard's work against a small model: random presentations, passages, releases, refunds, full
//! queues, and crashes, after which only what the journal has is there again.
//! Checked after every step: `single_use` and `capacity`, and that counts are exact.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use proptest::prelude::*;
use shanmen_protocols::{
    device::{DecisionResult, Outcome, PassageBy},
    ids::{DeviceId, Direction, GrantId, ScanId, TicketId},
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{
    AreaIx, IssueTerms, LaneIx, Park, ParkDefinition, Presentation, ProductIx, Room as _, Status,
    TicketState,
};
use tokio::sync::oneshot;

use super::{Ask, ByGrant, Change, HotState, Settle, ShardCore};
use crate::{
    api::AuditLine,
    flow::Occupancy,
    ledger::{After, Answer, Entry, Journaled, LedgerFault},
    live_park::LivePark,
};

const CAPACITY: u32 = 5;
const TICKETS: usize = 6;
const NOW: UnixMs = UnixMs(1_790_000_000_000);

fn park() -> Park {
    let definition: ParkDefinition = serde_json::from_value(serde_json::json!({
        "site": { "id": "p", "timezone": "UTC" },
        "areas": [{ "id": "park", "capacity": { "instant": CAPACITY } }],
        "gates": [{ "id": "g", "from": "outside", "to": "park" }],
        "lanes": [{ "id": "n1", "gate": "g" }, { "id": "n2", "gate": "g" }],
        "products": [
            { "id": "single", "class": "adult",
              "validity": { "kind": "fixed", "from": "2020-01-01", "until": "2099-12-31" },
              "entitlements": [{ "areas": ["park"], "uses": 1 }] },
            { "id": "group", "class": "group", "persons": { "min": 2, "max": 9 },
              "validity": { "kind": "fixed", "from": "2020-01-01", "until": "2099-12-31" },
              "entitlements": [{ "areas": ["park"], "uses": 1 }] },
        ],
    }))
    .expect("a definition");
    Park::compile(&definition).expect("a park")
}

struct World {
    core: ShardCore,
    full: Arc<AtomicBool>,
    /// What a crash leaves: the tickets as they were sold, and the journal, as bytes.
    sold: Vec<(TicketId, TicketState)>,
    journal: Arc<Mutex<Vec<Vec<u8>>>>,
    refunded: Vec<bool>,
    tickets: Vec<(TicketId, u32)>,
    passed: Vec<u32>,
    open: Vec<(usize, GrantId, u32)>,
    inside: u32,
}

impl World {
    fn new() -> Self {
        let park = Arc::new(park());
        let (mut tickets, mut sold) = (Vec::new(), Vec::new());
        for n in 0..TICKETS {
            let group = n % 3 == 2;
            let persons = if group { 3 } else { 1 };
            let terms = IssueTerms {
                product: ProductIx(u16::from(group)),
                visit_date: None,
                slot: None,
                persons,
                issued_at: NOW,
                status: Status::Issued,
            };
            let id = TicketId(uuid::Uuid::from_u128(n as u128 + 1));
            sold.push((id, TicketState::issue(&park, &terms).expect("a ticket")));
            tickets.push((id, u32::from(persons)));
        }
        let full = Arc::new(AtomicBool::new(false));
        let journal = Arc::new(Mutex::new(Vec::new()));
        let core = core(park, &sold, &full, &journal);
        let (passed, refunded) = (vec![0; TICKETS], vec![false; TICKETS]);
        Self { core, full, sold, journal, refunded, tickets, passed, open: Vec::new(), inside: 0 }
    }

    /// The power goes: all that was in memory is gone.
    fn crash(&mut self) {
        let park = self.core.park.full();
        self.core = core(park, &self.sold, &self.full, &self.journal);
    }

    fn refund(&mut self, ticket: usize) {
        let (done, mut changed) = oneshot::channel();
        self.core.change(Change {
            id: self.tickets[ticket].0,
            how: Box::new(|state| {
                state.set_status(Status::Refunded);
                Ok(())
            }),
            audit: AuditLine {
                at: NOW,
                actor: "a".into(),
                action: "ticket.refund".into(),
                target: String::new(),
                note: String::new(),
            },
            done,
        });
        let changed = changed.try_recv().expect("at once");
        assert_eq!(changed.is_err(), self.full.load(Ordering::Relaxed));
        self.refunded[ticket] |= changed.is_ok();
    }

    fn ask(&mut self, ticket: usize, lane: u16, direction: Direction) {
        let (answer, mut answered) = oneshot::channel();
        self.core.ask(Ask {
            scan: ScanId::fresh(),
            device: device(),
            presentation: Presentation::new(NOW, LaneIx(lane), direction),
            ticket: Some(self.tickets[ticket].0),
            code_fault: None,
            answer: Box::new(answer),
        });
        match answered.try_recv().expect("an answer at once") {
            Ok(answer) => self.check(ticket, direction, &answer),
            Err(fault) => {
                assert_eq!(fault, LedgerFault::Full);
                assert!(self.full.load(Ordering::Relaxed));
            }
        }
    }

    /// The model: a handful of counters, told by the answers alone.
    fn check(&mut self, ticket: usize, direction: Direction, answer: &Answer) {
        let (_, persons) = self.tickets[ticket];
        let in_progress = self.open.iter().any(|(other, ..)| *other == ticket);
        let left = persons - self.passed[ticket];
        let room = CAPACITY - self.inside - self.reserved();
        let expected = if direction == Direction::Out {
            DecisionResult::Grant
        } else if self.refunded[ticket] || in_progress || left == 0 || room < left {
            DecisionResult::Deny
        } else {
            DecisionResult::Grant
        };
        if direction == Direction::In {
            assert_eq!(answer.result, expected, "{:?} {left} {room}", answer.reason);
        }
        if answer.result == DecisionResult::Grant && direction == Direction::In {
            assert_eq!(u32::from(answer.persons), left, "all that are left");
            self.open.push((ticket, answer.grant.expect("a grant"), left));
        } else if let Some(grant) = answer.grant {
            // An exit is settled at once as not taken: who is inside is told by the entries.
            self.end(grant, Outcome::NotTaken, 0);
        }
        if answer.result == DecisionResult::Deny {
            match (self.refunded[ticket], in_progress, left) {
                (true, ..) => assert_eq!(answer.reason, Reason::Refunded),
                (false, true, _) => assert_eq!(answer.reason, Reason::InProgress),
                (false, false, 0) => assert_eq!(answer.reason, Reason::AlreadyUsed),
                (false, false, _) => assert_eq!(answer.reason, Reason::AreaFull),
            }
        }
    }

    fn reserved(&self) -> u32 {
        self.open.iter().map(|(_, _, persons)| persons).sum()
    }

    fn settle(&mut self, which: usize, taken: u32) {
        if self.open.is_empty() || self.full.load(Ordering::Relaxed) {
            return;
        }
        let (ticket, grant, persons) = self.open.swap_remove(which % self.open.len());
        let taken = taken.min(persons);
        let outcome = match taken {
            0 => Outcome::NotTaken,
            n if n == persons => Outcome::Taken,
            _ => Outcome::Partial,
        };
        self.end(grant, outcome, taken);
        self.passed[ticket] += taken;
        self.inside += taken;
    }

    fn end(&self, grant: GrantId, outcome: Outcome, count: u32) {
        let row = self.core.hot.grant(grant).expect("it is open");
        let (done, mut settled) = oneshot::channel();
        let settle = |row, done| Settle {
            by_grant: ByGrant::Open(Box::new(row)),
            at: NOW,
            now: NOW,
            time_known: true,
            outcome,
            count: Some(count),
            by: PassageBy::Server,
            device: device(),
            event: None,
            audit: None,
            done,
        };
        self.core.settle(settle(row.clone(), done));
        assert!(settled.try_recv().expect("at once").is_ok());
        let (done, mut again) = oneshot::channel();
        self.core.settle(settle(row, done));
        assert!(again.try_recv().expect("at once").is_err(), "one outcome per grant");
    }

    fn invariants(&self) {
        let area = AreaIx(1);
        let persons = self.core.occupancy.persons(area);
        assert_eq!(persons.inside, self.inside, "occupancy is exact");
        assert_eq!(persons.reserved, self.reserved(), "so are reserved places");
        assert!(persons.inside + persons.reserved <= CAPACITY, "capacity");
        assert_eq!(self.core.occupancy.entries_today(area), self.inside + self.reserved());
        for (n, (id, allowed)) in self.tickets.iter().enumerate() {
            let state = self.core.hot.ticket(*id).expect("a ticket");
            assert_eq!(state.entries(), self.passed[n]);
            let used = state.entries() + u32::from(state.reserved());
            assert!(used <= *allowed, "single_use: {used} of {allowed}");
        }
    }
}

/// A shard as it starts: from the tickets as they were sold and what the journal has.
fn core(
    park: Arc<Park>,
    sold: &[(TicketId, TicketState)],
    full: &Arc<AtomicBool>,
    journal: &Arc<Mutex<Vec<Vec<u8>>>>,
) -> ShardCore {
    let hot = Arc::new(HotState::new());
    let occupancy = Arc::new(Occupancy::new(&park, park.business_day(NOW)));
    for (id, state) in sold {
        hot.put(*id, state.clone());
    }
    let mut open = Vec::new();
    for record in journal.lock().expect("a lock").iter() {
        match postcard::from_bytes(record).expect("a record that can be read") {
            Journaled::Decided(decided) => {
                open.extend(decided.grant);
                if let Some((id, state)) = decided.ticket {
                    hot.put(id, state);
                }
            }
            Journaled::Settled(settled) => {
                open.retain(|row| Some(row.id) != settled.closes);
                occupancy.apply(&park, &settled.passage.moves, park.business_day(NOW));
                if let Some((id, state)) = settled.ticket {
                    hot.put(id, state);
                }
            }
            Journaled::TicketChanged { id, state, .. } => hot.put(id, *state),
            Journaled::Event(_) => {}
        }
    }
    for row in open {
        occupancy.reserve_anyway(&park, &row.open.admission, NOW);
        hot.open(row);
    }
    let (full, journal) = (Arc::clone(full), Arc::clone(journal));
    ShardCore {
        occupancy,
        park: LivePark::new(park),
        hot,
        append: Arc::new(move |entry: Entry| {
            if full.load(Ordering::Relaxed) {
                return Err(Box::new(entry));
            }
            let record = postcard::to_allocvec(&entry.record).expect("a record");
            journal.lock().expect("a lock").push(record);
            if let After::Answer(to, answer) = entry.after {
                assert!(to.answer(Ok(answer)), "somebody waits");
            }
            Ok(())
        }),
        relaxed: false,
    }
}

fn device() -> DeviceId {
    DeviceId::new("t1").expect("a name")
}

#[derive(Clone, Debug)]
enum Step {
    Ask { ticket: usize, lane: u16, out: bool },
    Settle { which: usize, taken: u32 },
    QueueFull(bool),
    Refund(usize),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..TICKETS, 0..2u16, prop::bool::weighted(0.1))
            .prop_map(|(ticket, lane, out)| Step::Ask { ticket, lane, out }),
        3 => (0..8usize, 0..4u32).prop_map(|(which, taken)| Step::Settle { which, taken }),
        1 => any::<bool>().prop_map(Step::QueueFull),
        1 => (0..TICKETS).prop_map(Step::Refund),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_uses_and_places_stay_exact(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Ask { ticket, lane, out } => {
                    let direction = if out { Direction::Out } else { Direction::In };
                    world.ask(ticket, lane, direction);
                }
                Step::Settle { which, taken } => world.settle(which, taken),
                Step::QueueFull(full) => world.full.store(full, Ordering::Relaxed),
                Step::Refund(ticket) => world.refund(ticket),
                Step::Crash => world.crash(),
            }
            world.invariants();
        }
    }
}

#[test]
fn two_lanes_never_give_away_the_last_place_twice() {
    // Many threads ask for the last places at once, each as a shard of its own would.
    let world = World::new();
    let core = &world.core;
    let granted = Mutex::new(0u32);
    std::thread::scope(|scope| {
        for (id, _) in &world.tickets {
            let granted = &granted;
            scope.spawn(move || {
                let (answer, mut answered) = oneshot::channel();
                core.ask(Ask {
                    scan: ScanId::fresh(),
                    device: device(),
                    presentation: Presentation::new(NOW, LaneIx(0), Direction::In),
                    ticket: Some(*id),
                    code_fault: None,
                    answer: Box::new(answer),
                });
                let answer = answered.try_recv().expect("at once").expect("an answer");
                if answer.result == DecisionResult::Grant {
                    *granted.lock().expect("a lock") += u32::from(answer.persons);
                }
            });
        }
    });
    let granted = granted.into_inner().expect("a lock");
    assert!(granted <= CAPACITY, "{granted} places given away");
    assert_eq!(core.occupancy.persons(AreaIx(1)).reserved, granted);
}
