//! Which commands have an effect: once, in time, of this session, and nothing that was retained.
//!
//! Pure: time is an argument. It keeps the last ids in mind, over restarts too, so that a command
//! that the broker delivers twice moves nothing twice. How old a command is can be told by the
//! control plane's own clock: `at` of the command against the `server_time` of the hello. The
//! agent calls it.

use std::collections::VecDeque;

use shanmen_protocols::{
    device::{COMMANDS_KEPT, CommandDown, Order},
    ids::{CommandId, Session},
    time::UnixMs,
};

/// What comes of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    /// It has to be obeyed; its id is in mind from now on.
    Do(Order),
    /// Too late, retained, or of another session: no effect.
    Expired(&'static str),
    /// It came before: no second effect.
    Duplicate,
    /// It is no order, or none that may come this way.
    Rejected(String),
}

/// The control plane's clock, as its last hello told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The control plane's time.
    pub server_time: UnixMs,
    /// The device's, in milliseconds since boot, at the same moment.
    pub up_ms: u64,
}

impl Anchor {
    /// The control plane's time at `up_ms` milliseconds since boot.
    pub fn server_time_at(self, up_ms: u64) -> UnixMs {
        let since = up_ms.saturating_sub(self.up_ms);
        self.server_time.plus_ms(i64::try_from(since).unwrap_or(i64::MAX))
    }
}

/// What a command is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The present session; none before the device is accepted.
    pub session: Option<&'a Session>,
    /// The control plane's time now.
    pub server_time: Option<UnixMs>,
    /// Whether it came on the topic of the whole site.
    pub to_all: bool,
    /// Whether the broker marked it as retained.
    pub retained: bool,
}

/// The ids of the last commands.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    seen: VecDeque<CommandId>,
}

impl Commands {
    /// With the ids that a storage held, oldest first.
    pub fn new(seen: Vec<CommandId>) -> Self {
        Self { seen: seen.into() }
    }

    /// The ids in mind, oldest first.
    pub fn seen(&self) -> impl Iterator<Item = &CommandId> {
        self.seen.iter()
    }

    /// Judges a command; its id is kept in mind when it is to be obeyed.
    pub fn judge(&mut self, command: &CommandDown, ground: Ground<'_>) -> Judged {
        if ground.retained {
            return Judged::Expired("retained by the broker: commands are never retained");
        }
        if self.seen.contains(&command.id) {
            return Judged::Duplicate;
        }
        let Some(present) = ground.session else {
            return Judged::Expired("the device is not accepted");
        };
        match &command.session {
            Some(session) if session != present => return Judged::Expired("of another session"),
            None if !ground.to_all => return Judged::Expired("it names no session"),
            _ => {}
        }
        if let (Some(at), Some(now)) = (command.at, ground.server_time)
            && i64::from(command.ttl_ms) <= now.since_ms(at)
        {
            return Judged::Expired("older than its time to live");
        }
        match Order::read(&command.op, &command.args) {
            Err(error) => Judged::Rejected(error.to_string()),
            Ok(order) if ground.to_all && !order.is_for_all() => {
                Judged::Rejected(format!("{} is not for every device at once", order.op()))
            }
            Ok(order) => {
                if self.seen.len() == COMMANDS_KEPT {
                    self.seen.pop_front();
                }
                self.seen.push_back(command.id);
                Judged::Do(order)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn command(op: &str) -> CommandDown {
        serde_json::from_value(json!({
            "id": CommandId::fresh(), "session": "7", "at": NOW, "op": op, "ttl_ms": 5_000,
        }))
        .unwrap()
    }

    fn judge(commands: &mut Commands, command: &CommandDown, to_all: bool) -> Judged {
        let session = Session::new("7").unwrap();
        let server_time = Some(UnixMs(NOW + 100));
        let ground = Ground { session: Some(&session), server_time, to_all, retained: false };
        commands.judge(command, ground)
    }

    #[test]
    fn a_command_has_one_effect() {
        let mut commands = Commands::default();
        let clear = command("clear");
        assert_eq!(judge(&mut commands, &clear, false), Judged::Do(Order::Clear {}));
        assert_eq!(judge(&mut commands, &clear, false), Judged::Duplicate);
        let mut reborn = Commands::new(commands.seen().copied().collect());
        assert_eq!(judge(&mut reborn, &clear, false), Judged::Duplicate, "after a restart too");
    }

    #[test]
    fn the_last_ids_are_in_mind_and_no_more() {
        let mut commands = Commands::default();
        let first = command("clear");
        judge(&mut commands, &first, false);
        for _ in 1..COMMANDS_KEPT {
            judge(&mut commands, &command("clear"), false);
        }
        assert_eq!(judge(&mut commands, &first, false), Judged::Duplicate);
        judge(&mut commands, &command("clear"), false);
        assert_eq!(commands.seen().count(), COMMANDS_KEPT);
        assert_eq!(judge(&mut commands, &first, false), Judged::Do(Order::Clear {}));
    }

    #[test]
    fn a_command_of_another_session_or_of_none_has_no_effect() {
        let mut commands = Commands::default();
        let other = CommandDown { session: Session::new("8"), ..command("clear") };
        let none = CommandDown { session: None, ..command("clear") };
        for command in [other, none] {
            assert!(matches!(judge(&mut commands, &command, false), Judged::Expired(_)));
        }
        assert_eq!(commands.seen().count(), 0);
    }

    #[test]
    fn a_late_or_retained_command_or_one_before_the_hello_has_no_effect() {
        let mut commands = Commands::default();
        let session = Session::new("7").unwrap();
        let live = Ground {
            session: Some(&session),
            server_time: Some(UnixMs(NOW + 5_000)),
            to_all: false,
            retained: false,
        };
        let clear = command("clear");
        assert!(matches!(commands.judge(&clear, live), Judged::Expired(_)), "late");
        let in_time = Ground { server_time: Some(UnixMs(NOW + 4_999)), ..live };
        for ground in [Ground { retained: true, ..in_time }, Ground { session: None, ..in_time }] {
            assert!(matches!(commands.judge(&clear, ground), Judged::Expired(_)));
        }
        assert_eq!(commands.judge(&clear, in_time), Judged::Do(Order::Clear {}));
    }

    #[test]
    fn to_all_goes_only_what_is_meant_for_all() {
        let mut commands = Commands::default();
        let on = json!({ "on": true }).as_object().cloned().unwrap();
        let emergency = CommandDown { session: None, args: on, ..command("emergency") };
        let done = judge(&mut commands, &emergency, true);
        assert_eq!(done, Judged::Do(Order::Emergency { on: true }));
        let open = CommandDown { session: None, ..command("open") };
        assert!(matches!(judge(&mut commands, &open, true), Judged::Rejected(_)));
        assert!(matches!(judge(&mut commands, &command("dance"), false), Judged::Rejected(_)));
    }

    #[test]
    fn the_control_planes_clock_goes_on_with_the_devices_own() {
        let anchor = Anchor { server_time: UnixMs(NOW), up_ms: 50 };
        assert_eq!(anchor.server_time_at(80), UnixMs(NOW + 30));
    }
}
