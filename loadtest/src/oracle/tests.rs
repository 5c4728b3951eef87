//! The oracle is right about right and wrong days.

use shanmen_protocols::device::Outcome;

use super::*;

const LANE: At = At { lane: 0, fault: false, tries: 1 };
const FAULT: At = At { lane: 0, fault: true, tries: 1 };

fn grant() -> Seen {
    grant_for(1)
}

fn grant_for(persons: u32) -> Seen {
    Seen {
        by: PassageBy::Server,
        result: DecisionResult::Grant,
        reason: Reason::Ok,
        grant: Some(GrantId::fresh()),
        persons,
    }
}

fn deny(reason: Reason) -> Seen {
    Seen { result: DecisionResult::Deny, reason, grant: None, persons: 0, ..grant() }
}

fn alone(seen: Seen) -> Seen {
    Seen { by: PassageBy::Signature, grant: None, ..seen }
}

fn oracle() -> Oracle {
    let mut oracle = Oracle::new(Clock::start());
    for _ in 0..10 {
        oracle.add(1, 0);
    }
    assert_eq!(oracle.add(8, 4), 10, "a group");
    oracle
}

/// One visit with its answer, and as many walking as the oracle says.
fn visit(oracle: &mut Oracle, at: At, visit: Visit, seen: Seen) -> Next {
    let visit = oracle.present(at, visit);
    let next = oracle.answered(at, visit, seen);
    if let Next::Walk(passed) = next {
        let outcome = Some(if passed == seen.persons { Outcome::Taken } else { Outcome::Partial });
        oracle.ended(at, visit, seen, Ended { outcome, passed });
        oracle.acknowledged(at, visit, 0, (seen.by, passed));
    }
    next
}

fn after(answers: &[(Visit, Seen)]) -> u64 {
    let mut oracle = oracle();
    for &(one, seen) in answers {
        visit(&mut oracle, LANE, one, seen);
    }
    oracle.finish();
    oracle.broken().0
}

#[test]
fn a_day_as_it_should_be_breaks_nothing() {
    let day = [
        (Visit::Enter(0), grant()),
        (Visit::Used(0), deny(Reason::AlreadyUsed)),
        (Visit::Leave(0), grant()),
        (Visit::Unknown(1), deny(Reason::UnknownTicket)),
        (Visit::Forged(0), deny(Reason::Forged)),
        (Visit::Linger(1), grant()),
        (Visit::Enter(1), grant()),
    ];
    assert_eq!(after(&day), 0);
}

#[test]
fn a_good_ticket_refused_is_broken() {
    assert!(after(&[(Visit::Enter(0), deny(Reason::UnknownTicket))]) > 0);
}

#[test]
fn a_used_ticket_granted_is_broken_and_what_led_there_is_told() {
    let mut oracle = oracle();
    visit(&mut oracle, LANE, Visit::Enter(0), grant());
    visit(&mut oracle, At::lane(3), Visit::Used(0), grant());
    let (broken, words) = oracle.broken();
    assert!(broken > 0);
    let trail = words[0].trail.join("\n");
    assert!(trail.contains("lane    0 Enter(0) presents"), "{trail}");
    assert!(trail.contains("lane    3 Used(0) is answered grant"), "{trail}");
}

#[test]
fn a_race_has_one_winner() {
    let (lost, late) = (deny(Reason::InProgress), deny(Reason::AlreadyUsed));
    assert_eq!(after(&[(Visit::Race(3), grant()), (Visit::Race(3), late)]), 0);
    assert_eq!(after(&[(Visit::Race(3), lost), (Visit::Race(3), grant())]), 0);
    assert!(after(&[(Visit::Race(3), grant()), (Visit::Race(3), grant())]) > 0);
    assert!(after(&[(Visit::Race(3), lost), (Visit::Race(3), lost)]) > 0);
}

#[test]
fn one_grant_for_two_visitors_is_broken() {
    let same = grant();
    assert_eq!(after(&[(Visit::Enter(0), same), (Visit::Enter(1), same)]), 1);
}

#[test]
fn a_group_comes_in_two_lots_and_not_in_three() {
    let first = [(Visit::Part(10, 3), grant_for(8)), (Visit::Enter(10), grant_for(5))];
    assert_eq!(after(&first), 0);
    let left = [&first[..], &[(Visit::Leave(10), grant_for(8))]].concat();
    assert_eq!(after(&left), 0);
    let again = [&first[..], &[(Visit::Used(10), grant_for(8))]].concat();
    assert!(after(&again) > 0);
    assert!(after(&[(Visit::Part(10, 3), grant_for(8)), (Visit::Enter(10), grant_for(8))]) > 0);
}

#[test]
fn a_lane_that_decides_alone_without_a_fault_is_broken() {
    assert_eq!(after(&[(Visit::Enter(0), alone(deny(Reason::Busy)))]), 1);
}

