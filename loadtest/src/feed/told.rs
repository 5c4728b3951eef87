//! What came of the steps, as a table and as JSON.

use std::{fmt::Write as _, io::Write, path::Path};

use anyhow::Context as _;
use serde::Serialize;

use super::{packing::Packing, viewer::Seen};
use crate::{
    figures::{Quantiles, ratio},
    run::Used,
    usage,
};

/// How many viewed, and what that took.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cost {
    /// Viewers.
    pub viewers: usize,
    /// Of these, slow ones.
    pub slow: usize,
    /// Of these, ones that read nothing.
    pub stalled: usize,
    /// Measured for so many seconds.
    pub of_s: f64,
    /// What the server used.
    pub server: Option<Used>,
    /// What this process used: lanes, visitors and viewers.
    pub own: Option<Used>,
}

/// The server's own counters of the feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Counters {
    /// Frames that the hub made.
    pub made: f64,
    /// Viewers that fell behind and got the state instead.
    pub lagged: f64,
    /// Viewers sent away.
    pub cut: f64,
}

impl Counters {
    /// Reads `/metrics`.
    pub(super) fn parse(text: &str) -> Self {
        let sum = |name: &str| {
            text.lines()
                .filter(|line| {
                    line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                })
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum()
        };
        Self {
            made: sum("shanmen_feed_frames_total"),
            lagged: sum("shanmen_feed_lagged_total"),
            cut: sum("shanmen_feed_cut_total"),
        }
    }

    /// What came since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            made: self.made - before.made,
            lagged: self.lagged - before.lagged,
            cut: self.cut - before.cut,
        }
    }
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StepLine {
    /// How many viewed, and what that took.
    pub cost: Cost,
    /// Processor time of the server for one viewer in one second, in microseconds, beyond that of
    /// the step without viewers.
    pub cpu_us_per_viewer_s: f64,
    /// Bytes for one good viewer in one second.
    pub bytes_per_viewer_s: f64,
    /// Frames for one good viewer in one second.
    pub frames_per_viewer_s: f64,
    /// From the making of a frame to its reader; the server's stamp has whole milliseconds.
    pub lag: Quantiles,
    /// From the moment at which a visitor was to come to the lamp.
    pub decision: Quantiles,
    /// What the server says.
    pub told: Counters,
    /// Snapshots that viewers got meanwhile.
    pub snapshots: u64,
    /// Frames that a viewer missed without a snapshot.
    pub gaps: u64,
    /// Good viewers that were sent away.
    pub lost: u64,
    /// The load of the machine after it.
    pub machine_load: Option<f64>,
}

impl StepLine {
    pub(super) fn of(
        cost: Cost,
        seen: &Seen,
        decision: Quantiles,
        told: Counters,
        without: Option<&Self>,
    ) -> Self {
        let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let good = count(cost.viewers - (cost.slow + cost.stalled).min(cost.viewers)) * cost.of_s;
        let share = |cost: &Cost| cost.server.map_or(0.0, |used| ratio(used.cpu_s, used.of_s));
        let more = share(&cost) - without.map_or(0.0, |line| share(&line.cost));
        let each = |sum: u64| ratio(f64::from(u32::try_from(sum).unwrap_or(u32::MAX)), good);
        Self {
            cpu_us_per_viewer_s: ratio(more * 1e6, count(cost.viewers)),
            bytes_per_viewer_s: each(seen.bytes),
            frames_per_viewer_s: each(seen.frames),
            lag: seen.lag.quantiles(),
            decision,
            told,
            snapshots: seen.snapshots,
            gaps: seen.gaps,
            lost: seen.lost,
            machine_load: usage::machine_load(),
            cost,
        }
    }

    /// For the progress line.
    pub(super) fn words(&self) -> String {
        let ms = |us: f64| us / 1000.0;
        format!(
            "{} viewers: {:.1} frames/s each, lag p99 {:.0} ms, decisions p50 {:.2} ms, p99 {:.2} ms",
            self.cost.viewers,
            self.frames_per_viewer_s,
            ms(self.lag.p99_us),
            ms(self.decision.p50_us),
            ms(self.decision.p99_us)
        )
    }

    fn row(&self) -> String {
        let ms = |us: f64| us / 1000.0;
        let server = self.cost.server.unwrap_or_default();
        format!(
            "| {} | {} | {} | {:.1} % | {:.0} | {:.1} | {:.1} | {:.0} | {:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {} | {:.0} | {:.1} |",
            self.cost.viewers,
            self.cost.slow,
            self.cost.stalled,
            100.0 * ratio(server.cpu_s, server.of_s),
            self.cpu_us_per_viewer_s,
            self.bytes_per_viewer_s / 1024.0,
            self.frames_per_viewer_s,
            ms(self.lag.p50_us),
            ms(self.lag.p99_us),
            ms(self.decision.p50_us),
            ms(self.decision.p99_us),
            self.told.lagged,
            self.told.cut,
            self.lost,
            server.rss_mib,
            self.machine_load.unwrap_or_default(),
        )
    }
}

/// All that came of it.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// Each step.
    pub steps: Vec<StepLine>,
    /// What compression would save and cost.
    pub packing: Packing,
    /// Broken expectations of the oracle.
    pub broken: u64,
    /// The first of them in words.
    pub broken_words: Vec<String>,
}

impl Outcome {
    /// Writes the table to `out`, and all of it as JSON to `json`.
    pub(super) fn report(&self, out: &mut dyn Write, json: Option<&Path>) -> anyhow::Result<()> {
        let mut text = String::from(
            "| viewers | slow | stalled | server CPU | µs a viewer·s | KiB/s each | frames/s each \
             | lag p50 ms | p99 | decision p50 ms | p99 | lagged | cut | lost | server MiB | load |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for step in &self.steps {
            writeln!(text, "{}", step.row())?;
        }
        let packing = &self.packing;
        writeln!(
            text,
            "\ncompression at level 1 over {} frames of {:.0} bytes: alone {:.0} bytes, {:.0} µs \
             once for all viewers; with a context {:.0} bytes, {:.0} µs for each viewer",
            packing.frames,
            packing.plain_bytes,
            packing.alone_bytes,
            packing.alone_us,
            packing.context_bytes,
            packing.context_us
        )?;
        let gaps: u64 = self.steps.iter().map(|step| step.gaps).sum();
        writeln!(text, "broken expectations: {}; gaps in the feed: {gaps}", self.broken)?;
        for words in &self.broken_words {
            writeln!(text, "  {words}")?;
        }
        out.write_all(text.as_bytes())?;
        if let Some(path) = json {
            let all = serde_json::to_vec_pretty(self)?;
            std::fs::write(path, all).with_context(|| format!("{}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_their_labels() {
        let text = "shanmen_feed_frames_total{kind=\"delta\"} 7\n\
                    shanmen_feed_frames_total{kind=\"heartbeat\"} 2\n\
                    shanmen_feed_cut_total{why=\"stalled\"} 1\n# shanmen_feed_lagged_total\n";
        let told = Counters::parse(text);
        assert_eq!(told, Counters { made: 9.0, lagged: 0.0, cut: 1.0 });
        let since = told.since(Counters { made: 4.0, ..Counters::default() });
        assert!((since.made - 5.0).abs() < f64::EPSILON);
    }
}
