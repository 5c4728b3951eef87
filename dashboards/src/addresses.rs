//! How many viewers each address has: none may take all the seats.
//!
//! The loopback is not counted: behind it stands a proxy, or this machine's own programs. An IPv6
//! host has a whole /64 to choose from, so that is what counts as one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The viewers of each address. It holds at most as many addresses as there are seats.
#[derive(Debug, Default)]
pub(crate) struct Addresses(Counts);

/// One viewer's place at its address; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<(Counts, IpAddr)>);

impl Addresses {
    /// A place for a viewer from `from`; none where `max` have one.
    pub(crate) fn take(&self, from: Option<IpAddr>, max: usize) -> Option<Place> {
        let Some(address) = from.and_then(counted) else { return Some(Place(None)) };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = counts.entry(address).or_default();
        if *held >= max {
            return None;
        }
        *held += 1;
        Some(Place(Some((Arc::clone(&self.0), address))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((counts, address)) = &self.0 else { return };
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = counts.get_mut(address) {
            *held -= 1;
            if *held == 0 {
                counts.remove(address);
            }
        }
    }
}

/// What an address counts as; none where it is not counted.
fn counted(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        own if own.is_loopback() => None,
        IpAddr::V4(address) => Some(address.into()),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_one_given_back_is_free_again() {
        let addresses = Addresses::default();
        let take = |text: &str| addresses.take(Some(text.parse().unwrap()), 2);
        let first = take("203.0.113.9").unwrap();
        let _second = take("::ffff:203.0.113.9").unwrap();
        assert!(take("203.0.113.9").is_none(), "both forms are one address");
        assert!(take("203.0.113.8").is_some(), "another one is not concerned");
        drop(first);
        assert!(take("203.0.113.9").is_some());
        assert_eq!(addresses.0.lock().unwrap().len(), 1, "who left is not remembered");
        let _six = (take("2001:db8::1").unwrap(), take("2001:db8::ffff:2").unwrap());
        assert!(take("2001:db8::3").is_none(), "a host has many addresses in its /64");
        let _own: Vec<_> = (0..9).map(|_| take("127.0.0.1").unwrap()).collect();
    }
}
