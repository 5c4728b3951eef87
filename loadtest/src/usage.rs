//! What a process used, from `/proc`; nothing where there is none.

use std::fs;

use serde::Serialize;

/// Clock ticks a second in `/proc`: fixed at 100 by Linux's interface to programs.
const TICKS_PER_S: f64 = 100.0;

/// What a process used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Processor seconds, in the program and in the kernel for it.
    pub cpu_s: f64,
    /// Memory in RAM now, in MiB.
    pub rss_mib: f64,
    /// The most that it ever was, in MiB.
    pub peak_mib: f64,
    /// Threads now.
    pub threads: u32,
}

/// What process `pid` used so far; `None` where `/proc` does not tell.
pub fn of(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Usage {
        cpu_s: cpu_s(&stat)?,
        rss_mib: field(&status, "VmRSS:")? / 1024.0,
        peak_mib: field(&status, "VmHWM:")? / 1024.0,
        threads: status
            .lines()
            .find_map(|line| line.strip_prefix("Threads:"))?
            .trim()
            .parse()
            .ok()?,
    })
}

/// The load of the machine over the last minute.
pub fn machine_load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

fn cpu_s(stat: &str) -> Option<f64> {
    // The name in parentheses may hold anything; what follows its end is fields 3 and on.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_S)
}

fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_no_harm() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 5 0 100 1 1";
        assert_eq!(cpu_s(stat), Some(3.0));
    }

    #[test]
    fn this_process_uses_memory() {
        if cfg!(target_os = "linux") {
            assert!(of(std::process::id()).is_some_and(|usage| usage.rss_mib > 0.0));
        }
    }
}
