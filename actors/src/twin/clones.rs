//! Two machines under one device's id: each throws the other out, and both come again and again.
//!
//! Owns how that is told from a machine that restarts, or whose network flickers. A restart brings
//! a new boot number, a flickering network the same one; only where there are two machines does an
//! earlier one come back. It refuses nobody: the right one of the two is a person's to find. The
//! twin calls it at each hello.

use std::collections::VecDeque;

use shanmen_protocols::{ids::Epoch, time::UnixMs};

/// How long a change counts.
const WINDOW_MS: i64 = 60_000;
/// How many changes within that are two machines.
const CHANGES: usize = 4;

/// What tells machines apart: the storage, and the boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) epoch: Option<Epoch>,
    pub(super) boot: Option<u64>,
}

/// The machines that said hello under one id lately.
#[derive(Default)]
pub(super) struct Clones {
    last: Option<Machine>,
    changes: VecDeque<(UnixMs, Machine)>,
}

impl Clones {
    /// Takes a hello; true where this one makes it plain that there are two machines.
    pub(super) fn hello(&mut self, machine: Machine, now: UnixMs) -> bool {
        let changed = self.last.as_ref().is_some_and(|last| *last != machine);
        self.last = Some(machine.clone());
        if !changed {
            return false;
        }
        self.changes.retain(|(at, _)| now.0 - at.0 < WINDOW_MS);
        if CHANGES <= self.changes.len() {
            self.changes.pop_front();
        }
        let back = self.changes.iter().any(|(_, earlier)| *earlier == machine);
        self.changes.push_back((now, machine));
        back && CHANGES <= self.changes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hello, by its place from 1, that gave two machines away; `step_ms` between them.
    fn given_away(boots: &[u64], step_ms: i64) -> Option<usize> {
        let mut clones = Clones::default();
        let mut now = UnixMs(1_000);
        for (n, boot) in boots.iter().enumerate() {
            now = UnixMs(now.0 + step_ms);
            if clones.hello(Machine { epoch: None, boot: Some(*boot) }, now) {
                return Some(n + 1);
            }
        }
        None
    }

    #[test]
    fn two_machines_that_take_turns_are_given_away() {
        assert_eq!(given_away(&[1, 2, 1, 2, 1], 5_000), Some(5));
        assert_eq!(given_away(&[1, 1, 1, 2, 1, 1, 2, 2, 1], 5_000), Some(9));
        assert_eq!(given_away(&[7, 7, 8, 7, 8, 7, 8], 14_000), Some(6));
    }

    #[test]
    fn one_machine_may_restart_or_flicker_as_often_as_it_likes() {
        assert_eq!(given_away(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 2_000), None, "a restart each time");
        assert_eq!(given_away(&[1; 50], 1_000), None, "the network comes and goes");
        assert_eq!(given_away(&[1, 2, 1, 2, 1, 2, 1, 2], 30_000), None, "not within a minute");
        assert_eq!(given_away(&[1, 1, 2, 2, 3, 3], 500), None);
    }
}
