//! What history says of today, in the feed: the same weekday of last week and the forecast. The
//! keeper of the history makes it; the flow actor only hands it on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;

/// What history says of today. Made anew every few seconds, off the path of a scan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// When it was made.
    pub at: UnixMs,
    /// Entries of this business day by the channel that sold the ticket.
    pub by_channel: BTreeMap<String, u32>,
    /// The same weekday of last week; none where nothing is on record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_week: Option<DayBefore>,
    /// What is expected of today; none as long as there is no history to expect it from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forecast: Option<Forecast>,
}

/// An earlier business day, to compare today with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DayBefore {
    /// Its local date.
    pub date: String,
    /// Entries of the whole day.
    pub entries: u32,
    /// Entries until the same time of day.
    pub entries_by_now: u32,
    /// Exits until the same time of day.
    pub exits_by_now: u32,
    /// Entries of the clock hour that is running today, the whole of it.
    pub entries_this_hour: u32,
    /// Exits of that clock hour, the whole of it.
    #[serde(default)]
    pub exits_this_hour: u32,
    /// Entries of that clock hour until the same minute: the hour that runs today is not over.
    #[serde(default)]
    pub entries_this_hour_by_now: u32,
    /// Exits of that clock hour until the same minute.
    #[serde(default)]
    pub exits_this_hour_by_now: u32,
    /// Entries in the same minute.
    pub entries_per_min: u32,
    /// Exits in the same minute.
    #[serde(default)]
    pub exits_per_min: u32,
    /// Most persons in the site at one time.
    pub peak_in_site: u32,
    /// Entries per quarter hour from the start of the business day.
    pub curve: Vec<u32>,
}

/// What is expected of today.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// When it was made.
    pub made_at: UnixMs,
    /// Entries of the whole day.
    pub entries: u32,
    /// Most persons in the site at one time.
    pub peak_in_site: u32,
    /// When that will be.
    pub peak_at: UnixMs,
    /// Entries per quarter hour from the start of the business day: what came, then what will.
    pub curve: Vec<u32>,
    /// Earlier days that it was made from.
    pub days: u32,
    /// How far off forecasts made by this time of day were, as the mean of their absolute
    /// errors at the day's entries, in percent; none as long as no forecast is old enough.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_percent: Option<f64>,
}
