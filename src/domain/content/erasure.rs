//! How the erasing of removed content is, as it is told to people and programs.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::model::clock::{self, Timestamp};

/// After how long it is a problem that something delays it.
const LATE_AFTER: Duration = Duration::from_hours(1);

/// How far erasing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureStep {
    /// It begins at once.
    Waiting,
    /// It begins at its time (`--erase-at`).
    Scheduled,
    /// The pages of the file are swept.
    Sweeping,
    /// The file is clean, and the WAL is to be emptied.
    EmptyingWal,
}

/// How the erasing of removed content is. It names no state.
#[derive(Clone, Debug, Serialize)]
pub struct ErasureReport {
    /// Since when content waits to leave the disk.
    pub since: Timestamp,
    /// What is being done.
    pub step: ErasureStep,
    /// How many pages of the file are swept.
    pub done: u32,
    /// How many pages the file has; 0 before the sweep has begun.
    pub of: u32,
    /// About how many seconds the sweep takes from now on; none before that is known.
    pub seconds_left: Option<u64>,
    /// When it begins, if it waits for its time.
    pub begins_at: Option<Timestamp>,
    /// How many bytes have to become free on the disk before it goes on.
    pub missing_bytes: Option<u64>,
    /// How many tries in a row have failed. The log says why.
    pub failures: u32,
    /// Since when a reader or the WAL delays it.
    #[serde(skip)]
    delayed_since: Option<Instant>,
}

impl ErasureReport {
    pub(super) fn new(since: Timestamp) -> Self {
        Self {
            since,
            step: ErasureStep::Waiting,
            done: 0,
            of: 0,
            seconds_left: None,
            begins_at: None,
            missing_bytes: None,
            failures: 0,
            delayed_since: None,
        }
    }

    /// Whether a person should look: it does not end by itself, as far as anybody can tell.
    pub fn is_late(&self) -> bool {
        let is_long_ago = |at: Instant| at.elapsed() > LATE_AFTER;
        self.missing_bytes.is_some()
            || self.failures > 1
            || self.delayed_since.is_some_and(is_long_ago)
    }

    /// Whether nobody should wait for it: it takes longer than a reader.
    pub(super) const fn is_put_off(&self) -> bool {
        self.missing_bytes.is_some() || self.begins_at.is_some() || self.failures > 0
    }
    /// Notes that a reader or the WAL delays it.
    pub(super) fn note_delay(&mut self) {
        self.delayed_since.get_or_insert_with(clock::monotonic);
    }

    /// Whether a reader or the WAL has delayed it.
    pub(super) const fn is_delayed(&self) -> bool {
        self.delayed_since.is_some()
    }
}
