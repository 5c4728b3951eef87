//! A handheld over a real broker: a day of its operator, and a broker that goes away.

use shanmen_devices::{
    clock::Clock,
    handheld::{
        HandheldConfig, VirtualHandheld,
        words::{Input, Output},
    },
};
use shanmen_protocols::{
    device::{
        AckStatus, Body, Credential, CredentialKind, DecisionResult, Down, Order, Outcome,
        PassageBy, What,
    },
    ids::{DeviceId, GateId, LaneId, ScanId, SiteId},
};
use tokio_util::sync::CancellationToken;

use crate::{broker::Broker, control::Control, desk::TOKEN, within};

struct Bench {
    handheld: VirtualHandheld,
    control: Control,
    broker: Broker,
    shutdown: CancellationToken,
}

impl Bench {
    /// `None` where there is no mosquitto.
    async fn start() -> Option<Self> {
        let broker = Broker::start().await?;
        let site = SiteId::new("huangshan").unwrap();
        let control = Control::start(&broker.address(), &site).await;
        let lane = LaneId::new("north-h").unwrap();
        let device = DeviceId::new("h1").unwrap();
        let mut config = HandheldConfig::new(site, device, lane, broker.address());
        let south = GateId::new("south").unwrap();
        config.lanes.insert(south, LaneId::new("south-h").unwrap());
        config.agent.reconnect_min_ms = 200;
        config.agent.reconnect_max_ms = 400;
        let shutdown = CancellationToken::new();
        let handheld = VirtualHandheld::start(config, Clock::default(), shutdown.clone());
        within("ready", handheld.handle().ready()).await.unwrap();
        Some(Self { handheld, control, broker, shutdown })
    }

    async fn act(&self, input: Input) -> Output {
        within("an answer", self.handheld.act(input)).await.unwrap()
    }

    async fn log_in(&self) {
        let login = Input::Login { user: "li".into(), password: "secret".into() };
        assert!(matches!(self.act(login).await, Output::LoggedIn { .. }));
    }

    async fn scan(&self, code: &str) -> (ScanId, DecisionResult, u32) {
        let scan = Input::Scan { credential: ticket(code), direction: None, confirm: None };
        match self.act(scan).await {
            Output::Decision { scan, result, persons, .. } => (scan, result, persons),
            other => panic!("no decision: {other:?}"),
        }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        within("stopped", self.handheld.stopped()).await;
    }
}

fn ticket(code: &str) -> Credential {
    Credential { kind: CredentialKind::Qr, data: code.into() }
}

