//! Plans are believable, and the same again for the same seed.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{book::SETTLED_AFTER_NS, *};
use crate::arrivals::poisson;

fn times(rate: f64) -> Vec<(u64, usize)> {
    poisson(rate, Duration::from_mins(1), 5).into_iter().map(|at_ns| (at_ns, 0)).collect()
}

fn minute() -> Plan {
    plan(&times(1000.0), &Rules::plain(Mix::default()), 5)
}

#[test]
fn a_seed_makes_the_same_plan_again() {
    assert_eq!(minute(), minute());
}

#[test]
fn nobody_is_added_and_nobody_lost() {
    assert_eq!(minute().arrivals.len(), times(1000.0).len());
}

#[test]
fn a_ticket_leaves_once_and_only_after_its_entry() {
    let mut entered: HashMap<usize, u64> = HashMap::new();
    let mut left = HashSet::new();
    for arrival in minute().arrivals {
        match arrival.visit {
            Visit::Enter(ticket) => assert_eq!(entered.insert(ticket, arrival.at_ns), None),
            Visit::Leave(ticket) => {
                assert!(entered[&ticket] + SETTLED_AFTER_NS <= arrival.at_ns);
                assert!(left.insert(ticket));
            }
            Visit::Used(ticket) | Visit::Forged(ticket) => {
                assert!(entered.contains_key(&ticket) && !left.contains(&ticket));
            }
            Visit::Race(_) | Visit::Unknown(_) => {}
            Visit::Part(..) | Visit::Linger(_) | Visit::Return(_) => panic!("not in this mix"),
        }
    }
    assert!(left.len() > 3_000);
}

#[test]
fn races_come_in_pairs_at_one_moment() {
    let mut races: HashMap<usize, Vec<u64>> = HashMap::new();
    for arrival in minute().arrivals {
        if let Visit::Race(ticket) = arrival.visit {
            races.entry(ticket).or_default().push(arrival.at_ns);
        }
    }
    assert!(races.len() > 100);
    assert!(races.values().all(|at| at.len() == 2 && at[0] == at[1]));
}

#[test]
fn the_rest_of_a_group_comes_later_and_so_does_who_did_not_walk() {
    let mix = Mix { group: 50, part: 20, linger: 20, ..Mix::default() };
    let plan = plan(&times(100.0), &Rules::plain(mix), 5);
    let mut open: HashMap<usize, u64> = HashMap::new();
    let mut ended = 0;
    for arrival in plan.arrivals {
        match arrival.visit {
            Visit::Part(ticket, some) => {
                assert!(0 < some && some < plan.tickets[ticket].persons);
                open.insert(ticket, arrival.at_ns);
            }
            Visit::Linger(ticket) => {
                open.insert(ticket, arrival.at_ns);
            }
            Visit::Enter(ticket) => {
                if let Some(before) = open.remove(&ticket) {
                    assert!(before + 5_000_000_000 < arrival.at_ns);
                    ended += 1;
                }
            }
            _ => {}
        }
    }
    assert!(ended > 100, "{ended}");
    assert!(plan.tickets.iter().any(|sold| sold.persons > 1));
}

#[test]
fn who_stays_for_a_while_leaves_after_it() {
    let rules = Rules { stay_s: Some(10.0), ..Rules::plain(Mix { leave: 0, ..Mix::default() }) };
    let plan = plan(&times(100.0), &rules, 5);
    let mut entered: HashMap<usize, u64> = HashMap::new();
    let mut left = 0;
    for arrival in plan.arrivals {
        match arrival.visit {
            Visit::Enter(ticket) => {
                entered.insert(ticket, arrival.at_ns);
            }
            Visit::Leave(ticket) => {
                let stayed_ns = arrival.at_ns - entered[&ticket];
                assert!((5_000_000_000..=15_000_000_000).contains(&stayed_ns));
                left += 1;
            }
            _ => {}
        }
    }
    assert!(left > 3_000, "{left}");
}

#[test]
fn who_may_come_in_again_comes_leaves_and_returns_once_each_on_record_before_the_next() {
    let mix = Mix { reenter: 100, again: 200, ..Mix::default() };
    let plan = plan(&times(100.0), &Rules::plain(mix), 5);
    let mut seen: HashMap<usize, Vec<(Visit, u64)>> = HashMap::new();
    let mut shown_after = 0;
    for Arrival { at_ns, visit, .. } in &plan.arrivals {
        let Some(ticket) = visit.ticket().filter(|ticket| plan.tickets[*ticket].returns) else {
            continue;
        };
        let steps = seen.entry(ticket).or_default();
        let right = match steps.len() {
            0 => *visit == Visit::Enter(ticket),
            1 => *visit == Visit::Leave(ticket),
            2 => *visit == Visit::Return(ticket),
            _ => matches!(visit, Visit::Used(_) | Visit::Forged(_)),
        };
        assert!(right, "{visit:?} after {steps:?}");
        if let Some((_, before_ns)) = steps.last().filter(|_| steps.len() < 4) {
            assert!(before_ns + SETTLED_AFTER_NS <= *at_ns, "{visit:?} after {steps:?}");
        }
        shown_after += usize::from(steps.len() > 2);
        steps.push((*visit, *at_ns));
    }
    let returned = seen.values().filter(|steps| steps.len() > 2).count();
    assert!(returned > 100 && shown_after > 0, "{returned}, {shown_after}");
    let twice = plan.arrivals.iter().filter(|arrival| arrival.twice).count();
    let share = 1_000 * twice / plan.arrivals.len();
    assert!((150..250).contains(&share), "{share}");
}

#[test]
fn what_is_sent_twice_changes_nobodys_plan() {
    assert!(minute().arrivals.iter().all(|arrival| !arrival.twice));
}
