//! Lanes without a control plane, and lanes on a bad network: whatever was decided and whoever
//! passed comes back complete, once each, in order.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use shanmen_devices::{
    agent::BrokerAddress,
    clock::Clock,
    storage::SqliteStorage,
    turnstile::TurnstileConfig,
    virtual_lane::{Presentation, VirtualTurnstile},
};
use shanmen_protocols::{
    device::{DecisionResult, OfflineMode, PassageBy},
    ids::{DeviceId, LaneId, SiteId},
    list,
    time::ClockState,
};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::support::{
    Server, eventually,
    faults::{Faults, Weather},
    park, today,
    tools::Mosquitto,
};

/// Lanes that lose the control plane.
const LANES: usize = 20;
/// What each of them admits meanwhile.
const EACH: usize = 250;

/// The tests' park with many lanes at its gate.
fn wide_park(head: &str) -> String {
    let mut config = park(head);
    for n in 0..LANES {
        write!(config, "[[lanes]]\nid = \"w{n}\"\ngate = \"north\"\ndirection = \"both\"\n")
            .expect("a string takes all");
    }
    config.replacen("instant = 1000", "instant = 100000", 1)
}

/// A real turnstile over virtual drivers.
struct Fleet {
    stop: CancellationToken,
    folder: tempfile::TempDir,
}

