//! What a passage does to a ticket: reserved at the grant, settled by the lane's event, or
//! recorded when an offline gate reports it later.
//!
//! Owns the order of time: an event is put in its place by its own moment, whatever moment it
//! arrives at, so that later counts are right. The ticket's shard is the only caller.

use serde::{Deserialize, Serialize};
use shanmen_protocols::{ids::Direction, time::UnixMs};

use crate::{
    checks::{place, reentry},
    movement::Movements,
    park::{AreaIx, GateIx, LaneIx, Park},
    span::Day,
    stamp::Stamp,
    ticket::{Place, Places, TicketState},
    verdict::Admission,
};

/// A grant whose passage is not known yet. Kept with the grant in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenGrant {
    /// The lane that was told to open.
    pub lane: LaneIx,
    /// Which way.
    pub direction: Direction,
    /// When it was granted.
    pub granted_at: UnixMs,
    /// What was granted.
    pub admission: Admission,
}

impl OpenGrant {
    /// The movement of `taken` people on this grant where no ticket is known (an exit through
    /// an unknown code is still an exit).
    pub fn movements(&self, taken: u16) -> Movements {
        let mut movements = Movements::default();
        movements.add(self.admission.from, self.admission.to, taken, self.admission.reentry);
        movements
    }
}

/// `single_use` broken by gates that could not ask: both passages are recorded, both are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Which entitlement.
    pub entitlement: u8,
    /// Person-admissions allowed.
    pub allowed: u32,
    /// Person-admissions taken and reserved now.
    pub entries: u32,
    /// The gate of the other passage, where known.
    pub other_gate: Option<GateIx>,
    /// When the other passage was.
    pub other_at: Option<UnixMs>,
    /// The lane of the passage just reported.
    pub lane: LaneIx,
    /// When it was.
    pub at: UnixMs,
}

/// A ticket has moved since a passage, or is about to: it can no longer be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinceThen;

/// One passage through a gate, as far as a ticket is concerned.
#[derive(Clone, Copy)]
struct Step {
    gate: GateIx,
    from: AreaIx,
    to: AreaIx,
    persons: u16,
    reentry: bool,
    at: UnixMs,
    day: Day,
}

impl TicketState {
    /// Holds what a grant gives, so that no other lane can give it too. An exit holds nothing.
    pub fn reserve(&mut self, _park: &Park, open: &OpenGrant) {
        if !open.admission.is_exit() {
            self.set_reserved(self.reserved().saturating_add(open.admission.persons));
        }
    }

    /// Ends a grant: `taken` of its people passed at `at`. 0 releases it; fewer than granted
    /// keeps the rest for another presentation.
    pub fn settle(&mut self, park: &Park, open: &OpenGrant, taken: u16, at: UnixMs) -> Movements {
        let admission = &open.admission;
        if !admission.is_exit() {
            self.set_reserved(self.reserved().saturating_sub(admission.persons));
        }
        let Some(step) = step(park, open.lane, open.direction, taken, at) else {
            return Movements::default();
        };
        match admission.entitlement {
            None => self.leave(park, step),
            Some(entitlement) => {
                let step = Step { reentry: admission.reentry, ..step };
                // More than granted is tailgating: it counts as people, not as uses.
                self.count(usize::from(entitlement), step, taken.min(admission.persons));
                self.arrive(step)
            }
        }
    }

    /// Takes back an entry of a moment ago: `taken` people went in on `open` at `at`, and it was a
    /// mistake (undo at a handheld). The use is given back, and they stand where they came from.
    ///
    /// # Errors
    /// [`SinceThen`] when the ticket has moved since, or is about to: then nothing is changed.
    pub fn take_back(
        &mut self,
        park: &Park,
        open: &OpenGrant,
        taken: u16,
        at: UnixMs,
    ) -> Result<Movements, SinceThen> {
        let admission = &open.admission;
        let (Some(ix), Some(step)) =
            (admission.entitlement, step(park, open.lane, open.direction, taken, at))
        else {
            return Err(SinceThen);
        };
        let ix = usize::from(ix);
        let stamp = Stamp::of(at);
        let moved = self.uses().any(|one| {
            let last = one.last_entry.later(one.last_exit);
            last.later(stamp) != stamp
        });
        let inside = self.persons_in(park, step.to, step.day);
        if self.is_reserved()
            || moved
            || self.use_of(ix).last_entry != stamp
            || inside < taken
            || self.presence_day() != step.day
        {
            return Err(SinceThen);
        }
        let persons = taken.min(admission.persons);
        let one = self.use_mut(ix);
        if admission.reentry {
            one.reentries = one.reentries.saturating_sub(persons);
        } else {
            one.entries = one.entries.saturating_sub(persons);
            one.entries_on_day = one.entries_on_day.saturating_sub(persons);
        }
        if one.first_entry == stamp {
            one.first_entry = Stamp::NONE;
        }
        // The entry before is not known any more; the first one stands for it.
        one.last_entry = one.first_entry;
        if one.last_entry.is_none() {
            one.gate = 0;
        }
        if !self.uses().any(|one| one.entries_on(step.day) > 0) {
            self.unmark_entry_day();
        }
        let mut movements = Movements::default();
        let Some(mut places) = self.places_of(step.day) else { return Ok(movements) };
        for place in take(&mut places, taken, |area| area == step.to) {
            movements.add(place.area, admission.from, place.persons, false);
            put(&mut places, admission.from, place.persons);
        }
        self.keep(&places, step.day);
        Ok(movements)
    }

