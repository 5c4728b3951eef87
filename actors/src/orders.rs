//! Orders (订单) of kiosks and counters: a price, the order, its payment, its tickets.
//!
//! Every step may be said again and has one effect: an order's id is its buyer's, and its tickets
//! are issued in the same commit that notes the payment. Money that has come is never refused for
//! lateness: only an order that was given up, or that can no longer be sold, refuses its payment,
//! and then the answer says that it has to go back. Off the path of a scan.

use shanmen_protocols::{
    device::{Confirm, Credential, OrderBody, OrderLine, OrderState, OrderTicket},
    ids::{Channel, OrderId, TicketId},
    time::UnixMs,
};
use shanmen_rules::{Need, Park, Status, TicketState, definition::ValidityDefinition};

use crate::{
    api::{AuditLine, Fault, NewTicket},
    catalogue::Catalogue,
    desk::{Desk, RETRIES},
    ledger::{self, Ledger as _, OrderRow, Record, TicketRow, commit},
    twin::{Shared, fault, find_exchange},
};

/// How long an order waits for its payment, in milliseconds: a quarter of an hour.
const UNPAID_MS: i64 = 15 * 60_000;
/// The most tickets of one order.
const TICKETS_MAX: u32 = 50;
/// The longest number of a payment, in characters.
const PAYMENT_MAX: usize = 64;

/// What an order is about, priced.
struct Priced {
    lines: Vec<OrderLine>,
    amount: u64,
}

/// Orders, over the desk.
pub(crate) struct Orders {
    one_at_a_time: [tokio::sync::Mutex<()>; RETRIES],
}

/// What a step works with.
pub(crate) struct At<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) catalogue: &'a Catalogue,
    /// Who sells: a device or a user.
    pub(crate) seller: &'a str,
    /// How what they sell is sold.
    pub(crate) channel: Channel,
}

impl Orders {
    /// Nothing under way.
    pub(crate) fn new() -> Self {
        Self { one_at_a_time: std::array::from_fn(|_| tokio::sync::Mutex::default()) }
    }

    /// What an order would cost. Nothing is kept.
    pub(crate) async fn quote(
        &self,
        at: &At<'_>,
        lines: Vec<OrderLine>,
    ) -> Result<OrderBody, Fault> {
        let priced = price(at, lines).await?;
        Ok(OrderBody {
            order: None,
            state: OrderState::Quoted,
            lines: priced.lines,
            amount: priced.amount,
            expires: None,
            tickets: Vec::new(),
        })
    }

    /// Begins an order, or says how it stands.
    pub(crate) async fn order(
        &self,
        at: &At<'_>,
        id: OrderId,
        lines: Vec<OrderLine>,
    ) -> Result<OrderBody, Fault> {
        let _turn = self.turn(id).await;
        if let Some(row) = found(at, id).await? {
            // A new day may have begun since: what was left out stays what it was.
            let same = row.lines.len() == lines.len()
                && row.lines.iter().zip(&lines).all(|(kept, asked)| same_line(kept, asked));
            if !lines.is_empty() && !same {
                return Err(Fault::Conflict("order: this id has other lines".into()));
            }
            return body(at, row).await;
        }
        if lines.is_empty() {
            return Err(Fault::NotFound("order"));
        }
        let priced = price(at, lines).await?;
        let now = at.desk.clock.now();
        let row = OrderRow {
            id,
            seller: at.seller.to_owned(),
            channel: at.channel.clone(),
            state: OrderState::Open,
            lines: priced.lines,
            amount: priced.amount,
            created_at: now,
            expires_at: now.plus_ms(UNPAID_MS),
            payment: None,
            tickets: Vec::new(),
            redeemed: None,
        };
        // What can no longer be sold is told before anybody pays.
        let park = at.desk.park.full();
        let (_, sale) = at.desk.prepare(&park, wanted(&row), now)?;
        drop(sale);
        keep(at, row.clone(), Vec::new(), "order.open").await?;
        body(at, row).await
    }

