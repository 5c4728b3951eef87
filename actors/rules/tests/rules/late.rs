//! Reports that come late, and where a ticket's people are: each passage in its own place in time.

use crate::support::{
    area, ask, at, clock, inside, lane, open, park, park_with, pass, reason, ticket,
};
use shanmen_protocols::ids::Direction::{In, Out};
use shanmen_protocols::{reason::Reason, time::UnixMs};
use shanmen_rules::{
    AreaIx, Conflict, Movements, OpenGrant, Park, Presentation, TicketState, Verdict, decide,
};

/// A package for the park, the cave in it and the museum, one use each.
const PACKAGE: &str = "[[products]]\nid = \"p\"\npersons = { min = 1, max = 60 }\n\
    validity = { kind = \"fixed\", from = \"2026-01-01\", until = \"2026-12-31\" }\n\
    [[products.entitlements]]\nareas = [\"park\"]\nuses = 1\n\
    [[products.entitlements]]\nareas = [\"cave\"]\nuses = 1\n\
    [[products.entitlements]]\nareas = [\"museum\"]\nuses = 1\n";

fn record(
    park: &Park,
    ticket: &mut TicketState,
    lane_id: &str,
    count: u16,
    at: UnixMs,
) -> (Movements, Option<Conflict>) {
    ticket.record(park, lane(park, lane_id), In, count, at)
}

/// The movements as area ids and persons.
fn told(park: &Park, movements: &Movements) -> Vec<(String, String, u16)> {
    let id = |ix: AreaIx| park.area(ix).id.to_string();
    movements.iter().map(|one| (id(one.from), id(one.to), one.persons)).collect()
}

fn moved(from: &str, to: &str, persons: u16) -> (String, String, u16) {
    (from.to_owned(), to.to_owned(), persons)
}

fn is_in(park: &Park, ticket: &TicketState, expected: &[(&str, u16)]) {
    let expected: Vec<_> = expected.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect();
    assert_eq!(inside(park, ticket), expected);
}

#[test]
fn an_exit_through_an_unknown_code_is_still_a_movement() {
    let park = park_with("uses = 1");
    let presentation = Presentation::new(clock("17:00"), lane(&park, "n1"), Out);
    let verdict = decide(&park, &presentation, None, &shanmen_rules::Boundless);
    let Verdict::Grant(admission) = verdict else { panic!("{verdict:?}") };
    let granted_at = clock("17:00");
    let open = OpenGrant { lane: lane(&park, "n1"), direction: Out, granted_at, admission };
    assert_eq!(told(&park, &open.movements(1)), [moved("park", "outside", 1)]);
    assert!(!open.movements(1).is_empty());
    assert!(open.movements(0).is_empty());
}

#[test]
fn a_late_entry_is_counted_where_it_happened() {
    let park = park(PACKAGE);
    let mut ticket = ticket(&park, 1);
    record(&park, &mut ticket, "c1", 1, clock("09:00"));
    let remaining: Vec<_> = ticket.remaining(&park).collect();
    assert_eq!(remaining, [(0, Some(1)), (1, Some(0)), (2, Some(1))]);
}

#[test]
fn a_late_entry_takes_the_right_that_is_left() {
    let right = "[[products.entitlements]]\nareas = [\"park\"]\nuses = 1\n";
    let park = park_with(&format!("uses = 1\n{right}"));
    let mut ticket = ticket(&park, 1);
    assert_eq!(record(&park, &mut ticket, "n1", 1, clock("09:00")).1, None);
    assert_eq!(record(&park, &mut ticket, "n1", 1, clock("10:00")).1, None);
    assert_eq!(ticket.remaining(&park).collect::<Vec<_>>(), [(0, Some(0)), (1, Some(0))]);
    // One too many is laid to the first.
    let conflict = record(&park, &mut ticket, "n1", 1, clock("11:00")).1.unwrap();
    assert_eq!((conflict.entitlement, conflict.allowed, conflict.entries), (0, 1, 2));
}

#[test]
fn one_exit_is_matched_by_one_late_entry() {
    let park = park_with("uses = 9");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", Out, clock("11:00"));
    let first = record(&park, &mut ticket, "n1", 1, clock("09:00")).0;
    assert_eq!(told(&park, &first), [moved("outside", "park", 1)]);
    let second = record(&park, &mut ticket, "n1", 1, clock("08:00")).0;
    assert!(second.is_empty(), "{second:?}");
    is_in(&park, &ticket, &[]);
}

