//! Modes, orders, emergency, offline and restarts, each as a test.

use super::*;
use crate::hardware::Beam;

impl Bench {
    fn order<T>(&mut self, up_ms: u64, order: impl FnOnce(&mut Lane, &mut Vec<Effect>) -> T) -> T {
        let mut out = Vec::new();
        let result = order(&mut self.lane, &mut out);
        self.take(up_ms, out);
        result
    }

    fn mode(&mut self, up_ms: u64, mode: LaneMode) -> &mut Self {
        self.order(up_ms, |lane, out| lane.set_mode(at(up_ms), mode, out));
        self
    }

    fn open(&mut self, up_ms: u64, persons: u32) -> Result<(), &'static str> {
        self.order(up_ms, |lane, out| {
            lane.open(at(up_ms), None, (Direction::In, persons, 5_000), out)
        })
    }

    fn emergency(&mut self, up_ms: u64, on: bool) -> Result<(), &'static str> {
        self.order(up_ms, |lane, out| lane.order_emergency(at(up_ms), on, out))
    }

    fn sense(&mut self, up_ms: u64, signal: Signal) -> &mut Self {
        self.on(up_ms, Event::Sensed(signal))
    }

    /// The lane after a kill, from what was last kept.
    fn reborn(&self) -> Self {
        let mut bench = Self::new();
        bench.lane = Lane::new(bench.lane.settings.clone(), self.kept.clone());
        bench.order(0, |lane, out| lane.start(at(0), out));
        bench
    }

    fn by(&self) -> Vec<PassageBy> {
        let by = |body: &Body| if let Body::Passage(p) = body { Some(p.by) } else { None };
        self.facts.iter().filter_map(by).collect()
    }

    fn alarms<'a>(&'a self) -> Vec<(&'a str, bool)> {
        let alarm = |body: &'a Body| match body {
            Body::Alarm { code, active } => Some((code.as_str(), *active)),
            _ => None,
        };
        self.facts.iter().filter_map(alarm).collect::<Vec<_>>()
    }
}

#[test]
fn a_free_lane_stands_open_and_counts() {
    let mut bench = Bench::new();
    bench.mode(0, LaneMode::Free);
    assert!(bench.released);
    bench.pass(100, Direction::In).pass(200, Direction::Out).present(300, Direction::In);
    assert_eq!(bench.passages(), [(Outcome::Taken, 1, false), (Outcome::Taken, 1, false)]);
    assert_eq!((bench.not_free, bench.sent.len(), bench.alarms().len()), (1, 0, 0));
    bench.mode(400, LaneMode::Normal);
    assert!(!bench.released);
}

#[test]
fn a_locked_lane_refuses_without_asking_and_opens_by_hand_only() {
    let mut bench = Bench::new();
    bench.mode(0, LaneMode::Locked).present(10, Direction::In);
    assert!(bench.sent.is_empty());
    assert_eq!(bench.answers[0].reason, Reason::LaneClosed);
    assert_eq!(bench.open(20, 1), Ok(()));
    bench.pass(30, Direction::In);
    assert_eq!(
        (bench.passages(), bench.by()),
        (vec![(Outcome::Taken, 1, false)], vec![PassageBy::Manual])
    );
}

#[test]
fn under_maintenance_nothing_opens_and_nothing_is_an_alarm() {
    let mut bench = Bench::new();
    bench.mode(0, LaneMode::Maintenance).pass(10, Direction::In).sense(20, Signal::Climb);
    bench.sense(30, Signal::Tamper(true)).present(40, Direction::In);
    assert_eq!(bench.open(50, 1), Err("the lane is under maintenance"));
    assert_eq!((bench.openings, bench.alarms().len(), bench.passages().len()), (0, 0, 0));
    assert_eq!(bench.lane.counters(), Sensor::default());
}

#[test]
fn a_mode_is_a_fact_and_outlives_a_restart() {
    let mut bench = Bench::new();
    bench.mode(0, LaneMode::Locked).mode(1, LaneMode::Locked);
    assert_eq!(bench.facts, [Body::Mode { mode: "locked".into() }]);
    assert_eq!(bench.reborn().lane.mode(), LaneMode::Locked);
}

