//! What people order a lane to do: mode, opening by hand, clear, a message, emergency.
//!
//! An order that cannot be followed now is refused with its reason, never queued. Part of the
//! lane's state machine.

use shanmen_protocols::{
    device::{Body, LaneMode, PassageBy, Show},
    ids::{Direction, GrantId},
    reason::{Light, Reason},
};

use super::{Effect, HOLD_MAX_MS, Lane, Now, Opening, State, own_words};

impl Lane {
    /// Whether everybody may pass: in an emergency, or in mode `free`.
    pub(super) fn stands_open(&self) -> bool {
        self.emergency.is_on() || self.mode == LaneMode::Free
    }

    /// The barrier and the display as the mode says.
    pub(super) fn stand(&mut self, _now: Now, out: &mut Vec<Effect>) {
        out.push(if self.stands_open() { Effect::Release } else { Effect::Close });
        let lang = self.settings.lang;
        if self.emergency.is_on() {
            out.push(Effect::Show(own_words(Reason::Emergency, lang)));
        } else if matches!(self.mode, LaneMode::Locked | LaneMode::Maintenance) {
            out.push(Effect::Show(own_words(Reason::LaneClosed, lang)));
        } else {
            out.push(Effect::Rest);
        }
        self.state = State::Idle { rest_at_ms: None };
    }

    /// Changes the mode; what is under way ends first.
    pub fn set_mode(&mut self, now: Now, mode: LaneMode, out: &mut Vec<Effect>) {
        if self.mode == mode {
            return;
        }
        self.end(now, Reason::LaneClosed, out);
        self.mode = mode;
        out.push(Effect::Record(Body::Mode { mode: mode.as_str().into() }));
        out.push(Effect::Keep);
        self.stand(now, out);
    }

    /// Opens by hand: it ends in one passage, like a grant.
    ///
    /// # Errors
    /// Why not now.
    pub fn open(
        &mut self,
        now: Now,
        grant: Option<GrantId>,
        (direction, persons, hold_ms): (Direction, u32, u32),
        out: &mut Vec<Effect>,
    ) -> Result<(), &'static str> {
        if self.stands_open() {
            return Err("the lane stands open");
        }
        if self.mode == LaneMode::Maintenance {
            return Err("the lane is under maintenance");
        }
        if matches!(self.state, State::Open(_)) {
            return Err("the lane is open for somebody else: try again");
        }
        self.end(now, Reason::Busy, out);
        out.push(Effect::Show(own_words(Reason::Ok, self.settings.lang)));
        let opening = Opening {
            scan: None,
            grant,
            direction,
            persons: persons.max(1),
            passed: 0,
            hold_ms: hold_ms.min(HOLD_MAX_MS).into(),
            by: PassageBy::Manual,
            credential: None,
            opened_at: now.at,
            close_at_ms: 0,
        };
        self.open_for(now, opening, out);
        Ok(())
    }

    /// Ends what is shown and held, and the alarms of a moment.
    pub fn clear(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.end(now, Reason::Busy, out);
        self.alarms.clear(out);
        self.stand(now, out);
    }

    /// Shows a line.
    ///
    /// # Errors
    /// Somebody is being served: their line stays.
    pub fn message(
        &mut self,
        now: Now,
        text: String,
        seconds: u32,
        out: &mut Vec<Effect>,
    ) -> Result<(), &'static str> {
        let State::Idle { rest_at_ms } = &mut self.state else {
            return Err("somebody is being served: try again");
        };
        *rest_at_ms = Some(now.up_ms + u64::from(seconds) * 1_000);
        let (voice, lang) = (text.clone().into(), self.settings.lang);
        out.push(Effect::Show(Show {
            title: text.into(),
            text: "".into(),
            voice,
            light: Light::Yellow,
            lang,
        }));
        Ok(())
    }

    /// The control plane's word on an emergency.
    ///
    /// # Errors
    /// The fire input is on: it stands above every order.
    pub fn order_emergency(
        &mut self,
        now: Now,
        on: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), &'static str> {
        let before = self.emergency;
        self.emergency.by_order = on;
        self.emergency_changed(now, before.is_on(), out);
        if before.by_order != on {
            out.push(Effect::Keep);
        }
        if !on && self.emergency.by_fire {
            return Err("the fire input is on: the lane stays open");
        }
        Ok(())
    }

    /// The hardware's fire input.
    pub(super) fn fire(&mut self, now: Now, on: bool, out: &mut Vec<Effect>) {
        let before = self.emergency;
        self.emergency.by_fire = on;
        if before.by_fire == on {
            return;
        }
        self.alarms.last("fire", on, out);
        self.emergency_changed(now, before.is_on(), out);
        out.push(Effect::Keep);
    }

    fn emergency_changed(&mut self, now: Now, was_on: bool, out: &mut Vec<Effect>) {
        if was_on != self.emergency.is_on() {
            self.end(now, Reason::Emergency, out);
            self.stand(now, out);
        }
    }
}
