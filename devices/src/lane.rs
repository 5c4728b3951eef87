//! The turnstile's state machine: `IDLE → WAITING(ttl) → OPEN(hold) → passage → IDLE`.
//!
//! Pure: an event and the time go in, effects come out; it moves nothing itself. It owns the
//! lane's state, mode, alarms and cumulative counters. It refuses every decision that is retained,
//! late, repeated or for another presentation: `no_stale_open`. Each opening ends in exactly one
//! `passage` fact: taken, partial or not taken. A presentation that ran into its time to live ends
//! in a `denied` fact, or in a passage that the device decided; both settle a grant that came too
//! late. The turnstile calls it.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `passages.rs` | who goes through: on a grant, without one, in an emergency |
//! | `orders.rs` | mode, manual opening, clear, message, emergency |
//! | `beams.rs` | what two light barriers tell of people |
//! | `alarms.rs` | which alarms are raised, and when they are over |
//! | `vocabulary.rs` | the words |

mod alarms;
mod beams;
mod orders;
mod passages;
mod vocabulary;

use shanmen_protocols::{
    device::{Body, Decision, DecisionResult, HOLD_DEFAULT_MS, LaneMode, PassageBy, Sensor, Show},
    ids::{Direction, ScanId},
    reason::{Lang, Reason},
};

pub use self::vocabulary::{
    Answer, Effect, Emergency, Ended, Event, Ignored, KeptLane, LaneSettings, Now, Opening,
    OwnVerdict,
};
use self::{alarms::Alarms, beams::Beams};

/// The longest hold that a decision may ask for, per person, in milliseconds.
pub const HOLD_MAX_MS: u32 = 120_000;

/// How many `wait` answers one presentation may get; each gives it one more time to live.
pub const WAITS_MAX: u8 = 20;

/// How long a refusal stays on the display, in milliseconds.
pub const REFUSAL_SHOWN_MS: u64 = 4_000;

/// After so many decisions in a row that did not come in time the lane is offline: it decides for
/// itself. It still asks each time, and one answer brings it back.
pub const TIMEOUTS_OFFLINE: u8 = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The device is asked to decide: it answers before anything else happens.
    Judging {
        scan: ScanId,
        direction: Direction,
    },
    Open(Opening),
}

/// One lane.
#[derive(Clone, Debug)]
pub struct Lane {
    settings: LaneSettings,
    state: State,
    mode: LaneMode,
    emergency: Emergency,
    counters: Sensor,
    /// The last passage on a grant: what follows closely behind is tailgating.
    last_passage: Option<(u64, Direction)>,
    /// Decisions in a row that did not come in time.
    timeouts: u8,
    beams: Beams,
    alarms: Alarms,
}

impl Lane {
    /// An idle lane, with what its storage kept; call [`Lane::start`] before anything else.
    pub fn new(settings: LaneSettings, kept: KeptLane) -> Self {
        let state = kept.opening.map_or(State::Idle { rest_at_ms: None }, State::Open);
        Self {
            settings,
            state,
            mode: kept.mode,
            emergency: kept.emergency,
            counters: kept.counters,
            last_passage: None,
            timeouts: 0,
            beams: Beams::default(),
            alarms: Alarms::default(),
        }
    }

    /// The lane begins to work: an opening that a kill or a power cut interrupted gets its one
    /// outcome, and the barrier stands as the mode says.
    pub fn start(&mut self, now: Now, out: &mut Vec<Effect>) {
        if let State::Open(opening) = self.state.clone() {
            self.close(opening, out);
        }
        self.stand(now, out);
    }

    /// Other settings are in force, from the next presentation on.
    pub fn set(&mut self, settings: LaneSettings) {
        self.settings = settings;
    }

    /// What has to be kept over a restart.
    pub fn kept(&self) -> KeptLane {
        let opening = match &self.state {
            State::Open(opening) => Some(opening.clone()),
            State::Idle { .. } | State::Waiting { .. } | State::Judging { .. } => None,
        };
        let (counters, mode, emergency) = (self.counters, self.mode, self.emergency);
        KeptLane { counters, mode, emergency, opening }
    }

