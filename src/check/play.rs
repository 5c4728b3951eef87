//! The small world of a scenario: its tickets, its open grants and its counts of people. It does
//! what the validation shard, the device twin and flow do, one step after the other.

use std::collections::HashMap;

use anyhow::bail;
use shanmen_protocols::{code::looks_signed, device::CredentialKind, reason::Reason, time::UnixMs};
use shanmen_rules::{
    Fault, IssueTerms, LaneIx, LaneState, OpenGrant, Park, Presentation, Standing, TicketState,
    Verdict,
    credential::{clean, doubled, is_id_number, looks_like_id_number, parse},
    decide,
    definition::ValidityDefinition,
    standing,
};

use super::{
    counts::Counts,
    scenario::{Passage, Place, Scenario, Set, Step, Ticket},
};

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
    let counts = Counts::new(&park, first);
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
    for (n, own) in ticket.credentials.iter().enumerate() {
        if own.kind == CredentialKind::Other {
            let known = "qr, barcode, rfid, id_card, face or exchange_code";
            return Err(
                place.fault(format!("ticket {:?}: credentials[{n}].type: {known}", ticket.id))
            );
        }
        // Never the number itself.
        parse(own.kind, &clean(&own.data)).map_err(|_| {
            let kind = own.kind.as_str();
            place
                .fault(format!("ticket {:?}: credentials[{n}].data: no readable {kind}", ticket.id))
        })?;
    }
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
        let (leads, fault) = match (&step.ticket, &step.credential) {
            (Some(id), _) => {
                (self.names.get(id.as_str()).map(|&ix| (ix, false)).into_iter().collect(), None)
            }
            (None, Some(raw)) => self
                .look_up(raw)
                .map_or_else(|reason| (Vec::new(), Some(reason)), |leads| (leads, None)),
            (None, None) => (Vec::new(), None),
        };
        let (ticket, mut verdict) = self.choose(&leads, &mut presentation);
        // The rules only know that there is no ticket; the code says why.
        if let (Some(reason), Reason::UnknownTicket) = (fault, verdict.reason()) {
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

    /// Which of several tickets a credential stands for here and now (an ID card may stand for
    /// many): the first that would pass, else one that lacks only a confirmation, else the one
    /// whose refusal comes latest in the order of the checks.
    fn choose(
        &self,
        leads: &[(usize, bool)],
        presentation: &mut Presentation,
    ) -> (Option<usize>, Verdict) {
        let mut best: Option<(Standing, usize, Verdict)> = None;
        for &(ix, exchange_code) in leads {
            presentation.exchange_code = exchange_code;
            let ticket = &self.tickets[ix];
            let verdict = decide(&self.park, presentation, Some(ticket), &self.counts);
            let standing = standing(&self.park, presentation, ticket, &verdict);
            if best.is_none_or(|(so_far, ..)| so_far < standing) {
                best = Some((standing, ix, verdict));
            }
        }
        best.map_or_else(
            || (None, decide(&self.park, presentation, None, &self.counts)),
            |(_, ix, verdict)| (Some(ix), verdict),
        )
    }

    /// The tickets of what a scanner typed, each with whether it was an exchange code. A step does
    /// not say what kind of reader it was, so each credential is compared as its own kind is read.
    fn look_up(&self, raw: &str) -> Result<Vec<(usize, bool)>, Reason> {
        let text = clean(raw);
        parse(CredentialKind::Qr, &text)?;
        for text in [Some(&*text), doubled(&text)].into_iter().flatten() {
            let leads = self.leads(text);
            if !leads.is_empty() {
                return Ok(leads);
            }
        }
        if looks_like_id_number(&text) && !is_id_number(&text) {
            return Err(Reason::Unreadable);
        }
        if looks_signed(&text) { Err(Reason::Forged) } else { Ok(Vec::new()) }
    }

    fn leads(&self, text: &str) -> Vec<(usize, bool)> {
        let mut leads = Vec::new();
        for (ix, (_, ticket)) in self.scenario.tickets.iter().enumerate() {
            let own = ticket.credentials.iter().find(|own| {
                let data = clean(&own.data);
                let read = |text| parse(own.kind, text).ok();
                read(text).is_some_and(|shown| read(&data) == Some(shown))
            });
            leads.extend(own.map(|own| (ix, own.kind == CredentialKind::ExchangeCode)));
        }
        leads
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
            let found = self.counts.inside(ix);
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
