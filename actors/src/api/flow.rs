//! History as it is asked for and told: series, a day, a fortnight, the heat map, the forecast.

use shanmen_protocols::{
    feed::{Forecast, Text},
    time::UnixMs,
};
use shanmen_rules::Day;

/// What a series is counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowBy {
    /// The site as a whole.
    #[default]
    Site,
    /// Areas: who entered and left each, its sub-areas included.
    Area,
    /// Gates.
    Gate,
    /// Lanes.
    Lane,
    /// Products, all versions of one together.
    Product,
    /// Ticket classes.
    Class,
    /// Sales channels.
    Channel,
    /// Reasons of refusals.
    Reason,
}

impl FlowBy {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Site,
        Self::Area,
        Self::Gate,
        Self::Lane,
        Self::Product,
        Self::Class,
        Self::Channel,
        Self::Reason,
    ];

    /// The word in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Area => "area",
            Self::Gate => "gate",
            Self::Lane => "lane",
            Self::Product => "product",
            Self::Class => "class",
            Self::Channel => "channel",
            Self::Reason => "reason",
        }
    }

    /// The one of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == word)
    }
}

/// Which series.
#[derive(Clone, Copy, Debug)]
pub struct FlowQuery {
    /// From here on; the first bucket may begin earlier.
    pub from: UnixMs,
    /// Up to here; the last bucket may end later.
    pub until: UnixMs,
    /// How wide a bucket is in minutes: 1, 5, 15, 60, or 1,440 for a business day.
    pub bucket_min: u16,
    /// What it is counted by.
    pub by: FlowBy,
}

/// Counts of visitors over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowSeries {
    /// When each bucket begins.
    pub at: Vec<UnixMs>,
    /// When the last one ends.
    pub until: UnixMs,
    /// One for each key.
    pub series: Vec<Series>,
}

/// The counts of one key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The id as it was at the time.
    pub key: String,
    /// What people call it now; the id where it is gone.
    pub name: Text,
    /// The counts of each bucket.
    pub counts: Vec<Counted>,
}

/// What one key counted in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Persons in, re-entries among them.
    pub entered: u32,
    /// Persons out.
    pub gone: u32,
    /// Presentations refused.
    pub denied: u32,
    /// Of the persons in, those who came back on an earlier admission.
    pub reentered: u32,
    /// Lanes that opened and nobody passed.
    pub not_taken: u32,
    /// Most persons inside at one time; site and areas only.
    pub peak: u32,
    /// Minutes with a peak of 80 % of the capacity or more; site and areas only.
    pub minutes_above_80: u32,
}

/// The most persons at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// How many.
    pub persons: u32,
    /// In the minute (later: hour) that begins here.
    pub at: UnixMs,
}

/// One key's counts of a day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keyed {
    /// The id as it was at the time.
    pub key: String,
    /// What people call it now.
    pub name: Text,
    /// Its counts.
    pub counted: Counted,
    /// Its peak; areas only.
    pub peak: Option<Peak>,
    /// What it bears now; areas only.
    pub capacity: Option<u32>,
}

/// A business day.
#[derive(Clone, Debug, PartialEq)]
pub struct DayReport {
    /// Which.
    pub day: Day,
    /// When this was counted.
    pub at: UnixMs,
    /// Whether it is still going on.
    pub open: bool,
    /// Persons in the site now; only of the day that is going on.
    pub in_site: Option<u32>,
    /// The site's counts.
    pub site: Counted,
    /// Its peak.
    pub peak: Option<Peak>,
    /// What it bears now.
    pub capacity: Option<u32>,
    /// By each dimension but site and lane, in the order of [`FlowBy::ALL`].
    pub by: Vec<(FlowBy, Vec<Keyed>)>,
    /// How long those who left had stayed.
    pub dwell: Option<Dwell>,
    /// How available the devices were, 0 to 1; none where none was known.
    pub availability: Option<f64>,
    /// Each device's, the least available first.
    pub devices: Vec<DeviceAvailability>,
    /// The same weekday a week before.
    pub last_week: Option<LastWeek>,
    /// What is, or was, expected of it.
    pub forecast: Option<Forecast>,
}

impl DayReport {
    /// The counts of one dimension.
    pub fn keyed(&self, by: FlowBy) -> &[Keyed] {
        self.by.iter().find(|(one, _)| *one == by).map_or(&[], |(_, keyed)| keyed)
    }
}

