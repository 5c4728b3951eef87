//! What a delta says of the day. Its numbers always, its lists and tables (the curve, refusals by
//! reason …) only when they changed, and at most once a second: they are most of its bytes, and
//! nobody reads a curve ten times a second.
//!
//! A viewer puts the fields that came over those it holds. Whatever changed and was not sent is
//! owed, and goes out when its time has come even if nothing else changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use shanmen_protocols::{feed::Today, time::UnixMs};

/// The least time between two sendings of the lists and tables, in milliseconds.
const PARTS_EVERY_MS: i64 = 1000;

/// What viewers know of the day's lists and tables.
#[derive(Debug, Default)]
pub(crate) struct TodayParts {
    sent: BTreeMap<String, Value>,
    owed: BTreeSet<String>,
    sent_at: Option<UnixMs>,
}

impl TodayParts {
    /// Whether something has changed that viewers were not told yet.
    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Whether what is owed may go out. A clock that was put back does not hold it up.
    pub(crate) fn due(&self, at: UnixMs) -> bool {
        let early = |last: UnixMs| (0..PARTS_EVERY_MS).contains(&at.since_ms(last));
        !self.sent_at.is_some_and(early)
    }

    /// The fields of `today` for the frame that is made at `at`.
    pub(crate) fn changed(&mut self, today: &Today, at: UnixMs) -> Map<String, Value> {
        // Plain numbers and maps always serialize.
        let Ok(Value::Object(mut fields)) = serde_json::to_value(today) else { return Map::new() };
        let due = self.due(at);
        fields.retain(|name, field| {
            if !field.is_array() && !field.is_object() {
                return true;
            }
            // Once owed always owed: a viewer that came meanwhile holds what was not sent.
            if self.sent.get(name) != Some(field) {
                self.owed.insert(name.clone());
            }
            if !due || !self.owed.remove(name) {
                return false;
            }
            self.sent.insert(name.clone(), field.clone());
            self.sent_at = Some(at);
            true
        });
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(entries: u32) -> Today {
        Today { entries, curve: vec![0, entries / 10], ..Today::default() }
    }

    #[test]
    fn numbers_go_out_each_time_and_the_curve_once_a_second_when_it_changed() {
        let mut parts = TodayParts::default();
        let mut at = |ms, entries| {
            let fields = parts.changed(&day(entries), UnixMs(ms));
            assert_eq!(fields["entries"], entries);
            (fields.get("curve").map(|curve| curve[1].clone()), parts.owes())
        };
        assert_eq!(at(0, 10), (Some(1.into()), false), "the first time");
        assert_eq!(at(100, 11), (None, false), "the curve is as it was");
        assert_eq!(at(200, 20), (None, true), "too early");
        assert_eq!(at(300, 10), (None, true), "who came meanwhile holds 2");
        assert_eq!(at(1000, 10), (Some(1.into()), false), "so it is told");
        assert_eq!(at(1100, 10), (None, false));
        assert_eq!(at(500, 30), (Some(3.into()), false), "the clock was put back");
    }
}
