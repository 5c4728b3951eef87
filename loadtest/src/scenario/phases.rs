//! A phase: how many come, in which rhythm.

use serde::{Deserialize, Serialize};

use crate::plan::Mix;

/// The rhythm of arrivals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// By chance, each by themselves.
    #[default]
    Poisson,
    /// At even distances.
    Even,
}

/// A span of the scenario.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What it is called in the report.
    pub name: String,
    /// Its length, in seconds.
    pub seconds: f64,
    /// Presentations a second, all lanes together; at its beginning where `to` or `curve` goes on.
    #[serde(default)]
    pub rate: f64,
    /// The rate at its end: a ramp.
    #[serde(default)]
    pub to: Option<f64>,
    /// Rates at even distances from the beginning to the end, straight lines between them.
    #[serde(default)]
    pub curve: Vec<f64>,
    /// The rhythm.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// So many come at once at its beginning: the queue before the opening.
    #[serde(default)]
    pub burst: u32,
    /// Another mix than the scenario's.
    #[serde(default)]
    pub mix: Option<Mix>,
}

impl Phase {
    /// One rate, Poisson.
    pub fn steady(seconds: f64, rate: f64) -> Self {
        Self {
            name: "steady".to_owned(),
            seconds,
            rate,
            to: None,
            curve: Vec::new(),
            arrivals: Arrivals::Poisson,
            burst: 0,
            mix: None,
        }
    }

    /// Its rates at even distances, two at least.
    pub fn points(&self) -> Vec<f64> {
        match self.curve.len() {
            0 => vec![self.rate, self.to.unwrap_or(self.rate)],
            1 => vec![self.curve[0]; 2],
            _ => self.curve.clone(),
        }
    }

    /// Its highest rate.
    pub fn peak(&self) -> f64 {
        self.points().into_iter().fold(0.0, f64::max)
    }

    pub(super) fn faster(&mut self, speed: f64) {
        self.seconds /= speed;
        self.rate *= speed;
        self.to = self.to.map(|to| to * speed);
        for rate in &mut self.curve {
            *rate *= speed;
        }
    }

    /// The rate at a moment, in seconds from its beginning.
    fn rate_at(&self, at_s: f64) -> f64 {
        let points = self.points();
        let steps = crate::clock::count_of(points.len() - 1);
        let place = (at_s / self.seconds * steps).clamp(0.0, steps);
        points
            .windows(2)
            .zip(0_u32..)
            .find(|(_, n)| place <= f64::from(n + 1))
            .map_or(0.0, |(pair, n)| pair[0] + (pair[1] - pair[0]) * (place - f64::from(n)))
    }

    /// The part of it between two moments, in seconds from its beginning.
    pub(super) fn cut(&self, from_s: f64, until_s: f64) -> Self {
        /// Points of a curve that is cut: finer than the eye.
        const POINTS: u32 = 64;
        let step = (until_s - from_s) / f64::from(POINTS);
        let curve = (0..=POINTS).map(|n| self.rate_at(from_s + step * f64::from(n))).collect();
        let burst = if from_s > 0.0 { 0 } else { self.burst };
        Self { seconds: until_s - from_s, to: None, curve, burst, ..self.clone() }
    }

    pub(super) fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let name = &self.name;
        if !(0.1..=86_400.0).contains(&self.seconds) {
            faults.push(format!("phase {name}: seconds: 0.1 to 86,400"));
        }
        if !self.points().iter().all(|rate| (0.0..=100_000.0).contains(rate)) {
            faults.push(format!("phase {name}: rates are from 0 to 100,000 a second"));
        }
        if !self.curve.is_empty() && (self.rate > 0.0 || self.to.is_some()) {
            faults.push(format!("phase {name}: either curve, or rate and to"));
        }
        if self.mix.is_some_and(|mix| mix.sum() > 1_000) {
            faults.push(format!("phase {name}: mix: the shares are more than a thousand"));
        }
        if self.mix.is_some_and(|mix| mix.again > 1_000) {
            faults.push(format!("phase {name}: mix.again: 0 to 1,000"));
        }
        if self.burst > 1_000_000 {
            faults.push(format!("phase {name}: burst: at most 1,000,000"));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_ramp_goes_on_where_it_was() {
        let ramp = Phase { to: Some(100.0), ..Phase::steady(100.0, 0.0) };
        let cut = ramp.cut(25.0, 75.0);
        let points = cut.points();
        assert!((points[0] - 25.0).abs() < 1e-9 && (points[64] - 75.0).abs() < 1e-9);
    }
}
