//! Killed at any moment, ended in order: no fact is lost, none is told twice.

use super::*;

#[tokio::test]
async fn a_kill_between_the_relay_and_the_fact_leaves_one_outcome() {
    let Some(bench) = Bench::start("").await else { return };
    for round in 0..6 {
        let mut device = bench.device().await;
        device.show(if round % 2 == 0 { "ABC-1" } else { "P2-GROUP" }).await;
        device.barrier("open").await;
        if 2 <= round {
            device.tell(json!({ "sense": "passed" })).await;
            if round % 2 == 0 {
                device.barrier("close").await;
            }
        }
        device.kill().await;
    }
    let device = bench.device().await;
    let settled = |seen: &Seen| {
        seen.grants.len() == 6 && seen.grants.iter().all(|g| !outcomes_of(*g, seen).is_empty())
    };
    let seen = bench.control.has_seen("an outcome for each grant", settled).await;
    for (round, grant) in seen.grants.iter().enumerate() {
        let outcomes = outcomes_of(*grant, &seen);
        assert_eq!(outcomes.len(), 1, "round {round}: {outcomes:?}");
        let expected: &[Outcome] = match round {
            0 | 1 => &[Outcome::NotTaken],
            2 | 4 => &[Outcome::Taken],
            // Killed at about the time of the first of two persons.
            _ => &[Outcome::NotTaken, Outcome::Partial],
        };
        assert!(expected.contains(&outcomes[0].0), "round {round}: {outcomes:?}");
    }
    let counters: Vec<_> = passages(&seen).iter().map(|p| p.counters.unwrap().inward).collect();
    assert!(counters.is_sorted(), "counters go on over restarts: {counters:?}");
    device.kill().await;
}

#[tokio::test]
async fn ten_thousand_facts_outlive_restarts_without_a_control_plane() {
    const FACTS: usize = 10_200;
    let Some(mut bench) = Bench::start("").await else { return };
    bench.broker.kill();
    let mut answered = 0;
    while answered < FACTS {
        let mut device = Device::start(&bench.folder);
        // Killed three times on the way.
        let until = (answered + FACTS / 3).min(FACTS);
        while answered < until {
            for _ in 0..50 {
                device.show("ABC-1").await;
            }
            for _ in 0..50 {
                assert_eq!(device.next("answer").await["reason"], "busy");
            }
            answered += 50;
        }
        device.kill().await;
    }
    bench.broker.restart().await;
    let device = bench.device().await;
    let last = bench.control.seen().hellos.last().unwrap().next_seq.unwrap() - 1;
    let all = |seen: &Seen| u64::try_from(facts(seen).len()).unwrap() >= last;
    // Each look goes through all facts: so one look for many facts.
    let seen = loop {
        let now = bench.control.seen();
        if all(&now) {
            break now;
        }
        let got = now.facts.len();
        bench.control.has_seen("more facts", |seen| got < seen.facts.len()).await;
    };
    let numbers: Vec<u64> = facts(&seen).keys().copied().collect();
    assert!(numbers.iter().copied().eq(1..=*numbers.last().unwrap()), "there is a gap");
    let denied = facts(&seen).values().filter(|b| matches!(b, Body::Denied { .. })).count();
    assert_eq!(denied, answered, "each refusal that was shown is on record, once");
    device.kill().await;
}

#[tokio::test]
async fn a_file_with_faults_is_told_in_full_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lane.toml");
    std::fs::write(&path, "site = \"s\"\n[broker]\nurl = \"x\"\n[hardware]\ndriver = \"y\"\n")
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_shanmen-device"))
        .args(["turnstile", "--config"])
        .arg(&path)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    for place in ["device: ", "data: ", "lane: ", "broker.url: ", "hardware.driver: "] {
        assert!(told.contains(place), "{place} is not in {told}");
    }
}

#[tokio::test]
async fn sigterm_ends_in_order() {
    let Some(bench) = Bench::start("").await else { return };
    let mut device = bench.device().await;
    device.show("ABC-1").await;
    device.barrier("open").await;
    let pid = device.child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let status = within("the end", device.child.wait()).await.unwrap();
    assert!(status.success());
    let gone = |seen: &Seen| !seen.states.last().unwrap().online && !passages(seen).is_empty();
    let seen = bench.control.has_seen("a goodbye", gone).await;
    assert_eq!(passages(&seen)[0].outcome, Outcome::NotTaken);
}
