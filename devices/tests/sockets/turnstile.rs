//! One turnstile: what moves its barrier and what does not, and that no fact is lost.

use std::time::Duration;

use shanmen_devices::{
    clock::Clock,
    turnstile::TurnstileConfig,
    virtual_lane::{Answer, Presentation, VirtualTurnstile},
};
use shanmen_protocols::{
    device::{Body, DecisionResult, Outcome, PassageBy},
    ids::{DeviceId, Direction, LaneId, SiteId},
};
use tokio_util::sync::CancellationToken;

use crate::{
    broker::Broker,
    control::{Control, Manner},
    within,
};

/// A broker, a control plane and one turnstile.
struct Bench {
    turnstile: VirtualTurnstile,
    control: Control,
    broker: Broker,
    shutdown: CancellationToken,
}

impl Bench {
    /// `None` where there is no mosquitto.
    async fn start(ttl_ms: u32) -> Option<Self> {
        Self::start_with(ttl_ms, |_control| {}).await
    }

    async fn start_with(ttl_ms: u32, prepare: impl FnOnce(&Control)) -> Option<Self> {
        let broker = Broker::start().await?;
        let site = SiteId::new("huangshan").unwrap();
        let control = Control::start(&broker.address(), &site).await;
        prepare(&control);
        let device = DeviceId::new("n1").unwrap();
        let lane = LaneId::new("north-1").unwrap();
        let mut config = TurnstileConfig::new(site, device, lane, broker.address());
        config.agent.settings.ttl_ms = ttl_ms;
        config.agent.reconnect_min_ms = 200;
        config.agent.reconnect_max_ms = 400;
        let shutdown = CancellationToken::new();
        let turnstile = VirtualTurnstile::start(config, Clock::default(), shutdown.clone());
        within("ready", turnstile.ready()).await.unwrap();
        Some(Self { turnstile, control, broker, shutdown })
    }

    async fn present(&self) -> Answer {
        within("an answer", self.turnstile.present(Presentation::qr("ABC-123"))).await.unwrap()
    }

    async fn settled(&self) {
        within("acknowledged", self.turnstile.handle().settled()).await.unwrap();
    }

    fn openings(&self) -> u64 {
        self.turnstile.lane().record().openings()
    }
}

fn outcomes(facts: &[(u64, Body)]) -> Vec<(Outcome, u32)> {
    let passage = |(_, body): &(u64, Body)| match body {
        Body::Passage(passage) => Some((passage.outcome, passage.count.unwrap())),
        _ => None,
    };
    facts.iter().filter_map(passage).collect()
}

#[tokio::test]
async fn a_visitor_passes_and_the_passage_is_acknowledged() {
    let Some(bench) = Bench::start(1_500).await else { return };
    let answer = bench.present().await;
    assert_eq!((answer.result, answer.by), (DecisionResult::Grant, PassageBy::Server));
    assert_eq!((answer.outcome, answer.passed), (Some(Outcome::Taken), 1));
    assert!(Duration::ZERO < answer.latency && answer.latency < Duration::from_millis(1_500));
    bench.settled().await;
    let seen = bench.control.seen();
    assert_eq!(seen.scans[0].attempt, 1);
    assert_eq!(outcomes(&seen.facts), [(Outcome::Taken, 1)]);
    assert_eq!(seen.states.last().unwrap().session, seen.hellos[0].session);
    assert!(seen.states.last().unwrap().online);
    assert_eq!(bench.openings(), 1);
}

#[tokio::test]
async fn a_group_ends_in_one_outcome_with_its_count() {
    let Some(bench) = Bench::start(1_500).await else { return };
    bench.control.order(|orders| orders.manner = Manner::GrantFor(5));
    let group = Presentation { walkers: 3, ..Presentation::qr("GROUP") };
    let answer = within("an answer", bench.turnstile.present(group)).await.unwrap();
    assert_eq!((answer.outcome, answer.passed), (Some(Outcome::Partial), 3));
    let out = Presentation { walkers: 5, direction: Direction::Out, ..Presentation::qr("GROUP") };
    let answer = within("an answer", bench.turnstile.present(out)).await.unwrap();
    assert_eq!((answer.outcome, answer.passed), (Some(Outcome::Taken), 5));
    bench.settled().await;
    let facts = bench.control.seen().facts;
    assert_eq!(outcomes(&facts), [(Outcome::Partial, 3), (Outcome::Taken, 5)]);
}

#[tokio::test]
async fn a_late_decision_moves_no_barrier() {
    let Some(bench) = Bench::start(300).await else { return };
    bench.control.order(|orders| orders.manner = Manner::GrantTooLate);
    let answer = bench.present().await;
    assert_eq!((answer.result, answer.by), (DecisionResult::Deny, PassageBy::Own));
    // The late grant is on its way before the fact's acknowledgement.
    bench.settled().await;
    assert_eq!(bench.openings(), 0);
    assert_eq!(bench.turnstile.stats().stale_decisions, 1);
    bench.control.order(|orders| orders.manner = Manner::Grant);
    assert_eq!(bench.present().await.outcome, Some(Outcome::Taken));
    assert_eq!(bench.openings(), 1);
}

