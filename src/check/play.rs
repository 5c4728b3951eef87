//! The small world of a scenario: its tickets, its open grants and its counts of people. It does
//! what the validation shard, the device twin and flow do, one step after the other.

use std::collections::HashMap;

use anyhow::bail;
use shanmen_protocols::{device::CredentialKind, reason::Reason, time::UnixMs};
use shanmen_rules::{
    AreaIx, Day, Fault, IssueTerms, LaneIx, LaneState, Movements, OpenGrant, Park, Presentation,
    Room, TicketState, Verdict,
    credential::{self, clean, looks_like_id_number, looks_signed, parse},
    decide,
    definition::ValidityDefinition,
};

use super::scenario::{Passage, Place, Scenario, Set, Step, Ticket};

/// What one step came to.
#[derive(Debug)]
pub struct Outcome {
    /// Its number, from 1.
    pub step: usize,
    /// When, as it is written; that of the step before where it says nothing.
    pub at: Option<String>,
    /// At which lane.
    pub lane: Option<String>,
    /// Which way and what was presented; for people to read.
    pub subject: Option<String>,
    /// The verdict, where something was presented.
    pub verdict: Option<Verdict>,
    /// What was expected of it.
    pub expected: Option<String>,
    /// Whether all was as expected.
    pub ok: bool,
    /// What was not, besides the verdict.
    pub details: Vec<String>,
}

/// People in the areas, as flow counts them.
struct Counts {
    day: Day,
    inside: Vec<u32>,
    reserved: Vec<u32>,
    entries: Vec<u32>,
    entries_reserved: Vec<u32>,
}

impl Room for Counts {
    fn persons(&self, area: AreaIx) -> u32 {
        let ix = usize::from(area.0);
        self.inside[ix] + self.reserved[ix]
    }

    fn entries_today(&self, area: AreaIx) -> u32 {
        let ix = usize::from(area.0);
        self.entries[ix] + self.entries_reserved[ix]
    }
}

impl Counts {
    /// The business day turns: nobody is inside any more.
    fn turn(&mut self, day: Day) {
        if self.day < day {
            self.day = day;
            self.inside.fill(0);
            self.entries.fill(0);
        }
    }

    fn reserve(&mut self, park: &Park, open: &OpenGrant, hold: bool) {
        let admission = &open.admission;
        if admission.is_exit() {
            return;
        }
        let persons = u32::from(admission.persons);
        let change = |count: &mut u32| {
            *count = if hold { *count + persons } else { count.saturating_sub(persons) };
        };
        for area in park.entered(admission.from, admission.to) {
            change(&mut self.reserved[usize::from(area.0)]);
            if !admission.reentry {
                change(&mut self.entries_reserved[usize::from(area.0)]);
            }
        }
    }

    fn apply(&mut self, park: &Park, movements: &Movements) {
        for movement in movements {
            let persons = u32::from(movement.persons);
            for area in park.left(movement.from, movement.to) {
                let count = &mut self.inside[usize::from(area.0)];
                *count = count.saturating_sub(persons);
            }
            for area in park.entered(movement.from, movement.to) {
                self.inside[usize::from(area.0)] += persons;
                if !movement.reentry {
                    self.entries[usize::from(area.0)] += persons;
                }
            }
        }
    }
}

struct World<'a> {
    park: Park,
    scenario: &'a Scenario,
    tickets: Vec<TicketState>,
    names: HashMap<&'a str, usize>,
    counts: Counts,
    lane_states: HashMap<LaneIx, LaneState>,
    open: Vec<(Option<usize>, OpenGrant)>,
    answers: HashMap<&'a str, Verdict>,
    now: UnixMs,
    now_text: Option<String>,
}

/// Plays a scenario.
///
/// # Errors
/// When the park, a ticket or a step cannot be: with its place.
pub(super) fn play(scenario: &Scenario) -> anyhow::Result<Vec<Outcome>> {
    let park = Park::compile(&scenario.park).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| told(scenario, fault)).collect();
        anyhow::anyhow!(faults.join("\n"))
    })?;
    let first = scenario.steps.iter().find_map(|(_, step)| Some(step.at.as_ref()?.at));
    let Some(first) = first else {
        if scenario.steps.is_empty() {
            return Ok(Vec::new());
        }
        bail!("no step says when it happens: at = \"2026-10-01T09:00:00+08:00\"");
    };
    let mut names = HashMap::new();
    let mut tickets = Vec::new();
    for (place, ticket) in &scenario.tickets {
        if names.insert(ticket.id.as_str(), tickets.len()).is_some() {
            return Err(place.fault(format!("ticket {:?} is there twice", ticket.id)));
        }
        tickets.push(issue(&park, *place, ticket, first)?);
    }
    let none = vec![0; park.areas().len()];
    let counts = Counts {
        day: park.business_day(first),
        inside: none.clone(),
        reserved: none.clone(),
        entries: none.clone(),
        entries_reserved: none,
    };
    let (lane_states, open, answers) = <_>::default();
    let mut world = World {
        park,
        scenario,
        tickets,
        names,
        counts,
        lane_states,
        open,
        answers,
        now: first,
        now_text: None,
    };
    let steps = scenario.steps.iter().enumerate();
    steps.map(|(ix, (place, step))| world.step(ix + 1, *place, step)).collect()
}

