//! How many connections each address has.

use std::collections::BTreeMap;
use std::net::IpAddr;
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
        assert!(count.enter(ip("192.0.2.2")).is_some());
        held.pop();
        let again = count.enter(ip("192.0.2.1"));
        assert!(again.is_some() && count.enter(ip("192.0.2.1")).is_none());
        drop((held, again));
        assert!(count.counts.lock().unwrap().is_empty(), "nothing is kept of those who left");
    }
}
