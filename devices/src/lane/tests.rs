//! The rules of a lane, each as a test.

use shanmen_protocols::{
    device::Outcome,
    ids::{GrantId, LaneId},
    time::UnixMs,
};

use super::*;
use crate::hardware::Signal;

mod modes;

const TTL_MS: u64 = 1_500;
const HOLD_MS: u64 = HOLD_DEFAULT_MS as u64;
const TAILGATE_MS: u64 = 1_500;

fn lane() -> Lane {
    let settings = LaneSettings {
        lane: LaneId::new("n1").unwrap(),
        ttl_ms: 1_500,
        lang: Lang::En,
        tailgate_ms: TAILGATE_MS,
        loiter_ms: 20_000,
        free_exit: false,
    };
    Lane::new(settings, KeptLane::default())
}

/// A lane, what has been recorded of it, and how often its barrier moved.
struct Bench {
    lane: Lane,
    scan: ScanId,
    facts: Vec<Body>,
    sent: Vec<(u64, u32)>,
    openings: u32,
    closings: u32,
    ended: Vec<Ended>,
    answers: Vec<Answer>,
    ignored: Vec<Ignored>,
    not_free: u32,
    released: bool,
    /// What was last kept.
    kept: KeptLane,
    /// What the device decides by itself.
    own: OwnVerdict,
}

fn at(up_ms: u64) -> Now {
    Now { up_ms, at: Some(UnixMs(7)) }
}

impl Bench {
    fn new() -> Self {
        Self {
            lane: lane(),
            scan: ScanId::fresh(),
            facts: Vec::new(),
            sent: Vec::new(),
            openings: 0,
            closings: 0,
            ended: Vec::new(),
            answers: Vec::new(),
            ignored: Vec::new(),
            not_free: 0,
            released: false,
            kept: KeptLane::default(),
            own: OwnVerdict::deny(Reason::Busy, PassageBy::Own),
        }
    }

    fn on(&mut self, up_ms: u64, event: Event) -> &mut Self {
        let mut out = Vec::new();
        self.lane.on(at(up_ms), event, &mut out);
        self.take(up_ms, out)
    }

    fn take(&mut self, up_ms: u64, effects: Vec<Effect>) -> &mut Self {
        for effect in effects {
            match effect {
                Effect::Judge { .. } => {
                    let own = self.own.clone();
                    self.on(up_ms, Event::Judged(own));
                }
                Effect::Release => self.released = true,
                Effect::Keep => self.kept = self.lane.kept(),
                Effect::Send { scan, attempt } => {
                    assert_eq!(scan, self.scan, "each sending has the id of the presentation");
                    self.sent.push((up_ms, attempt));
                }
                Effect::Open(_) => self.openings += 1,
                Effect::Close => {
                    self.closings += 1;
                    self.released = false;
                }
                Effect::Show(_) | Effect::Rest => {}
                Effect::Record(body) => self.facts.push(body),
                Effect::Answered(answer) => self.answers.push(answer),
                Effect::Ended(ended) => self.ended.push(ended),
                Effect::NotFree(_) => self.not_free += 1,
                Effect::Ignored(why) => self.ignored.push(why),
            }
        }
        self
    }

    fn present(&mut self, up_ms: u64, direction: Direction) -> &mut Self {
        self.scan = ScanId::fresh();
        let scan = self.scan;
        self.on(up_ms, Event::Presented { scan, direction, online: true })
    }

    fn decision(&self, result: DecisionResult, persons: u32) -> Decision {
        let reason = if result == DecisionResult::Grant { Reason::Ok } else { Reason::AlreadyUsed };
        let grant = (result == DecisionResult::Grant).then(GrantId::fresh);
        Decision {
            id: self.scan,
            result,
            grant,
            reason,
            persons,
            hold_ms: HOLD_DEFAULT_MS,
            needs: Vec::new(),
            show: vocabulary_show(reason),
            facts: serde_json::Map::new(),
        }
    }

    fn decide(&mut self, up_ms: u64, result: DecisionResult, persons: u32) -> &mut Self {
        let decision = self.decision(result, persons);
        self.on(up_ms, Event::Decided { decision: Box::new(decision), retained: false })
    }

    fn pass(&mut self, up_ms: u64, direction: Direction) -> &mut Self {
        self.on(up_ms, Event::Sensed(Signal::Passed(direction)))
    }