#[test]
fn a_late_entry_before_a_known_entry_and_exit_leaves_nobody_inside() {
    let park = park_with("uses = 9");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    pass(&park, &mut ticket, "n1", Out, clock("10:00"));
    assert!(record(&park, &mut ticket, "s1", 1, clock("08:30")).0.is_empty());
    is_in(&park, &ticket, &[]);
}

#[test]
fn of_a_group_reported_late_those_who_have_left_are_not_inside() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 3);
    let exit = open(&park, &mut ticket, "n1", Out, clock("11:00"));
    ticket.settle(&park, &exit, 1, clock("11:00"));
    let movements = record(&park, &mut ticket, "n1", 3, clock("09:00")).0;
    assert_eq!(told(&park, &movements), [moved("outside", "park", 1), moved("outside", "park", 2)]);
    is_in(&park, &ticket, &[("park", 2)]);
}

#[test]
fn a_late_entry_moves_nobody_who_has_been_seen_elsewhere_since() {
    let park = park(PACKAGE);
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "m1", In, clock("11:00"));
    assert!(record(&park, &mut ticket, "n1", 1, clock("09:00")).0.is_empty());
    is_in(&park, &ticket, &[("museum", 1)]);
}

#[test]
fn those_who_stand_before_the_gate_pass_first() {
    let park = park(PACKAGE);
    let mut ticket = ticket(&park, 2);
    for (lane_id, time) in [("m1", "09:00"), ("n1", "09:30"), ("c1", "10:00")] {
        let grant = open(&park, &mut ticket, lane_id, In, clock(time));
        ticket.settle(&park, &grant, 1, clock(time));
    }
    is_in(&park, &ticket, &[("museum", 1), ("cave", 1)]);
}

#[test]
fn who_was_seen_elsewhere_leaves_from_there_and_is_one_person() {
    let park = park(PACKAGE);
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "m1", In, clock("09:00"));
    let exit = open(&park, &mut ticket, "n1", Out, clock("10:00"));
    let movements = ticket.settle(&park, &exit, 1, clock("10:00"));
    assert_eq!(told(&park, &movements), [moved("museum", "outside", 1)]);
    // Nothing is left to be matched with a late entry.
    assert!(record(&park, &mut ticket, "n1", 1, clock("08:00")).0.is_empty());
}

#[test]
fn who_leaves_the_cave_is_in_the_park() {
    let park = park(PACKAGE);
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    pass(&park, &mut ticket, "c1", In, clock("09:30"));
    is_in(&park, &ticket, &[("cave", 1)]);
    pass(&park, &mut ticket, "c1", Out, clock("10:00"));
    is_in(&park, &ticket, &[("park", 1)]);
}

#[test]
fn a_part_of_a_split_group_leaves_as_many_as_pass() {
    let park = park(PACKAGE);
    let mut ticket = ticket(&park, 4);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    let cave = open(&park, &mut ticket, "c1", In, clock("09:30"));
    ticket.settle(&park, &cave, 2, clock("09:30"));
    let exit = open(&park, &mut ticket, "n1", Out, clock("10:00"));
    let movements = ticket.settle(&park, &exit, 3, clock("10:00"));
    assert_eq!(told(&park, &movements), [moved("park", "outside", 2), moved("cave", "outside", 1)]);
    is_in(&park, &ticket, &[("cave", 1)]);
}

#[test]
fn an_exit_comes_from_where_the_ticket_is_today() {
    let park = park(PACKAGE);
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    pass(&park, &mut ticket, "c1", In, clock("09:30"));
    let from = |now| {
        let verdict = ask(&park, &ticket, "n1", Out, now);
        let Verdict::Grant(admission) = verdict else { panic!("{verdict:?}") };
        admission.from
    };
    assert_eq!(from(clock("10:00")), area(&park, "cave"));
    // The business day has turned: nobody is known to be in the cave any more.
    assert_eq!(from(at("2026-10-02T10:00:00+08:00")), area(&park, "park"));
}

