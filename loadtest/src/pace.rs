//! The pacer: one thread that lets each arrival go at its intended moment.
//!
//! A thread of its own, since the runtime's timers count whole milliseconds and a round trip is a
//! fraction of one. It never waits for anybody: what it calls must not block. How late it was is
//! measured, and is part of every latency from the intended moment.

use std::{
    fs,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use crate::clock::Clock;

/// Lets each of `arrivals` go at its moment (nanoseconds of `clock`), in order, until they end or
/// `stop` is told or dropped.
pub fn pace<T>(
    clock: Clock,
    stop: &Receiver<()>,
    arrivals: impl IntoIterator<Item = (u64, T)>,
    mut go: impl FnMut(u64, T),
) {
    sharpen();
    for (at_ns, arrival) in arrivals {
        loop {
            let now_ns = clock.ns();
            if at_ns <= now_ns {
                break;
            }
            match stop.recv_timeout(Duration::from_nanos(at_ns - now_ns)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        go(at_ns, arrival);
    }
}

/// Asks the kernel not to round this thread's waits up by its usual 50 µs. Where that is not to
/// be had the waits are a little longer, and measured as they are.
fn sharpen() {
    let Ok(thread) = fs::read_link("/proc/thread-self") else { return };
    if let Some(id) = thread.file_name().and_then(|name| name.to_str()) {
        fs::write(format!("/proc/{id}/timerslack_ns"), "1000").ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn nobody_goes_early_and_everybody_goes() {
        let clock = Clock::start();
        let (_stop, stopped) = channel();
        let mut gone = Vec::new();
        let moments = (0..50_u64).map(|n| (n * 200_000, n));
        pace(clock, &stopped, moments, |at_ns, n| gone.push((clock.ns() >= at_ns, n)));
        assert_eq!(gone.len(), 50);
        assert!(gone.iter().all(|(in_time, _)| *in_time));
    }

    #[test]
    fn it_stops_when_it_is_told() {
        let (stop, stopped) = channel();
        stop.send(()).unwrap();
        pace(Clock::start(), &stopped, [(u64::MAX, ())], |_, ()| panic!("nobody should go"));
    }
}
