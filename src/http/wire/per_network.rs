//! How many of something each client has at the same time, with all its addresses.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::Network;

/// Counts something for each network that has any of it.
pub(in crate::http) struct PerNetwork {
    most: usize,
    counts: Mutex<HashMap<Network, usize>>,
}

/// One of a network's, until it is dropped.
pub(in crate::http) struct Counted {
    counts: Arc<PerNetwork>,
    network: Network,
}

impl PerNetwork {
    /// Gives each network at most so many.
    pub(in crate::http) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            counts: Mutex::default(),
        })
    }

    /// One more for a network; none if it has its share already.
    pub(in crate::http) fn take(self: &Arc<Self>, network: Network) -> Option<Counted> {
        let mut counts = self.counts.lock();
        let count = counts.entry(network).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(counts);
        let counts = Arc::clone(self);
        Some(Counted { counts, network })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.counts.lock();
        if let Entry::Occupied(mut count) = counts.entry(self.network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_own_share_and_gets_it_back() {
        let [one, other] =
            ["192.0.2.1", "192.0.2.2"].map(|address| Network::of(address.parse().unwrap()));
        let counts = PerNetwork::new(2);
        let taken = [counts.take(one), counts.take(one)];
        assert!(taken.iter().all(Option::is_some));
        assert!(counts.take(one).is_none());
        assert!(counts.take(other).is_some());
        drop(taken);
        assert!(counts.take(one).is_some());
        assert!(counts.counts.lock().is_empty(), "nothing is remembered");
    }
}
