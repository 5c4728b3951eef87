//! What is to be expected of today: a plain method that can be followed by hand.
//!
//! 1. **Days to go by**: the last 8 days of the same weekday with entries; with fewer than two of
//!    them, the last 14 days of any weekday.
//! 2. **Usual shares**: the mean share of the day's entries that fell into each quarter of an hour.
//! 3. **From what is sold**: the mean entries of those days, times the persons sold for today
//!    against the mean of those sold by the same time then (where both are known; from ½ to 2).
//! 4. **From what came**: the entries so far, divided by the share that has usually come by now.
//! 5. **Blend**: before the visitors come 3. alone; from then on evenly over to 4., which stands
//!    alone once half of the visitors have usually come.
//!    A day that **opened late** (a storm in the morning, a program that was started at noon) is
//!    measured from its first entry on: what has usually come before is expected of neither.
//! 6. **In the site**: the usual persons for each entry, times the expected entries; how far the
//!    count of now is off that fades out over the next two hours.
//!
//! No I/O: called by the keeper, and by a demonstration for its made-up past.

use shanmen_rules::Day;

use super::Shape;
use crate::whole::{as_f64, parts, rounded};

/// How many days of the same weekday are gone by.
pub(crate) const WEEKDAYS: usize = 8;
/// How many of them are enough, or all days are taken.
const WEEKDAYS_ENOUGH: usize = 2;
/// How many days are taken when the same weekday is too seldom on record.
const ANY_DAYS: usize = 14;
/// The share of the day's entries from which on they tell something, and from which on they alone do.
const TELLING: std::ops::Range<f64> = 0.02..0.5;
/// Fewer persons sold than this say nothing.
const SOLD_TELLING: f64 = 20.0;
/// Over how many quarters the deviation of now fades out.
const FADE_QUARTERS: f64 = 8.0;

/// An earlier day.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    pub(crate) shape: Shape,
    /// Persons sold for it by the same time of day.
    pub(crate) sold: Option<u32>,
}

/// The day so far.
#[derive(Clone, Debug)]
pub(crate) struct SoFar {
    pub(crate) shape: Shape,
    /// Minutes since the business day's turn.
    pub(crate) elapsed_min: i64,
    /// Persons in the site now.
    pub(crate) in_site: u32,
    /// Persons of the tickets sold for the day.
    pub(crate) sold: u32,
}

/// What is expected of a day.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outlook {
    pub(crate) entries: u32,
    pub(crate) curve: Vec<u32>,
    pub(crate) in_site: Vec<u32>,
    /// The quarter with the most persons in the site.
    pub(crate) peak_quarter: usize,
    pub(crate) days: u32,
}

/// The days to go by, of those on record before `today`.
pub(crate) fn pick(today: Day, before: &[Before]) -> Vec<&Before> {
    let mut earlier: Vec<&Before> =
        before.iter().filter(|one| one.shape.day < today && 0 < one.shape.total()).collect();
    earlier.sort_by_key(|one| std::cmp::Reverse(one.shape.day));
    let same: Vec<&Before> = earlier
        .iter()
        .copied()
        .filter(|one| one.shape.day.weekday() == today.weekday())
        .take(WEEKDAYS)
        .collect();
    if WEEKDAYS_ENOUGH <= same.len() {
        return same;
    }
    earlier.truncate(ANY_DAYS);
    earlier
}

