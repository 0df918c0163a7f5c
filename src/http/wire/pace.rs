//! How slow the other side may be: it may pause for a while, and in the long run it needs a least
//! rate. Otherwise a client could keep the memory of its request reserved for ever, by a byte now
//! and then.

use std::time::{Duration, Instant};

use crate::model::clock;

/// The least rate in bytes a second, beyond the first pause: that of a modem line.
const LEAST_RATE: u64 = 8 * 1024;

/// The pace of one body or answer.
pub(in crate::http) struct PeerPace {
    since: Instant,
    pause: Duration,
}

impl PeerPace {
    /// Begins now. `pause` is the longest time in which nothing may happen.
    pub(in crate::http) fn begin(pause: Duration) -> Self {
        Self {
            since: clock::monotonic(),
            pause,
        }
    }

    /// The time that the next piece may take after so many bytes; zero if the other side is behind.
    pub(in crate::http) fn time_left(&self, bytes: u64) -> Duration {
        let earned = Duration::from_secs(bytes / LEAST_RATE);
        let left = (self.pause + earned).saturating_sub(self.since.elapsed());
        left.min(self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_allowed_and_a_trickle_is_not() {
        let pause = Duration::from_secs(30);
        let begun = |ago| PeerPace {
            since: clock::monotonic()
                .checked_sub(Duration::from_secs(ago))
                .unwrap(),
            pause,
        };
        assert!(begun(0).time_left(0) > Duration::from_secs(29));
        assert!(begun(31).time_left(100).is_zero(), "a byte now and then");
        assert!(
            begun(600).time_left(600 * LEAST_RATE) > Duration::from_secs(29),
            "slow, but steady"
        );
        assert_eq!(
            begun(1).time_left(u64::MAX),
            pause,
            "never longer than one pause at a time"
        );
    }
}
