//! The queue of facts: in order, bounded, deleted only after an acknowledgement.

use shanmen_protocols::{device::Passage, time::UnixMs};

use super::*;

fn queue() -> EventQueue {
    let mut kept = Kept { epoch: Epoch::new("e1").unwrap(), ..Kept::nothing() };
    EventQueue::new(&mut kept, QUEUE_MAX_EVENTS)
}

fn push(queue: &mut EventQueue, count: u64, now_ms: u64) {
    for _ in 0..count {
        let time = TimeBlock { at: Some(UnixMs(1)), ..TimeBlock::default() };
        queue.push(Body::Boot { reason: "test".into() }, time, now_ms);
    }
}

fn numbers(log: Option<Log>) -> Vec<u64> {
    log.map(|log| log.events.iter().map(|event| event.seq).collect()).unwrap_or_default()
}

#[test]
fn facts_are_numbered_from_one_without_gaps() {
    let mut queue = queue();
    for expected in 1..=3 {
        let event = queue.push(Body::Other, TimeBlock::default(), 0);
        assert_eq!((event.seq, event.epoch.as_str()), (expected, "e1"));
    }
    assert_eq!(queue.next_seq(), 4);
}

#[test]
fn a_fact_is_deleted_only_when_it_is_acknowledged() {
    let mut queue = queue();
    push(&mut queue, 3, 0);
    let epoch = queue.epoch().clone();
    assert_eq!(queue.acknowledge(&epoch, 2, 0), 2);
    assert_eq!(queue.acknowledge(&epoch, 2, 0), 0, "a repeated acknowledgement has no effect");
    assert_eq!(queue.len(), 1);
}

#[test]
fn an_acknowledgement_of_another_epoch_deletes_nothing() {
    let mut queue = queue();
    push(&mut queue, 3, 0);
    assert_eq!(queue.acknowledge(&Epoch::new("e0").unwrap(), 3, 0), 0);
    assert_eq!(queue.len(), 3);
}

#[test]
fn a_backlog_goes_out_in_batches_one_after_the_other_from_what_is_acknowledged() {
    let mut queue = queue();
    push(&mut queue, 150, 0);
    queue.resume(10, 0);
    assert_eq!(numbers(queue.next_batch(0)), (11..=74).collect::<Vec<_>>());
    assert!(queue.next_batch(0).is_none(), "one at a time");
    let epoch = queue.epoch().clone();
    queue.acknowledge(&epoch, 74, 0);
    assert_eq!(numbers(queue.next_batch(0)), (75..=138).collect::<Vec<_>>());
    queue.acknowledge(&epoch, 138, 0);
    assert_eq!(numbers(queue.next_batch(0)), (139..=150).collect::<Vec<_>>());
    queue.acknowledge(&epoch, 150, 0);
    assert!(queue.next_batch(0).is_none() && queue.is_empty());
}

