//! A scenario: who comes when, with what, and what goes wrong meanwhile. One TOML file, strict.
//!
//! It refuses unknown keys and values out of range, with the place. `run` without a file is the
//! simplest scenario: one phase at one rate. The library is in `loadtest/scenarios/`.

mod faults;
mod phases;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use shanmen_protocols::device::OfflineMode;

pub use self::{
    faults::{Fault, FaultKind},
    phases::{Arrivals, Phase},
};
use crate::plan::Mix;

/// Lanes, at most.
pub const LANES_MAX: usize = 5_000;

/// The longest scenario, in seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;

/// What is played.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// A short name.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// Where its numbers come from.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Turnstiles, 1 to 5,000.
    pub lanes: usize,
    /// What arrivals and mix are made from.
    #[serde(default = "one")]
    pub seed: u64,
    /// From a lane's opening until one visitor is through, in milliseconds, 0 to 4,000.
    #[serde(default)]
    pub walk_ms: u64,
    /// Quality of service of scans, 0 or 1.
    #[serde(default)]
    pub scan_qos: u8,
    /// How much of the beginning is checked and not measured, in seconds.
    #[serde(default = "one_second")]
    pub warmup_s: f64,
    /// How long visitors stay, in seconds: nine of ten leave after half to one and a half times
    /// of it. Without it those leave whom the mix names.
    #[serde(default)]
    pub stay_s: Option<f64>,
    /// Where a shorter span (`--seconds`) begins, in seconds from the start.
    #[serde(default)]
    pub from_s: f64,
    /// What visitors do, in shares of a thousand.
    #[serde(default)]
    pub mix: Mix,
    /// The sizes of groups.
    #[serde(default)]
    pub groups: Groups,
    /// How the turnstiles are set.
    #[serde(default)]
    pub devices: Devices,
    /// Who else is there.
    #[serde(default)]
    pub company: Company,
    /// One after the other.
    pub phases: Vec<Phase>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// How many persons a group has.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Groups {
    /// At least: 2.
    pub min: u16,
    /// At most: 60.
    pub max: u16,
}

impl Default for Groups {
    fn default() -> Self {
        Self { min: 5, max: 30 }
    }
}

/// How the turnstiles are set.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Devices {
    /// How long a decision may take, in milliseconds, 200 to 10,000.
    pub ttl_ms: u32,
    /// What those decide that a fault takes offline.
    pub offline: OfflineMode,
    /// The shortest and the longest pause before a device connects again, in milliseconds.
    pub reconnect_ms: [u64; 2],
}

impl Default for Devices {
    fn default() -> Self {
        Self { ttl_ms: 1_500, offline: OfflineMode::Deny, reconnect_ms: [1_000, 60_000] }
    }
}

/// Who else is there.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Company {
    /// Kiosks that sell; who buys there comes to a lane at once.
    pub kiosks: usize,
    /// Between two sales of a kiosk, in seconds.
    pub kiosk_every_s: f64,
    /// Viewers of the feed, each on a connection of its own.
    pub viewers: usize,
}

impl Default for Company {
    fn default() -> Self {
        Self { kiosks: 0, kiosk_every_s: 10.0, viewers: 0 }
    }
}

fn one() -> u64 {
    1
}

fn one_second() -> f64 {
    1.0
}

impl Scenario {
    /// The simplest one: so many lanes, one rate.
    pub fn simple(lanes: usize, rate: f64, seconds: f64) -> Self {
        Self {
            name: "steady".to_owned(),
            about: "one rate, Poisson".to_owned(),
            sources: Vec::new(),
            lanes,
            seed: 1,
            walk_ms: 0,
            scan_qos: 0,
            warmup_s: 1.0,
            stay_s: None,
            from_s: 0.0,
            mix: Mix::default(),
            groups: Groups::default(),
            devices: Devices::default(),
            company: Company::default(),
            phases: vec![Phase::steady(seconds, rate)],
            faults: Vec::new(),
        }
    }