    /// The outcome and count of each passage fact, and whether it has a grant.
    fn passages(&self) -> Vec<(Outcome, u32, bool)> {
        let passage = |body: &Body| match body {
            Body::Passage(passage) => {
                Some((passage.outcome, passage.count.unwrap(), passage.grant.is_some()))
            }
            _ => None,
        };
        self.facts.iter().filter_map(passage).collect()
    }

    fn granted(persons: u32) -> Self {
        let mut bench = Self::new();
        bench.present(0, Direction::In).decide(10, DecisionResult::Grant, persons);
        assert_eq!(bench.openings, 1);
        bench
    }
}

fn vocabulary_show(reason: Reason) -> Show {
    own_words(reason, Lang::En)
}

#[test]
fn a_grant_that_is_taken_ends_in_one_passage() {
    let mut bench = Bench::granted(1);
    bench.pass(900, Direction::In).on(HOLD_MS + 10, Event::Tick);
    assert_eq!(bench.passages(), [(Outcome::Taken, 1, true)]);
    assert_eq!((bench.openings, bench.closings), (1, 1));
    assert_eq!(bench.ended, [Ended { outcome: Some(Outcome::Taken), passed: 1 }]);
    assert!(bench.lane.is_idle());
}

#[test]
fn a_passage_names_its_grant_its_scan_and_the_counters_after_it() {
    let bench = {
        let mut bench = Bench::granted(1);
        bench.pass(900, Direction::In);
        bench
    };
    let Body::Passage(passage) = &bench.facts[0] else { panic!("{:?}", bench.facts) };
    assert_eq!(passage.scan, Some(bench.scan));
    assert_eq!(passage.grant, bench.answers[0].grant);
    assert_eq!(passage.counters, Some(Sensor { inward: 1, outward: 0 }));
    assert_eq!(passage.granted_at, Some(UnixMs(7)));
}

#[test]
fn a_grant_that_nobody_takes_ends_at_the_hold() {
    let mut bench = Bench::granted(1);
    assert_eq!(bench.lane.wake_at_ms(), Some(10 + HOLD_MS));
    bench.on(10 + HOLD_MS - 1, Event::Tick);
    assert!(bench.facts.is_empty());
    bench.on(10 + HOLD_MS, Event::Tick);
    assert_eq!(bench.passages(), [(Outcome::NotTaken, 0, true)]);
}

#[test]
fn a_group_is_counted_person_by_person() {
    let mut bench = Bench::granted(3);
    bench.pass(1_000, Direction::In).pass(2_000, Direction::In);
    assert!(bench.facts.is_empty(), "one grant, one outcome: not one per person");
    bench.pass(3_000, Direction::In);
    assert_eq!(bench.passages(), [(Outcome::Taken, 3, true)]);
}

#[test]
fn a_group_that_stays_incomplete_is_partial() {
    let mut bench = Bench::granted(30);
    bench.pass(1_000, Direction::In).pass(2_000, Direction::In);
    assert_eq!(bench.lane.wake_at_ms(), Some(2_000 + HOLD_MS), "each person gets the full hold");
    bench.on(2_000 + HOLD_MS, Event::Tick);
    assert_eq!(bench.passages(), [(Outcome::Partial, 2, true)]);
}

#[test]
fn an_unanswered_scan_is_sent_once_more_after_a_third_of_its_time() {
    let mut bench = Bench::new();
    bench.present(0, Direction::In);
    assert_eq!(bench.lane.wake_at_ms(), Some(TTL_MS / 3));
    for up_ms in [TTL_MS / 3, 600, 1_000, TTL_MS - 1] {
        bench.on(up_ms, Event::Tick);
    }
    assert_eq!(bench.sent, [(0, 1), (TTL_MS / 3, 2)]);
    assert_eq!(bench.lane.wake_at_ms(), Some(TTL_MS));
}

#[test]
fn after_its_time_to_live_the_lane_denies_by_itself_and_says_so() {
    let mut bench = Bench::new();
    bench.present(0, Direction::In).on(TTL_MS, Event::Tick);
    let denied = Body::Denied { scan: Some(bench.scan), reason: Reason::Busy, by: PassageBy::Own };
    assert_eq!(bench.facts, [denied]);
    assert_eq!(bench.answers[0].by, PassageBy::Own);
    assert!(bench.lane.is_idle());
}

#[test]
fn without_the_control_plane_the_lane_denies_at_once() {
    let mut bench = Bench::new();
    let scan = bench.scan;
    bench.on(0, Event::Presented { scan, direction: Direction::In, online: false });
    assert!(bench.sent.is_empty());
    assert!(matches!(bench.facts[..], [Body::Denied { .. }]));
}

