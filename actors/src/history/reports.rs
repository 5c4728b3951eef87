//! What is told of the past: a day, a fortnight, the heat map. Read from the books off all
//! async threads; nothing here is kept.

use std::collections::BTreeMap;

use shanmen_protocols::time::UnixMs;
use shanmen_rules::{Day, Park};

use super::{
    BIN_MIN, BINS, Buckets, Cells, hour_of, minute_of, moment_of, names::name_of, series::always,
    turn_minute,
};
use crate::{
    api::{
        Counted, DayLine, DayReport, DeviceAvailability, Dwell, FlowBy, HeatCell, Heatmap, Keyed,
        LastWeek, Peak,
    },
    ledger::{self, Books, LedgerFault},
    whole::rounded,
};

/// How many days a fortnight has.
const FORTNIGHT: i32 = 14;

/// Persons that the site holds at one time: the sum of its top areas, if each of them has one.
pub(crate) fn capacity_of(park: &Park) -> Option<u32> {
    let top = park.areas().iter().skip(1).filter(|area| area.parent.is_none());
    let sum = top.map(|area| area.capacity_instant).sum::<Option<u32>>()?;
    (0 < sum).then_some(sum)
}

impl From<Cells> for Counted {
    fn from(cells: Cells) -> Self {
        Self {
            entered: cells.entered,
            gone: cells.gone,
            denied: cells.denied,
            reentered: cells.reentered,
            not_taken: cells.untaken,
            peak: cells.peak,
            minutes_above_80: cells.above,
        }
    }
}

/// A business day's first minute, and the first one of the next.
pub(crate) fn minutes_of(park: &Park, day: Day) -> (i64, i64) {
    (turn_minute(park.calendar(), day), turn_minute(park.calendar(), day.plus(1)))
}

/// Persons inside now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inside {
    /// The site.
    pub(crate) site: u32,
    /// Each area.
    pub(crate) areas: BTreeMap<String, u32>,
}

/// A business day; of the one that is going on with who is inside now.
pub(crate) fn day(
    from: Books<'_>,
    park: &Park,
    day: Day,
    now: UnixMs,
    inside: &Inside,
) -> Result<DayReport, LedgerFault> {
    let (begin, end) = minutes_of(park, day);
    let minute = minute_of(now);
    let open = begin <= minute && minute < end;
    // The minute that is under way is not on record yet.
    let with_now = |peak: Option<Peak>, persons: u32| {
        let more = open && 0 < persons && peak.is_none_or(|peak| peak.persons < persons);
        if more { Some(Peak { persons, at: moment_of(minute) }) } else { peak }
    };
    let peak = with_now(peaks(from, FlowBy::Site, begin, end)?.remove(""), inside.site);
    let site: Counted = ledger::sum_of(from, begin, end)?.into();
    // Lanes are many, and asked for as a series.
    let by = FlowBy::ALL.into_iter().filter(|by| !matches!(by, FlowBy::Site | FlowBy::Lane));
    let by = by.map(|by| Ok((by, keyed(from, park, by, begin, end)?)));
    let mut by = by.collect::<Result<Vec<_>, LedgerFault>>()?;
    for (_, areas) in by.iter_mut().filter(|(by, _)| *by == FlowBy::Area) {
        for area in areas {
            area.peak = with_now(area.peak, inside.areas.get(&area.key).copied().unwrap_or(0));
            area.counted.peak = area.peak.map_or(0, |peak| peak.persons);
        }
    }
    let mut devices = ledger::availability(from, day, day)?;
    devices.sort_by(|a, b| a.share().total_cmp(&b.share()).then_with(|| a.device.cmp(&b.device)));
    Ok(DayReport {
        day,
        at: now,
        open,
        in_site: open.then_some(inside.site),
        site: Counted { peak: peak.map_or(0, |peak| peak.persons), ..site },
        peak,
        capacity: capacity_of(park),
        by,
        dwell: dwell(&ledger::dwell(from, day)?),
        availability: share(&devices),
        devices,
        last_week: last_week(from, park, day, open.then_some(minute - begin))?,
        forecast: None,
    })
}

fn keyed(
    from: Books<'_>,
    park: &Park,
    by: FlowBy,
    begin: i64,
    end: i64,
) -> Result<Vec<Keyed>, LedgerFault> {
    let mut sums = ledger::day_sums(from, by, begin, end)?;
    for key in always(park, by) {
        sums.entry(key).or_default();
    }
    let mut peaks = if by == FlowBy::Area { peaks(from, by, begin, end)? } else { BTreeMap::new() };
    let capacity = |key: &str| park.area_ix(key).and_then(|ix| park.area(ix).capacity_instant);
    let told = sums.into_iter().map(|(key, cells)| Keyed {
        name: name_of(park, by, &key),
        peak: peaks.remove(&key),
        capacity: (by == FlowBy::Area).then(|| capacity(&key)).flatten(),
        counted: cells.into(),
        key,
    });
    Ok(told.collect())
}

/// The peak of each key, at the first moment at which there were so many.
fn peaks(
    from: Books<'_>,
    by: FlowBy,
    begin: i64,
    end: i64,
) -> Result<BTreeMap<String, Peak>, LedgerFault> {
    let mut most: BTreeMap<String, Peak> = BTreeMap::new();
    ledger::minutes(from, by, begin, end, &mut |row| {
        let here = Peak { persons: row.cells.peak, at: moment_of(row.minute) };
        if here.persons == 0 {
            return;
        }
        let Some(held) = most.get_mut(row.key) else {
            most.insert(row.key.to_owned(), here);
            return;
        };
        if held.persons < here.persons || (held.persons == here.persons && here.at < held.at) {
            *held = here;
        }
    })?;
    Ok(most)
}

