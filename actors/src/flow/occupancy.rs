//! Who is where, as counts: the one place where occupancy and reserved places change; and how many
//! are to come, as they are sold.
//!
//! A place is taken at the grant, or two lanes could give away the last one; a passage not taken
//! gives it back. One atomic word an area, so that a shard reserves without asking anybody and
//! without a lock; all else about the flow is the flow actor's.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering};

use shanmen_protocols::time::UnixMs;
use shanmen_rules::{Admission, AreaIx, Counts, Day, Movements, Park, Room};

use super::Sold;

/// The counts of all areas.
#[derive(Debug)]
pub(crate) struct Occupancy {
    areas: Box<[Area]>,
    /// The business day that is counted.
    day: AtomicI32,
    sold: Sold,
}

#[derive(Debug, Default)]
struct Area {
    /// Persons inside in the upper half, reserved places in the lower.
    persons: AtomicU64,
    /// Entries of this business day, open grants included.
    entries_today: AtomicU32,
    /// Until when an operator lets people in although it is full; 0 for nobody does.
    override_until: AtomicI64,
}

/// One area's counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Persons {
    /// Inside.
    pub(crate) inside: u32,
    /// With an open grant to enter.
    pub(crate) reserved: u32,
}

impl Persons {
    fn of(word: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the word")]
        Self { inside: (word >> 32) as u32, reserved: word as u32 }
    }

    fn word(self) -> u64 {
        u64::from(self.inside) << 32 | u64::from(self.reserved)
    }
}

impl Occupancy {
    /// Empty areas.
    pub(crate) fn new(park: &Park, today: Day) -> Self {
        Self {
            areas: park.areas().iter().map(|_| Area::default()).collect(),
            day: AtomicI32::new(today.0),
            sold: Sold::default(),
        }
    }

    /// Turns the business day, once, when `today` is a later one than is counted: everybody has
    /// gone home, open grants stay. Whoever first meets the new day turns it, before it counts.
    pub(crate) fn turn_to(&self, today: Day) {
        let counted = self.day.load(Ordering::Acquire);
        if today.0 <= counted
            || self
                .day
                .compare_exchange(counted, today.0, Ordering::AcqRel, Ordering::Acquire)
                .is_err()
        {
            return;
        }
        for area in &self.areas {
            area.persons.update(Ordering::AcqRel, Ordering::Acquire, |word| {
                Persons { inside: 0, ..Persons::of(word) }.word()
            });
            let reserved = Persons::of(area.persons.load(Ordering::Acquire)).reserved;
            area.entries_today.store(reserved, Ordering::Release);
        }
    }

    /// What is sold for each day.
    pub(crate) fn sold(&self) -> &Sold {
        &self.sold
    }

    /// One area's counts on a day, as its capacity levels are asked with them.
    pub(crate) fn counts(&self, area: AreaIx, day: Day) -> Counts {
        Counts {
            instant: Room::persons(self, area),
            daily: Room::entries_today(self, area),
            sold: self.sold.persons(area, day),
        }
    }

    /// One area's counts.
    pub(crate) fn persons(&self, area: AreaIx) -> Persons {
        self.area(area)
            .map_or(Persons::default(), |area| Persons::of(area.persons.load(Ordering::Acquire)))
    }

    /// Entries of this business day, without open grants.
    pub(crate) fn entries(&self, area: AreaIx) -> u32 {
        self.area(area).map_or(0, |found| {
            let reserved = self.persons(area).reserved;
            found.entries_today.load(Ordering::Acquire).saturating_sub(reserved)
        })
    }

    /// Takes places at `at` for a grant in every area that it enters: whether an operator's override
    /// was needed for it; none, with nothing taken, when an area has no room left and no override.
    pub(crate) fn reserve(&self, park: &Park, admission: &Admission, at: UnixMs) -> Option<bool> {
        self.reserve_in(park, admission, at, false)
    }

    fn reserve_in(
        &self,
        park: &Park,
        admission: &Admission,
        at: UnixMs,
        anyway: bool,
    ) -> Option<bool> {
        let mut overridden = false;
        self.turn_to(park.business_day(at));
        let count = u32::from(admission.persons);
        let entered = park.entered(admission.from, admission.to);
        for (n, area) in entered.clone().enumerate() {
            let mut taken = self.reserve_one(park, area, count, admission.reentry, anyway);
            if !taken && self.override_on(area, at) {
                taken = self.reserve_one(park, area, count, admission.reentry, true);
                overridden = true;
            }
            if !taken {
                for taken in entered.take(n) {
                    self.give_back(taken, count, admission.reentry);
                }
                return None;
            }
        }
        Some(overridden)
    }

