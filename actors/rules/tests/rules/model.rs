//! The rules against a small, obvious model that keeps each ticket's whole history and works
//! everything out anew from it: random products, presentations, passages, releases, refunds.

use std::cell::RefCell;

use crate::support::{ask_in, lane};
use proptest::prelude::*;
use shanmen_protocols::{ids::Direction, reason::Reason, time::UnixMs};
use shanmen_rules::{
    AreaIx, IssueTerms, OpenGrant, Park, ProductIx, Room, Status, TicketState, Verdict,
};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const SHANGHAI_MS: i64 = 8 * 60 * MINUTE_MS;
/// 2026-10-01T06:00:00+08:00.
const START_MS: i64 = 1_790_805_600_000;

#[derive(Clone, Debug)]
struct Rules {
    persons: u16,
    uses: Option<u16>,
    per_day: Option<u16>,
    min_gap: Option<i64>,
    within_first: Option<i64>,
    /// The count, the window, the least time away, only the same day.
    reentry: Option<(u16, i64, i64, bool)>,
    passback: &'static str,
    capacity: Option<u32>,
}

#[derive(Clone, Debug)]
enum Op {
    Wait(i64),
    In { ticket: usize, taken: Option<u16> },
    Out { ticket: usize, taken: u16 },
    End { which: usize, taken: u16 },
    Refund(usize),
}

fn rules() -> impl Strategy<Value = Rules> {
    let reentry = (1_u16..3, 30_i64..300, 0_i64..30, any::<bool>());
    (
        prop_oneof![3 => Just(1_u16), 1 => 2_u16..5],
        prop::option::of(1_u16..4),
        prop::option::of(1_u16..3),
        prop::option::of(1_i64..200),
        prop::option::of(60_i64..2_000),
        prop::option::of(reentry),
        prop::sample::select(&["off", "soft", "hard"][..]),
        prop::option::of(1_u32..8),
    )
        .prop_map(
            |(persons, uses, per_day, min_gap, within_first, reentry, passback, capacity)| Rules {
                persons,
                uses,
                per_day,
                min_gap,
                within_first,
                reentry,
                passback,
                capacity,
            },
        )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0_i64..240).prop_map(Op::Wait),
        1 => (600_i64..1_800).prop_map(Op::Wait),
        8 => (0_usize..3, prop::option::of(0_u16..6)).prop_map(|(ticket, taken)| {
            Op::In { ticket, taken }
        }),
        4 => (0_usize..3, 0_u16..6).prop_map(|(ticket, taken)| Op::Out { ticket, taken }),
        3 => (0_usize..4, 0_u16..6).prop_map(|(which, taken)| Op::End { which, taken }),
        1 => (0_usize..3).prop_map(Op::Refund),
    ]
}

fn park_of(rules: &Rules) -> Park {
    let span = |key: &str, minutes: Option<i64>| {
        minutes.map_or(String::new(), |minutes| format!("{key} = \"{minutes}m\"\n"))
    };
    let number = |key: &str, number: Option<u16>| {
        number.map_or(String::new(), |number| format!("{key} = {number}\n"))
    };
    let reentry = rules.reentry.map_or(String::new(), |(count, within, min_away, same_day)| {
        format!(
            "reentry = {{ count = {count}, within = \"{within}m\", min_away = \"{min_away}m\", \
             same_day = {same_day} }}\n"
        )
    });
    let text = format!(
        "[site]\nid = \"s\"\ntimezone = \"Asia/Shanghai\"\n[[areas]]\nid = \"park\"\n\
         anti_passback = {:?}\n{}[[gates]]\nid = \"g\"\nto = \"park\"\n[[lanes]]\nid = \"n1\"\n\
         gate = \"g\"\n[[products]]\nid = \"p\"\npersons = {}\n\
         validity = {{ kind = \"fixed\", from = \"2026-01-01\", until = \"2027-12-31\" }}\n\
         [[products.entitlements]]\nareas = [\"park\"]\n{}{}{}{}{reentry}",
        rules.passback,
        rules.capacity.map_or(String::new(), |most| format!("capacity = {{ instant = {most} }}\n")),
        rules.persons,
        number("uses", rules.uses),
        number("per_day", rules.per_day),
        span("min_gap", rules.min_gap),
        span("within_first", rules.within_first),
    );
    Park::compile(&toml::from_str(&text).unwrap()).unwrap()
}

