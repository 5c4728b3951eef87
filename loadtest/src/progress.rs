//! The live progress line on standard error: what happens now, and whether the load is kept up.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::Duration,
};

use tokio::{task::JoinHandle, time::interval};

use crate::figures::{Quantiles, ratio};

/// How often the line is written anew on a terminal, and elsewhere.
const EVERY: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

/// Cells of the bar.
const BAR: u32 = 24;

/// How a round stands.
#[derive(Clone, Debug)]
pub struct View {
    /// What runs.
    pub title: String,
    /// Seconds since its first arrival.
    pub at_s: f64,
    /// Its length in seconds.
    pub of_s: f64,
    /// Answers so far.
    pub answered: u64,
    /// Arrivals planned.
    pub planned: usize,
    /// Latencies from the intended moment so far.
    pub now: Quantiles,
    /// Who waits for a lane.
    pub waiting: usize,
    /// Answers that lanes gave alone.
    pub alone: u64,
    /// Broken expectations.
    pub broken: u64,
}

impl View {
    /// One line; `rate` is what was answered a second since the line before.
    fn line(&self, rate: f64) -> String {
        let ms = |us: f64| us / 1000.0;
        let alone = if self.alone > 0 { format!(", {} alone", self.alone) } else { String::new() };
        format!(
            "{} {:>5.0}/{:.0} s  {} of {} answered, {rate:.0}/s  p50 {:.2}  p99 {:.2}  p99.9 {:.2} ms  \
             {} waiting{alone}, {} wrong",
            self.title,
            self.at_s.min(self.of_s),
            self.of_s,
            self.answered,
            self.planned,
            ms(self.now.p50_us),
            ms(self.now.p99_us),
            ms(self.now.p999_us),
            self.waiting,
            self.broken
        )
    }

    fn bar(&self) -> String {
        let share = (self.at_s / self.of_s.max(0.001)).clamp(0.0, 1.0);
        (0..BAR).map(|n| if f64::from(n) < share * f64::from(BAR) { '█' } else { '░' }).collect()
    }
}

/// Writes how it stands again and again, until it is aborted: on a terminal one line in place,
/// with a bar, elsewhere plain lines.
pub fn show(view: impl Fn() -> View + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        let terminal = stderr().is_terminal();
        let mut ticks = interval(EVERY[usize::from(!terminal)]);
        ticks.tick().await;
        let (mut before, mut before_s) = (0_u64, 0.0);
        loop {
            ticks.tick().await;
            let view = view();
            let more = view.answered.saturating_sub(before);
            let more = u32::try_from(more).map_or(0.0, f64::from);
            let line = view.line(ratio(more, view.at_s - before_s));
            (before, before_s) = (view.answered, view.at_s);
            if terminal {
                tell(&format!("\r\x1b[K{} {line}", view.bar()));
            } else {
                tell(&format!("{line}\n"));
            }
        }
    })
}

/// Writes one line, in place of the one that `show` left.
pub fn note(text: &str) {
    let start = if stderr().is_terminal() { "\r\x1b[K" } else { "" };
    tell(&format!("{start}{text}\n"));
}

fn tell(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let mut out = stderr().lock();
    let _told = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_what_is_wrong() {
        let view = View {
            title: "run 1".into(),
            at_s: 5.0,
            of_s: 10.0,
            answered: 500,
            planned: 1_000,
            now: Quantiles { p50_us: 900.0, ..Quantiles::default() },
            waiting: 3,
            alone: 0,
            broken: 0,
        };
        let line = view.line(100.0);
        assert!(line.contains("500 of 1000 answered, 100/s  p50 0.90"), "{line}");
        assert_eq!(view.bar().matches('█').count(), 12);
    }
}