/// What is expected; none without a day to go by.
pub(crate) fn outlook(now: &SoFar, before: &[Before]) -> Option<Outlook> {
    let days = pick(now.shape.day, before);
    let count = u32::try_from(days.len()).ok().filter(|count| 0 < *count)?;
    let quarters = now.shape.entries.len();
    let usual = Usual::of(&days, quarters);
    let elapsed = f64::from(i32::try_from(now.elapsed_min).unwrap_or(0)) / 15.0;
    let at = now_quarter(now, quarters);
    let within = (elapsed - as_f64(at)).clamp(0.0, 1.0);
    let share = usual.shares[..at].iter().sum::<f64>() + usual.shares[at] * within;
    let came = f64::from(now.shape.total());

    let missed = usual.missed(&now.shape, share);
    let since = share - missed;
    let from_sold = usual.entries * usual.sold_factor(now.sold) * (1.0 - missed);
    let weight = ((since - TELLING.start) / (TELLING.end - TELLING.start)).clamp(0.0, 1.0);
    // The share of what is still to come, at the pace of what came.
    let from_came = if 0.0 < weight { came * (1.0 - missed) / since } else { 0.0 };
    let entries = (from_sold * (1.0 - weight) + from_came * weight).max(came);

    let rest = (entries - came) / (1.0 - share).max(0.000_1);
    let ahead = |quarter: usize| match quarter.cmp(&at) {
        std::cmp::Ordering::Less => 0.0,
        std::cmp::Ordering::Equal => usual.shares[at] * (1.0 - within),
        std::cmp::Ordering::Greater => usual.shares[quarter],
    };
    let expected = (0..quarters).map(|n| f64::from(now.shape.entries[n]) + rest * ahead(n));
    let curve = parts(expected);
    let off = f64::from(now.in_site) - usual.in_site[at] * entries;
    let in_site: Vec<u32> = (0..quarters)
        .map(|n| {
            if n < at {
                return now.shape.in_site[n];
            }
            let fades = (1.0 - (as_f64(n) - as_f64(at)) / FADE_QUARTERS).max(0.0);
            let here = rounded(usual.in_site[n] * entries + off * fades);
            if n == at { here.max(now.shape.in_site[n]) } else { here }
        })
        .collect();
    let most = in_site.iter().copied().max().unwrap_or(0);
    let peak_quarter = in_site.iter().position(|one| *one == most).unwrap_or(0);
    Some(Outlook { entries: curve.iter().sum(), curve, in_site, peak_quarter, days: count })
}

fn now_quarter(now: &SoFar, quarters: usize) -> usize {
    usize::try_from(now.elapsed_min / super::QUARTER_MIN).unwrap_or(0).min(quarters - 1)
}

/// What the earlier days have in common.
struct Usual {
    /// The share of the entries in each quarter.
    shares: Vec<f64>,
    /// Persons in the site in each quarter, for each entry of the day.
    in_site: Vec<f64>,
    /// Entries of a day.
    entries: f64,
    /// Persons sold by this time of day.
    sold: Option<f64>,
}

impl Usual {
    fn of(days: &[&Before], quarters: usize) -> Self {
        let count = as_f64(days.len());
        let (mut shares, mut in_site) = (vec![0.0; quarters], vec![0.0; quarters]);
        for day in days {
            let total = f64::from(day.shape.total());
            for (n, entries) in day.shape.entries.iter().enumerate() {
                // A day of 25 hours has more quarters than one of 24: its last ones count as one.
                shares[n.min(quarters - 1)] += f64::from(*entries) / total / count;
            }
            for (mean, persons) in in_site.iter_mut().zip(&day.shape.in_site) {
                *mean += f64::from(*persons) / total / count;
            }
        }
        let entries = days.iter().map(|day| f64::from(day.shape.total())).sum::<f64>() / count;
        let sold: Option<f64> = days.iter().map(|day| day.sold.map(f64::from)).sum();
        Self { shares, in_site, entries, sold: sold.map(|sum| sum / count) }
    }

    /// The share that has usually come before the first entry of a day, or by now where nobody has
    /// come; none worth a word is 0.
    fn missed(&self, day: &Shape, by_now: f64) -> f64 {
        let first = day.entries.iter().position(|entries| 0 < *entries);
        let share = first.map_or(by_now, |first| self.shares[..first].iter().sum());
        if share < TELLING.start { 0.0 } else { share }
    }

