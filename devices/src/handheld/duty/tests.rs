//! A duty from outside: what is wanted and answered, and what comes of it.

use serde_json::{Map, Value, json};
use shanmen_protocols::{
    device::{Credential, CredentialKind, Decision, DecisionResult, Outcome, Show},
    ids::GrantId,
    reason::{Lang, Light},
    time::UnixMs,
};

use super::*;
use crate::lane::{OwnVerdict, WAITS_MAX};

const TTL_MS: u64 = 1_500;
const CONFIRM_MS: u64 = 60_000;
const AT: i64 = 1_760_000_000_000;

fn lane(name: &str) -> LaneId {
    LaneId::new(name).unwrap()
}

/// A duty with its effects, sorted by kind.
struct Bench {
    duty: Duty,
    now_ms: u64,
    sent: Vec<u32>,
    asked: Vec<(What, Purpose)>,
    facts: Vec<Body>,
    shown: Vec<Option<Credential>>,
    kept: BTreeMap<ScanId, Opening>,
    told: Vec<Output>,
    judge: OwnVerdict,
}

impl Bench {
    fn new() -> Self {
        let gates = BTreeMap::from([(GateId::new("south").unwrap(), lane("south-h"))]);
        let settings = DutySettings {
            lane: lane("north-h"),
            lanes: gates,
            ttl_ms: u32::try_from(TTL_MS).unwrap(),
            confirm_ms: CONFIRM_MS,
            lang: Lang::En,
        };
        let duty = Duty::new(settings, BTreeMap::new(), now(0));
        Self {
            duty,
            now_ms: 0,
            sent: Vec::new(),
            asked: Vec::new(),
            facts: Vec::new(),
            shown: Vec::new(),
            kept: BTreeMap::new(),
            told: Vec::new(),
            judge: OwnVerdict::deny(Reason::Busy, PassageBy::Own),
        }
    }

    /// In reach, and logged in with these roles for an hour.
    fn manned(roles: &[&str]) -> Self {
        let mut bench = Self::new();
        bench.online(true);
        bench.wants(Input::Login { user: "li".into(), password: "secret".into() });
        let body = json!({ "operator": "token-1", "roles": roles, "expires": AT + 3_600_000 });
        bench.answer(Ok(body));
        bench.told.clear();
        bench
    }

    fn run(&mut self, act: impl FnOnce(&mut Duty, Now, &mut Vec<Effect>)) {
        let mut effects = Vec::new();
        act(&mut self.duty, now(self.now_ms), &mut effects);
        let mut effects = std::collections::VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Send => self.sent.push(self.duty.check().unwrap().scan.attempt),
                Effect::Judge => {
                    let mut more = Vec::new();
                    self.duty.judged(now(self.now_ms), self.judge.clone(), &mut more);
                    effects.extend(more);
                }
                Effect::Ask(_, what, purpose) => self.asked.push((what, purpose)),
                Effect::Record(body) => self.facts.push(body),
                Effect::RecordPassage(passage, shown) => {
                    self.shown.push(shown);
                    self.facts.push(Body::Passage(passage));
                }
                Effect::Keep(scan, opening) => {
                    self.kept.insert(scan, opening);
                }
                Effect::Forget(scan) => {
                    assert!(self.kept.remove(&scan).is_some(), "forgotten once, after it was kept");
                }
                Effect::Tell(_, output) => self.told.push(output),
            }
        }
    }

    fn online(&mut self, online: bool) {
        self.run(|duty, _, out| duty.reached(online, out));
    }

    fn wants(&mut self, input: Input) {
        self.run(|duty, now, out| duty.wants(now, None, ScanId::fresh(), input, out));
    }

    fn scan(&mut self) -> ScanId {
        self.wants(Input::Scan { credential: ticket(), direction: None, confirm: None });
        self.duty.check().map_or_else(ScanId::fresh, |check| check.scan.id)
    }

    fn decide(&mut self, scan: ScanId, result: DecisionResult, persons: u32) {
        let decision = decision(scan, result, persons);
        self.run(|duty, now, out| duty.decided(now, decision, false, out));
    }

    fn granted(&mut self, persons: u32) -> ScanId {
        let scan = self.scan();
        self.decide(scan, DecisionResult::Grant, persons);
        scan
    }

    fn answer(&mut self, answer: Result<Value, &str>) {
        let (_, purpose) = self.asked.pop().unwrap();
        let answer = answer.map(|body| body.as_object().unwrap().clone()).map_err(str::to_owned);
        self.run(|duty, now, out| duty.answered(now, None, purpose, answer, out));
    }

    fn pass_time(&mut self, ms: u64) {
        self.now_ms += ms;
        self.run(Duty::tick);
    }

    fn passages(&self) -> Vec<(Outcome, u32, PassageBy)> {
        let passages = self.facts.iter().filter_map(|fact| match fact {
            Body::Passage(passage) => Some((passage.outcome, passage.count?, passage.by)),
            _ => None,
        });
        passages.collect()
    }

    fn refusal(&mut self) -> String {
        match self.told.pop() {
            Some(Output::Refused { why, .. }) => why.into_owned(),
            other => panic!("no refusal: {other:?}"),
        }
    }
}

