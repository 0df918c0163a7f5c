//! What is measured, for Prometheus: nothing about single states, and no value that is not known.

use crate::domain::access::authorize_everywhere;
use crate::domain::backups::log::BackupReport;
use crate::domain::error::Error;
use crate::domain::states::waiting::Waiting;
use crate::domain::status::Status;
use crate::domain::status::process::Readiness;
use crate::metrics::Gauges;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::permission::Permission;
use crate::store::Counts;

/// Seconds since 1970.
fn seconds(at: Timestamp) -> u64 {
    at.millis().unsigned_abs() / 1_000
}

/// How many seconds ago something began; 0 if it has not.
fn age(since: Option<Timestamp>) -> u64 {
    since.map_or(0, |at| clock::now().since(at).as_secs())
}

impl Status<'_> {
    /// Everything that is counted and measured, as Prometheus reads it; nothing about single
    /// states. Also while the database cannot be read: what is not known then is left out.
    pub async fn metrics(&self, caller: &Caller) -> Result<String, Error> {
        authorize_everywhere(caller, Permission::Status)?;
        let gauges = self.gauges().await;
        let text = self.engine.metrics.text(&gauges);
        text.map_err(|error| Error::Internal(error.to_string()))
    }

    async fn gauges(&self) -> Gauges {
        let (store, waiting) = (&self.engine.store, Waiting::now(self.engine, None));
        let read = store.read(move |view| Ok((view.counts()?, waiting.facts(view)?)));
        let (counts, locks) = read.await.ok().unzip();
        let counted = |count: fn(&Counts) -> u64| counts.as_ref().map(count);
        let (in_flight, max_in_flight) = self.engine.in_flight();
        let (database, wal) = store.file_sizes();
        let (health, scrub) = (self.health().await, self.scrub_report());
        let (backup, tls) = (self.backup_report(), self.tls_report());
        let failed = |fails: fn(&BackupReport) -> bool| backup.as_ref().map(fails).map(u64::from);
        let last = backup.as_ref().and_then(|backup| backup.last.as_ref());
        let drill = backup.as_ref().and_then(|backup| backup.drill.as_ref());
        Gauges {
            in_flight,
            max_in_flight,
            cache: self.content.cache.bytes(),
            database,
            wal,
            free_space: self.engine.dir.free_space(),
            states: counted(|counts| counts.states),
            versions: counted(|counts| counts.versions),
            locks: counted(|counts| counts.locks),
            only_locked: counted(|counts| counts.only_locked),
            dead_locks: locks.map(|locks| locks.dead_locks),
            oldest_lock: locks.map(|locks| age(locks.oldest_lock_at)),
            damaged: scrub.damaged_versions,
            last_verified: scrub.last.map(|last| seconds(last.finished_at)),
            backup_at: last.map(|last| seconds(last.at)),
            backup_size: last.map(|last| last.size),
            drilled_at: drill.map(|drill| seconds(drill.at)),
            backup_overdue: failed(|backup| backup.overdue),
            backup_failed: failed(|backup| backup.failure.is_some()),
            drill_failed: failed(|backup| backup.drill_failure.is_some()),
            mirror_behind: self.mirror().seconds_behind(),
            syslog_behind: self.syslog().seconds_behind(),
            tls_days_left: tls.as_ref().map(|tls| tls.days_left),
            hooks_failing: self.hooks().failing(),
            tls_not_exchanged: tls.map(|tls| u64::from(tls.failure.is_some())),
            ready: u64::from(health.status == Readiness::Ready),
        }
    }
}
