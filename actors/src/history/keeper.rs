//! The keeper: every few seconds it says anew what history says of today; once a minute it writes
//! the minute that is over (peaks, devices), the forecast of each hour, and thins what is old. It
//! waits for its own writes, and nobody waits for it.

use std::{sync::Arc, time::Duration};

use shanmen_protocols::{feed::Past, time::UnixMs};
use shanmen_rules::{AreaIx, Day, Park};
use tokio::sync::watch;

use super::{
    MINUTES_KEPT_DAYS, Peaks, hour_of, in_site, minute_of,
    past::{self, Now, SharedKnown},
    turn_minute,
};
use crate::{
    api::{DeviceStanding, Expected},
    clock::Clock,
    flow::{Fact, FlowSender, Occupancy},
    ledger::{self, HistoryWrite, LedgerFault, Record, SqliteLedger, commit},
    live_park::LivePark,
    registry::Registry,
};

/// How often it says anew what history says of today.
const EVERY: Duration = Duration::from_secs(5);
/// Local hours in which old minutes are thinned.
const NIGHT: std::ops::Range<u32> = 2..5;
/// Days beyond their time that minutes wait for a night; then they are thinned by day too.
const NIGHTS_WAITED: i32 = 3;
/// How many hours are thinned each minute of the night.
const HOURS_AT_ONCE: usize = 8;

/// What the keeper works with.
pub(crate) struct KeeperParts {
    pub(crate) park: LivePark,
    pub(crate) occupancy: Arc<Occupancy>,
    pub(crate) peaks: Arc<Peaks>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) ledger: Arc<SqliteLedger>,
    pub(crate) flow: FlowSender,
    pub(crate) clock: Clock,
    pub(crate) known: SharedKnown,
}

/// The keeper.
pub(crate) struct Keeper {
    parts: Arc<KeeperParts>,
    /// The minute that is under way.
    minute: i64,
    /// The hour whose forecast is kept.
    hour: Option<i64>,
}

/// What is said of today, and what the forecast was made of.
struct Said {
    past: Past,
    expected: Option<Expected>,
}

impl Keeper {
    /// A keeper who begins now.
    pub(crate) fn new(parts: KeeperParts) -> Self {
        let minute = minute_of(parts.clock.now());
        Self { parts: Arc::new(parts), minute, hour: None }
    }

    /// Keeps the history until it is stopped; then the last minute is written.
    pub(crate) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => self.look().await,
                _ = stopped.changed() => break,
            }
        }
        self.write_minutes(i64::MAX, Vec::new()).await;
    }

    async fn look(&mut self) {
        let now = self.parts.clock.now();
        let minute = minute_of(now);
        if self.minute < minute {
            self.minute = minute;
            self.write_minutes(minute, self.devices()).await;
            self.thin(now).await;
        }
        match self.say(now).await {
            Ok(said) => {
                self.parts.flow.tell(Fact::Past(Box::new(said.past)));
                if let Some(expected) = said.expected {
                    self.keep_forecast(now, expected).await;
                }
            }
            Err(error) => {
                metrics::counter!("shanmen_history_failures_total").increment(1);
                tracing::warn!(%error, "what history says of today cannot be made");
            }
        }
    }

    async fn write(&self, what: HistoryWrite) {
        if let Err(error) = commit(&*self.parts.ledger, Record::History(what)).await {
            metrics::counter!("shanmen_history_failures_total").increment(1);
            tracing::warn!(%error, "the history cannot be written");
        }
    }

    async fn write_minutes(&self, before: i64, devices: Vec<(String, bool)>) {
        let park = self.parts.park.full();
        let peaks = self.parts.peaks.take_before(&park, before);
        let day = park.business_day(self.parts.clock.now());
        if !peaks.cells.is_empty() || !devices.is_empty() {
            self.write(HistoryWrite::Minute { peaks, day, devices }).await;
        }
    }

    /// The devices that work here, and whether each is connected.
    fn devices(&self) -> Vec<(String, bool)> {
        let registry = &self.parts.registry;
        let found = registry.ids().into_iter().filter_map(|id| {
            let device = registry.get(id.as_str())?;
            let row = device.row();
            let live = device.live();
            let works = row.standing == DeviceStanding::Approved
                && (row.secret.is_some() || live.last_seen.is_some());
            works.then(|| (id.to_string(), live.online))
        });
        found.collect()
    }

    /// Reads what history says of today, off the async threads.
    async fn say(&self, now: UnixMs) -> Result<Said, LedgerFault> {
        let parts = Arc::clone(&self.parts);
        let work = move || {
            let park = parts.park.full();
            let state = now_of(&park, &parts.occupancy, now);
            parts.ledger.peek_history(|from| {
                // Always behind the connection: whoever asks locks in this order too.
                let mut known = parts.known.lock();
                known.renew(from, &park, now)?;
                let mut past = past::past(from, &park, now)?;
                let expected = past::expect(from, &park, &known, state)?;
                let today = park.business_day(now);
                let elapsed = minute_of(now) - turn_minute(park.calendar(), today);
                let error = past::mean_error(&known.errors(&park, today, elapsed));
                past.forecast = expected.as_ref().map(|expected| past::told(expected, error));
                Ok(Said { past, expected })
            })
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| LedgerFault::Broken(error.to_string()))?
    }

    /// Keeps the first forecast of each clock hour.
    async fn keep_forecast(&mut self, now: UnixMs, expected: Expected) {
        let park = self.parts.park.full();
        let (hour, day) = (hour_of(park.calendar(), minute_of(now)).0, park.business_day(now));
        if self.hour == Some(hour) {
            return;
        }
        let begun = self.hour.is_some() || !self.has_forecast(day, hour).await;
        self.hour = Some(hour);
        if begun {
            self.write(HistoryWrite::Forecast { day, expected: Box::new(expected) }).await;
        }
    }

    /// Whether an earlier run has kept the forecast of an hour.
    async fn has_forecast(&self, day: Day, hour: i64) -> bool {
        let found = ledger::read(&self.parts.ledger, move |books| {
            books.peek_history(|from| ledger::forecasts(from, day, day))
        });
        let rows = found.await.unwrap_or_default();
        rows.iter().any(|row| hour <= minute_of(row.expected.made_at))
    }

    /// Sums old minutes up to hours: a few hours a minute, by night.
    async fn thin(&self, now: UnixMs) {
        let park = self.parts.park.full();
        let calendar = park.calendar();
        let moment = calendar.moment(now);
        let nights =
            if NIGHT.contains(&(moment.second_of_day / 3_600)) { 0 } else { NIGHTS_WAITED };
        let kept = turn_minute(calendar, moment.day.plus(-MINUTES_KEPT_DAYS - nights));
        for _ in 0..HOURS_AT_ONCE {
            let oldest =
                ledger::read(&self.parts.ledger, |books| books.peek_history(ledger::oldest_minute));
            let Ok(Some(oldest)) = oldest.await else { return };
            if kept <= oldest {
                return;
            }
            let (from, until) = hour_of(calendar, oldest);
            self.write(HistoryWrite::Thin { from, until }).await;
        }
    }
}

/// How it stands now.
pub(crate) fn now_of(park: &Park, occupancy: &Occupancy, at: UnixMs) -> Now {
    let today = park.business_day(at);
    let top = (0u16..).map(AreaIx).zip(park.areas()).skip(1);
    let sold = top
        .filter(|(_, area)| area.parent.is_none())
        .map(|(ix, _)| occupancy.sold().persons(ix, today))
        .sum();
    Now { at, in_site: in_site(park, occupancy), sold }
}
