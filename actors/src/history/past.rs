//! What history says of today: by channel, the same weekday of last week, the forecast. Made anew
//! every few seconds, from reads that nobody at a gate waits for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use shanmen_protocols::{
    feed::{DayBefore, Forecast, Past},
    time::UnixMs,
};
use shanmen_rules::{Day, Park};

use super::{
    Shape,
    forecast::{Before, SoFar, outlook},
    hour_of, minute_of, moment_of,
    reports::minutes_of,
    turn_minute,
};
use crate::{
    api::{Expected, FlowBy, ForecastError, ForecastReport},
    ledger::{self, Books, ForecastRow, LedgerFault},
};

/// How many days back a forecast looks: eight weeks.
const DAYS_BACK: i32 = 56;
/// Over how many days forecasts are held against what came.
const ERRORS_DAYS: i32 = 28;
/// How old what is known of earlier days may be, in milliseconds: late facts still come in.
const KNOWN_MS: i64 = 10 * 60_000;

/// How it stands now, from those who own it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) at: UnixMs,
    /// Persons in the site.
    pub(crate) in_site: u32,
    /// Persons of the tickets sold for today.
    pub(crate) sold: u32,
}

/// What is known of the days before today, kept for some minutes.
#[derive(Debug, Default)]
pub(crate) struct Known {
    read_at: Option<(Day, UnixMs)>,
    shapes: Vec<Shape>,
    forecasts: Vec<ForecastRow>,
}

/// What is known, shared by the keeper and those who ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedKnown(Arc<Mutex<Known>>);

impl SharedKnown {
    /// Takes it; only off the async threads.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Reads it, if what is known is old.
    pub(crate) fn renew(
        &mut self,
        from: Books<'_>,
        park: &Park,
        now: UnixMs,
    ) -> Result<(), LedgerFault> {
        let today = park.business_day(now);
        let fresh = |(day, at): (Day, UnixMs)| day == today && now.since_ms(at) < KNOWN_MS;
        if self.read_at.is_some_and(fresh) {
            return Ok(());
        }
        self.shapes = (1..=DAYS_BACK)
            .map(|n| Shape::read(from, park.calendar(), today.plus(-n)))
            .collect::<Result<_, _>>()?;
        self.forecasts = ledger::forecasts(from, today.plus(-DAYS_BACK), today.plus(-1))?;
        self.read_at = Some((today, now));
        Ok(())
    }

    /// Those days, each with what was sold for it by a time of day.
    fn before(&self, park: &Park, elapsed_min: i64) -> Vec<Before> {
        let sold = |day| {
            let found = made_by(park, &self.forecasts, day, elapsed_min);
            found.map(|row| row.expected.sold)
        };
        let with = |shape: &Shape| Before { shape: shape.clone(), sold: sold(shape.day) };
        self.shapes.iter().filter(|shape| 0 < shape.total()).map(with).collect()
    }

    /// Forecasts made by a time of day against what came, the newest first.
    pub(crate) fn errors(&self, park: &Park, before: Day, elapsed_min: i64) -> Vec<ForecastError> {
        let days = (1..=ERRORS_DAYS).map(|n| before.plus(-n));
        let error = |day: Day| {
            let shape = self.shapes.iter().find(|shape| shape.day == day)?;
            let row = made_by(park, &self.forecasts, day, elapsed_min)?;
            let (expected, came) = (row.expected.entries, shape.total());
            (0 < came).then(|| ForecastError {
                day,
                made_at: row.expected.made_at,
                expected_entries: expected,
                entries: came,
                expected_peak: row.expected.peak_in_site,
                peak: shape.peak(),
                error_percent: (f64::from(expected) - f64::from(came)).abs() / f64::from(came)
                    * 100.0,
            })
        };
        days.filter_map(error).collect()
    }
}

/// The mean of the errors, in percent, to a tenth.
pub(crate) fn mean_error(errors: &[ForecastError]) -> Option<f64> {
    let count = u32::try_from(errors.len()).ok().filter(|count| 0 < *count)?;
    let sum: f64 = errors.iter().map(|one| one.error_percent).sum();
    Some((sum / f64::from(count) * 10.0).round() / 10.0)
}

/// The last forecast of a day that was made by a time of day.
fn made_by<'r>(
    park: &Park,
    rows: &'r [ForecastRow],
    day: Day,
    elapsed_min: i64,
) -> Option<&'r ForecastRow> {
    let begin = turn_minute(park.calendar(), day);
    rows.iter()
        .filter(|row| row.day == day && minute_of(row.expected.made_at) - begin <= elapsed_min)
        .max_by_key(|row| row.expected.made_at)
}

/// What is expected of today.
pub(crate) fn expect(
    from: Books<'_>,
    park: &Park,
    known: &Known,
    now: Now,
) -> Result<Option<Expected>, LedgerFault> {
    let today = park.business_day(now.at);
    let so_far = SoFar {
        shape: Shape::read(from, park.calendar(), today)?,
        elapsed_min: minute_of(now.at) - turn_minute(park.calendar(), today),
        in_site: now.in_site,
        sold: now.sold,
    };
    let before = known.before(park, so_far.elapsed_min);
    Ok(expected(park, &so_far, &before, now.at))
}

