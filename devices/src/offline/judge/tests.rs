//! Offline decisions: the order of the checks, and that no ticket is good twice at one device.

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use serde_json::json;
use shanmen_protocols::list::{KeyEntry, TicketEntry};
use shanmen_rules::{ParkDefinition, ProductVersion};

use super::*;
use crate::offline::knowledge::Texts;

/// 2026-10-01T10:00 in Shanghai.
const NOW: UnixMs = UnixMs(1_790_820_000_000);
const TODAY: i32 = 20_727;
const HOUR_MS: i64 = 3_600_000;
const SITE_KEY: DigestKey = DigestKey([9; 32]);
const LOCAL_KEY: DigestKey = DigestKey([4; 32]);
const PARK_VERSION: u64 = 5;

fn signing() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn definition() -> ParkDefinition {
    serde_json::from_value(json!({
        "site": { "id": "huangshan", "timezone": "Asia/Shanghai" },
        "areas": [{ "id": "park" }],
        "gates": [{ "id": "north", "from": "outside", "to": "park" }],
        "lanes": [{ "id": "n1", "gate": "north" }],
        "products": [
            { "id": "day", "entitlements": [{ "areas": ["park"], "uses": 1 }] },
            { "id": "thrice", "entitlements": [{ "areas": ["park"], "uses": 3 }] },
            { "id": "group", "persons": { "min": 1, "max": 60 },
              "entitlements": [{ "areas": ["park"], "uses": 1 }] },
            { "id": "child", "needs": ["attendant"],
              "entitlements": [{ "areas": ["park"], "uses": 1 }] },
        ],
    }))
    .unwrap()
}

fn versions() -> Vec<ProductVersion> {
    definition().products.into_iter().map(ProductVersion::first).collect()
}

fn park() -> Park {
    Park::compile_versions(&definition(), &versions()).unwrap()
}

fn ticket(product: &str, persons: u16) -> TicketState {
    let park = park();
    let terms = IssueTerms {
        product: park.product_ix(product).unwrap(),
        visit_date: Some(Day(TODAY)),
        slot: None,
        persons,
        issued_at: UnixMs(NOW.0 - 24 * HOUR_MS),
        status: Status::Issued,
    };
    TicketState::issue(&park, &terms).unwrap()
}

fn id(n: u128) -> TicketId {
    TicketId(uuid::Uuid::from_u128(n))
}

fn entry(ticket: TicketId, code: &str, state: &TicketState, park: u64) -> String {
    let digest = SITE_KEY.credential(CredentialKind::Qr, code).hex();
    let entry = TicketEntry {
        ticket,
        credentials: vec![digest],
        state: BASE64.encode(&postcard::to_allocvec(state).unwrap()),
        park,
        persons: state.persons(),
        areas: vec!["park".into()],
    };
    serde_json::to_string(&entry).unwrap()
}

fn texts(tickets: &[String], deny: &[Digest]) -> Texts {
    let lines = |lines: Vec<String>| Some(Arc::from(lines.join("\n") + "\n"));
    let kid = "k1".to_owned();
    let key = HEXLOWER.encode(signing().verifying_key().as_bytes());
    let keys =
        [KeyEntry::Ticket { kid, key }, KeyEntry::Digest { key: HEXLOWER.encode(&SITE_KEY.0) }];
    let park = json!({
        "version": PARK_VERSION, "definition": definition(), "products": versions(),
    });
    Texts {
        deny: lines(deny.iter().map(|digest| digest.hex()).collect()),
        keys: lines(keys.iter().map(|key| serde_json::to_string(key).unwrap()).collect()),
        park: lines(vec![park.to_string()]),
        tickets: lines(tickets.to_vec()),
    }
}

fn signed(ticket: TicketId, product: &str, epoch: u16) -> String {
    let claims = Claims {
        site: park().site().id.clone(),
        ticket,
        product: shanmen_protocols::ids::ProductId::new(product).unwrap(),
        persons: 1,
        epoch,
        visit_date: Some(TODAY),
        slot_start_min: None,
        issued_at_s: NOW.0 / 1_000 - 3_600,
        not_before_s: None,
        expires_s: Some(NOW.0 / 1_000 + 36_000),
    };
    code::sign(&claims, "k1", &signing()).unwrap()
}

/// One device with what it knows and what it let in.
struct Bench {
    known: Knowledge,
    own: OwnUses,
    settings: OfflineSettings,
    lane: LaneId,
    now: Option<UnixMs>,
    current_at: Option<UnixMs>,
    admitted: u32,
    acked: u64,
    seq: u64,
    confirm: Option<Confirm>,
}

