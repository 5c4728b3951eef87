//! Jobs over repeats, restarts and power cuts.

use proptest::prelude::*;

use super::*;

fn id(number: u128) -> JobId {
    JobId(uuid::Uuid::from_u128(number))
}

fn job(number: u128) -> Job {
    Job { id: id(number), content: Content::Raw(vec![1]), copies: 1, command: None }
}

/// The disk: what was kept.
#[derive(Default)]
struct Shelf(BTreeMap<String, String>);

impl Shelf {
    fn keep(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Keep(id, record) => {
                    self.0.insert(id.to_string(), serde_json::to_string(record).unwrap());
                }
                Effect::Forget(id) => drop(self.0.remove(&id.to_string())),
                Effect::Fact(_) | Effect::Ended(..) | Effect::Print(_) => {}
            }
        }
    }
}

fn facts(effects: &[Effect]) -> Vec<(JobId, JobState)> {
    let facts = effects.iter().filter_map(|effect| match effect {
        Effect::Fact(Body::Job { job, state, .. }) => Some((*job, *state)),
        _ => None,
    });
    facts.collect()
}

#[test]
fn the_same_id_gets_the_first_answer_whatever_it_asks_for() {
    let (mut spool, mut effects) = (Spool::default(), Vec::new());
    assert_eq!(spool.take(job(1), &mut effects), Taken::Waits);
    spool.printed(id(1), Ok(()), &['𬱖'], &mut effects);
    assert_eq!(facts(&effects), [(id(1), JobState::Started), (id(1), JobState::Done)]);
    effects.clear();
    let other = Job { content: Content::Raw(vec![2]), ..job(1) };
    let Taken::Again(record) = spool.take(other, &mut effects) else { panic!("taken twice") };
    assert_eq!((record.state, record.missing), (State::Done, vec!["U+2CC56".to_owned()]));
    assert_eq!(effects, []);
}

#[test]
fn a_job_begun_before_a_restart_is_unknown_and_one_that_waited_has_failed() {
    let (mut spool, mut effects, mut shelf) = (Spool::default(), Vec::new(), Shelf::default());
    for number in 1..=2 {
        spool.take(job(number), &mut effects);
    }
    shelf.keep(&effects);
    effects.clear();
    let mut reborn = Spool::recover(shelf.0.clone(), &mut effects);
    assert_eq!(facts(&effects), [(id(1), JobState::Unknown), (id(2), JobState::Failed)]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Print(_))));
    shelf.keep(&effects);
    effects.clear();
    assert!(matches!(reborn.take(job(1), &mut effects), Taken::Again(_)));
    let again = Spool::recover(shelf.0, &mut effects);
    assert_eq!(effects, [], "told once");
    assert_eq!(again.record(id(1)).unwrap().state, State::Unknown);
}

#[test]
fn only_a_job_that_is_not_begun_can_be_given_up() {
    let (mut spool, mut effects) = (Spool::default(), Vec::new());
    for number in 1..=2 {
        spool.take(job(number), &mut effects);
    }
    assert!(!spool.cancel(id(1), &mut effects) && !spool.cancel(id(9), &mut effects));
    assert!(spool.cancel(id(2), &mut effects));
    effects.clear();
    spool.printed(id(1), Ok(()), &[], &mut effects);
    assert!(spool.is_empty());
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Print(_))));
}

#[test]
fn the_records_are_bounded_and_the_oldest_goes_first() {
    let (mut spool, mut shelf) = (Spool::default(), Shelf::default());
    for number in 0..=RECORDS_MAX as u128 {
        let mut effects = Vec::new();
        spool.take(job(number), &mut effects);
        spool.printed(id(number), Ok(()), &[], &mut effects);
        shelf.keep(&effects);
    }
    assert_eq!(shelf.0.len(), RECORDS_MAX);
    assert!(spool.record(id(0)).is_none() && spool.record(id(1)).is_some());
    for number in 0..=WAITING_MAX as u128 {
        spool.take(job(100_000 + number), &mut Vec::new());
    }
    assert_eq!(spool.take(job(200_000), &mut Vec::new()), Taken::Full);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take(u8),
    End(u8),
    Cancel(u8),
    CutBeforeTheDisk(u8),
    CutAfterTheDisk(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..5_u8, 0..6_u8).prop_map(|(kind, number)| match kind {
        0 => Step::Take(number),
        1 => Step::End(number % 3),
        2 => Step::Cancel(number),
        3 => Step::CutBeforeTheDisk(number),
        _ => Step::CutAfterTheDisk(number),
    });
    proptest::collection::vec(step, 1..60)
}

proptest! {
    /// The paper is the oracle: a job comes out at most once, and each that did is `done` or
    /// `unknown` in the end.
    #[test]
    fn nothing_is_printed_twice_however_the_power_is_cut(steps in steps()) {
        let (mut spool, mut shelf) = (Spool::default(), Shelf::default());
        let mut paper: Vec<JobId> = Vec::new();
        let mut at_printer: Option<JobId> = None;
        for step in steps {
            let mut effects = Vec::new();
            let mut cut = None;
            match step {
                Step::Take(number) => drop(spool.take(job(number.into()), &mut effects)),
                Step::Cancel(number) => drop(spool.cancel(id(number.into()), &mut effects)),
                Step::End(how) => if let Some(active) = at_printer.take() {
                    let end = match how {
                        0 => Ok(()),
                        1 => Err(Fault::Before("no_paper".into())),
                        _ => Err(Fault::Amid("gone".into())),
                    };
                    // A fault before the first byte is one where nothing came out.
                    if how == 1 { paper.retain(|id| *id != active); }
                    spool.printed(active, end, &[], &mut effects);
                },
                Step::CutBeforeTheDisk(number) => {
                    spool.take(job(number.into()), &mut effects);
                    cut = Some(false);
                }
                Step::CutAfterTheDisk(number) => {
                    spool.take(job(number.into()), &mut effects);
                    cut = Some(true);
                }
            }
            if cut != Some(false) {
                shelf.keep(&effects);
            }
            if cut.is_some() {
                at_printer = None;
                effects.clear();
                spool = Spool::recover(shelf.0.clone(), &mut effects);
                shelf.keep(&effects);
            }
            for effect in &effects {
                if let Effect::Print(job) = effect {
                    prop_assert!(at_printer.is_none());
                    prop_assert!(!paper.contains(&job.id), "printed twice");
                    paper.push(job.id);
                    at_printer = Some(job.id);
                }
            }
        }
        let spool = Spool::recover(shelf.0, &mut Vec::new());
        for id in paper {
            let state = spool.record(id).map(|record| record.state);
            prop_assert!(matches!(state, Some(State::Done | State::Unknown)), "{state:?}");
        }
    }
}