#[test]
fn in_a_fault_who_is_told_to_try_again_does_and_gets_in() {
    let mut oracle = oracle();
    let busy = alone(deny(Reason::Busy));
    assert_eq!(visit(&mut oracle, FAULT, Visit::Enter(0), busy), Next::Again);
    let reserved = deny(Reason::InProgress);
    assert_eq!(visit(&mut oracle, LANE, Visit::Enter(0), reserved), Next::Again);
    assert_eq!(visit(&mut oracle, LANE, Visit::Enter(0), grant()), Next::Walk(1));
    oracle.finish();
    assert_eq!((oracle.broken().0, oracle.allowances().again), (0, 2));
}

#[test]
fn in_a_fault_a_lane_lets_nobody_in_without_a_real_ticket() {
    let mut oracle = oracle();
    visit(&mut oracle, FAULT, Visit::Enter(0), alone(grant()));
    assert_eq!(oracle.broken().0, 0);
    visit(&mut oracle, FAULT, Visit::Forged(0), alone(grant()));
    assert!(oracle.broken().0 > 0);
}

#[test]
fn a_ticket_that_a_lane_alone_let_in_again_is_a_conflict_and_the_server_must_not() {
    let mut oracle = oracle();
    visit(&mut oracle, LANE, Visit::Enter(0), grant());
    visit(&mut oracle, FAULT, Visit::Used(0), alone(grant()));
    assert_eq!((oracle.broken().0, oracle.allowances().conflicts), (0, 1));
    visit(&mut oracle, LANE, Visit::Used(0), grant());
    assert!(oracle.broken().0 > 0);
}

#[test]
fn who_is_not_on_record_yet_cannot_leave_and_shows_an_unknown_ticket() {
    let mut oracle = oracle();
    assert!(matches!(oracle.present(LANE, Visit::Leave(0)), Visit::Unknown(_)));
    assert_eq!(oracle.allowances().replaced, 1);
}

#[test]
fn who_was_never_let_in_is_told_at_the_end() {
    let mut oracle = oracle();
    visit(&mut oracle, FAULT, Visit::Enter(0), alone(deny(Reason::Busy)));
    oracle.finish();
    assert_eq!(oracle.broken().0, 1);
}

#[test]
fn the_server_may_let_in_whom_a_lane_alone_has_let_in_and_not_reported() {
    let mut oracle = oracle();
    let (first, second) = (At { lane: 1, ..FAULT }, At::lane(2));
    let seen = alone(grant());
    for at in [first, second] {
        oracle.present(at, Visit::Race(4));
    }
    assert_eq!(oracle.answered(first, Visit::Race(4), seen), Next::Walk(1));
    let ended = Ended { outcome: Some(Outcome::Taken), passed: 1 };
    oracle.ended(first, Visit::Race(4), seen, ended);
    let granted = grant();
    assert_eq!(oracle.answered(second, Visit::Race(4), granted), Next::Walk(1));
    oracle.ended(second, Visit::Race(4), granted, ended);
    for (at, by) in [(first, seen.by), (second, granted.by)] {
        oracle.acknowledged(at, Visit::Race(4), 0, (by, 1));
    }
    oracle.finish();
    assert_eq!((oracle.broken().0, oracle.allowances().conflicts), (0, 1));
    visit(&mut oracle, LANE, Visit::Used(4), grant());
    assert!(oracle.broken().0 > 0, "by now it knows");
}

#[test]
fn a_group_of_which_some_never_came_in_is_told_at_the_end() {
    let mut oracle = oracle();
    let granted = grant_for(8);
    let at = oracle.present(LANE, Visit::Enter(10));
    assert_eq!(oracle.answered(LANE, at, granted), Next::Walk(8));
    // The lane says that only five went through, and the ledger has it so.
    oracle.ended(LANE, at, granted, Ended { outcome: Some(Outcome::Partial), passed: 5 });
    oracle.acknowledged(LANE, at, 0, (granted.by, 5));
    assert_eq!(oracle.broken().0, 0);
    oracle.finish();
    let (broken, words) = oracle.broken();
    assert_eq!(broken, 1);
    assert!(words[0].what.contains("5 let in, 8 of 8 came"), "{}", words[0].what);
}

#[test]
fn the_rest_of_a_group_that_did_not_come_is_not_missed() {
    assert_eq!(after(&[(Visit::Part(10, 3), grant_for(8))]), 0);
    assert_eq!(after(&[(Visit::Linger(1), grant())]), 0);
}

/// An oracle whose ticket 11 allows one re-entry.
fn with_return() -> Oracle {
    let mut oracle = oracle();
    assert_eq!(oracle.add(1, park::RETURN), 11);
    oracle
}

