//! The hot state of one ticket: 64 bytes, no heap for an ordinary ticket.
//!
//! Owns what a ticket remembers: its terms, its uses, where its people are, and whether a grant
//! is open for it. It is changed only through [`issue`](TicketState::issue), the setters here, and
//! [`reserve`](TicketState::reserve), [`settle`](TicketState::settle) and
//! [`record`](TicketState::record) in `passage.rs`. All counts of people and admissions are in
//! person-admissions: a group of 30 with one use has 30.
//!
//! Kept as a blob it begins with a version. It holds indexes of areas, gates and products, which
//! whoever keeps it must never give another meaning.

mod issue;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shanmen_protocols::time::UnixMs;
use smallvec::SmallVec;

pub use issue::{IssueFault, IssueTerms, Status};

use crate::{
    park::{AreaIx, Entitlement, GateIx, Park, ProductIx},
    span::Day,
    stamp::{Stamp, long_day, short_day},
};

/// Stands for "no slot", "no visit date", "no gate".
const NONE: u16 = u16::MAX;

/// What one entitlement of a ticket has seen. 28 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Use {
    pub(crate) first_entry: Stamp,
    pub(crate) last_entry: Stamp,
    pub(crate) last_exit: Stamp,
    /// Person-admissions; a re-entry is none. Stays at 65,535 for an unlimited one.
    pub(crate) entries: u16,
    /// Those of `day`.
    pub(crate) entries_on_day: u16,
    /// Re-entries on the present admission, counted in persons.
    pub(crate) reentries: u16,
    /// The latest business day on which somebody moved on it.
    pub(crate) day: u16,
    /// The gate of `last_entry`, plus one.
    pub(crate) gate: u16,
}

impl Use {
    pub(crate) fn entries_on(&self, day: Day) -> u16 {
        if long_day(self.day) == day { self.entries_on_day } else { 0 }
    }

    pub(crate) fn gate(&self) -> Option<GateIx> {
        self.gate.checked_sub(1).map(GateIx)
    }
}

/// People of a ticket in one area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) area: AreaIx,
    pub(crate) persons: u16,
}

pub(crate) type Places = SmallVec<[Place; 4]>;

const NOWHERE: Place = Place { area: AreaIx::OUTSIDE, persons: 0 };

/// What only packages and split groups need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct More {
    uses: Vec<Use>,
    places: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    issued_at: Stamp,
    product: ProductIx,
    persons: u16,
    epoch: u16,
    slot: u16,
    visit_date: u16,
    status: Status,
    /// People who left today without our knowing that they were inside: an entry reported later
    /// than that exit is then theirs.
    unmatched_exits: u8,
    /// Persons with an open grant to enter.
    reserved: u16,
    /// Distinct business days with an entry.
    entry_days: u16,
    /// Bit n: there was an entry n days before `day()`.
    entry_day_bits: u16,
    place: Place,
    first: Use,
    more: Option<Box<More>>,
}

/// The hot state of one ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketState(Body);

impl TicketState {
    /// The product.
    pub fn product(&self) -> ProductIx {
        self.0.product
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        self.0.status
    }

    /// Refunds, freezes, pays …: an open grant and what is on record stay as they are.
    pub fn set_status(&mut self, status: Status) {
        self.0.status = status;
    }

    /// How many people it admits.
    pub fn persons(&self) -> u16 {
        self.0.persons
    }

    /// The day of the visit.
    pub fn visit_date(&self) -> Option<Day> {
        (self.0.visit_date != NONE).then(|| long_day(self.0.visit_date))
    }

    /// The slot's start, minutes of the local day.
    pub fn slot(&self) -> Option<u16> {
        (self.0.slot != NONE).then_some(self.0.slot)
    }

    /// When it was issued.
    pub fn issued_at(&self) -> UnixMs {
        self.0.issued_at.get().unwrap_or_default()
    }

    /// The issue epoch: a signed code with a lower one is `superseded`.
    pub fn epoch(&self) -> u16 {
        self.0.epoch
    }

    /// Re-issues the code: all codes before are `superseded`.
    pub fn raise_epoch(&mut self) {
        self.0.epoch = self.0.epoch.saturating_add(1);
    }

