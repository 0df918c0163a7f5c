//! Erasing: content that was removed leaves the database file, its free pages and its WAL.
//!
//! A purge that could not be finished is finished later by the server itself, also after a crash.
//! It could not be if a reader, a full disk or the caller's going away kept it from that.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{MutexGuard, Notify};

use crate::domain::content::Content;
use crate::domain::error::Error;
use crate::model::clock;
use crate::store::{Touches, Tx};

/// How long a purge waits for readers before it answers that the bytes are not erased yet.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long there is between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// How long there is between two tries that nobody waits for, while a reader delays them.
const PAUSE_IN_BACKGROUND: Duration = Duration::from_secs(5);
/// How long if a failure does, such as a full disk: each try holds writers up.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_mins(1);

impl Content {
    /// Waits for its turn to remove content: one purge at a time, to its end.
    pub(in crate::domain) async fn purge_alone(&self) -> MutexGuard<'_, ()> {
        self.erasing.alone.lock().await
    }

    /// Is to be woken when content was removed, also if its caller has gone away.
    pub(in crate::domain) fn removed(&self) -> Arc<Notify> {
        Arc::clone(&self.erasing.more)
    }

    /// Erases what was removed, waiting for readers for a while; says whether it is done.
    pub(in crate::domain) async fn erase_in_steps(&self) -> bool {
        let end = clock::monotonic() + PATIENCE;
        loop {
            match self.erase().await {
                Ok(true) => return true,
                Ok(false) if clock::monotonic() < end => tokio::time::sleep(PAUSE).await,
                Ok(false) => return false,
                Err(error) => {
                    tracing::warn!(%error, "what was purged cannot be erased; trying again");
                    return false;
                }
            }
        }
    }

    /// Erases what purges have left to be erased, then waits for the next removal. It never ends.
    pub(in crate::domain) async fn go_on_erasing(&self) {
        loop {
            while let Some(pause) = self.erase_what_is_left().await {
                tokio::time::sleep(pause).await;
            }
            self.erasing.more.notified().await;
        }
    }

    /// How long to wait for the next try; none when nothing is left.
    async fn erase_what_is_left(&self) -> Option<Duration> {
        let _alone = self.purge_alone().await;
        match self.erase().await {
            Ok(true) => None,
            Ok(false) => {
                tracing::info!(
                    "what was purged is not erased yet, because a reader delays it; trying again"
                );
                Some(PAUSE_IN_BACKGROUND)
            }
            Err(error) => {
                tracing::warn!(%error, "what was purged cannot be erased; trying again");
                Some(PAUSE_AFTER_FAILURE)
            }
        }
    }

    /// Erases what was removed, if anything is left of it; says whether nothing is.
    async fn erase(&self) -> Result<bool, Error> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is not general enough in its lifetimes"
        )]
        let pending = self
            .engine
            .store
            .read_inline(|view| view.pending_erasure())
            .await?;
        let Some((asked_at, is_rewritten)) = pending else {
            return Ok(true);
        };
        if !is_rewritten && let Err(error) = self.release_bases().await {
            // The bases of this purge were released before. These are of versions that went
            // otherwise, or came in between.
            tracing::warn!(%error, "bytes that no version has may stay as a delta base; the \
                next full pass removes them");
        }
        let emptied = if is_rewritten {
            self.engine.store.truncate_wal().await?
        } else {
            self.engine.store.vacuum().await?
        };
        let note = move |tx: &Tx<'_>| {
            if emptied {
                tx.end_erasure(asked_at)
            } else {
                tx.note_vacuumed(asked_at)
            }
        };
        self.engine.store.write(Touches::NoState, 0, note).await?;
        Ok(emptied)
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
