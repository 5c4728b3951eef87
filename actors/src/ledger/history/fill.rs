//! Counts what was on record before there was a history, once, when an older ledger is opened.

use rusqlite::{Connection, TransactionBehavior};
use shanmen_protocols::{device::DecisionResult, time::UnixMs};
use shanmen_rules::Day;

use super::counts::{Counter, moves_of, places, write_tally};
use crate::{
    api::FlowBy,
    history::{Cells, Places, Tally, minute_of},
    ledger::{LedgerFault, PassageRow, view::rows},
};

/// How many rows are summed up before they are written.
const ROWS_AT_ONCE: u32 = 50_000;
/// How many cells are kept in memory before they are written.
const CELLS_AT_ONCE: usize = 100_000;
/// A peak is carried on over a quiet time of so many minutes at most: a night is no peak.
const QUIET_MAX_MIN: i64 = 6 * 60;

/// Counts passages and refusals of before, if that has not been done.
pub(in crate::ledger) fn fill_once(books: &mut Connection) -> Result<(), LedgerFault> {
    let filled: bool =
        books.query_row("SELECT filled FROM history_filled", [], |row| row.get(0))?;
    if filled {
        return Ok(());
    }
    let transaction = books.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut counter = Counter::default();
    counter.look_around(&transaction)?;
    let passages = fill_passages(&transaction, &mut counter)?;
    let refusals = fill_refusals(&transaction, &mut counter)?;
    fill_peaks(&transaction)?;
    transaction.execute("UPDATE history_filled SET filled = 1", [])?;
    transaction.commit()?;
    if 0 < passages + refusals {
        tracing::info!(passages, refusals, "the history was counted from what was on record");
    }
    Ok(())
}

fn fill_passages(books: &Connection, counter: &mut Counter) -> Result<u32, LedgerFault> {
    let mut statement = books.prepare(
        "SELECT at, day, device, lane, direction, ticket, product, grant_id, outcome, by_whom,
                count, reentry, moves, time_known
         FROM passages ORDER BY n",
    )?;
    let mut found = statement.query([])?;
    let mut count = 0;
    while let Some(row) = found.next()? {
        let Some(row) = readable(passage(row)) else { continue };
        counter.passage(books, &row)?;
        count += 1;
        if count % ROWS_AT_ONCE == 0 {
            counter.write(books)?;
        }
    }
    counter.write(books)?;
    Ok(count)
}

/// An old row, if it can be read: one that cannot must not keep the program from starting. It stays
/// where it is, uncounted.
fn readable<T>(row: Result<T, rusqlite::Error>) -> Option<T> {
    row.inspect_err(|error| tracing::warn!(%error, "an old row cannot be read, nor counted")).ok()
}

fn passage(row: &rusqlite::Row<'_>) -> Result<PassageRow, rusqlite::Error> {
    Ok(PassageRow {
        at: UnixMs(row.get(0)?),
        day: Day(row.get(1)?),
        device: rows::parsed(row, 2, shanmen_protocols::ids::DeviceId::new)?,
        lane: shanmen_rules::LaneIx(row.get(3)?),
        direction: rows::direction(row, 4)?,
        ticket: rows::optional_uuid(row, 5)?.map(shanmen_protocols::ids::TicketId),
        product: row.get::<_, Option<u16>>(6)?.map(shanmen_rules::ProductIx),
        grant: rows::optional_uuid(row, 7)?.map(shanmen_protocols::ids::GrantId),
        outcome: rows::word(&row.get::<_, String>(8)?, shanmen_protocols::device::Outcome::Other),
        by: rows::word(&row.get::<_, String>(9)?, shanmen_protocols::device::PassageBy::Other),
        count: row.get(10)?,
        reentry: row.get(11)?,
        moves: moves_of(row, 12)?,
        time_known: row.get(13)?,
    })
}

fn fill_refusals(books: &Connection, counter: &mut Counter) -> Result<u32, LedgerFault> {
    let sql = format!("SELECT {} FROM scans WHERE result = 2", rows::ANSWER);
    let mut statement = books.prepare(&sql)?;
    let mut found = statement.query([])?;
    let mut count = 0;
    while let Some(row) = found.next()? {
        let Some(answer) = readable(rows::answer(row)) else { continue };
        debug_assert_eq!(answer.result, DecisionResult::Deny);
        counter.refusal(&answer);
        count += 1;
        if count % ROWS_AT_ONCE == 0 {
            counter.write(books)?;
        }
    }
    counter.write(books)?;
    Ok(count)
}

/// The most persons of each minute, from the passages in the order in which they happened.
fn fill_peaks(books: &Connection) -> Result<(), LedgerFault> {
    let places = places(books)?;
    let mut inside = Inside::new(&places);
    let mut tally = Tally::default();
    let mut statement = books.prepare("SELECT day, at, moves FROM passages ORDER BY day, at, n")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (day, minute) = (row.get(0)?, minute_of(UnixMs(row.get(1)?)));
        inside.advance(day, minute, &mut tally);
        if CELLS_AT_ONCE < tally.cells.len() {
            write_tally(books, &std::mem::take(&mut tally))?;
        }
        for one in &readable(moves_of(row, 2)).unwrap_or_default() {
            inside.change(*one, &places);
        }
    }
    inside.tell(&mut tally);
    write_tally(books, &tally)?;
    Ok(())
}

/// Who is where, while the passages are gone through.
struct Inside<'p> {
    places: &'p Places,
    now: Vec<u32>,
    most: Vec<u32>,
    site: u32,
    site_most: u32,
    day: i32,
    minute: i64,
}

impl<'p> Inside<'p> {
    fn new(places: &'p Places) -> Self {
        let none = vec![0; places.areas()];
        let most = none.clone();
        Self { places, now: none, most, site: 0, site_most: 0, day: i32::MIN, minute: i64::MIN }
    }

    fn advance(&mut self, day: i32, minute: i64, tally: &mut Tally) {
        if self.day != day {
            self.tell(tally);
            // At the turn of the business day everybody has gone home.
            *self = Self { day, minute, ..Self::new(self.places) };
        }
        let until = minute.min(self.minute + QUIET_MAX_MIN);
        while self.minute < until {
            self.tell(tally);
            self.minute += 1;
            self.most.clone_from(&self.now);
            self.site_most = self.site;
        }
        self.minute = self.minute.max(minute);
    }

    fn tell(&self, tally: &mut Tally) {
        let peak = |persons| Cells { peak: persons, ..Cells::default() };
        tally.add(FlowBy::Site, self.minute, self.places.site(), &peak(self.site_most));
        for (n, most) in self.most.iter().enumerate().skip(1) {
            if let Some(id) = self.places.area(n) {
                tally.add(FlowBy::Area, self.minute, id, &peak(*most));
            }
        }
    }

    fn change(&mut self, one: shanmen_rules::Movement, places: &Places) {
        let count = u32::from(one.persons);
        for n in places.entered_numbers(one.to, one.from) {
            self.now[n] = self.now[n].saturating_sub(count);
        }
        for n in places.entered_numbers(one.from, one.to) {
            self.now[n] += count;
            self.most[n] = self.most[n].max(self.now[n]);
        }
        if one.from == shanmen_rules::AreaIx::OUTSIDE {
            self.site += count;
        }
        if one.to == shanmen_rules::AreaIx::OUTSIDE {
            self.site = self.site.saturating_sub(count);
        }
        self.site_most = self.site_most.max(self.site);
    }
}
