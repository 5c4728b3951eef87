//! Orders, configuration, emergency, and who speaks for the device.

use super::*;

#[tokio::test]
async fn orders_are_followed_once_and_answered() {
    let Some(bench) = Bench::start("").await else { return };
    let mut device = bench.device().await;
    assert_eq!(bench.order(&Order::Mode { mode: LaneMode::Free }).await, (AckStatus::Done, None));
    device.barrier("release").await;
    assert_eq!(bench.order(&Order::Mode { mode: LaneMode::Normal }).await.0, AckStatus::Done);
    device.barrier("close").await;
    let open = Order::Open { grant: None, persons: 1, direction: Direction::In, hold_ms: 5_000 };
    let command = Control::command(Some(&bench.session()), &open);
    for _ in 0..2 {
        bench.control.say(&bench.device, &Down::Command(command.clone()));
    }
    let seen = bench.control.has_seen("two acks", |seen| {
        seen.acks.iter().filter(|ack| ack.id == command.id).count() == 2
    });
    let acks: Vec<AckStatus> =
        seen.await.acks.iter().filter(|a| a.id == command.id).map(|a| a.status).collect();
    assert_eq!(acks, [AckStatus::Done, AckStatus::Duplicate]);
    device.barrier("open").await;
    device.tell(json!({ "sense": "passed" })).await;
    device.barrier("close").await;
    let seen = bench.control.has_seen("the passage", |seen| !passages(seen).is_empty()).await;
    assert_eq!(
        (passages(&seen)[0].by, passages(&seen)[0].outcome),
        (PassageBy::Manual, Outcome::Taken)
    );
    // Late, of another session, retained, or nothing that a turnstile does.
    let mut late = Control::command(Some(&bench.session()), &open);
    late.at = late.at.map(|at| at.plus_ms(-60_000));
    bench.control.say(&bench.device, &Down::Command(late.clone()));
    let ended = bench.control.has_seen("expired", |seen| seen.acks.iter().any(|a| a.id == late.id));
    assert_eq!(ended.await.acks.last().unwrap().status, AckStatus::Expired);
    assert_eq!(bench.order(&Order::Logout {}).await.0, AckStatus::Rejected);
    let seen = bench.control.seen();
    assert_eq!(seen.reports.last().unwrap().mode, Some(LaneMode::Normal));
    device.kill().await;
}

#[tokio::test]
async fn an_emergency_is_for_all_and_the_fire_input_stands_above_it() {
    let Some(bench) = Bench::start("").await else { return };
    let mut device = bench.device().await;
    let all = |on| Down::Command(Control::command(None, &Order::Emergency { on }));
    bench.control.say_to_all(&all(true));
    device.barrier("release").await;
    device.tell(json!({ "sense": "passed", "direction": "out" })).await;
    let seen = bench.control.has_seen("a passage", |seen| !passages(seen).is_empty()).await;
    assert_eq!(passages(&seen)[0].by, PassageBy::Emergency);
    device.kill().await;
    let mut device = bench.device().await;
    device.barrier("release").await;
    device.tell(json!({ "sense": "fire", "on": true })).await;
    bench
        .control
        .has_seen("the fire", |seen| {
            facts(seen)
                .values()
                .any(|body| matches!(body, Body::Alarm { code, active: true } if code == "fire"))
        })
        .await;
    bench.control.say_to_all(&all(false));
    let refused = |seen: &Seen| seen.acks.iter().any(|ack| ack.status == AckStatus::Rejected);
    bench.control.has_seen("a refusal to close", refused).await;
    device.tell(json!({ "sense": "fire", "on": false })).await;
    device.barrier("close").await;
    device.kill().await;
}

#[tokio::test]
async fn a_configuration_is_taken_whole_or_not_at_all_and_outlives_a_restart() {
    let Some(bench) = Bench::start("").await else { return };
    let device = bench.device().await;
    let config = |version, config: Value| {
        let config = config.as_object().unwrap().clone();
        Down::Config(ConfigDown { session: bench.session(), version, config })
    };
    bench.control.say(&bench.device, &config(3, json!({ "ttl_ms": 700 })));
    let taken = |seen: &Seen| seen.reports.last().unwrap().version == Some(3);
    bench.control.has_seen("version 3", taken).await;
    bench.control.say(&bench.device, &config(4, json!({ "ttl_ms": 800, "volume": 900 })));
    let refused = |seen: &Seen| seen.reports.last().unwrap().refused == Some(4);
    let report = bench.control.has_seen("a refusal", refused).await.reports.pop().unwrap();
    assert_eq!(report.version, Some(3));
    assert_eq!(report.rejects.keys().collect::<Vec<_>>(), ["volume"]);
    device.kill().await;
    let mut device = bench.device().await;
    let seen = bench.control.seen();
    assert_eq!(seen.hellos.last().unwrap().config_version, Some(3.into()));
    device.show("ABC-1").await;
    device.barrier("open").await;
    assert_eq!(bench.control.seen().scans.last().unwrap().ttl_ms, 700);
    device.kill().await;
}

#[tokio::test]
async fn a_second_session_takes_over_and_orders_of_the_first_have_no_effect() {
    let Some(bench) = Bench::start("").await else { return };
    let device = bench.device().await;
    let first = bench.session();
    // Somebody else with this device's name: the broker throws the device out.
    let (_thief, mut eventloop) = connection(&bench.broker.address(), "huangshan.n1");
    let hellos = bench.control.seen().hellos.len();
    let thief = tokio::spawn(async move {
        let polled = tokio::time::timeout(Duration::from_secs(1), async {
            while eventloop.poll().await.is_ok() {}
        });
        drop(polled.await);
    });
    bench.control.has_seen("another hello", |seen| hellos < seen.hellos.len()).await;
    thief.await.unwrap();
    let again = bench.control.has_seen("a report", |seen| {
        seen.hellos.last().unwrap().session != first && 2 <= seen.reports.len()
    });
    assert_eq!(again.await.hellos[0].epoch, bench.control.seen().hellos.last().unwrap().epoch);
    let stale = Control::command(Some(&first), &Order::Mode { mode: LaneMode::Free });
    let id = stale.id;
    bench.control.say(&bench.device, &Down::Command(stale));
    let seen = bench.control.has_seen("an ack", |seen| seen.acks.iter().any(|a| a.id == id)).await;
    assert_eq!(seen.acks.last().unwrap().status, AckStatus::Expired);
    device.kill().await;
}
