//! The oracle is right about right and wrong days.

use super::*;

fn grant() -> Seen {
    Seen {
        by: PassageBy::Server,
        result: DecisionResult::Grant,
        reason: Reason::Ok,
        grant: Some(GrantId::fresh()),
        persons: 1,
    }
}

fn deny(reason: Reason) -> Seen {
    Seen { result: DecisionResult::Deny, reason, grant: None, persons: 0, ..grant() }
}

fn after(answers: &[(Visit, Seen)]) -> u64 {
    let mut oracle = Oracle::new(10);
    for &(visit, seen) in answers {
        let visit = oracle.present(visit);
        oracle.answered(visit, seen);
        if seen.result == DecisionResult::Grant {
            oracle.passed(visit, 0);
        }
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
    ];
    assert_eq!(after(&day), 0);
}

#[test]
fn a_good_ticket_refused_is_broken() {
    assert!(after(&[(Visit::Enter(0), deny(Reason::UnknownTicket))]) > 0);
}

#[test]
fn a_used_ticket_granted_is_broken() {
    assert!(after(&[(Visit::Enter(0), grant()), (Visit::Used(0), grant())]) > 0);
}

#[test]
fn a_race_has_one_winner() {
    let (lost, late) = (deny(Reason::InProgress), deny(Reason::AlreadyUsed));
    assert_eq!(after(&[(Visit::Race(3), grant()), (Visit::Race(3), lost)]), 0);
    assert_eq!(after(&[(Visit::Race(3), late), (Visit::Race(3), grant())]), 0);
    assert!(after(&[(Visit::Race(3), grant()), (Visit::Race(3), grant())]) > 0);
    assert!(after(&[(Visit::Race(3), lost), (Visit::Race(3), lost)]) > 0);
}

#[test]
fn one_grant_for_two_visitors_is_broken() {
    let same = grant();
    assert_eq!(after(&[(Visit::Enter(0), same), (Visit::Enter(1), same)]), 1);
}

#[test]
fn a_lane_that_had_to_decide_alone_is_broken_and_its_ticket_is_left_out() {
    let alone = Seen { by: PassageBy::Own, ..deny(Reason::Busy) };
    assert_eq!(after(&[(Visit::Enter(0), alone)]), 1);
}

#[test]
fn who_is_not_on_record_yet_cannot_leave_and_shows_an_unknown_ticket() {
    let mut oracle = Oracle::new(1);
    assert!(matches!(oracle.present(Visit::Leave(0)), Visit::Unknown(_)));
    assert_eq!(oracle.replaced(), 1);
}