#[test]
fn a_late_decision_never_opens() {
    let mut bench = Bench::new();
    bench.present(0, Direction::In).on(TTL_MS, Event::Tick);
    bench.decide(TTL_MS + 1, DecisionResult::Grant, 1);
    assert_eq!((bench.openings, bench.ignored.as_slice()), (0, &[Ignored::Unasked][..]));
}

#[test]
fn a_decision_after_the_time_to_live_is_late_even_before_its_tick() {
    let mut bench = Bench::new();
    bench.present(0, Direction::In).decide(TTL_MS, DecisionResult::Grant, 1);
    assert_eq!(bench.openings, 0);
    assert!(matches!(bench.facts[..], [Body::Denied { .. }]));
    assert_eq!(bench.ended.len(), 1);
}

#[test]
fn a_retained_decision_never_opens() {
    let mut bench = Bench::new();
    bench.present(0, Direction::In);
    let decision = bench.decision(DecisionResult::Grant, 1);
    bench.on(10, Event::Decided { decision: Box::new(decision), retained: true });
    assert_eq!((bench.openings, bench.ignored.as_slice()), (0, &[Ignored::Retained][..]));
    bench.decide(20, DecisionResult::Grant, 1);
    assert_eq!(bench.openings, 1, "the live one still does");
}

#[test]
fn a_decision_for_another_presentation_never_opens() {
    let mut bench = Bench::new();
    bench.present(0, Direction::In);
    let earlier = bench.decision(DecisionResult::Grant, 1);
    bench.on(TTL_MS, Event::Tick).present(2_000, Direction::In);
    bench.on(2_010, Event::Decided { decision: Box::new(earlier), retained: false });
    assert_eq!(bench.openings, 0);
    assert!(!bench.lane.is_idle(), "the present one is still waited for");
}

#[test]
fn an_unsolicited_decision_never_opens() {
    let mut bench = Bench::new();
    bench.decide(0, DecisionResult::Grant, 1);
    assert_eq!((bench.openings, bench.ignored.as_slice()), (0, &[Ignored::Unasked][..]));
}

#[test]
fn a_decision_that_comes_twice_opens_once() {
    let mut bench = Bench::granted(1);
    bench.decide(20, DecisionResult::Grant, 1).pass(900, Direction::In);
    bench.decide(1_000, DecisionResult::Grant, 1);
    assert_eq!((bench.openings, bench.ignored.len()), (1, 2));
    assert_eq!(bench.passages().len(), 1);
}

#[test]
fn a_refusal_opens_nothing_and_leaves_no_fact() {
    for result in [DecisionResult::Deny, DecisionResult::More] {
        let mut bench = Bench::new();
        bench.present(0, Direction::In).decide(10, result, 1);
        assert_eq!((bench.openings, bench.facts.len(), bench.ended.len()), (0, 0, 1));
        assert!(bench.lane.is_idle());
    }
}

#[test]
fn a_wait_gives_the_decision_more_time_but_not_for_ever() {
    let mut bench = Bench::new();
    bench.present(0, Direction::In).decide(1_000, DecisionResult::Wait, 0);
    bench.on(TTL_MS, Event::Tick);
    assert!(!bench.lane.is_idle());
    for _ in 0..2 * u32::from(WAITS_MAX) {
        bench.decide(1_100, DecisionResult::Wait, 0);
    }
    assert!(bench.ignored.contains(&Ignored::TooManyWaits));
    bench.on(1_100 + TTL_MS, Event::Tick);
    assert!(bench.lane.is_idle());
}

#[test]
fn a_second_credential_waits_until_the_lane_is_free() {
    let mut bench = Bench::granted(1);
    let first = bench.scan;
    bench.present(100, Direction::In);
    assert_eq!((bench.not_free, bench.sent.len()), (1, 1));
    bench.scan = first;
    bench.pass(900, Direction::In);
    assert_eq!(bench.passages(), [(Outcome::Taken, 1, true)]);
}

#[test]
fn who_goes_out_is_counted_out() {
    let mut bench = Bench::new();
    bench.present(0, Direction::Out).decide(10, DecisionResult::Grant, 1).pass(20, Direction::Out);
    assert_eq!(bench.lane.counters(), Sensor { inward: 0, outward: 1 });
}

