//! What two light barriers tell of the people between them.
//!
//! Beam A stands on the outer side, B on the inner: A then B is a way in. Pure: time is an
//! argument. Whoever reaches the far side has passed; whoever leaves on the near side has turned
//! back. Two barriers cannot tell a follower who steps in at once from somebody who steps back from
//! the far side: that is taken for a follower, since the first was through. The lane calls it.

use shanmen_protocols::ids::Direction;

use crate::hardware::Beam;

/// How long nobody may be seen between the beams before they count as gone, in milliseconds:
/// somebody small stands between both for a moment.
pub(super) const BETWEEN_MAX_MS: u64 = 1_500;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Somebody steps into the empty lane, this way.
    SteppedIn(Direction),
    /// One person is through.
    Passed(Direction),
    /// One person stepped in and left on the same side.
    TurnedBack(Direction),
    /// Somebody stands in the lane too long, or does no longer.
    Loiters(bool),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nobody.
    #[default]
    Empty,
    /// At the near beam.
    Near(Direction),
    /// Between the beams, seen by none, until this moment.
    Between(Direction, u64),
    /// In both beams.
    Both(Direction),
    /// At the far beam.
    Far(Direction),
    /// At the far beam, with the near one broken again behind.
    Followed(Direction),
}

/// Two light barriers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beams {
    a: bool,
    b: bool,
    phase: Phase,
    /// Since when the one who is in the lane is there, in milliseconds since boot.
    since_ms: Option<u64>,
    loiters: bool,
}

impl Beams {
    /// A beam was broken, or is clear again.
    pub(super) fn on(&mut self, now_ms: u64, beam: Beam, broken: bool) -> Vec<Seen> {
        let before = match beam {
            Beam::A => std::mem::replace(&mut self.a, broken),
            Beam::B => std::mem::replace(&mut self.b, broken),
        };
        let mut seen = Vec::new();
        if before != broken {
            self.phase = self.follow(now_ms, beam, broken, &mut seen);
            self.note(now_ms, &mut seen);
        }
        seen
    }

    fn follow(&self, now_ms: u64, beam: Beam, broken: bool, seen: &mut Vec<Seen>) -> Phase {
        let (Phase::Near(way)
        | Phase::Between(way, _)
        | Phase::Both(way)
        | Phase::Far(way)
        | Phase::Followed(way)) = self.phase
        else {
            // A beam that clears in an empty lane was broken when we began to look.
            if !broken {
                return Phase::Empty;
            }
            let way = match beam {
                Beam::A => Direction::In,
                Beam::B => Direction::Out,
            };
            seen.push(Seen::SteppedIn(way));
            return Phase::Near(way);
        };
        let (near, far) = match way {
            Direction::In => (self.a, self.b),
            Direction::Out => (self.b, self.a),
        };
        match (self.phase, near, far) {
            (Phase::Far(_) | Phase::Followed(_), true, true) => Phase::Followed(way),
            (_, true, true) => Phase::Both(way),
            (_, false, true) => Phase::Far(way),
            (Phase::Followed(_), true, false) => {
                seen.push(Seen::Passed(way));
                Phase::Near(way)
            }
            (_, true, false) => Phase::Near(way),
            (Phase::Far(_) | Phase::Followed(_), false, false) => {
                seen.push(Seen::Passed(way));
                Phase::Empty
            }
            (_, false, false) => Phase::Between(way, now_ms + BETWEEN_MAX_MS),
        }
    }

    /// Since when somebody is there, and that they are gone.
    fn note(&mut self, now_ms: u64, seen: &mut Vec<Seen>) {
        let one_left = seen.iter().any(|seen| matches!(seen, Seen::Passed(_)));
        if self.phase == Phase::Empty || one_left {
            self.since_ms = None;
            if std::mem::take(&mut self.loiters) {
                seen.push(Seen::Loiters(false));
            }
        }
        if self.phase != Phase::Empty && self.since_ms.is_none() {
            self.since_ms = Some(now_ms);
        }
    }