impl Bench {
    fn new(policy: OfflineMode, tickets: &[String], deny: &[Digest]) -> Self {
        Self {
            known: Knowledge::read(&texts(tickets, deny)),
            own: OwnUses::default(),
            settings: OfflineSettings { policy, ..OfflineSettings::default() },
            lane: LaneId::new("n1").unwrap(),
            now: Some(NOW),
            current_at: Some(UnixMs(NOW.0 - HOUR_MS)),
            admitted: 0,
            acked: 0,
            seq: 0,
            confirm: None,
        }
    }

    fn show(&self, kind: CredentialKind, data: &str, direction: Direction) -> OwnVerdict {
        let credential = Credential { kind, data: data.to_owned() };
        let ground = Ground {
            settings: self.settings,
            lane: &self.lane,
            now: self.now,
            current_at: self.current_at,
            admitted: self.admitted,
            acked: self.acked,
            local_key: &LOCAL_KEY,
        };
        let shown = Shown { credential: &credential, direction, confirm: self.confirm };
        decide(&self.known, &self.own, &ground, &shown)
    }

    fn qr(&self, code: &str) -> (Reason, PassageBy) {
        let verdict = self.show(CredentialKind::Qr, code, Direction::In);
        (verdict.reason, verdict.by)
    }

    fn passed(&mut self, code: &str, direction: Direction, count: u16) {
        let credential = Credential { kind: CredentialKind::Qr, data: code.to_owned() };
        let key = key_of(&self.known, &LOCAL_KEY, &credential).unwrap();
        self.seq += 1;
        self.own.add(Use { key, direction, count, at: self.now, seq: self.seq });
    }
}

const ALL: [OfflineMode; 4] =
    [OfflineMode::Deny, OfflineMode::List, OfflineMode::Signed, OfflineMode::Open];

#[test]
fn each_policy_admits_what_it_says() {
    let listed = entry(id(1), "LISTED-1", &ticket("day", 1), PARK_VERSION);
    let new_code = signed(id(2), "day", 0);
    let (ok, no) = (Reason::Ok, Reason::UnknownTicket);
    let expected =
        [[Reason::Busy, Reason::Busy, Reason::Busy], [ok, no, no], [ok, ok, no], [ok, ok, ok]];
    for (policy, reasons) in ALL.into_iter().zip(expected) {
        let bench = Bench::new(policy, std::slice::from_ref(&listed), &[]);
        let shown = ["LISTED-1", &new_code, "STRANGER-1"].map(|code| bench.qr(code).0);
        assert_eq!(shown, reasons, "{policy:?}");
    }
}

#[test]
fn on_whose_word_is_on_record() {
    let listed = entry(id(1), "LISTED-1", &ticket("day", 1), PARK_VERSION);
    let mut bench = Bench::new(OfflineMode::Open, &[listed], &[]);
    assert_eq!(bench.qr("LISTED-1"), (Reason::Ok, PassageBy::List));
    assert_eq!(bench.qr(&signed(id(1), "day", 0)), (Reason::Ok, PassageBy::List));
    assert_eq!(bench.qr(&signed(id(2), "day", 0)), (Reason::Ok, PassageBy::Signature));
    assert_eq!(bench.qr("STRANGER-1"), (Reason::Ok, PassageBy::Own));
    bench.passed("LISTED-1", Direction::In, 1);
    assert_eq!(bench.qr("LISTED-1"), (Reason::AlreadyUsed, PassageBy::Own));
    assert_eq!(bench.qr(&signed(id(1), "day", 0)).0, Reason::AlreadyUsed, "the same ticket");
    bench.passed(&signed(id(2), "day", 0), Direction::In, 1);
    assert_eq!(bench.qr(&signed(id(2), "day", 0)), (Reason::AlreadyUsed, PassageBy::Own));
    bench.passed("STRANGER-1", Direction::In, 1);
    assert_eq!(bench.qr("STRANGER-1"), (Reason::AlreadyUsed, PassageBy::Own));
}

#[test]
fn the_deny_list_stands_above_all() {
    let listed = entry(id(1), "LISTED-1", &ticket("day", 1), PARK_VERSION);
    let deny = [
        SITE_KEY.ticket(id(1)),
        SITE_KEY.ticket(id(2)),
        SITE_KEY.issue(id(3), 0),
        SITE_KEY.credential(CredentialKind::Qr, "STOLEN-1"),
        SITE_KEY.credential(CredentialKind::IdCard, "11010519491231002X"),
    ];
    let bench = Bench::new(OfflineMode::Open, &[listed], &deny);
    assert_eq!(bench.qr("LISTED-1").0, Reason::Voided);
    assert_eq!(bench.qr(&signed(id(2), "day", 0)).0, Reason::Voided);
    assert_eq!(bench.qr(&signed(id(3), "day", 0)).0, Reason::Superseded);
    assert_eq!(bench.qr(&signed(id(3), "day", 1)).0, Reason::Ok);
    assert_eq!(bench.qr("STOLEN-1").0, Reason::Voided);
    let blocked = bench.show(CredentialKind::IdCard, "11010519491231002x", Direction::In);
    assert_eq!(blocked.reason, Reason::BlockedPerson);
}

