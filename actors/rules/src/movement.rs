//! Movements of people between areas, as flow applies them.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::park::AreaIx;

/// People who went from one area to another: they leave `park.left(from, to)` and enter
/// `park.entered(from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Where they came from.
    pub from: AreaIx,
    /// Where they went.
    pub to: AreaIx,
    /// How many.
    pub persons: u16,
    /// Whether they came back on an earlier admission: not counted in the day's entries again.
    pub reentry: bool,
}

/// The movements of one passage; mostly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Movements(SmallVec<[Movement; 2]>);

impl Movements {
    /// The movements.
    pub fn iter(&self) -> std::slice::Iter<'_, Movement> {
        self.0.iter()
    }

    /// Whether nobody moved.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, from: AreaIx, to: AreaIx, persons: u16, reentry: bool) {
        if persons > 0 && from != to {
            self.0.push(Movement { from, to, persons, reentry });
        }
    }
}

impl<'a> IntoIterator for &'a Movements {
    type Item = &'a Movement;
    type IntoIter = std::slice::Iter<'a, Movement>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
