//! What a passage or a refusal adds to which count: the sums of one batch, before they are written.

use std::{collections::BTreeMap, sync::Arc};

use shanmen_protocols::{device::Outcome, ids::Direction};
use shanmen_rules::{AreaIx, Day, Movement};

use super::{Places, minute_of};
use crate::{
    api::FlowBy,
    ledger::{Answer, PassageRow},
};

/// How wide a bin of the dwell times is, in minutes.
pub(crate) const BIN_MIN: i64 = 15;
/// How many bins there are; the last one holds all that is longer.
pub(crate) const BINS: u32 = 49;

/// The counts of one key in one minute, or in more of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cells {
    /// Persons in.
    pub(crate) entered: u32,
    /// Persons out.
    pub(crate) gone: u32,
    /// Presentations refused.
    pub(crate) denied: u32,
    /// Of `entered`, those who came back on an earlier admission.
    pub(crate) reentered: u32,
    /// Lanes that opened and nobody passed.
    pub(crate) untaken: u32,
    /// The most persons inside at one time.
    pub(crate) peak: u32,
    /// Minutes with a peak of 80 % of the capacity or more.
    pub(crate) above: u32,
}

impl Cells {
    /// Adds what another minute of the same key counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.entered += other.entered;
        self.gone += other.gone;
        self.denied += other.denied;
        self.reentered += other.reentered;
        self.untaken += other.untaken;
        self.peak = self.peak.max(other.peak);
        self.above += other.above;
    }
}

/// What is counted, and in which minute since 1970.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) by: FlowBy,
    pub(crate) minute: i64,
    pub(crate) id: Arc<str>,
}

/// The sums of a batch.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cells: BTreeMap<Key, Cells>,
    pub(crate) dwell: BTreeMap<(Day, u32), u32>,
}

impl Tally {
    /// Adds to one count.
    pub(crate) fn add(&mut self, by: FlowBy, minute: i64, id: &Arc<str>, cells: &Cells) {
        if *cells != Cells::default() {
            let key = Key { by, minute, id: Arc::clone(id) };
            self.cells.entry(key).or_default().add(cells);
        }
    }

    /// Counts a passage, or a lane that opened for nobody; `channel` sold its ticket.
    pub(crate) fn passage(&mut self, places: &Places, row: &PassageRow, channel: Option<&str>) {
        let minute = minute_of(row.at);
        let entered = persons(row, |one| one.from == AreaIx::OUTSIDE);
        let site = Cells {
            entered,
            gone: persons(row, |one| one.to == AreaIx::OUTSIDE),
            reentered: if row.reentry { entered } else { 0 },
            untaken: u32::from(row.count == 0),
            ..Cells::default()
        };
        self.add(FlowBy::Site, minute, places.site(), &site);
        let sold = Cells { untaken: 0, ..site };
        if let Some((id, class)) = row.product.and_then(|ix| places.product(ix)) {
            self.add(FlowBy::Product, minute, id, &sold);
            self.add(FlowBy::Class, minute, class, &sold);
        }
        if let Some(channel) = channel {
            self.add(FlowBy::Channel, minute, &Arc::from(channel), &sold);
        }
        for one in &row.moves {
            let count = u32::from(one.persons);
            let reentered = if one.reentry { count } else { 0 };
            for area in places.entered(one.from, one.to) {
                let cells = Cells { entered: count, reentered, ..Cells::default() };
                self.add(FlowBy::Area, minute, area, &cells);
            }
            for area in places.entered(one.to, one.from) {
                let cells = Cells { gone: count, ..Cells::default() };
                self.add(FlowBy::Area, minute, area, &cells);
            }
        }
        let Some(lane) = places.lane(row.lane) else { return };
        // Reversed: went in and came back, which is nobody.
        let count = if row.outcome == Outcome::Reversed { 0 } else { row.count };
        let inward = row.direction == Direction::In && !lane.way_out;
        let through = Cells {
            entered: if inward { count } else { 0 },
            gone: if inward { 0 } else { count },
            reentered: if inward && row.reentry { count } else { 0 },
            untaken: u32::from(row.count == 0),
            ..Cells::default()
        };
        self.add(FlowBy::Lane, minute, &lane.id, &through);
        self.add(FlowBy::Gate, minute, &lane.gate, &through);
    }

    /// Counts a refusal: one, however many persons it was about.
    pub(crate) fn refusal(&mut self, places: &Places, answer: &Answer) {
        let minute = minute_of(answer.at);
        let one = Cells { denied: 1, ..Cells::default() };
        self.add(FlowBy::Site, minute, places.site(), &one);
        self.add(FlowBy::Reason, minute, &Arc::from(answer.reason.code()), &one);
        let Some(lane) = places.lane(answer.lane) else { return };
        self.add(FlowBy::Lane, minute, &lane.id, &one);
        self.add(FlowBy::Gate, minute, &lane.gate, &one);
        let (from, to) = if answer.direction == Direction::In || lane.way_out {
            (lane.from, lane.to)
        } else {
            (lane.to, lane.from)
        };
        for area in places.entered(from, to) {
            self.add(FlowBy::Area, minute, area, &one);
        }
    }

    /// Counts persons who left after so many milliseconds.
    pub(crate) fn stay(&mut self, day: Day, stayed_ms: i64, persons: u32) {
        *self.dwell.entry((day, bin_of(stayed_ms))).or_default() += persons;
    }
}

/// The bin of a stay.
pub(crate) fn bin_of(stayed_ms: i64) -> u32 {
    u32::try_from(stayed_ms.max(0) / (BIN_MIN * 60_000)).unwrap_or(BINS).min(BINS - 1)
}

fn persons(row: &PassageRow, which: impl Fn(&Movement) -> bool) -> u32 {
    row.moves.iter().filter(|one| which(one)).map(|one| u32::from(one.persons)).sum()
}
