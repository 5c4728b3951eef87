//! People in the lane: whom a grant covers, how it ends, and who goes through without one.
//!
//! Part of the lane's state machine.

use shanmen_protocols::{
    device::{Body, LaneMode, Outcome, Passage, PassageBy},
    ids::Direction,
};

use super::{Effect, Ended, Lane, Now, Opening, State, beams::Seen};
use crate::hardware::Signal;

impl Lane {
    /// The hardware saw something.
    pub(super) fn sensed(&mut self, now: Now, signal: Signal, out: &mut Vec<Effect>) {
        match signal {
            Signal::Passed(direction) => self.seen(now, Seen::Passed(direction), out),
            Signal::TurnedBack(direction) => self.seen(now, Seen::TurnedBack(direction), out),
            Signal::Beam { beam, broken } => {
                for seen in self.beams.on(now.up_ms, beam, broken) {
                    self.seen(now, seen, out);
                }
            }
            Signal::Fire(on) => self.fire(now, on, out),
            Signal::Climb => self.alarm(now, "climb", out),
            Signal::Jam(on) => self.lasting_alarm("jam", on, out),
            Signal::Tamper(on) => self.lasting_alarm("tamper", on, out),
            Signal::Fault(on) => self.lasting_alarm("fault", on, out),
        }
    }

    pub(super) fn seen(&mut self, now: Now, seen: Seen, out: &mut Vec<Effect>) {
        match seen {
            Seen::SteppedIn(direction) => self.step_in(now, direction, out),
            Seen::Passed(direction) => self.passed(now, direction, out),
            Seen::TurnedBack(direction) => {
                if self.is_watched() {
                    out.push(Effect::Record(self.ungranted(direction, Outcome::Reversed, 0)));
                }
            }
            Seen::Loiters(on) => self.lasting_alarm("loiter", on, out),
        }
    }

    /// Whether what people do is on record: not while somebody works on the lane.
    fn is_watched(&self) -> bool {
        self.mode != LaneMode::Maintenance || self.emergency.is_on()
    }

    /// Somebody stands at the inner side of a lane that one may leave freely.
    fn step_in(&mut self, now: Now, direction: Direction, out: &mut Vec<Effect>) {
        let free = self.settings.free_exit && direction == Direction::Out;
        if !free || self.mode != LaneMode::Normal || self.stands_open() || !self.is_idle() {
            return;
        }
        let opening = Opening {
            scan: None,
            grant: None,
            direction,
            persons: 1,
            passed: 0,
            hold_ms: shanmen_protocols::device::HOLD_DEFAULT_MS.into(),
            by: PassageBy::Own,
            credential: None,
            opened_at: now.at,
            close_at_ms: 0,
        };
        self.open_for(now, opening, out);
    }

    fn passed(&mut self, now: Now, direction: Direction, out: &mut Vec<Effect>) {
        if !self.is_watched() {
            return;
        }
        self.count(direction);
        if self.stands_open() {
            let by = if self.emergency.is_on() { PassageBy::Emergency } else { PassageBy::Manual };
            let Body::Passage(passage) = self.ungranted(direction, Outcome::Taken, 1) else {
                return;
            };
            out.push(Effect::Record(Body::Passage(Passage { by, ..passage })));
            out.push(Effect::Keep);
            return;
        }
        match self.state.clone() {
            State::Open(opening) if opening.direction == direction => {
                self.pass(now, opening, out);
            }
            State::Open(_) => self.intrude(now, direction, "reverse", out),
            State::Idle { .. } | State::Waiting { .. } | State::Judging { .. } => {
                if self.settings.free_exit && direction == Direction::Out {
                    out.push(Effect::Record(self.ungranted(direction, Outcome::Taken, 1)));
                    out.push(Effect::Keep);
                } else {
                    self.intrude(now, direction, "forced", out);
                }
            }
        }
    }

    fn pass(&mut self, now: Now, mut opening: Opening, out: &mut Vec<Effect>) {
        self.last_passage = Some((now.up_ms, opening.direction));
        opening.passed += 1;
        if opening.passed == opening.persons {
            self.close(opening, out);
        } else {
            // Each person of a group gets the full hold, so that the last is not locked out.
            opening.close_at_ms = now.up_ms + opening.hold_ms;
            self.state = State::Open(opening);
            out.push(Effect::Keep);
        }
    }

    pub(super) fn close(&mut self, opening: Opening, out: &mut Vec<Effect>) {
        let outcome = match opening.passed {
            0 => Outcome::NotTaken,
            passed if passed < opening.persons => Outcome::Partial,
            _ => Outcome::Taken,
        };
        self.state = State::Idle { rest_at_ms: None };
        if !self.stands_open() {
            out.push(Effect::Close);
        }
        out.push(Effect::Rest);
        let passed = opening.passed;
        // Who stepped to a free exit and stayed has used nothing.
        if 0 < passed || opening.by != PassageBy::Own || opening.scan.is_some() {
            out.push(Effect::Record(Body::Passage(Passage {
                grant: opening.grant,
                scan: opening.scan,
                lane: Some(self.settings.lane.clone()),
                direction: opening.direction,
                outcome,
                count: Some(passed),
                counters: Some(self.counters),
                by: opening.by,
                credential: opening.credential,
                granted_at: opening.opened_at,
                operator: None,
                reason: None,
            })));
        }
        out.push(Effect::Keep);
        if opening.scan.is_some() {
            out.push(Effect::Ended(Ended { outcome: Some(outcome), passed }));
        }
    }

    /// Somebody went through whom no grant covers.
    fn intrude(
        &mut self,
        now: Now,
        direction: Direction,
        code: &'static str,
        out: &mut Vec<Effect>,
    ) {
        let close_behind = self.last_passage.is_some_and(|(at_ms, before)| {
            before == direction && now.up_ms < at_ms + self.settings.tailgate_ms
        });
        let (outcome, code) =
            if close_behind { (Outcome::Tailgated, "tailgating") } else { (Outcome::Forced, code) };
        out.push(Effect::Record(self.ungranted(direction, outcome, 1)));
        out.push(Effect::Keep);
        self.alarm(now, code, out);
    }

    fn ungranted(&self, direction: Direction, outcome: Outcome, count: u32) -> Body {
        Body::Passage(Passage {
            grant: None,
            scan: None,
            lane: Some(self.settings.lane.clone()),
            direction,
            outcome,
            count: Some(count),
            counters: Some(self.counters),
            by: PassageBy::Own,
            credential: None,
            granted_at: None,
            operator: None,
            reason: None,
        })
    }

    fn count(&mut self, direction: Direction) {
        match direction {
            Direction::In => self.counters.inward += 1,
            Direction::Out => self.counters.outward += 1,
        }
    }

    /// An alarm of a moment; it is over after a while.
    fn alarm(&mut self, now: Now, code: &'static str, out: &mut Vec<Effect>) {
        if self.is_watched() {
            self.alarms.raise(now.up_ms, code, out);
        }
    }

    /// An alarm that lasts as long as its cause.
    fn lasting_alarm(&mut self, code: &'static str, on: bool, out: &mut Vec<Effect>) {
        if self.is_watched() || !on {
            self.alarms.last(code, on, out);
        }
    }
}
