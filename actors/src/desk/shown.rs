//! A ticket as its seller or an operator sees it, with what is on record of it.

use shanmen_protocols::ids::TicketId;
use shanmen_rules::AreaIx;

use super::Desk;
use crate::{
    api::{EntitlementView, Fault, InsideView, TicketView},
    ledger::{self, Ledger as _},
    twin::fault,
};

/// How many rows of a ticket's history are shown.
const HISTORY_MAX: u32 = 100;

impl Desk {
    /// A ticket with its history.
    pub(crate) async fn ticket(&self, id: TicketId) -> Result<TicketView, Fault> {
        let state = self.hot.ticket(id).ok_or(Fault::NotFound("ticket"))?;
        let (presentations, passages) =
            ledger::read(&self.ledger, move |books| books.history(id, HISTORY_MAX))
                .await
                .map_err(fault)?;
        let park = &*self.park.full();
        let product = park.product(state.product());
        let today = park.business_day(self.clock.now());
        let entitlements = state
            .remaining(park)
            .map(|(n, remaining)| EntitlementView {
                areas: product
                    .entitlements
                    .get(n)
                    .map(|one| one.areas.iter().map(|&ix| park.area(ix).id.to_string()).collect())
                    .unwrap_or_default(),
                remaining,
            })
            .collect();
        let inside = if state.presence_day() == today {
            state
                .inside()
                .filter(|(area, _)| *area != AreaIx::OUTSIDE)
                .map(|(area, persons)| InsideView { area: park.area(area).id.to_string(), persons })
                .collect()
        } else {
            Vec::new()
        };
        Ok(TicketView {
            id,
            product: product.id.clone(),
            class: product.class.as_str().to_owned(),
            status: state.status(),
            persons: state.persons(),
            epoch: state.epoch(),
            visit_date: state.visit_date().map(|day| day.to_string()),
            slot: state.slot().map(|min| format!("{:02}:{:02}", min / 60, min % 60)),
            issued_at: state.issued_at(),
            entitlements,
            entries: state.entries(),
            first_entry: state.first_entry(),
            last_entry: state.last_entry(),
            inside,
            in_progress: state.is_reserved(),
            presentations,
            passages,
        })
    }
}
