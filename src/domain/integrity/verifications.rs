//! The verifications of this process: the one that was asked for, and the passes in the background.

use parking_lot::Mutex;

use serde::Serialize;

use crate::config::Limits;
use crate::domain::integrity::findings::Checked;
use crate::model::clock::Timestamp;

/// How far a verification is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    /// When it began.
    pub started_at: Timestamp,
    /// Whether it leaves out decoding.
    pub quick: bool,
    /// How much was looked at.
    pub checked: Checked,
    /// How many versions there were when it began, those that it does not look at too.
    pub versions: u64,
}

/// What is known of the passes, beside what is in the database.
#[derive(Default)]
pub(super) struct Passes {
    pub(super) under_way: Option<RunningPass>,
    pub(super) last: Option<LastPass>,
}

/// The pass that is being made.
#[derive(Clone, Copy)]
pub(super) struct RunningPass {
    pub(super) started_at: Timestamp,
    pub(super) checked: Checked,
    pub(super) versions: u64,
}

/// What the last whole pass came to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LastPass {
    /// When it began.
    pub started_at: Timestamp,
    /// When it was through.
    pub finished_at: Timestamp,
    /// How many versions it looked at.
    pub versions: u64,
    /// How many of them it could not read.
    pub damaged_versions: u64,
    /// How many findings there were, these among them.
    pub found: u64,
}

/// How the background verification is; nothing about single states.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ScrubReport {
    /// How many seconds lie between the beginnings of two passes; none when it is turned off.
    pub every: Option<u64>,
    /// When the pass under way began.
    pub started_at: Option<Timestamp>,
    /// How many versions it has looked at.
    pub checked: u64,
    /// How many there were when it began, or went on.
    pub of: u64,
    /// What the last whole pass came to.
    pub last: Option<LastPass>,
    /// How many versions are known to be damaged, from reads and verifications alike.
    pub damaged_versions: u64,
}

/// The verifications of this process.
#[derive(Default)]
pub(in crate::domain) struct Verifications {
    pub(super) running: Mutex<Option<Progress>>,
    pub(super) passes: Mutex<Passes>,
}

impl Verifications {
    /// Takes the one turn that there is.
    pub(super) fn begin(&self, progress: Progress) -> Option<Turn<'_>> {
        let mut running = self.running.lock();
        if running.is_some() {
            return None;
        }
        *running = Some(progress);
        Some(Turn(self))
    }

    /// Says how far the verification is that was asked for.
    pub(super) fn progress(&self, checked: &Checked) {
        if let Some(progress) = self.running.lock().as_mut() {
            progress.checked = *checked;
        }
    }

    /// Says how far the pass in the background is.
    pub(super) fn scrub_progress(&self, checked: &Checked) {
        if let Some(under_way) = self.passes.lock().under_way.as_mut() {
            under_way.checked = *checked;
        }
    }

    /// How the background verification is.
    pub(in crate::domain) fn scrub_report(
        &self,
        limits: &Limits,
        damaged_versions: u64,
    ) -> ScrubReport {
        let passes = self.passes.lock();
        let under_way = passes.under_way;
        ScrubReport {
            every: limits.scrub_every.map(|every| every.as_secs()),
            started_at: under_way.map(|pass| pass.started_at),
            checked: under_way.map_or(0, |pass| pass.checked.versions),
            of: under_way.map_or(0, |pass| pass.versions),
            last: passes.last,
            damaged_versions,
        }
    }
}

/// Its holder verifies; it comes back when they are through, or have gone away.
pub(super) struct Turn<'a>(&'a Verifications);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.running.lock() = None;
    }
}
