//! The turnstile's state machine: `IDLE → WAITING(ttl) → OPEN(hold) → passage → IDLE`.
//!
//! Pure: an event and the time go in, effects come out; it moves nothing itself. It owns the
//! lane's state and its cumulative counters. It refuses every decision that is retained, late,
//! repeated or for another presentation: `no_stale_open`. Each grant ends in exactly one
//! `passage` fact: taken, partial or not taken. A presentation that ran into its time to live ends
//! in a `denied` fact, which is also what settles a grant that came too late. The turnstile's task
//! calls it.

mod passages;
mod vocabulary;

use shanmen_protocols::{
    device::{Body, Decision, DecisionResult, Outcome, PassageBy, Sensor, Show},
    ids::{Direction, GrantId, ScanId},
    reason::{Lang, Reason},
    time::UnixMs,
};

pub use self::vocabulary::{
    Answer, Effect, Ended, Event, Ignored, LaneSettings, Now, OfflinePolicy,
};
use crate::hardware::Signal;

/// The longest hold that a decision may ask for, per person, in milliseconds.
pub const HOLD_MAX_MS: u32 = 120_000;

/// How many `wait` answers one presentation may get; each gives it one more time to live.
pub const WAITS_MAX: u8 = 20;

/// A passage without a grant this soon after another one in the same direction is tailgating.
pub const TAILGATE_WINDOW_MS: u64 = 1_500;

/// How long a refusal stays on the display, in milliseconds.
pub const REFUSAL_SHOWN_MS: u64 = 4_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle {
        rest_at_ms: Option<u64>,
    },
    Waiting {
        scan: ScanId,
        direction: Direction,
        resend_at_ms: Option<u64>,
        until_ms: u64,
        waits: u8,
    },
    Open(Opening),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Opening {
    scan: ScanId,
    grant: Option<GrantId>,
    direction: Direction,
    persons: u32,
    passed: u32,
    hold_ms: u64,
    close_at_ms: u64,
    opened_at: Option<UnixMs>,
}

/// One lane.
#[derive(Clone, Debug)]
pub struct Lane {
    settings: LaneSettings,
    state: State,
    counters: Sensor,
    /// The last passage on a grant: what follows closely behind is tailgating.
    last_passage: Option<(u64, Direction)>,
}

impl Lane {
    /// An idle lane with `counters` as its storage has them.
    pub fn new(settings: LaneSettings, counters: Sensor) -> Self {
        Self { settings, state: State::Idle { rest_at_ms: None }, counters, last_passage: None }
    }

    /// Other settings are in force, from the next presentation on.
    pub fn set(&mut self, settings: LaneSettings) {
        self.settings = settings;
    }

    /// The lane's cumulative counters.
    pub fn counters(&self) -> Sensor {
        self.counters
    }

    /// Whether a presentation would be taken up.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    /// When a [`Event::Tick`] is due, in milliseconds since boot.
    pub fn wake_at_ms(&self) -> Option<u64> {
        match self.state {
            State::Idle { rest_at_ms } => rest_at_ms,
            State::Waiting { resend_at_ms, until_ms, .. } => {
                Some(resend_at_ms.map_or(until_ms, |at| at.min(until_ms)))
            }
            State::Open(opening) => Some(opening.close_at_ms),
        }
    }

    /// Takes an event and adds what has to be done to `out`.
    pub fn on(&mut self, now: Now, event: Event, out: &mut Vec<Effect>) {
        match (self.state, event) {
            (State::Idle { .. }, Event::Presented { scan, direction, online }) => {
                self.present(now, scan, direction, online, out);
            }
            (State::Waiting { .. } | State::Open(_), Event::Presented { scan, .. }) => {
                out.push(Effect::NotFree(scan));
            }

            (_, Event::Decided { retained: true, .. }) => {
                out.push(Effect::Ignored(Ignored::Retained));
            }
            (State::Waiting { scan, .. }, Event::Decided { decision, .. })
                if scan == decision.id =>
            {
                self.decide(now, *decision, out);
            }
            (
                State::Idle { .. } | State::Waiting { .. } | State::Open(_),
                Event::Decided { .. },
            ) => {
                out.push(Effect::Ignored(Ignored::Unasked));
            }

            (State::Open(opening), Event::Sensed(Signal::Passed(direction)))
                if direction == opening.direction =>
            {
                self.pass(now, opening, out);
            }
            (
                State::Idle { .. } | State::Waiting { .. } | State::Open(_),
                Event::Sensed(Signal::Passed(direction)),
            ) => self.intrude(now, direction, out),
            (
                State::Idle { .. } | State::Waiting { .. } | State::Open(_),
                Event::Sensed(Signal::TurnedBack(direction)),
            ) => out.push(Effect::Record(self.ungranted(direction, Outcome::Reversed, 0))),

            (State::Idle { rest_at_ms }, Event::Tick) => {
                if rest_at_ms.is_some_and(|at| at <= now.up_ms) {
                    self.state = State::Idle { rest_at_ms: None };
                    out.push(Effect::Rest);
                }
            }
            (State::Waiting { .. }, Event::Tick) => self.wait_on(now, out),
            (State::Open(opening), Event::Tick) => {
                if opening.close_at_ms <= now.up_ms {
                    self.close(opening, out);
                }
            }

            (State::Idle { .. }, Event::Stopping) => {}
            (State::Waiting { scan, .. }, Event::Stopping) => self.decide_alone(now, scan, out),
            (State::Open(opening), Event::Stopping) => self.close(opening, out),
        }
    }

