//! A business day as quarters of an hour: what came in each, and how many were in the site.

use shanmen_rules::{Calendar, Day};

use super::{QUARTER_MIN, turn_minute};
use crate::{
    api::FlowBy,
    ledger::{self, Books, LedgerFault},
};

/// A day in quarters of an hour from its turn on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) day: Day,
    /// Entries in each quarter.
    pub(crate) entries: Vec<u32>,
    /// The most persons in the site in each quarter.
    pub(crate) in_site: Vec<u32>,
}

impl Shape {
    /// A day without anybody: 96 quarters, 92 or 100 where the clocks are changed.
    pub(crate) fn empty(calendar: &Calendar, day: Day) -> Self {
        let minutes = turn_minute(calendar, day.plus(1)) - turn_minute(calendar, day);
        let none = vec![0; usize::try_from((minutes / QUARTER_MIN).max(1)).unwrap_or(96)];
        Self { day, entries: none.clone(), in_site: none }
    }

    /// Reads a day.
    pub(crate) fn read(
        from: Books<'_>,
        calendar: &Calendar,
        day: Day,
    ) -> Result<Self, LedgerFault> {
        let mut shape = Self::empty(calendar, day);
        let (begin, end) = (turn_minute(calendar, day), turn_minute(calendar, day.plus(1)));
        ledger::minutes(from, FlowBy::Site, begin, end, &mut |row| {
            let quarter = usize::try_from((row.minute - begin) / QUARTER_MIN).unwrap_or(usize::MAX);
            if let Some(entries) = shape.entries.get_mut(quarter) {
                *entries += row.cells.entered;
            }
            if let Some(most) = shape.in_site.get_mut(quarter) {
                *most = (*most).max(row.cells.peak);
            }
        })?;
        Ok(shape)
    }

    /// Entries of the whole day.
    pub(crate) fn total(&self) -> u32 {
        self.entries.iter().sum()
    }

    /// The most persons in the site.
    pub(crate) fn peak(&self) -> u32 {
        self.in_site.iter().copied().max().unwrap_or(0)
    }
}
