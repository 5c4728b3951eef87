//! How far each device's facts are complete: kept in memory beside the table, and written once a
//! batch, so that a fact in its turn costs its own row and no more.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use shanmen_protocols::ids::{DeviceId, Epoch};

use super::EventRow;

/// The marks of all devices, each in the epoch that it told last.
#[derive(Debug, Default)]
pub(super) struct Marks(HashMap<DeviceId, Mark>);

#[derive(Debug)]
struct Mark {
    epoch: Epoch,
    /// All numbers up to this one are there, or declared lost.
    upto: i64,
    /// The newest number that is there.
    newest: i64,
    /// Some number beyond the mark may be declared lost.
    gaps: bool,
    /// It has moved since it was written.
    moved: bool,
}

impl Marks {
    /// Notes a fact that was written just now.
    pub(super) fn note(&mut self, from: &Connection, row: &EventRow) -> rusqlite::Result<()> {
        let seq = row.seq.cast_signed();
        let other_epoch = self.0.get(&row.device).is_some_and(|mark| mark.epoch != row.epoch);
        if other_epoch && let Some(mark) = self.0.remove(&row.device) {
            mark.write(from, &row.device)?;
        }
        if !self.0.contains_key(&row.device) {
            self.0.insert(row.device.clone(), Mark::read(from, row)?);
        }
        let Some(mark) = self.0.get_mut(&row.device) else { return Ok(()) };
        mark.gaps |= row.gap.is_some();
        mark.newest = mark.newest.max(seq);
        let before = mark.upto;
        if seq == mark.upto + 1 && seq == mark.newest && !mark.gaps {
            mark.upto = seq;
        } else {
            mark.walk(from, &row.device)?;
        }
        mark.moved |= before != mark.upto;
        Ok(())
    }

    /// Writes what has moved.
    pub(super) fn write(&mut self, to: &Connection) -> rusqlite::Result<()> {
        for (device, mark) in &mut self.0 {
            if std::mem::take(&mut mark.moved) {
                mark.write(to, device)?;
            }
        }
        Ok(())
    }
}

impl Mark {
    fn read(from: &Connection, row: &EventRow) -> rusqlite::Result<Self> {
        let (device, epoch) = (row.device.as_str(), row.epoch.as_str());
        let upto: i64 = from
            .prepare_cached("SELECT upto FROM event_marks WHERE device = ? AND epoch = ?")?
            .query_row([device, epoch], |row| row.get(0))
            .optional()?
            .unwrap_or(0);
        let (newest, gaps) = from
            .prepare_cached(
                "SELECT coalesce(max(seq), 0), coalesce(max(gap_from IS NOT NULL), 0) FROM events
                 WHERE device = ? AND epoch = ? AND seq > ?",
            )?
            .query_row(params![device, epoch, upto], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { epoch: row.epoch.clone(), upto, newest, gaps, moved: false })
    }

    /// Moves on while there is no hole.
    fn walk(&mut self, from: &Connection, device: &DeviceId) -> rusqlite::Result<()> {
        let (device, epoch) = (device.as_str(), self.epoch.as_str());
        let mut there =
            from.prepare_cached("SELECT 1 FROM events WHERE device = ? AND epoch = ? AND seq = ?")?;
        let mut gap = from.prepare_cached(
            "SELECT max(max(seq, gap_to)) FROM events
             WHERE device = ? AND epoch = ? AND seq > ? AND gap_from <= ?",
        )?;
        loop {
            let next = self.upto + 1;
            if there.exists(params![device, epoch, next])? {
                self.upto = next;
                continue;
            }
            let lost = params![device, epoch, self.upto, next];
            match gap.query_row(lost, |row| row.get::<_, Option<i64>>(0))? {
                Some(end) => self.upto = end,
                None => break,
            }
        }
        self.newest = self.newest.max(self.upto);
        self.gaps &= self.upto < self.newest;
        Ok(())
    }

    fn write(&self, to: &Connection, device: &DeviceId) -> rusqlite::Result<()> {
        to.prepare_cached(
            "INSERT OR REPLACE INTO event_marks (device, epoch, upto) VALUES (?, ?, ?)",
        )?
        .execute(params![device.as_str(), self.epoch.as_str(), self.upto])?;
        Ok(())
    }
}
