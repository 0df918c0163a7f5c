//! The backups that the server makes by itself: one after the other, each followed by a drill.
//!
//! When the next one is due is counted from the newest that is there, so a restart puts none off. A
//! failure is told by an event, by `/readyz` and in the log, and it is tried again soon.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::config::BackupPlan;
use crate::domain::backups::log::{BackupDrill, BackupFailure, BackupReport, KeptBackup};
use crate::domain::backups::making::MadeArchive;
use crate::domain::backups::unfinished::sync_folder_of;
use crate::domain::backups::{Backups, WORK, drill, making, received};
use crate::domain::engine::background::on_its_own;
use crate::domain::engine::data_dir::{self, DirError};
use crate::domain::error::refusals::NotBackedUp;
use crate::model::clock::{self, Timestamp};
use crate::model::event::{EventKind, NewEvent};
use crate::model::retention::Moment;
use crate::store::Touches;

/// How long after a start the first one begins, where one is due.
const BEGIN_AFTER: Duration = Duration::from_secs(5);
/// How long after a failure it is tried again, unless backups are wanted more often.
const TRY_AGAIN_AFTER: Duration = Duration::from_mins(10);

impl Backups<'_> {
    /// How the server's own backups are; none if it makes none.
    pub(in crate::domain) fn report(&self) -> Option<BackupReport> {
        let plan = self.engine.limits.backups.as_ref()?;
        Some(self.state.log.report(plan))
    }

    /// Has the server make a backup now.
    pub fn make_one_now(&self) {
        if self.engine.limits.backups.is_none() {
            tracing::warn!("a backup was asked for, and there is no --backup-dir to put it");
            return;
        }
        self.state.now.notify_one();
    }

    /// Makes backups as long as it runs.
    pub(in crate::domain) async fn make_by_themselves(&self) {
        let Some(plan) = self.engine.limits.backups.clone() else {
            return;
        };
        self.look_at_folder(&plan).await;
        tokio::time::sleep(BEGIN_AFTER.min(plan.every)).await;
        if let Some(newest) = self.newest_without_drill(&plan).await {
            self.drill(&plan, newest).await;
        }
        loop {
            let _ = tokio::time::timeout(self.until_due(&plan), self.state.now.notified()).await;
            self.one(&plan).await;
        }
    }

    /// One backup and its drill.
    async fn one(&self, plan: &BackupPlan) {
        self.state.log.note(|known| known.running = true);
        match self.make_into(plan).await {
            Ok(path) => self.drill(plan, path).await,
            Err(error) => self.failed(&error).await,
        }
        self.state.log.note(|known| known.running = false);
    }

    /// What an earlier run of the server has made and tried.
    async fn look_at_folder(&self, plan: &BackupPlan) {
        let newest = self.newest(plan).await;
        let read = self.engine.store.read(|view| view.moment(Moment::Drilled));
        let drilled = read.await.ok().flatten();
        self.state.log.note(|known| {
            known.since = Some(clock::now());
            known.last = newest.map(|(last, _)| last);
            known.drill = drilled.map(|at| BackupDrill { at, versions: None });
        });
    }

    /// The newest backup of this data that is there. Its folder may be of another machine, and may
    /// answer late.
    async fn newest(&self, plan: &BackupPlan) -> Option<(KeptBackup, PathBuf)> {
        let (folder, instance) = (plan.dir.clone(), self.engine.store.instance());
        let find = move || {
            let kept = received::kept(&folder, instance).ok()?;
            let (at, path) = kept.into_iter().next()?;
            let size = fs::metadata(&path).ok()?.len();
            Some((KeptBackup { at, size }, path))
        };
        on_its_own("backup", find).await.ok().flatten()
    }

    /// The newest, if it was not verified since it was made: the server ended before that.
    async fn newest_without_drill(&self, plan: &BackupPlan) -> Option<PathBuf> {
        let (newest, path) = self.newest(plan).await?;
        let drilled = self
            .state
            .log
            .note(|known| known.drill.as_ref().map(|drill| drill.at));
        drilled.is_none_or(|at| at < newest.at).then_some(path)
    }

    /// From the moment that the newest one holds; after a failure, soon. A clock that was set back
    /// does not put the next one off.
    fn until_due(&self, plan: &BackupPlan) -> Duration {
        let (last, failure) = self.state.log.note(|known| {
            let at = known.failure.as_ref().map(|failure| failure.at);
            (known.last.as_ref().map(|last| last.at), at)
        });
        let now = clock::now();
        let rest = |since: Timestamp, every: Duration| {
            let is_past = since <= now;
            every.saturating_sub(if is_past { now.since(since) } else { every })
        };
        match (failure, last) {
            (Some(at), _) => rest(at, TRY_AGAIN_AFTER.min(plan.every)),
            (None, Some(at)) => rest(at, plan.every),
            (None, None) => Duration::ZERO,
        }
    }

    async fn make_into(&self, plan: &BackupPlan) -> Result<PathBuf, NotBackedUp> {
        let failed = |error: &dyn std::fmt::Display| NotBackedUp::Failed(error.to_string());
        let turn = Arc::clone(&self.state.making).acquire_owned().await;
        let turn = turn.map_err(|error| failed(&error))?;
        let dir = plan.dir.clone();
        apart(move || data_dir::make(&dir).map_err(of_the_folder)).await?;
        let instance = self.engine.store.instance();
        let folder = plan.dir.join(format!("{WORK}-{instance}"));
        let made = making::make(self.engine, folder, turn).await?;
        let (taken_at, size) = (made.manifest.taken_at.clone(), made.size);
        let name = received::dated_name(&made.manifest);
        let path = plan.dir.join(&name);
        apart(named(made, path.clone())).await?;
        self.note_made(&taken_at, size, &name).await;
        self.remove_older(plan, path.clone()).await;
        Ok(path)
    }

    async fn remove_older(&self, plan: &BackupPlan, made: PathBuf) {
        let (folder, instance) = (plan.dir.clone(), self.engine.store.instance());
        let keep = usize::try_from(plan.keep).unwrap_or(usize::MAX);
        let remove = move || received::prune(&folder, instance, keep, &made);
        let removed = on_its_own("backup", remove).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, "older backups cannot be removed");
        }
    }

    async fn note_made(&self, taken_at: &str, size: u64, name: &str) {
        let at = Timestamp::parse(taken_at).unwrap_or_else(clock::now);
        self.state.log.note(|known| {
            known.last = Some(KeptBackup { at, size });
            known.failure = None;
        });
        tracing::info!(name, size, "made a backup");
        let event = NewEvent::by_the_server(EventKind::BackupMake, clock::now());
        let detail = json!({ "taken_at": taken_at, "size": size, "file": name });
        self.record(event.detail(detail)).await;
        self.state.made.notify_one();
    }

    /// Tries the backup in a file.
    async fn drill(&self, plan: &BackupPlan, path: PathBuf) {
        let folder = drill_folder(plan, &self.engine.store.instance().to_string());
        let limits = Arc::clone(&self.engine.limits);
        match drill::drill(path, folder, limits).await {
            Ok(versions) => {
                let at = clock::now();
                self.state.log.note(|known| {
                    let versions = Some(versions);
                    known.drill = Some(BackupDrill { at, versions });
                    known.drill_failure = None;
                });
                tracing::info!(
                    versions,
                    "opened the newest backup and verified every version"
                );
                let note = move |tx: &crate::store::Tx<'_>| tx.note_moment(Moment::Drilled, at);
                let noted = self.engine.store.write(Touches::NoState, 0, note);
                if let Err(error) = noted.await {
                    tracing::warn!(%error, "when the last drill was is not written down");
                }
            }
            Err(detail) => self.drill_failed(detail).await,
        }
    }

    async fn drill_failed(&self, detail: String) {
        tracing::error!(
            detail,
            "the newest backup failed its drill: take another one and look at \
            its disk"
        );
        let failure = BackupFailure {
            at: clock::now(),
            detail: detail.clone(),
        };
        self.state
            .log
            .note(|known| known.drill_failure = Some(failure));
        self.record_failure("drill", &detail).await;
    }

    async fn failed(&self, error: &NotBackedUp) {
        let detail = error.to_string();
        tracing::error!(detail, "a backup failed; it is tried again soon");
        let failure = BackupFailure {
            at: clock::now(),
            detail: detail.clone(),
        };
        // Tried again and again, the same failure is one event.
        let before = self.state.log.note(|known| known.failure.replace(failure));
        if before.is_none_or(|before| before.detail != detail) {
            self.record_failure("backup", &detail).await;
        }
    }

    async fn record_failure(&self, what: &str, detail: &str) {
        let event = NewEvent::by_the_server(EventKind::BackupFail, clock::now());
        let detail = json!({ "what": what, "why": detail });
        self.record(event.attention(true).detail(detail)).await;
    }

    async fn record(&self, event: NewEvent) {
        let record = self
            .engine
            .store
            .write(Touches::NoState, 0, move |tx| tx.record(&event));
        if let Err(error) = record.await {
            tracing::warn!(%error, "an event of a backup is not written down");
        }
    }
}

/// Work in the folder, which may answer late.
async fn apart<E: std::fmt::Display + Send + 'static>(
    work: impl FnOnce() -> Result<(), E> + Send + 'static,
) -> Result<(), NotBackedUp> {
    let failed = |error: &dyn std::fmt::Display| NotBackedUp::Failed(error.to_string());
    let done = on_its_own("backup", work).await;
    done.map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))
}

/// Why the folder of backups is not there, in words that name no other folder.
fn of_the_folder(error: DirError) -> String {
    if let DirError::File { path, source } = error {
        return format!("the folder of --backup-dir, {}: {source}", path.display());
    }
    error.to_string()
}

/// Gives a backup that was made its name. Its folder goes with it.
fn named(made: MadeArchive, path: PathBuf) -> impl FnOnce() -> io::Result<()> + Send {
    move || {
        fs::rename(made.path(), &path)?;
        sync_folder_of(&path)
    }
}

fn drill_folder(plan: &BackupPlan, instance: &str) -> PathBuf {
    Path::new(&plan.dir).join(format!(".statekeep-drill-{instance}"))
}