impl Fleet {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { stop: CancellationToken::new(), folder }
    }

    async fn turnstile(
        &self,
        server: &Server,
        port: u16,
        lane: &str,
        offline: OfflineMode,
    ) -> VirtualTurnstile {
        let name = format!("d-{lane}");
        let (username, password) = server.enrol(&name, lane).await;
        let site = SiteId::new("testpark").expect("an id");
        let device = DeviceId::new(&name).expect("an id");
        let broker = BrokerAddress { host: "127.0.0.1".into(), port };
        let lane = LaneId::new(lane).expect("an id");
        let mut config = TurnstileConfig::new(site, device, lane, broker);
        (config.agent.username, config.agent.password) = (username, password);
        config.agent.settings.offline.policy = offline;
        if offline != OfflineMode::Deny {
            config.agent.lists = list::NAMES;
        }
        config.agent.reconnect_min_ms = 100;
        config.agent.reconnect_max_ms = 1_000;
        let storage = SqliteStorage::open(&self.folder.path().join(format!("{name}.sqlite")));
        let storage = Box::new(storage.expect("a storage"));
        let clock = Clock::boot(ClockState::Synced);
        VirtualTurnstile::start_with(config, storage, clock, self.stop.clone())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn tickets(server: &Server, count: usize) -> Vec<(String, String)> {
    let ticket = json!({ "product": "adult-day", "visit_date": today() });
    let mut issued = Vec::with_capacity(count);
    while issued.len() < count {
        let batch = vec![ticket.clone(); 1_000.min(count - issued.len())];
        let answer = server.post("/api/v1/tickets", &json!({ "tickets": batch })).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        for one in answer.body["tickets"].as_array().expect("tickets") {
            let text = |name: &str| one[name].as_str().expect("text").to_owned();
            issued.push((text("id"), text("code")));
        }
    }
    issued
}

/// Presents tickets one after the other at a lane that is online; the answers' times.
async fn live(
    lane: &VirtualTurnstile,
    codes: &[(String, String)],
    on: &AtomicBool,
) -> Vec<Duration> {
    let mut times = Vec::new();
    for (_, code) in codes {
        if !on.load(Ordering::Relaxed) {
            break;
        }
        let answer = lane.present(Presentation::qr(code)).await.expect("an answer");
        assert_eq!((answer.result, answer.by), (DecisionResult::Grant, PassageBy::Server));
        times.push(answer.latency);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    times.sort();
    times
}

fn of(times: &[Duration], share: usize) -> Duration {
    times[(times.len() * share / 100).min(times.len() - 1)]
}

/// 5,000 people pass 20 lanes that have lost their broker; then it comes back.
async fn come_back(server: &Server) {
    let fleet = Fleet::new();
    let proxy = Faults::before(server.mqtt.clone(), 1).await;
    let mut lanes = Vec::new();
    for n in 0..LANES {
        let lane = format!("w{n}");
        lanes.push(fleet.turnstile(server, proxy.port, &lane, OfflineMode::Signed).await);
    }
    let live_lane = fleet.turnstile(server, server.mqtt.1, "n1", OfflineMode::Deny).await;
    let issued = Arc::new(tickets(server, LANES * EACH).await);
    let for_live = tickets(server, 2_000).await;
    live_lane.ready().await.expect("the live lane");
    for lane in &lanes {
        let path = format!("/api/v1/devices/{}", lane.device());
        eventually("the lists at every lane", async || {
            let held = server.get(&path).await.body["lists"].clone();
            held.as_object().is_some_and(|held| held.len() == list::NAMES.len()).then_some(())
        })
        .await;
    }
    let on = AtomicBool::new(true);
    let before = live(&live_lane, &for_live[..200], &on).await;

    proxy.become_(Weather::Down);
    let begun = Instant::now();
    let mut at_work = JoinSet::new();
    for (n, lane) in lanes.into_iter().enumerate() {
        let issued = Arc::clone(&issued);
        at_work.spawn(async move {
            lane.handle().offline().await.expect("offline");
            for (_, code) in &issued[n * EACH..(n + 1) * EACH] {
                let answer = lane.present(Presentation::qr(code)).await.expect("an answer");
                assert_eq!(answer.result, DecisionResult::Grant, "{:?}", answer.reason);
                assert!(answer.by != PassageBy::Server && answer.passed == 1);
            }
            let again = lane.present(Presentation::qr(&issued[n * EACH].1)).await;
            assert_eq!(again.expect("an answer").result, DecisionResult::Deny, "used here");
            lane
        });
    }
    let lanes = at_work.join_all().await;
    let admitted_in = begun.elapsed();

    proxy.become_(Weather::Clear);
    let begun = Instant::now();
    let meanwhile = live(&live_lane, &for_live[200..], &on);
    let settled = async {
        for lane in &lanes {
            let done = tokio::time::timeout(Duration::from_mins(2), lane.handle().settled()).await;
            done.expect("all facts acknowledged in time").expect("a running lane");
        }
        let took = begun.elapsed();
        on.store(false, Ordering::Relaxed);
        took
    };
    let (meanwhile, took) = tokio::join!(meanwhile, settled);
    println!(
        "{} passages of {LANES} lanes: admitted offline in {admitted_in:?}, back in {took:?}; \
         live scans p50/p99 {:?}/{:?} before, {:?}/{:?} meanwhile ({} scans)",
        LANES * EACH,
        of(&before, 50),
        of(&before, 99),
        of(&meanwhile, 50),
        of(&meanwhile, 99),
        meanwhile.len(),
    );
    let live_entries = before.len() + meanwhile.len();
    let all = json!(LANES * EACH + live_entries);
    server.until("everybody", |s| s["today"]["entries"] == all).await;
    for lane in issued.chunks(EACH) {
        let mut last = String::new();
        for (id, _) in lane {
            let ticket = server.get(&format!("/api/v1/tickets/{id}")).await.body;
            let passages = ticket["passages"].as_array().expect("passages");
            assert_eq!((passages.len(), &ticket["entries"]), (1, &json!(1)), "{ticket}");
            assert_ne!(passages[0]["by"], "server");
            let at = passages[0]["at"].as_str().expect("a time").to_owned();
            assert!(last <= at, "in order: {last} before {at}");
            last = at;
        }
    }
    assert_eq!(server.get("/api/v1/conflicts").await.body["conflicts"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_passages_come_back_through_the_embedded_broker() {
    come_back(&Server::start_with(&wide_park("")).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_passages_come_back_through_mosquitto() {
    let Some(broker) = Mosquitto::start().await else { return };
    let head = format!("[broker]\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    come_back(&Server::start_with(&wide_park(&head)).await).await;
}

/// How long the storm lasts: a bounded time in CI, longer by hand.
fn storm() -> (Duration, u64) {
    let number = |name: &str, or: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
    };
    (Duration::from_secs(number("SHANMEN_STORM_SECONDS", 15)), number("SHANMEN_STORM_SEED", 7))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_storm_no_ticket_passes_twice_and_no_passage_is_lost() {
    let (how_long, seed) = storm();
    println!("SHANMEN_STORM_SECONDS={} SHANMEN_STORM_SEED={seed}", how_long.as_secs());
    let mut server = Server::start_with(&wide_park("")).await;
    let fleet = Fleet::new();
    let proxy = Faults::before(server.mqtt.clone(), seed).await;
    let mut lanes = Vec::new();
    for n in 0..LANES {
        let lane = format!("w{n}");
        lanes.push(fleet.turnstile(&server, proxy.port, &lane, OfflineMode::Deny).await);
    }
    for lane in &lanes {
        lane.ready().await.expect("a lane");
    }
    let issued = Arc::new(tickets(&server, 3_000).await);
    proxy.become_(Weather::Stormy);
    let end = Instant::now() + how_long;
    let mut at_work = JoinSet::new();
    for (n, lane) in lanes.into_iter().enumerate() {
        let issued = Arc::clone(&issued);
        at_work.spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed.wrapping_add(n as u64));
            let mut passed = 0;
            while Instant::now() < end {
                // A few tickets, so that lanes meet on the same one.
                let (_, code) = &issued[rng.random_range(0..issued.len() / 10)];
                let walkers = u32::from(rng.random_bool(0.98));
                let wanted = Presentation { walkers, ..Presentation::qr(code) };
                let Ok(answer) = lane.present(wanted).await else { continue };
                assert!(answer.by == PassageBy::Server || answer.passed == 0, "deny offline");
                passed += u64::from(answer.passed);
                // The next in the queue steps up.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (lane, passed)
        });
    }
    let half = async {
        tokio::time::sleep(how_long / 3).await;
        proxy.become_(Weather::Silent);
        tokio::time::sleep(Duration::from_secs(2)).await;
        proxy.become_(Weather::Stormy);
    };
    let (finished, ()) = tokio::join!(at_work.join_all(), half);
    proxy.become_(Weather::Clear);
    let passed: u64 = finished.iter().map(|(_, passed)| passed).sum();
    for (lane, _) in &finished {
        let done = tokio::time::timeout(Duration::from_mins(1), lane.handle().settled()).await;
        done.expect("all facts acknowledged in time").expect("a running lane");
    }
    println!("{passed} passed, settled {:?} after the storm; {:?}", end.elapsed(), proxy.done);
    assert!(passed > 0 && proxy.done.dropped.load(Ordering::Relaxed) > 0, "a storm");
    server.until("whoever passed", |s| s["today"]["entries"] == json!(passed)).await;
    // Not one of them twice, also as the ledger has it after a kill.
    server.kill();
    server.restart().await;
    let mut entries = 0;
    for (id, _) in issued.iter().take(issued.len() / 10) {
        let ticket = server.get(&format!("/api/v1/tickets/{id}")).await.body;
        let times = ticket["entries"].as_u64().expect("a number");
        assert!(times <= 1, "single_use: {ticket}");
        entries += times;
    }
    assert_eq!(entries, passed, "no_lost_passage");
    assert_eq!(server.get("/api/v1/conflicts").await.body["conflicts"], json!([]));
    let broken: Value = json!(server.metric("shanmen_invariant_broken_total").await);
    assert_eq!(broken, json!(0.0));
}