/// How long visitors stayed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dwell {
    /// How many of whom both passages are known.
    pub persons: u32,
    /// Half of them stayed at most so long, in minutes.
    pub median_min: u32,
    /// Nine of ten stayed at most so long, in minutes.
    pub p90_min: u32,
    /// The distribution: from so many minutes, to so many (none: longer), persons.
    pub bins: Vec<(u32, Option<u32>, u32)>,
}

/// In how many minutes a device was connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAvailability {
    /// The business day.
    pub day: Day,
    /// Which.
    pub device: String,
    /// Minutes connected.
    pub online_min: u32,
    /// Minutes in which it was approved and the program ran.
    pub known_min: u32,
}

impl DeviceAvailability {
    /// The share of the minutes, 0 to 1.
    pub fn share(&self) -> f64 {
        f64::from(self.online_min) / f64::from(self.known_min.max(1))
    }
}

/// The same weekday a week before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWeek {
    /// Which day.
    pub day: Day,
    /// Entries of the whole day.
    pub entries: u32,
    /// Entries until the same time of day.
    pub entries_by_now: u32,
    /// Exits of the whole day.
    pub exits: u32,
    /// Its peak.
    pub peak: Option<Peak>,
}

/// One day of a fortnight.
#[derive(Clone, Debug, PartialEq)]
pub struct DayLine {
    /// Which.
    pub day: Day,
    /// Its counts.
    pub counted: Counted,
    /// Its peak.
    pub peak: Option<Peak>,
    /// What the site bears now.
    pub capacity: Option<u32>,
    /// How available the devices were, 0 to 1.
    pub availability: Option<f64>,
}

/// Hours by weekdays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heatmap {
    /// How many days on record it was made from.
    pub days: u32,
    /// What came, for each weekday and hour on record.
    pub cells: Vec<HeatCell>,
}

/// One hour of one weekday.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeatCell {
    /// 1 = Monday to 7 = Sunday.
    pub weekday: u8,
    /// 0 to 23, of the site's clock.
    pub hour: u8,
    /// The mean of the entries in that hour.
    pub entries: f64,
    /// The mean of the most persons in the site in that hour.
    pub peak: f64,
}

/// What is expected of a day, and how good earlier forecasts were.
#[derive(Clone, Debug, PartialEq)]
pub struct ForecastReport {
    /// The day.
    pub day: Day,
    /// What is expected; none as long as there is no history to expect it from.
    pub expected: Option<Expected>,
    /// The mean of the absolute errors below, in percent.
    pub error_percent: Option<f64>,
    /// What earlier forecasts of the same time of day expected, and what came, newest first.
    pub errors: Vec<ForecastError>,
}

/// A forecast.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// When it was made.
    pub made_at: UnixMs,
    /// Entries of the whole day.
    pub entries: u32,
    /// The most persons in the site at one time.
    pub peak_in_site: u32,
    /// In the quarter of an hour that begins here.
    pub peak_at: UnixMs,
    /// Entries of each quarter of an hour of the business day: what came, then what will.
    pub curve: Vec<u32>,
    /// Persons in the site in each quarter of an hour.
    pub in_site: Vec<u32>,
    /// How many earlier days it was made from.
    pub days: u32,
    /// Persons of the tickets that were sold for the day when it was made.
    pub sold: u32,
}

/// A forecast against what came.
#[derive(Clone, Debug, PartialEq)]
pub struct ForecastError {
    /// The day.
    pub day: Day,
    /// When the forecast was made.
    pub made_at: UnixMs,
    /// Entries that it expected.
    pub expected_entries: u32,
    /// Entries that came.
    pub entries: u32,
    /// The peak that it expected.
    pub expected_peak: u32,
    /// The peak that came.
    pub peak: u32,
    /// How far off it was at the entries, in percent of what came.
    pub error_percent: f64,
}

/// A made-up day before today, for a demonstration.
#[derive(Clone, Debug)]
pub struct PastDay {
    /// Which.
    pub day: Day,
    /// What was counted; the site's key is empty.
    pub counts: Vec<PastCount>,
    /// How long visitors stayed: minutes, persons.
    pub stays: Vec<(u32, u32)>,
    /// In how many minutes the devices were connected.
    pub devices: Vec<DeviceAvailability>,
    /// Persons of the tickets sold for the day.
    pub sold: u32,
}

/// A made-up count.
#[derive(Clone, Debug)]
pub struct PastCount {
    /// Of what dimension.
    pub by: FlowBy,
    /// In the minute that begins here.
    pub at: UnixMs,
    /// Of what.
    pub key: String,
    /// The counts; `minutes_above_80` follows from the peak.
    pub counted: Counted,
}
