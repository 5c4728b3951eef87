//! The sums of a batch that is taken over, written in its transaction: counted exactly once,
//! whatever is killed when.

use rusqlite::{Connection, OptionalExtension as _, params, types::Type};
use shanmen_protocols::{device::Outcome, ids::TicketId};
use shanmen_rules::{
    AreaIx, Movements,
    definition::{AreaDefinition, GateDefinition, LaneDefinition, ProductDefinition},
};

use super::number;
use crate::{
    history::{Cells, Key, Places, Tally},
    ledger::{Answer, PassageRow},
};

/// How far back an entry may lie that an exit belongs to, in milliseconds: two days, for those who
/// stayed the night.
const STAY_MAX_MS: i64 = 2 * 24 * 3_600_000;
/// How many of a ticket's passages are looked through for it.
const PASSAGES_BACK: u32 = 32;

/// Counts what is taken over, for the history.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Counter {
    places: Places,
    tally: Tally,
}

impl Counter {
    /// Reads the park anew, as the books know it.
    pub(in crate::ledger) fn look_around(&mut self, from: &Connection) -> rusqlite::Result<()> {
        self.places = places(from)?;
        Ok(())
    }

    /// Counts a passage that was written just now.
    pub(in crate::ledger) fn passage(
        &mut self,
        from: &Connection,
        row: &PassageRow,
    ) -> rusqlite::Result<()> {
        let channel = row.ticket.map(|ticket| channel_of(from, ticket)).transpose()?.flatten();
        self.tally.passage(&self.places, row, channel.as_deref());
        self.stay(from, row)
    }

    /// Counts a refusal that was written just now.
    pub(in crate::ledger) fn refusal(&mut self, answer: &Answer) {
        self.tally.refusal(&self.places, answer);
    }

    /// Writes the sums, and begins anew.
    pub(in crate::ledger) fn write(&mut self, to: &Connection) -> rusqlite::Result<()> {
        write_tally(to, &std::mem::take(&mut self.tally))
    }

    /// Forgets what was counted and not written: its transaction failed, and comes again.
    pub(in crate::ledger) fn forget(&mut self) {
        self.tally = Tally::default();
    }

    /// An exit to the outside ends a stay; of it only the length is kept, in a bin.
    fn stay(&mut self, from: &Connection, row: &PassageRow) -> rusqlite::Result<()> {
        let leaves = |one: &&shanmen_rules::Movement| one.to == AreaIx::OUTSIDE;
        let persons: u32 = row.moves.iter().filter(leaves).map(|one| u32::from(one.persons)).sum();
        let (Some(ticket), true) = (row.ticket, 0 < persons) else { return Ok(()) };
        if row.outcome == Outcome::Reversed {
            // Taken back: its people never went in.
            return Ok(());
        }
        let mut statement = from.prepare_cached(
            "SELECT at, moves FROM passages WHERE ticket = ? AND at BETWEEN ? AND ?
             ORDER BY at DESC LIMIT ?",
        )?;
        let given = params![ticket.0.as_bytes(), row.at.0 - STAY_MAX_MS, row.at.0, PASSAGES_BACK];
        let mut rows = statement.query(given)?;
        while let Some(before) = rows.next()? {
            // An old row that cannot be read must not hold up the books.
            let Ok(moves) = moves_of(before, 1) else { continue };
            let at: i64 = before.get(0)?;
            if moves.iter().any(|one| one.from == AreaIx::OUTSIDE) {
                self.tally.stay(row.day, row.at.0 - at, persons);
                break;
            }
        }
        Ok(())
    }
}

/// Movements as they are kept.
pub(super) fn moves_of(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Movements> {
    let wrong = || {
        rusqlite::Error::InvalidColumnType(column, "movements of another make".into(), Type::Blob)
    };
    let blob = row.get_ref(column)?.as_blob().map_err(|_| wrong())?;
    postcard::from_bytes(blob).map_err(|_| wrong())
}

fn channel_of(from: &Connection, ticket: TicketId) -> rusqlite::Result<Option<String>> {
    from.prepare_cached("SELECT channel FROM tickets WHERE id = ?")?
        .query_row([ticket.0.as_bytes()], |row| row.get(0))
        .optional()
}

/// The park as the books know it.
pub(super) fn places(from: &Connection) -> rusqlite::Result<Places> {
    let kind = |kind: &str| texts(from, "names", &format!("kind = '{kind}'"));
    let areas: Vec<AreaDefinition> = read(&kind("area")?);
    let gates: Vec<GateDefinition> = read(&kind("gate")?);
    let lanes: Vec<LaneDefinition> = read(&kind("lane")?);
    let products: Vec<ProductDefinition> = read(&texts(from, "products", "1")?);
    Ok(Places::new(&areas, &gates, &lanes, &products))
}

fn texts(from: &Connection, table: &str, which: &str) -> rusqlite::Result<Vec<String>> {
    from.prepare(&format!("SELECT definition FROM {table} WHERE {which} ORDER BY n"))?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Reads definitions; from one that cannot be read on, nothing is known: the start tells of it.
fn read<T: serde::de::DeserializeOwned>(texts: &[String]) -> Vec<T> {
    texts.iter().map_while(|text| serde_json::from_str(text).ok()).collect()
}

/// Adds sums to the counts.
pub(in crate::ledger) fn write_tally(to: &Connection, tally: &Tally) -> rusqlite::Result<()> {
    let mut count = to.prepare_cached(
        "INSERT INTO flow_minutes
         (kind, minute, key, entered, gone, denied, reentered, untaken, peak, above)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (kind, minute, key) DO UPDATE SET
             entered = entered + excluded.entered, gone = gone + excluded.gone,
             denied = denied + excluded.denied, reentered = reentered + excluded.reentered,
             untaken = untaken + excluded.untaken, peak = max(peak, excluded.peak),
             above = max(above, excluded.above)",
    )?;
    for (Key { by, minute, id }, cells) in &tally.cells {
        let Cells { entered, gone, denied, reentered, untaken, peak, above } = cells;
        count.execute(params![
            number(*by),
            minute,
            &**id,
            entered,
            gone,
            denied,
            reentered,
            untaken,
            peak,
            above
        ])?;
    }
    let mut stay = to.prepare_cached(
        "INSERT INTO dwell (day, bin, persons) VALUES (?, ?, ?)
         ON CONFLICT (day, bin) DO UPDATE SET persons = persons + excluded.persons",
    )?;
    for ((day, bin), persons) in &tally.dwell {
        stay.execute(params![day.0, bin, persons])?;
    }
    Ok(())
}
