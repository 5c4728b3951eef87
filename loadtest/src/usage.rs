//! What a process used, from `/proc`; nothing where there is none.

use std::{collections::BTreeMap, fs};

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

/// Processor seconds of each thread so far, under its number and its name.
pub type Threads = BTreeMap<(u32, String), f64>;

/// Processor seconds of all threads of one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ThreadUsed {
    /// Their name, without the number that tells those of a pool apart.
    pub name: String,
    /// How many there were at the end.
    pub threads: u32,
    /// Processor seconds.
    pub cpu_s: f64,
}

/// What each thread of process `pid` used so far; nothing where `/proc` does not tell.
pub fn threads(pid: u32) -> Threads {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let read = entries.filter_map(|entry| {
        let folder = entry.path();
        let name = fs::read_to_string(folder.join("comm")).ok()?;
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some(((number, name_of(&name)), cpu_s(&stat)?))
    });
    read.collect()
}

/// What threads used between two readings, by their names, the most first. A thread that ended in
/// between is in neither.
pub fn threads_between(before: &Threads, after: &Threads) -> Vec<ThreadUsed> {
    let mut by_name: BTreeMap<&str, ThreadUsed> = BTreeMap::new();
    for (key, cpu_s) in after {
        let one = by_name.entry(&key.1).or_default();
        one.threads += 1;
        // A number that was given anew counts from its start.
        let was_s = before.get(key).copied().filter(|was_s| was_s <= cpu_s).unwrap_or(0.0);
        one.cpu_s += cpu_s - was_s;
    }
    let named = by_name.into_iter().map(|(name, one)| ThreadUsed { name: name.to_owned(), ..one });
    let mut all: Vec<ThreadUsed> = named.collect();
    all.sort_by(|a, b| b.cpu_s.total_cmp(&a.cpu_s));
    all
}

/// Adds the threads of another round, by their names.
pub fn threads_add(all: &mut Vec<ThreadUsed>, round: Vec<ThreadUsed>) {
    for one in round {
        match all.iter_mut().find(|known| known.name == one.name) {
            Some(known) => {
                known.cpu_s += one.cpu_s;
                known.threads = one.threads;
            }
            None => all.push(one),
        }
    }
    all.sort_by(|a, b| b.cpu_s.total_cmp(&a.cpu_s));
}

/// A thread's name without its number: `books-3` is one of `books`.
fn name_of(comm: &str) -> String {
    let name = comm.trim_end();
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let bare = bare.trim_end_matches(['-', '#', ':', '_', ' ']);
    if bare.is_empty() { name.to_owned() } else { bare.to_owned() }
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
    fn threads_are_told_by_name_and_by_what_they_used_since() {
        let read = |all: &[(u32, &str, f64)]| -> Threads {
            all.iter().map(|&(n, name, cpu_s)| ((n, name_of(name)), cpu_s)).collect()
        };
        let before = read(&[(1, "journal\n", 2.0), (2, "worker-1\n", 1.0), (3, "gone\n", 9.0)]);
        let after = read(&[(1, "journal\n", 2.5), (2, "worker-1\n", 2.0), (4, "worker-2\n", 3.0)]);
        let mut told = threads_between(&before, &after);
        let names = |told: &[ThreadUsed]| -> Vec<(String, u32, f64)> {
            told.iter().map(|one| (one.name.clone(), one.threads, one.cpu_s)).collect()
        };
        let workers = ("worker".to_owned(), 2, 4.0);
        assert_eq!(names(&told), [workers, ("journal".to_owned(), 1, 0.5)]);
        threads_add(&mut told, threads_between(&before, &after));
        assert_eq!(names(&told)[1], ("journal".to_owned(), 1, 1.0));
    }

    #[test]
    fn the_threads_of_this_process_are_read() {
        if cfg!(target_os = "linux") {
            assert!(!threads(std::process::id()).is_empty());
        }
    }

    #[test]
    fn this_process_uses_memory() {
        if cfg!(target_os = "linux") {
            assert!(of(std::process::id()).is_some_and(|usage| usage.rss_mib > 0.0));
        }
    }
}
