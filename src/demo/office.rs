//! The virtual visitors' box office: the control plane's own ticket sale.

use shanmen_actors::{
    ControlPlane,
    api::{Fault, NewTicket},
};
use shanmen_devices::park::{BoxOffice, NoSale, ProductSpec, Sale, Sold, VisitDay, office::Later};
use shanmen_protocols::ids::TicketId;
use shanmen_rules::{AreaIx, Park, Product, Status, definition::ValidityDefinition};

use super::USER;

/// Sells for the control plane.
pub(super) struct Office(ControlPlane);

impl Office {
    pub(super) fn of(plane: ControlPlane) -> Self {
        Self(plane)
    }

    fn ticket(&self, sale: &Sale) -> Result<NewTicket, Fault> {
        let park = self.0.park();
        let known = park.product_ix(sale.product.as_str()).and_then(|ix| park.get_product(ix));
        let product = known.ok_or(Fault::NotFound("product"))?;
        let moment = park.moment(self.0.clock().now());
        let day = match sale.day {
            VisitDay::Today => moment.day,
            VisitDay::Tomorrow => moment.day.plus(1),
        };
        let dated =
            product.slot.is_some() || matches!(product.validity, ValidityDefinition::VisitDate {});
        let hour = moment.second_of_day / 3600;
        Ok(NewTicket {
            id: None,
            product: sale.product.clone(),
            visit_date: dated.then(|| day.to_string()),
            slot: product.slot.map(|_| format!("{hour:02}:00")),
            persons: (product.persons.min != product.persons.max).then_some(sale.persons),
            credentials: Vec::new(),
            holder: None,
            status: None,
            channel: None,
        })
    }
}

impl BoxOffice for Office {
    fn sell(&self, sale: Sale) -> Later<'_, Result<Sold, NoSale>> {
        Box::pin(async move {
            let ticket = self.ticket(&sale).map_err(no_sale)?;
            let issued = self.0.issue(vec![ticket], USER, None).await.map_err(no_sale)?;
            let first = issued.into_iter().next();
            first
                .map(|issued| Sold { ticket: issued.id, code: issued.code })
                .ok_or_else(|| NoSale("no ticket came".to_owned()))
        })
    }

    fn refund(&self, ticket: TicketId) -> Later<'_, Result<(), NoSale>> {
        Box::pin(async move {
            let done = self.0.set_status(ticket, Status::Refunded, "changed their mind", USER);
            done.await.map_err(no_sale)
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_sale(fault: Fault) -> NoSale {
    NoSale(fault.to_string())
}

/// What the visitors may choose: what lets them into the site, at any hour, without a person to
/// look at them.
pub(super) fn on_sale(park: &Park) -> Vec<ProductSpec> {
    park.products().iter().filter(|product| suits(park, product)).map(|p| spec(park, p)).collect()
}

fn suits(park: &Park, product: &Product) -> bool {
    let mut areas = product.entitlements.iter().flat_map(|one| one.areas.iter());
    product.on_sale
        && product.needs.is_empty()
        && product.condition.is_none()
        && product.daily_hours.is_empty()
        && areas.any(|&area| area != AreaIx::OUTSIDE && park.area(area).parent.is_none())
}

fn spec(park: &Park, product: &Product) -> ProductSpec {
    let areas = product.entitlements.iter().flat_map(|one| one.areas.iter());
    ProductSpec {
        id: product.id.clone(),
        class: product.class.as_str().to_owned(),
        persons: product.persons.min..=product.persons.max,
        areas: areas.map(|&area| park.area(area).id.clone()).collect(),
        reentry: product.entitlements.iter().any(|one| one.reentry.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_choose_among_what_lets_them_in() {
        let config = crate::config::load(None, &[]).unwrap();
        let park = Park::compile(&config.park).unwrap();
        let sold: Vec<_> =
            on_sale(&park).into_iter().map(|product| product.id.to_string()).collect();
        for id in ["adult-day", "group-day", "package-day", "annual-pass"] {
            assert!(sold.contains(&id.to_owned()), "{id} is not in {sold:?}");
        }
        for id in ["cable-ride", "night", "honour-day"] {
            assert!(!sold.contains(&id.to_owned()), "{id} is in {sold:?}");
        }
    }
}
