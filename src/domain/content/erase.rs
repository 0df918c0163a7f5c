//! Erasing: content that was removed leaves the database file, its free pages and its WAL.
//!
//! One task does it, beside everything else and in small steps: it gives free pages back, sweeps
//! the others, and empties the WAL. Several purges are erased as one. If a reader, a full disk, a
//! crash or the caller's going away stops it, it goes on by itself. A start does not begin with it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{MutexGuard, Notify};

use crate::config::MIB;
use crate::domain::content::Content;
use crate::domain::content::erasure::{ErasureReport, ErasureStep};
use crate::domain::error::Error;
use crate::model::clock::{self, Timestamp};
use crate::store::{StoreError, Sweeper, Touches, Tx};

/// How long a purge waits for readers before it answers that the bytes are not erased yet.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits at all.
const LONG_PATIENCE: Duration = Duration::from_mins(1);
/// How often it looks whether they are.
const PURGE_LOOKS_EVERY: Duration = Duration::from_millis(50);
/// How long after a start the erasing goes on that an earlier process left.
const AFTER_START: Duration = Duration::from_secs(5);
/// How long there is between two tries to empty the WAL, as long as a purge may wait for it.
const PAUSE: Duration = Duration::from_millis(200);
/// How long there is between two tries after that: they cost next to nothing.
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// How long there is after the first tries that have failed, and after all others.
const AFTER_FAILURES: [Duration; 3] = [
    Duration::from_secs(5),
    Duration::from_mins(1),
    Duration::from_hours(1),
];
/// How much has to be free on the disk: one step takes a part of it in the WAL.
const ROOM: u64 = 8 * MIB;
/// How long the sweep rests after a step, at most. It rests as long as the step took.
const LONGEST_REST: Duration = Duration::from_millis(100);
/// How often the pages that change meanwhile are looked at, until a sweep is given up.
const MOST_ROUNDS: usize = 1_000;

/// Why it did not end this time.
enum Delay {
    /// A reader still needs a part of the WAL, or much of it is still to be moved.
    Wal,
    /// Too little is free on the disk.
    Room(u64),
    /// It is not yet time.
    Until(Timestamp),
}