    pub(super) fn wake_at_ms(&self, loiter_ms: u64) -> Option<u64> {
        let between = if let Phase::Between(_, until) = self.phase { Some(until) } else { None };
        let loiter = self.since_ms.filter(|_| !self.loiters).map(|since| since + loiter_ms);
        [between, loiter].into_iter().flatten().min()
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now_ms: u64, loiter_ms: u64) -> Vec<Seen> {
        let mut seen = Vec::new();
        if let Phase::Between(way, until) = self.phase
            && until <= now_ms
        {
            seen.push(Seen::TurnedBack(way));
            self.phase = Phase::Empty;
            self.note(now_ms, &mut seen);
        }
        if !self.loiters && self.since_ms.is_some_and(|since| since + loiter_ms <= now_ms) {
            self.loiters = true;
            seen.push(Seen::Loiters(true));
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use Direction::{In, Out};

    use super::*;

    const LOITER_MS: u64 = 20_000;

    /// Beams as `A` broken, `a` clear …, one each 100 ms; `.` is a long time in which nothing moves.
    fn watch(signs: &str) -> Vec<Seen> {
        let (mut beams, mut now_ms, mut seen) = (Beams::default(), 0, Vec::new());
        for sign in signs.chars() {
            now_ms += if sign == '.' { BETWEEN_MAX_MS } else { 100 };
            seen.extend(beams.tick(now_ms, LOITER_MS));
            seen.extend(match sign {
                'A' => beams.on(now_ms, Beam::A, true),
                'a' => beams.on(now_ms, Beam::A, false),
                'B' => beams.on(now_ms, Beam::B, true),
                'b' => beams.on(now_ms, Beam::B, false),
                _ => Vec::new(),
            });
        }
        seen.retain(|seen| !matches!(seen, Seen::SteppedIn(_)));
        seen
    }

    #[test]
    fn from_a_to_b_is_a_way_in_and_back_is_a_way_out() {
        assert_eq!(watch("ABab"), [Seen::Passed(In)]);
        assert_eq!(watch("BAba"), [Seen::Passed(Out)]);
        assert_eq!(watch("ABabABab"), [Seen::Passed(In), Seen::Passed(In)]);
    }

    #[test]
    fn somebody_small_is_between_both_for_a_moment() {
        assert_eq!(watch("AaBb"), [Seen::Passed(In)]);
        assert_eq!(watch("BbAa"), [Seen::Passed(Out)]);
    }

    #[test]
    fn who_leaves_on_the_near_side_has_turned_back() {
        for signs in ["Aa.", "ABba.", "ABbBba."] {
            assert_eq!(watch(signs), [Seen::TurnedBack(In)], "{signs}");
        }
        assert_eq!(watch("Bb."), [Seen::TurnedBack(Out)]);
    }

    #[test]
    fn who_follows_at_once_is_counted_as_a_second() {
        assert_eq!(watch("ABaAbBab"), [Seen::Passed(In), Seen::Passed(In)]);
        assert_eq!(watch("ABaAab"), [Seen::Passed(In)], "a bag behind is nobody");
    }

    #[test]
    fn a_beam_that_repeats_itself_says_nothing_new() {
        assert_eq!(watch("AABBaabb"), [Seen::Passed(In)]);
        assert_eq!(watch("ab"), []);
    }

    #[test]
    fn who_stands_in_the_lane_loiters_until_gone() {
        let mut beams = Beams::default();
        beams.on(0, Beam::A, true);
        assert_eq!(beams.wake_at_ms(LOITER_MS), Some(LOITER_MS));
        assert_eq!(beams.tick(LOITER_MS - 1, LOITER_MS), []);
        assert_eq!(beams.tick(LOITER_MS, LOITER_MS), [Seen::Loiters(true)]);
        assert_eq!(beams.wake_at_ms(LOITER_MS), None);
        beams.on(LOITER_MS + 1, Beam::B, true);
        beams.on(LOITER_MS + 2, Beam::A, false);
        let gone = beams.on(LOITER_MS + 3, Beam::B, false);
        assert_eq!(gone, [Seen::Passed(In), Seen::Loiters(false)]);
    }
}
