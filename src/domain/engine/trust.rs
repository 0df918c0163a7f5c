//! Whether the clock can be believed before anything is removed because of its age.
//!
//! The clock of a machine without a network may be years off after a start. So the server remembers
//! until when it could trust its clock, and goes on from there by the clock that never jumps. Where
//! the two lie too far apart, nothing is removed by age until the clock is right again or a person
//! says that it is.
//!
//! Keys, old secrets and tokens end by the latest time that there has been. A clock that goes back
//! brings none of them to life again.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

use crate::model::clock::{self, Timestamp};
use crate::model::retention::Moment;
use crate::store::{Store, StoreError, View};

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
                retention trust-clock` says that it is; keys and tokens end by the later time"
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
    /// The latest time that could be believed.
    latest: Mutex<Known>,
    max_jump: Duration,
}

impl Known {
    fn new(at: Timestamp) -> Self {
        Self {
            at,
            since: clock::monotonic(),
        }
    }

    /// What it is by now.
    fn expected(&self) -> Timestamp {
        self.at + clock::monotonic().duration_since(self.since)
    }
}

/// What the database knows of the time.
#[derive(Clone, Copy)]
struct Noted {
    trusted: Timestamp,
    latest: Timestamp,
}

impl Noted {
    fn read(view: &View<'_>, max_jump: Duration) -> Result<Self, StoreError> {
        let trusted = match view.moment(Moment::Trusted)? {
            Some(trusted) => trusted,
            None => view.newest_time()?.unwrap_or_else(clock::now),
        };
        // An event of a clock that was not believed says nothing of the time.
        let last = view
            .last_event_time()?
            .filter(|last| *last <= trusted + max_jump);
        let latest = [view.moment(Moment::Latest)?, last]
            .into_iter()
            .flatten()
            .fold(trusted, Timestamp::max);
        Ok(Self { trusted, latest })
    }
}

impl Trust {
    /// Goes on from the last time that the database knows.
    pub(in crate::domain) fn at_start(store: &Store, max_jump: Duration) -> Self {
        // A time that cannot be read is no reason to believe the clock: nothing is removed by age.
        let epoch = Timestamp::from_millis(0);
        let noted = store
            .read_at_start(|view| Noted::read(view, max_jump))
            .unwrap_or(Noted {
                trusted: epoch,
                latest: epoch,
            });
        Self {
            known: Mutex::new(Known::new(noted.trusted)),
            latest: Mutex::new(Known::new(noted.latest)),
            max_jump,
        }
    }

    /// The time by which things end: the later of what the clock says and of what is known to have
    /// been.
    pub(in crate::domain) fn latest(&self) -> Timestamp {
        let now = clock::now();
        let is_believed = now <= self.known.lock().expected() + self.max_jump;
        let mut latest = self.latest.lock();
        let expected = latest.expected();
        if now > expected && is_believed {
            *latest = Known::new(now);
        }
        now.max(expected)
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
        *self.known.lock() = Known::new(now);
    }

    /// The clock is right at this moment, says a person, whatever time there seems to have been.
    pub(in crate::domain) fn begin_anew(&self, now: Timestamp) {
        self.believe(now);
        *self.latest.lock() = Known::new(now);
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

    fn trust(known: Timestamp, latest: Timestamp) -> Trust {
        Trust {
            known: Mutex::new(Known::new(known)),
            latest: Mutex::new(Known::new(latest)),
            max_jump: 30 * DAY,
        }
    }

    #[test]
    fn things_end_by_the_later_of_the_clock_and_the_time_that_has_been() {
        let now = clock::now();
        let behind = trust(now + DAY, now + 2 * DAY);
        assert!(behind.latest() >= now + 2 * DAY, "the clock went back");
        behind.believe(now);
        assert!(behind.latest() >= now + 2 * DAY);
        behind.begin_anew(now);
        assert!(behind.latest() < now + DAY, "a person said so");
        let jumped = trust(now - 20 * DAY, now - 20 * DAY);
        assert!(jumped.latest() >= now);
        assert!(
            jumped.latest.lock().at >= now,
            "and it stays so if the clock goes back"
        );
        let wrong = trust(now - 40 * DAY, now - 40 * DAY);
        assert!(wrong.latest() >= now);
        assert!(
            wrong.latest.lock().at < now - 39 * DAY,
            "a clock that nobody believes is forgotten when it is put right"
        );
    }

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
