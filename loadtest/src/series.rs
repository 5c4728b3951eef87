//! The run second by second: what was answered, how long it took, and what the server used.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, seconds_of},
    figures::ratio,
    fleet::Fleet,
    http::Connection,
    metrics::Reading,
    setup::Target,
    usage::{self, Usage},
};

/// How long the server may take to tell its metrics before that second goes without.
const METRICS_TIMEOUT: Duration = Duration::from_millis(700);

/// One second.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tick {
    /// Its end, in seconds from the first arrival.
    pub at_s: f64,
    /// Its length in seconds.
    pub of_s: f64,
    /// Answers of the server.
    pub answered: u64,
    /// Answers that lanes gave by themselves, or none.
    pub alone: u64,
    /// Median, in microseconds, from the intended moment.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
    /// Visitors who wait for a free lane.
    pub waiting: usize,
    /// Devices in reach.
    pub online: usize,
    /// What the server used of one core, in percent.
    pub server_cpu: Option<f64>,
    /// The server's memory, in MiB.
    pub server_mib: Option<f64>,
    /// What the load test used of one core, in percent.
    pub own_cpu: Option<f64>,
    /// Grants that are open at the server.
    pub grants_open: Option<f64>,
    /// Records that wait for the ledger.
    pub ledger_queue: Option<f64>,
    /// Records that wait for the books.
    pub ledger_backlog: Option<f64>,
    /// Viewers at the server.
    pub viewers: Option<f64>,
}

/// Samples until it is stopped.
pub struct Series {
    ticks: Arc<Mutex<Vec<Tick>>>,
    over: CancellationToken,
}

struct Sampler {
    clock: Clock,
    start_ns: u64,
    fleet: Arc<Fleet>,
    target: Target,
    pid: Arc<AtomicU32>,
    connection: Option<Connection>,
    before_ns: u64,
    before: (u32, Option<Usage>, Option<Usage>),
}

impl Series {
    /// Begins; `start_ns` is the first arrival. `pid`: the server's process, 0 for none.
    pub fn start(
        clock: Clock,
        start_ns: u64,
        fleet: &Arc<Fleet>,
        target: &Target,
        pid: &Arc<AtomicU32>,
    ) -> Self {
        let ticks: Arc<Mutex<Vec<Tick>>> = Arc::default();
        let over = CancellationToken::new();
        let mut sampler = Sampler {
            clock,
            start_ns,
            fleet: Arc::clone(fleet),
            target: target.clone(),
            pid: Arc::clone(pid),
            connection: None,
            before_ns: clock.ns(),
            before: (0, None, None),
        };
        let to = Arc::clone(&ticks);
        tokio::spawn(over.clone().run_until_cancelled_owned(async move {
            let mut each = interval(Duration::from_secs(1));
            each.set_missed_tick_behavior(MissedTickBehavior::Delay);
            each.tick().await;
            sampler.fleet.take_second();
            loop {
                each.tick().await;
                let tick = sampler.tick().await;
                to.lock().unwrap_or_else(PoisonError::into_inner).push(tick);
            }
        }));
        Self { ticks, over }
    }

    /// Ends; gives all seconds.
    pub fn stop(self) -> Vec<Tick> {
        self.over.cancel();
        std::mem::take(&mut *self.ticks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sampler {
    async fn tick(&mut self) -> Tick {
        let metrics = timeout(METRICS_TIMEOUT, self.metrics()).await.ok().flatten();
        if metrics.is_none() {
            self.connection = None;
        }
        let now_ns = self.clock.ns();
        let of_s = seconds_of(now_ns.saturating_sub(self.before_ns));
        self.before_ns = now_ns;
        let second = self.fleet.take_second();
        let quantiles = second.answered.quantiles();
        let pid = self.pid.load(Relaxed);
        let (server, own) = (usage::of(pid), usage::of(std::process::id()));
        let percent = |now: Option<Usage>, was: Option<Usage>| {
            now.zip(was).map(|(now, was)| 100.0 * ratio(now.cpu_s - was.cpu_s, of_s))
        };
        let same = self.before.0 == pid;
        let server_cpu = percent(server, self.before.1.filter(|_| same));
        let own_cpu = percent(own, self.before.2);
        self.before = (pid, server, own);
        let gauge = |name| metrics.as_ref().and_then(|reading: &Reading| reading.gauge(name));
        Tick {
            at_s: seconds_of(now_ns.saturating_sub(self.start_ns)),
            of_s,
            answered: quantiles.count,
            alone: second.alone,
            p50_us: quantiles.p50_us,
            p99_us: quantiles.p99_us,
            max_us: quantiles.max_us,
            waiting: self.fleet.queue().waiting,
            online: self.fleet.online(),
            server_cpu,
            server_mib: server.map(|server| server.rss_mib),
            own_cpu,
            grants_open: gauge("shanmen_grants_open"),
            ledger_queue: gauge("shanmen_ledger_queue"),
            ledger_backlog: gauge("shanmen_ledger_backlog"),
            viewers: gauge("shanmen_feed_viewers"),
        }
    }

    async fn metrics(&mut self) -> Option<Reading> {
        if self.connection.is_none() {
            self.connection = self.target.connect().await.ok();
        }
        let text = self.connection.as_mut()?.text("/metrics").await.ok()?;
        Some(Reading::parse(&text))
    }
}
