//! How many of something each client has at the same time, with all its addresses.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::Network;

/// Counts something for each network that has any of it.
pub(in crate::http) struct PerNetwork {
    most: usize,
    most_in_all: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    of: HashMap<Network, usize>,
    in_all: usize,
}

/// One of a network's, until it is dropped.
pub(in crate::http) struct Counted {
    counts: Arc<PerNetwork>,
    network: Network,
}

impl PerNetwork {
    /// Gives each network at most so many.
    pub(in crate::http) fn new(most: usize) -> Arc<Self> {
        Self::bounded(most, usize::MAX)
    }

    /// Gives each network at most so many, and all together no more than that.
    pub(in crate::http) fn bounded(most: usize, most_in_all: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_in_all,
            counts: Mutex::default(),
        })
    }

    /// One more for a network; none if it has its share already, or all are taken.
    pub(in crate::http) fn take(self: &Arc<Self>, network: Network) -> Option<Counted> {
        let mut counts = self.counts.lock();
        let has = counts.of.get(&network).copied().unwrap_or_default();
        if has >= self.most || counts.in_all >= self.most_in_all {
            return None;
        }
        counts.of.insert(network, has + 1);
        counts.in_all += 1;
        drop(counts);
        let counts = Arc::clone(self);
        Some(Counted { counts, network })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.counts.lock();
        counts.in_all -= 1;
        if let Entry::Occupied(mut count) = counts.of.entry(self.network) {
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
        let counts = counts.counts.lock();
        assert!(counts.of.is_empty(), "nothing is remembered");
        assert_eq!(counts.in_all, 0);
    }

    #[test]
    fn all_together_have_a_bound_too() {
        let networks: Vec<Network> = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
            .map(|address| Network::of(address.parse().unwrap()))
            .to_vec();
        let counts = PerNetwork::bounded(2, 3);
        let taken = [0, 0, 1].map(|at: usize| counts.take(networks[at]));
        assert!(taken.iter().all(Option::is_some));
        assert!(counts.take(networks[2]).is_none());
        drop(taken);
        assert!(counts.take(networks[2]).is_some());
    }
}
