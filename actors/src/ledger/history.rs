//! History in the books: the sums that come with what is taken over, and all its reads.
//!
//! `counts.rs` writes the sums, `fill.rs` counts what was there before there was a history,
//! `keep.rs` writes what the keeper brings once a minute, `read.rs` reads.

mod counts;
mod fill;
mod keep;
mod read;
#[cfg(test)]
mod tests;

use rusqlite::Connection;
use shanmen_protocols::time::UnixMs;
use shanmen_rules::Day;

use super::{LedgerFault, SqliteLedger};
use crate::{
    api::{Expected, FlowBy},
    history::{Cells, Tally},
};

pub(crate) use self::read::{
    availability, day_sums, dwell, forecasts, minutes, oldest_minute, sum_of,
};
pub(super) use self::{counts::Counter, fill::fill_once, keep::write};

/// The books as the history reads them: who holds this asks with the reads of this folder only.
#[derive(Clone, Copy)]
pub(crate) struct Books<'c>(&'c Connection);

/// Books that hold nothing but minutes.
#[cfg(test)]
pub(crate) struct MadeUpBooks(Connection);

#[cfg(test)]
impl MadeUpBooks {
    /// With persons in and out of the site in minutes, `(minute, in, out)`.
    pub(crate) fn new(minutes: impl Iterator<Item = (i64, u32, u32)>) -> Self {
        let books = Connection::open_in_memory().unwrap();
        // The step of the schema adds a column to these two, which the history does not read.
        books.execute_batch("CREATE TABLE tickets (id); CREATE TABLE orders (id);").unwrap();
        books.execute_batch(include_str!("schema/0005.sql")).unwrap();
        for row in minutes {
            let sql = "INSERT INTO flow_minutes VALUES (0, ?, '', ?, ?, 0, 0, 0, 0, 0)";
            books.execute(sql, row).unwrap();
        }
        Self(books)
    }

    pub(crate) fn books(&self) -> Books<'_> {
        Books(&self.0)
    }
}

impl SqliteLedger {
    /// Runs a read of the history once the books have what the journal has now. Blocks: never called
    /// on an async thread.
    pub(crate) fn read_history<T>(
        &self,
        work: impl FnOnce(Books<'_>) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        self.read_report(|from| work(Books(from)))
    }

    /// The same as the books have it, a few milliseconds behind the gates.
    pub(crate) fn peek_history<T>(
        &self,
        work: impl FnOnce(Books<'_>) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        self.peek_report(|from| work(Books(from)))
    }
}

/// What the keeper writes, once a minute and off every path.
pub(crate) enum HistoryWrite {
    /// The minute that is over: peaks, and which devices were connected.
    Minute { peaks: Tally, day: Day, devices: Vec<(String, bool)> },
    /// A forecast as it was made.
    Forecast { day: Day, expected: Box<Expected> },
    /// The minutes from the first to before the last become one row of the first.
    Thin { from: i64, until: i64 },
    /// Made-up history of a demonstration: hours' or minutes' counts, dwell times, devices.
    MadeUp(Box<MadeUp>),
}

/// Made-up history.
#[derive(Debug, Default)]
pub(crate) struct MadeUp {
    pub(crate) counts: Tally,
    pub(crate) devices: Vec<(Day, String, u32, u32)>,
    pub(crate) forecasts: Vec<(Day, Expected)>,
}

/// A row of the counts: the minute that it begins with, its key, what it counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CountRow<'r> {
    pub(crate) minute: i64,
    pub(crate) key: &'r str,
    pub(crate) cells: Cells,
}

/// A forecast on record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ForecastRow {
    pub(crate) day: Day,
    pub(crate) expected: Expected,
}

/// The number of a dimension in the books.
fn number(by: FlowBy) -> u8 {
    match by {
        FlowBy::Site => 0,
        FlowBy::Area => 1,
        FlowBy::Gate => 2,
        FlowBy::Lane => 3,
        FlowBy::Product => 4,
        FlowBy::Class => 5,
        FlowBy::Channel => 6,
        FlowBy::Reason => 7,
    }
}

/// Milliseconds as they stand in a column.
fn ms(at: UnixMs) -> i64 {
    at.0
}