    fn sold_factor(&self, sold: u32) -> f64 {
        match self.sold {
            Some(usual) if SOLD_TELLING <= usual && SOLD_TELLING <= f64::from(sold) => {
                (f64::from(sold) / usual).clamp(0.5, 2.0)
            }
            _ => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A day with entries from 8 to 12 o'clock, evenly, who stay two hours.
    fn day(day: i32, each: u32) -> Shape {
        let entries: Vec<u32> =
            (0..96).map(|n| if (32..48).contains(&n) { each } else { 0 }).collect();
        let inside = |n: usize| entries[n.saturating_sub(8)..=n].iter().sum::<u32>();
        Shape { day: Day(day), in_site: (0..96).map(inside).collect(), entries }
    }

    fn before(shape: Shape) -> Before {
        Before { shape, sold: None }
    }

    fn until(day: Shape, quarter: usize, sold: u32) -> SoFar {
        let mut shape = day;
        shape.entries[quarter..].fill(0);
        let in_site = shape.in_site[quarter.saturating_sub(1)];
        shape.in_site[quarter..].fill(0);
        let elapsed_min = i64::try_from(quarter).unwrap() * 15;
        SoFar { shape, elapsed_min, in_site, sold }
    }

    #[test]
    fn the_same_weekdays_are_gone_by_and_all_days_where_they_are_too_few() {
        let days: Vec<Before> = (0..30).map(|n| before(day(20_000 + n, 10))).collect();
        let picked = pick(Day(20_030), &days);
        assert_eq!(picked.len(), 4);
        assert!(picked.iter().all(|one| one.shape.day.weekday() == Day(20_030).weekday()));
        assert_eq!(pick(Day(20_030), &days[20..]).len(), 10, "one of the weekday is too few");
        assert!(pick(Day(20_000), &days).is_empty(), "no day looks ahead");
    }

    #[test]
    fn without_a_past_nothing_is_expected() {
        assert_eq!(outlook(&until(day(20_007, 5), 40, 0), &[]), None);
    }

    #[test]
    fn in_the_morning_the_usual_day_is_expected_and_what_is_sold_moves_it() {
        let days: Vec<Before> =
            [20_000, 20_007].map(|n| Before { shape: day(n, 100), sold: Some(200) }).into();
        let plain = outlook(&until(day(20_014, 0), 20, 0), &days).unwrap();
        assert_eq!((plain.entries, plain.days), (1_600, 2));
        assert_eq!(plain.in_site[plain.peak_quarter], 900);
        let busy = outlook(&until(day(20_014, 0), 20, 300), &days).unwrap();
        assert_eq!(busy.entries, 2_400);
        let far = outlook(&until(day(20_014, 0), 20, 3_000), &days).unwrap();
        assert_eq!(far.entries, 3_200, "at most twice the usual");
    }

    #[test]
    fn later_on_what_came_stands_alone() {
        let days: Vec<Before> = [20_000, 20_007].map(|n| before(day(n, 100))).into();
        let found = outlook(&until(day(20_014, 150), 42, 0), &days).unwrap();
        assert_eq!(found.entries, 2_400, "half as many again, as it came so far");
        let evening = outlook(&until(day(20_014, 150), 90, 0), &days).unwrap();
        assert_eq!(evening.entries, 2_400, "then it is what came");
        assert_eq!(evening.curve, day(20_014, 150).entries);
    }

    #[test]
    fn a_day_that_opened_late_goes_on_as_usual() {
        let days: Vec<Before> = [20_000, 20_007].map(|n| before(day(n, 100))).into();
        let mut late = day(20_014, 100);
        late.entries[..44].fill(0);
        let opening = outlook(&until(late.clone(), 44, 0), &days).unwrap();
        assert_eq!(opening.entries, 400, "nobody has come, and an hour is left of the usual four");
        let after = outlook(&until(late.clone(), 45, 0), &days).unwrap();
        assert_eq!(after.entries, 400, "they come as usual, from now on");
        let end = outlook(&until(late, 60, 0), &days).unwrap();
        assert_eq!(end.entries, 400);
    }

    proptest! {
        #[test]
        fn a_forecast_never_expects_fewer_than_came_and_its_curve_adds_up(
            each in prop::collection::vec(0_u32..400, 3..9),
            today in 0_u32..400,
            quarter in 0_usize..96,
            sold in 0_u32..5_000,
        ) {
            let days: Vec<Before> = (0_i32..)
                .zip(&each)
                .map(|(n, &each)| Before { shape: day(20_000 + n, each), sold: Some(each * 3) })
                .collect();
            let now = until(day(20_010, today), quarter, sold);
            if let Some(found) = outlook(&now, &days) {
                prop_assert!(now.shape.total() <= found.entries);
                prop_assert_eq!(found.curve.iter().sum::<u32>(), found.entries);
                prop_assert_eq!(&found.curve[..quarter], &now.shape.entries[..quarter]);
                prop_assert_eq!(found.in_site.len(), 96);
                prop_assert!(found.peak_quarter < 96);
            }
        }
    }
}
