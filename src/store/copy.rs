//! A copy of the whole database as it is at one moment, made beside the writer.
//!
//! One read transaction lasts for the whole copy, so that no write begins it anew. Until it ends,
//! the WAL cannot start over and grows by each write. The copy is made page by page and never held
//! in memory. It is synced in parts, so that no single sync is long enough to hold up a commit.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::error::StoreError;
use super::held::HeldFiles;
use super::seals::DirectoryKeys;
use super::tx::{Counts, Data, View};
use crate::model::clock::{self, Timestamp};
use crate::model::digest::Digest;
use crate::model::event_head::EventHead;
use crate::sabotage::{self, Fault};

/// How many pages one step copies: 1 MiB, which takes about a millisecond.
const PAGES_PER_STEP: i32 = 256;
/// After so many steps the copy is synced: 32 MiB.
const STEPS_PER_SYNC: u32 = 32;
/// Page cache of the connection that writes the copy, in KiB.
const CACHE_KIB: i32 = 1_024;

/// Makes copies of the database.
#[derive(Clone, Debug)]
pub struct DatabaseCopier {
    path: PathBuf,
    schema: u32,
    instance: Uuid,
    held: Arc<HeldFiles>,
    keys: Arc<DirectoryKeys>,
}

/// What a copy holds.
#[derive(Clone, Debug)]
pub struct CopyFacts {
    /// The version of its schema.
    pub schema: u32,
    /// Which data it is a copy of.
    pub instance: Uuid,
    /// The moment at which it is what the database was.
    pub taken_at: Timestamp,
    /// How much of everything there is.
    pub counts: Counts,
    /// When the newest version of any state was written.
    pub newest_version_at: Option<Timestamp>,
    /// The number of the last event.
    pub last_event: Option<u64>,
    /// The number of the last commit, and the head of their chain.
    pub last_commit: (u64, Digest),
    /// The number and the hash of the last event.
    pub event_head: EventHead,
}

/// Why there is no copy.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CopyError {
    /// No room for it.
    #[error("there is no room for a copy of the database")]
    Full,
    /// The database cannot be read, or the copy cannot be written.
    #[error("the database cannot be copied: {0}")]
    Failed(String),
    /// It is not wanted any more.
    #[error("the copy was stopped")]
    Stopped,
}

impl From<StoreError> for CopyError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            // "Nothing is written any more" would be said of the copy, and be meant of the store.
            StoreError::Disk(text) => Self::Failed(text),
            StoreError::Busy
            | StoreError::Closed
            | StoreError::Gone(_)
            | StoreError::Damaged(_)
            | StoreError::BadRow(_)
            | StoreError::Panicked
            | StoreError::Statement(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<std::io::Error> for CopyError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let full = [Kind::StorageFull, Kind::QuotaExceeded, Kind::FileTooLarge];
        if full.contains(&error.kind()) {
            Self::Full
        } else {
            Self::Failed(error.to_string())
        }
    }
}

impl DatabaseCopier {
    pub(super) const fn new(
        path: PathBuf,
        schema: u32,
        instance: Uuid,
        held: Arc<HeldFiles>,
        keys: Arc<DirectoryKeys>,
    ) -> Self {
        Self {
            path,
            schema,
            instance,
            held,
            keys,
        }
    }

    /// Copies the database into a new file and syncs that. `go_on` is asked after each step.
    pub fn copy_to(
        &self,
        target: &Path,
        go_on: &mut dyn FnMut() -> Result<(), CopyError>,
    ) -> Result<CopyFacts, CopyError> {
        let source = self.held.open_reader(&self.path)?;
        source.execute_batch("BEGIN")?;
        // The first read fixes the moment.
        let facts = self.facts(&View::of(Data {
            connection: &source,
            keys: &self.keys,
        }))?;
        if sabotage::is(Fault::BackupWithoutWal) {
            std::fs::copy(&self.path, target)?;
            return Ok(facts);
        }
        copy_pages(&source, target, go_on)?;
        Ok(facts)
    }

    fn facts(&self, view: &View<'_>) -> Result<CopyFacts, StoreError> {
        let (newest_version_at, last_event) = (view.newest_version_at()?, view.last_event()?);
        Ok(CopyFacts {
            schema: self.schema,
            instance: self.instance,
            taken_at: clock::now(),
            counts: view.counts()?,
            newest_version_at,
            last_event,
            last_commit: view.last_commit()?,
            event_head: view.event_head()?,
        })
    }
}

fn copy_pages(
    source: &Connection,
    target: &Path,
    go_on: &mut dyn FnMut() -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let mut copy = open_copy(target)?;
    let file = File::open(target)?;
    let backup = Backup::new(source, &mut copy)?;
    for step in 1_u32.. {
        let came_to = backup.step(PAGES_PER_STEP)?;
        if came_to == StepResult::Done {
            break;
        }
        // Nobody else has the copy, and the source is read in a transaction.
        if came_to != StepResult::More {
            return Err(CopyError::Failed(format!("a step came to {came_to:?}")));
        }
        go_on()?;
        if step.is_multiple_of(STEPS_PER_SYNC) {
            file.sync_data()?;
        }
    }
    drop(backup);
    copy.close().map_err(|(_, error)| error)?;
    Ok(file.sync_all()?)
}

/// The connection that writes a copy: a copy that was cut off is thrown away, so it needs no
/// journal and no syncs of its own.
fn open_copy(target: &Path) -> Result<Connection, CopyError> {
    File::create_new(target)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(target, flags)?;
    copy.pragma_update(None, "journal_mode", "OFF")?;
    copy.pragma_update(None, "synchronous", "OFF")?;
    copy.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{EventKind, NewEvent};
    use crate::store::{Store, Touches};

    #[test]
    fn a_copy_is_of_one_moment_though_writes_come_between_its_steps() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 10, &std::sync::Arc::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let write = || {
            let detail = serde_json::json!("x".repeat(2_000));
            let event = NewEvent::by_the_server(EventKind::ClockTrust, clock::now());
            let event = event.detail(detail);
            let job =
                move |tx: &crate::store::Tx<'_>| (0..1_000).try_for_each(|_| tx.record(&event));
            let written = store.write(Touches::NoState, 0, job);
            runtime.block_on(written).unwrap();
        };
        write();
        let copier = store.copier();
        let target = dir.path().join("copy");
        let mut steps = 0;
        let mut write_between = || {
            steps += 1;
            write();
            Ok(())
        };
        let facts = copier.copy_to(&target, &mut write_between).unwrap();
        assert!(steps > 1, "several steps, or nothing is tried");
        assert_eq!(facts.last_event, Some(1_000));
        let copy = Connection::open(&target).unwrap();
        let count = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM events"), 1_000);
        let ok = copy.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(ok.as_deref(), Ok("ok"));
        let stopped = copier.copy_to(&dir.path().join("other"), &mut || Err(CopyError::Stopped));
        assert!(matches!(stopped, Err(CopyError::Stopped)));
        runtime.block_on(store.close());
    }
}
