//! Check 3, the ticket: does it stand good with the ticket office, and is the code its latest?

use shanmen_protocols::reason::Reason;

use crate::{
    ticket::{Status, TicketState},
    verdict::Presentation,
};

/// `refunded`, `voided`, `superseded`, `frozen`, `unpaid`, `exchange_first`.
pub(crate) fn check(ticket: &TicketState, presentation: &Presentation) -> Result<(), Reason> {
    let old_code = presentation.code_epoch.is_some_and(|epoch| epoch < ticket.epoch());
    match ticket.status() {
        Status::Refunded => Err(Reason::Refunded),
        Status::Voided => Err(Reason::Voided),
        Status::Superseded => Err(Reason::Superseded),
        _ if old_code => Err(Reason::Superseded),
        Status::Frozen => Err(Reason::Frozen),
        Status::Unpaid => Err(Reason::Unpaid),
        Status::ExchangeFirst => Err(Reason::ExchangeFirst),
        Status::Issued if presentation.exchange_code => Err(Reason::ExchangeFirst),
        Status::Issued => Ok(()),
    }
}
