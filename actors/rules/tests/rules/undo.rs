//! A passage that is taken back leaves the ticket as if nobody had gone in.

use shanmen_protocols::ids::Direction;
use shanmen_rules::{OpenGrant, Park, SinceThen, TicketState};

use crate::support::{ask, clock, inside, open, park_with, pass, ticket};

fn enter(park: &Park, ticket: &mut TicketState, time: &str) -> OpenGrant {
    let grant = open(park, ticket, "n1", Direction::In, clock(time));
    ticket.settle(park, &grant, grant.admission.persons, clock(time));
    grant
}

#[test]
fn what_was_allowed_before_is_allowed_again() {
    for terms in ["uses = 1", "uses = 2", "per_day = 1", "uses = 1\nreentry = { count = 1 }", ""] {
        let park = park_with(terms);
        for persons in [1, 3] {
            let fresh = ticket(&park, persons);
            let mut ticket = fresh.clone();
            let grant = enter(&park, &mut ticket, "09:00");
            let moves = ticket.take_back(&park, &grant, persons, clock("09:00")).expect("undone");
            assert_eq!(moves.iter().map(|step| step.persons).sum::<u16>(), persons, "{terms}");
            assert!(inside(&park, &ticket).iter().all(|(area, _)| area == "outside"), "{terms}");
            assert_eq!((ticket.entries(), ticket.entry_days()), (0, 0), "{terms}");
            assert_eq!(ticket.first_entry(), None, "{terms}");
            let now = clock("09:01");
            let again = ask(&park, &ticket, "n1", Direction::In, now);
            assert_eq!(again, ask(&park, &fresh, "n1", Direction::In, now), "{terms}");
        }
    }
}

#[test]
fn only_the_last_entry_can_be_taken_back_and_only_once() {
    let park = park_with("uses = 3");
    let mut ticket = ticket(&park, 1);
    let first = enter(&park, &mut ticket, "09:00");
    pass(&park, &mut ticket, "n1", Direction::Out, clock("09:10"));
    assert_eq!(ticket.take_back(&park, &first, 1, clock("09:00")), Err(SinceThen), "he has left");
    let second = enter(&park, &mut ticket, "09:20");
    assert_eq!(ticket.take_back(&park, &first, 1, clock("09:00")), Err(SinceThen));
    assert!(ticket.take_back(&park, &second, 1, clock("09:20")).is_ok());
    assert_eq!(ticket.entries(), 1, "the first entry stands");
    assert_eq!(ticket.take_back(&park, &second, 1, clock("09:20")), Err(SinceThen), "once");
}

#[test]
fn a_ticket_that_is_about_to_move_is_left_alone() {
    let park = park_with("uses = 3");
    let mut ticket = ticket(&park, 1);
    let grant = enter(&park, &mut ticket, "09:00");
    let before = {
        open(&park, &mut ticket, "s1", Direction::In, clock("09:01"));
        ticket.clone()
    };
    assert_eq!(ticket.take_back(&park, &grant, 1, clock("09:00")), Err(SinceThen));
    assert_eq!(ticket, before, "nothing is changed");
}