    /// Records a passage that an offline lane reports: never refused. A use too many becomes a
    /// [`Conflict`].
    pub fn record(
        &mut self,
        park: &Park,
        lane: LaneIx,
        direction: Direction,
        count: u16,
        at: UnixMs,
    ) -> (Movements, Option<Conflict>) {
        let Some(mut step) = step(park, lane, direction, count, at) else {
            return (Movements::default(), None);
        };
        if place::is_exit(park, direction, step.from, step.to) {
            return (self.leave(park, step), None);
        }
        let Some(ix) = self.entitlement_for_record(park, step) else {
            return (self.arrive(step), None);
        };
        step.reentry = reentry::may(park, self, ix, at, count);
        let before = self.use_of(ix);
        self.count(ix, step, count);
        let conflict = (!step.reentry).then(|| self.conflict(park, ix, lane, at)).flatten();
        let conflict = conflict.map(|conflict| Conflict {
            other_gate: before.gate(),
            other_at: before.last_entry.get(),
            ..conflict
        });
        if conflict.is_some() {
            // Whoever came on a use too many is taken to be somebody else: they count as people
            // inside, and are not the ticket's.
            let mut movements = Movements::default();
            movements.add(step.from, step.to, step.persons, false);
            return (movements, conflict);
        }
        (self.arrive(step), conflict)
    }

    /// The entitlement that a recorded entry uses: the first for the area with a use left, else
    /// the first for the area.
    fn entitlement_for_record(&self, park: &Park, step: Step) -> Option<usize> {
        let product = park.get_product(self.product())?;
        let fits = |ix: &usize| product.entitlements[*ix].areas.contains(&step.to);
        let left = |ix: &usize| {
            let allowed = self.allowed(&product.entitlements[*ix]);
            allowed.is_none_or(|allowed| u32::from(self.use_of(*ix).entries) < allowed)
        };
        let all = || (0..product.entitlements.len()).filter(fits);
        all().find(left).or_else(|| all().next())
    }

    fn conflict(&self, park: &Park, ix: usize, lane: LaneIx, at: UnixMs) -> Option<Conflict> {
        let entitlement = park.get_product(self.product())?.entitlements.get(ix)?;
        let allowed = self.allowed(entitlement)?;
        let entries = u32::from(self.use_of(ix).entries) + u32::from(self.reserved());
        (allowed < entries).then(|| Conflict {
            entitlement: u8::try_from(ix).unwrap_or(u8::MAX),
            allowed,
            entries,
            other_gate: None,
            other_at: None,
            lane,
            at,
        })
    }

    /// Counts an entry on entitlement `ix`.
    fn count(&mut self, ix: usize, step: Step, persons: u16) {
        if persons == 0 {
            return;
        }
        let stale = self.presence_day() < step.day;
        if stale {
            self.put_places(&[]);
            *self.unmatched_exits_mut() = 0;
        }
        let group = self.persons().max(1);
        self.roll(ix, step.day);
        let one = self.use_mut(ix);
        let at = Stamp::of(step.at);
        let newest = one.last_entry.later(at) == at;
        if step.reentry {
            one.reentries = one.reentries.saturating_add(persons);
        } else {
            if newest && one.entries_on(step.day).is_multiple_of(group) {
                one.reentries = 0;
            }
            one.entries = one.entries.saturating_add(persons);
            if one.day == crate::stamp::short_day(step.day) {
                one.entries_on_day = one.entries_on_day.saturating_add(persons);
            }
        }
        one.first_entry = one.first_entry.earlier(at);
        if newest {
            one.last_entry = at;
            one.gate = step.gate.0.saturating_add(1);
        }
        if !step.reentry {
            self.mark_entry_day(step.day);
        }
    }