fn now(up_ms: u64) -> Now {
    Now { up_ms, at: Some(UnixMs(AT + i64::try_from(up_ms).unwrap())) }
}

fn ticket() -> Credential {
    Credential { kind: CredentialKind::Qr, data: "T-1".into() }
}

fn decision(id: ScanId, result: DecisionResult, persons: u32) -> Decision {
    Decision {
        id,
        result,
        grant: (result == DecisionResult::Grant).then(GrantId::fresh),
        reason: if result == DecisionResult::Grant { Reason::Ok } else { Reason::Busy },
        persons,
        hold_ms: 5_000,
        needs: Vec::new(),
        show: Show {
            title: "".into(),
            text: "".into(),
            voice: "".into(),
            light: Light::Green,
            lang: Lang::En,
        },
        facts: Map::new(),
    }
}

fn denied(bench: &Bench) -> usize {
    bench.facts.iter().filter(|fact| matches!(fact, Body::Denied { .. })).count()
}

#[test]
fn nothing_but_a_login_is_done_while_nobody_is_logged_in() {
    let mut bench = Bench::new();
    bench.online(true);
    bench.told.clear();
    bench.scan();
    assert!(bench.refusal().contains("log in first"));
    for input in [
        Input::Lookup { credential: Some(ticket()), ticket: None },
        Input::Override { reason: "r".into(), persons: None, credential: None, direction: None },
        Input::Undo { scan: ScanId::fresh(), reason: "r".into() },
        Input::Logout {},
    ] {
        bench.wants(input);
        assert!(bench.refusal().contains("log in first"));
    }
    assert!(bench.sent.is_empty() && bench.asked.is_empty() && bench.facts.is_empty());
}

#[test]
fn a_scan_says_where_and_who_and_a_grant_ends_in_what_the_operator_says() {
    for (count, outcome, passed) in [
        (None, Outcome::Taken, 3),
        (Some(3), Outcome::Taken, 3),
        (Some(2), Outcome::Partial, 2),
        (Some(0), Outcome::NotTaken, 0),
    ] {
        let mut bench = Bench::manned(&["operator"]);
        bench.wants(Input::Place { lane: Some(lane("east-1")), direction: Some(Direction::Out) });
        let scan = bench.scan();
        let check = bench.duty.check().unwrap();
        assert_eq!(check.scan.lane, Some(lane("east-1")));
        assert_eq!(check.scan.direction, Direction::Out);
        assert_eq!(check.scan.operator.as_deref(), Some("token-1"));
        bench.decide(scan, DecisionResult::Grant, 3);
        assert_eq!(bench.kept.len(), 1, "kept before anybody is told");
        assert!(bench.facts.is_empty(), "nobody has passed yet");
        bench.wants(Input::Passed { scan, count: Some(4) });
        assert!(bench.refusal().contains("granted for 3"));
        bench.wants(Input::Passed { scan, count });
        assert_eq!(bench.passages(), [(outcome, passed, PassageBy::Server)]);
        let Body::Passage(passage) = &bench.facts[0] else { panic!() };
        assert!(passage.grant.is_some() && passage.scan == Some(scan));
        assert_eq!(passage.credential, None, "the control plane knows what was shown");
        assert_eq!(bench.shown, [Some(ticket())], "and so does the record of own uses");
        assert_eq!(passage.operator.as_deref(), Some("token-1"));
        assert_eq!((&passage.lane, passage.direction), (&Some(lane("east-1")), Direction::Out));
        bench.wants(Input::Passed { scan, count: None });
        assert!(bench.refusal().contains("it has ended"), "one outcome for one grant");
        assert_eq!(bench.facts.len(), 1);
        assert!(bench.kept.is_empty());
    }
}