/// One use, one re-entry within four hours and after half an hour.
const BACK: &str = "uses = 1\nreentry = { count = 1, within = \"4h\", min_away = \"30m\" }";

/// The exit and the entry after it are known; the first entry is reported late. Whether it is
/// then a use too many.
fn late_first_entry(rule: &str, exit: &str, back: &str) -> bool {
    let park = park_with(rule);
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", Out, clock(exit));
    pass(&park, &mut ticket, "n1", In, clock(back));
    record(&park, &mut ticket, "s1", 1, clock("09:00")).1.is_some()
}

#[test]
fn a_late_first_entry_makes_the_later_one_a_re_entry_only_as_the_rule_has_it() {
    assert!(late_first_entry(BACK, "10:00", "10:29"), "away too short");
    assert!(!late_first_entry(BACK, "10:00", "10:30"));
    assert!(!late_first_entry(BACK, "10:00", "14:00"));
    assert!(late_first_entry(BACK, "10:00", "14:01"), "away too long");
}

#[test]
fn a_late_entry_of_yesterday_is_the_first_of_a_re_entry_where_the_rule_spans_days() {
    for (same_day, conflict) in [(false, false), (true, true)] {
        let rule =
            format!("uses = 1\nreentry = {{ count = 1, within = \"48h\", same_day = {same_day} }}");
        let park = park_with(&rule);
        let mut ticket = ticket(&park, 1);
        pass(&park, &mut ticket, "n1", Out, at("2026-09-30T21:00:00+08:00"));
        pass(&park, &mut ticket, "n1", In, clock("09:00"));
        let late = record(&park, &mut ticket, "s1", 1, at("2026-09-30T20:00:00+08:00")).1;
        assert_eq!(late.is_some(), conflict, "same_day = {same_day}");
    }
}

#[test]
fn a_late_entry_between_two_known_ones_needs_an_exit_between_them() {
    let rule = "uses = 9\nreentry = { count = 9, within = \"9h\" }";
    let park = park_with(rule);
    // The exit was before the first entry.
    let mut before = ticket(&park, 1);
    pass(&park, &mut before, "n1", Out, clock("08:00"));
    pass(&park, &mut before, "n1", In, clock("09:00"));
    pass(&park, &mut before, "n1", In, clock("11:00"));
    record(&park, &mut before, "s1", 1, clock("10:00"));
    assert_eq!(before.entries(), 3);
    // The exit was between them: they came back.
    let mut between = ticket(&park, 1);
    pass(&park, &mut between, "n1", In, clock("09:00"));
    pass(&park, &mut between, "n1", Out, clock("09:30"));
    pass(&park, &mut between, "n1", In, clock("11:00"));
    record(&park, &mut between, "s1", 1, clock("10:00"));
    assert_eq!(between.entries(), 1);
}

#[test]
fn a_late_entry_after_the_last_re_entry_is_a_use_too_many() {
    let park = park_with("uses = 1\nreentry = { count = 1, within = \"4h\" }");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    pass(&park, &mut ticket, "n1", Out, clock("10:00"));
    pass(&park, &mut ticket, "n1", In, clock("11:00"));
    assert!(record(&park, &mut ticket, "s1", 1, clock("10:30")).1.is_some());
}

#[test]
fn two_gates_at_the_very_same_moment_are_two_entries() {
    let park = park_with("uses = 1\nreentry = { count = 2, within = \"4h\" }");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    pass(&park, &mut ticket, "n1", Out, clock("10:00"));
    pass(&park, &mut ticket, "n1", In, clock("11:00"));
    assert!(record(&park, &mut ticket, "s1", 1, clock("09:00")).1.is_some());
}

#[test]
fn a_late_report_of_an_earlier_entry_gives_no_new_re_entries() {
    let park = park_with("uses = 2\nreentry = { count = 1, within = \"4h\" }");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    pass(&park, &mut ticket, "n1", Out, clock("09:30"));
    pass(&park, &mut ticket, "n1", In, clock("10:00"));
    pass(&park, &mut ticket, "n1", Out, clock("10:30"));
    record(&park, &mut ticket, "s1", 1, clock("08:00"));
    assert_eq!(ticket.entries(), 2);
    assert_eq!(reason(&park, &ticket, clock("11:00")), Reason::ReentryExhausted);
}
