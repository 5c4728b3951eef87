//! Whether the machine lets a process open as many connections as a run needs.

use std::fs;

use anyhow::bail;

/// Files beside the connections: logs, the ledger, pipes.
const SPARE: u64 = 300;

/// A switched lane costs the load test three sockets, any other one; the server one for each.
const SOCKETS_EACH: u64 = 3;

/// Refuses a run for which this process, or the server that inherits its limits, may not open
/// enough files; says how to raise the limit.
pub fn enough(connections: usize) -> anyhow::Result<()> {
    let Some(limit) = open_files() else { return Ok(()) };
    let least = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(SPARE);
    if limit < least {
        let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(SOCKETS_EACH);
        bail!(
            "{connections} connections need {least} open files at least, and the limit is {limit}: \
             raise it with `ulimit -n {}` in this shell (as root, or with LimitNOFILE= in a \
             systemd unit, or nofile in /etc/security/limits.conf)",
            wanted.saturating_add(SPARE)
        );
    }
    Ok(())
}

/// The soft limit of open files; none where `/proc` does not tell.
fn open_files() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    soft(&limits)
}

fn soft(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_read_and_too_many_connections_are_refused_with_the_remedy() {
        let text = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  4096  files\n";
        assert_eq!(soft(text), Some(1024));
        if open_files().is_some_and(|limit| limit < 100_000_000) {
            let error = enough(100_000_000).unwrap_err().to_string();
            assert!(error.contains("ulimit -n"), "{error}");
        }
    }
}
