//! What is known of the backups that the server makes by itself, and of their drills.

use parking_lot::Mutex;
use serde::Serialize;

use crate::config::BackupPlan;
use crate::model::clock::{self, Timestamp};

/// A backup counts as overdue when it is late by this part of the time between two.
const SLACK: u32 = 2;

/// A backup that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptBackup {
    /// The moment that it holds.
    pub at: Timestamp,
    /// Its length in bytes.
    pub size: u64,
}

/// A drill: a backup was opened in a folder of its own, and every version in it verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupDrill {
    /// When it was through.
    pub at: Timestamp,
    /// How many versions were verified; none where that was before the server was started.
    pub versions: Option<u64>,
}

/// Something that did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupFailure {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub detail: String,
}

/// How the server's own backups are.
#[derive(Clone, Debug, Serialize)]
pub struct BackupReport {
    /// How many seconds lie between two.
    pub every: u64,
    /// How many are kept.
    pub keep: u32,
    /// Whether the folder was read since the start. Until then, which one is the newest and when
    /// the last drill was are not known.
    pub folder_read: bool,
    /// Whether one is being made, or in its drill.
    pub running: bool,
    /// Whether the newest is older than it should be.
    pub overdue: bool,
    /// The newest that there is.
    pub last: Option<KeptBackup>,
    /// Why the last try failed, if it did.
    pub failure: Option<BackupFailure>,
    /// The last drill that went well.
    pub drill: Option<BackupDrill>,
    /// Why the last drill failed, if it did.
    pub drill_failure: Option<BackupFailure>,
}

/// What is known.
#[derive(Default)]
pub(super) struct Known {
    pub(super) running: bool,
    /// Since when backups are expected.
    pub(super) since: Option<Timestamp>,
    pub(super) last: Option<KeptBackup>,
    pub(super) failure: Option<BackupFailure>,
    pub(super) drill: Option<BackupDrill>,
    pub(super) drill_failure: Option<BackupFailure>,
}

/// What is known of the backups of this process.
#[derive(Default)]
pub(super) struct BackupLog(Mutex<Known>);

impl BackupLog {
    /// Changes what is known.
    pub(super) fn note<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.0.lock())
    }

    /// How the backups of a plan are.
    pub(super) fn report(&self, plan: &BackupPlan) -> BackupReport {
        let known = self.0.lock();
        BackupReport {
            every: plan.every.as_secs(),
            keep: plan.keep,
            folder_read: known.since.is_some(),
            running: known.running,
            overdue: is_overdue(&known, plan, clock::now()),
            last: known.last.clone(),
            failure: known.failure.clone(),
            drill: known.drill.clone(),
            drill_failure: known.drill_failure.clone(),
        }
    }
}

/// Whether the newest backup is older than it should be; where there is none, whether one should be
/// there by now.
fn is_overdue(known: &Known, plan: &BackupPlan, now: Timestamp) -> bool {
    let since = known.last.as_ref().map(|last| last.at).or(known.since);
    let longest = plan.every + plan.every / SLACK;
    since.is_some_and(|since| now.since(since) > longest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn overdue_counts_from_the_newest_backup_or_from_the_start() {
        let plan = BackupPlan {
            dir: "x".into(),
            every: Duration::from_secs(100),
            keep: 1,
        };
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let mut known = Known::default();
        assert!(!is_overdue(&known, &plan, at(1_000)), "not begun");
        known.since = Some(at(1_000));
        assert!(!is_overdue(&known, &plan, at(1_150)));
        assert!(is_overdue(&known, &plan, at(1_151)));
        known.last = Some(KeptBackup {
            at: at(900),
            size: 1,
        });
        assert!(
            is_overdue(&known, &plan, at(1_051)),
            "the start makes it no younger"
        );
        known.last = Some(KeptBackup {
            at: at(2_000),
            size: 1,
        });
        assert!(
            !is_overdue(&known, &plan, at(1_000)),
            "a clock that was set back"
        );
    }
}
