//! One party's visit, from the ticket window to the last gate.
//!
//! Every wait ends: pauses are drawn from bounded ranges, a lane answers within its time to live
//! and hold, and a refusal is tried again a few times at most.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use rand::{RngExt as _, SeedableRng as _};
use shanmen_protocols::{
    device::{Confirm, Credential, CredentialKind, DecisionResult, Outcome, PassageBy},
    ids::AreaId,
    reason::Reason,
};
use tokio::time::{sleep, timeout};

use super::{
    OUTSIDE, Sale, Sold, VisitDay,
    day::World,
    fleet::FleetLane,
    office::OFFICE_TIMEOUT,
    visitors::{Chance, Mishap, Party, Wanted},
};
use crate::virtual_lane::{Answer, Presentation};

/// How often a party tries again where trying again makes sense.
const TRIES_MAX: u32 = 4;

/// The shortest walk through a lane, however fast the visitors' day goes, in real time.
const WALK_MIN: Duration = Duration::from_millis(15);

/// A ticket in the hand of a party.
struct Held {
    wanted: Wanted,
    code: String,
    /// Persons that are inside on it.
    inside: u32,
}

/// A party on its way.
struct Walk<'a> {
    world: &'a World,
    chance: Chance,
    outside: AreaId,
}

pub(super) async fn visit(world: &World, party: Party) {
    // `outside` is a valid id; a contract that says otherwise leaves the park empty.
    let Ok(outside) = AreaId::new(OUTSIDE) else { return };
    let mut walk = Walk { world, chance: Chance::seed_from_u64(party.seed), outside };
    let Some(area) = walk.entrance(&party) else { return };
    let Some(mut tickets) = walk.buy(&party).await else {
        world.tally.no_sale.fetch_add(1, Relaxed);
        return;
    };
    walk.pause(20..240).await;
    let outside = walk.outside.clone();
    for (index, held) in tickets.iter_mut().enumerate() {
        walk.enter(&party, held, &outside, &area, index).await;
    }
    tickets.retain(|held| 0 < held.inside);
    if tickets.is_empty() {
        return;
    }
    walk.stay(&party, &mut tickets, &area).await;
    walk.all(&mut tickets, &area, &outside).await;
}

