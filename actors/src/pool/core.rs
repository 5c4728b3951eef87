//! A shard's work: facts gathered, rules asked, use and place reserved, the ledger told. A plain
//! component; the actor around it is in `mod.rs`.
//!
//! Every step works on a copy of the ticket's state and puts it back only after the ledger's
//! queue has taken the row: a refused row or a panic leaves nothing half done.

use std::sync::Arc;

use shanmen_protocols::{
    device::{HOLD_DEFAULT_MS, Outcome, PassageBy},
    ids::{DeviceId, Direction, GrantId, ScanId, TicketId},
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{
    Admission, Facts, LaneIx, OpenGrant, Park, Presentation, SinceThen, TicketState, Verdict,
    decide,
};
use tokio::sync::oneshot;

use super::{HotState, word::word};
use crate::{
    api::{AuditLine, Fault},
    flow::Occupancy,
    ledger::{
        After, Answer, Asker, ClosedGrant, Committed, ConflictRow, Decided, Entry, EventRow,
        GrantRow, Journaled, LedgerFault, PassageRow, ScanRow, Settled,
    },
    live_park::LivePark,
};

/// A presentation, ready for the rules.
pub(crate) struct Ask {
    pub(crate) scan: ScanId,
    pub(crate) device: DeviceId,
    pub(crate) presentation: Presentation,
    /// The ticket, where the credential leads to one.
    pub(crate) ticket: Option<TicketId>,
    /// What is wrong with the credential itself: `unreadable` or `forged`.
    pub(crate) code_fault: Option<Reason>,
    pub(crate) answer: Box<dyn Asker>,
}

/// The end of a grant, or a passage without one.
pub(crate) struct Settle {
    pub(crate) by_grant: ByGrant,
    pub(crate) at: UnixMs,
    /// When it was reported.
    pub(crate) now: UnixMs,
    pub(crate) time_known: bool,
    pub(crate) outcome: Outcome,
    /// Persons that passed; none for `taken`: all of them.
    pub(crate) count: Option<u32>,
    pub(crate) by: PassageBy,
    pub(crate) device: DeviceId,
    pub(crate) event: Option<EventRow>,
    pub(crate) audit: Option<AuditLine>,
    pub(crate) done: oneshot::Sender<Result<Passed, Fault>>,
}

/// What a passage belongs to.
pub(crate) enum ByGrant {
    /// A grant that was open when it was looked up.
    Open(Box<GrantRow>),
    /// A grant that had an outcome already: this is a second one, and goes on record as it is.
    Closed(Box<GrantRow>),
    /// A passage that is taken back: its people never went in.
    TakenBack(Box<ClosedGrant>),
    /// A passage of a ticket decided elsewhere (offline), or of nobody known (a free exit, a
    /// forced entry).
    None { ticket: Option<TicketId>, lane: LaneIx, direction: Direction },
}

/// A passage that the ledger's queue has taken.
pub(crate) struct Passed {
    pub(crate) passage: PassageRow,
    /// It contradicts another one: on record, and a person looks.
    pub(crate) conflict: bool,
    pub(crate) committed: oneshot::Receiver<Result<Committed, LedgerFault>>,
}

/// A shard without its actor.
pub(crate) struct ShardCore {
    pub(crate) park: LivePark,
    pub(crate) hot: Arc<HotState>,
    pub(crate) occupancy: Arc<Occupancy>,
    pub(crate) append: Append,
    /// `relaxed`: the lane's answer does not wait for the commit.
    pub(crate) relaxed: bool,
}

/// The way into the ledger's queue.
pub(crate) type Append = Arc<dyn Fn(Entry) -> Result<(), Box<Entry>> + Send + Sync>;

impl ShardCore {
    /// Decides a presentation; the answer arrives after its commit.
    pub(crate) fn ask(&self, ask: Ask) {
        let park = &*self.park.now();
        let state = ask.ticket.and_then(|id| self.hot.ticket(id));
        let mut verdict = self.verdict(park, &ask, state.as_ref());
        let mut reserved = None;
        let at = ask.presentation.at;
        if let Verdict::Grant(admission) = verdict {
            if admission.is_exit() {
                // People must be able to leave, however full it is where they go.
                self.occupancy.reserve_anyway(park, &admission, at);
                reserved = Some(admission);
            } else if let Some(overridden) = self.occupancy.reserve(park, &admission, at) {
                // Also where the last place went to another lane since the rules looked.
                let overridden = admission.overridden || overridden;
                let admission = Admission { overridden, ..admission };
                verdict = Verdict::Grant(admission);
                reserved = Some(admission);
            } else {
                // Another lane took the last place since the rules looked: they look again.
                verdict = self.verdict(park, &ask, state.as_ref());
                if matches!(verdict, Verdict::Grant(_)) {
                    verdict = Verdict::Deny { reason: Reason::AreaFull, facts: Facts::default() };
                }
            }
        }
        let open = reserved.map(|admission| OpenGrant {
            lane: ask.presentation.lane,
            direction: ask.presentation.direction,
            granted_at: ask.presentation.at,
            admission,
        });
        self.answer(park, ask, state, verdict, open);
    }

    fn verdict(&self, park: &Park, ask: &Ask, state: Option<&TicketState>) -> Verdict {
        let verdict = decide(park, &ask.presentation, state, &*self.occupancy);
        match (verdict, ask.code_fault) {
            // The code's own fault stands where an unknown ticket would.
            (Verdict::Deny { reason: Reason::UnknownTicket, facts }, Some(fault)) => {
                Verdict::Deny { reason: fault, facts }
            }
            (verdict, _) => verdict,
        }
    }

    fn answer(
        &self,
        park: &Park,
        ask: Ask,
        state: Option<TicketState>,
        verdict: Verdict,
        open: Option<OpenGrant>,
    ) {
        let grant = open.map(|_| GrantId::fresh());
        let answer = Arc::new(word(park, &ask, state.as_ref(), verdict, grant));
        let row = match (grant, open) {
            (Some(id), Some(open)) => Some(GrantRow {
                id,
                scan: ask.scan,
                device: ask.device.clone(),
                ticket: state.as_ref().and(ask.ticket),
                product: answer.product,
                hold_ms: HOLD_DEFAULT_MS,
                open,
            }),
            _ => None,
        };
        let before = state.zip(ask.ticket);
        let changed = before.clone().zip(open).map(|((mut state, id), open)| {
            state.reserve(park, &open);
            (id, state)
        });
        let day = park.business_day(ask.presentation.at);
        let scan = ScanRow { device: ask.device, day, answer: Arc::clone(&answer) };
        let record = Journaled::Decided(Box::new(Decided {
            scan,
            grant: row.clone(),
            ticket: changed.clone(),
        }));
        let (after, at_once) = if self.relaxed {
            (After::Nothing, Some(ask.answer))
        } else {
            (After::Answer(ask.answer, Arc::clone(&answer)), None)
        };
        // In memory first: the passage can be back before this thread runs on.
        if let Some((id, state)) = changed {
            self.hot.put(id, state);
        }
        if let Some(row) = row {
            self.hot.open(row);
        }
        match (self.append)(Entry { record, after }) {
            Ok(()) => {
                if let Some(to) = at_once {
                    tell(to, Ok(answer));
                }
            }
            Err(entry) => {
                if let (Some(open), Some(grant)) = (open, grant) {
                    self.hot.close(grant);
                    if let Some((state, id)) = before {
                        self.hot.put(id, state);
                    }
                    self.occupancy.release(park, &open.admission);
                }
                if let Some(to) = at_once.or(match entry.after {
                    After::Answer(to, _) => Some(to),
                    _ => None,
                }) {
                    tell(to, Err(LedgerFault::Full));
                }
            }
        }
    }

    /// Ends a grant or records a passage; the caller waits for the commit.
    pub(crate) fn settle(&self, settle: Settle) {
        let (done, result) = self.try_settle(settle);
        if done.send(result).is_err() {
            tracing::debug!("nobody waits for this passage's commit");
        }
    }

    fn try_settle(
        &self,
        settle: Settle,
    ) -> (oneshot::Sender<Result<Passed, Fault>>, Result<Passed, Fault>) {
        let Settle {
            by_grant,
            at,
            now,
            time_known,
            outcome,
            count,
            by,
            device,
            event,
            audit,
            done,
        } = settle;
        let (lane, direction, row) = match &by_grant {
            ByGrant::Open(row) | ByGrant::Closed(row) => {
                (row.open.lane, row.open.direction, Some(&**row))
            }
            ByGrant::TakenBack(closed) => {
                let open = &closed.row.open;
                (open.lane, open.direction.opposite(), Some(&closed.row))
            }
            ByGrant::None { lane, direction, .. } => (*lane, *direction, None),
        };
        if let ByGrant::Open(row) = &by_grant
            && self.hot.grant(row.id).is_none()
        {
            let again = Fault::Conflict("this grant has an outcome already".into());
            return (done, Err(again));
        }
        let park = &*self.park.now();
        let passed = match &by_grant {
            ByGrant::TakenBack(closed) => closed.taken,
            _ => persons_passed(outcome, count, row),
        };
        let Ok(mut moved) = self.moves(park, &by_grant, passed, at) else {
            let since = "the ticket has moved since: its passage stays on record";
            return (done, Err(Fault::Conflict(since.into())));
        };
        if by == PassageBy::Manual {
            // Somebody decided it, and that is on record by itself.
            moved.conflict = None;
        }
        let passage = PassageRow {
            at,
            day: park.business_day(at),
            device,
            lane,
            direction,
            ticket: moved.ticket.as_ref().map(|(id, _)| *id).or(row.and_then(|row| row.ticket)),
            product: moved
                .ticket
                .as_ref()
                .map(|(_, state)| state.product())
                .or(row.and_then(|row| row.product)),
            grant: row.map(|row| row.id),
            outcome,
            by,
            count: u32::from(passed),
            // Also where a lane let them in again by itself, without a grant.
            reentry: moved.moves.iter().any(|one| one.reentry),
            moves: moved.moves,
            time_known,
        };
        let closes = match &by_grant {
            ByGrant::Open(row) => Some(row.id),
            _ => None,
        };
        let conflict = moved.conflict.is_some();
        let (written, committed) = oneshot::channel();
        let record = Journaled::Settled(Box::new(Settled {
            event,
            closes,
            passage: passage.clone(),
            ticket: moved.ticket.clone(),
            conflict: moved.conflict,
            audit,
        }));
        if (self.append)(Entry { record, after: After::Ack(written) }).is_err() {
            return (done, Err(Fault::Busy("the ledger's queue")));
        }
        if let Some((id, state)) = moved.ticket {
            self.hot.put(id, state);
        }
        // A passage of an earlier business day is on record; nobody of that day is inside now.
        let today = park.business_day(now);
        if passage.day == today {
            self.occupancy.apply(park, &passage.moves, today);
        }
        // After the move, or another lane could take the place in between.
        if let ByGrant::Open(row) = &by_grant {
            self.hot.close(row.id);
            self.occupancy.release(park, &row.open.admission);
        }
        (done, Ok(Passed { passage, conflict, committed }))
    }

    fn moves(
        &self,
        park: &Park,
        by_grant: &ByGrant,
        passed: u16,
        at: UnixMs,
    ) -> Result<Step, SinceThen> {
        Ok(match by_grant {
            ByGrant::TakenBack(closed) => {
                let row = &closed.row;
                let (id, mut state) =
                    row.ticket.and_then(|id| Some((id, self.hot.ticket(id)?))).ok_or(SinceThen)?;
                let moves = state.take_back(park, &row.open, passed, closed.closed_at)?;
                Step { moves, ticket: Some((id, state)), conflict: None }
            }
            ByGrant::Open(row) => {
                match row.ticket.and_then(|id| Some((id, self.hot.ticket(id)?))) {
                    Some((id, mut state)) => {
                        let moves = state.settle(park, &row.open, passed, at);
                        Step { moves, ticket: Some((id, state)), conflict: None }
                    }
                    None => {
                        Step { moves: row.open.movements(passed), ticket: None, conflict: None }
                    }
                }
            }
            ByGrant::Closed(row) => {
                self.record(park, row.ticket, row.open.lane, row.open.direction, passed, at)
            }
            ByGrant::None { ticket, lane, direction } => {
                self.record(park, *ticket, *lane, *direction, passed, at)
            }
        })
    }

    /// A passage that nobody asked about: never refused; what contradicts is kept for a person.
    fn record(
        &self,
        park: &Park,
        ticket: Option<TicketId>,
        lane: LaneIx,
        direction: Direction,
        passed: u16,
        at: UnixMs,
    ) -> Step {
        let Some((id, mut state)) = ticket.and_then(|id| Some((id, self.hot.ticket(id)?))) else {
            let open = through(park, lane, direction, passed, at);
            return Step { moves: open.movements(passed), ticket: None, conflict: None };
        };
        let (moves, conflict) = state.record(park, lane, direction, passed, at);
        let conflict = conflict.map(|conflict| ConflictRow {
            at,
            note: format!(
                "single_use: {} of {} allowed, again at lane {}{}",
                conflict.entries,
                conflict.allowed,
                park.lane(lane).id,
                conflict.other_gate.map_or_else(String::new, |gate| format!(
                    ", before at gate {}",
                    park.gate(gate).id
                ))
            ),
        });
        Step { moves, ticket: Some((id, state)), conflict }
    }

    /// Changes a ticket by hand; the caller waits for the commit.
    pub(crate) fn change(&self, change: Change) {
        let Change { id, how, audit, done } = change;
        let Some(mut state) = self.hot.ticket(id) else {
            send(done, Err(Fault::NotFound("ticket")));
            return;
        };
        if let Err(refused) = how(&mut state) {
            send(done, Err(refused));
            return;
        }
        let (written, committed) = oneshot::channel();
        let record = Journaled::TicketChanged { id, state: Box::new(state.clone()), audit };
        let result = match (self.append)(Entry { record, after: After::Ack(written) }) {
            Ok(()) => {
                self.hot.put(id, state.clone());
                Ok((state, committed))
            }
            Err(_) => Err(Fault::Busy("the ledger's queue")),
        };
        send(done, result);
    }
}

/// A passage of nobody known, from one side of the gate to the other.
fn through(park: &Park, lane: LaneIx, direction: Direction, persons: u16, at: UnixMs) -> OpenGrant {
    let gate = park.gate(park.lane(lane).gate);
    let (from, to) = park.way(gate, direction);
    let admission = Admission {
        persons,
        entitlement: None,
        reentry: false,
        flagged: false,
        overridden: false,
        from,
        to,
    };
    OpenGrant { lane, direction, granted_at: at, admission }
}

struct Step {
    moves: shanmen_rules::Movements,
    ticket: Option<(TicketId, TicketState)>,
    conflict: Option<ConflictRow>,
}

/// What is done to a ticket's state; an error leaves it as it was.
pub(crate) type How = Box<dyn FnOnce(&mut TicketState) -> Result<(), Fault> + Send>;

/// A change of a ticket by hand.
pub(crate) struct Change {
    pub(crate) id: TicketId,
    pub(crate) how: How,
    pub(crate) audit: AuditLine,
    pub(crate) done: oneshot::Sender<Result<Changed, Fault>>,
}

/// The new state, and its commit to come.
pub(crate) type Changed = (TicketState, oneshot::Receiver<Result<Committed, LedgerFault>>);

/// How many persons more than granted one report may move: more than any tailgating.
const MORE_THAN_GRANTED: u16 = 100;

fn persons_passed(outcome: Outcome, count: Option<u32>, row: Option<&GrantRow>) -> u16 {
    let granted = row.map_or(0, |row| row.open.admission.persons);
    let most = granted.saturating_add(MORE_THAN_GRANTED);
    // A number beyond belief must not fill the park; what was told stands in the event.
    let told = count.map(|count| u16::try_from(count).unwrap_or(u16::MAX).min(most));
    let granted = granted.max(1);
    match outcome {
        Outcome::NotTaken | Outcome::Reversed => 0,
        Outcome::Taken => told.unwrap_or(granted),
        Outcome::Partial | Outcome::Forced | Outcome::Tailgated | Outcome::Other => {
            told.unwrap_or(1)
        }
    }
}

fn send<T>(to: oneshot::Sender<T>, value: T) {
    if to.send(value).is_err() {
        tracing::debug!("nobody waits for this change any more");
    }
}

fn tell(to: Box<dyn Asker>, answer: Result<Arc<Answer>, LedgerFault>) {
    if !to.answer(answer) {
        tracing::debug!("nobody waits for this answer any more");
    }
}
