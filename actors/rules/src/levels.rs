//! Capacity levels (最大承载量预警, LB/T 034): what is done at which share of which count.
//!
//! Pure: counts in, actions out. `stop_entry` is asked by the check of the room through
//! [`entry_limits`], `stop_sales` by the desk through [`sales_stop`]; all of them are shown.

use shanmen_protocols::time::UnixMs;

use crate::{
    definition::{CapacityAction, CapacityDefinition, CapacityLevel, CapacityOf},
    park::{AreaIx, Limits, Park},
    span::Day,
};

/// An area's counts, as levels are asked with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Persons inside, and persons with an open grant.
    pub instant: u32,
    /// Entries of the business day, open grants included.
    pub daily: u32,
    /// Persons of the tickets sold for the day.
    pub sold: u32,
}

/// Actions in force: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// Whether `action` is in force.
    pub fn has(self, action: CapacityAction) -> bool {
        self.0 & bit(action) != 0
    }

    /// Whether none is in force.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The actions, the mildest first.
    pub fn iter(self) -> impl Iterator<Item = CapacityAction> {
        use CapacityAction::{Announce, Slow, StopEntry, StopSales};
        [Announce, Slow, StopSales, StopEntry].into_iter().filter(move |&one| self.has(one))
    }
}

fn bit(action: CapacityAction) -> u8 {
    match action {
        CapacityAction::Announce => 1,
        CapacityAction::Slow => 2,
        CapacityAction::StopSales => 4,
        CapacityAction::StopEntry => 8,
    }
}

/// A count that has reached the level at which sales stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SalesStop {
    /// The area.
    pub area: AreaIx,
    /// Which count.
    pub of: CapacityOf,
    /// The count now.
    pub count: u32,
    /// Where sales stop.
    pub limit: u32,
}

impl Park {
    /// The actions in force for an area: those of every level that its counts have reached. An
    /// area without the capacity that a level goes by never reaches it.
    pub fn actions(&self, area: AreaIx, counts: Counts) -> Actions {
        let limits = self.capacities(area);
        let reached = self.site.capacity_levels.iter().filter(|level| {
            let (count, capacity) = pick(level.of, counts, limits);
            capacity.is_some_and(|capacity| share(capacity, level.at_percent) <= count)
        });
        reached
            .flat_map(|level| &level.actions)
            .fold(Actions(0), |set, &one| Actions(set.0 | bit(one)))
    }

    /// What stops the sale of tickets for `persons` more persons to `area` on `day`, if anything.
    /// Who is inside and who has come in matters for the day of `now` only; what is sold for every
    /// day.
    pub fn sales_stop(
        &self,
        area: AreaIx,
        day: Day,
        now: UnixMs,
        persons: u32,
        counts: Counts,
    ) -> Option<SalesStop> {
        let today = self.business_day(now) == day;
        let limits = self.capacities(area);
        let levels = self.site.capacity_levels.iter();
        levels.filter(|level| level.actions.contains(&CapacityAction::StopSales)).find_map(
            |level| {
                let (count, capacity) = pick(level.of, counts, limits);
                let limit = share(capacity?, level.at_percent);
                let stops = match level.of {
                    CapacityOf::Sold => limit < count.saturating_add(persons),
                    CapacityOf::Instant | CapacityOf::Daily => today && limit <= count,
                };
                stops.then_some(SalesStop { area, of: level.of, count, limit })
            },
        )
    }

    fn capacities(&self, area: AreaIx) -> Limits {
        let area = self.area(area);
        Limits { instant: area.capacity_instant, daily: area.capacity_daily }
    }
}

/// The counts at which entry stops.
pub(crate) fn entry_limits(levels: &[CapacityLevel], capacity: CapacityDefinition) -> Limits {
    let of = |of: CapacityOf, capacity: Option<u32>| {
        let stops = levels
            .iter()
            .filter(|level| level.of == of && level.actions.contains(&CapacityAction::StopEntry));
        let percent = stops.map(|level| level.at_percent).min().unwrap_or(100).min(100);
        capacity.map(|capacity| share(capacity, percent))
    };
    Limits {
        instant: of(CapacityOf::Instant, capacity.instant),
        daily: of(CapacityOf::Daily, capacity.daily),
    }
}