#[test]
fn who_has_left_comes_in_again_once_on_a_ticket_that_allows_it() {
    let mut oracle = with_return();
    visit(&mut oracle, LANE, Visit::Enter(11), grant());
    assert!(matches!(oracle.present(LANE, Visit::Return(11)), Visit::Unknown(_)), "still in");
    visit(&mut oracle, LANE, Visit::Leave(11), grant());
    visit(&mut oracle, LANE, Visit::Return(11), grant());
    assert!(matches!(oracle.present(LANE, Visit::Return(11)), Visit::Unknown(_)), "once");
    visit(&mut oracle, LANE, Visit::Used(11), deny(Reason::NotExited));
    oracle.finish();
    let counts = oracle.counts();
    assert_eq!((oracle.broken().0, counts.entries, counts.reentries, counts.exits), (0, 2, 1, 1));
    assert_eq!(counts.inside(), 1);
}

#[test]
fn a_return_that_is_refused_is_broken_and_missed_at_the_end() {
    let mut oracle = with_return();
    visit(&mut oracle, LANE, Visit::Enter(11), grant());
    visit(&mut oracle, LANE, Visit::Leave(11), grant());
    visit(&mut oracle, LANE, Visit::Return(11), deny(Reason::AlreadyUsed));
    assert_eq!(oracle.broken().0, 1);
    oracle.finish();
    assert_eq!(oracle.broken().0, 2);
}

#[test]
fn a_ticket_for_re_entries_that_is_shown_inside_is_refused_as_not_exited() {
    let mut oracle = with_return();
    visit(&mut oracle, LANE, Visit::Enter(11), grant());
    visit(&mut oracle, LANE, Visit::Used(11), deny(Reason::AlreadyUsed));
    assert_eq!(oracle.broken().0, 1);
}

#[test]
fn an_exit_that_is_not_on_record_yet_opens_no_return() {
    let mut oracle = with_return();
    visit(&mut oracle, LANE, Visit::Enter(11), grant());
    let leave = oracle.present(LANE, Visit::Leave(11));
    let granted = grant();
    assert_eq!(oracle.answered(LANE, leave, granted), Next::Walk(1));
    oracle.ended(LANE, leave, granted, Ended { outcome: Some(Outcome::Taken), passed: 1 });
    assert!(matches!(oracle.present(LANE, Visit::Return(11)), Visit::Unknown(_)));
    oracle.acknowledged(LANE, leave, 0, (granted.by, 1));
    assert_eq!(oracle.present(LANE, Visit::Return(11)), Visit::Return(11));
}

#[test]
fn in_a_fault_a_lane_alone_may_refuse_a_return_and_it_comes_again() {
    let mut oracle = with_return();
    visit(&mut oracle, LANE, Visit::Enter(11), grant());
    visit(&mut oracle, LANE, Visit::Leave(11), grant());
    let refused = alone(deny(Reason::AlreadyUsed));
    assert_eq!(visit(&mut oracle, FAULT, Visit::Return(11), refused), Next::Again);
    assert_eq!(visit(&mut oracle, LANE, Visit::Return(11), grant()), Next::Walk(1));
    oracle.finish();
    assert_eq!(oracle.broken().0, 0);
}

fn decision(grant: Option<GrantId>) -> Decision {
    let granted = grant.is_some();
    let reason = if granted { Reason::Ok } else { Reason::AlreadyUsed };
    let text = std::borrow::Cow::Borrowed("");
    Decision {
        id: shanmen_protocols::ids::ScanId::fresh(),
        result: if granted { DecisionResult::Grant } else { DecisionResult::Deny },
        grant,
        reason,
        persons: 1,
        hold_ms: 0,
        needs: Vec::new(),
        show: shanmen_protocols::device::Show {
            title: text.clone(),
            text: text.clone(),
            voice: text,
            light: reason.row().light,
            lang: shanmen_protocols::reason::Lang::Zh,
        },
        facts: serde_json::Map::new(),
    }
}

#[test]
fn a_scan_that_is_sent_twice_gets_the_same_answer_twice_and_one_grant() {
    let first = decision(Some(GrantId::fresh()));
    let second_grant = Decision { grant: Some(GrantId::fresh()), ..first.clone() };
    let refused = Decision { id: first.id, ..decision(None) };
    let broken = |at: At, decisions: &[Decision]| {
        let mut oracle = oracle();
        oracle.repeated(at, Visit::Enter(0), decisions);
        assert_eq!(oracle.twice(), 1);
        oracle.broken().0
    };
    let same = [first.clone(), first.clone()];
    assert_eq!(broken(LANE, &same), 0);
    assert_eq!(broken(LANE, &[first.clone(), second_grant]), 1, "a second grant");
    assert_eq!(broken(FAULT, &[first.clone(), refused]), 1, "another answer");
    assert_eq!(broken(LANE, &same[..1]), 1, "no second answer");
    assert_eq!(broken(FAULT, &same[..1]), 0, "the network may lose one");
}