    /// Each entitlement with the person-admissions that it still gives, an open grant not yet
    /// taken off; `None` for an unlimited one.
    pub fn remaining<'a>(
        &'a self,
        park: &'a Park,
    ) -> impl Iterator<Item = (usize, Option<u32>)> + 'a {
        let entitlements =
            park.get_product(self.product()).map_or(&[][..], |product| &product.entitlements);
        entitlements.iter().enumerate().map(|(ix, entitlement)| {
            let allowed = self.allowed(entitlement);
            (ix, allowed.map(|allowed| allowed.saturating_sub(self.use_of(ix).entries.into())))
        })
    }

    /// Person-admissions so far. A re-entry is none.
    pub fn entries(&self) -> u32 {
        self.uses().map(|one| u32::from(one.entries)).sum()
    }

    /// Those of the business day `day`.
    pub fn entries_today(&self, day: Day) -> u32 {
        self.uses().map(|one| u32::from(one.entries_on(day))).sum()
    }

    /// Distinct business days with an entry.
    pub fn entry_days(&self) -> u16 {
        self.0.entry_days
    }

    /// The first entry.
    pub fn first_entry(&self) -> Option<UnixMs> {
        self.uses().fold(Stamp::NONE, |first, one| first.earlier(one.first_entry)).get()
    }

    /// The last entry, a re-entry included.
    pub fn last_entry(&self) -> Option<UnixMs> {
        self.uses().fold(Stamp::NONE, |last, one| last.later(one.last_entry)).get()
    }

    /// The last exit.
    pub fn last_exit(&self) -> Option<UnixMs> {
        self.uses().fold(Stamp::NONE, |last, one| last.later(one.last_exit)).get()
    }

    /// Where its people are, on [`TicketState::presence_day`]; on a later day nobody is inside.
    pub fn inside(&self) -> impl Iterator<Item = (AreaIx, u16)> + '_ {
        self.places().map(|place| (place.area, place.persons))
    }

    /// The business day that [`TicketState::inside`] is of.
    pub fn presence_day(&self) -> Day {
        long_day(self.uses().map(|one| one.day).max().unwrap_or(0))
    }

    /// How many of its people are in `area` or in a sub-area on business day `day`.
    pub fn persons_in(&self, park: &Park, area: AreaIx, day: Day) -> u16 {
        if self.presence_day() < day {
            return 0;
        }
        let here = self.places().filter(|place| park.lies_in(place.area, area));
        here.fold(0, |sum, place| sum.saturating_add(place.persons))
    }

    /// Whether a grant is open for it.
    pub fn is_reserved(&self) -> bool {
        self.0.reserved > 0
    }

    /// Persons with an open grant to enter.
    pub fn reserved(&self) -> u16 {
        self.0.reserved
    }

    /// All person-admissions of `entitlement`.
    pub(crate) fn allowed(&self, entitlement: &Entitlement) -> Option<u32> {
        entitlement.uses.map(|uses| u32::from(uses) * u32::from(self.0.persons))
    }

    pub(crate) fn use_of(&self, ix: usize) -> Use {
        match ix.checked_sub(1) {
            None => self.0.first,
            Some(ix) => {
                let more = self.0.more.as_ref().and_then(|more| more.uses.get(ix));
                more.copied().unwrap_or_default()
            }
        }
    }

    pub(crate) fn use_mut(&mut self, ix: usize) -> &mut Use {
        let Some(ix) = ix.checked_sub(1) else { return &mut self.0.first };
        let uses = &mut self.0.more.get_or_insert_default().uses;
        if uses.len() <= ix {
            uses.resize_with(ix + 1, Use::default);
        }
        &mut uses[ix]
    }

    pub(crate) fn uses(&self) -> impl Iterator<Item = &Use> {
        let more = self.0.more.as_ref().map_or(&[][..], |more| &more.uses);
        std::iter::once(&self.0.first).chain(more)
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let more = self.0.more.as_ref().map_or(&[][..], |more| &more.places);
        std::iter::once(&self.0.place).chain(more).copied().filter(|place| place.persons > 0)
    }

    pub(crate) fn put_places(&mut self, places: &[Place]) {
        let (first, rest) = places.split_first().map_or((NOWHERE, &[][..]), |(&a, b)| (a, b));
        self.0.place = first;
        if !rest.is_empty() || self.0.more.is_some() {
            let more = self.0.more.get_or_insert_default();
            more.places.clear();
            more.places.extend_from_slice(rest);
        }
    }

    /// Where people come from who are about to pass a gate that begins in `gate_from`: from
    /// there, unless the ticket knows that all of them are elsewhere.
    pub(crate) fn origin(&self, gate_from: AreaIx, persons: u16, day: Day) -> AreaIx {
        if self.presence_day() < day {
            return gate_from;
        }
        let elsewhere = || self.places().filter(|place| place.area != gate_from);
        let sum: u16 = elsewhere().fold(0, |sum, place| sum.saturating_add(place.persons));
        let free = self.persons().saturating_sub(sum);
        if persons <= free { gate_from } else { elsewhere().next().map_or(gate_from, |p| p.area) }
    }

    pub(crate) fn set_reserved(&mut self, persons: u16) {
        self.0.reserved = persons;
    }

    pub(crate) fn unmatched_exits_mut(&mut self) -> &mut u8 {
        &mut self.0.unmatched_exits
    }

    /// Brings the day of entitlement `ix` forward to `day`; a day gone by changes nothing.
    pub(crate) fn roll(&mut self, ix: usize, day: Day) {
        let ahead = day.0.saturating_sub(self.presence_day().0);
        if ahead > 0 {
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.0.entry_day_bits = self.0.entry_day_bits.checked_shl(shift).unwrap_or(0);
        }
        let one = self.use_mut(ix);
        if long_day(one.day) < day {
            one.day = short_day(day);
            one.entries_on_day = 0;
        }
    }

    /// The presence day has no entry after all.
    pub(crate) fn unmark_entry_day(&mut self) {
        if self.0.entry_day_bits & 1 == 1 {
            self.0.entry_day_bits &= !1;
            self.0.entry_days = self.0.entry_days.saturating_sub(1);
        }
    }

    /// Counts `day` as a day with an entry, once. Exact for the last 16 days.
    pub(crate) fn mark_entry_day(&mut self, day: Day) {
        let back = u32::try_from(self.presence_day().0.saturating_sub(day.0)).unwrap_or(0);
        let bit = 1_u16.checked_shl(back).unwrap_or(0);
        if bit == 0 || self.0.entry_day_bits & bit == 0 {
            self.0.entry_day_bits |= bit;
            self.0.entry_days = self.0.entry_days.saturating_add(1);
        }
    }
}

/// The blob's versions, the oldest first: postcard writes the variant as its first byte.
#[derive(Serialize)]
enum VersionedRef<'a> {
    V1(&'a Body),
}

#[derive(Deserialize)]
enum Versioned {
    V1(Body),
}

impl Serialize for TicketState {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        VersionedRef::V1(&self.0).serialize(to)
    }
}

impl<'de> Deserialize<'de> for TicketState {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Versioned::V1(body) = Versioned::deserialize(from)?;
        Ok(Self(body))
    }
}
