//! How many connections each address has.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the connections of each address, up to a bound.
#[derive(Debug)]
pub(crate) struct PeerCount {
    most: u32,
    counts: Mutex<BTreeMap<IpAddr, u32>>,
}

/// One counted connection; given back on drop.
pub(crate) struct Counted {
    of: Arc<PeerCount>,
    peer: IpAddr,
}

impl PeerCount {
    pub(crate) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { most, counts: Mutex::default() })
    }

    /// One more connection of `peer`, unless it has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Counted> {
        let peer = counted_as(peer);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_insert(0);
        // An address with no connection is not kept, and one more than none is within every bound but 0.
        if *count >= self.most.max(1) {
            return None;
        }
        *count += 1;
        Some(Counted { of: Arc::clone(self), peer })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.of.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}

/// A host in IPv6 has a whole /64 to choose its addresses from.
pub(crate) fn counted_as(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(peer) => IpAddr::V4(peer),
        IpAddr::V6(peer) => IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_as_many_as_it_may_and_gets_them_back() {
        let count = PeerCount::new(3);
        let mut held: Vec<_> = (0..3).map(|_| count.enter(ip("192.0.2.1")).unwrap()).collect();
        assert!(count.enter(ip("192.0.2.1")).is_none());
        assert!(count.enter(ip("::ffff:192.0.2.1")).is_none(), "the same address in another dress");
        assert!(count.enter(ip("192.0.2.2")).is_some());
        held.pop();
        let again = count.enter(ip("192.0.2.1"));
        assert!(again.is_some() && count.enter(ip("192.0.2.1")).is_none());
        drop((held, again));
        assert!(count.counts.lock().unwrap().is_empty(), "nothing is kept of those who left");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        assert_eq!(counted_as(ip("2001:db8::1")), counted_as(ip("2001:db8::ffff:1")));
        assert_ne!(counted_as(ip("2001:db8::1")), counted_as(ip("2001:db8:0:1::1")));
    }
}