impl Content {
    /// Waits for its turn to remove content: one purge at a time, to its end.
    pub(in crate::domain) async fn purge_alone(&self) -> MutexGuard<'_, ()> {
        self.erasing.alone.lock().await
    }

    /// Is to be woken when content was removed, also if its caller has gone away.
    pub(in crate::domain) fn removed(&self) -> Arc<Notify> {
        Arc::clone(&self.erasing.more)
    }

    /// How the erasing is; none if nothing is left to be erased.
    pub(in crate::domain) fn erasure(&self) -> Option<ErasureReport> {
        self.erasing.report.lock().clone()
    }

    /// Waits for a while until what was removed is erased; says whether it is.
    pub(in crate::domain) async fn erased_soon(&self) -> bool {
        let began = clock::monotonic();
        // Asked for once more, it is tried once more.
        self.report(|report| {
            report.missing_bytes = None;
            report.begins_at = None;
            report.failures = 0;
        });
        if !self.erasing.is_by_itself.load(Ordering::Acquire) {
            return self.erase_now().await;
        }
        self.erasing.more.notify_one();
        loop {
            if let Ok(None) = self.pending_erasure().await {
                return true;
            }
            let report = self.erasure();
            let is_put_off = report.as_ref().is_some_and(ErasureReport::is_put_off);
            let is_delayed = report.is_some_and(|report| report.is_delayed());
            let most = if is_delayed { PATIENCE } else { LONG_PATIENCE };
            if is_put_off || began.elapsed() > most {
                return false;
            }
            tokio::time::sleep(PURGE_LOOKS_EVERY).await;
        }
    }

    /// Erases what was removed where no task does it, waiting for readers for a while.
    async fn erase_now(&self) -> bool {
        let began = clock::monotonic();
        loop {
            let Some(pause) = self.erase_what_is_left(began).await else {
                return true;
            };
            let is_put_off = self.erasure().is_some_and(|report| report.is_put_off());
            if is_put_off || began.elapsed() > PATIENCE {
                return false;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Erases what purges have left to be erased, then waits for the next removal. It never ends.
    pub(in crate::domain) async fn go_on_erasing(&self) {
        self.erasing.is_by_itself.store(true, Ordering::Release);
        if let Ok(Some((since, _))) = self.pending_erasure().await {
            *self.erasing.report.lock() = Some(ErasureReport::new(since));
        }
        let mut pause = Some(AFTER_START);
        let mut since = clock::monotonic();
        loop {
            let more = self.erasing.more.notified();
            let is_more = if let Some(pause) = pause {
                tokio::time::timeout(pause, more).await.is_ok()
            } else {
                more.await;
                true
            };
            if is_more {
                since = clock::monotonic();
                self.report(|report| report.failures = 0);
            }
            pause = self.erase_what_is_left(since).await;
        }
    }

    /// How long to wait for the next try; none when nothing is left. Tries began then.
    async fn erase_what_is_left(&self, since: Instant) -> Option<Duration> {
        match self.erase().await {
            Ok(None) => {
                *self.erasing.report.lock() = None;
                None
            }
            Ok(Some(Delay::Wal)) => {
                self.report(ErasureReport::note_delay);
                let is_new = clock::monotonic().duration_since(since) < PATIENCE;
                Some(if is_new { PAUSE } else { LONG_PAUSE })
            }
            Ok(Some(Delay::Room(missing))) => {
                tracing::warn!(
                    missing,
                    "what was purged is not erased yet: so many bytes have to become free on the \
                        disk first"
                );
                self.report(|report| report.missing_bytes = Some(missing));
                Some(LONG_PAUSE)
            }
            Ok(Some(Delay::Until(at))) => {
                self.report(|report| {
                    report.step = ErasureStep::Scheduled;
                    report.begins_at = Some(at);
                });
                Some(at.since(clock::now()).min(Duration::from_mins(1)))
            }
            Err(error) => Some(self.note_failure(&error)),
        }
    }

    /// How long to wait after a try that has failed.
    fn note_failure(&self, error: &Error) -> Duration {
        let mut failures = 1;
        self.report(|report| {
            report.failures += 1;
            failures = report.failures;
        });
        let last = AFTER_FAILURES.len() - 1;
        let index = usize::try_from(failures - 1).unwrap_or(last).min(last);
        let pause = AFTER_FAILURES.get(index).copied().unwrap_or(LONG_PAUSE);
        tracing::warn!(%error, ?pause, "what was purged cannot be erased; trying again");
        pause
    }

    fn report(&self, change: impl FnOnce(&mut ErasureReport)) {
        if let Some(report) = self.erasing.report.lock().as_mut() {
            change(report);
        }
    }

    async fn pending_erasure(&self) -> Result<Option<(Timestamp, bool)>, Error> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is not general enough in its lifetimes"
        )]
        let pending = self.engine.store.read_inline(|view| view.pending_erasure());
        Ok(pending.await?)
    }

    /// Erases what was removed, if anything is left of it.
    async fn erase(&self) -> Result<Option<Delay>, Error> {
        let Some((asked_at, mut is_swept)) = self.pending_erasure().await? else {
            return Ok(None);
        };
        self.erasing
            .report
            .lock()
            .get_or_insert_with(|| ErasureReport::new(asked_at));
        self.report(|report| {
            report.missing_bytes = None;
            report.begins_at = None;
        });
        if !is_swept {
            if let Some(delay) = self.sweep(asked_at).await? {
                return Ok(Some(delay));
            }
            let note = move |tx: &Tx<'_>| tx.note_pages_swept(asked_at);
            self.write_note(note).await?;
            is_swept = self.pending_erasure().await? == Some((asked_at, true));
        }
        if !is_swept {
            // More was removed meanwhile.
            return Ok(Some(Delay::Wal));
        }
        self.report(|report| report.step = ErasureStep::EmptyingWal);
        if !self.engine.store.truncate_wal().await? {
            return Ok(Some(Delay::Wal));
        }
        self.write_note(move |tx: &Tx<'_>| tx.end_erasure(asked_at))
            .await?;
        let left = self.pending_erasure().await?;
        Ok(left.map(|_| Delay::Wal))
    }

    async fn write_note(
        &self,
        note: impl FnMut(&Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), Error> {
        Ok(self.engine.store.write(Touches::NoState, 0, note).await?)
    }

    /// Sweeps the file, so that only its WAL holds what was removed until then.
    async fn sweep(&self, asked_at: Timestamp) -> Result<Option<Delay>, Error> {
        if let Some(begin) = self.engine.limits.erase_at
            && let at = begin.next_after(asked_at)
            && at > clock::now()
        {
            return Ok(Some(Delay::Until(at)));
        }
        if let Some(delay) = self.too_little_room() {
            return Ok(Some(delay));
        }
        self.forget_stale_words().await?;
        self.release_left_over().await;
        // Pages that are given back hold nothing that is left to be swept.
        self.give_space_back().await?;
        let sweeper = self.engine.store.sweeper();
        sweeper.begin().await?;
        let swept = self.sweep_pages(&sweeper).await;
        if !matches!(swept, Ok(None)) {
            sweeper.give_up();
        }
        swept
    }

    /// The bases of a purge were released before it. These are of versions that went otherwise, or
    /// came in between.
    async fn release_left_over(&self) {
        let _alone = self.purge_alone().await;
        if let Err(error) = self.release_bases().await {
            tracing::warn!(%error, "bytes that no version has may stay as a delta base; the next \
                full pass removes them");
        }
    }

    async fn sweep_pages(&self, sweeper: &Sweeper<'_>) -> Result<Option<Delay>, Error> {
        let (started, mut done) = (clock::monotonic(), 0);
        loop {
            if let Some(delay) = self.too_little_room() {
                return Ok(Some(delay));
            }
            let step = clock::monotonic();
            let swept = sweeper.go_on(done).await?;
            let is_last = swept.done >= swept.pages || swept.done <= done;
            done = swept.done;
            self.report(|report| {
                report.step = ErasureStep::Sweeping;
                (report.done, report.of) = (done, swept.pages);
                report.seconds_left = Some(seconds_left(started.elapsed(), done, swept.pages));
            });
            if is_last {
                break;
            }
            tokio::time::sleep(step.elapsed().min(LONGEST_REST)).await;
        }
        for _ in 0..MOST_ROUNDS {
            if sweeper.end().await? {
                return Ok(None);
            }
        }
        Ok(Some(Delay::Wal))
    }

    /// How much is missing on the disk, if there is too little for a step.
    fn too_little_room(&self) -> Option<Delay> {
        let free = self.engine.dir.free_space()?;
        (free < ROOM).then(|| Delay::Room(ROOM - free))
    }

    /// Copies of the database that were made before an upgrade, WALs that were given up, and the
    /// server's own backups. They may still hold the content.
    pub(in crate::domain) fn upgrade_copies(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.engine.dir.path()) else {
            return Vec::new();
        };
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let database = crate::store::FILE_NAME;
        let is_copy = |name: &String| {
            let rest = name.strip_prefix(database);
            rest.is_some_and(|rest| rest.starts_with(".schema-") || rest.starts_with(".lost-wal-"))
        };
        let mut copies: Vec<String> = names.filter(is_copy).collect();
        copies.extend(self.own_backups());
        copies.sort();
        copies
    }

    /// The backups that the server has made by itself, by their paths.
    fn own_backups(&self) -> Vec<String> {
        let plan = self.engine.limits.backups.as_ref();
        let begin = format!("statekeep-{}-", self.engine.store.instance());
        let files = plan.and_then(|plan| std::fs::read_dir(&plan.dir).ok());
        let entries = files.into_iter().flatten().flatten();
        let is_backup = |entry: &std::fs::DirEntry| {
            let name = entry.file_name();
            name.to_str().is_some_and(|name| name.starts_with(&begin))
        };
        let paths = entries.filter(is_backup).map(|entry| entry.path());
        paths.map(|path| path.display().to_string()).collect()
    }
}

/// About how long the rest takes, if so much took so long.
fn seconds_left(elapsed: Duration, done: u32, pages: u32) -> u64 {
    let rest = u64::from(pages.saturating_sub(done));
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    millis.saturating_mul(rest) / u64::from(done.max(1)) / 1_000
}
