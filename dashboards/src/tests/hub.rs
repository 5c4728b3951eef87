//! The hub itself, on paused time and without sockets.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use shanmen_protocols::feed::{Delta, Recent, RecentKind, Snapshot};
use tokio::{
    sync::broadcast,
    time::{Instant, sleep},
};

use super::fixture::{Fed, alarm, now, park, persons};
use crate::{
    Limits,
    coalesce::{drop_known, merge},
    glass::ReadyFrame,
};

async fn next(frames: &mut broadcast::Receiver<ReadyFrame>) -> Value {
    serde_json::from_slice(&frames.recv().await.expect("a frame").wire.text()).unwrap()
}

fn line(n: u64) -> Recent {
    serde_json::from_value(serde_json::json!({
        "n": n, "at": now(), "committed_at": now().plus_ms(i64::try_from(n).unwrap()),
        "kind": RecentKind::Passage, "lane": "south-1", "gate": "south", "direction": "in",
        "count": 1,
    }))
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn many_changes_are_one_frame_and_no_two_frames_are_closer_than_the_gap() {
    let fed = Fed::new(Limits::default());
    let mut frames = fed.hub.frames();
    let begun = Instant::now();
    let sender = async {
        for count in 1..=100 {
            fed.send(persons(count));
            sleep(Duration::from_millis(10)).await;
        }
    };
    let reader = async {
        let mut made = vec![];
        loop {
            let frame = next(&mut frames).await;
            made.push((Instant::now(), frame["seq"].as_u64().unwrap()));
            if frame["today"]["in_site"] == 100 {
                return made;
            }
        }
    };
    let ((), made) = tokio::join!(sender, reader);
    assert!(made.len() <= 11, "{} frames in {:?}", made.len(), begun.elapsed());
    for pair in made.windows(2) {
        assert_eq!(pair[1].1, pair[0].1 + 1, "numbered one by one");
        assert!(pair[1].0 - pair[0].0 >= Duration::from_millis(100));
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_after_a_quiet_while_goes_out_at_once() {
    let fed = Fed::new(Limits::default());
    let mut frames = fed.hub.frames();
    fed.send(persons(0));
    next(&mut frames).await;
    sleep(Duration::from_millis(150)).await;
    let sent_at = Instant::now();
    fed.send(persons(1));
    assert_eq!(next(&mut frames).await["today"]["in_site"], 1);
    assert!(sent_at.elapsed() <= Duration::from_millis(1), "{:?}", sent_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_quiet_feed_still_beats() {
    let fed = Fed::new(Limits::default());
    let mut frames = fed.hub.frames();
    fed.send(Delta::default()); // nothing changed: no frame of its own
    let begun = Instant::now();
    let beat = next(&mut frames).await;
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(beat, serde_json::json!({ "type": "delta", "seq": 1, "at": now() }));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_fell_behind_takes_the_state_anew() {
    let fed = Fed::new(Limits::default());
    let mut frames = fed.hub.frames();
    fed.source.lock().unwrap().today.in_site = 777;
    for count in 0..50 {
        fed.send(persons(count)); // the channel holds 8, and the hub does not run in between
    }
    let frame = next(&mut frames).await;
    assert_eq!((&frame["type"], &frame["today"]["in_site"]), (&"snapshot".into(), &777.into()));
    fed.send(persons(778));
    let after = next(&mut frames).await;
    assert_eq!(after["seq"].as_u64(), frame["seq"].as_u64().map(|seq| seq + 1));
    assert_eq!(after["today"]["in_site"], 778);
}

#[tokio::test(start_paused = true)]
async fn a_hub_without_a_true_state_does_not_beat() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let fed = Fed::with_resync(Limits::default(), Arc::new(Mutex::new(park())), move || {
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        Box::pin(async move {
            if first {
                std::future::pending::<()>().await;
            }
            park()
        })
    });
    let mut frames = fed.hub.frames();
    for count in 0..50 {
        fed.send(persons(count));
    }
    let begun = Instant::now();
    let frame = next(&mut frames).await;
    assert_eq!(frame["type"], "snapshot", "no heartbeat before it");
    assert!(begun.elapsed() >= Limits::default().resync_timeout);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn the_feed_ends_with_its_source() {
    let Fed { hub, deltas, shutdown, source: _ } = Fed::new(Limits::default());
    deltas.send(Arc::new(persons(5))).unwrap();
    drop(deltas);
    hub.closed().await;
    assert!(!shutdown.is_cancelled(), "the program goes on");
    let frame: Value = serde_json::from_slice(&hub.snapshot_frame()).unwrap();
    assert_eq!(frame["today"]["in_site"], 5, "the last change was still taken");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_and_the_frames_after_it_fit_together() {
    let fed = Fed::new(Limits::default());
    let frame = || serde_json::from_slice::<Value>(&fed.hub.snapshot_frame()).unwrap();
    assert_eq!(frame()["seq"], 0);
    fed.send(persons(1)); // nobody watches: the state moves on all the same
    sleep(Duration::from_secs(1)).await;
    let held = frame();
    assert_eq!((&held["seq"], &held["today"]["in_site"]), (&1.into(), &1.into()));
    let mut frames = fed.hub.frames();
    fed.send(persons(2));
    assert_eq!(next(&mut frames).await["seq"], 2);
}

#[test]
fn one_merged_delta_does_what_many_do() {
    let mut chance = 7_u64;
    let mut roll = |below: u64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (chance >> 33) % below
    };
    for _ in 0..200 {
        let (mut one_by_one, mut at_once): (Snapshot, Snapshot) = (park(), park());
        let mut merged = Delta::default();
        for n in 0..roll(70) {
            let mut delta = match roll(3) {
                0 => persons(u32::try_from(n).unwrap()),
                _ => Delta::default(),
            };
            delta.alarms.push(alarm(roll(5), &format!("a{n}"), roll(3) > 0));
            delta.recent.push(line(n));
            one_by_one.apply(&delta);
            merge(&mut merged, &delta);
        }
        at_once.apply(&merged);
        let by_id = |state: &mut Snapshot| state.alarms.sort_by_key(|alarm| alarm.id);
        by_id(&mut one_by_one);
        by_id(&mut at_once);
        assert_eq!(one_by_one, at_once);
    }
}

#[test]
fn a_line_that_the_snapshot_holds_is_not_shown_twice() {
    let mut state = park();
    state.recent = (10..20).map(line).collect();
    let mut delta = Delta { recent: (5..25).map(line).collect(), ..Delta::default() };
    drop_known(&mut delta, &state);
    assert_eq!(delta.recent, (20..25).map(line).collect::<Vec<_>>());
    // A source that counts anew is not mistaken for an old one.
    let fresh = Recent { n: 1, ..line(99) };
    let mut delta = Delta { recent: vec![fresh], ..Delta::default() };
    drop_known(&mut delta, &state);
    assert_eq!(delta.recent.len(), 1);
}
