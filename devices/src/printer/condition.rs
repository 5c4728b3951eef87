//! What the control plane hears of a printer's condition: alarms when they change, and how much
//! paper is left.
//!
//! Pure. An alarm is raised and cleared once each, over restarts too, since what is raised is kept.
//! A printer that cannot be asked is a `fault`, after [`SILENT_MAX`] questions in a row. The printer
//! and the kiosk call it.

use serde::{Deserialize, Serialize};
use shanmen_protocols::device::Body;

use crate::print::status::Status;

/// Questions without an answer after which the printer counts as faulty.
pub const SILENT_MAX: u32 = 2;

/// The alarms of a printer.
const CODES: [&str; 4] = ["low_paper", "no_paper", "cover_open", "fault"];

/// What is known of a printer; kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    raised: Vec<String>,
    /// Tickets printed since the stock was filled up.
    used: u32,
    #[serde(skip)]
    silent: u32,
    #[serde(skip)]
    ready: bool,
}

impl Condition {
    /// What a shelf held.
    pub fn kept(json: Option<&str>) -> Self {
        json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    /// As it is kept.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the printer said at last that it can print; one that does not answer always can.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// The alarms that are raised.
    pub fn raised(&self) -> &[String] {
        &self.raised
    }

    /// The printer was asked; the alarms that changed.
    pub fn told(&mut self, status: &Result<Option<Status>, String>) -> Vec<Body> {
        let now = match status {
            Ok(status) => {
                self.silent = 0;
                status.unwrap_or_default()
            }
            Err(_why) => {
                self.silent = self.silent.saturating_add(1);
                self.ready = false;
                if self.silent < SILENT_MAX {
                    return Vec::new();
                }
                Status { fault: true, ..Status::default() }
            }
        };
        self.ready = now.obstacle().is_none();
        let had_paper = !self.is_raised("no_paper");
        let are = [now.low_paper, now.no_paper, now.cover_open, now.fault];
        let mut changed = Vec::new();
        for (code, is) in CODES.into_iter().zip(are) {
            // Nothing is known of the paper while the printer is silent.
            if is == self.is_raised(code) || (status.is_err() && code != "fault") {
                continue;
            }
            if is {
                self.raised.push(code.to_owned());
            } else {
                self.raised.retain(|raised| raised != code);
            }
            changed.push(Body::Alarm { code: code.to_owned(), active: is });
        }
        if !had_paper && !self.is_raised("no_paper") {
            self.used = 0;
        }
        changed
    }

    /// A ticket came out.
    pub fn used(&mut self, tickets: u16) {
        self.used = self.used.saturating_add(tickets.into());
    }

    /// How much of a stock of so many tickets is left, in percent.
    pub fn paper_percent(&self, stock: u32) -> u32 {
        if self.is_raised("no_paper") {
            return 0;
        }
        let left = u64::from(stock.saturating_sub(self.used));
        u32::try_from(100 * left / u64::from(stock.max(1))).unwrap_or(100)
    }

    fn is_raised(&self, code: &str) -> bool {
        self.raised.iter().any(|raised| raised == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms(bodies: &[Body]) -> Vec<(&str, bool)> {
        let alarms = bodies.iter().filter_map(|body| match body {
            Body::Alarm { code, active } => Some((code.as_str(), *active)),
            _ => None,
        });
        alarms.collect()
    }

    fn told(condition: &mut Condition, no_paper: bool, low_paper: bool) -> Vec<Body> {
        condition.told(&Ok(Some(Status { no_paper, low_paper, ..Status::default() })))
    }

    #[test]
    fn an_alarm_is_raised_and_cleared_once_over_restarts_too() {
        let mut condition = Condition::default();
        assert_eq!(alarms(&told(&mut condition, false, true)), [("low_paper", true)]);
        assert_eq!(told(&mut condition, false, true), []);
        assert_eq!(alarms(&told(&mut condition, true, true)), [("no_paper", true)]);
        let mut reborn = Condition::kept(Some(&condition.json()));
        assert_eq!(told(&mut reborn, true, true), []);
        assert!(!reborn.is_ready());
        let over = told(&mut reborn, false, false);
        assert_eq!(alarms(&over), [("low_paper", false), ("no_paper", false)]);
        assert!(reborn.is_ready());
    }

    #[test]
    fn a_silent_printer_is_a_fault_and_says_nothing_of_the_paper() {
        let mut condition = Condition::default();
        told(&mut condition, true, false);
        let silent = Err("no answer".to_owned());
        assert_eq!(condition.told(&silent), []);
        assert!(!condition.is_ready());
        assert_eq!(alarms(&condition.told(&silent)), [("fault", true)]);
        let back = told(&mut condition, false, false);
        assert_eq!(alarms(&back), [("no_paper", false), ("fault", false)]);
    }

    #[test]
    fn paper_is_counted_from_the_last_filling() {
        let mut condition = Condition::default();
        condition.used(50);
        assert_eq!(condition.paper_percent(200), 75);
        told(&mut condition, true, false);
        assert_eq!(condition.paper_percent(200), 0);
        told(&mut condition, false, false);
        assert_eq!(condition.paper_percent(200), 100);
    }
}