#[test]
fn a_grant_of_which_nobody_speaks_is_not_taken_after_its_time() {
    let mut bench = Bench::manned(&[]);
    let scan = bench.granted(2);
    bench.pass_time(CONFIRM_MS - 1);
    assert!(bench.facts.is_empty());
    assert_eq!(bench.duty.wake_at_ms(), Some(CONFIRM_MS));
    bench.pass_time(1);
    assert_eq!(bench.passages(), [(Outcome::NotTaken, 0, PassageBy::Server)]);
    assert_eq!(
        bench.told.last(),
        Some(&Output::Ended { scan, outcome: Outcome::NotTaken, count: 0 })
    );
}

#[test]
fn a_grant_survives_a_restart_and_still_has_one_outcome() {
    let mut bench = Bench::manned(&[]);
    let scan = bench.granted(1);
    let json = serde_json::to_string(&bench.kept[&scan]).unwrap();
    let opening: Opening = serde_json::from_str(&json).unwrap();
    let mut again = Bench::new();
    let openings = BTreeMap::from([(scan, opening.clone())]);
    again.duty = Duty::new(again.duty.settings.clone(), openings, now(0));
    again.kept.insert(scan, opening);
    again.wants(Input::Passed { scan, count: None });
    assert_eq!(again.passages(), [(Outcome::Taken, 1, PassageBy::Server)]);
}

#[test]
fn an_answer_that_is_late_retained_or_for_another_check_has_no_effect() {
    let mut bench = Bench::manned(&[]);
    let scan = bench.scan();
    bench.decide(ScanId::fresh(), DecisionResult::Grant, 1);
    let retained = decision(scan, DecisionResult::Grant, 1);
    bench.run(|duty, now, out| duty.decided(now, retained, true, out));
    assert!(bench.kept.is_empty() && bench.told.is_empty());
    bench.pass_time(TTL_MS / 3);
    assert_eq!(bench.sent, [1, 2], "sent again once");
    bench.pass_time(TTL_MS);
    assert_eq!(denied(&bench), 1, "decided here, and on record");
    bench.decide(scan, DecisionResult::Grant, 1);
    assert!(bench.kept.is_empty(), "too late");
}

#[test]
fn more_time_is_asked_for_a_bounded_number_of_times() {
    let mut bench = Bench::manned(&[]);
    let scan = bench.scan();
    for _ in 0..WAITS_MAX {
        bench.now_ms += TTL_MS - 1;
        bench.decide(scan, DecisionResult::Wait, 0);
    }
    assert!(bench.duty.check().is_some());
    bench.now_ms += TTL_MS - 1;
    bench.decide(scan, DecisionResult::Wait, 0);
    bench.pass_time(1);
    assert!(bench.duty.check().is_none());
}

#[test]
fn out_of_reach_a_check_is_decided_here_at_once() {
    let mut bench = Bench::manned(&[]);
    bench.online(false);
    bench.scan();
    assert!(bench.sent.is_empty() && denied(&bench) == 1);
    bench.judge = OwnVerdict {
        result: DecisionResult::Grant,
        reason: Reason::Ok,
        persons: 2,
        needs: Vec::new(),
        by: PassageBy::List,
        credential: Some(ticket()),
    };
    bench.scan();
    let scan = *bench.kept.keys().next().unwrap();
    bench.wants(Input::Passed { scan, count: None });
    let Some(Body::Passage(passage)) = bench.facts.last() else { panic!() };
    assert_eq!((passage.by, passage.count), (PassageBy::List, Some(2)));
    assert_eq!(passage.credential, Some(ticket()), "the control plane learns what was shown");
}

#[test]
fn an_override_needs_a_role_and_a_reason_and_is_on_record_before_anybody_passes() {
    let want = |reason: &str| Input::Override {
        reason: reason.into(),
        persons: Some(2),
        credential: Some(ticket()),
        direction: None,
    };
    let mut seller = Bench::manned(&["seller"]);
    seller.wants(want("lost ticket"));
    assert!(seller.refusal().contains("operator, admin"));

    let mut bench = Bench::manned(&["operator"]);
    bench.wants(want("  "));
    assert!(bench.refusal().contains("1 to 500"));
    bench.wants(want("lost ticket"));
    let (What::Override { scan, reason, persons: 2, .. }, _) = &bench.asked[0] else { panic!() };
    let (scan, reason) = (*scan, reason.clone());
    assert_eq!(reason, "lost ticket");
    assert!(bench.kept.is_empty(), "not before it is on record");
    let granted = Decision { grant: None, ..decision(scan, DecisionResult::Grant, 2) };
    bench.answer(Ok(serde_json::to_value(granted).unwrap()));
    bench.wants(Input::Passed { scan, count: Some(1) });
    let Some(Body::Passage(passage)) = bench.facts.last() else { panic!() };
    assert_eq!((passage.by, passage.outcome), (PassageBy::Manual, Outcome::Partial));
    assert_eq!(passage.reason.as_deref(), Some("lost ticket"));
    assert_eq!(passage.credential, Some(ticket()));

    bench.wants(want("again"));
    bench.answer(Err("operator: unknown or over: log in again"));
    assert!(bench.refusal().contains("log in again"));
    assert!(bench.kept.is_empty());
}

