//! One order's steps: what it hears, and what it does next.
//!
//! Pure. Each stage answers each event, and what means nothing in a stage is left without effect.
//! Part of the orders.

use shanmen_protocols::{
    device::{OrderState, ResponseStatus, What},
    ids::{JobId, OrderId},
    time::UnixMs,
};

use super::{
    AGAIN_MS, ATTEMPTS_MAX, Answer, Effect, Event, NO_PAYMENT, Order, PAYMENT_POLL_MS, Stage,
    UNHEARD_MAX, job_id,
};
use crate::{
    kiosk::payment::{Call, Said},
    printer::spool::State,
};

impl Order {
    pub(super) fn hear(
        &mut self,
        id: OrderId,
        event: Event,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        match event {
            Event::Begin(lines) => {
                self.lines = lines;
                self.to(id, Stage::Asked, effects);
            }
            Event::Redeem(credential, confirm) => {
                self.redeem = true;
                self.presented = Some((credential, confirm));
                self.to(id, Stage::Asked, effects);
            }
            // A code may be used up by now: its tickets are printed in any case.
            Event::GiveUp => self.given_up = !self.redeem,
            Event::Answer(answer) => {
                self.waits = false;
                self.answered(id, answer, now_ms, effects);
            }
            Event::Payment(said) => {
                self.waits = false;
                self.payment_said(id, said, now_ms, effects);
            }
            Event::Job(job, state, reason) => self.job(id, job, state, reason, now_ms, effects),
            Event::Settled => {
                if self.stage == Stage::Unknown {
                    self.over(id, "settled", effects);
                }
            }
        }
    }

    fn answered(&mut self, id: OrderId, answer: Answer, now_ms: u64, effects: &mut Vec<Effect>) {
        let body = match answer {
            Answer::Stands(body) => *body,
            Answer::Nothing => return self.again(now_ms + AGAIN_MS),
            Answer::Refused(status, reason) => {
                return self.refused(id, status, reason, now_ms, effects);
            }
        };
        match (self.stage, body.state) {
            (Stage::Asked, OrderState::Open) => {
                self.amount = body.amount;
                self.expires = body.expires;
                self.to(id, Stage::Open, effects);
                self.fact(id, "open", effects);
            }
            (Stage::Asked | Stage::Paid | Stage::Cancelling, OrderState::Issued) => {
                self.tickets = body.tickets;
                self.to(id, Stage::Printing, effects);
                self.fact(id, "issued", effects);
            }
            // After a restart: the tickets again.
            (Stage::Printing, OrderState::Issued | OrderState::Collected) => {
                self.tickets = body.tickets;
                if self.tickets.is_empty() {
                    self.doubt(id, "the control plane has no tickets of it", effects);
                }
            }
            (Stage::Collected, _) => self.over(id, "collected", effects),
            (Stage::Cancelling | Stage::Asked, OrderState::Cancelled) => {
                self.fact(id, "cancelled", effects);
                self.over(id, "cancelled", effects);
            }
            (Stage::Paid, OrderState::Cancelled) => {
                self.doubt(id, "paid, and the order was cancelled before", effects);
            }
            (Stage::Paid | Stage::Asked, OrderState::Collected) => {
                self.doubt(id, "collected before it was printed here", effects);
            }
            // Nothing that was asked: it is asked again.
            (
                Stage::Asked
                | Stage::Open
                | Stage::Paying
                | Stage::Paid
                | Stage::Printing
                | Stage::Cancelling
                | Stage::Unknown,
                _,
            ) => self.again(now_ms + AGAIN_MS),
        }
    }

    fn refused(
        &mut self,
        id: OrderId,
        status: ResponseStatus,
        reason: Option<String>,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        if matches!(status, ResponseStatus::Busy | ResponseStatus::Failed) {
            return self.again(now_ms + AGAIN_MS);
        }
        // The question of before the restart may still be on its way, and use the code up.
        let late = self.redeem && self.presented.is_none() && self.stage == Stage::Asked;
        if late && status == ResponseStatus::NotFound && self.unheard < UNHEARD_MAX {
            self.unheard += 1;
            return self.again(now_ms + AGAIN_MS);
        }
        self.reason = reason;
        match self.stage {
            // No money has moved, and no code is used up.
            Stage::Asked | Stage::Cancelling => {
                self.fact(id, "cancelled", effects);
                self.over(id, "cancelled", effects);
            }
            Stage::Paid => self.doubt(id, "paid, and the control plane issues nothing", effects),
            Stage::Printing => self.doubt(id, "the control plane has no tickets of it", effects),
            // The visitor has the tickets; the fact has told so.
            Stage::Collected => self.over(id, "collected", effects),
            Stage::Open | Stage::Paying | Stage::Unknown => {}
        }
    }

