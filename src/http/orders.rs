//! Orders of counters and kiosks without MQTT: the same steps as a kiosk's requests.

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use shanmen_protocols::{
    device::{Credential, OrderBody, OrderLine},
    ids::{Channel, OrderId},
};
use utoipa::ToSchema;

use super::{
    App,
    body::{Body, Id},
    json,
    problem::Problem,
    roles::{May, Sell},
};

/// Lines to be priced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What is wanted, at least one line.
    #[schema(value_type = Vec<Line>)]
    lines: Vec<OrderLine>,
}

/// An order to be begun.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToOrder {
    /// Its id, a UUID made by the caller: the same id with the same lines gets the same order.
    #[schema(value_type = String)]
    order: OrderId,
    /// What is wanted, at least one line.
    #[schema(value_type = Vec<Line>)]
    lines: Vec<OrderLine>,
    /// How its tickets are sold (渠道), a short code; `counter` by default.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    channel: Option<Channel>,
}

/// A payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Payment {
    /// Its number at the payment service.
    payment: String,
    /// What was paid, in the smallest coin (分).
    amount: u64,
}

/// A code to be exchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToRedeem {
    /// The order's id, a UUID made by the caller.
    #[schema(value_type = String)]
    order: OrderId,
    /// What was read or typed.
    #[schema(value_type = Object)]
    credential: Credential,
}

/// A line of an order, for the document; [`OrderLine`] is what is read.
#[derive(Serialize, ToSchema)]
pub(super) struct Line {
    /// What.
    product: String,
    /// How many tickets, 1 to 50 in one order.
    count: u16,
    /// Persons on each, where the product leaves it open.
    persons: Option<u16>,
    /// The local visit date; today by default.
    visit_date: Option<String>,
    /// The slot's start, local.
    slot: Option<String>,
}

/// An order, for the document; [`OrderBody`] is what is written.
#[derive(Serialize, ToSchema)]
pub(super) struct Order {
    /// Its id; left out for a quote.
    #[serde(rename = "order")]
    id: Option<String>,
    /// `quoted open issued collected cancelled`.
    state: String,
    /// What is wanted, with all defaults written out.
    lines: Vec<Line>,
    /// The price of all, in the smallest coin (分).
    amount: u64,
    /// Until when it has to be paid, in milliseconds since 1970.
    expires: Option<i64>,
    /// Its tickets, once they are issued: number, code, names, persons, price, validity.
    #[schema(value_type = Vec<Object>)]
    tickets: Vec<serde_json::Value>,
}

fn told(order: &OrderBody) -> Result<Response, Problem> {
    json(order)
}

/// What an order would cost. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/orders/quote", tag = "orders", request_body = Wanted,
    responses((status = 200, description = "the price", body = Order)))]
pub(super) async fn quote(
    State(app): State<App>,
    caller: May<Sell>,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    told(&app.plane.quote(wanted.lines, &caller.user).await?)
}

/// Begins an order.
#[utoipa::path(post, path = "/api/v1/orders", tag = "orders", request_body = ToOrder,
    responses((status = 200, description = "the order", body = Order)))]
pub(super) async fn begin(
    State(app): State<App>,
    caller: May<Sell>,
    Body(wanted): Body<ToOrder>,
) -> Result<Response, Problem> {
    if wanted.lines.is_empty() {
        return Err(Problem::invalid("lines: one at least".to_owned()));
    }
    told(&app.plane.order(wanted.order, wanted.lines, &caller.user, wanted.channel).await?)
}

/// How an order stands; only its own seller is told.
#[utoipa::path(get, path = "/api/v1/orders/{id}", tag = "orders",
    params(("id" = String, Path, description = "the order's id")),
    responses((status = 200, description = "the order", body = Order)))]
pub(super) async fn show(
    State(app): State<App>,
    caller: May<Sell>,
    Id(id): Id<OrderId>,
) -> Result<Response, Problem> {
    told(&app.plane.order(id, Vec::new(), &caller.user, None).await?)
}

/// The order is paid: its tickets are issued, once, however often it is said.
#[utoipa::path(post, path = "/api/v1/orders/{id}/pay", tag = "orders", request_body = Payment,
    params(("id" = String, Path, description = "the order's id")),
    responses((status = 200, description = "the order with its tickets", body = Order)))]
pub(super) async fn pay(
    State(app): State<App>,
    caller: May<Sell>,
    Id(id): Id<OrderId>,
    Body(paid): Body<Payment>,
) -> Result<Response, Problem> {
    told(&app.plane.pay(id, paid.payment, paid.amount, &caller.user).await?)
}

/// Gives an unpaid order up.
#[utoipa::path(post, path = "/api/v1/orders/{id}/cancel", tag = "orders",
    params(("id" = String, Path, description = "the order's id")),
    responses((status = 200, description = "the order", body = Order)))]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: May<Sell>,
    Id(id): Id<OrderId>,
) -> Result<Response, Problem> {
    told(&app.plane.cancel_order(id, &caller.user).await?)
}

/// The visitor has the tickets.
#[utoipa::path(post, path = "/api/v1/orders/{id}/collected", tag = "orders",
    params(("id" = String, Path, description = "the order's id")),
    responses((status = 200, description = "the order", body = Order)))]
pub(super) async fn collected(
    State(app): State<App>,
    caller: May<Sell>,
    Id(id): Id<OrderId>,
) -> Result<Response, Problem> {
    told(&app.plane.collected(id, &caller.user).await?)
}

/// Exchanges a code (兑票码) for its tickets; the code is used up by it.
#[utoipa::path(post, path = "/api/v1/orders/redeem", tag = "orders", request_body = ToRedeem,
    responses((status = 200, description = "the order with its tickets", body = Order)))]
pub(super) async fn redeem(
    State(app): State<App>,
    caller: May<Sell>,
    Body(wanted): Body<ToRedeem>,
) -> Result<Response, Problem> {
    told(&app.plane.redeem(wanted.order, &wanted.credential, &caller.user).await?)
}
