//! What people tell the fleet: commands, configurations, the emergency.

use std::sync::Arc;

use serde_json::{Map, Value};
use shanmen_protocols::{
    device::Order,
    ids::{CommandId, DeviceId, DeviceKind, Session},
    topic,
};

use super::{ControlPlane, to_the_end};
use crate::{
    alerts::Cause,
    api::{
        AuditLine, CommandQuery, CommandRequest, CommandView, ConfigView, DeviceEvent,
        DeviceStanding, EmergencyView, Fault,
    },
    commands::{self, Command},
    ledger::{self, Ledger, Record, commit},
    link::Qos,
    registry::Device,
    twin::fault,
};

/// How long a command is good for that does not say so, in milliseconds.
const TTL_DEFAULT_MS: u32 = 10_000;
/// How long it may be, in milliseconds.
const TTL_MS: std::ops::RangeInclusive<u32> = 1_000..=600_000;
/// How many commands of a device are shown.
const COMMANDS_SHOWN: u32 = 100;

impl ControlPlane {
    /// Sends a command to one device: on record before it leaves, sent once.
    pub async fn command(
        &self,
        id: &DeviceId,
        request: CommandRequest,
        actor: &str,
    ) -> Result<CommandView, Fault> {
        let (plane, id, actor) = (self.clone(), id.clone(), actor.to_owned());
        to_the_end(async move { plane.send_command(&id, request, actor).await }).await?
    }

    async fn send_command(
        &self,
        id: &DeviceId,
        request: CommandRequest,
        actor: String,
    ) -> Result<CommandView, Fault> {
        let device = self.approved(id)?;
        let order = Order::read(&request.op, &request.args)
            .map_err(|problem| Fault::Invalid(format!("op {}: {problem}", shown(&request.op))))?;
        commands::check(&order, device.row().kind).map_err(Fault::Invalid)?;
        let ttl_ms = request.ttl_ms.unwrap_or(TTL_DEFAULT_MS);
        if !TTL_MS.contains(&ttl_ms) {
            return Err(Fault::Invalid("ttl_ms: 1,000 to 600,000".into()));
        }
        let session = session_of(&device)?;
        let command = Command {
            id: CommandId::fresh(),
            order,
            actor: actor.clone(),
            reason: request.reason,
            sent_at: self.0.clock.now(),
            ttl_ms,
        };
        let row = command.row(id.clone());
        let audit = AuditLine {
            at: row.sent_at,
            actor,
            action: "device.command".into(),
            target: id.to_string(),
            note: format!("{} {}: {}", row.op, row.id, row.reason),
        };
        let shared = &self.0.shared;
        shared.commands.begin(vec![row.clone()], Some(audit)).await?;
        let message = command.message(Some(session));
        shared.send(&self.down_of(id), &message, Qos::One, command.ttl()).await;
        Ok(row)
    }

    /// The commands of a device, the newest first.
    pub async fn commands(&self, id: &DeviceId) -> Result<Vec<CommandView>, Fault> {
        self.0.registry.get(id.as_str()).ok_or(Fault::NotFound("device"))?;
        let id = id.clone();
        ledger::read(&self.0.ledger, move |books| books.commands(&id, COMMANDS_SHOWN))
            .await
            .map_err(fault)
    }

    /// The commands of the fleet that are asked for, the newest first.
    pub async fn fleet_commands(&self, query: CommandQuery) -> Result<Vec<CommandView>, Fault> {
        ledger::read(&self.0.ledger, move |books| books.fleet_commands(&query)).await.map_err(fault)
    }

    /// What happened at a device, from the books, the newest first; at most `limit`.
    pub async fn device_events(
        &self,
        id: &DeviceId,
        limit: u32,
    ) -> Result<Vec<DeviceEvent>, Fault> {
        self.0.registry.get(id.as_str()).ok_or(Fault::NotFound("device"))?;
        let id = id.clone();
        ledger::read(&self.0.ledger, move |books| books.device_events(&id, limit))
            .await
            .map_err(fault)
    }

    /// The configuration that a device should have.
    pub fn config(&self, id: &DeviceId) -> Result<Option<ConfigView>, Fault> {
        self.0.registry.get(id.as_str()).ok_or(Fault::NotFound("device"))?;
        Ok(self.0.shared.configs.of(id))
    }

