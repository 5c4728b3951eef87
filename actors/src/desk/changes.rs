//! Sold tickets changed: voided, frozen, refunded, exchanged, issued anew. Each change is made by the
//! ticket's shard and audited, so that two at once come one after the other.

use shanmen_protocols::ids::TicketId;
use shanmen_rules::{Status, TicketState};
use tokio::sync::oneshot;

use super::Desk;
use crate::{
    api::{AuditLine, Fault, IssuedTicket},
    flow::is_sold,
    pool::{Change, How, Task},
    twin::fault,
};

impl Desk {
    /// Voids, freezes, unfreezes or refunds a ticket.
    pub(crate) async fn set_status(
        &self,
        id: TicketId,
        status: Status,
        reason: &str,
        actor: &str,
    ) -> Result<(), Fault> {
        let action = match status {
            Status::Voided => "ticket.void",
            Status::Frozen => "ticket.freeze",
            Status::Issued => "ticket.unfreeze",
            Status::Refunded => "ticket.refund",
            _ => "ticket.status",
        };
        // Asked where it is changed: two changes at once come one after the other.
        let how = Box::new(move |state: &mut TicketState| {
            let now = state.status();
            if !may_become(now, status) {
                return Err(Fault::Conflict(format!("a {} ticket cannot do this", word(now))));
            }
            state.set_status(status);
            Ok(())
        });
        let state = self.change(id, action, reason, actor, how).await?;
        // Only a sold ticket may become one that is not.
        if !is_sold(status) {
            self.capacity.sold().take_off(&self.park.now(), &state);
        }
        Ok(())
    }

    /// A ticket whose code was exchanged for it is good from now on.
    pub(crate) async fn exchange(&self, id: TicketId, actor: &str) -> Result<(), Fault> {
        let how = Box::new(|state: &mut TicketState| {
            if state.status() != Status::ExchangeFirst {
                return Err(Fault::Conflict("this ticket is not waiting to be exchanged".into()));
            }
            state.set_status(Status::Issued);
            Ok(())
        });
        self.change(id, "ticket.exchange", "exchanged", actor, how).await.map(drop)
    }

    /// Raises the issue number and gives the new code.
    pub(crate) async fn reissue(
        &self,
        id: TicketId,
        reason: &str,
        actor: &str,
    ) -> Result<IssuedTicket, Fault> {
        let how = Box::new(|state: &mut TicketState| {
            if matches!(state.status(), Status::Voided | Status::Refunded) {
                return Err(Fault::Conflict(format!(
                    "a {} ticket has no code",
                    word(state.status())
                )));
            }
            state.raise_epoch();
            Ok(())
        });
        let state = self.change(id, "ticket.reissue", reason, actor, how).await?;
        Ok(IssuedTicket { id, code: self.code_of(id, &state)? })
    }

    async fn change(
        &self,
        id: TicketId,
        action: &str,
        reason: &str,
        actor: &str,
        how: How,
    ) -> Result<TicketState, Fault> {
        let audit = AuditLine {
            at: self.clock.now(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            target: id.to_string(),
            note: reason.to_owned(),
        };
        let (done, changed) = oneshot::channel();
        self.pool
            .give(Some(id), Task::Change(Box::new(Change { id, how, audit, done })))
            .map_err(|_| Fault::Busy("the shard's mailbox"))?;
        let lost = || Fault::Internal("the shard failed at this change".into());
        let (state, committed) = changed.await.map_err(|_| lost())??;
        committed.await.map_err(|_| lost())?.map_err(fault)?;
        self.lists.ticket(&self.hot, id, self.park.now().business_day(self.clock.now()));
        Ok(state)
    }
}

fn may_become(now: Status, then: Status) -> bool {
    match then {
        Status::Frozen => matches!(now, Status::Issued),
        Status::Issued => matches!(now, Status::Frozen),
        Status::Voided | Status::Refunded => {
            matches!(now, Status::Issued | Status::Frozen | Status::Unpaid)
        }
        _ => false,
    }
}

fn word(status: Status) -> String {
    serde_json::to_value(status)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
