//! What the office asks of the past, and what it expects of today.

use std::{collections::BTreeMap, sync::Arc};

use shanmen_rules::{AreaIx, Day, Park};

use tokio::sync::watch;

use super::ControlPlane;
use crate::{
    api::{
        DayLine, DayReport, DeviceAvailability, Fault, FlowQuery, FlowSeries, ForecastReport,
        Heatmap, PastDay,
    },
    history::{self, Buckets, Cells, Keeper, KeeperParts, Known, Peaks, Shape},
    ledger::{self, Books, HistoryWrite, LedgerFault, MadeUp, Record},
    twin::fault,
};

/// The most weeks of a heat map.
const WEEKS_MAX: u8 = 52;

impl ControlPlane {
    /// From now on the history is kept.
    pub(super) async fn keep_history(&self, peaks: Arc<Peaks>, stopped: watch::Receiver<bool>) {
        let inner = &self.0;
        let keeper = Keeper::new(KeeperParts {
            park: inner.park.clone(),
            occupancy: Arc::clone(&inner.occupancy),
            peaks,
            registry: Arc::clone(&inner.registry),
            ledger: Arc::clone(&inner.ledger),
            flow: inner.flow.clone(),
            clock: inner.clock.clone(),
            known: inner.known.clone(),
        });
        inner.watch.lock().await.push(tokio::spawn(keeper.run(stopped)));
    }

    /// Counts of visitors over time.
    ///
    /// # Errors
    /// [`Fault::Invalid`] for a span that ends before it begins, or with more buckets, or more counts
    /// (buckets times keys), than one answer may hold: 10,000 and 500,000.
    pub async fn flow(&self, query: FlowQuery) -> Result<FlowSeries, Fault> {
        if query.until <= query.from {
            return Err(Fault::Invalid("to: it has to be later than from".into()));
        }
        let (ledger, park) = (Arc::clone(&self.0.ledger), self.park());
        off_thread(move || {
            let step = i64::from(query.bucket_min);
            let told = match Buckets::cut(park.calendar(), query.from, query.until, step) {
                Ok(buckets) => ledger
                    .read_history(|from| history::series(from, &park, query.by, &buckets))
                    .map_err(fault)?,
                Err(too_many) => Err(too_many),
            };
            told.map_err(|too_many| Fault::Invalid(format!("bucket: {too_many}")))
        })
        .await
    }

    /// A business day; today's so far.
    pub async fn flow_day(&self, day: Day) -> Result<DayReport, Fault> {
        let inside = self.inside();
        let (now, known) = (self.now(), self.0.known.clone());
        self.read_past(move |from, park| {
            let mut told = history::day(from, park, day, now.at, &inside)?;
            let forecast = history::report(from, park, &mut known.lock(), day, now)?;
            told.forecast =
                forecast.expected.as_ref().map(|one| history::told(one, forecast.error_percent));
            Ok(told)
        })
        .await
    }

    /// What is, or was, expected of a day, and how good earlier forecasts were.
    pub async fn flow_forecast(&self, day: Day) -> Result<ForecastReport, Fault> {
        let (now, known) = (self.now(), self.0.known.clone());
        self.read_past(move |from, park| history::report(from, park, &mut known.lock(), day, now))
            .await
    }

    /// The fourteen days that end with `until`, the oldest first.
    pub async fn flow_week(&self, until: Day) -> Result<Vec<DayLine>, Fault> {
        self.read_past(move |from, park| history::week(from, park, until)).await
    }

    /// Hours by weekdays of so many weeks before today.
    ///
    /// # Errors
    /// [`Fault::Invalid`] for none, or more than 52.
    pub async fn heatmap(&self, weeks: u8) -> Result<Heatmap, Fault> {
        if weeks == 0 || WEEKS_MAX < weeks {
            return Err(Fault::Invalid(format!("weeks: 1 to {WEEKS_MAX}")));
        }
        let today = self.today();
        self.read_past(move |from, park| history::heatmap(from, park, weeks, today)).await
    }

    /// In how many minutes of each day the devices were connected, by day and device.
    pub async fn device_availability(
        &self,
        first: Day,
        last: Day,
    ) -> Result<Vec<DeviceAvailability>, Fault> {
        self.read_past(move |from, _| ledger::availability(from, first, last)).await
    }

    /// Fills an empty past with made-up days, for a demonstration: into the history only. Tells how
    /// many days there are now.
    ///
    /// # Errors
    /// [`Fault::Conflict`] where something is on record before today.
    pub async fn fill_past(&self, days: Vec<PastDay>) -> Result<usize, Fault> {
        let today = self.today();
        if let Some(one) = days.iter().find(|one| today <= one.day) {
            return Err(Fault::Invalid(format!("{}: only days before today are past", one.day)));
        }
        let end = history::turn_minute(self.park().calendar(), today);
        if self.read_past(move |from, _| ledger::sum_of(from, 0, end)).await? != Cells::default() {
            return Err(Fault::Conflict("there is a past on record already".into()));
        }
        let park = self.park();
        let sold: BTreeMap<Day, u32> = days.iter().map(|one| (one.day, one.sold)).collect();
        for past in &days {
            self.make_up(history::day_made_up(&park, past)).await?;
        }
        let forecasts = self
            .read_past(move |from, park| {
                let shapes = sold.keys().map(|day| Shape::read(from, park.calendar(), *day));
                let shapes = shapes.collect::<Result<Vec<_>, _>>()?;
                Ok(history::forecasts_made_up(park, &shapes, &sold))
            })
            .await?;
        self.make_up(MadeUp { forecasts, ..MadeUp::default() }).await?;
        *self.0.known.lock() = Known::default();
        Ok(days.len())
    }

    async fn make_up(&self, made_up: MadeUp) -> Result<(), Fault> {
        let record = Record::History(HistoryWrite::MadeUp(Box::new(made_up)));
        ledger::commit(&*self.0.ledger, record).await.map(drop).map_err(fault)
    }

    /// The business day that is going on.
    pub fn today(&self) -> Day {
        self.0.park.now().business_day(self.0.clock.now())
    }

    /// Persons inside now.
    fn inside(&self) -> history::Inside {
        let (park, occupancy) = (self.park(), &self.0.occupancy);
        let areas = (0u16..).map(AreaIx).zip(park.areas()).skip(1);
        let areas = areas.map(|(ix, area)| (area.id.to_string(), occupancy.persons(ix).inside));
        history::Inside { site: history::in_site(&park, occupancy), areas: areas.collect() }
    }

    fn now(&self) -> history::Now {
        history::now_of(&self.0.park.now(), &self.0.occupancy, self.0.clock.now())
    }

    /// Reads the history off the async threads, on a connection that nobody else waits for.
    async fn read_past<T: Send + 'static>(
        &self,
        work: impl FnOnce(Books<'_>, &Park) -> Result<T, LedgerFault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (ledger, park) = (Arc::clone(&self.0.ledger), self.park());
        off_thread(move || ledger.read_history(|from| work(from, &park)).map_err(fault)).await
    }
}

/// Runs what may take long where no visitor waits for it.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Fault::Internal(error.to_string()))?
}