fn pick(of: CapacityOf, counts: Counts, limits: Limits) -> (u32, Option<u32>) {
    match of {
        CapacityOf::Instant => (counts.instant, limits.instant),
        CapacityOf::Daily => (counts.daily, limits.daily),
        CapacityOf::Sold => (counts.sold, limits.daily),
    }
}

/// `percent` of a capacity, rounded down: 80 % of 3 places are 2. Never none of some: a level of a
/// small area is not reached by nobody.
fn share(capacity: u32, percent: u16) -> u32 {
    let share = u64::from(capacity) * u64::from(percent) / 100;
    u32::try_from(share.max(u64::from(capacity.min(1)))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ParkDefinition;

    const AREA: AreaIx = AreaIx(1);

    fn park(levels: &str) -> Park {
        let definition: ParkDefinition = toml::from_str(&format!(
            "[site]\nid = \"s\"\ntimezone = \"Asia/Shanghai\"\n{levels}
            [[areas]]\nid = \"park\"\ncapacity = {{ instant = 10, daily = 40 }}"
        ))
        .unwrap();
        Park::compile(&definition).unwrap()
    }

    fn words(park: &Park, instant: u32, daily: u32, sold: u32) -> Vec<CapacityAction> {
        park.actions(AREA, Counts { instant, daily, sold }).iter().collect()
    }

    #[test]
    fn the_usual_levels_go_by_who_is_inside() {
        use CapacityAction::{Announce, Slow, StopEntry, StopSales};
        let park = park("");
        assert_eq!(words(&park, 7, 40, 40), []);
        assert_eq!(words(&park, 8, 0, 0), [Announce]);
        assert_eq!(words(&park, 9, 0, 0), [Announce, Slow]);
        assert_eq!(words(&park, 10, 0, 0), [Announce, Slow, StopSales, StopEntry]);
        assert_eq!(park.area(AREA).entry_limits(), Limits { instant: Some(10), daily: Some(40) });
        assert_eq!((share(1, 80), share(0, 80), share(3, 80)), (1, 0, 2));
    }

    #[test]
    fn levels_of_a_site_go_by_the_count_that_they_name() {
        use CapacityAction::{Announce, StopEntry};
        let park = park(
            "capacity_levels = [
                { at_percent = 75, of = \"daily\", actions = [\"stop_entry\"] },
                { at_percent = 50, of = \"sold\", actions = [\"announce\", \"stop_sales\"] }]",
        );
        assert_eq!(park.area(AREA).entry_limits(), Limits { instant: Some(10), daily: Some(30) });
        assert_eq!(words(&park, 10, 29, 19), []);
        assert!(words(&park, 0, 30, 20).contains(&StopEntry));
        assert!(words(&park, 0, 0, 20).contains(&Announce));
    }

    #[test]
    fn sales_stop_for_the_day_that_is_full() {
        let noon = UnixMs(1_790_827_200_000); // 2026-10-01T12:00:00+08:00
        let usual = park("");
        let today = usual.business_day(noon);
        let counts = |instant, sold| Counts { instant, daily: 0, sold };
        assert_eq!(usual.sales_stop(AREA, today, noon, 1, counts(9, 40)), None);
        assert!(usual.sales_stop(AREA, today, noon, 1, counts(10, 0)).is_some());
        assert_eq!(usual.sales_stop(AREA, today.plus(1), noon, 1, counts(10, 0)), None);
        let sold = park(
            "capacity_levels = [{ at_percent = 100, of = \"sold\", actions = [\"stop_sales\"] }]",
        );
        assert_eq!(sold.sales_stop(AREA, today.plus(9), noon, 2, counts(10, 38)), None);
        let stop = sold.sales_stop(AREA, today.plus(9), noon, 3, counts(10, 38)).unwrap();
        assert_eq!((stop.count, stop.limit), (38, 40));
    }
}