    /// Reads a file.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the scenario {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a scenario", path.display()))
    }

    /// Reads a scenario, and checks all of it.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let scenario: Self = toml::from_str(text)?;
        let faults = scenario.check();
        if !faults.is_empty() {
            bail!("{}", faults.join("; "));
        }
        Ok(scenario)
    }

    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        self.phases.iter().map(|phase| phase.seconds).sum()
    }

    /// The highest rate of it, a second.
    pub fn peak(&self) -> f64 {
        self.phases.iter().map(Phase::peak).fold(0.0, f64::max)
    }

    /// Whether lanes are taken offline and back.
    pub fn takes_offline(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind == FaultKind::Offline)
    }

    /// Whether the server is ended and started again.
    pub fn ends_server(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind.ends_server())
    }

    /// The same visitors in less time: `speed` times as fast, so at `speed` times the rate. What a
    /// lane waits for somebody who does not walk stays as it is, and so does a restart.
    #[must_use]
    pub fn faster(mut self, speed: f64) -> Self {
        for phase in &mut self.phases {
            phase.faster(speed);
        }
        for fault in &mut self.faults {
            fault.at_s /= speed;
            fault.for_s /= speed;
        }
        // Else the lanes, and not the server, would be too few for those who come.
        let walk = Duration::from_millis(self.walk_ms).div_f64(speed);
        self.walk_ms = u64::try_from(walk.as_millis()).unwrap_or(self.walk_ms);
        self.from_s /= speed;
        self.stay_s = self.stay_s.map(|stay_s| stay_s / speed);
        self.company.kiosk_every_s /= speed;
        self
    }

    /// Only `seconds` of it, from `from_s` on.
    #[must_use]
    pub fn span(mut self, from_s: f64, seconds: f64) -> Self {
        let until_s = from_s + seconds;
        let mut begin_s = 0.0;
        let mut phases = Vec::new();
        for phase in &self.phases {
            let end_s = begin_s + phase.seconds;
            let (from, until) = (from_s.max(begin_s), until_s.min(end_s));
            if from < until {
                phases.push(phase.cut(from - begin_s, until - begin_s));
            }
            begin_s = end_s;
        }
        self.phases = phases;
        self.faults.retain(|fault| from_s <= fault.at_s && fault.at_s < until_s);
        for fault in &mut self.faults {
            fault.at_s -= from_s;
        }
        self.from_s = 0.0;
        self
    }

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut must = |good: bool, what: &str| {
            if !good {
                faults.push(what.to_owned());
            }
        };
        must((1..=LANES_MAX).contains(&self.lanes), "lanes: 1 to 5,000");
        must(self.walk_ms <= 4_000, "walk_ms: 0 to 4,000");
        must(self.scan_qos <= 1, "scan_qos: 0 or 1");
        must((0.0..=600.0).contains(&self.warmup_s), "warmup_s: 0 to 600");
        must(self.stay_s.is_none_or(|s| (5.0..=SECONDS_MAX).contains(&s)), "stay_s: 5 to 86,400");
        must(self.mix.sum() <= 1_000, "mix: the shares are more than a thousand");
        must(self.mix.again <= 1_000, "mix.again: 0 to 1,000");
        let Groups { min, max } = self.groups;
        must(2 <= min && min <= max && max <= 60, "groups: from 2 to 60 persons");
        let Devices { ttl_ms, reconnect_ms: [least, longest], .. } = self.devices;
        must((200..=10_000).contains(&ttl_ms), "devices.ttl_ms: 200 to 10,000");
        must(0 < least && least <= longest, "devices.reconnect_ms: [least, most], not 0");
        must(self.company.kiosks <= 200, "company.kiosks: at most 200");
        must(self.company.viewers <= 2_000, "company.viewers: at most 2,000");
        must(0.1 <= self.company.kiosk_every_s, "company.kiosk_every_s: 0.1 at least");
        must(!self.phases.is_empty(), "phases: at least one");
        must(self.seconds() <= SECONDS_MAX, "phases: longer than a day");
        must(0.0 <= self.from_s && self.from_s < self.seconds(), "from_s: within the scenario");
        for phase in &self.phases {
            faults.extend(phase.check());
        }
        for fault in &self.faults {
            faults.extend(fault.check(self));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> Vec<(String, Scenario)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|end| end == "toml"))
            .map(|path| (path.display().to_string(), Scenario::load(&path).unwrap()))
            .collect()
    }

    #[test]
    fn every_scenario_of_the_library_reads_and_says_where_it_comes_from() {
        let all = library();
        assert!(all.len() >= 7, "{}", all.len());
        for (file, scenario) in all {
            assert!(!scenario.sources.is_empty(), "{file}");
        }
    }

    #[test]
    fn a_key_that_nobody_knows_is_refused() {
        let text = "name = \"x\"\nabout = \"y\"\nlanes = 1\ngate = 3\n\
                    [[phases]]\nname = \"a\"\nseconds = 1\nrate = 1\n";
        let error = format!("{:#}", Scenario::parse(text).unwrap_err());
        assert!(error.contains("gate"), "{error}");
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = "name = \"x\"\nabout = \"y\"\nlanes = 0\nwalk_ms = 9000\n\
                    [[phases]]\nname = \"a\"\nseconds = 1\nrate = 1\n";
        let error = format!("{:#}", Scenario::parse(text).unwrap_err());
        assert!(error.contains("lanes") && error.contains("walk_ms"), "{error}");
    }

    #[test]
    fn a_share_of_more_than_a_thousand_is_refused() {
        let text = |mix: &str| {
            format!(
                "name = \"x\"\nabout = \"y\"\nlanes = 1\n[mix]\n{mix}\n\
                 [[phases]]\nname = \"a\"\nseconds = 1\nrate = 1\n"
            )
        };
        let told = |mix: &str| format!("{:#}", Scenario::parse(&text(mix)).unwrap_err());
        assert!(told("again = 1001").contains("mix.again"));
        assert!(told("reenter = 900").contains("more than a thousand"));
        assert!(told("reentry = 1").contains("reentry"));
        assert!(Scenario::parse(&text("reenter = 100\nagain = 1000")).is_ok());
    }

    #[test]
    fn a_faster_day_brings_the_same_visitors() {
        let day = Scenario::simple(1, 10.0, 600.0);
        let fast = day.clone().faster(10.0);
        let persons = |s: &Scenario| s.seconds() * s.peak();
        assert!((persons(&day) - persons(&fast)).abs() < 1e-6);
        assert!((fast.seconds() - 60.0).abs() < 1e-9);
    }

    #[test]
    fn a_span_takes_the_faults_that_fall_into_it() {
        let mut day = Scenario::simple(4, 10.0, 600.0);
        for at_s in [10.0, 300.0] {
            day.faults.push(Fault::of(FaultKind::Kill, at_s));
        }
        let span = day.span(290.0, 60.0);
        assert_eq!(span.faults.len(), 1);
        assert!((span.faults[0].at_s - 10.0).abs() < 1e-9);
        assert!((span.seconds() - 60.0).abs() < 1e-9);
    }
}
