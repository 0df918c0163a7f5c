//! Who read a state, counted by reader and day.

use std::fmt;

use serde::{Serialize, Serializer};

use super::clock::Timestamp;
use super::state::StateId;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// The reader that stands for all who have no row of their own on a day.
pub const OTHER_READERS: &str = "~";

/// A day in UTC; shown as `2026-01-02`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcDay(i64);

impl UtcDay {
    /// The day of a moment.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.millis().div_euclid(DAY))
    }

    /// From days since 1970.
    pub const fn from_number(days: i64) -> Self {
        Self(days)
    }

    /// Days since 1970.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for UtcDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = Timestamp::from_millis(self.0.saturating_mul(DAY)).to_string();
        f.write_str(begin.split('T').next().unwrap_or_default())
    }
}

impl Serialize for UtcDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a read brought its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhatWasRead {
    /// The whole state.
    Whole,
    /// Its outputs alone.
    Outputs,
}

/// Whose reads of a state on a day are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReaderDay {
    /// The state.
    pub state: StateId,
    /// The id of who read it; [`OTHER_READERS`] for all the rest.
    pub reader: String,
    /// The day.
    pub day: UtcDay,
}

/// The reads of one reader on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadCount {
    /// The reader's name at the last of them.
    pub name: String,
    /// The first of them.
    pub first_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
    /// How many brought the whole state.
    pub whole: u64,
    /// How many brought its outputs alone.
    pub outputs: u64,
    /// The version that the last of them brought.
    pub version: u64,
}

impl ReadCount {
    /// One read.
    pub fn one(name: &str, at: Timestamp, what: WhatWasRead, version: u64) -> Self {
        Self {
            name: name.to_owned(),
            first_at: at,
            last_at: at,
            whole: u64::from(what == WhatWasRead::Whole),
            outputs: u64::from(what == WhatWasRead::Outputs),
            version,
        }
    }

    /// Adds others of the same reader and day.
    pub fn add(&mut self, other: Self) {
        self.first_at = self.first_at.min(other.first_at);
        self.whole = self.whole.saturating_add(other.whole);
        self.outputs = self.outputs.saturating_add(other.outputs);
        if other.last_at >= self.last_at {
            (self.last_at, self.version) = (other.last_at, other.version);
            self.name = other.name;
        }
    }
}

/// A keyed hash of the outputs of a version. It tells whether two are equal, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OutputsMark([u8; 16]);

impl OutputsMark {
    /// One that was made before.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for OutputsMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutputsMark(…)")
    }
}

/// A row of the list: the reads of one reader on one day.
#[derive(Clone, Debug)]
pub struct ConsumerDay {
    /// The id of who read; [`OTHER_READERS`] for all the rest.
    pub reader: String,
    /// The day.
    pub day: UtcDay,
    /// The reads.
    pub count: ReadCount,
    /// Of the outputs of the version that was read last; none if they are not known.
    pub mark: Option<OutputsMark>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_utc_and_is_shown_without_a_time() {
        let at = |text| UtcDay::of(Timestamp::parse(text).unwrap());
        let day = at("2026-03-01T00:00:00Z");
        assert_eq!(day.to_string(), "2026-03-01");
        assert_eq!(day, at("2026-03-01T23:59:59Z"));
        assert_eq!(at("2026-02-28T23:59:59Z").number() + 1, day.number());
    }

    #[test]
    fn the_last_read_says_which_version_it_was_in_whatever_order_they_are_added() {
        let read = |at, version| {
            ReadCount::one(
                "ci",
                Timestamp::from_millis(at),
                WhatWasRead::Whole,
                version,
            )
        };
        let mut sum = read(5, 2);
        sum.add(read(3, 1));
        assert_eq!((sum.version, sum.first_at.millis(), sum.whole), (2, 3, 2));
        sum.add(read(9, 4));
        assert_eq!((sum.version, sum.last_at.millis()), (4, 9));
    }
}
