//! `shanmen check`: plays scenario files through the very rules that the gates use, so that an
//! operator tries a product before it is sold.
//!
//! Owns the printing; `scenario` owns the file's form, `play` the small world in which its
//! steps happen. The rules themselves are `shanmen_rules`.

mod counts;
mod play;
mod scenario;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::Serialize;
use shanmen_rules::ParkDefinition;

pub use play::Outcome;

/// What one step came to, as a line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    /// From 1.
    step: usize,
    at: Option<&'a str>,
    lane: Option<&'a str>,
    verdict: Option<&'static str>,
    reason: Option<&'static str>,
    expected: Option<&'a str>,
    ok: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: &'a Vec<String>,
}

/// Plays all `files` and prints each step's verdict to `out`: as text, or with `json` as one
/// object a line. With `park`, the files are tickets and steps only, played on it. Gives whether
/// every step was as expected.
///
/// # Errors
/// When files cannot be read or are no scenarios, with line and column; the others have been
/// played.
pub fn run(
    files: &[PathBuf],
    park: Option<&ParkDefinition>,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let mut all_ok = true;
    let mut faults = Vec::new();
    for path in files {
        let file = path.display().to_string();
        let outcomes = match check_file(path, park) {
            Ok(outcomes) => outcomes,
            Err(fault) => {
                faults.push(format!("{fault:#}"));
                continue;
            }
        };
        for outcome in &outcomes {
            if json {
                write_json(&file, outcome, out)?;
            } else {
                write_text(outcome, out)?;
            }
        }
        let wrong = outcomes.iter().filter(|outcome| !outcome.ok).count();
        all_ok &= wrong == 0;
        if !json {
            let count = outcomes.len();
            match wrong {
                0 => writeln!(out, "{file}: {count} steps, all as expected")?,
                _ => writeln!(out, "{file}: {wrong} of {count} steps not as expected")?,
            }
        }
    }
    out.flush()?;
    if faults.is_empty() { Ok(all_ok) } else { bail!(faults.join("\n")) }
}

fn check_file(path: &Path, park: Option<&ParkDefinition>) -> anyhow::Result<Vec<Outcome>> {
    let file = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {file}"))?;
    check_text(&text, park).with_context(|| file.to_string())
}

/// Plays one scenario, on `park` where one is given.
///
/// # Errors
/// When `text` is no scenario.
pub fn check_text(text: &str, park: Option<&ParkDefinition>) -> anyhow::Result<Vec<Outcome>> {
    let scenario = scenario::read(text, park)?;
    play::play(&scenario)
}

fn write_json(file: &str, outcome: &Outcome, out: &mut impl Write) -> anyhow::Result<()> {
    let line = Line {
        file,
        step: outcome.step,
        at: outcome.at.as_deref(),
        lane: outcome.lane.as_deref(),
        verdict: outcome.verdict.map(|verdict| verdict.as_str()),
        reason: outcome.verdict.map(|verdict| verdict.reason().code()),
        expected: outcome.expected.as_deref(),
        ok: outcome.ok,
        details: &outcome.details,
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)?;
    Ok(())
}

fn write_text(outcome: &Outcome, out: &mut impl Write) -> anyhow::Result<()> {
    let mark = if outcome.ok { "ok  " } else { "FAIL" };
    write!(out, "{mark} {:>3}", outcome.step)?;
    for part in [&outcome.at, &outcome.lane, &outcome.subject].into_iter().flatten() {
        write!(out, "  {part}")?;
    }
    if let Some(verdict) = outcome.verdict {
        write!(out, "  {}", verdict.as_str())?;
        let reason = verdict.reason().code();
        if reason != "ok" {
            write!(out, " {reason}")?;
        }
        if let (false, Some(expected)) = (outcome.ok, &outcome.expected) {
            write!(out, "  (expected {expected})")?;
        }
    }
    writeln!(out)?;
    for detail in &outcome.details {
        writeln!(out, "         {detail}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