#[test]
fn a_mode_ends_what_is_under_way() {
    let mut bench = Bench::granted(2);
    bench.pass(100, Direction::In).mode(200, LaneMode::Locked);
    assert_eq!(bench.passages(), [(Outcome::Partial, 1, true)]);
    let mut waiting = Bench::new();
    waiting.present(0, Direction::In).mode(10, LaneMode::Locked);
    assert!(matches!(waiting.facts[0], Body::Denied { reason: Reason::LaneClosed, .. }));
}

#[test]
fn an_opening_by_hand_ends_in_one_passage() {
    let mut bench = Bench::new();
    assert_eq!(bench.open(0, 2), Ok(()));
    assert!(bench.open(10, 1).is_err(), "one at a time");
    bench.pass(100, Direction::In).on(100 + HOLD_MS, Event::Tick);
    assert_eq!(bench.passages(), [(Outcome::Partial, 1, false)]);
    assert_eq!(bench.by(), [PassageBy::Manual]);
    assert!(bench.ended.is_empty(), "no presentation was under way");
}

#[test]
fn an_opening_by_hand_settles_the_presentation_before_it() {
    let mut bench = Bench::new();
    bench.present(0, Direction::In);
    assert_eq!(bench.open(10, 1), Ok(()));
    bench.decide(20, DecisionResult::Grant, 1).pass(30, Direction::In);
    assert!(matches!(bench.facts[0], Body::Denied { .. }));
    assert_eq!((bench.openings, bench.passages().len()), (1, 1));
}

#[test]
fn in_an_emergency_everybody_passes_and_is_counted() {
    let mut bench = Bench::granted(1);
    assert_eq!(bench.emergency(10, true), Ok(()));
    assert_eq!(bench.passages(), [(Outcome::NotTaken, 0, true)], "the grant has its outcome");
    assert!(bench.released);
    bench.pass(20, Direction::Out).pass(30, Direction::In);
    assert_eq!(bench.by()[1..], [PassageBy::Emergency; 2]);
    assert_eq!(bench.lane.counters(), Sensor { inward: 1, outward: 1 });
    assert!(bench.reborn().released, "a power cut does not shut people in");
    assert_eq!(bench.emergency(40, false), Ok(()));
    assert!(!bench.released);
}

#[test]
fn the_fire_input_stands_above_every_order() {
    let mut bench = Bench::new();
    bench.sense(0, Signal::Fire(true));
    assert!(bench.released);
    assert!(bench.emergency(10, false).is_err());
    assert!(bench.released);
    bench.mode(20, LaneMode::Locked);
    assert!(bench.released, "nor does a mode shut it");
    bench.sense(30, Signal::Fire(false));
    assert!(!bench.released);
    assert_eq!(bench.alarms(), [("fire", true), ("fire", false)]);
    bench.emergency(40, true).unwrap();
    bench.sense(50, Signal::Fire(true)).sense(60, Signal::Fire(false));
    assert!(bench.released, "the order still stands");
}

#[test]
fn an_emergency_that_ends_leaves_the_lane_in_its_mode() {
    let mut bench = Bench::new();
    bench.mode(0, LaneMode::Free);
    bench.emergency(10, true).unwrap();
    bench.emergency(20, false).unwrap();
    assert!(bench.released);
}

#[test]
fn one_decision_late_is_bad_luck_and_two_are_an_outage() {
    let mut bench = Bench::new();
    bench.own = OwnVerdict {
        result: DecisionResult::Grant,
        reason: Reason::Ok,
        persons: 1,
        needs: Vec::new(),
        by: PassageBy::List,
        credential: None,
    };
    bench.present(0, Direction::In).on(TTL_MS, Event::Tick);
    assert_eq!(bench.answers[0].reason, Reason::Busy);
    bench.present(10_000, Direction::In).on(10_000 + TTL_MS, Event::Tick);
    assert_eq!((bench.answers[1].by, bench.openings), (PassageBy::List, 1));
    bench.pass(12_000, Direction::In);
    assert_eq!(bench.by(), [PassageBy::List]);
    // It is still asked, and one answer brings it back.
    bench.present(20_000, Direction::In).decide(20_100, DecisionResult::Deny, 0);
    bench.present(30_000, Direction::In).on(30_000 + TTL_MS, Event::Tick);
    assert_eq!(bench.answers[3].reason, Reason::Busy);
    assert_eq!(bench.openings, 1);
}

