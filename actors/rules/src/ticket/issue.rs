//! Issuing a ticket: its terms, and why a product does not sell such a ticket.

use serde::{Deserialize, Serialize};
use shanmen_protocols::time::UnixMs;

use crate::{
    definition::ValidityDefinition,
    park::{Park, ProductIx},
    span::Day,
    stamp::{Stamp, short_day},
};

use super::{Body, NONE, NOWHERE, TicketState, Use};

/// Where a ticket stands with the ticket office.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Ordered, not paid.
    Unpaid,
    /// Good.
    #[default]
    Issued,
    /// On hold.
    Frozen,
    /// Money given back.
    Refunded,
    /// Made void.
    Voided,
    /// Replaced by another ticket.
    Superseded,
    /// To be exchanged for a ticket first (兑票码).
    ExchangeFirst,
}

/// What a ticket is issued with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueTerms {
    /// The product.
    pub product: ProductIx,
    /// The day of the visit, for a product that is valid on a visit date or has slots.
    pub visit_date: Option<Day>,
    /// The slot's start in minutes of the local day, 0 to 1,439.
    pub slot: Option<u16>,
    /// How many people it admits.
    pub persons: u16,
    /// When it was issued.
    pub issued_at: UnixMs,
    /// Where it stands.
    pub status: Status,
}

/// Why a ticket cannot be issued on such terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueFault {
    /// Not a product of this park.
    #[error("there is no such product")]
    UnknownProduct,
    /// A date is missing.
    #[error("product {product} is valid on a visit date: name visit_date")]
    VisitDateMissing {
        /// The product's id.
        product: String,
    },
    /// A date that no ticket can hold.
    #[error("visit_date must lie between 1970 and 2149")]
    VisitDateOutOfRange,
    /// A slot is missing.
    #[error("product {product} is for timed entry: name slot, as \"09:00\"")]
    SlotMissing {
        /// The product's id.
        product: String,
    },
    /// A slot too many.
    #[error("product {product} has no timed entry: leave slot out")]
    SlotNotOnProduct {
        /// The product's id.
        product: String,
    },
    /// Not a minute of the day.
    #[error("slot is a minute of the day, 0 to 1439, not {slot}")]
    SlotOutOfRange {
        /// What was asked.
        slot: u16,
    },
    /// Too few or too many people.
    #[error("product {product} is for {min} to {max} persons, not {persons}")]
    PersonsOutOfRange {
        /// The product's id.
        product: String,
        /// The fewest.
        min: u16,
        /// The most.
        max: u16,
        /// What was asked.
        persons: u16,
    },
}

impl TicketState {
    /// A new ticket on these terms.
    ///
    /// # Errors
    /// [`IssueFault`] when the product does not sell such a ticket.
    pub fn issue(park: &Park, terms: &IssueTerms) -> Result<Self, IssueFault> {
        let product = park.get_product(terms.product).ok_or(IssueFault::UnknownProduct)?;
        let name = || product.id.to_string();
        if product.validity == (ValidityDefinition::VisitDate {}) && terms.visit_date.is_none() {
            return Err(IssueFault::VisitDateMissing { product: name() });
        }
        if terms.visit_date.is_some_and(|day| !(0..=crate::span::DAY_MAX).contains(&day.0)) {
            return Err(IssueFault::VisitDateOutOfRange);
        }
        match (product.slot, terms.slot) {
            (Some(_), None) => return Err(IssueFault::SlotMissing { product: name() }),
            (None, Some(_)) => return Err(IssueFault::SlotNotOnProduct { product: name() }),
            (Some(_), Some(slot)) if slot >= 1_440 => {
                return Err(IssueFault::SlotOutOfRange { slot });
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        let (min, max) = (product.persons.min, product.persons.max);
        if !(min..=max).contains(&terms.persons) {
            let persons = terms.persons;
            return Err(IssueFault::PersonsOutOfRange { product: name(), min, max, persons });
        }
        Ok(Self(Body {
            issued_at: Stamp::of(terms.issued_at),
            product: terms.product,
            persons: terms.persons,
            epoch: 0,
            slot: terms.slot.unwrap_or(NONE),
            visit_date: terms.visit_date.map_or(NONE, short_day),
            status: terms.status,
            unmatched_exits: 0,
            reserved: 0,
            entry_days: 0,
            entry_day_bits: 0,
            place: NOWHERE,
            first: Use::default(),
            more: None,
        }))
    }
}