    /// Sets the configuration that a device should have: sent at once where it is connected, else at
    /// its next hello.
    pub async fn set_config(
        &self,
        id: &DeviceId,
        config: Map<String, Value>,
        seen: Option<u64>,
        reason: &str,
        actor: &str,
    ) -> Result<ConfigView, Fault> {
        let (plane, id) = (self.clone(), id.clone());
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        to_the_end(async move {
            let device = plane.0.registry.get(id.as_str()).ok_or(Fault::NotFound("device"))?;
            let shared = &plane.0.shared;
            let set = shared.configs.set(&id, config, seen, &reason, &actor).await?;
            if let Ok(session) = session_of(&device) {
                shared.send_config(&plane.down_of(&id), &id, &session, None).await;
            }
            Ok(set)
        })
        .await?
    }

    /// Whether every lane stands open.
    pub fn emergency(&self) -> EmergencyView {
        self.0.shared.emergency.view()
    }

    /// Opens every lane of the site, or ends that: on record, told to every device at once, and to
    /// each that comes later. Said again it is told again.
    pub async fn set_emergency(
        &self,
        on: bool,
        reason: &str,
        actor: &str,
    ) -> Result<EmergencyView, Fault> {
        let (plane, reason, actor) = (self.clone(), reason.to_owned(), actor.to_owned());
        to_the_end(async move { plane.tell_emergency(on, reason, actor).await }).await?
    }

    async fn tell_emergency(
        &self,
        on: bool,
        reason: String,
        actor: String,
    ) -> Result<EmergencyView, Fault> {
        let shared = &self.0.shared;
        let _one_at_a_time = shared.emergency.turn.lock().await;
        let now = self.0.clock.now();
        let state = EmergencyView { on, since: Some(now), actor: actor.clone(), reason };
        let audit = AuditLine {
            at: now,
            actor: actor.clone(),
            action: if on { "emergency.on" } else { "emergency.off" }.into(),
            target: self.0.park.now().site().id.to_string(),
            note: state.reason.clone(),
        };
        // People first: the lanes are told while the books are written.
        let record = Record::Emergency { state: state.clone(), audit };
        shared.emergency.set(state.clone());
        let site = self.0.park.now().site().id.clone();
        let command = shared.emergency_command(on, &actor, &state.reason);
        let rows = self.0.registry.ids().into_iter().filter_map(|id| {
            let device = self.0.registry.get(id.as_str())?;
            let told = device.row().kind == DeviceKind::Turnstile && session_of(&device).is_ok();
            told.then(|| command.row(id))
        });
        // A lane on this machine answers within a fraction of a millisecond: it is expected first.
        let begun = shared.commands.enter(rows.collect(), None);
        let begun = async move { begun?.await };
        let all: Arc<str> = Arc::from(topic::all_down(&site));
        let message = command.message(None);
        let (sent, begun, kept) = tokio::join!(
            shared.send(&all, &message, Qos::One, command.ttl()),
            begun,
            commit(&*self.0.ledger, record)
        );
        let () = sent;
        let cause = Cause { code: "emergency".into(), device: None, lane: None, area: None };
        shared.alerts.set(&cause, on);
        begun?;
        kept.map_err(fault)?;
        Ok(state)
    }

    fn approved(&self, id: &DeviceId) -> Result<Arc<Device>, Fault> {
        let device = self.0.registry.get(id.as_str()).ok_or(Fault::NotFound("device"))?;
        if device.standing() != DeviceStanding::Approved {
            return Err(Fault::Conflict(format!("{id} is not approved: it takes no commands")));
        }
        Ok(device)
    }

    pub(super) fn down_of(&self, id: &DeviceId) -> Arc<str> {
        Arc::from(topic::down(&self.0.park.now().site().id, id))
    }
}

/// The session to which a command may go.
fn session_of(device: &Device) -> Result<Session, Fault> {
    let live = device.live();
    match &live.session {
        Some(session) if live.online => Ok(session.clone()),
        _ => Err(Fault::Conflict("the device is not connected: nothing was sent".into())),
    }
}

fn shown(op: &str) -> String {
    op.chars().take(32).collect()
}
