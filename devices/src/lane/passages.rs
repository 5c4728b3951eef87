//! People in the lane: whom a grant covers, how it ends, and who goes through without one.
//!
//! Part of the lane's state machine.

use shanmen_protocols::{
    device::{Body, Outcome, Passage, PassageBy},
    ids::Direction,
};

use super::{Effect, Ended, Lane, Now, Opening, State, TAILGATE_WINDOW_MS};

impl Lane {
    pub(super) fn pass(&mut self, now: Now, mut opening: Opening, out: &mut Vec<Effect>) {
        self.count(opening.direction);
        self.last_passage = Some((now.up_ms, opening.direction));
        opening.passed += 1;
        if opening.passed == opening.persons {
            self.close(opening, out);
        } else {
            // Each person of a group gets the full hold, so that the last is not locked out.
            opening.close_at_ms = now.up_ms + opening.hold_ms;
            self.state = State::Open(opening);
        }
    }

    pub(super) fn close(&mut self, opening: Opening, out: &mut Vec<Effect>) {
        let outcome = match opening.passed {
            0 => Outcome::NotTaken,
            passed if passed < opening.persons => Outcome::Partial,
            _ => Outcome::Taken,
        };
        self.state = State::Idle { rest_at_ms: None };
        out.push(Effect::Close);
        out.push(Effect::Rest);
        out.push(Effect::Record(Body::Passage(Passage {
            grant: opening.grant,
            scan: Some(opening.scan),
            lane: Some(self.settings.lane.clone()),
            direction: opening.direction,
            outcome,
            count: Some(opening.passed),
            counters: Some(self.counters),
            by: PassageBy::Server,
            credential: None,
            granted_at: opening.opened_at,
            operator: None,
            reason: None,
        })));
        out.push(Effect::Ended(Ended { outcome: Some(outcome), passed: opening.passed }));
    }

    /// Somebody went through whom no grant covers.
    pub(super) fn intrude(&mut self, now: Now, direction: Direction, out: &mut Vec<Effect>) {
        let close_behind = self.last_passage.is_some_and(|(at_ms, before)| {
            before == direction && now.up_ms < at_ms + TAILGATE_WINDOW_MS
        });
        let outcome = if close_behind { Outcome::Tailgated } else { Outcome::Forced };
        self.count(direction);
        out.push(Effect::Record(self.ungranted(direction, outcome, 1)));
    }

    pub(super) fn ungranted(&self, direction: Direction, outcome: Outcome, count: u32) -> Body {
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
}