    /// The lane's cumulative counters.
    pub fn counters(&self) -> Sensor {
        self.counters
    }

    /// Its mode.
    pub fn mode(&self) -> LaneMode {
        self.mode
    }

    /// Whether a presentation would be taken up.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    /// When a [`Event::Tick`] is due, in milliseconds since boot.
    pub fn wake_at_ms(&self) -> Option<u64> {
        let state = match &self.state {
            State::Idle { rest_at_ms } => *rest_at_ms,
            State::Waiting { resend_at_ms, until_ms, .. } => {
                Some(resend_at_ms.map_or(*until_ms, |at| at.min(*until_ms)))
            }
            State::Judging { .. } => None,
            State::Open(opening) => Some(opening.close_at_ms),
        };
        let beams = self.beams.wake_at_ms(self.settings.loiter_ms);
        [state, beams, self.alarms.wake_at_ms()].into_iter().flatten().min()
    }

    /// Takes an event and adds what has to be done to `out`.
    pub fn on(&mut self, now: Now, event: Event, out: &mut Vec<Effect>) {
        match (self.state.clone(), event) {
            (State::Idle { .. }, Event::Presented { scan, direction, online }) => {
                self.present(now, scan, direction, online, out);
            }
            (
                State::Waiting { .. } | State::Judging { .. } | State::Open(_),
                Event::Presented { scan, .. },
            ) => out.push(Effect::NotFree(scan)),

            (_, Event::Decided { retained: true, .. }) => {
                out.push(Effect::Ignored(Ignored::Retained));
            }
            (State::Waiting { scan, .. }, Event::Decided { decision, .. })
                if scan == decision.id =>
            {
                self.decide(now, *decision, out);
            }
            (
                State::Idle { .. } | State::Waiting { .. } | State::Judging { .. } | State::Open(_),
                Event::Decided { .. },
            ) => out.push(Effect::Ignored(Ignored::Unasked)),

            (State::Judging { scan, direction }, Event::Judged(verdict)) => {
                self.judged(now, scan, direction, verdict, out);
            }
            (State::Idle { .. } | State::Waiting { .. } | State::Open(_), Event::Judged(_)) => {}

            (_, Event::Sensed(signal)) => self.sensed(now, signal, out),

            (State::Idle { rest_at_ms }, Event::Tick) => {
                if rest_at_ms.is_some_and(|at| at <= now.up_ms) {
                    self.state = State::Idle { rest_at_ms: None };
                    out.push(Effect::Rest);
                }
                self.watch(now, out);
            }
            (State::Waiting { .. }, Event::Tick) => {
                self.wait_on(now, out);
                self.watch(now, out);
            }
            (State::Judging { .. }, Event::Tick) => self.watch(now, out),
            (State::Open(opening), Event::Tick) => {
                if opening.close_at_ms <= now.up_ms {
                    self.close(opening, out);
                }
                self.watch(now, out);
            }

            (_, Event::Stopping) => self.end(now, Reason::Busy, out),
        }
    }

    /// What the beams and alarms have to say as time passes.
    fn watch(&mut self, now: Now, out: &mut Vec<Effect>) {
        for seen in self.beams.tick(now.up_ms, self.settings.loiter_ms) {
            self.seen(now, seen, out);
        }
        self.alarms.tick(now.up_ms, out);
    }