#[test]
fn who_follows_closely_behind_is_tailgating() {
    let mut bench = Bench::granted(1);
    bench.pass(900, Direction::In).pass(900 + TAILGATE_MS - 1, Direction::In);
    assert_eq!(bench.passages()[1], (Outcome::Tailgated, 1, false));
    assert_eq!(bench.lane.counters().inward, 2);
}

#[test]
fn who_passes_a_closed_barrier_forces_it() {
    let mut bench = Bench::new();
    bench.pass(0, Direction::In);
    assert_eq!(bench.passages(), [(Outcome::Forced, 1, false)]);
    let mut bench = Bench::granted(1);
    bench.pass(900, Direction::In).pass(900 + TAILGATE_MS, Direction::In);
    assert_eq!(bench.passages()[1], (Outcome::Forced, 1, false));
}

#[test]
fn who_comes_the_other_way_does_not_use_up_the_grant() {
    let mut bench = Bench::granted(1);
    bench.pass(500, Direction::Out).pass(900, Direction::In);
    assert_eq!(bench.passages(), [(Outcome::Forced, 1, false), (Outcome::Taken, 1, true)]);
}

#[test]
fn who_turns_back_is_on_record_and_may_still_pass() {
    let mut bench = Bench::granted(1);
    bench.on(500, Event::Sensed(Signal::TurnedBack(Direction::In))).pass(900, Direction::In);
    assert_eq!(bench.passages(), [(Outcome::Reversed, 0, false), (Outcome::Taken, 1, true)]);
    assert_eq!(bench.lane.counters().inward, 1);
}

#[test]
fn a_shutdown_ends_what_is_under_way() {
    let mut open = Bench::granted(2);
    open.pass(100, Direction::In).on(200, Event::Stopping);
    assert_eq!(open.passages(), [(Outcome::Partial, 1, true)]);
    let mut waiting = Bench::new();
    waiting.present(0, Direction::In).on(10, Event::Stopping);
    assert!(matches!(waiting.facts[..], [Body::Denied { .. }]));
}

#[test]
fn a_hold_has_an_end_whatever_the_decision_says() {
    let mut bench = Bench::new();
    bench.present(0, Direction::In);
    let decision = Decision { hold_ms: u32::MAX, ..bench.decision(DecisionResult::Grant, 1) };
    bench.on(10, Event::Decided { decision: Box::new(decision), retained: false });
    assert_eq!(bench.lane.wake_at_ms(), Some(10 + u64::from(HOLD_MAX_MS)));
}

/// Whatever happens in whatever order: each opening ends in one outcome, the barrier opens only
/// for a live decision on the presentation that is waited for, and the counters are what passed.
#[test]
fn every_grant_has_exactly_one_outcome_in_any_order_of_events() {
    use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};
    for seed in 0..2_000 {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut bench = Bench::new();
        let (mut now, mut passed) = (0, 0);
        for _ in 0..60 {
            now += dice.random_range(0..900);
            if bench.lane.wake_at_ms().is_some_and(|at| at <= now) {
                bench.on(now, Event::Tick);
            }
            match dice.random_range(0..8) {
                0 | 1 if bench.lane.is_idle() => drop(bench.present(now, Direction::In)),
                2 => drop(bench.decide(now, DecisionResult::Grant, dice.random_range(0..4))),
                3 => drop(bench.decide(now, DecisionResult::Deny, 1)),
                4 => {
                    let decision = bench.decision(DecisionResult::Grant, 1);
                    bench.on(now, Event::Decided { decision: Box::new(decision), retained: true });
                }
                5 | 6 => {
                    passed += 1;
                    bench.pass(now, Direction::In);
                }
                _ => drop(bench.on(now, Event::Tick)),
            }
        }
        bench.on(now, Event::Stopping);
        let outcomes = bench.passages().iter().filter(|(.., granted)| *granted).count();
        let grants = bench.answers.iter().filter(|answer| answer.grant.is_some()).count();
        assert_eq!(outcomes, grants, "seed {seed}");
        assert_eq!(usize::try_from(bench.openings).unwrap(), grants, "seed {seed}");
        assert_eq!(bench.openings, bench.closings, "seed {seed}");
        assert_eq!(bench.ended.len(), bench.answers.len(), "seed {seed}");
        assert_eq!(bench.lane.counters().inward, passed, "seed {seed}");
        let counted: u64 = bench.passages().iter().map(|(_, count, _)| u64::from(*count)).sum();
        assert_eq!(counted, passed, "seed {seed}");
    }
}
