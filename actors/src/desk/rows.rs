//! A ticket to be issued, checked and made into its row: what is wrong is told by its field, never
//! with the number of a credential.

use shanmen_protocols::{
    device::CredentialKind,
    ids::{Channel, TicketId},
    time::UnixMs,
};
use shanmen_rules::{Day, IssueTerms, Park, Status, TicketState, TimeOfDay, credential};

use super::Desk;
use crate::{api::NewTicket, ledger::TicketRow, twin};

impl Desk {
    /// The row of a ticket that is issued now.
    pub(super) fn row(
        &self,
        park: &Park,
        ticket: NewTicket,
        now: UnixMs,
    ) -> Result<TicketRow, String> {
        let product = park
            .product_ix(ticket.product.as_str())
            .ok_or_else(|| format!("product: there is no product {}", ticket.product))?;
        let terms = IssueTerms {
            product,
            visit_date: ticket.visit_date.as_deref().map(date).transpose()?,
            slot: ticket.slot.as_deref().map(minutes).transpose()?,
            persons: ticket.persons.unwrap_or_else(|| park.product(product).persons.min),
            issued_at: now,
            status: ticket.status.unwrap_or(Status::Issued),
        };
        let state = TicketState::issue(park, &terms).map_err(|fault| fault.to_string())?;
        let id = ticket.id.unwrap_or_else(TicketId::fresh);
        if ticket.id.is_some() && self.hot.knows(id) {
            return Err("id: there is a ticket of this id already".into());
        }
        let credentials = ticket
            .credentials
            .iter()
            .enumerate()
            .map(|(n, shown)| {
                if shown.kind == CredentialKind::Other {
                    return Err(format!(
                        "credentials[{n}].type: qr, barcode, rfid, id_card, face or exchange_code"
                    ));
                }
                let cleaned = credential::clean(&shown.data);
                twin::digest(&self.keys, shown.kind, &cleaned).map_err(|_| {
                    // Never the number itself.
                    format!("credentials[{n}].data: not a {} that can be read", shown.kind.as_str())
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let holder = ticket.holder.map(|holder| holder.to_string());
        let channel = ticket.channel.unwrap_or_else(Channel::direct);
        Ok(TicketRow { id, state, credentials, holder, channel })
    }
}

fn date(text: &str) -> Result<Day, String> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(20).collect();
        format!("visit_date: {shown:?} is not a date like 2026-10-01")
    })
}

fn minutes(text: &str) -> Result<u16, String> {
    let time: TimeOfDay = text.parse().map_err(|_| {
        let shown: String = text.chars().take(20).collect();
        format!("slot: {shown:?} is not a time of day like 09:00")
    })?;
    Ok(time.minutes())
}
