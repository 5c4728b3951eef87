//! What a device is told after its hello, so that it stands where it should: its configuration, and
//! whether every lane is open. Each is for this session only.

use std::{sync::Arc, time::Duration};

use shanmen_protocols::{
    device::{DeviceSettings, Down, OfflineMode, Order},
    ids::{CommandId, DeviceId, DeviceKind, Session},
};

use super::Shared;
use crate::{
    api::{CommandState, CommandView, DeviceStanding},
    commands, configs,
    link::Qos,
};

/// How long a configuration waits for a device that is connected.
const CONFIG_TTL: Duration = Duration::from_mins(1);
/// How long after an emergency devices that come back are told of its end, in milliseconds.
const EMERGENCY_TOLD_MS: i64 = 24 * 3_600_000;
/// How long the emergency's command is good for, in milliseconds.
pub(crate) const EMERGENCY_TTL_MS: u32 = 60_000;

impl Shared {
    /// Tells an accepted device what it has missed.
    pub(super) async fn bring_up_to_date(
        &self,
        down: &Arc<str>,
        device: &DeviceId,
        session: &Session,
        has_config: Option<u64>,
    ) {
        self.tell_emergency(down, device, session).await;
        self.send_config(down, device, session, has_config).await;
        if self.decides_by_lists(device)
            && let Some(answers) = self.answers.get()
        {
            for list in answers.lists().await {
                self.send(down, &Down::List(list), Qos::One, CONFIG_TTL).await;
            }
        }
    }

    /// Tells a turnstile of the emergency, also of its end, of which it may not know. What changes
    /// while it is told is told again: the last word is the one in force.
    async fn tell_emergency(&self, down: &Arc<str>, device: &DeviceId, session: &Session) {
        let known = self.registry.get(device.as_str());
        if known.is_none_or(|one| one.row().kind != DeviceKind::Turnstile) {
            return;
        }
        loop {
            let state = self.emergency.view();
            let lately = |since| self.clock.now().since_ms(since) < EMERGENCY_TOLD_MS;
            if !state.on && !state.since.is_some_and(lately) {
                return;
            }
            let (row, order) = self.emergency_row(device, state.on, "shanmen", "it was away");
            if self.commands.begin(vec![row.clone()], None).await.is_err() {
                return;
            }
            let command = commands::message(&row, &order, Some(session.clone()));
            let ttl = Duration::from_millis(EMERGENCY_TTL_MS.into());
            self.send(down, &Down::Command(command), Qos::One, ttl).await;
            if self.emergency.view() == state {
                return;
            }
        }
    }

    /// Whether a device is told of the lists: it says that it holds some, or it is configured to
    /// decide by them.
    pub(crate) fn decides_by_lists(&self, device: &DeviceId) -> bool {
        let Some(known) = self.registry.get(device.as_str()) else { return false };
        let configured = self.configs.of(device).is_some_and(|config| {
            DeviceSettings::read(&config.config)
                .is_ok_and(|settings| settings.offline.policy != OfflineMode::Deny)
        });
        known.standing() == DeviceStanding::Approved && (known.live().wants_lists || configured)
    }

    /// Sends a device its configuration, unless it has that version already.
    pub(crate) async fn send_config(
        &self,
        down: &Arc<str>,
        device: &DeviceId,
        session: &Session,
        has: Option<u64>,
    ) {
        let Some(config) = self.configs.of(device) else { return };
        if has == Some(config.version) {
            return;
        }
        let message = Down::Config(configs::message(&config, session.clone()));
        self.send(down, &message, Qos::One, CONFIG_TTL).await;
    }

    /// The command that opens a lane in an emergency, or ends that.
    pub(crate) fn emergency_row(
        &self,
        device: &DeviceId,
        on: bool,
        actor: &str,
        reason: &str,
    ) -> (CommandView, Order) {
        let order = Order::Emergency { on };
        let row = CommandView {
            id: CommandId::fresh(),
            device: device.clone(),
            op: order.op().to_owned(),
            args: commands::args_on_record(&order),
            actor: actor.to_owned(),
            reason: reason.to_owned(),
            sent_at: self.clock.now(),
            ttl_ms: EMERGENCY_TTL_MS,
            state: CommandState::Sent,
            answered_at: None,
            why: None,
            result: None,
        };
        (row, order)
    }
}