#[test]
fn a_forged_code_never_passes() {
    let code = signed(id(2), "day", 0);
    let forged = format!("{}{}", &code[..code.len() - 8], "AAAAAAAA");
    for policy in [OfflineMode::List, OfflineMode::Signed, OfflineMode::Open] {
        let bench = Bench::new(policy, &[], &[]);
        assert_eq!(bench.qr(&forged), (Reason::Forged, PassageBy::Signature), "{policy:?}");
    }
}

#[test]
fn the_rules_are_the_control_planes_own() {
    let tickets = [
        entry(id(1), "CHILD-1", &ticket("child", 1), PARK_VERSION),
        entry(id(2), "GROUP-1", &ticket("group", 30), PARK_VERSION),
    ];
    let mut bench = Bench::new(OfflineMode::List, &tickets, &[]);
    let more = bench.show(CredentialKind::Qr, "CHILD-1", Direction::In);
    assert_eq!((more.result, more.needs), (DecisionResult::More, vec!["attendant".into()]));
    bench.confirm = Some(Confirm { attendant: Some(true), ..Confirm::default() });
    assert_eq!(bench.qr("CHILD-1").0, Reason::Ok);
    assert_eq!(bench.show(CredentialKind::Qr, "GROUP-1", Direction::In).persons, 30);
    bench.passed("GROUP-1", Direction::In, 20);
    assert_eq!(bench.show(CredentialKind::Qr, "GROUP-1", Direction::In).persons, 10, "the rest");
    bench.now = Some(UnixMs(NOW.0 + 24 * HOUR_MS));
    bench.current_at = bench.now;
    assert_eq!(bench.qr("CHILD-1").0, Reason::Expired);
}

#[test]
fn one_may_leave_whatever_one_shows() {
    let bench = Bench::new(OfflineMode::List, &[], &[]);
    let verdict = bench.show(CredentialKind::Qr, "STRANGER-1", Direction::Out);
    assert_eq!((verdict.result, verdict.by), (DecisionResult::Grant, PassageBy::List));
}

#[test]
fn what_is_known_is_good_for_so_long_and_for_so_many() {
    let listed = entry(id(1), "LISTED-1", &ticket("day", 1), PARK_VERSION);
    let fresh = || Bench::new(OfflineMode::Open, std::slice::from_ref(&listed), &[]);
    let refused = (Reason::Busy, PassageBy::Own);
    let old = Bench { current_at: Some(UnixMs(NOW.0 - 24 * HOUR_MS - 1)), ..fresh() };
    assert_eq!(old.qr("LISTED-1"), refused);
    let just = Bench { current_at: Some(UnixMs(NOW.0 - 24 * HOUR_MS)), ..fresh() };
    assert_eq!(just.qr("LISTED-1").0, Reason::Ok);
    let many = Bench { admitted: 10_000, ..fresh() };
    assert_eq!(many.qr("LISTED-1"), refused);
    for unknown in [Bench { now: None, ..fresh() }, Bench { current_at: None, ..fresh() }] {
        assert_eq!(unknown.qr("LISTED-1"), refused, "how old it is cannot be told");
    }
}

#[test]
fn a_use_that_the_list_already_has_is_not_counted_twice() {
    let mut state = ticket("thrice", 1);
    let park = park();
    let lane = park.lane_ix("n1").unwrap();
    let (_, none) = state.record(&park, lane, Direction::In, 1, NOW);
    assert!(none.is_none());
    let listed = entry(id(1), "T-1", &state, PARK_VERSION);
    let mut bench = Bench::new(OfflineMode::List, &[listed], &[]);
    bench.passed("T-1", Direction::In, 1);
    bench.acked = 1;
    bench.now = Some(UnixMs(NOW.0 + HOUR_MS));
    bench.passed("T-1", Direction::In, 1);
    assert_eq!(bench.qr("T-1").0, Reason::Ok, "two of three");
    bench.passed("T-1", Direction::In, 1);
    assert_eq!(bench.qr("T-1").0, Reason::AlreadyUsed);
}

