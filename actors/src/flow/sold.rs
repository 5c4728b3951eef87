//! How many persons' tickets are sold for each day, by area: what the capacity level `sold` goes by.
//!
//! Only tickets of a visit date are sold for a day; a pass or a card may come on any. A refunded,
//! voided or superseded ticket is not counted. A place is taken before the sale is written down,
//! so that two sellers never sell the last one twice.

use dashmap::DashMap;
use shanmen_rules::{AreaIx, Day, Park, Status, TicketState};

/// Persons sold, by day and area.
#[derive(Debug, Default)]
pub(crate) struct Sold(DashMap<(Day, AreaIx), u32, foldhash::fast::FixedState>);

impl Sold {
    /// Persons sold for an area on a day.
    pub(crate) fn persons(&self, area: AreaIx, day: Day) -> u32 {
        self.0.get(&(day, area)).map_or(0, |count| *count)
    }

    /// Counts a ticket as sold.
    pub(crate) fn add(&self, park: &Park, state: &TicketState) {
        for_each(park, state, |key, persons| {
            let mut count = self.0.entry(key).or_default();
            *count = count.saturating_add(persons);
        });
    }

    /// Takes a ticket off the count, as it stood before it was given back.
    pub(crate) fn take_off(&self, park: &Park, state: &TicketState) {
        for_each(park, state, |key, persons| {
            let mut count = self.0.entry(key).or_default();
            *count = count.saturating_sub(persons);
        });
    }
}

/// Whether a ticket of this standing is sold.
pub(crate) fn is_sold(status: Status) -> bool {
    !matches!(status, Status::Refunded | Status::Voided | Status::Superseded)
}

/// The areas that a dated, sold ticket is for, each once.
fn for_each(park: &Park, state: &TicketState, mut each: impl FnMut((Day, AreaIx), u32)) {
    let (Some(day), true) = (state.visit_date(), is_sold(state.status())) else { return };
    for area in areas_of(park, state) {
        each((day, area), state.persons().into());
    }
}

/// The areas that a ticket was sold for, each once.
pub(crate) fn areas_of<'a>(
    park: &'a Park,
    state: &TicketState,
) -> impl Iterator<Item = AreaIx> + 'a {
    let product = park.get_product(state.product());
    product.map_or(&[][..], |product| &product.sold_for).iter().copied()
}
