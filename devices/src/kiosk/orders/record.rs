//! One order's record: what is kept of it over a restart, and what is only remembered.
//!
//! Kept: the stage, what is wanted, the amount, the payment's number, how often each ticket was
//! tried. Never kept: codes, tickets' texts, what was presented. Part of the orders.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shanmen_protocols::{
    device::{Body, Confirm, Credential, OrderLine, OrderTicket},
    ids::{JobId, OrderId, TicketId},
    time::UnixMs,
};

use super::{Effect, View};
use crate::printer::spool::State;

/// How far an order is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The control plane is asked for it, or for what a code is worth.
    #[default]
    Asked,
    /// It is to be paid; the payment is not begun, or its number is not known.
    Open,
    /// The visitor may pay.
    Paying,
    /// Money has moved; the control plane has to hear of it.
    Paid,
    /// Its tickets are printed.
    Printing,
    /// All are on paper; the control plane has to hear of it.
    Collected,
    /// It is given up unpaid; the control plane has to hear of it.
    Cancelling,
    /// Money or tickets are in doubt: a person settles it.
    Unknown,
}

impl Stage {
    /// The word for the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Open => "open",
            Self::Paying => "paying",
            Self::Paid => "paid",
            Self::Printing => "printing",
            Self::Collected => "collected",
            Self::Cancelling => "cancelling",
            Self::Unknown => "unknown",
        }
    }
}

/// An order. Its `Debug` shows nothing that was presented.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own beside the stage")]
pub struct Order {
    pub(super) stage: Stage,
    pub(super) redeem: bool,
    pub(super) lines: Vec<OrderLine>,
    pub(super) amount: u64,
    pub(super) expires: Option<UnixMs>,
    pub(super) payment: Option<String>,
    pub(super) reason: Option<String>,
    /// How often each ticket was tried in vain.
    pub(super) attempts: BTreeMap<TicketId, u32>,
    #[serde(skip)]
    pub(super) presented: Option<(Credential, Option<Confirm>)>,
    #[serde(skip)]
    pub(super) tickets: Vec<OrderTicket>,
    /// Tickets whose job is handed in.
    #[serde(skip)]
    pub(super) in_print: BTreeSet<TicketId>,
    /// How each ticket ended.
    #[serde(skip)]
    pub(super) ends: BTreeMap<TicketId, State>,
    /// Nobody waits for it any more.
    #[serde(skip)]
    pub(super) given_up: bool,
    /// The payment's status was asked for since the start.
    #[serde(skip)]
    pub(super) asked_after: bool,
    /// How often the control plane did not know it, after a restart.
    #[serde(skip)]
    pub(super) unheard: u32,
    /// An answer is awaited.
    #[serde(skip)]
    pub(super) waits: bool,
    /// When it is tried again, in milliseconds since boot.
    #[serde(skip)]
    pub(super) again_at_ms: Option<u64>,
    #[serde(skip)]
    over: bool,
}

/// The id of a ticket's print job: the same for the same attempt, over restarts too.
pub fn job_id(order: OrderId, ticket: TicketId, attempt: u32) -> JobId {
    let mut hash = Sha256::new();
    hash.update(b"shanmen kiosk job\0");
    hash.update(order.0.as_bytes());
    hash.update(ticket.0.as_bytes());
    hash.update(attempt.to_be_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    JobId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

impl Order {
    /// From its record, after a restart; it goes on at once.
    pub(super) fn recovered(json: &str) -> Option<Self> {
        let order: Self = serde_json::from_str(json).ok()?;
        Some(Self { given_up: !order.redeem, again_at_ms: Some(0), ..order })
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn wake_at_ms(&self) -> Option<u64> {
        self.again_at_ms.filter(|_| !self.waits && self.stage != Stage::Unknown)
    }

    pub(super) fn has_job(&self, id: OrderId, job: JobId) -> bool {
        self.ticket_of(id, job).is_some()
    }

    /// Which ticket's present attempt a job is.
    pub(super) fn ticket_of(&self, id: OrderId, job: JobId) -> Option<TicketId> {
        let mut tickets = self.in_print.iter().copied();
        tickets.find(|ticket| {
            let attempt = self.attempts.get(ticket).copied().unwrap_or_default();
            job_id(id, *ticket, attempt) == job
        })
    }

    pub(super) fn awaits(&mut self) {
        self.waits = true;
        self.again_at_ms = None;
    }

    pub(super) fn again(&mut self, at_ms: u64) {
        self.again_at_ms = Some(at_ms);
    }

    pub(super) fn keep(&self, id: OrderId, effects: &mut Vec<Effect>) {
        effects.push(Effect::Keep(id, serde_json::to_string(self).unwrap_or_default()));
    }

    pub(super) fn show(&self, id: OrderId, effects: &mut Vec<Effect>) {
        self.show_as(id, self.stage.as_str(), effects);
    }

    fn show_as(&self, id: OrderId, state: &'static str, effects: &mut Vec<Effect>) {
        effects.push(Effect::Show(View {
            order: id,
            state,
            amount: self.amount,
            payment: self.payment.clone(),
            reason: self.reason.clone(),
        }));
    }

    /// Goes on to a stage: kept, then shown.
    pub(super) fn to(&mut self, id: OrderId, stage: Stage, effects: &mut Vec<Effect>) {
        self.stage = stage;
        self.again_at_ms = None;
        self.keep(id, effects);
        self.show(id, effects);
    }

    /// In doubt: told, and kept until a person settles it.
    pub(super) fn doubt(&mut self, id: OrderId, why: &str, effects: &mut Vec<Effect>) {
        self.reason = Some(match self.reason.take() {
            Some(reason) => format!("{why}: {reason}"),
            None => why.to_owned(),
        });
        self.to(id, Stage::Unknown, effects);
        self.fact(id, "unknown", effects);
    }

    /// Nothing more comes: forgotten, and shown once more.
    pub(super) fn over(&mut self, id: OrderId, state: &'static str, effects: &mut Vec<Effect>) {
        self.over = true;
        self.waits = true;
        effects.push(Effect::Forget(id));
        self.show_as(id, state, effects);
    }

    pub(super) fn fact(&self, id: OrderId, state: &str, effects: &mut Vec<Effect>) {
        let state = state.to_owned();
        effects.push(Effect::Fact(if self.redeem {
            Body::Redeem { order: id, state }
        } else {
            Body::Order { order: id, state, payment: self.payment.clone() }
        }));
    }
}