    fn present(
        &mut self,
        now: Now,
        scan: ScanId,
        direction: Direction,
        online: bool,
        out: &mut Vec<Effect>,
    ) {
        if !online {
            self.decide_alone(now, scan, out);
            return;
        }
        let ttl_ms = u64::from(self.settings.ttl_ms.max(1));
        self.state = State::Waiting {
            scan,
            direction,
            resend_at_ms: Some(now.up_ms + ttl_ms / 3),
            until_ms: now.up_ms + ttl_ms,
            waits: 0,
        };
        out.push(Effect::Send { scan, attempt: 1 });
    }

    fn wait_on(&mut self, now: Now, out: &mut Vec<Effect>) {
        let State::Waiting { scan, resend_at_ms, until_ms, .. } = &mut self.state else { return };
        let scan = *scan;
        if *until_ms <= now.up_ms {
            self.decide_alone(now, scan, out);
        } else if resend_at_ms.is_some_and(|at| at <= now.up_ms) {
            *resend_at_ms = None;
            out.push(Effect::Send { scan, attempt: 2 });
        }
    }

    fn decide(&mut self, now: Now, decision: Decision, out: &mut Vec<Effect>) {
        let State::Waiting { direction, until_ms, resend_at_ms, waits, .. } = &mut self.state
        else {
            return;
        };
        let direction = *direction;
        if *until_ms <= now.up_ms {
            // The time to live is over, only its tick has not come yet: too late is too late.
            self.decide_alone(now, decision.id, out);
            out.push(Effect::Ignored(Ignored::Unasked));
            return;
        }
        if decision.result == DecisionResult::Wait {
            if *waits >= WAITS_MAX {
                out.push(Effect::Ignored(Ignored::TooManyWaits));
                return;
            }
            *waits += 1;
            *resend_at_ms = None;
            *until_ms = now.up_ms + u64::from(self.settings.ttl_ms.max(1));
            out.push(Effect::Show(decision.show));
            return;
        }
        let granted = decision.result == DecisionResult::Grant;
        let persons = if granted { decision.persons.max(1) } else { 0 };
        out.push(Effect::Answered(Answer {
            scan: decision.id,
            result: decision.result,
            reason: decision.reason,
            grant: decision.grant,
            persons,
            needs: decision.needs,
            by: PassageBy::Server,
        }));
        out.push(Effect::Show(decision.show));
        if granted {
            let hold_ms = u64::from(decision.hold_ms.min(HOLD_MAX_MS));
            self.state = State::Open(Opening {
                scan: decision.id,
                grant: decision.grant,
                direction,
                persons,
                passed: 0,
                hold_ms,
                close_at_ms: now.up_ms + hold_ms,
                opened_at: now.at,
            });
            out.push(Effect::Open(direction));
        } else {
            self.refused(now, out);
        }
    }

    /// The control plane is out of reach, or too slow.
    fn decide_alone(&mut self, now: Now, scan: ScanId, out: &mut Vec<Effect>) {
        let (result, reason, by) = match self.settings.offline {
            OfflinePolicy::Deny => (DecisionResult::Deny, Reason::Busy, PassageBy::Own),
        };
        let (grant, persons, needs) = (None, 0, Vec::new());
        let answer = Answer { scan, result, reason, grant, persons, needs, by };
        out.push(Effect::Answered(answer));
        out.push(Effect::Show(own_words(reason, self.settings.lang)));
        // The fact settles whatever the control plane may have reserved meanwhile.
        out.push(Effect::Record(Body::Denied { scan: Some(scan), reason, by }));
        self.refused(now, out);
    }

    fn refused(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.state = State::Idle { rest_at_ms: Some(now.up_ms + REFUSAL_SHOWN_MS) };
        out.push(Effect::Ended(Ended { outcome: None, passed: 0 }));
    }
}

/// The lines that the lane shows on its own word.
fn own_words(reason: Reason, lang: Lang) -> Show {
    let row = reason.row();
    Show {
        title: row.display.in_lang(lang).into(),
        text: "".into(),
        voice: row.voice.in_lang(lang).into(),
        light: row.light,
        lang,
    }
}

#[cfg(test)]
mod tests;
