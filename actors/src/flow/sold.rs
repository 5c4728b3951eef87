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

    /// Counts a ticket, if it is sold.
    pub(crate) fn add(&self, park: &Park, state: &TicketState) {
        if is_sold(state.status()) {
            self.change(park, state, u32::saturating_add);
        }
    }

    /// Takes a ticket off that was counted, whatever it has become since.
    pub(crate) fn take_off(&self, park: &Park, state: &TicketState) {
        self.change(park, state, u32::saturating_sub);
    }

    fn change(&self, park: &Park, state: &TicketState, change: impl Fn(u32, u32) -> u32) {
        let Some(day) = state.visit_date() else { return };
        for area in areas_of(park, state) {
            let mut count = self.0.entry((day, area)).or_default();
            *count = change(*count, state.persons().into());
        }
    }
}

/// Whether a ticket of this standing is sold.
pub(crate) fn is_sold(status: Status) -> bool {
    !matches!(status, Status::Refunded | Status::Voided | Status::Superseded)
}

/// The areas that a ticket was sold for, each once.
pub(crate) fn areas_of<'a>(
    park: &'a Park,
    state: &TicketState,
) -> impl Iterator<Item = AreaIx> + 'a {
    let product = park.get_product(state.product());
    product.map_or(&[][..], |product| &product.sold_for).iter().copied()
}