/// A fault of the park with its place in the file.
fn told(scenario: &Scenario, fault: &Fault) -> String {
    let part = scenario.parts.iter().find(|(part, _)| fault.path.starts_with(part.as_str()));
    part.map_or_else(|| fault.to_string(), |(_, place)| place.fault(fault).to_string())
}

fn issue(park: &Park, place: Place, ticket: &Ticket, first: UnixMs) -> anyhow::Result<TicketState> {
    let Some(ix) = park.product_ix(&ticket.product) else {
        return Err(place.fault(format!("there is no product {:?}", ticket.product)));
    };
    let product = park.product(ix);
    let by_date = product.validity == (ValidityDefinition::VisitDate {});
    let default_date = || by_date.then(|| park.business_day(first));
    let terms = IssueTerms {
        product: ix,
        visit_date: ticket.visit_date.or_else(default_date),
        slot: ticket.slot.map(shanmen_rules::TimeOfDay::minutes),
        persons: ticket.persons.unwrap_or(product.persons.min),
        issued_at: ticket.issued_at.as_ref().map_or(first, |at| at.at),
        status: ticket.status,
    };
    TicketState::issue(park, &terms)
        .map_err(|fault| place.fault(format!("ticket {:?}: {fault}", ticket.id)))
}

impl<'a> World<'a> {
    fn step(&mut self, number: usize, place: Place, step: &'a Step) -> anyhow::Result<Outcome> {
        if let Some(at) = &step.at {
            (self.now, self.now_text) = (at.at, Some(at.text.clone()));
        }
        self.counts.turn(self.park.business_day(self.now));
        let mut details = Vec::new();
        if let Some(set) = &step.set {
            self.set(place, set)?;
        }
        if let Some(lane) = &step.release {
            let lane = self.lane(place, lane)?;
            if !self.release(lane) {
                details.push("there is no open grant to release".to_owned());
            }
        }
        let verdict = if step.is_scan() { Some(self.scan(place, step)?) } else { None };
        self.expectations(place, step, &mut details)?;
        let as_expected = verdict.is_none_or(|verdict| {
            step.expect.as_deref().is_none_or(|expected| {
                expected == verdict.as_str() || expected == verdict.reason().code()
            })
        });
        let shown = step.ticket.as_deref().or(step.credential.as_ref().map(|_| "(credential)"));
        Ok(Outcome {
            step: number,
            at: self.now_text.clone(),
            lane: step.lane.clone().or_else(|| step.release.clone()),
            subject: shown.map(|shown| format!("{} {shown}", step.direction.as_str())),
            verdict,
            expected: step.expect.clone(),
            ok: as_expected && details.is_empty(),
            details,
        })
    }

    fn lane(&self, place: Place, id: &str) -> anyhow::Result<LaneIx> {
        self.park.lane_ix(id).ok_or_else(|| place.fault(format!("there is no lane {id:?}")))
    }

    fn ticket(&self, place: Place, id: &str) -> anyhow::Result<usize> {
        let known = self.names.get(id).copied();
        known.ok_or_else(|| place.fault(format!("there is no ticket {id:?}")))
    }

    fn set(&mut self, place: Place, set: &Set) -> anyhow::Result<()> {
        if let (Some(id), Some(status)) = (&set.ticket, set.status) {
            let ix = self.ticket(place, id)?;
            self.tickets[ix].set_status(status);
        }
        if let (Some(id), Some(state)) = (&set.lane, set.state) {
            let lane = self.lane(place, id)?;
            self.lane_states.insert(lane, state.into());
        }
        Ok(())
    }

    /// Ends the oldest open grant of a lane, not taken.
    fn release(&mut self, lane: LaneIx) -> bool {
        let Some(ix) = self.open.iter().position(|(_, open)| open.lane == lane) else {
            return false;
        };
        let (ticket, open) = self.open.remove(ix);
        self.settle(ticket, &open, 0);
        true
    }

