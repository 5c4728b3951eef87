//! A day in the virtual park: parties come when they come (open loop), and what became of them.
//!
//! Each party is a task; their number is bounded. The composition root calls [`run`], the load
//! test [`run_day`].

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use shanmen_protocols::reason::Reason;
use tokio::{sync::Semaphore, task::JoinSet, time};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{BoxOffice, Fleet, ParkPlan, visit, visitors};

/// Speeds that make sense: visitors' time over real time.
const SPEED: std::ops::RangeInclusive<f64> = 0.1..=3_600.0;

/// How long after the end of the day the last parties may take, in real time.
const GRACE: Duration = Duration::from_mins(1);

/// What became of a day's visitors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayReport {
    /// Parties that came.
    pub parties: u64,
    /// Parties turned away, since too many were in the park at once.
    pub turned_away: u64,
    /// Parties that got no ticket.
    pub no_sale: u64,
    /// Presentations.
    pub presentations: u64,
    /// Persons through an outer lane, inwards; re-entries included.
    pub entries: u64,
    /// Persons through an outer lane, outwards.
    pub exits: u64,
    /// Persons into an inner area.
    pub excursions: u64,
    /// Grants that nobody took.
    pub not_taken: u64,
    /// Presentations that the lane decided by itself.
    pub decided_alone: u64,
    /// Presentations to which the turnstile gave no answer: it was shut down or not free.
    pub unanswered: u64,
    /// Refusals by reason.
    pub refusals: BTreeMap<Reason, u64>,
}

/// The report as it grows.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) parties: AtomicU64,
    pub(super) turned_away: AtomicU64,
    pub(super) no_sale: AtomicU64,
    pub(super) presentations: AtomicU64,
    pub(super) entries: AtomicU64,
    pub(super) exits: AtomicU64,
    pub(super) excursions: AtomicU64,
    pub(super) not_taken: AtomicU64,
    pub(super) decided_alone: AtomicU64,
    pub(super) unanswered: AtomicU64,
    refusals: Mutex<BTreeMap<Reason, u64>>,
}

impl Tally {
    pub(super) fn refused(&self, reason: Reason) {
        *self.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() +=
            1;
    }

    fn report(&self) -> DayReport {
        DayReport {
            parties: self.parties.load(Relaxed),
            turned_away: self.turned_away.load(Relaxed),
            no_sale: self.no_sale.load(Relaxed),
            presentations: self.presentations.load(Relaxed),
            entries: self.entries.load(Relaxed),
            exits: self.exits.load(Relaxed),
            excursions: self.excursions.load(Relaxed),
            not_taken: self.not_taken.load(Relaxed),
            decided_alone: self.decided_alone.load(Relaxed),
            unanswered: self.unanswered.load(Relaxed),
            refusals: self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// The park as its visitors meet it.
pub(super) struct World {
    pub(super) plan: ParkPlan,
    pub(super) fleet: Arc<Fleet>,
    pub(super) office: Arc<dyn BoxOffice>,
    pub(super) speed: f64,
    pub(super) tally: Tally,
}

impl World {
    /// Visitors' time in real time.
    pub(super) fn real(&self, visitors: Duration) -> Duration {
        visitors.div_f64(self.speed)
    }
}

/// How fast the visitors' days go, and what chance they are made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Visitors' time over real time, 0.1 to 3600: at 60 their day of 13 hours takes 13 minutes.
    pub speed: f64,
    /// The seed of the first day; the next day has the next one.
    pub seed: u64,
}

/// Day after day, at once one after the other, until `shutdown`.
pub async fn run(
    plan: ParkPlan,
    fleet: Arc<Fleet>,
    office: Arc<dyn BoxOffice>,
    pace: Pace,
    shutdown: CancellationToken,
) {
    for day in 0.. {
        let pace = Pace { seed: pace.seed.wrapping_add(day), ..pace };
        let (plan, fleet) = (plan.clone(), Arc::clone(&fleet));
        let report = run_day(plan, fleet, Arc::clone(&office), pace, shutdown.clone()).await;
        if shutdown.is_cancelled() {
            return;
        }
        info!(
            day,
            parties = report.parties,
            entries = report.entries,
            exits = report.exits,
            refusals = report.refusals.values().sum::<u64>(),
            "virtual day over"
        );
    }
}

/// One day, from the first arrival until the last party has left; ends early at `shutdown`.
pub async fn run_day(
    plan: ParkPlan,
    fleet: Arc<Fleet>,
    office: Arc<dyn BoxOffice>,
    pace: Pace,
    shutdown: CancellationToken,
) -> DayReport {
    let speed =
        if pace.speed.is_nan() { 1.0 } else { pace.speed.clamp(*SPEED.start(), *SPEED.end()) };
    let parties = visitors::parties_of_day(&plan, pace.seed);
    let room = Arc::new(Semaphore::new(plan.parties_at_once_max));
    let opening = fleet.clock().instant();
    let world = Arc::new(World { plan, fleet, office, speed, tally: Tally::default() });
    let mut inside = JoinSet::new();
    for party in parties {
        let comes = time::sleep_until(opening + world.real(party.arrives));
        tokio::select! {
            () = shutdown.cancelled() => return world.tally.report(),
            () = comes => {}
        }
        while inside.try_join_next().is_some() {}
        world.tally.parties.fetch_add(1, Relaxed);
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            world.tally.turned_away.fetch_add(1, Relaxed);
            continue;
        };
        let world = Arc::clone(&world);
        inside.spawn(async move {
            visit::visit(&world, party).await;
            drop(permit);
        });
    }
    let night = opening + world.real(visitors::DAY);
    let all_left = async {
        while inside.join_next().await.is_some() {}
        time::sleep_until(night).await;
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = all_left => {}
        () = time::sleep_until(night + GRACE) => warn!("parties left behind in the park"),
    }
    world.tally.report()
}