    /// The order is paid: its tickets are issued with the same commit.
    pub(crate) async fn pay(
        &self,
        at: &At<'_>,
        id: OrderId,
        payment: String,
        amount: u64,
    ) -> Result<OrderBody, Fault> {
        let number = payment.trim();
        if number.is_empty() || number.chars().count() > PAYMENT_MAX {
            return Err(Fault::Invalid(format!("payment: 1 to {PAYMENT_MAX} characters")));
        }
        let _turn = self.turn(id).await;
        let mut row = found(at, id).await?.ok_or(Fault::NotFound("order"))?;
        match (&row.payment, row.state) {
            (Some((before, _)), _) if before == number => return body(at, row).await,
            (Some(_), _) => {
                let twice = "payment: the order is paid by another one: this one has to go back";
                return Err(Fault::Conflict(twice.into()));
            }
            (None, OrderState::Open) => {}
            (None, _) => {
                let over = "order: it was given up or exchanged: the payment has to go back";
                return Err(Fault::Conflict(over.into()));
            }
        }
        if amount != row.amount {
            let due = format!("amount: {amount} was paid, {} is due", row.amount);
            return Err(Fault::Invalid(due));
        }
        let now = at.desk.clock.now();
        let park = at.desk.park.full();
        let (tickets, sale) =
            at.desk.prepare(&park, wanted(&row), now).map_err(|why| match why {
                Fault::Conflict(why) | Fault::Invalid(why) => {
                    Fault::Conflict(format!("{why}: the payment has to go back"))
                }
                other => other,
            })?;
        row.state = OrderState::Issued;
        row.payment = Some((number.to_owned(), now));
        row.tickets = tickets.iter().map(|ticket| ticket.id).collect();
        keep(at, row.clone(), tickets.clone(), "order.pay").await?;
        sale.stands();
        at.desk.show(tickets);
        body(at, row).await
    }

    /// The order is given up before it was paid.
    pub(crate) async fn cancel(&self, at: &At<'_>, id: OrderId) -> Result<OrderBody, Fault> {
        let step = (OrderState::Open, OrderState::Cancelled, "order.cancel");
        self.step(at, id, step, "order: it is paid: refund its tickets").await
    }

    /// The visitor has the tickets.
    pub(crate) async fn collected(&self, at: &At<'_>, id: OrderId) -> Result<OrderBody, Fault> {
        let step = (OrderState::Issued, OrderState::Collected, "order.collect");
        self.step(at, id, step, "order: it has no tickets").await
    }

