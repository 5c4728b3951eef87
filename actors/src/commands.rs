//! Commands: orders to devices, each with who, why and what came of it.
//!
//! A command is on record before it is sent, goes to one session of one device, and is never sent
//! again: an answer that stays out makes it `unanswered`, and a person decides. Off the path of a
//! scan. The office sends through it, twins bring the answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use shanmen_protocols::{
    device::{Ack, CommandDown, Down, Order},
    ids::{CommandId, DeviceId, DeviceKind, Session},
    time::UnixMs,
};
use tokio::sync::oneshot;

use crate::{
    api::{AuditLine, CommandState, CommandView, Fault},
    clock::Clock,
    ledger::{DirectEntry, Ledger, Record},
    twin::fault,
};

/// How long after its time to live a command without any answer counts as unanswered, in
/// milliseconds.
const SILENT_MS: i64 = 10_000;
/// The same for one that the device has begun: a firmware takes its time.
const BEGUN_MS: i64 = 3_600_000;
/// How many commands may wait for their answers.
const OPEN_MAX: usize = 20_000;
/// How much of a device's own words is kept, in characters.
const WORDS_MAX: usize = 500;
/// How much of a result is kept, in bytes.
const RESULT_MAX_BYTES: usize = 16 * 1024;

/// All commands that wait for an answer.
pub(crate) struct Commands {
    open: Mutex<HashMap<(DeviceId, CommandId), CommandView>>,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
}

impl Commands {
    /// Takes those of the ledger that wait.
    pub(crate) fn new(rows: Vec<CommandView>, ledger: Arc<dyn Ledger>, clock: Clock) -> Self {
        let open = rows.into_iter().map(|row| ((row.device.clone(), row.id), row)).collect();
        Self { open: Mutex::new(open), ledger, clock }
    }

    /// Puts commands on record; they may be sent when this returns.
    pub(crate) async fn begin(
        &self,
        rows: Vec<CommandView>,
        audit: Option<AuditLine>,
    ) -> Result<(), Fault> {
        self.enter(rows, audit)?.await
    }

    /// Waits for the answers to commands from this call on, and puts them on record: that is done
    /// when the future is. For what cannot wait for the books before it is sent.
    pub(crate) fn enter(
        &self,
        rows: Vec<CommandView>,
        audit: Option<AuditLine>,
    ) -> Result<impl Future<Output = Result<(), Fault>> + use<>, Fault> {
        let done = {
            let mut open = self.lock();
            if OPEN_MAX < open.len() + rows.len() {
                return Err(Fault::Busy("the list of commands without an answer"));
            }
            let (done, committed) = oneshot::channel();
            let record = Record::Commands { rows: rows.clone(), audit };
            self.ledger.append_direct(DirectEntry { record, done }).map_err(fault)?;
            // Before they are sent, or an answer could come too early.
            open.extend(rows.into_iter().map(|row| ((row.device.clone(), row.id), row)));
            committed
        };
        let lost = |_| Fault::Internal("the ledger has stopped".into());
        Ok(async move { done.await.map_err(lost)?.map_err(fault).map(drop) })
    }

    /// A device answers: gives the order that is done by it, if it is.
    pub(crate) fn answered(&self, device: &DeviceId, ack: Ack) -> Option<CommandView> {
        let now = self.clock.now();
        let mut open = self.lock();
        let key = (device.clone(), ack.id);
        let Some(row) = open.get_mut(&key) else {
            metrics::counter!("shanmen_acks_unasked_total").increment(1);
            return None;
        };
        row.state = CommandState::Answered(ack.status);
        row.answered_at = Some(now);
        row.why = ack.reason.map(|why| why.chars().take(WORDS_MAX).collect());
        row.result = ack.result.filter(|result| result.to_string().len() <= RESULT_MAX_BYTES);
        let row = row.clone();
        if row.state.is_final() {
            open.remove(&key);
        }
        self.write(row.clone(), device.as_str(), now);
        Some(row)
    }

    /// Gives up those whose answer stays out: called once a second.
    pub(crate) fn give_up(&self) {
        let now = self.clock.now();
        let mut open = self.lock();
        let late = open.iter().filter(|(_, row)| {
            let waited = now.since_ms(row.answered_at.unwrap_or(row.sent_at));
            let begun = row.answered_at.is_some();
            i64::from(row.ttl_ms) + (if begun { BEGUN_MS } else { SILENT_MS }) < waited
        });
        let late: Vec<_> = late.map(|(key, _)| key.clone()).collect();
        for key in late {
            if let Some(mut row) = open.remove(&key) {
                row.state = CommandState::Unanswered;
                self.write(row, "shanmen", now);
            }
        }
    }