#[tokio::test]
async fn a_retained_decision_moves_no_barrier() {
    let Some(bench) = Bench::start(6_000).await else { return };
    bench.control.order(|orders| orders.manner = Manner::GrantRetained);
    let answer = bench.present().await;
    assert_eq!(answer.outcome, Some(Outcome::Taken));
    assert!(Duration::from_secs(2) <= answer.latency, "opened for the second sending only");
    bench.settled().await;
    let (stats, seen) = (bench.turnstile.stats(), bench.control.seen());
    assert_eq!((bench.openings(), stats.stale_decisions, stats.resends), (1, 1, 1));
    assert_eq!(seen.scans[0].id, seen.scans[1].id);
    assert_ne!(seen.hellos[0].session, seen.hellos[1].session, "a new session at each connect");
    let died = seen.states.iter().find(|state| !state.online).unwrap();
    assert_eq!(died.session, seen.hellos[0].session, "the will is of the session that died");
}

#[tokio::test]
async fn a_decision_that_comes_twice_opens_once() {
    let Some(bench) = Bench::start(1_500).await else { return };
    bench.control.order(|orders| orders.manner = Manner::GrantTwice);
    assert_eq!(bench.present().await.outcome, Some(Outcome::Taken));
    bench.settled().await;
    assert_eq!(bench.openings(), 1);
    assert_eq!(bench.turnstile.stats().stale_decisions, 1);
    assert_eq!(outcomes(&bench.control.seen().facts), [(Outcome::Taken, 1)]);
}

#[tokio::test]
async fn a_lost_scan_is_sent_again_with_the_same_id() {
    let Some(bench) = Bench::start(900).await else { return };
    bench.control.order(|orders| orders.manner = Manner::SecondTime);
    assert_eq!(bench.present().await.outcome, Some(Outcome::Taken));
    let scans = bench.control.seen().scans;
    assert_eq!((scans[0].attempt, scans[1].attempt), (1, 2));
    assert_eq!(scans[0].id, scans[1].id);
}

#[tokio::test]
async fn facts_outlive_the_broker_and_arrive_once_and_in_order() {
    let Some(mut bench) = Bench::start(1_500).await else { return };
    bench.settled().await;
    let kept = bench.control.seen().facts.len();
    bench.control.order(|orders| orders.acknowledges = false);
    for _ in 0..5 {
        assert_eq!(bench.present().await.outcome, Some(Outcome::Taken));
    }
    bench.control.has_seen("the lost facts", |seen| seen.facts_lost == 5).await;
    bench.broker.kill();
    within("offline", bench.turnstile.handle().offline()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(bench.present().await.by, PassageBy::Own, "nobody to ask");
    }
    assert_eq!(bench.turnstile.stats().unacknowledged, 8);
    bench.control.order(|orders| orders.acknowledges = true);
    bench.broker.restart().await;
    within("ready again", bench.turnstile.ready()).await.unwrap();
    bench.settled().await;
    let facts = bench.control.seen().facts;
    let numbers: Vec<u64> = facts.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(kept, 1, "the boot");
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
    assert_eq!(outcomes(&facts), [(Outcome::Taken, 1); 5]);
    assert_eq!(bench.present().await.outcome, Some(Outcome::Taken));
}

#[tokio::test]
async fn a_lost_acknowledgement_leads_to_a_second_sending() {
    let Some(bench) = Bench::start(1_500).await else { return };
    bench.settled().await;
    bench.control.order(|orders| orders.acknowledges = false);
    bench.present().await;
    bench.control.has_seen("the lost fact", |seen| seen.facts_lost == 1).await;
    bench.control.order(|orders| orders.acknowledges = true);
    bench.settled().await;
    assert_eq!(bench.turnstile.stats().fact_resends, 1);
    assert_eq!(outcomes(&bench.control.seen().facts), [(Outcome::Taken, 1)]);
}

#[tokio::test]
async fn a_pending_device_asks_again_until_it_is_accepted() {
    let pending = |control: &Control| control.order(|orders| orders.pending = 2);
    let Some(bench) = Bench::start_with(1_500, pending).await else { return };
    let hellos = bench.control.seen().hellos;
    assert_eq!(hellos.len(), 3, "an answer of another session did not let it in");
    assert_eq!(hellos[0].session, hellos[2].session);
    assert_eq!(bench.present().await.outcome, Some(Outcome::Taken));
}

#[tokio::test]
async fn a_shutdown_settles_the_lane_and_says_goodbye() {
    let Some(bench) = Bench::start(1_500).await else { return };
    let idle = Presentation { walkers: 0, ..Presentation::qr("ABC-123") };
    let (answer, ()) = tokio::join!(bench.turnstile.present(idle), async {
        bench.control.has_seen("the scan", |seen| !seen.scans.is_empty()).await;
        while !bench.turnstile.lane().record().is_open() {
            tokio::task::yield_now().await;
        }
        bench.shutdown.cancel();
    });
    assert_eq!(answer.unwrap().outcome, Some(Outcome::NotTaken));
    within("stopped", bench.turnstile.stopped()).await;
    let seen = bench.control.has_seen("gone", |seen| !seen.states.last().unwrap().online).await;
    assert_eq!(outcomes(&seen.facts), [(Outcome::NotTaken, 0)]);
}