fn day(at: i64) -> i64 {
    (at + SHANGHAI_MS).div_euclid(DAY_MS)
}

/// What happened to a ticket, in order.
#[derive(Clone, Debug)]
enum Past {
    Entry { at: i64, persons: u16, back: bool },
    Exit { at: i64, persons: u16 },
}

#[derive(Clone, Debug, Default)]
struct Model {
    past: Vec<Past>,
    open: u16,
    refunded: bool,
}

impl Model {
    fn entries(&self, on: Option<i64>) -> u16 {
        let counts = self.past.iter().map(|past| match past {
            Past::Entry { at, persons, back: false } if on.is_none_or(|on| on == day(*at)) => {
                *persons
            }
            _ => 0,
        });
        counts.sum()
    }

    fn inside(&self, group: u16, now: i64) -> u16 {
        let mut inside = 0_u16;
        for past in &self.past {
            match past {
                Past::Entry { at, persons, .. } if day(*at) == day(now) => {
                    inside = (inside + persons).min(group);
                }
                Past::Exit { at, persons } if day(*at) == day(now) => {
                    inside = inside.saturating_sub(*persons);
                }
                _ => {}
            }
        }
        inside
    }

    fn entry_times(&self) -> Vec<i64> {
        let times = self.past.iter().filter_map(|past| match past {
            Past::Entry { at, .. } => Some(*at),
            Past::Exit { .. } => None,
        });
        times.collect()
    }

    /// Re-entries since the present admission of the whole group began.
    fn back(&self, group: u16) -> u16 {
        let (mut back, mut today, mut of_day) = (0, 0, i64::MIN);
        for past in &self.past {
            if let Past::Entry { at, persons, back: is_back } = past {
                if day(*at) != of_day {
                    (of_day, today) = (day(*at), 0);
                }
                if *is_back {
                    back += persons;
                } else {
                    if today % group == 0 {
                        back = 0;
                    }
                    today += persons;
                }
            }
        }
        back
    }

    fn reentry(&self, rules: &Rules, now: i64) -> Option<Result<u16, Reason>> {
        let (count, within, min_away, same_day) = rules.reentry?;
        let entries = self.entry_times();
        let last = *entries.last()?;
        let mut exits = self.past.iter().filter_map(|past| match past {
            Past::Exit { at, .. } => Some(*at),
            Past::Entry { .. } => None,
        });
        let exit = exits.next_back();
        let after = if rules.persons == 1 { last } else { entries[0] };
        let inside = self.inside(rules.persons, now);
        let away = self.entries(None).min(rules.persons).saturating_sub(inside);
        let Some(exit) = exit.filter(|&exit| after <= exit && away > 0) else {
            return Some(Err(Reason::NotExited));
        };
        if (same_day && day(last) != day(now)) || now - exit > within * MINUTE_MS {
            return Some(Err(Reason::ReentryExpired));
        }
        let left = (count * rules.persons).saturating_sub(self.back(rules.persons));
        if left == 0 {
            return Some(Err(Reason::ReentryExhausted));
        }
        if now - exit < min_away * MINUTE_MS {
            return Some(Err(Reason::TooSoon));
        }
        Some(Ok(away.min(left)))
    }

    /// Persons and whether they come back, or the reason.
    fn decide(&self, rules: &Rules, now: i64, occupied: u32) -> Result<(u16, bool), Reason> {
        if self.refunded {
            return Err(Reason::Refunded);
        }
        if self.open > 0 {
            return Err(Reason::InProgress);
        }
        let group = rules.persons;
        let today = self.entries(Some(day(now)));
        let in_all = rules.uses.map_or(9_999, |uses| uses * group - self.entries(None));
        let on_day = rules.per_day.map_or(9_999, |uses| uses * group - today);
        let rest = !today.is_multiple_of(group) && in_all > 0 && on_day > 0;
        let inside = self.inside(group, now);
        let shut = rules.passback == "hard" && inside == group;
        let (mut persons, back) = match self.reentry(rules, now) {
            Some(Ok(persons)) if !rest => (persons, true),
            Some(Err(reason)) if in_all == 0 => {
                return Err(if shut { Reason::AlreadyInside } else { reason });
            }
            _ if in_all == 0 => return Err(Reason::AlreadyUsed),
            _ if on_day == 0 => return Err(Reason::DailyLimit),
            _ => ((group - today % group).min(in_all).min(on_day), false),
        };
        if shut {
            return Err(Reason::AlreadyInside);
        }
        if rules.passback == "hard" {
            persons = persons.min(group - inside);
        }
        if let (Some(last), Some(gap), false) =
            (self.entry_times().last(), rules.min_gap, rest && !back)
            && now - last < gap * MINUTE_MS
        {
            return Err(Reason::TooSoon);
        }
        if let (Some(first), Some(within)) = (self.entry_times().first(), rules.within_first)
            && now - first > within * MINUTE_MS
        {
            return Err(Reason::StayExceeded);
        }
        // Who is inside and is let in again takes no further place.
        let moves = if persons <= group - inside { u32::from(persons) } else { 0 };
        if moves > 0 && rules.capacity.is_some_and(|most| most < occupied + moves) {
            return Err(Reason::AreaFull);
        }
        Ok((persons, back))
    }
}