fn last_week(
    from: Books<'_>,
    park: &Park,
    day: Day,
    elapsed: Option<i64>,
) -> Result<Option<LastWeek>, LedgerFault> {
    let day = day.plus(-7);
    let (begin, end) = minutes_of(park, day);
    let whole = ledger::sum_of(from, begin, end)?;
    if whole == Cells::default() {
        return Ok(None);
    }
    let by_now = match elapsed {
        Some(minutes) => ledger::sum_of(from, begin, (begin + minutes + 1).min(end))?.entered,
        None => whole.entered,
    };
    Ok(Some(LastWeek {
        day,
        entries: whole.entered,
        entries_by_now: by_now,
        exits: whole.gone,
        peak: peaks(from, FlowBy::Site, begin, end)?.remove(""),
    }))
}

/// The days that end with `until`, the oldest first.
pub(crate) fn week(from: Books<'_>, park: &Park, until: Day) -> Result<Vec<DayLine>, LedgerFault> {
    let first = until.plus(1 - FORTNIGHT);
    let devices = ledger::availability(from, first, until)?;
    let line = |day: Day| {
        let (begin, end) = minutes_of(park, day);
        let of_day: Vec<_> = devices.iter().filter(|one| one.day == day).cloned().collect();
        Ok(DayLine {
            day,
            counted: ledger::sum_of(from, begin, end)?.into(),
            peak: peaks(from, FlowBy::Site, begin, end)?.remove(""),
            capacity: capacity_of(park),
            availability: share(&of_day),
        })
    };
    (0..FORTNIGHT).map(|n| line(first.plus(n))).collect()
}

/// Hours by weekdays of the weeks before `today`.
pub(crate) fn heatmap(
    from: Books<'_>,
    park: &Park,
    weeks: u8,
    today: Day,
) -> Result<Heatmap, LedgerFault> {
    let (mut hours, mut days) = (BTreeMap::<(u8, u8), (f64, f64)>::new(), [0_u32; 8]);
    for n in 1..=i32::from(weeks) * 7 {
        let day = today.plus(-n);
        let (begin, end) = minutes_of(park, day);
        let buckets = Buckets::cut(park.calendar(), moment_of(begin), moment_of(end), 60)
            .map_err(|fault| LedgerFault::Broken(fault.to_string()))?;
        let mut counts = vec![Cells::default(); buckets.starts.len()];
        ledger::minutes(from, FlowBy::Site, begin, end, &mut |row| {
            if let Some(cell) = buckets.place(row.minute).and_then(|n| counts.get_mut(n)) {
                cell.add(&row.cells);
            }
        })?;
        if counts.iter().all(|cells| cells.entered == 0) {
            continue;
        }
        days[usize::from(day.weekday())] += 1;
        for (start, cells) in buckets.starts.iter().zip(counts) {
            let (hour, _) = hour_of(park.calendar(), *start);
            let clock = park.moment(moment_of(hour)).second_of_day / 3_600;
            let key = (day.weekday(), u8::try_from(clock).unwrap_or(0));
            let sums = hours.entry(key).or_default();
            sums.0 += f64::from(cells.entered);
            sums.1 += f64::from(cells.peak);
        }
    }
    let cells = hours.into_iter().map(|((weekday, hour), (entries, peak))| {
        let count = f64::from(days[usize::from(weekday)].max(1));
        HeatCell { weekday, hour, entries: entries / count, peak: peak / count }
    });
    Ok(Heatmap { days: days.iter().sum(), cells: cells.collect() })
}

/// The devices' minutes together, 0 to 1.
fn share(devices: &[DeviceAvailability]) -> Option<f64> {
    let online: u32 = devices.iter().map(|one| one.online_min).sum();
    let known: u32 = devices.iter().map(|one| one.known_min).sum();
    (0 < known).then(|| f64::from(online) / f64::from(known))
}

/// The distribution of the stays; none when nobody left.
fn dwell(bins: &[(u32, u32)]) -> Option<Dwell> {
    let persons: u32 = bins.iter().map(|(_, persons)| persons).sum();
    let (last, _) = bins.last().filter(|_| 0 < persons)?;
    let width = u32::try_from(BIN_MIN).unwrap_or(15);
    let at = |bin: u32| bins.iter().find(|(one, _)| *one == bin).map_or(0, |(_, count)| *count);
    let bin = |n: u32| (n * width, (n + 1 < BINS).then_some((n + 1) * width), at(n));
    // Within a bin the stays are taken to be spread evenly.
    let below = |share: f64| {
        let mut left = f64::from(persons) * share;
        for (n, count) in bins {
            if left <= f64::from(*count) {
                let within = left / f64::from((*count).max(1));
                return rounded((f64::from(*n) + within) * f64::from(width));
            }
            left -= f64::from(*count);
        }
        (*last + 1) * width
    };
    Some(Dwell {
        persons,
        median_min: below(0.5),
        p90_min: below(0.9),
        bins: (0..=*last).map(bin).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_visitors_stayed_at_most_the_median() {
        let told = dwell(&[(4, 10), (8, 80), (12, 10)]).unwrap();
        assert_eq!((told.persons, told.median_min, told.p90_min), (100, 128, 135));
        assert_eq!(told.bins.len(), 13);
        assert_eq!(told.bins[8], (120, Some(135), 80));
        assert_eq!(dwell(&[]), None);
        assert_eq!(dwell(&[(BINS - 1, 1)]).unwrap().bins.last(), Some(&(720, None, 1)));
    }
}