#[test]
fn an_override_out_of_reach_brings_who_and_why_with_its_passage() {
    let mut bench = Bench::manned(&["admin"]);
    bench.online(false);
    let (credential, direction) = (None, Some(Direction::Out));
    bench.wants(Input::Override { reason: "ill".into(), persons: None, credential, direction });
    let scan = *bench.kept.keys().next().unwrap();
    bench.wants(Input::Passed { scan, count: None });
    let Some(Body::Passage(passage)) = bench.facts.last() else { panic!() };
    assert_eq!((passage.by, passage.direction), (PassageBy::Manual, Direction::Out));
    assert_eq!(passage.reason.as_deref(), Some("ill"));
    assert_eq!(passage.operator.as_deref(), Some("token-1"));
}

#[test]
fn a_passage_is_taken_back_by_the_control_plane_only() {
    let mut bench = Bench::manned(&["operator"]);
    let scan = bench.granted(1);
    let undo = || Input::Undo { scan, reason: "wrong person".into() };
    bench.wants(undo());
    assert!(bench.refusal().contains("nobody has passed"));
    bench.wants(Input::Passed { scan, count: None });
    bench.wants(undo());
    bench.answer(Ok(json!({ "grant": GrantId::fresh(), "persons": 1 })));
    assert_eq!(bench.told.pop(), Some(Output::Undone { scan, persons: 1 }));
    bench.wants(undo());
    bench.answer(Err("scan: its passage is older than five minutes: it stays on record"));
    assert!(bench.refusal().contains("five minutes"));
    bench.online(false);
    bench.wants(undo());
    assert!(bench.refusal().contains("out of reach"));
}

#[test]
fn a_login_ends_by_time_by_command_and_by_hand() {
    let mut bench = Bench::manned(&[]);
    bench.pass_time(3_600_000 - 1);
    assert!(bench.duty.is_manned());
    bench.pass_time(1);
    assert!(!bench.duty.is_manned());
    assert!(matches!(bench.told.last(), Some(Output::LoggedOut { .. })));

    let mut bench = Bench::manned(&[]);
    bench.run(|duty, _, out| duty.ordered(Order::Logout {}, out).unwrap());
    assert!(!bench.duty.is_manned());
    let mut bench = Bench::manned(&[]);
    bench.wants(Input::Logout {});
    assert!(!bench.duty.is_manned());
}

#[test]
fn it_works_at_the_gate_that_it_is_sent_to() {
    let mut bench = Bench::manned(&[]);
    let gate = |name: &str| Order::Assign { gate: Some(GateId::new(name).unwrap()) };
    bench.run(|duty, _, out| duty.ordered(gate("south"), out).unwrap());
    assert_eq!(bench.duty.lane(), &lane("south-h"));
    bench.run(|duty, _, out| {
        assert!(duty.ordered(gate("west"), out).unwrap_err().contains("[lanes]"));
    });
    bench.run(|duty, _, out| duty.ordered(Order::Assign { gate: None }, out).unwrap());
    assert_eq!(bench.duty.lane(), &lane("north-h"));
    bench.run(|duty, _, out| {
        assert!(duty.ordered(Order::Clear {}, out).unwrap_err().contains("clear"));
    });
}

#[test]
fn grants_without_a_word_are_bounded_and_a_second_check_waits_for_the_first() {
    let mut bench = Bench::manned(&[]);
    bench.scan();
    bench.scan();
    assert!(bench.refusal().contains("under way"));
    let scan = bench.duty.check().unwrap().scan.id;
    bench.decide(scan, DecisionResult::Deny, 0);
    for _ in 0..OPENINGS_MAX {
        bench.granted(1);
    }
    bench.scan();
    assert!(bench.refusal().contains("say first who passed"));
}

#[test]
fn no_secret_is_ever_shown() {
    let mut bench = Bench::manned(&["operator"]);
    let scan = bench.scan();
    let shown = format!("{:?} {:?}", bench.duty, bench.duty.check());
    bench.decide(scan, DecisionResult::Grant, 1);
    let shown = format!("{shown} {:?} {:?}", bench.duty, bench.kept);
    assert!(!shown.contains("token-1") && !shown.contains("T-1"), "{shown}");
}
