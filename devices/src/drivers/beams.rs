//! Two light barriers across the lane: who went which way.
//!
//! Pure: which barrier was cut or freed goes in, signals come out. The outer one stands at the
//! entrance, the inner one at the park's side; they are closer together than a person is thick, so
//! that both are cut in the middle of a passage. Two barriers cannot tell a second person who
//! follows without a gap: such a pair is one passage here. Sensor drivers call it.

use shanmen_protocols::ids::Direction;

use crate::hardware::Signal;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beam {
    /// At the entrance.
    Outer,
    /// At the park's side.
    Inner,
}

/// What is known of who stands in the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    Nobody,
    /// Somebody came in at one side; which barriers are cut now, the near and the far one.
    Somebody {
        way: Direction,
        near: bool,
        far: bool,
    },
}

/// The pair.
#[derive(Clone, Debug)]
pub struct Beams {
    walk: Walk,
}

impl Default for Beams {
    fn default() -> Self {
        Self::new()
    }
}

impl Beams {
    /// A free lane.
    pub fn new() -> Self {
        Self { walk: Walk::Nobody }
    }

    /// A barrier was cut or freed.
    pub fn changed(&mut self, beam: Beam, cut: bool) -> Option<Signal> {
        match self.walk {
            Walk::Nobody => {
                if cut {
                    let way = if beam == Beam::Outer { Direction::In } else { Direction::Out };
                    self.walk = Walk::Somebody { way, near: true, far: false };
                }
                None
            }
            Walk::Somebody { way, near, far } => {
                let is_near = (beam == Beam::Outer) == (way == Direction::In);
                let (now_near, now_far) = if is_near { (cut, far) } else { (near, cut) };
                if now_near || now_far {
                    self.walk = Walk::Somebody { way, near: now_near, far: now_far };
                    return None;
                }
                self.walk = Walk::Nobody;
                // Whoever left by the far barrier has passed; by the near one, turned back.
                match (near, far) {
                    (false, true) => Some(Signal::Passed(way)),
                    (true, false) => Some(Signal::TurnedBack(way)),
                    // Nothing changed: both were free already.
                    (false, false) | (true, true) => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `A` cuts the outer barrier and `a` frees it, `B` and `b` the inner one.
    fn check(steps: &str, expected: &[Signal]) {
        let mut beams = Beams::new();
        let signals: Vec<_> = steps
            .chars()
            .filter_map(|step| {
                let beam = if step.eq_ignore_ascii_case(&'a') { Beam::Outer } else { Beam::Inner };
                beams.changed(beam, step.is_ascii_uppercase())
            })
            .collect();
        assert_eq!(signals, expected, "{steps}");
    }

    #[test]
    fn who_leaves_on_the_other_side_has_passed() {
        check("ABab", &[Signal::Passed(Direction::In)]);
        check("BAba", &[Signal::Passed(Direction::Out)]);
        check(
            "ABabABabBAba",
            &[
                Signal::Passed(Direction::In),
                Signal::Passed(Direction::In),
                Signal::Passed(Direction::Out),
            ],
        );
    }

    #[test]
    fn who_leaves_on_the_same_side_has_turned_back() {
        check("Aa", &[Signal::TurnedBack(Direction::In)]);
        check("ABba", &[Signal::TurnedBack(Direction::In)]);
        check("BAab", &[Signal::TurnedBack(Direction::Out)]);
    }

    #[test]
    fn a_bag_that_swings_is_nobody_else() {
        check("ABaAaAab", &[Signal::Passed(Direction::In)]);
        check("AABBaabb", &[Signal::Passed(Direction::In)]);
        check("abab", &[]);
    }
}
