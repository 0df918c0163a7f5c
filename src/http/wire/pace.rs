//! How slow the other side may be: it may pause for a while, and in the long run it needs a least
//! rate. Otherwise a client could keep the memory of its request reserved for ever, by a byte now
//! and then.
//!
//! The rate grows with the size, so that all of a body or an answer is through in
//! [`LONGEST`]: a large one holds more memory, and holds it no longer than a small one.

use std::time::{Duration, Instant};

use crate::model::clock;
use crate::sabotage::{self, Fault};

/// The least rate in bytes a second, beyond the first pause: that of a modem line.
const LEAST_RATE: u64 = 8 * 1024;
/// In this time, beyond the first pause, all of a body or an answer has to be through.
const LONGEST: Duration = Duration::from_mins(10);
/// The same for tests of it.
const LONGEST_IN_A_HURRY: Duration = Duration::from_secs(4);

/// The pace of one body or answer.
pub(in crate::http) struct PeerPace {
    since: Instant,
    pause: Duration,
    /// Bytes a second.
    rate: u64,
    longest: Duration,
}

impl PeerPace {
    /// Begins now. `pause` is the longest time in which nothing may happen.
    pub(in crate::http) fn begin(pause: Duration) -> Self {
        Self::of_size(pause, 0)
    }

    /// The same for what will have so many bytes.
    pub(in crate::http) fn of_size(pause: Duration, size: u64) -> Self {
        let longest = if sabotage::is(Fault::Hurry) {
            LONGEST_IN_A_HURRY
        } else {
            LONGEST
        };
        Self {
            since: clock::monotonic(),
            pause,
            rate: LEAST_RATE.max(size / longest.as_secs()),
            longest,
        }
    }

    /// The pace of what is not in memory while it is sent, however long that takes.
    pub(in crate::http) fn of_a_file(pause: Duration) -> Self {
        Self {
            longest: Duration::MAX,
            ..Self::begin(pause)
        }
    }

    /// The time that the next piece may take after so many bytes; zero if the other side is behind.
    pub(in crate::http) fn time_left(&self, bytes: u64) -> Duration {
        let earned = Duration::from_secs(bytes / self.rate).min(self.longest);
        let allowed = self.pause.saturating_add(earned);
        let left = allowed.saturating_sub(self.since.elapsed());
        left.min(self.pause)
    }

    /// Some time is not the other side's: the server made it wait.
    pub(in crate::http) fn excuse(&mut self, waited: Duration) {
        self.since += waited;
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
            rate: LEAST_RATE,
            longest: LONGEST,
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
        assert!(
            begun(631).time_left(u64::MAX).is_zero(),
            "a body in chunks, however much of it came"
        );
    }

    #[test]
    fn the_larger_it_is_the_faster_it_has_to_be() {
        const MIB: u64 = 1024 * 1024;
        let rate = |size| PeerPace::of_size(Duration::from_secs(30), size).rate;
        assert_eq!(rate(0), LEAST_RATE);
        assert_eq!(rate(4 * MIB), LEAST_RATE);
        assert_eq!(rate(256 * MIB), 256 * MIB / 600);
    }
}
