//! How large a version may be to be kept as a difference, and what making one takes: large states
//! save most, and the memory for everything is bounded.

use crate::blob::{self, MAX_IN_DELTA};
use crate::domain::content::read::SIZE_TAKEN_APART;

/// They are kept as differences where each takes no more than this part of it: both are decoded,
/// each out of what it is a difference to itself, and one frame is made.
const PART_FOR_A_DELTA: u64 = 5;
/// Where there is little memory, each takes no more than this part.
const LEAST_PART_FOR_A_DELTA: u64 = 16;

/// The largest version that is kept as a difference, or that others are a difference to, with so
/// much memory for everything.
pub(super) fn largest_in_a_delta(max_in_flight: u64) -> u64 {
    let beside = blob::working_memory(u64::MAX);
    let large = max_in_flight.saturating_sub(beside) / PART_FOR_A_DELTA;
    MAX_IN_DELTA.min(large.max(max_in_flight / LEAST_PART_FOR_A_DELTA))
}

/// What it takes to make a smaller frame of a version, and its base, that have so many bytes
/// together.
pub(super) fn memory_to_choose(around: u64, stored: u64) -> u64 {
    let most = around.saturating_mul(SIZE_TAKEN_APART);
    most.min(blob::working_memory(around).saturating_add(stored))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MIB;

    #[test]
    fn two_versions_and_the_work_on_them_fit_into_the_memory_for_everything() {
        for all in [16, 64, 128, 256, 512, 1024, 4096] {
            let all = all * MIB;
            let largest = largest_in_a_delta(all);
            // Both are there, one is read by its base, and the frame is made.
            let needed = 3 * largest + memory_to_choose(2 * largest, largest);
            assert!(needed <= all, "{needed} of {all}");
            assert!(largest >= MAX_IN_DELTA.min(all / LEAST_PART_FOR_A_DELTA));
        }
        assert!(largest_in_a_delta(512 * MIB) > 64 * MIB);
        assert_eq!(largest_in_a_delta(4096 * MIB), MAX_IN_DELTA);
    }
}