#[test]
fn a_credential_with_two_tickets_is_good_for_each_once() {
    let two = [1, 2].map(|n| entry(id(n), "CARD-1", &ticket("day", 1), PARK_VERSION));
    let mut bench = Bench::new(OfflineMode::Signed, &two, &[]);
    for _ in 0..2 {
        assert_eq!(bench.qr("CARD-1").0, Reason::Ok);
        bench.passed("CARD-1", Direction::In, 1);
        bench.now = bench.now.map(|at| UnixMs(at.0 + 60_000));
    }
    assert_eq!(bench.qr("CARD-1"), (Reason::AlreadyUsed, PassageBy::Own));
    // Of one that was taken back only the other one is left.
    let mut bench = Bench::new(OfflineMode::Signed, &two, &[SITE_KEY.ticket(id(1))]);
    assert_eq!(bench.qr("CARD-1").0, Reason::Ok);
    bench.passed("CARD-1", Direction::In, 1);
    assert_eq!(bench.qr("CARD-1").0, Reason::AlreadyUsed);
}

#[test]
fn tickets_of_a_later_version_of_the_park_are_not_on_the_list() {
    let other = entry(id(1), "LISTED-1", &ticket("day", 1), PARK_VERSION + 1);
    let bench = Bench::new(OfflineMode::List, &[other], &[]);
    assert_eq!(bench.qr("LISTED-1").0, Reason::UnknownTicket);
}

#[test]
fn what_cannot_be_read_is_said_to_be_so() {
    let bench = Bench::new(OfflineMode::Open, &[], &[]);
    for (kind, data) in
        [(CredentialKind::Qr, " \r\n"), (CredentialKind::IdCard, "1101051949123100")]
    {
        assert_eq!(bench.show(kind, data, Direction::In).reason, Reason::Unreadable);
    }
}

proptest! {
    /// Whatever is shown in whatever order, with restarts and acknowledgements in between: nobody
    /// passes on a use that is gone, as a plain count of persons says.
    #[test]
    fn no_ticket_is_good_for_more_than_its_uses_at_one_device(
        policy in prop::sample::select(vec![OfflineMode::List, OfflineMode::Signed, OfflineMode::Open]),
        steps in prop::collection::vec((0..4_usize, 0..3_u8, any::<bool>(), 1..4_u16), 1..60),
    ) {
        let tickets = [
            entry(id(1), "DAY-1", &ticket("day", 1), PARK_VERSION),
            entry(id(2), "THRICE-1", &ticket("thrice", 1), PARK_VERSION),
            entry(id(3), "GROUP-1", &ticket("group", 5), PARK_VERSION),
        ];
        let codes = [
            ["DAY-1".to_owned(), signed(id(1), "day", 0)],
            ["THRICE-1".to_owned(), signed(id(2), "thrice", 0)],
            ["GROUP-1".to_owned(), signed(id(3), "group", 0)],
            [signed(id(4), "day", 0), signed(id(4), "day", 0)],
        ];
        let uses = [1, 3, 5, 1];
        let mut used = [0_u16; 4];
        let mut bench = Bench::new(policy, &tickets, &[]);
        for (which, what, by_signature, walkers) in steps {
            bench.now = bench.now.map(|now| now.plus_ms(10_000));
            match what {
                0 => bench.acked = bench.seq,
                1 => {
                    let shelf = (1..=bench.seq).filter_map(|seq| {
                        let all = codes.iter().flatten().filter_map(|code| {
                            let shown = Credential { kind: CredentialKind::Qr, data: code.clone() };
                            key_of(&bench.known, &LOCAL_KEY, &shown)
                        });
                        let one = all.flat_map(|key| bench.own.of(&key)).find(|u| u.seq == seq)?;
                        Some((seq.to_string(), one.write()))
                    });
                    bench.own = OwnUses::read(shelf.collect());
                }
                _ => {
                    let code = &codes[which][usize::from(by_signature)];
                    let verdict = bench.show(CredentialKind::Qr, code, Direction::In);
                    if verdict.result == DecisionResult::Grant {
                        let passed = u32::from(walkers).min(verdict.persons);
                        let passed = u16::try_from(passed).unwrap();
                        used[which] += passed;
                        prop_assert!(used[which] <= uses[which], "{policy:?}: {which} {used:?}");
                        bench.passed(code, Direction::In, passed);
                    } else {
                        prop_assert!(used[which] == uses[which] || which == 3 && policy == OfflineMode::List,
                            "{policy:?}: {which} refused with {:?} after {used:?}", verdict.reason);
                    }
                }
            }
        }
    }
}
