//! The room in the areas as people ask for it: counts against capacities, what is done at the
//! levels, and the operator's override, which is on record.

use std::sync::Arc;

use dashmap::DashMap;
use shanmen_protocols::{ids::AreaId, time::UnixMs};
use shanmen_rules::{AreaIx, Day, Limits, Park, TicketState};

use crate::{
    api::{AuditLine, CapacityView, Fault, OverrideView},
    clock::Clock,
    flow::{Occupancy, Sold, areas_of},
    ledger::{OverrideRow, Record, SqliteLedger, commit},
    live_park::LivePark,
    twin::fault,
};

/// The longest override, in minutes: a day. Who wants more says so again.
const OVERRIDE_MINUTES_MAX: u32 = 24 * 60;

/// The room in the areas.
pub(crate) struct Capacity {
    park: LivePark,
    occupancy: Arc<Occupancy>,
    ledger: Arc<SqliteLedger>,
    clock: Clock,
    overrides: DashMap<AreaId, OverrideRow>,
    /// From the commit to the gates: two changes at once come one after the other.
    changing: tokio::sync::Mutex<()>,
}

impl Capacity {
    /// Takes the overrides of the ledger, and puts them in force.
    pub(crate) fn new(
        park: LivePark,
        occupancy: Arc<Occupancy>,
        ledger: Arc<SqliteLedger>,
        clock: Clock,
        overrides: Vec<OverrideRow>,
    ) -> Self {
        for row in &overrides {
            if let Some(area) = park.now().area_ix(row.area.as_str()) {
                occupancy.override_until(area, row.until);
            }
        }
        let overrides = overrides.into_iter().map(|row| (row.area.clone(), row)).collect();
        Self { park, occupancy, ledger, clock, overrides, changing: tokio::sync::Mutex::default() }
    }

    /// All areas.
    pub(crate) fn all(&self) -> Vec<CapacityView> {
        let park = self.park.now();
        let now = self.clock.now();
        let today = park.business_day(now);
        self.occupancy.turn_to(today);
        let areas = (0u16..).map(AreaIx).zip(park.areas()).skip(1);
        areas.map(|(ix, _)| self.view(&park, ix, now, today)).collect()
    }

    fn view(&self, park: &Park, ix: AreaIx, now: UnixMs, today: Day) -> CapacityView {
        let area = park.area(ix);
        let persons = self.occupancy.persons(ix);
        let counts = self.occupancy.counts(ix, today);
        let held = self.overrides.get(&area.id).filter(|row| now < row.until);
        CapacityView {
            area: area.id.clone(),
            capacity: Limits { instant: area.capacity_instant, daily: area.capacity_daily },
            entry_limits: area.entry_limits(),
            inside: persons.inside,
            reserved: persons.reserved,
            entries_today: self.occupancy.entries(ix),
            sold_today: counts.sold,
            actions: park.actions(ix, counts).iter().collect(),
            override_on: held.map(|row| OverrideView {
                until: row.until,
                since: row.at,
                actor: row.actor.clone(),
                reason: row.reason.clone(),
            }),
        }
    }

    /// Lets people into an area although it is full for `minutes` from now; 0 ends that.
    pub(crate) async fn override_for(
        &self,
        area: &AreaId,
        minutes: u32,
        reason: &str,
        actor: &str,
    ) -> Result<CapacityView, Fault> {
        if OVERRIDE_MINUTES_MAX < minutes {
            return Err(Fault::Invalid(format!("minutes: 1 to {OVERRIDE_MINUTES_MAX}")));
        }
        let park = self.park.full();
        let ix = park.area_ix(area.as_str()).filter(|&ix| ix != AreaIx::OUTSIDE);
        let ix = ix.ok_or(Fault::NotFound("area"))?;
        let _one_at_a_time = self.changing.lock().await;
        let now = self.clock.now();
        let until = now.plus_ms(i64::from(minutes) * 60_000);
        let row = OverrideRow {
            area: area.clone(),
            until,
            at: now,
            actor: actor.to_owned(),
            reason: reason.to_owned(),
        };
        let (action, note) = if minutes == 0 {
            ("capacity.override_end", reason.to_owned())
        } else {
            ("capacity.override", format!("{minutes} minutes: {reason}"))
        };
        let audit = AuditLine {
            at: now,
            actor: actor.to_owned(),
            action: action.into(),
            target: area.to_string(),
            note,
        };
        commit(&*self.ledger, Record::Override { row: row.clone(), audit }).await.map_err(fault)?;
        self.overrides.insert(area.clone(), row);
        self.occupancy.override_until(ix, until);
        Ok(self.view(&park, ix, now, park.business_day(now)))
    }

    /// What is sold for each day.
    pub(crate) fn sold(&self) -> &Sold {
        self.occupancy.sold()
    }

    /// What stops the sale of a ticket, in words for the seller; counts it as sold otherwise.
    pub(crate) fn sell(&self, park: &Park, state: &TicketState, now: UnixMs) -> Result<(), String> {
        self.sold().add(park, state);
        let Some(day) = state.visit_date() else { return Ok(()) };
        let persons = u32::from(state.persons());
        self.occupancy.turn_to(park.business_day(now));
        let stop = areas_of(park, state).find_map(|area| {
            let mut counts = self.occupancy.counts(area, day);
            // It is among the sold already, so that no other seller takes its place.
            counts.sold = counts.sold.saturating_sub(persons);
            park.sales_stop(area, day, now, persons, counts)
        });
        let Some(stop) = stop else { return Ok(()) };
        self.sold().take_off(park, state);
        let of = match stop.of {
            shanmen_rules::definition::CapacityOf::Instant => "inside",
            shanmen_rules::definition::CapacityOf::Daily => "entries",
            shanmen_rules::definition::CapacityOf::Sold => "sold",
        };
        let area = &park.area(stop.area).id;
        Err(format!("sales for {day} have stopped: {area}: {} {of} of {}", stop.count, stop.limit))
    }
}