#[tokio::test]
async fn an_operator_logs_in_checks_confirms_looks_up_overrides_and_takes_back() {
    let Some(bench) = Bench::start().await else { return };
    let wrong = Input::Login { user: "li".into(), password: "guess".into() };
    let Output::Refused { what: "login", why } = bench.act(wrong).await else { panic!() };
    assert!(why.contains("wrong"), "{why}");
    bench.log_in().await;

    let (scan, result, persons) = bench.scan("P3-77").await;
    assert_eq!((result, persons), (DecisionResult::Grant, 3));
    let ended = bench.act(Input::Passed { scan, count: Some(2) }).await;
    assert_eq!(ended, Output::Ended { scan, outcome: Outcome::Partial, count: 2 });
    assert_eq!(bench.scan("DEMO-1").await.1, DecisionResult::Deny);

    let lookup = Input::Lookup { credential: Some(ticket("P3-77")), ticket: None };
    assert!(matches!(bench.act(lookup).await, Output::Ticket { .. }));
    let (reason, credential) = ("phone is dead".to_owned(), None);
    let beyond = Input::Override { reason, persons: Some(1), credential, direction: None };
    let Output::Decision { scan: by_hand, result, .. } = bench.act(beyond).await else { panic!() };
    assert_eq!(result, DecisionResult::Grant);
    bench.act(Input::Passed { scan: by_hand, count: None }).await;
    let undo = Input::Undo { scan, reason: "wrong family".into() };
    assert_eq!(bench.act(undo).await, Output::Undone { scan, persons: 1 });

    within("settled", bench.handheld.handle().settled()).await.unwrap();
    let seen = bench.control.seen();
    assert_eq!(seen.scans[0].operator.as_deref(), Some(TOKEN));
    assert_eq!(seen.scans[0].lane.as_ref().map(LaneId::as_str), Some("north-h"));
    let passages: Vec<_> = seen
        .facts
        .iter()
        .filter_map(|(_, fact)| match fact {
            Body::Passage(passage) => {
                assert_eq!(passage.operator.as_deref(), Some(TOKEN));
                Some((passage.scan, passage.grant.is_some(), passage.outcome, passage.by))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        passages,
        [
            (Some(scan), true, Outcome::Partial, PassageBy::Server),
            (Some(by_hand), false, Outcome::Taken, PassageBy::Manual),
        ]
    );
    assert!(seen.requests.iter().any(|request| matches!(request.what, What::Undo { .. })));
    bench.stop().await;
}

#[tokio::test]
async fn out_of_reach_it_refuses_on_record_and_an_override_comes_with_its_passage() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.log_in().await;
    bench.broker.kill();
    within("offline", bench.handheld.handle().offline()).await.unwrap();
    let (refused, result, _) = bench.scan("T-1").await;
    assert_eq!(result, DecisionResult::Deny, "it has no lists, and its policy is deny");
    let lookup = Input::Lookup { credential: Some(ticket("T-1")), ticket: None };
    let Output::Refused { why, .. } = bench.act(lookup).await else { panic!() };
    assert!(why.contains("out of reach"), "{why}");
    let reason = "the network is down".to_owned();
    let credential = Some(ticket("T-1"));
    let beyond = Input::Override { reason, persons: None, credential, direction: None };
    let Output::Decision { scan, .. } = bench.act(beyond).await else { panic!() };
    bench.act(Input::Passed { scan, count: None }).await;

    bench.broker.restart().await;
    within("ready", bench.handheld.handle().ready()).await.unwrap();
    within("settled", bench.handheld.handle().settled()).await.unwrap();
    let facts = bench.control.seen().facts;
    let denied = |fact: &Body| matches!(fact, Body::Denied { scan, .. } if *scan == Some(refused));
    assert_eq!(facts.iter().filter(|(_, fact)| denied(fact)).count(), 1);
    let passage = facts.iter().find_map(|(_, fact)| match fact {
        Body::Passage(passage) => Some(passage),
        _ => None,
    });
    let passage = passage.unwrap();
    assert_eq!((passage.by, passage.scan), (PassageBy::Manual, Some(scan)));
    assert_eq!(passage.reason.as_deref(), Some("the network is down"));
    assert_eq!(passage.credential, Some(ticket("T-1")));
    bench.stop().await;
}

#[tokio::test]
async fn the_control_plane_assigns_speaks_and_logs_out() {
    let Some(bench) = Bench::start().await else { return };
    bench.log_in().await;
    let device = bench.handheld.device().clone();
    let gate = |name: &str| Order::Assign { gate: Some(GateId::new(name).unwrap()) };
    let session = bench.control.seen().hellos[0].session.clone();
    let command = |order: &Order| {
        let command = Control::command(Some(&session), order);
        bench.control.say(&device, &Down::Command(command));
    };
    command(&gate("south"));
    command(&gate("west"));
    command(&Order::Message { text: "午饭".into(), seconds: 5 });
    command(&Order::Clear {});
    bench.control.has_seen("four acks", |seen| seen.acks.len() == 4).await;
    bench.scan("T-1").await;
    command(&Order::Logout {});
    let seen = bench.control.has_seen("five acks", |seen| seen.acks.len() == 5).await;
    let statuses: Vec<_> = seen.acks.iter().map(|ack| ack.status).collect();
    let (done, rejected) = (AckStatus::Done, AckStatus::Rejected);
    assert_eq!(statuses, [done, rejected, done, rejected, done]);
    assert_eq!(seen.scans[0].lane.as_ref().map(LaneId::as_str), Some("south-h"));
    let scan = Input::Scan { credential: ticket("T-2"), direction: None, confirm: None };
    assert!(matches!(bench.act(scan).await, Output::Refused { .. }), "nobody is logged in");
    bench.stop().await;
}
