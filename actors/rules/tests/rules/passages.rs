//! What passages do to a ticket, in order and out of order.

use crate::support::{
    area, ask, at, clock, day, inside, lane, open, park, park_with, pass, reason, ticket,
};
use shanmen_protocols::ids::Direction::{In, Out};
use shanmen_protocols::reason::Reason;
use shanmen_rules::{Status, TicketState, Verdict};

#[test]
fn an_entry_counts_when_the_passage_is_taken() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 1);
    let grant = open(&park, &mut ticket, "n1", In, clock("09:00"));
    assert_eq!((ticket.entries(), ticket.is_reserved()), (0, true));
    assert_eq!(reason(&park, &ticket, clock("09:01")), Reason::InProgress);
    let movements = ticket.settle(&park, &grant, 1, clock("09:02"));
    assert_eq!((ticket.entries(), ticket.is_reserved()), (1, false));
    assert_eq!(movements.iter().count(), 1);
    assert_eq!(inside(&park, &ticket), [("park".to_owned(), 1)]);
}

#[test]
fn a_release_gives_everything_back() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 1);
    let before = ticket.clone();
    let grant = open(&park, &mut ticket, "n1", In, clock("09:00"));
    assert!(ticket.settle(&park, &grant, 0, clock("09:02")).is_empty());
    assert_eq!(ticket, before);
}

#[test]
fn a_refund_between_scan_and_passage_does_not_hide_the_passage() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 1);
    let grant = open(&park, &mut ticket, "n1", In, clock("09:00"));
    ticket.set_status(Status::Refunded);
    ticket.settle(&park, &grant, 1, clock("09:00"));
    assert_eq!(ticket.entries(), 1);
    assert_eq!(reason(&park, &ticket, clock("09:05")), Reason::Refunded);
}

#[test]
fn a_second_passage_by_an_offline_gate_is_recorded_and_named_as_a_conflict() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    let (_, conflict) = ticket.record(&park, lane(&park, "s1"), In, 1, clock("09:30"));
    let conflict = conflict.unwrap();
    assert_eq!((conflict.allowed, conflict.entries), (1, 2));
    assert_eq!(conflict.other_gate, park.gate_ix("north"));
    assert_eq!(conflict.other_at, Some(clock("09:00")));
    assert_eq!(conflict.lane, lane(&park, "s1"));
    assert_eq!(ticket.entries(), 2);
}

#[test]
fn an_offline_passage_while_a_grant_is_open_is_a_conflict_too() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 1);
    open(&park, &mut ticket, "n1", In, clock("09:00"));
    let (_, conflict) = ticket.record(&park, lane(&park, "s1"), In, 1, clock("08:59"));
    assert!(conflict.is_some());
}

#[test]
fn an_offline_passage_within_the_uses_is_no_conflict() {
    let park = park_with("uses = 2");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    assert_eq!(ticket.record(&park, lane(&park, "s1"), In, 1, clock("08:30")).1, None);
    assert_eq!(ticket.first_entry(), Some(clock("08:30")));
    assert_eq!(ticket.last_entry(), Some(clock("09:00")));
    assert_eq!(reason(&park, &ticket, clock("10:00")), Reason::AlreadyUsed);
}

#[test]
fn a_late_report_of_yesterday_counts_in_all_and_not_today() {
    let park = park_with("per_day = 1");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    let yesterday = at("2026-09-30T09:00:00+08:00");
    let (movements, conflict) = ticket.record(&park, lane(&park, "s1"), In, 1, yesterday);
    assert!(movements.is_empty() && conflict.is_none());
    assert_eq!(ticket.entries(), 2);
    assert_eq!(ticket.entries_today(day("2026-10-01")), 1);
    assert_eq!(ticket.entry_days(), 2);
    assert_eq!(inside(&park, &ticket), [("park".to_owned(), 1)]);
    // The same day once more is no new day.
    ticket.record(&park, lane(&park, "s1"), In, 1, yesterday.plus_ms(1));
    assert_eq!((ticket.entries(), ticket.entry_days()), (3, 2));
}

#[test]
fn a_late_entry_before_a_known_exit_leaves_nobody_inside() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 1);
    // The way in was offline, the way out online: nothing was known of the way in.
    let exit = open(&park, &mut ticket, "n1", Out, clock("11:00"));
    let out = ticket.settle(&park, &exit, 1, clock("11:00"));
    let (back, conflict) = ticket.record(&park, lane(&park, "s1"), In, 1, clock("09:00"));
    assert!(conflict.is_none());
    assert!(inside(&park, &ticket).is_empty());
    // What the exit took from the count, the entry gives back.
    let (out, back) = (out.iter().next().unwrap(), back.iter().next().unwrap());
    assert_eq!((out.from, out.to, out.persons), (back.to, back.from, back.persons));
    assert_eq!(reason(&park, &ticket, clock("12:00")), Reason::AlreadyUsed);
}