    /// Takes places whatever the capacity: for an exit, and for a grant of before a restart.
    pub(crate) fn reserve_anyway(&self, park: &Park, admission: &Admission, at: UnixMs) {
        let taken = self.reserve_in(park, admission, at, true);
        debug_assert!(taken.is_some(), "whoever is let in anyway is given a place");
    }

    /// Until when, if ever, an operator lets or let people in although it is full.
    pub(crate) fn overridden_until(&self, area: AreaIx) -> Option<UnixMs> {
        let until = self.area(area)?.override_until.load(Ordering::Acquire);
        (until != 0).then_some(UnixMs(until))
    }

    /// Lets people into a full area until a moment; one gone by ends it.
    pub(crate) fn override_until(&self, area: AreaIx, until: UnixMs) {
        if let Some(area) = self.area(area) {
            area.override_until.store(until.0, Ordering::Release);
        }
    }

    /// Gives a grant's places back: the whole of them, before what passed is moved.
    pub(crate) fn release(&self, park: &Park, admission: &Admission) {
        for area in park.entered(admission.from, admission.to) {
            self.give_back(area, u32::from(admission.persons), admission.reentry);
        }
    }

    /// Moves people: they leave areas and enter others.
    pub(crate) fn apply(&self, park: &Park, moves: &Movements, today: Day) {
        self.turn_to(today);
        for one in moves {
            let count = u32::from(one.persons);
            for area in park.left(one.from, one.to) {
                self.change(area, |persons| Persons {
                    // More can leave than were counted in: people came before the count began.
                    inside: persons.inside.saturating_sub(count),
                    ..persons
                });
            }
            for area in park.entered(one.from, one.to) {
                self.change(area, |persons| Persons {
                    inside: persons.inside.saturating_add(count),
                    ..persons
                });
                if !one.reentry
                    && let Some(area) = self.area(area)
                {
                    area.entries_today.fetch_add(count, Ordering::AcqRel);
                }
            }
        }
    }

    fn reserve_one(
        &self,
        park: &Park,
        ix: AreaIx,
        count: u32,
        reentry: bool,
        boundless: bool,
    ) -> bool {
        let Some(area) = self.area(ix) else { return true };
        let limit = if boundless { None } else { self.capacity(park, ix) };
        let taken = area.persons.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let persons = Persons::of(word);
            let after = persons.inside + persons.reserved + count;
            limit
                .is_none_or(|limit| after <= limit)
                .then(|| Persons { reserved: persons.reserved + count, ..persons }.word())
        });
        if taken.is_err() {
            return false;
        }
        if reentry {
            return true;
        }
        let daily = if boundless { None } else { park.area(ix).entry_limits().daily };
        let counted = area.entries_today.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            let after = now.saturating_add(count);
            daily.is_none_or(|daily| after <= daily).then_some(after)
        });
        if counted.is_err() {
            self.change(ix, |persons| Persons {
                reserved: persons.reserved.saturating_sub(count),
                ..persons
            });
        }
        counted.is_ok()
    }

    fn give_back(&self, area: AreaIx, count: u32, reentry: bool) {
        self.change(area, |persons| Persons {
            reserved: persons.reserved.saturating_sub(count),
            ..persons
        });
        if !reentry && let Some(area) = self.area(area) {
            area.entries_today.update(Ordering::AcqRel, Ordering::Acquire, |entries| {
                entries.saturating_sub(count)
            });
        }
    }

    fn change(&self, area: AreaIx, change: impl Fn(Persons) -> Persons) {
        let Some(area) = self.area(area) else { return };
        area.persons
            .update(Ordering::AcqRel, Ordering::Acquire, |word| change(Persons::of(word)).word());
    }

    fn area(&self, ix: AreaIx) -> Option<&Area> {
        self.areas.get(usize::from(ix.0))
    }
}

impl Room for Occupancy {
    fn persons(&self, area: AreaIx) -> u32 {
        let persons = Self::persons(self, area);
        persons.inside.saturating_add(persons.reserved)
    }

    fn entries_today(&self, area: AreaIx) -> u32 {
        self.area(area).map_or(0, |area| area.entries_today.load(Ordering::Acquire))
    }

    fn override_on(&self, area: AreaIx, at: UnixMs) -> bool {
        self.area(area).is_some_and(|area| at.0 < area.override_until.load(Ordering::Acquire))
    }
}
