//! What a device is told after its hello, so that it stands where it should: its configuration, and
//! whether every lane is open. Each is for this session only.

use std::{sync::Arc, time::Duration};

use shanmen_protocols::{
    device::{Down, OfflineMode, Order},
    ids::{CommandId, DeviceId, DeviceKind, Session},
};

use super::Shared;
use crate::{api::DeviceStanding, commands::Command, configs, link::Qos};

/// How long a configuration waits for a device that is connected.
const CONFIG_TTL: Duration = Duration::from_mins(1);
/// How long after an emergency devices that come back are told of its end, in milliseconds.
const EMERGENCY_TOLD_MS: i64 = 24 * 3_600_000;
/// How long the emergency's command is good for, in milliseconds.
const EMERGENCY_TTL_MS: u32 = 60_000;

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
            let command = self.emergency_command(state.on, "shanmen", "it was away");
            if self.commands.begin(vec![command.row(device.clone())], None).await.is_err() {
                return;
            }
            let message = command.message(Some(session.clone()));
            self.send(down, &message, Qos::One, command.ttl()).await;
            if self.emergency.view() == state {
                return;
            }
        }
    }

    /// Whether a device is told of the lists: it says that it holds some, or it is configured to
    /// decide by them.
    pub(crate) fn decides_by_lists(&self, device: &DeviceId) -> bool {
        let Some(known) = self.registry.get(device.as_str()) else { return false };
        let settings = self.configs.settings(device);
        let configured = settings.is_some_and(|one| one.offline.policy != OfflineMode::Deny);
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

    /// The command that opens lanes in an emergency, or ends that.
    pub(crate) fn emergency_command(&self, on: bool, actor: &str, reason: &str) -> Command {
        Command {
            id: CommandId::fresh(),
            order: Order::Emergency { on },
            actor: actor.to_owned(),
            reason: reason.to_owned(),
            sent_at: self.clock.now(),
            ttl_ms: EMERGENCY_TTL_MS,
        }
    }
}