#[test]
fn a_kill_in_the_middle_of_an_opening_leaves_one_outcome() {
    let open = Bench::granted(3);
    let reborn = open.reborn();
    assert_eq!(reborn.passages(), [(Outcome::NotTaken, 0, true)]);
    let Body::Passage(passage) = &reborn.facts[0] else { panic!("{:?}", reborn.facts) };
    assert_eq!((passage.grant, passage.scan), (open.answers[0].grant, Some(open.scan)));
    let mut half = Bench::granted(3);
    half.pass(100, Direction::In);
    let reborn = half.reborn();
    assert_eq!(reborn.passages(), [(Outcome::Partial, 1, true)]);
    assert_eq!(reborn.lane.counters().inward, 1, "counters go on");
    assert!(reborn.reborn().facts.is_empty(), "and only one");
}

#[test]
fn light_barriers_make_a_passage() {
    let mut bench = Bench::granted(1);
    let steps = [(Beam::A, true), (Beam::B, true), (Beam::A, false), (Beam::B, false)];
    for (n, (beam, broken)) in (1..).zip(steps) {
        bench.sense(n * 100, Signal::Beam { beam, broken });
    }
    assert_eq!(bench.passages(), [(Outcome::Taken, 1, true)]);
}

#[test]
fn who_stands_in_the_lane_is_an_alarm_until_gone() {
    let mut bench = Bench::new();
    bench.sense(0, Signal::Beam { beam: Beam::A, broken: true });
    assert_eq!(bench.lane.wake_at_ms(), Some(20_000));
    bench.on(20_000, Event::Tick).sense(21_000, Signal::Beam { beam: Beam::A, broken: false });
    bench.on(23_000, Event::Tick);
    assert_eq!(bench.alarms(), [("loiter", true), ("loiter", false)]);
    assert_eq!(bench.passages(), [(Outcome::Reversed, 0, false)]);
}

#[test]
fn an_alarm_of_a_moment_is_raised_once_and_over_in_a_while_or_when_cleared() {
    let mut bench = Bench::new();
    bench.pass(0, Direction::In).pass(10_000, Direction::In);
    assert_eq!(bench.alarms(), [("forced", true)]);
    bench.on(39_999, Event::Tick);
    assert_eq!(bench.alarms().len(), 1);
    bench.on(40_000, Event::Tick);
    assert_eq!(bench.alarms(), [("forced", true), ("forced", false)]);
    bench.sense(50_000, Signal::Climb).sense(50_001, Signal::Jam(true));
    bench.order(50_002, |lane, out| lane.clear(at(50_002), out));
    assert_eq!(bench.alarms()[2..], [("climb", true), ("jam", true), ("climb", false)]);
    bench.sense(60_000, Signal::Jam(false));
    assert_eq!(bench.alarms()[5], ("jam", false));
}

#[test]
fn one_may_leave_a_free_exit_without_showing_anything() {
    let mut bench = Bench::new();
    bench.lane.settings.free_exit = true;
    bench.sense(0, Signal::Beam { beam: Beam::B, broken: true });
    assert_eq!(bench.openings, 1);
    bench.pass(500, Direction::Out);
    assert_eq!((bench.passages(), bench.alarms().len()), (vec![(Outcome::Taken, 1, false)], 0));
    bench.pass(600, Direction::Out);
    assert_eq!(bench.alarms().len(), 0);
    bench.pass(5_000, Direction::In);
    assert_eq!(bench.alarms(), [("forced", true)]);
}

#[test]
fn who_steps_to_a_free_exit_and_stays_leaves_no_fact() {
    let mut bench = Bench::new();
    bench.lane.settings.free_exit = true;
    bench.sense(0, Signal::Beam { beam: Beam::B, broken: true });
    bench.on(HOLD_MS, Event::Tick);
    assert_eq!((bench.closings, bench.passages().len()), (1, 0));
}

#[test]
fn a_message_stays_for_its_time_and_disturbs_nobody() {
    let mut bench = Bench::new();
    let say = |bench: &mut Bench, now| {
        bench.order(now, |lane, out| lane.message(at(now), "北门已满".into(), 10, out))
    };
    assert_eq!(say(&mut bench, 0), Ok(()));
    assert_eq!(bench.lane.wake_at_ms(), Some(10_000));
    bench.present(100, Direction::In);
    assert!(say(&mut bench, 200).is_err());
}