#[derive(Default)]
struct Count {
    inside: RefCell<u32>,
    reserved: RefCell<u32>,
}

impl Room for Count {
    fn persons(&self, _: AreaIx) -> u32 {
        *self.inside.borrow() + *self.reserved.borrow()
    }
    fn entries_today(&self, _: AreaIx) -> u32 {
        0
    }
}

struct Play {
    park: Park,
    rules: Rules,
    now: i64,
    tickets: Vec<(TicketState, Model)>,
    open: Vec<(usize, OpenGrant, bool)>,
    room: Count,
}

impl Play {
    fn new(rules: Rules) -> Self {
        let park = park_of(&rules);
        let terms = IssueTerms {
            product: ProductIx(0),
            visit_date: None,
            slot: None,
            persons: rules.persons,
            issued_at: UnixMs(START_MS),
            status: Status::Issued,
        };
        let ticket = TicketState::issue(&park, &terms).unwrap();
        let tickets = vec![(ticket, Model::default()); 3];
        let room = Count::default();
        Self { park, rules, now: START_MS, tickets, open: Vec::new(), room }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Wait(minutes) => {
                let before = day(self.now);
                self.now += minutes * MINUTE_MS + 1;
                if before != day(self.now) {
                    *self.room.inside.borrow_mut() = 0;
                }
            }
            Op::In { ticket, taken } => self.enter(ticket, taken),
            Op::Out { ticket, taken } => self.leave(ticket, taken),
            Op::End { which, taken } if which < self.open.len() => self.end(which, taken),
            Op::End { .. } => {}
            Op::Refund(ticket) => {
                self.tickets[ticket].0.set_status(Status::Refunded);
                self.tickets[ticket].1.refunded = true;
            }
        }
        self.check();
    }

    fn enter(&mut self, ix: usize, taken: Option<u16>) {
        let now = UnixMs(self.now);
        let (ticket, model) = &self.tickets[ix];
        let verdict = ask_in(&self.park, ticket, "n1", Direction::In, now, &self.room);
        let expected = model.decide(&self.rules, self.now, self.room.persons(AreaIx(1)));
        let found = match verdict {
            Verdict::Grant(admission) => Ok((admission.persons, admission.reentry)),
            other => Err(other.reason()),
        };
        assert_eq!(found, expected, "{model:?}");
        // The same facts give the same answer, also after a trip through the ledger.
        let blob = postcard::to_stdvec(ticket).unwrap();
        let read: TicketState = postcard::from_bytes(&blob).unwrap();
        let again = ask_in(&self.park, &read, "n1", Direction::In, now, &self.room);
        assert_eq!(again, verdict);
        let Verdict::Grant(admission) = verdict else { return };
        let lane = lane(&self.park, "n1");
        let open = OpenGrant { lane, direction: Direction::In, granted_at: now, admission };
        self.tickets[ix].0.reserve(&self.park, &open);
        self.tickets[ix].1.open += admission.persons;
        *self.room.reserved.borrow_mut() += self.places(&open);
        self.open.push((ix, open, admission.reentry));
        if let Some(taken) = taken {
            self.end(self.open.len() - 1, taken);
        }
    }

    fn places(&self, open: &OpenGrant) -> u32 {
        let admission = &open.admission;
        let enters = self.park.entered(admission.from, admission.to).count() > 0;
        if enters { admission.persons.into() } else { 0 }
    }

    fn end(&mut self, which: usize, taken: u16) {
        let (ix, open, back) = self.open.remove(which);
        let taken = taken.min(open.admission.persons);
        *self.room.reserved.borrow_mut() -= self.places(&open);
        let (ticket, model) = &mut self.tickets[ix];
        let moved = ticket.settle(&self.park, &open, taken, UnixMs(self.now));
        model.open -= open.admission.persons;
        if taken > 0 {
            model.past.push(Past::Entry { at: self.now, persons: taken, back });
        }
        self.apply(&moved);
    }

    fn leave(&mut self, ix: usize, taken: u16) {
        let (at, lane) = (UnixMs(self.now), lane(&self.park, "n1"));
        let (ticket, model) = &mut self.tickets[ix];
        let verdict = ask_in(&self.park, ticket, "n1", Direction::Out, at, &self.room);
        let Verdict::Grant(admission) = verdict else { panic!("nobody is trapped: {verdict:?}") };
        let open = OpenGrant { lane, direction: Direction::Out, granted_at: at, admission };
        let taken = taken.min(admission.persons);
        ticket.reserve(&self.park, &open);
        let moved = ticket.settle(&self.park, &open, taken, at);
        if taken > 0 {
            model.past.push(Past::Exit { at: self.now, persons: taken });
        }
        self.apply(&moved);
    }

    fn apply(&mut self, moved: &shanmen_rules::Movements) {
        let mut inside = self.room.inside.borrow_mut();
        for one in moved {
            let persons = u32::from(one.persons);
            if self.park.left(one.from, one.to).count() > 0 {
                *inside = inside.saturating_sub(persons);
            }
            if self.park.entered(one.from, one.to).count() > 0 {
                *inside += persons;
            }
        }
    }

    /// The invariants.
    fn check(&self) {
        for (number, (ticket, model)) in self.tickets.iter().enumerate() {
            assert_eq!(ticket.entries(), u32::from(model.entries(None)));
            let today = shanmen_rules::Day(i32::try_from(day(self.now)).unwrap());
            assert_eq!(ticket.entries_today(today), u32::from(model.entries(Some(day(self.now)))));
            let inside = ticket.persons_in(&self.park, AreaIx(1), today);
            assert_eq!(inside, model.inside(self.rules.persons, self.now), "{model:?}");
            // single_use
            if let Some(uses) = self.rules.uses {
                let fresh: u16 = self
                    .open
                    .iter()
                    .filter(|(ix, _, back)| *ix == number && !back)
                    .map(|(_, open, _)| open.admission.persons)
                    .sum();
                assert!(
                    ticket.entries() + u32::from(fresh) <= u32::from(uses * self.rules.persons)
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_answer_as_the_model_does(
        rules in rules(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut play = Play::new(rules);
        for op in &ops {
            play.step(op);
        }
    }

    /// Offline gates report in any order; what is counted in the end is the same.
    #[test]
    fn the_order_of_arrival_changes_no_count(
        minutes in prop::collection::vec(0_i64..4_000, 1..12),
        seed in any::<u64>(),
    ) {
        let park = crate::support::park_with("per_day = 50");
        let lane = lane(&park, "n1");
        let record = |order: &[i64]| {
            let mut ticket = crate::support::ticket(&park, 1);
            for minute in order {
                let at = UnixMs(START_MS + minute * MINUTE_MS);
                let _ = ticket.record(&park, lane, Direction::In, 1, at);
            }
            ticket
        };
        let mut sorted = minutes.clone();
        sorted.sort_unstable();
        let mut mixed = minutes;
        let len = mixed.len();
        for ix in 0..len {
            let other = usize::try_from((seed >> (ix * 5)) % len as u64).unwrap();
            mixed.swap(ix, other);
        }
        let (one, other) = (record(&sorted), record(&mixed));
        prop_assert_eq!(one.entries(), other.entries());
        prop_assert_eq!(one.first_entry(), other.first_entry());
        prop_assert_eq!(one.last_entry(), other.last_entry());
        prop_assert_eq!(one.entry_days(), other.entry_days());
        let last_day = park.business_day(one.last_entry().unwrap());
        prop_assert_eq!(one.entries_today(last_day), other.entries_today(last_day));
        prop_assert_eq!(one.inside().collect::<Vec<_>>(), other.inside().collect::<Vec<_>>());
    }
}