    /// From one state to the next, once however often it is said.
    async fn step(
        &self,
        at: &At<'_>,
        id: OrderId,
        (from, to, action): (OrderState, OrderState, &'static str),
        refused: &str,
    ) -> Result<OrderBody, Fault> {
        let _turn = self.turn(id).await;
        let mut row = found(at, id).await?.ok_or(Fault::NotFound("order"))?;
        if row.state == from {
            row.state = to;
            keep(at, row.clone(), Vec::new(), action).await?;
        }
        if row.state == to { body(at, row).await } else { Err(Fault::Conflict(refused.into())) }
    }

    /// Exchanges a code (兑票码) for its tickets; the code is used up by it.
    pub(crate) async fn redeem(
        &self,
        at: &At<'_>,
        shared: &Shared,
        id: OrderId,
        shown: &Credential,
        confirm: Option<Confirm>,
    ) -> Result<OrderBody, Fault> {
        let _turn = self.turn(id).await;
        let row = match found(at, id).await? {
            Some(row) if row.redeemed.is_some() => row,
            Some(_) => return Err(Fault::Conflict("order: this id is an order's".into())),
            None => self.exchange(at, shared, id, shown, confirm).await?,
        };
        // Also where an earlier attempt was cut off just here.
        for &ticket in &row.tickets {
            let first = at.desk.hot.ticket(ticket).map(|state| state.status());
            if first == Some(Status::ExchangeFirst) {
                at.desk.exchange(ticket, at.seller).await?;
            }
        }
        body(at, row).await
    }

    async fn exchange(
        &self,
        at: &At<'_>,
        shared: &Shared,
        id: OrderId,
        shown: &Credential,
        confirm: Option<Confirm>,
    ) -> Result<OrderRow, Fault> {
        let (digest, leads) = find_exchange(shared, shown)
            .ok_or_else(|| Fault::Invalid("credential.data: cannot be read".into()))?;
        if leads.is_empty() {
            return Err(Fault::NotFound("ticket for this code"));
        }
        let park = at.desk.park.full();
        for &ticket in &leads {
            let state = at.desk.hot.ticket(ticket).ok_or(Fault::NotFound("ticket"))?;
            may_be_exchanged(&park, &state, confirm)?;
            if at.desk.blocked.has(Some(digest), Some(ticket)) {
                return Err(Fault::Conflict("credential: not accepted; ask the staff".into()));
            }
        }
        let now = at.desk.clock.now();
        let row = OrderRow {
            id,
            seller: at.seller.to_owned(),
            channel: at.channel.clone(),
            state: OrderState::Issued,
            lines: Vec::new(),
            amount: 0,
            created_at: now,
            expires_at: now,
            payment: None,
            tickets: leads.to_vec(),
            redeemed: Some(digest),
        };
        keep(at, row.clone(), Vec::new(), "order.redeem").await?;
        Ok(row)
    }

    async fn turn(&self, id: OrderId) -> tokio::sync::MutexGuard<'_, ()> {
        let place = usize::from(id.0.as_bytes()[15]) % RETRIES;
        self.one_at_a_time[place].lock().await
    }
}

fn may_be_exchanged(
    park: &Park,
    state: &TicketState,
    confirm: Option<Confirm>,
) -> Result<(), Fault> {
    if !matches!(state.status(), Status::Issued | Status::ExchangeFirst) || state.entries() > 0 {
        return Err(Fault::Conflict("credential: its ticket is used, refunded or on hold".into()));
    }
    let confirm = confirm.unwrap_or_default();
    let needs = &park.product(state.product()).needs;
    if needs.has(Need::IdCard) && confirm.id_card != Some(true) {
        return Err(Fault::Conflict("confirm.id_card: read the holder's ID card first".into()));
    }
    Ok(())
}

/// The order, if there is one of this seller.
async fn found(at: &At<'_>, id: OrderId) -> Result<Option<OrderRow>, Fault> {
    let row = ledger::read(&at.desk.ledger, move |books| books.order(id)).await.map_err(fault)?;
    match row {
        Some(row) if row.seller != at.seller => Err(Fault::NotFound("order")),
        row => Ok(row),
    }
}

async fn keep(
    at: &At<'_>,
    row: OrderRow,
    tickets: Vec<TicketRow>,
    action: &'static str,
) -> Result<UnixMs, Fault> {
    let audit = AuditLine {
        at: at.desk.clock.now(),
        actor: at.seller.to_owned(),
        action: action.into(),
        target: row.id.to_string(),
        note: format!("{} tickets, amount {}", row.tickets.len(), row.amount),
    };
    let record = Record::Order { row: Box::new(row), tickets, audit: Some(audit) };
    commit(&*at.desk.ledger, record).await.map_err(fault)
}