    fn settle(&mut self, ticket: Option<usize>, open: &OpenGrant, taken: u16) {
        let movements = match ticket {
            Some(ix) => self.tickets[ix].settle(&self.park, open, taken, self.now),
            None => open.movements(taken),
        };
        self.counts.reserve(&self.park, open, false);
        self.counts.apply(&self.park, &movements);
    }

    fn scan(&mut self, place: Place, step: &'a Step) -> anyhow::Result<Verdict> {
        // A repeat is recognised before any rule is asked.
        if let Some(&answer) = step.scan_id.as_deref().and_then(|id| self.answers.get(id)) {
            return Ok(answer);
        }
        let lane = self.lane(place, step.lane.as_deref().unwrap_or_default())?;
        let mut presentation = Presentation::new(self.now, lane, step.direction);
        presentation.lane_state = self.lane_states.get(&lane).copied().unwrap_or_default();
        presentation.confirm = step.confirm.iter().copied().collect();
        let found = match (&step.ticket, &step.credential) {
            (Some(id), _) => Ok(self.names.get(id.as_str()).map(|&ix| (ix, false))),
            (None, Some(raw)) => self.look_up(raw),
            (None, None) => Ok(None),
        };
        presentation.exchange_code = matches!(found, Ok(Some((_, true))));
        let ticket = found.ok().flatten().map(|(ix, _)| ix);
        let state = ticket.map(|ix| &self.tickets[ix]);
        let mut verdict = decide(&self.park, &presentation, state, &self.counts);
        // The rules only know that there is no ticket; the code says why.
        if let (Err(reason), Reason::UnknownTicket) = (found, verdict.reason()) {
            verdict = Verdict::Deny { reason, facts: shanmen_rules::Facts::default() };
        }
        if let Some(id) = &step.scan_id {
            self.answers.insert(id, verdict);
        }
        if let Verdict::Grant(admission) = verdict {
            let (direction, granted_at) = (step.direction, self.now);
            let open = OpenGrant { lane, direction, granted_at, admission };
            self.pass(ticket, open, step.passage.unwrap_or_default());
        }
        Ok(verdict)
    }

    fn pass(&mut self, ticket: Option<usize>, open: OpenGrant, passage: Passage) {
        let taken = match passage {
            Passage::None => return,
            Passage::Taken | Passage::Pending => open.admission.persons,
            Passage::NotTaken => 0,
            Passage::Partial(count) => count,
        };
        self.counts.reserve(&self.park, &open, true);
        if let Some(ix) = ticket {
            self.tickets[ix].reserve(&self.park, &open);
        }
        if passage == Passage::Pending {
            self.open.push((ticket, open));
        } else {
            self.settle(ticket, &open, taken);
        }
    }

    /// The ticket of what a scanner typed, and whether it was an exchange code.
    fn look_up(&self, raw: &str) -> Result<Option<(usize, bool)>, Reason> {
        let text = clean(raw);
        let seen = parse(CredentialKind::Qr, &text)?;
        let upper = seen.text().to_ascii_uppercase();
        for (ix, (_, ticket)) in self.scenario.tickets.iter().enumerate() {
            for own in &ticket.credentials {
                let data = clean(&own.data);
                let same = match own.kind {
                    CredentialKind::IdCard => {
                        credential::is_id_number(&upper) && data.eq_ignore_ascii_case(&upper)
                    }
                    _ => data == seen.text(),
                };
                if same {
                    return Ok(Some((ix, own.kind == CredentialKind::ExchangeCode)));
                }
            }
        }
        if looks_like_id_number(&upper) && !credential::is_id_number(&upper) {
            return Err(Reason::Unreadable);
        }
        if looks_signed(seen.text()) { Err(Reason::Forged) } else { Ok(None) }
    }

    fn expectations(
        &self,
        place: Place,
        step: &Step,
        details: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        for (area, &expected) in &step.expect_occupancy {
            let Some(ix) = self.park.area_ix(area) else {
                return Err(place.fault(format!("there is no area {area:?}")));
            };
            let found = self.counts.inside[usize::from(ix.0)];
            if found != expected {
                details.push(format!("{area}: {found} inside, expected {expected}"));
            }
        }
        for (id, &expected) in &step.expect_entries {
            let found = self.tickets[self.ticket(place, id)?].entries();
            if found != expected {
                details.push(format!("{id}: {found} entries, expected {expected}"));
            }
        }
        Ok(())
    }
}