    /// Ends what is under way: a presentation is refused, an opening gets its outcome.
    fn end(&mut self, now: Now, reason: Reason, out: &mut Vec<Effect>) {
        match self.state.clone() {
            State::Idle { .. } => {}
            State::Waiting { scan, .. } | State::Judging { scan, .. } => {
                self.refuse(now, scan, OwnVerdict::deny(reason, PassageBy::Own), out);
            }
            State::Open(opening) => self.close(opening, out),
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
        if self.stands_open() {
            // Nobody has to show anything, and nothing is used up by it.
            let open = if self.emergency.is_on() { Reason::Emergency } else { Reason::Ok };
            out.push(Effect::Show(own_words(open, self.settings.lang)));
            out.push(Effect::NotFree(scan));
            return;
        }
        if self.mode != LaneMode::Normal {
            let closed = OwnVerdict::deny(Reason::LaneClosed, PassageBy::Own);
            self.refuse(now, scan, closed, out);
            return;
        }
        if !online {
            self.judge(scan, direction, out);
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
        let State::Waiting { scan, direction, resend_at_ms, until_ms, .. } = &mut self.state else {
            return;
        };
        let (scan, direction) = (*scan, *direction);
        if *until_ms <= now.up_ms {
            self.timed_out(now, scan, direction, out);
        } else if resend_at_ms.is_some_and(|at| at <= now.up_ms) {
            *resend_at_ms = None;
            out.push(Effect::Send { scan, attempt: 2 });
        }
    }

    /// No decision in time. One may be bad luck, and the visitor tries again; two are an outage.
    fn timed_out(&mut self, now: Now, scan: ScanId, direction: Direction, out: &mut Vec<Effect>) {
        self.timeouts = self.timeouts.saturating_add(1);
        if self.timeouts < TIMEOUTS_OFFLINE {
            self.refuse(now, scan, OwnVerdict::deny(Reason::Busy, PassageBy::Own), out);
        } else {
            self.judge(scan, direction, out);
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
            self.timed_out(now, decision.id, direction, out);
            out.push(Effect::Ignored(Ignored::Unasked));
            return;
        }
        self.timeouts = 0;
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
            let opening = Opening {
                scan: Some(decision.id),
                grant: decision.grant,
                direction,
                persons,
                passed: 0,
                hold_ms: u64::from(decision.hold_ms.min(HOLD_MAX_MS)),
                by: PassageBy::Server,
                credential: None,
                opened_at: now.at,
                close_at_ms: 0,
            };
            self.open_for(now, opening, out);
        } else {
            self.refused(now, out);
        }
    }

    fn open_for(&mut self, now: Now, mut opening: Opening, out: &mut Vec<Effect>) {
        opening.close_at_ms = now.up_ms + opening.hold_ms;
        out.push(Effect::Open(opening.direction));
        self.state = State::Open(opening);
        out.push(Effect::Keep);
    }

    /// The control plane is out of reach, or too slow: the device decides.
    fn judge(&mut self, scan: ScanId, direction: Direction, out: &mut Vec<Effect>) {
        self.state = State::Judging { scan, direction };
        out.push(Effect::Judge { scan, direction });
    }

    fn judged(
        &mut self,
        now: Now,
        scan: ScanId,
        direction: Direction,
        verdict: OwnVerdict,
        out: &mut Vec<Effect>,
    ) {
        if verdict.result != DecisionResult::Grant {
            self.refuse(now, scan, verdict, out);
            return;
        }
        let persons = verdict.persons.max(1);
        out.push(Effect::Answered(Answer {
            scan,
            result: DecisionResult::Grant,
            reason: verdict.reason,
            grant: None,
            persons,
            needs: Vec::new(),
            by: verdict.by,
        }));
        out.push(Effect::Show(own_words(verdict.reason, self.settings.lang)));
        let opening = Opening {
            scan: Some(scan),
            grant: None,
            direction,
            persons,
            passed: 0,
            hold_ms: HOLD_DEFAULT_MS.into(),
            by: verdict.by,
            credential: verdict.credential,
            opened_at: now.at,
            close_at_ms: 0,
        };
        self.open_for(now, opening, out);
    }

    /// A refusal on the device's own word.
    fn refuse(&mut self, now: Now, scan: ScanId, verdict: OwnVerdict, out: &mut Vec<Effect>) {
        let OwnVerdict { result, reason, needs, by, .. } = verdict;
        let answer = Answer { scan, result, reason, grant: None, persons: 0, needs, by };
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