    /// Moves people into the step's area.
    fn arrive(&mut self, step: Step) -> Movements {
        let mut movements = Movements::default();
        let Some(mut places) = self.places_of(step.day) else { return movements };
        let mut rest = step.persons;
        if self.last_exit().is_some_and(|exit| step.at < exit) {
            // They have left again since; all that was missing is their way in.
            let unmatched = self.unmatched_exits_mut();
            let back = u8::try_from(rest).unwrap_or(u8::MAX).min(*unmatched);
            *unmatched -= back;
            rest -= u16::from(back);
            movements.add(step.from, step.to, u16::from(back), step.reentry);
            if self.persons() == 1 {
                return movements;
            }
        }
        let inside: u16 = places.iter().fold(0, |sum, place| sum.saturating_add(place.persons));
        let mut arrived = 0;
        let overtaken = self.last_entry().is_some_and(|last| step.at < last);
        let mut go = |from: AreaIx, persons: u16, rest: &mut u16| {
            movements.add(from, step.to, persons, step.reentry);
            *rest -= persons;
            arrived += persons;
        };
        // First those who are known to stand before the gate, then those of whom nothing is
        // known, who are taken to stand there, then those last seen elsewhere.
        if !overtaken {
            let moved = take(&mut places, rest, |area| area == step.from);
            for place in moved {
                go(place.area, place.persons, &mut rest);
            }
        }
        let unknown = self.persons().saturating_sub(inside).min(rest);
        go(step.from, unknown, &mut rest);
        if !overtaken {
            for place in take(&mut places, rest, |_| true) {
                go(place.area, place.persons, &mut rest);
            }
        }
        // More than the ticket has people: tailgaters, who came from before the gate.
        movements.add(step.from, step.to, if overtaken { 0 } else { rest }, step.reentry);
        put(&mut places, step.to, arrived);
        self.keep(&places, step.day);
        movements
    }

    /// Moves people out of the step's origin; consumes nothing.
    fn leave(&mut self, park: &Park, step: Step) -> Movements {
        let mut movements = Movements::default();
        let last_entry = self.last_entry();
        let places = self.places_of(step.day);
        self.record_exit(park, step);
        let Some(mut places) = places else { return movements };
        if self.persons() == 1 && last_entry.is_some_and(|last| step.at < last) {
            return movements; // They have come in again since, and are counted there.
        }
        let mut rest = step.persons;
        let mut arrived = 0;
        let here = take(&mut places, rest, |area| park.lies_in(area, step.from));
        rest -= here.iter().map(|place| place.persons).sum::<u16>();
        let elsewhere = take(&mut places, rest, |_| true);
        rest -= elsewhere.iter().map(|place| place.persons).sum::<u16>();
        for place in here.into_iter().chain(elsewhere) {
            movements.add(place.area, step.to, place.persons, false);
            arrived += place.persons;
        }
        movements.add(step.from, step.to, rest, false);
        let unmatched = self.unmatched_exits_mut();
        *unmatched = unmatched.saturating_add(u8::try_from(rest).unwrap_or(u8::MAX));
        put(&mut places, step.to, arrived.saturating_add(rest).min(self.persons()));
        self.keep(&places, step.day);
        movements
    }

    /// Notes the exit on every entitlement whose area is left.
    fn record_exit(&mut self, park: &Park, step: Step) {
        let Some(product) = park.get_product(self.product()) else { return };
        let at = Stamp::of(step.at);
        for (ix, entitlement) in product.entitlements.iter().enumerate() {
            let leaves = |from: AreaIx| {
                park.left(from, step.to).any(|area| entitlement.areas.contains(&area))
            };
            if leaves(step.from) || self.places().any(|place| leaves(place.area)) {
                let one = self.use_mut(ix);
                one.last_exit = one.last_exit.later(at);
            }
        }
    }

    /// Where the people are on `day`; `None` when the ticket has moved on a later day.
    fn places_of(&mut self, day: Day) -> Option<Places> {
        let known = self.presence_day();
        if day < known {
            return None;
        }
        if known < day {
            // The business day has turned: all are taken to have left.
            *self.unmatched_exits_mut() = 0;
            return Some(Places::new());
        }
        Some(self.places().collect())
    }

    fn keep(&mut self, places: &[Place], day: Day) {
        self.roll(0, day);
        self.put_places(places);
    }
}

fn step(park: &Park, lane: LaneIx, direction: Direction, persons: u16, at: UnixMs) -> Option<Step> {
    let lane = park.get_lane(lane)?;
    let (from, to) = park.way(park.get_gate(lane.gate)?, direction);
    let day = park.business_day(at);
    let step = Step { gate: lane.gate, from, to, persons, reentry: false, at, day };
    (persons > 0).then_some(step)
}

/// Takes up to `persons` out of the places that fit.
fn take(places: &mut Places, persons: u16, fits: impl Fn(AreaIx) -> bool) -> Places {
    let mut rest = persons;
    let mut taken = Places::new();
    for place in places.iter_mut().filter(|place| fits(place.area)) {
        let some = place.persons.min(rest);
        place.persons -= some;
        rest -= some;
        taken.push(Place { area: place.area, persons: some });
    }
    places.retain(|place| place.persons > 0);
    taken
}

fn put(places: &mut Places, area: AreaIx, persons: u16) {
    if area == AreaIx::OUTSIDE || persons == 0 {
        return;
    }
    match places.iter_mut().find(|place| place.area == area) {
        Some(place) => place.persons = place.persons.saturating_add(persons),
        None => places.push(Place { area, persons }),
    }
}
