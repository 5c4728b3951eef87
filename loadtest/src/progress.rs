//! The live progress line on standard error: what happens now, and whether the load is kept up.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::Duration,
};

use tokio::{task::JoinHandle, time::interval};

/// How often the line is written anew on a terminal, and elsewhere.
const EVERY: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

/// Writes what `line` says again and again, until it is aborted.
pub fn show(line: impl Fn() -> String + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        let terminal = stderr().is_terminal();
        let mut ticks = interval(EVERY[usize::from(!terminal)]);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let (start, end) = if terminal { ("\r\x1b[K", "") } else { ("", "\n") };
            tell(&format!("{start}{}{end}", line()));
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