#[test]
fn a_late_exit_before_the_last_entry_leaves_the_holder_inside() {
    let park = park_with("uses = 5");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    pass(&park, &mut ticket, "n1", In, clock("12:00"));
    let (movements, _) = ticket.record(&park, lane(&park, "s1"), Out, 1, clock("10:00"));
    assert!(movements.is_empty());
    assert_eq!(inside(&park, &ticket), [("park".to_owned(), 1)]);
}

#[test]
fn a_late_first_entry_makes_the_later_one_the_re_entry() {
    let park = park_with("uses = 1\nreentry = { count = 1, within = \"4h\" }");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", Out, clock("10:00"));
    pass(&park, &mut ticket, "n1", In, clock("11:00"));
    let (_, conflict) = ticket.record(&park, lane(&park, "s1"), In, 1, clock("09:00"));
    assert_eq!((conflict, ticket.entries()), (None, 1));
    pass(&park, &mut ticket, "n1", Out, clock("12:00"));
    assert_eq!(reason(&park, &ticket, clock("12:30")), Reason::ReentryExhausted);
}

#[test]
fn an_offline_re_entry_consumes_no_use() {
    let park = park_with("uses = 1\nreentry = { count = 1, within = \"4h\" }");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    pass(&park, &mut ticket, "n1", Out, clock("10:00"));
    assert_eq!(ticket.record(&park, lane(&park, "s1"), In, 1, clock("10:30")).1, None);
    assert!(ticket.record(&park, lane(&park, "s1"), In, 1, clock("10:40")).1.is_some());
}

#[test]
fn tailgaters_are_people_but_no_uses() {
    let park = park_with("uses = 3");
    let mut ticket = ticket(&park, 1);
    let grant = open(&park, &mut ticket, "n1", In, clock("09:00"));
    let movements = ticket.settle(&park, &grant, 2, clock("09:00"));
    assert_eq!(movements.iter().map(|one| one.persons).sum::<u16>(), 2);
    assert_eq!(ticket.entries(), 1);
    assert_eq!(inside(&park, &ticket), [("park".to_owned(), 1)]);
}

#[test]
fn a_split_group_is_in_two_places() {
    let park = park(
        "[[products]]\nid = \"p\"\npersons = { min = 1, max = 60 }\n\
         validity = { kind = \"fixed\", from = \"2026-01-01\", until = \"2026-12-31\" }\n\
         [[products.entitlements]]\nareas = [\"park\"]\nuses = 1\n\
         [[products.entitlements]]\nareas = [\"cave\"]\nuses = 1\n",
    );
    let mut ticket = ticket(&park, 30);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    let grant = open(&park, &mut ticket, "c1", In, clock("10:00"));
    assert_eq!(grant.admission.from, area(&park, "park"));
    ticket.settle(&park, &grant, 5, clock("10:00"));
    assert_eq!(inside(&park, &ticket), [("park".to_owned(), 25), ("cave".to_owned(), 5)]);
    assert_eq!(ticket.persons_in(&park, area(&park, "park"), day("2026-10-01")), 30);
    assert_eq!(ticket.remaining(&park).collect::<Vec<_>>(), [(0, Some(0)), (1, Some(25))]);
    // All leave by the park's gate: from wherever they are.
    pass(&park, &mut ticket, "n1", Out, clock("17:00"));
    assert!(inside(&park, &ticket).is_empty());
    assert_eq!(ask(&park, &ticket, "c1", In, clock("17:30")).as_str(), "grant");
}

#[test]
fn a_blob_read_back_is_the_same_ticket_and_small() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    let blob = postcard::to_stdvec(&ticket).unwrap();
    assert_eq!(blob[0], 0, "the version stands first");
    assert!(blob.len() <= 64, "{} bytes", blob.len());
    assert_eq!(postcard::from_bytes::<TicketState>(&blob).unwrap(), ticket);
}

#[test]
fn ten_million_tickets_fit_into_memory() {
    assert!(size_of::<TicketState>() <= 64, "{}", size_of::<TicketState>());
    assert!(size_of::<Verdict>() <= 128, "{}", size_of::<Verdict>());
}

#[test]
fn a_new_admission_brings_its_own_re_entries() {
    let park = park_with("uses = 2\nreentry = { count = 1, within = \"4h\" }");
    let mut ticket = ticket(&park, 1);
    for (hour, entries) in [(8, 1), (10, 1), (12, 2), (14, 2)] {
        pass(&park, &mut ticket, "n1", In, clock(&format!("{hour:02}:00")));
        assert_eq!(ticket.entries(), entries, "at {hour}");
        pass(&park, &mut ticket, "n1", Out, clock(&format!("{hour:02}:30")));
    }
    assert_eq!(reason(&park, &ticket, clock("16:00")), Reason::ReentryExhausted);
}
