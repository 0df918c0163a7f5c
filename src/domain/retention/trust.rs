//! Whether the clock can be believed before anything is removed because of its age.
//!
//! The clock of a machine without a network may be years off after a start. So the server remembers
//! until when it could trust its clock, and goes on from there by the clock that never jumps. Where
//! the two lie too far apart, nothing is removed by age until the clock is right again or a person
//! says that it is.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

use crate::model::clock::{self, Timestamp};

/// How far the clock may lie before the last known time: steps of a time service are smaller.
const SLACK: Duration = Duration::from_mins(5);

/// Why the clock is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain) enum Doubt {
    /// It lies too far past the time that is expected.
    Ahead {
        /// What it says.
        now: Timestamp,
        /// What was expected.
        expected: Timestamp,
    },
    /// It lies before a time that has been.
    Behind {
        /// What it says.
        now: Timestamp,
        /// When it was later than that.
        known: Timestamp,
    },
}

impl Doubt {
    /// What a person has to know and can do.
    pub(in crate::domain) fn detail(&self) -> String {
        let what = match self {
            Self::Ahead { now, expected } => {
                let days = now.since(*expected).as_secs() / 86_400;
                let unit = if days == 1 { "day" } else { "days" };
                format!(
                    "the clock says {now}, {days} {unit} past the last time that is known, more \
                        than --max-clock-jump"
                )
            }
            Self::Behind { now, known } => {
                format!("the clock says {now}, but it was {known} before")
            }
        };
        format!(
            "{what}: no history and no event is removed by age until it is right, or `statekeep \
                retention trust-clock` says that it is"
        )
    }
}

/// A time that was right, and how long ago that was by the clock that never jumps.
#[derive(Clone, Copy, Debug)]
struct Known {
    at: Timestamp,
    since: Instant,
}

/// What is known of the time.
pub(in crate::domain) struct Trust {
    known: Mutex<Known>,
    max_jump: Duration,
}

impl Trust {
    /// `known` is the last time that is known from before this start.
    pub(in crate::domain) fn new(known: Timestamp, max_jump: Duration) -> Self {
        Self {
            known: Mutex::new(Known {
                at: known,
                since: clock::monotonic(),
            }),
            max_jump,
        }
    }

    /// The last time that was right.
    pub(in crate::domain) fn known(&self) -> Timestamp {
        self.known.lock().at
    }

    /// Why the clock is not to be believed now, if it is not.
    pub(in crate::domain) fn doubt(&self) -> Option<Doubt> {
        let known = *self.known.lock();
        doubt(
            known.at,
            clock::monotonic().duration_since(known.since),
            clock::now(),
            self.max_jump,
        )
    }

    /// The clock is right at this moment.
    pub(in crate::domain) fn believe(&self, now: Timestamp) {
        *self.known.lock() = Known {
            at: now,
            since: clock::monotonic(),
        };
    }
}

/// `elapsed` is how long ago `known` was right.
fn doubt(known: Timestamp, elapsed: Duration, now: Timestamp, max_jump: Duration) -> Option<Doubt> {
    let expected = known + elapsed;
    if now > expected + max_jump {
        return Some(Doubt::Ahead { now, expected });
    }
    (now + SLACK < known).then_some(Doubt::Behind { now, known })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_clock_is_believed_within_its_jump_and_as_long_as_the_server_runs() {
        let known = Timestamp::parse("2026-03-04T12:00:00Z").expect("a time");
        let doubt = |elapsed, now| doubt(known, elapsed, now, 30 * DAY);
        for (elapsed, now) in [
            (Duration::ZERO, known),
            (Duration::ZERO, known + 30 * DAY),
            (400 * DAY, known + 400 * DAY),
            (400 * DAY, known + 430 * DAY),
            (Duration::ZERO, known - SLACK),
        ] {
            assert_eq!(doubt(elapsed, now), None, "{elapsed:?} {now}");
        }
        let now = known + 30 * DAY + Duration::from_millis(1);
        assert_eq!(
            doubt(Duration::ZERO, now),
            Some(Doubt::Ahead {
                now,
                expected: known
            })
        );
        let now = known - SLACK - Duration::from_millis(1);
        assert_eq!(
            doubt(Duration::ZERO, now),
            Some(Doubt::Behind { now, known })
        );
        let epoch = Timestamp::from_millis(0);
        assert_eq!(
            doubt(400 * DAY, epoch),
            Some(Doubt::Behind { now: epoch, known })
        );
    }
}