/// Fills in what was left out, and adds it all up.
async fn price(at: &At<'_>, mut lines: Vec<OrderLine>) -> Result<Priced, Fault> {
    let park = at.desk.park.full();
    let today = park.business_day(at.desk.clock.now());
    let (mut amount, mut tickets) = (0_u64, 0_u32);
    if lines.is_empty() {
        return Err(Fault::Invalid("lines: one at least".into()));
    }
    for (n, line) in lines.iter_mut().enumerate() {
        let wrong = |problem: String| Fault::Invalid(format!("lines[{n}].{problem}"));
        let ix = park
            .product_ix(line.product.as_str())
            .ok_or_else(|| wrong(format!("product: there is no product {}", line.product)))?;
        let product = park.product(ix);
        let view = at.catalogue.one(line.product.as_str()).await?;
        let price = view
            .definition
            .price
            .filter(|_| product.on_sale)
            .ok_or_else(|| wrong(format!("product: {} is not sold here", line.product)))?;
        tickets += u32::from(line.count);
        if line.count == 0 || tickets > TICKETS_MAX {
            return Err(wrong(format!("count: 1 to {TICKETS_MAX} tickets in one order")));
        }
        let persons = *line.persons.get_or_insert(product.persons.min);
        let dated = matches!(view.definition.validity, ValidityDefinition::VisitDate {})
            || view.definition.slot.is_some();
        if dated && line.visit_date.is_none() {
            line.visit_date = Some(today.to_string());
        }
        amount += u64::from(price) * u64::from(persons) * u64::from(line.count);
    }
    Ok(Priced { lines, amount })
}

fn same_line(kept: &OrderLine, asked: &OrderLine) -> bool {
    kept.product == asked.product
        && kept.count == asked.count
        && (asked.persons.is_none() || asked.persons == kept.persons)
        && (asked.visit_date.is_none() || asked.visit_date == kept.visit_date)
        && asked.slot == kept.slot
}

/// The tickets that an order is about.
fn wanted(order: &OrderRow) -> Vec<NewTicket> {
    let of = |line: &OrderLine| NewTicket {
        id: None,
        product: line.product.clone(),
        visit_date: line.visit_date.clone(),
        slot: line.slot.clone(),
        persons: line.persons,
        credentials: Vec::new(),
        holder: None,
        status: None,
        channel: Some(order.channel.clone()),
    };
    order.lines.iter().flat_map(|line| (0..line.count).map(move |_| of(line))).collect()
}

/// The order as its seller sees it, with the tickets' codes signed anew.
async fn body(at: &At<'_>, row: OrderRow) -> Result<OrderBody, Fault> {
    let mut tickets = Vec::with_capacity(row.tickets.len());
    for &id in &row.tickets {
        tickets.push(ticket(at, id).await?);
    }
    let unpaid = row.state == OrderState::Open;
    Ok(OrderBody {
        order: Some(row.id),
        state: row.state,
        lines: row.lines,
        amount: row.amount,
        expires: unpaid.then_some(row.expires_at),
        tickets,
    })
}

async fn ticket(at: &At<'_>, id: TicketId) -> Result<OrderTicket, Fault> {
    let state = at.desk.hot.ticket(id).ok_or(Fault::NotFound("ticket"))?;
    let park = at.desk.park.full();
    let product = park.product(state.product());
    let definition = at.catalogue.definition(state.product()).await?;
    let price = u64::from(definition.price.unwrap_or(0)) * u64::from(state.persons());
    Ok(OrderTicket {
        ticket: id,
        code: at.desk.code(id)?,
        product: product.id.clone(),
        name: product.name.zh.clone(),
        name_en: product.name.en.clone(),
        persons: state.persons(),
        price,
        validity: validity(&park, &definition.validity, &state),
    })
}

/// When a ticket may be used, as its printout says it.
fn validity(park: &Park, terms: &ValidityDefinition, state: &TicketState) -> String {
    let slot = state.slot().map(|min| format!(" {:02}:{:02}", min / 60, min % 60));
    let slot = slot.unwrap_or_default();
    let issued = park.business_day(state.issued_at());
    let until = |days: u16| shanmen_rules::Day(issued.0 + i32::from(days.max(1)) - 1);
    match terms {
        ValidityDefinition::VisitDate {} => {
            state.visit_date().map(|day| format!("{day}{slot}")).unwrap_or_default()
        }
        ValidityDefinition::Fixed { from, until } => format!("{from} – {until}{slot}"),
        ValidityDefinition::DaysFromIssue { days } => format!("{issued} – {}", until(*days)),
        ValidityDefinition::DaysFromFirstUse { days, within_days } => match within_days {
            Some(within) => format!("{issued} – {} ({days})", until(*within)),
            None => format!("{issued} – ({days})"),
        },
    }
}
