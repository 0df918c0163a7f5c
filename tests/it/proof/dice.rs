//! Chance that can be thrown again: the same seed gives the same acts.

use std::time::{SystemTime, UNIX_EPOCH};

/// A generator of numbers (xorshift64*). Good enough to choose by, and for nothing else.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // Seeds that are close to each other begin alike.
        for _ in 0..8 {
            dice.next();
        }
        dice
    }

    /// The seed of a run: `STATEKEEP_PROOF_SEED`, or another one each time. It is printed, so that
    /// a failed run can be tried again.
    pub(super) fn seed(of: &str) -> u64 {
        let given = std::env::var("STATEKEEP_PROOF_SEED").ok();
        let given = given.map(|text| text.parse().expect("STATEKEEP_PROOF_SEED is a number"));
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            u64::from(now.expect("after 1970").subsec_nanos())
        });
        eprintln!("{of}: STATEKEEP_PROOF_SEED={seed}");
        seed
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below another one.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "there is nothing to choose from");
        self.next() % end
    }

    /// A place in a list of some length.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// Whether something happens that happens so many times in a hundred.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}
