//! The operators' desk: the ticket behind what a visitor shows, and a person's own acts.

use shanmen_protocols::{
    device::{Credential, CredentialKind},
    ids::TicketId,
    reason::Reason,
    time::UnixMs,
};

use super::ControlPlane;
use crate::{
    api::{AuditLine, Fault, FoundTicket, LookUp},
    ledger::{self, Ledger as _},
    twin::{self, fault},
};

/// The longest text that is looked up, in bytes; a signed code is shorter.
const CODE_MAX_BYTES: usize = 512;

/// What a text may be that nobody says the type of: scanners write no more than what they read.
const LIKELY: [CredentialKind; 3] =
    [CredentialKind::Qr, CredentialKind::Rfid, CredentialKind::IdCard];

/// Where a look-up led.
struct Led {
    tickets: Vec<TicketId>,
    by: &'static str,
    epoch: Option<u16>,
}

impl ControlPlane {
    /// The ticket behind what somebody shows, with its history; the look-up stands on the audit trail
    /// under the ticket's id.
    ///
    /// # Errors
    /// `Invalid` where the text can be nothing, or a code is forged; `NotFound` where it leads
    /// nowhere. None of them repeats the text.
    pub async fn look_up(&self, shown: LookUp, actor: &str) -> Result<FoundTicket, Fault> {
        let led = self.lead(shown)?;
        let (first, also) =
            led.tickets.split_first().ok_or(Fault::NotFound("a ticket for this code"))?;
        let ticket = self.ticket(*first).await?;
        let line = AuditLine {
            at: self.0.clock.now(),
            actor: actor.to_owned(),
            action: "ticket.lookup".into(),
            target: first.to_string(),
            note: format!("by {}", led.by),
        };
        self.audit(line).await?;
        let superseded = led.epoch.is_some_and(|shown| shown < ticket.epoch);
        Ok(FoundTicket { ticket, also: also.to_vec(), by: led.by, superseded })
    }

    fn lead(&self, shown: LookUp) -> Result<Led, Fault> {
        let LookUp { code, kind } = shown;
        let text = code.trim();
        if text.is_empty() || CODE_MAX_BYTES < text.len() {
            return Err(Fault::Invalid(format!("code: 1 to {CODE_MAX_BYTES} bytes")));
        }
        if kind.is_none()
            && let Ok(id) = text.parse::<TicketId>()
        {
            return Ok(Led { tickets: vec![id], by: "id", epoch: None });
        }
        for kind in kind.as_ref().map_or(&LIKELY[..], std::slice::from_ref) {
            let credential = Credential { kind: *kind, data: text.to_owned() };
            let found = twin::seen(&self.0.shared, &credential);
            if found.fault == Some(Reason::Forged) {
                let why = "code: it has the form of a signed code, but was not issued here: forged, \
                           or of another site";
                return Err(Fault::Invalid(why.into()));
            }
            if !found.tickets.is_empty() {
                let by = if found.epoch.is_some() { "code" } else { kind.as_str() };
                return Ok(Led { tickets: found.tickets, by, epoch: found.epoch });
            }
        }
        Ok(Led { tickets: Vec::new(), by: "", epoch: None })
    }

    /// What somebody has done since, as it stands on the audit trail, the newest first.
    pub async fn acts_of(
        &self,
        actor: &str,
        since: UnixMs,
        limit: u32,
    ) -> Result<Vec<AuditLine>, Fault> {
        let actor = actor.to_owned();
        ledger::read(&self.0.ledger, move |books| books.acts_of(&actor, since, limit))
            .await
            .map_err(fault)
    }
}