impl Walk<'_> {
    /// An area that an outer gate leads to, one that the tickets include where there is one.
    fn entrance(&mut self, party: &Party) -> Option<AreaId> {
        let wanted = party.tickets.first()?;
        let included = &self.world.plan.products[wanted.product].areas;
        let all = self.world.plan.lanes.iter().filter(|lane| lane.is_outer()).map(|lane| &lane.to);
        let (good, any): (Vec<&AreaId>, Vec<&AreaId>) = all.partition(|to| included.contains(to));
        let from = if good.is_empty() { any } else { good };
        (!from.is_empty()).then(|| from[self.chance.random_range(0..from.len())].clone())
    }

    async fn pause(&mut self, seconds: std::ops::Range<u64>) {
        let long = Duration::from_secs(self.chance.random_range(seconds));
        sleep(self.world.real(long)).await;
    }

    async fn sell(&self, wanted: Wanted, day: VisitDay) -> Option<Sold> {
        let product = self.world.plan.products[wanted.product].id.clone();
        let sale = Sale { product, persons: wanted.persons, day };
        timeout(OFFICE_TIMEOUT, self.world.office.sell(sale)).await.ok()?.ok()
    }

    /// A ticket for each; `None` when the office has none, and the party goes home.
    async fn buy(&mut self, party: &Party) -> Option<Vec<Held>> {
        let mut tickets: Vec<Held> = Vec::with_capacity(party.tickets.len());
        for (index, &wanted) in party.tickets.iter().enumerate() {
            let code = match (party.mishap, index) {
                (Mishap::UnknownTicket, 0) => format!("DEMO-{:016X}", self.chance.random::<u64>()),
                (Mishap::SharedTicket, 1) => tickets[0].code.clone(),
                (Mishap::WrongDay, 0) => self.sell(wanted, VisitDay::Tomorrow).await?.code,
                (Mishap::RefundedTicket, 0) => {
                    let sold = self.sell(wanted, VisitDay::Today).await?;
                    let refund = self.world.office.refund(sold.ticket);
                    timeout(OFFICE_TIMEOUT, refund).await.ok()?.ok()?;
                    sold.code
                }
                _ => self.sell(wanted, VisitDay::Today).await?.code,
            };
            tickets.push(Held { wanted, code, inside: 0 });
        }
        Some(tickets)
    }

    /// Through an outer gate, with whatever goes wrong there.
    async fn enter(
        &mut self,
        party: &Party,
        held: &mut Held,
        from: &AreaId,
        to: &AreaId,
        index: usize,
    ) {
        let persons = u32::from(held.wanted.persons);
        match party.mishap {
            Mishap::Hesitates if index == 0 => {
                self.pass(held, from, to, 0).await;
                self.pause(10..60).await;
                held.inside = self.pass(held, from, to, persons).await;
            }
            Mishap::Tailgater if index == 0 => {
                held.inside = self.pass(held, from, to, persons + 1).await;
            }
            Mishap::Stragglers if persons > 2 => {
                let late = self.chance.random_range(1..=persons / 3 + 1);
                held.inside = self.pass(held, from, to, persons - late).await;
                if 0 < held.inside {
                    self.pause(120..600).await;
                    held.inside += self.pass(held, from, to, late).await;
                }
            }
            _ => {
                held.inside = self.pass(held, from, to, persons).await;
                let own_fault = !matches!(party.mishap, Mishap::None);
                if held.inside == 0 && own_fault && self.chance.random_bool(0.7) {
                    self.pause(180..600).await;
                    let Some(sold) = self.sell(held.wanted, VisitDay::Today).await else { return };
                    held.code = sold.code;
                    held.inside = self.pass(held, from, to, persons).await;
                }
            }
        }
    }

    /// The time inside: excursions, and for some a meal outside.
    async fn stay(&mut self, party: &Party, tickets: &mut [Held], area: &AreaId) {
        let away = party.away.unwrap_or_default();
        let busy: Duration = party.excursions.iter().map(|excursion| excursion.stay).sum();
        let strolls = u32::try_from(party.excursions.len()).unwrap_or(u32::MAX).saturating_add(1);
        let stroll = self.world.real(party.stay.saturating_sub(busy + away)) / strolls;
        sleep(stroll).await;
        for excursion in &party.excursions {
            let Some(first) = tickets.first_mut() else { return };
            // The first tries it out: where he is refused, the others do not queue.
            let persons = first.inside;
            let passed = self.pass(first, area, &excursion.area, persons).await;
            if 0 < passed {
                self.world.tally.excursions.fetch_add(passed.into(), Relaxed);
                let mut gone = vec![(0, passed)];
                for (index, held) in tickets.iter_mut().enumerate().skip(1) {
                    let passed = self.pass(held, area, &excursion.area, held.inside).await;
                    self.world.tally.excursions.fetch_add(passed.into(), Relaxed);
                    gone.push((index, passed));
                }
                sleep(self.world.real(excursion.stay)).await;
                for (index, passed) in gone {
                    self.pass(&tickets[index], &excursion.area, area, passed).await;
                }
            }
            sleep(stroll).await;
        }
        if let Some(away) = party.away {
            let outside = self.outside.clone();
            self.all(tickets, area, &outside).await;
            sleep(self.world.real(away)).await;
            self.all(tickets, &outside, area).await;
        }
    }

    /// All tickets of the party, one after the other.
    async fn all(&mut self, tickets: &mut [Held], from: &AreaId, to: &AreaId) {
        for held in tickets {
            let leaves = *to == self.outside;
            let persons = if leaves { held.inside } else { u32::from(held.wanted.persons) };
            let passed = self.pass(held, from, to, persons).await;
            held.inside = if leaves { 0 } else { passed };
        }
    }

    /// Presents a ticket at a lane between two areas until it is answered for good; says how many
    /// passed. Where no lane leads there, nobody does.
    async fn pass(&mut self, held: &Held, from: &AreaId, to: &AreaId, walkers: u32) -> u32 {
        let mut confirm = None;
        let world = self.world;
        for _ in 0..TRIES_MAX {
            let Some((lane, direction)) = world.fleet.lane_between(from, to, &mut self.chance)
            else {
                return 0;
            };
            let presentation = Presentation {
                credential: Credential { kind: CredentialKind::Qr, data: held.code.clone() },
                direction,
                confirm,
                walkers,
                walk_delay: self.walk_delay(),
            };
            world.tally.presentations.fetch_add(1, Relaxed);
            let Ok(answer) = lane.turnstile.present(presentation).await else {
                world.tally.unanswered.fetch_add(1, Relaxed);
                return 0;
            };
            self.note(lane, &answer, to);
            match next_step(&answer) {
                Next::Done => return answer.passed,
                Next::Confirm(more) => {
                    confirm = Some(more);
                    self.pause(4..20).await;
                }
                Next::Again => self.pause(60..300).await,
            }
        }
        0
    }

    /// A second and a half, more or less: 20 to 40 persons a minute.
    fn walk_delay(&mut self) -> Duration {
        let long = Duration::from_millis(self.chance.random_range(1_000..2_200));
        self.world.real(long).max(WALK_MIN)
    }

    fn note(&self, lane: &FleetLane, answer: &Answer, to: &AreaId) {
        let tally = &self.world.tally;
        if lane.spec.is_outer() {
            let ways = if *to == self.outside { &tally.exits } else { &tally.entries };
            ways.fetch_add(answer.passed.into(), Relaxed);
        }
        if answer.by != PassageBy::Server {
            tally.decided_alone.fetch_add(1, Relaxed);
        }
        if answer.outcome == Some(Outcome::NotTaken) {
            tally.not_taken.fetch_add(1, Relaxed);
        }
        if answer.result != DecisionResult::Grant {
            tally.refused(answer.reason);
        }
    }
}

/// What a visitor does with an answer.
enum Next {
    Done,
    Confirm(Confirm),
    Again,
}

fn next_step(answer: &Answer) -> Next {
    match answer.result {
        DecisionResult::Grant => Next::Done,
        DecisionResult::More => {
            let needs = |what: &str| answer.needs.iter().any(|need| need == what);
            Next::Confirm(Confirm {
                attendant: needs("attendant").then_some(true),
                id_card: needs("id_card").then_some(true),
                face: needs("face").then_some(true),
            })
        }
        DecisionResult::Deny | DecisionResult::Wait => match answer.reason {
            Reason::Busy
            | Reason::InProgress
            | Reason::AreaFull
            | Reason::TooSoon
            | Reason::Internal
            | Reason::LaneClosed => Next::Again,
            _ => Next::Done,
        },
    }
}