/// What is expected of a day so far, from the days before it.
pub(crate) fn expected(
    park: &Park,
    so_far: &SoFar,
    before: &[Before],
    made_at: UnixMs,
) -> Option<Expected> {
    let found = outlook(so_far, before)?;
    let quarter = i64::try_from(found.peak_quarter).unwrap_or(0);
    let begin = turn_minute(park.calendar(), so_far.shape.day);
    Some(Expected {
        made_at,
        entries: found.entries,
        peak_in_site: found.in_site.iter().copied().max().unwrap_or(0),
        peak_at: moment_of(begin + quarter * super::QUARTER_MIN),
        curve: found.curve,
        in_site: found.in_site,
        days: found.days,
        sold: so_far.sold,
    })
}

/// A forecast as the feed tells it.
pub(crate) fn told(expected: &Expected, error_percent: Option<f64>) -> Forecast {
    Forecast {
        made_at: expected.made_at,
        entries: expected.entries,
        peak_in_site: expected.peak_in_site,
        peak_at: expected.peak_at,
        curve: expected.curve.clone(),
        days: expected.days,
        error_percent,
    }
}

/// How many channels the feed tells apart: the largest.
const CHANNELS_MAX: usize = 20;

/// What history says of today, without the forecast.
pub(crate) fn past(from: Books<'_>, park: &Park, now: UnixMs) -> Result<Past, LedgerFault> {
    let today = park.business_day(now);
    let (begin, end) = minutes_of(park, today);
    let channels = ledger::day_sums(from, FlowBy::Channel, begin, end)?;
    let mut sold: Vec<(String, u32)> = channels
        .into_iter()
        .filter(|(_, cells)| 0 < cells.entered)
        .map(|(channel, cells)| (channel, cells.entered))
        .collect();
    sold.sort_by_key(|(_, entered)| std::cmp::Reverse(*entered));
    // A partner that makes up a channel for each sale must not fill the feed.
    let others: u32 = sold.drain(CHANNELS_MAX.min(sold.len())..).map(|(_, entered)| entered).sum();
    let mut by_channel: BTreeMap<String, u32> = sold.into_iter().collect();
    if 0 < others {
        *by_channel.entry("other".to_owned()).or_default() += others;
    }
    let last_week = day_before(from, park, today, minute_of(now))?;
    Ok(Past { at: now, by_channel, last_week, forecast: None })
}

fn day_before(
    from: Books<'_>,
    park: &Park,
    today: Day,
    minute: i64,
) -> Result<Option<DayBefore>, LedgerFault> {
    let (begin, day) = (turn_minute(park.calendar(), today), today.plus(-7));
    let shape = Shape::read(from, park.calendar(), day)?;
    let (then, end) = minutes_of(park, day);
    // The same time of day is so many minutes after the turn.
    let at = |minute: i64| (then + minute - begin).clamp(then, end);
    let (hour, next_hour) = hour_of(park.calendar(), minute);
    if shape.total() == 0 {
        return Ok(None);
    }
    let by_now = ledger::sum_of(from, then, at(minute + 1))?;
    let whole_hour = ledger::sum_of(from, at(hour), at(next_hour))?;
    let hour_by_now = ledger::sum_of(from, at(hour), at(minute + 1))?;
    let this_minute = ledger::sum_of(from, at(minute), at(minute + 1))?;
    Ok(Some(DayBefore {
        date: day.to_string(),
        entries: shape.total(),
        entries_by_now: by_now.entered,
        exits_by_now: by_now.gone,
        entries_this_hour: whole_hour.entered,
        exits_this_hour: whole_hour.gone,
        entries_this_hour_by_now: hour_by_now.entered,
        exits_this_hour_by_now: hour_by_now.gone,
        entries_per_min: this_minute.entered,
        exits_per_min: this_minute.gone,
        peak_in_site: shape.peak(),
        curve: shape.entries,
    }))
}

/// What is told of a forecast: today's as it was made last, an earlier day's as it was made first.
pub(crate) fn report(
    from: Books<'_>,
    park: &Park,
    known: &mut Known,
    day: Day,
    now: Now,
) -> Result<ForecastReport, LedgerFault> {
    known.renew(from, park, now.at)?;
    let today = park.business_day(now.at);
    let expected = if day == today {
        expect(from, park, known, now)?
    } else {
        let first = ledger::forecasts(from, day, day)?.into_iter().next();
        first.map(|row| row.expected)
    };
    let made_at = expected.as_ref().map_or(now.at, |one| one.made_at);
    let elapsed = minute_of(made_at) - turn_minute(park.calendar(), day);
    let errors = known.errors(park, today.max(day), elapsed);
    Ok(ForecastReport { day, expected, error_percent: mean_error(&errors), errors })
}

#[cfg(test)]
mod tests;
