//! A fleet, and a short day in the virtual park.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use shanmen_devices::{
    clock::Clock,
    park::{
        BoxOffice, Fleet, LaneSpec, NoSale, OUTSIDE, Pace, ParkPlan, ProductSpec, Sale, Sold, Ways,
        office::Later, run_day,
    },
    virtual_lane::Presentation,
};
use shanmen_protocols::{
    device::Outcome,
    ids::{AreaId, DeviceId, GateId, LaneId, ProductId, SiteId, TicketId},
    reason::Reason,
};
use tokio_util::sync::CancellationToken;

use crate::{broker::Broker, control::Control, within};

#[derive(Default)]
struct Office {
    sold: AtomicU64,
    refunded: AtomicU64,
}

impl BoxOffice for Office {
    fn sell(&self, sale: Sale) -> Later<'_, Result<Sold, NoSale>> {
        let number = self.sold.fetch_add(1, Relaxed);
        let code = format!("P{}-{number}", sale.persons);
        Box::pin(async move { Ok(Sold { ticket: TicketId::fresh(), code }) })
    }

    fn refund(&self, _ticket: TicketId) -> Later<'_, Result<(), NoSale>> {
        self.refunded.fetch_add(1, Relaxed);
        Box::pin(async { Ok(()) })
    }
}

fn lane(id: &str, from: &str, to: &str, ways: Ways) -> LaneSpec {
    LaneSpec {
        lane: LaneId::new(id).unwrap(),
        gate: GateId::new("gate").unwrap(),
        from: AreaId::new(from).unwrap(),
        to: AreaId::new(to).unwrap(),
        ways,
        device: DeviceId::new(id).unwrap(),
        username: id.into(),
        password: "secret".into(),
    }
}

fn plan() -> ParkPlan {
    let product = |id: &str, class: &str, persons, areas: &[&str]| ProductSpec {
        id: ProductId::new(id).unwrap(),
        class: class.into(),
        persons,
        areas: areas.iter().map(|area| AreaId::new(area).unwrap()).collect(),
        reentry: true,
    };
    ParkPlan {
        visitors_a_day: 300,
        ..ParkPlan::new(
            vec![
                lane("n1", OUTSIDE, "park", Ways::In),
                lane("n2", OUTSIDE, "park", Ways::Both),
                lane("n3", OUTSIDE, "park", Ways::Out),
                lane("c1", "park", "cave", Ways::Both),
            ],
            vec![
                product("adult-day", "adult", 1..=1, &["park", "cave"]),
                product("group", "group", 10..=40, &["park"]),
            ],
        )
    }
}

struct Bench {
    fleet: Arc<Fleet>,
    control: Control,
    shutdown: CancellationToken,
    _broker: Broker,
}

impl Bench {
    async fn start(lanes: &[LaneSpec]) -> Option<Self> {
        let broker = Broker::start().await?;
        let site = SiteId::new("huangshan").unwrap();
        let control = Control::start(&broker.address(), &site).await;
        let shutdown = CancellationToken::new();
        let fleet =
            Fleet::start(&site, &broker.address(), None, lanes, &Clock::default(), &shutdown);
        within("a ready fleet", fleet.ready()).await.unwrap();
        Some(Self { fleet: Arc::new(fleet), control, shutdown, _broker: broker })
    }

    async fn settled(&self) {
        for lane in self.fleet.lanes() {
            within("acknowledged", lane.turnstile.handle().settled()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_day_goes_by_and_everybody_goes_home() {
    let plan = plan();
    let Some(bench) = Bench::start(&plan.lanes).await else { return };
    let office = Arc::new(Office::default());
    let pace = Pace { speed: 3_600.0, seed: 11 };
    let day = run_day(
        plan,
        Arc::clone(&bench.fleet),
        Arc::clone(&office) as Arc<dyn BoxOffice>,
        pace,
        bench.shutdown.clone(),
    );
    let report = within("the end of the day", day).await;
    bench.settled().await;
    println!("{report:?}");
    assert!((290..360).contains(&report.entries), "{report:?}");
    assert_eq!(report.exits, report.entries, "all left by a gate: {report:?}");
    assert!(0 < report.excursions);
    assert_eq!((report.turned_away, report.no_sale, report.unanswered), (0, 0, 0));
    assert!(report.refusals.keys().all(|reason| *reason == Reason::UnknownTicket), "{report:?}");
}

#[tokio::test]
async fn a_shutdown_ends_the_day() {
    let plan = plan();
    let Some(bench) = Bench::start(&plan.lanes).await else { return };
    let shutdown = bench.shutdown.clone();
    let pace = Pace { speed: 60.0, seed: 1 };
    let office = Arc::new(Office::default());
    let day = run_day(plan, Arc::clone(&bench.fleet), office, pace, shutdown.clone());
    let (_report, ()) =
        within("the end of the day", async { tokio::join!(day, async { shutdown.cancel() }) })
            .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_answers_everybody_and_loses_no_passage() {
    const LANES: usize = 40;
    const EACH: usize = 25;
    let lanes: Vec<LaneSpec> =
        (0..LANES).map(|n| lane(&format!("n{n}"), OUTSIDE, "park", Ways::In)).collect();
    let Some(bench) = Bench::start(&lanes).await else { return };
    let started = bench.fleet.clock().instant();
    let mut presenting = tokio::task::JoinSet::new();
    for lane in bench.fleet.lanes() {
        let turnstile = Arc::clone(&lane.turnstile);
        presenting.spawn(async move {
            for _ in 0..EACH {
                let answer = turnstile.present(Presentation::qr("ABC-123")).await.unwrap();
                assert_eq!(answer.outcome, Some(Outcome::Taken));
            }
        });
    }
    within("all answers", presenting.join_all()).await;
    println!("{} presentations in {:?}", LANES * EACH, started.elapsed());
    bench.settled().await;
    // One passage for each, and the boot of each lane.
    assert_eq!(bench.control.seen().facts.len(), LANES * EACH + LANES);
}
