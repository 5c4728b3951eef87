//! How often somebody may be wrong: failed attempts by who and from where, within a window.
//!
//! A limit by user alone would let anyone lock that user out; by address alone it would lock out
//! all who share one. Refuses nothing by itself: the login and the enrolment ask it. The map is
//! bounded: where it is full, the oldest window goes.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use shanmen_protocols::time::UnixMs;

/// Windows kept at one time.
const KEYS_MAX: usize = 10_000;

/// Failed attempts by (who, where).
#[derive(Debug)]
pub(super) struct Attempts {
    allowed: u32,
    window_ms: i64,
    windows: Mutex<HashMap<([u8; 16], IpAddr), Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: UnixMs,
    failed: u32,
}

impl Attempts {
    /// `allowed` failures in each `window_ms`.
    pub(super) fn new(allowed: u32, window_ms: i64) -> Self {
        Self { allowed, window_ms, windows: Mutex::default() }
    }

    /// For how many more seconds nothing is tried for `who` from `from`; none: go on.
    pub(super) fn blocked_s(&self, who: &str, from: IpAddr, now: UnixMs) -> Option<i64> {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&key(who, from))?;
        let left_ms = self.window_ms - now.since_ms(window.began);
        (window.failed >= self.allowed && left_ms > 0).then_some(left_ms.div_euclid(1000) + 1)
    }

    /// An attempt failed.
    pub(super) fn failed(&self, who: &str, from: IpAddr, now: UnixMs) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(who, from);
        if windows.len() >= KEYS_MAX && !windows.contains_key(&key) {
            windows.retain(|_, window| now.since_ms(window.began) < self.window_ms);
        }
        if windows.len() >= KEYS_MAX
            && !windows.contains_key(&key)
            && let Some(oldest) = windows.iter().min_by_key(|(_, w)| w.began).map(|(&key, _)| key)
        {
            windows.remove(&oldest);
        }
        let window = windows.entry(key).or_insert(Window { began: now, failed: 0 });
        if now.since_ms(window.began) >= self.window_ms {
            *window = Window { began: now, failed: 0 };
        }
        window.failed += 1;
    }

    /// An attempt was right: the failures before it were slips.
    pub(super) fn succeeded(&self, who: &str, from: IpAddr) {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(who, from));
    }
}

/// A digest, so that a long name takes no more room than a short one; of an IPv6 address the
/// network, since one caller has the whole of it.
fn key(who: &str, from: IpAddr) -> ([u8; 16], IpAddr) {
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(who.as_bytes()).as_bytes()[..16]);
    let from = match from.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        four @ IpAddr::V4(_) => four,
    };
    (digest, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn who_was_wrong_too_often_waits_and_nobody_else_does() {
        let attempts = Attempts::new(2, 60_000);
        attempts.failed("wang", HERE, UnixMs(0));
        assert_eq!(attempts.blocked_s("wang", HERE, UnixMs(1)), None);
        attempts.failed("wang", HERE, UnixMs(2));
        assert_eq!(attempts.blocked_s("wang", HERE, UnixMs(30_000)), Some(31));
        assert_eq!(attempts.blocked_s("li", HERE, UnixMs(3)), None);
        let there = "10.0.0.9".parse().unwrap();
        assert_eq!(attempts.blocked_s("wang", there, UnixMs(3)), None);
        assert_eq!(attempts.blocked_s("wang", HERE, UnixMs(60_001)), None);
    }

    #[test]
    fn a_right_password_forgives_the_slips() {
        let attempts = Attempts::new(2, 60_000);
        attempts.failed("wang", HERE, UnixMs(0));
        attempts.succeeded("wang", HERE);
        attempts.failed("wang", HERE, UnixMs(1));
        assert_eq!(attempts.blocked_s("wang", HERE, UnixMs(2)), None);
    }

    #[test]
    fn the_map_stays_bounded() {
        let attempts = Attempts::new(1, 60_000);
        for ix in 0..=KEYS_MAX {
            attempts.failed(&ix.to_string(), HERE, UnixMs(i64::try_from(ix).unwrap()));
        }
        assert_eq!(attempts.windows.lock().unwrap().len(), KEYS_MAX);
        assert_eq!(attempts.blocked_s("0", HERE, UnixMs(0)), None, "the oldest went");
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let attempts = Attempts::new(1, 60_000);
        attempts.failed("wang", "2001:db8::1".parse().unwrap(), UnixMs(0));
        assert!(attempts.blocked_s("wang", "2001:db8::ffff".parse().unwrap(), UnixMs(1)).is_some());
    }
}