    fn payment_said(
        &mut self,
        id: OrderId,
        said: Result<Said, String>,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        match (self.stage, said) {
            (Stage::Open, Ok(Said::Begun(reference))) => {
                self.payment = Some(reference);
                self.to(id, Stage::Paying, effects);
            }
            (Stage::Paying, Ok(Said::Pending)) => self.again(now_ms + PAYMENT_POLL_MS),
            (Stage::Paying, Ok(Said::Paid(amount))) => {
                self.amount = amount;
                self.to(id, Stage::Paid, effects);
                self.fact(id, "paid", effects);
            }
            (Stage::Paying, Ok(Said::NotPaid)) => self.to(id, Stage::Cancelling, effects),
            (Stage::Open | Stage::Paying, _) => self.again(now_ms + AGAIN_MS),
            // Of a call before a restart of the service, or before the order went on.
            (
                Stage::Asked
                | Stage::Paid
                | Stage::Printing
                | Stage::Collected
                | Stage::Cancelling
                | Stage::Unknown,
                _,
            ) => {}
        }
    }

    fn job(
        &mut self,
        id: OrderId,
        job: JobId,
        state: State,
        reason: Option<String>,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(ticket) = self.ticket_of(id, job) else { return };
        if self.stage != Stage::Printing || !state.is_final() {
            return;
        }
        self.in_print.remove(&ticket);
        match state {
            State::Done => drop(self.ends.insert(ticket, State::Done)),
            State::Failed => {
                let attempt = self.attempts.entry(ticket).or_default();
                *attempt += 1;
                if *attempt >= ATTEMPTS_MAX {
                    self.ends.insert(ticket, State::Failed);
                } else {
                    self.again(now_ms + AGAIN_MS);
                }
                self.reason = reason;
                // The attempt is kept before it is made: its job has another id.
                self.keep(id, effects);
                self.show(id, effects);
            }
            State::Unknown | State::Waiting | State::Started => {
                self.reason = reason;
                self.ends.insert(ticket, State::Unknown);
            }
        }
        if self.ends.len() < self.tickets.len() {
            return;
        }
        if self.ends.values().all(|end| *end == State::Done) {
            self.reason = None;
            self.to(id, Stage::Collected, effects);
            self.fact(id, "collected", effects);
        } else {
            self.doubt(id, "not every ticket is known to be printed", effects);
        }
    }

    /// Does what comes next, unless an answer is awaited or it is too early.
    pub(super) fn go_on(
        &mut self,
        id: OrderId,
        now_ms: u64,
        at: Option<UnixMs>,
        effects: &mut Vec<Effect>,
    ) {
        if self.given_up && matches!(self.stage, Stage::Asked | Stage::Open) {
            // An answer that is still under way is of no use any more.
            self.waits = false;
            self.to(id, Stage::Cancelling, effects);
        }
        if self.waits || self.again_at_ms.is_some_and(|due| now_ms < due) {
            return;
        }
        let ask = match self.stage {
            Stage::Asked => Some(match (&self.presented, self.redeem) {
                (Some((credential, confirm)), _) => {
                    What::Redeem { order: id, credential: credential.clone(), confirm: *confirm }
                }
                // After a restart what was presented is gone; the order tells what came of it.
                (None, true) => What::Order { order: id, lines: Vec::new() },
                (None, false) => What::Order { order: id, lines: self.lines.clone() },
            }),
            Stage::Paid => Some(What::Pay {
                order: id,
                payment: self.payment.clone().unwrap_or_default(),
                amount: self.amount,
            }),
            Stage::Printing if self.tickets.is_empty() => {
                Some(What::Order { order: id, lines: Vec::new() })
            }
            Stage::Collected => Some(What::Collected { order: id }),
            Stage::Cancelling => Some(What::CancelOrder { order: id }),
            Stage::Open | Stage::Paying | Stage::Printing | Stage::Unknown => None,
        };
        if let Some(what) = ask {
            self.awaits();
            effects.push(Effect::Ask(id, what));
            return;
        }
        match self.stage {
            Stage::Open if self.amount == 0 => {
                self.payment = Some(NO_PAYMENT.to_owned());
                self.to(id, Stage::Paid, effects);
                self.fact(id, "paid", effects);
                self.go_on(id, now_ms, at, effects);
            }
            Stage::Open => {
                self.awaits();
                effects.push(Effect::Pay(id, Call::Begin(self.amount)));
            }
            Stage::Paying => {
                let reference = self.payment.clone().unwrap_or_default();
                let late = self.expires.zip(at).is_some_and(|(expires, at)| expires <= at);
                // Asked once more after a restart, before it is closed: it may be paid.
                let ends = (self.given_up && self.asked_after) || late;
                self.awaits();
                self.asked_after = true;
                effects.push(Effect::Pay(
                    id,
                    if ends { Call::Close(reference) } else { Call::Status(reference) },
                ));
            }
            Stage::Printing => self.print(id, effects),
            _ => {}
        }
    }

    fn print(&mut self, id: OrderId, effects: &mut Vec<Effect>) {
        self.again_at_ms = None;
        let tickets = self.tickets.clone();
        for ticket in tickets {
            if self.ends.contains_key(&ticket.ticket) || !self.in_print.insert(ticket.ticket) {
                continue;
            }
            let attempt = self.attempts.get(&ticket.ticket).copied().unwrap_or_default();
            let job = job_id(id, ticket.ticket, attempt);
            effects.push(Effect::Print(id, job, Box::new(ticket)));
        }
    }
}