    /// A change goes to the books with its line for the audit trail.
    fn write(&self, row: CommandView, actor: &str, now: UnixMs) {
        metrics::counter!(
            "shanmen_commands_total", "op" => row.op.clone(), "state" => row.state.as_str()
        )
        .increment(1);
        let audit = row.state.is_final().then(|| AuditLine {
            at: now,
            actor: actor.to_owned(),
            action: format!("device.command.{}", row.state.as_str()),
            target: row.device.to_string(),
            note: format!("{} {}", row.op, row.id),
        });
        let (done, _) = oneshot::channel();
        let record = Record::Commands { rows: vec![row], audit };
        if self.ledger.append_direct(DirectEntry { record, done }).is_err() {
            metrics::counter!("shanmen_commands_unwritten_total").increment(1);
            tracing::error!("the books' queue is full: the end of a command is not on record");
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(DeviceId, CommandId), CommandView>> {
        // Rows are replaced whole, so what a panic left is still good.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command before it is sent to one device, or to all.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) id: CommandId,
    pub(crate) order: Order,
    pub(crate) actor: String,
    pub(crate) reason: String,
    pub(crate) sent_at: UnixMs,
    pub(crate) ttl_ms: u32,
}

impl Command {
    /// As it stands on record for a device.
    pub(crate) fn row(&self, device: DeviceId) -> CommandView {
        CommandView {
            id: self.id,
            device,
            op: self.order.op().to_owned(),
            args: args_on_record(&self.order),
            actor: self.actor.clone(),
            reason: self.reason.clone(),
            sent_at: self.sent_at,
            ttl_ms: self.ttl_ms,
            state: CommandState::Sent,
            answered_at: None,
            why: None,
            result: None,
        }
    }

    /// As it is sent: to one session, or without one to all.
    pub(crate) fn message(&self, session: Option<Session>) -> Down {
        let (op, args) = self.order.write();
        let (id, at, ttl_ms) = (self.id, Some(self.sent_at), self.ttl_ms);
        Down::Command(CommandDown { id, session, at, op, args, ttl_ms })
    }

    /// How long the message is worth anything.
    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms.into())
    }
}

/// What of an order may be kept: of a print job only its id, since its text holds a ticket's code.
fn args_on_record(order: &Order) -> serde_json::Map<String, serde_json::Value> {
    let (_, mut args) = order.write();
    if let Order::Print(_) = order {
        args.retain(|key, _| key == "job" || key == "copies" || key == "template");
    }
    args
}

/// Whether a kind of device knows an order, and whether its numbers make sense.
pub(crate) fn check(order: &Order, kind: DeviceKind) -> Result<(), String> {
    use DeviceKind::{Handheld, Kiosk, Printer, Turnstile};
    let kinds: &[DeviceKind] = match order {
        Order::Reboot {}
        | Order::Sync {}
        | Order::Diagnose {}
        | Order::Config {}
        | Order::Firmware(_) => &[Turnstile, Kiosk, Handheld, Printer],
        Order::Open { .. } | Order::Mode { .. } | Order::Clear {} => &[Turnstile],
        Order::Message { .. } => &[Turnstile, Kiosk, Handheld],
        Order::Print(_) => &[Kiosk, Printer],
        Order::Cancel { .. } => &[Printer],
        Order::Logout {} | Order::Assign { .. } => &[Handheld],
        Order::Emergency { .. } => {
            return Err("op: emergency is for the whole site: POST /api/v1/emergency".into());
        }
    };
    if !kinds.contains(&kind) {
        return Err(format!("op: a {} knows no {}", kind.as_str(), order.op()));
    }
    match order {
        Order::Open { persons, .. } if !(1..=100).contains(persons) => {
            Err("args.persons: 1 to 100".into())
        }
        Order::Open { hold_ms, .. } if !(500..=120_000).contains(hold_ms) => {
            Err("args.hold_ms: 500 to 120,000".into())
        }
        Order::Message { text, .. } if text.is_empty() || text.chars().count() > 200 => {
            Err("args.text: 1 to 200 characters".into())
        }
        Order::Message { seconds, .. } if !(1..=3_600).contains(seconds) => {
            Err("args.seconds: 1 to 3,600".into())
        }
        Order::Print(job) if !(1..=10).contains(&job.copies) => Err("args.copies: 1 to 10".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_goes_only_to_a_kind_that_knows_it() {
        let open = Order::read("open", &serde_json::Map::new()).expect("an order");
        assert_eq!(check(&open, DeviceKind::Turnstile), Ok(()));
        assert!(check(&open, DeviceKind::Printer).is_err());
        assert!(check(&Order::Emergency { on: true }, DeviceKind::Turnstile).is_err());
        let many = Order::Open {
            grant: None,
            persons: 101,
            direction: shanmen_protocols::Direction::In,
            hold_ms: 5_000,
        };
        assert!(check(&many, DeviceKind::Turnstile).is_err());
    }

    #[test]
    fn a_printed_code_is_not_kept() {
        let job = serde_json::json!({ "job": uuid::Uuid::nil(), "data": { "code": "SM1SECRET" } });
        let order = Order::read("print", job.as_object().expect("a map")).expect("an order");
        let kept = serde_json::to_string(&args_on_record(&order)).expect("JSON");
        assert!(!kept.contains("SECRET") && kept.contains("job"), "{kept}");
    }
}
