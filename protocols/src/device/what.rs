//! What a device may ask: the kinds of `request`, and what comes back in the response's `body`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Confirm, Credential};
use crate::ids::{Direction, LaneId, OrderId, ProductId, ScanId, TicketId};

/// A question. An unknown one is answered `invalid`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// The control plane's clock: body `{server_time}`.
    Time,
    /// A part of a list: body [`ListChunk`].
    List {
        /// Its name.
        name: String,
        /// Where the part begins, in bytes.
        #[serde(default)]
        offset: u64,
        /// The version that is being fetched; another one in force is answered `conflict`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
    },
    /// Handheld: an operator logs in: body `{operator, roles, expires}`, where `operator` is the
    /// token that its scans and requests carry.
    Login {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// Handheld: a ticket and its history, by what was read or by its number: body as
    /// `GET /api/v1/tickets/{id}`.
    Lookup {
        /// The operator's token.
        operator: String,
        /// What was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<Credential>,
        /// The ticket's number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<TicketId>,
    },
    /// Handheld: an operator lets somebody pass whom the rules refuse: body as a `decision` without
    /// a grant; the passage comes as a fact, `by` manual, with the scan. On the audit trail.
    Override {
        /// The operator's token; the role `operator` or `admin`.
        operator: String,
        /// The key of this override: a repeat gets the same answer.
        scan: ScanId,
        /// Where.
        lane: LaneId,
        /// Which way.
        #[serde(default)]
        direction: Direction,
        /// What was presented, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<Credential>,
        /// How many.
        #[serde(default = "one")]
        persons: u16,
        /// Why; on record.
        reason: String,
    },
    /// Handheld: takes back a passage of its own, within the undo window (5 minutes): body
    /// `{grant, persons}`. On the audit trail.
    Undo {
        /// The operator's token.
        operator: String,
        /// The presentation that led to it.
        scan: ScanId,
        /// Why; on record.
        reason: String,
    },
    /// Kiosk: what an order would cost: body [`OrderBody`] with state `quoted`. Nothing is kept.
    Quote {
        /// What is wanted.
        lines: Vec<OrderLine>,
    },
    /// Kiosk: begins an order, or asks how it stands: body [`OrderBody`]. The same id with the same
    /// lines gets the same order.
    Order {
        /// Its id, made by the kiosk and kept before it asks.
        order: OrderId,
        /// What is wanted; none asks how the order stands.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<OrderLine>,
    },
    /// Kiosk: the order is paid; its tickets are issued: body [`OrderBody`] with state `issued`,
    /// again the same however often it is said.
    Pay {
        /// The order.
        order: OrderId,
        /// The payment's number at the payment service; on record.
        payment: String,
        /// What was paid, in the smallest coin (分).
        amount: u64,
    },
    /// Kiosk: the order is given up before it was paid: body [`OrderBody`] with state `cancelled`.
    CancelOrder {
        /// The order.
        order: OrderId,
    },
    /// Kiosk: the visitor has the tickets of this order (all printed): body [`OrderBody`] with state
    /// `collected`.
    Collected {
        /// The order.
        order: OrderId,
    },
    /// Kiosk: exchanges a code (兑票码) for its tickets: body [`OrderBody`] with state `issued`. The
    /// code is used up by it; the same order id gets the same tickets.
    Redeem {
        /// The order's id, made by the kiosk and kept before it asks.
        order: OrderId,
        /// What was read or typed.
        credential: Credential,
        /// What has been confirmed of the person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirm: Option<Confirm>,
    },
    /// Nothing that this version knows.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

impl What {
    /// The word on the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::List { .. } => "list",
            Self::Login { .. } => "login",
            Self::Lookup { .. } => "lookup",
            Self::Override { .. } => "override",
            Self::Undo { .. } => "undo",
            Self::Quote { .. } => "quote",
            Self::Order { .. } => "order",
            Self::Pay { .. } => "pay",
            Self::CancelOrder { .. } => "cancel-order",
            Self::Collected { .. } => "collected",
            Self::Redeem { .. } => "redeem",
            Self::Other => "other",
        }
    }
}

/// Never shows a password, a token or a code.
impl std::fmt::Debug for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "What({})", self.as_str())
    }
}

fn one() -> u16 {
    1
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListChunk {
    /// The list.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Where this part begins, in bytes.
    pub offset: u64,
    /// The length of the whole.
    pub bytes: u64,
    /// SHA-256 of the whole, in hex.
    pub sha256: String,
    /// This part, in Base64; at most 16 KiB before encoding. Empty at the end.
    pub data: String,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderLine {
    /// What.
    pub product: ProductId,
    /// How many tickets, 1 to 50.
    pub count: u16,
    /// Persons on each, where the product leaves it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persons: Option<u16>,
    /// The local visit date, `2026-10-01`; today by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit_date: Option<String>,
    /// The slot's start, local, `09:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
}

/// How an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Only a price.
    Quoted,
    /// Begun, to be paid until `expires`.
    Open,
    /// Paid, and its tickets are issued.
    Issued,
    /// The visitor has them.
    Collected,
    /// Given up before it was paid; a state that this version does not know reads as this.
    #[serde(other)]
    Cancelled,
}

impl OrderState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quoted => "quoted",
            Self::Open => "open",
            Self::Issued => "issued",
            Self::Collected => "collected",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A ticket of an order, with what its printout says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderTicket {
    /// Its number.
    pub ticket: TicketId,
    /// Its signed code: what the QR code says.
    pub code: String,
    /// What was sold.
    pub product: ProductId,
    /// Its name in Chinese.
    pub name: String,
    /// Its name in English.
    pub name_en: String,
    /// Persons.
    pub persons: u16,
    /// The price, in the smallest coin (分).
    pub price: u64,
    /// When it may be used, in words of the site's local time.
    pub validity: String,
}

/// Never shows the code.
impl std::fmt::Debug for OrderTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OrderTicket({})", self.ticket)
    }
}

/// An order as its kiosk sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderBody {
    /// Its id; none for a quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// How it stands.
    pub state: OrderState,
    /// What is wanted, with all defaults written out.
    pub lines: Vec<OrderLine>,
    /// The price of all, in the smallest coin (分).
    pub amount: u64,
    /// Until when it has to be paid, in milliseconds since 1970; none once it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<crate::time::UnixMs>,
    /// Its tickets, once they are issued.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<OrderTicket>,
}

#[cfg(test)]
mod tests {
    use super::super::Request;

    #[test]
    fn a_request_reads_flat_beside_its_time_block() {
        let request: Request = serde_json::from_str(
            r#"{"id":"01890000-0000-7000-8000-000000000001","up_ms":5,"what":"list","name":"deny"}"#,
        )
        .unwrap();
        assert_eq!(
            request.what,
            super::What::List { name: "deny".into(), offset: 0, version: None }
        );
        let other: Request = serde_json::from_str(
            r#"{"id":"01890000-0000-7000-8000-000000000001","what":"weather","x":1}"#,
        )
        .unwrap();
        assert_eq!(other.what, super::What::Other);
    }
}
