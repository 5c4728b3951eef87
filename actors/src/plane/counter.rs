//! Orders of counters: the steps that kiosks take by requests, for callers of the program.

use shanmen_protocols::{
    device::{Credential, OrderBody, OrderLine},
    ids::{Channel, OrderId},
};

use super::{ControlPlane, to_the_end};
use crate::{api::Fault, orders::At};

impl ControlPlane {
    fn at<'a>(&'a self, seller: &'a str) -> At<'a> {
        let office = &self.0.office;
        At { desk: &office.desk, catalogue: &office.catalogue, seller, channel: Channel::counter() }
    }

    /// What an order would cost.
    pub async fn quote(&self, lines: Vec<OrderLine>, seller: &str) -> Result<OrderBody, Fault> {
        self.0.office.orders.quote(&self.at(seller), lines).await
    }

    /// Begins an order, sold by `channel` (`counter` by default); without lines, says how it stands.
    pub async fn order(
        &self,
        id: OrderId,
        lines: Vec<OrderLine>,
        seller: &str,
        channel: Option<Channel>,
    ) -> Result<OrderBody, Fault> {
        let (plane, seller) = (self.clone(), seller.to_owned());
        to_the_end(async move {
            let usual = plane.at(&seller);
            let channel = channel.unwrap_or_else(|| usual.channel.clone());
            plane.0.office.orders.order(&At { channel, ..usual }, id, lines).await
        })
        .await?
    }

    /// An order is paid: its tickets are issued.
    pub async fn pay(
        &self,
        id: OrderId,
        payment: String,
        amount: u64,
        seller: &str,
    ) -> Result<OrderBody, Fault> {
        let (plane, seller) = (self.clone(), seller.to_owned());
        to_the_end(async move {
            plane.0.office.orders.pay(&plane.at(&seller), id, payment, amount).await
        })
        .await?
    }

    /// Gives an unpaid order up.
    pub async fn cancel_order(&self, id: OrderId, seller: &str) -> Result<OrderBody, Fault> {
        let (plane, seller) = (self.clone(), seller.to_owned());
        to_the_end(async move { plane.0.office.orders.cancel(&plane.at(&seller), id).await })
            .await?
    }

    /// The visitor has the tickets of an order.
    pub async fn collected(&self, id: OrderId, seller: &str) -> Result<OrderBody, Fault> {
        let (plane, seller) = (self.clone(), seller.to_owned());
        to_the_end(async move { plane.0.office.orders.collected(&plane.at(&seller), id).await })
            .await?
    }

    /// Exchanges a code for its tickets.
    pub async fn redeem(
        &self,
        id: OrderId,
        shown: &Credential,
        seller: &str,
    ) -> Result<OrderBody, Fault> {
        let (plane, seller, shown) = (self.clone(), seller.to_owned(), shown.clone());
        to_the_end(async move {
            let shared = &plane.0.shared;
            plane.0.office.orders.redeem(&plane.at(&seller), shared, id, &shown, None).await
        })
        .await?
    }
}
