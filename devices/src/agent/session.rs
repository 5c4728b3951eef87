//! The handshake of one connection: hello, its answer, and the heartbeat.
//!
//! Pure: time is an argument. It refuses an answer of another session. The agent calls it;
//! nobody else.

use shanmen_protocols::{
    device::{HelloDown, HelloStatus},
    ids::Session,
};

/// How long an unanswered hello is waited for before it is said again.
pub const HELLO_TIMEOUT_MS: u64 = 5_000;

/// The bounds of `retry_s` and `heartbeat_s` that a device accepts, in seconds.
pub const INTERVAL_S: std::ops::RangeInclusive<u32> = 1..=3_600;

/// Where the handshake stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No connection.
    Apart,
    /// Hello is said again at `hello_at_ms`: no answer yet, or `pending` or `rejected`.
    Greeting { hello_at_ms: u64 },
    /// The device may work; a sign of life is due at `beat_at_ms`.
    Accepted { beat_at_ms: u64, heartbeat_ms: u64 },
}

/// What is due now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Say hello.
    Hello,
    /// Show that the device lives.
    Heartbeat,
}

/// The handshake of the present connection.
#[derive(Clone, Debug)]
pub struct Handshake {
    session: Session,
    stage: Stage,
}

impl Handshake {
    /// No connection yet; the next one will have `session`.
    pub fn new(session: Session) -> Self {
        Self { session, stage: Stage::Apart }
    }

    /// The number of the present (or next) connection.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether the device may work.
    pub fn is_accepted(&self) -> bool {
        matches!(self.stage, Stage::Accepted { .. })
    }

    /// Signs of life come this often from now on, in seconds.
    pub fn beat_every(&mut self, seconds: u32, now_ms: u64) {
        if let Stage::Accepted { beat_at_ms, heartbeat_ms } = &mut self.stage {
            *heartbeat_ms = interval_ms(seconds);
            *beat_at_ms = now_ms + *heartbeat_ms;
        }
    }

    /// The broker took the connection: a hello is due at once.
    pub fn connected(&mut self, now_ms: u64) {
        self.stage = Stage::Greeting { hello_at_ms: now_ms };
    }

    /// The connection is gone; the next one will have `next`.
    pub fn disconnected(&mut self, next: Session) {
        *self = Self::new(next);
    }

    /// The control plane answered a hello. True when the device may work from now on.
    pub fn answered(&mut self, answer: &HelloDown, now_ms: u64) -> bool {
        if answer.session != self.session {
            return false;
        }
        match (self.stage, answer.status) {
            // Nothing was asked: an answer out of the blue opens no session.
            (Stage::Apart, _) => false,
            (Stage::Greeting { .. } | Stage::Accepted { .. }, HelloStatus::Accepted) => {
                let heartbeat_ms = interval_ms(answer.heartbeat_s);
                self.stage = Stage::Accepted { beat_at_ms: now_ms + heartbeat_ms, heartbeat_ms };
                true
            }
            (
                Stage::Greeting { .. } | Stage::Accepted { .. },
                HelloStatus::Pending | HelloStatus::Rejected,
            ) => {
                self.stage = Stage::Greeting { hello_at_ms: now_ms + interval_ms(answer.retry_s) };
                false
            }
        }
    }

    /// When [`Handshake::due`] has something, in milliseconds since boot.
    pub fn wake_at_ms(&self) -> Option<u64> {
        match self.stage {
            Stage::Apart => None,
            Stage::Greeting { hello_at_ms } => Some(hello_at_ms),
            Stage::Accepted { beat_at_ms, .. } => Some(beat_at_ms),
        }
    }

    /// What is due; the next one is arranged with it.
    pub fn due(&mut self, now_ms: u64) -> Option<Due> {
        if self.wake_at_ms().is_none_or(|at| now_ms < at) {
            return None;
        }
        match &mut self.stage {
            Stage::Apart => None,
            Stage::Greeting { hello_at_ms } => {
                *hello_at_ms = now_ms + HELLO_TIMEOUT_MS;
                Some(Due::Hello)
            }
            Stage::Accepted { beat_at_ms, heartbeat_ms } => {
                *beat_at_ms = now_ms + *heartbeat_ms;
                Some(Due::Heartbeat)
            }
        }
    }
}

fn interval_ms(seconds: u32) -> u64 {
    u64::from(seconds.clamp(*INTERVAL_S.start(), *INTERVAL_S.end())) * 1_000
}

#[cfg(test)]
mod tests {
    use shanmen_protocols::time::UnixMs;

    use super::*;

    fn session(text: &str) -> Session {
        Session::new(text).unwrap()
    }

    fn answer(of: &str, status: HelloStatus) -> HelloDown {
        HelloDown {
            session: session(of),
            status,
            reason: None,
            server_time: UnixMs(0),
            heartbeat_s: 30,
            acked: 0,
            retry_s: 10,
        }
    }

    fn connected() -> Handshake {
        let mut handshake = Handshake::new(session("1"));
        handshake.connected(0);
        assert_eq!(handshake.due(0), Some(Due::Hello));
        handshake
    }

    #[test]
    fn an_unanswered_hello_is_said_again() {
        let mut handshake = connected();
        assert_eq!(handshake.due(HELLO_TIMEOUT_MS - 1), None);
        assert_eq!(handshake.due(HELLO_TIMEOUT_MS), Some(Due::Hello));
    }

    #[test]
    fn an_answer_of_another_session_has_no_effect() {
        let mut handshake = connected();
        assert!(!handshake.answered(&answer("2", HelloStatus::Accepted), 5));
        assert!(!handshake.is_accepted());
    }

    #[test]
    fn an_answer_without_a_connection_has_no_effect() {
        let mut handshake = Handshake::new(session("1"));
        assert!(!handshake.answered(&answer("1", HelloStatus::Accepted), 5));
        assert_eq!(handshake.wake_at_ms(), None);
    }

    #[test]
    fn an_accepted_device_shows_that_it_lives() {
        let mut handshake = connected();
        assert!(handshake.answered(&answer("1", HelloStatus::Accepted), 100));
        assert!(handshake.is_accepted());
        assert_eq!(handshake.due(30_099), None);
        assert_eq!(handshake.due(30_100), Some(Due::Heartbeat));
        assert_eq!(handshake.wake_at_ms(), Some(60_100));
    }

    #[test]
    fn a_pending_device_asks_again_after_the_time_it_was_told() {
        for status in [HelloStatus::Pending, HelloStatus::Rejected] {
            let mut handshake = connected();
            assert!(!handshake.answered(&answer("1", status), 100));
            assert_eq!(handshake.due(10_099), None);
            assert_eq!(handshake.due(10_100), Some(Due::Hello));
        }
    }

    #[test]
    fn a_device_that_is_rejected_later_stops_working() {
        let mut handshake = connected();
        assert!(handshake.answered(&answer("1", HelloStatus::Accepted), 0));
        assert!(!handshake.answered(&answer("1", HelloStatus::Rejected), 5));
        assert!(!handshake.is_accepted());
    }
}