#[test]
fn live_facts_are_no_part_of_the_backlog() {
    let mut queue = queue();
    push(&mut queue, 2, 0);
    queue.resume(0, 0);
    push(&mut queue, 1, 0);
    assert_eq!(numbers(queue.next_batch(0)), [1, 2]);
    let epoch = queue.epoch().clone();
    queue.acknowledge(&epoch, 2, 0);
    assert!(queue.next_batch(0).is_none());
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_lost_acknowledgement_leads_to_a_second_sending() {
    let mut queue = queue();
    push(&mut queue, 2, 1_000);
    assert!(!queue.overdue(1_000 + RESEND_AFTER_MS - 1));
    assert!(queue.overdue(1_000 + RESEND_AFTER_MS));
    assert_eq!(numbers(queue.next_batch(1_000 + RESEND_AFTER_MS)), [1, 2]);
    assert!(queue.overdue(1_000 + 2 * RESEND_AFTER_MS), "and a third");
}

#[test]
fn nothing_is_overdue_when_all_is_acknowledged() {
    let mut queue = queue();
    assert_eq!(queue.wake_at_ms(), None);
    push(&mut queue, 1, 0);
    queue.resume(1, 0);
    assert_eq!(queue.wake_at_ms(), None);
    assert!(!queue.overdue(u64::MAX));
}

#[test]
fn a_full_queue_says_which_facts_are_lost() {
    let mut queue = queue();
    let max = u64::try_from(QUEUE_MAX_EVENTS).unwrap();
    push(&mut queue, max + 2, 0);
    assert_eq!(queue.len(), QUEUE_MAX_EVENTS);
    assert_eq!(queue.lost(), 3);
    queue.resume(0, 0);
    let first = queue.next_batch(0).unwrap().events.swap_remove(0);
    assert_eq!((first.seq, first.body), (3, Body::Gap { from: 1, to: 3 }));
}

#[test]
fn passages_stay_while_there_is_anything_else_to_give_way() {
    let mut kept = Kept { epoch: Epoch::new("e1").unwrap(), ..Kept::nothing() };
    let mut queue = EventQueue::new(&mut kept, 12);
    let passage: Passage = serde_json::from_str(r#"{"outcome":"taken","count":1}"#).unwrap();
    for n in 0..40 {
        let body = if n % 8 == 0 { Body::Passage(passage.clone()) } else { Body::Other };
        queue.push(body, TimeBlock::default(), 0);
    }
    let passages = |facts: &[LogEvent]| -> Vec<u64> {
        let passed = facts.iter().filter(|fact| matches!(fact.body, Body::Passage(_)));
        passed.map(|fact| fact.seq).collect()
    };
    let held = Vec::from(queue.facts.clone());
    assert_eq!(passages(&held), [1, 9, 17, 25, 33]);
    assert_eq!(held, table(queue.take_writes()), "and so on the disk");
    // What is between them is told as lost, number by number.
    let mut next = 1;
    for fact in &held {
        let from = if let Body::Gap { from, .. } = fact.body { from } else { fact.seq };
        assert_eq!(from, next);
        next = fact.seq + 1;
    }
    assert_eq!(next, queue.next_seq());
}

#[test]
fn a_batch_fits_into_a_message() {
    let mut queue = queue();
    for _ in 0..LOG_MAX_EVENTS {
        let body = Body::Boot { reason: "x".repeat(2_000) };
        queue.push(body, TimeBlock::default(), 0);
    }
    queue.resume(0, 0);
    let batch = queue.next_batch(0).unwrap();
    assert!(batch.events.len() < LOG_MAX_EVENTS);
    assert!(serde_json::to_vec(&batch).unwrap().len() <= PAYLOAD_MAX_BYTES);
}

/// What a storage holds after these writes, in the way of a table of facts.
fn table(writes: Vec<Write>) -> Vec<LogEvent> {
    let mut facts = std::collections::BTreeMap::new();
    for write in writes {
        match write {
            Write::Fact(fact) => drop(facts.insert(fact.seq, fact)),
            Write::DropFact(seq) => drop(facts.remove(&seq)),
            Write::DropFacts(upto) => facts.retain(|seq, _| upto < *seq),
            other => panic!("{other:?}"),
        }
    }
    facts.into_values().collect()
}

#[test]
fn what_is_kept_is_what_is_held() {
    let mut kept = Kept { epoch: Epoch::new("e1").unwrap(), ..Kept::nothing() };
    let mut queue = EventQueue::new(&mut kept, 10);
    push(&mut queue, 25, 0);
    let epoch = queue.epoch().clone();
    queue.acknowledge(&epoch, 18, 0);
    let kept_facts = table(queue.take_writes());
    assert_eq!(Vec::from(queue.facts.clone()), kept_facts);
    let mut again = Kept { epoch, next_seq: queue.next_seq(), facts: kept_facts, ..kept };
    let mut reopened = EventQueue::new(&mut again, 10);
    reopened.resume(18, 0);
    assert_eq!(numbers(reopened.next_batch(0)), (19..=25).collect::<Vec<_>>());
    let fact = reopened.push(Body::Other, TimeBlock::default(), 0);
    assert_eq!(fact.seq, 26);
}
