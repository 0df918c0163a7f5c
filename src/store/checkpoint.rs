//! Moves the write-ahead log into the database file, beside the writer and not in its way.
//!
//! Moving a long log takes as long as dozens of commits, and two syncs more. A thread of its own
//! does nearly all of it while the writer goes on. Only the writer can see to it that nothing new
//! comes while the rest is moved, and the log begins anew: that is left for a pause, or for when
//! the log has become too long. What is in the log is as safe as what is in the file, so nobody
//! waits for this, unless the disk is too full for a write without it. How much is still to be
//! moved is known after each commit, for the file needs room for it.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::connection;
use super::error::{OpenError, StoreError};
use crate::metrics::Metrics;
use crate::model::clock;

/// Each time the log has grown by so many pages (4 MiB), they are moved.
const STEP: i64 = 1_000;
/// A log of so many pages (64 MiB) begins anew as soon as nearly all of it is moved. A start after
/// a crash reads it all, in some 50 ms.
const TOO_LONG: i64 = 16_000;
/// So does one that takes more than this part of what is free on the disk.
const PART_OF_FREE_SPACE: u64 = 4;

/// How often it is looked whether the thread is through, where that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The room on the disk.
pub(super) struct Room {
    path: PathBuf,
    page_size: u64,
    /// How many bytes of the log are not in the file yet.
    unmoved: Cell<u64>,
}

impl Room {
    #[cfg(test)]
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            page_size: 4_096,
            unmoved: Cell::new(0),
        }
    }

    /// How many bytes are free for us; none where that cannot be told.
    fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Whether there is at least this much once the file has taken all that is in its log.
    pub(super) fn is_at_least(&self, bytes: u64) -> bool {
        self.free()
            .is_none_or(|free| free >= bytes.saturating_add(self.unmoved.get()))
    }
}

/// The thread that moves the log.
pub(super) struct Checkpoints {
    begin: Option<SyncSender<()>>,
    is_moving: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// How long the log has to be for the next step.
    next_at: i64,
    room: Room,
    metrics: Arc<Metrics>,
}

/// How long the log is, and how much of that is in the file as well, in pages.
struct Log {
    pages: i64,
    moved: i64,
}

impl Checkpoints {
    /// Starts the thread. A step that fails is told to `failed`.
    pub(super) fn start(
        path: &Path,
        metrics: Arc<Metrics>,
        failed: impl Fn(&StoreError) + Send + 'static,
    ) -> Result<Self, OpenError> {
        let connection = connection::open_mover(path)?;
        let page_size =
            connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0));
        let page_size = page_size
            .map_err(|source| connection::explain(path, source))?
            .into();
        let (begin, steps) = sync_channel(1);
        let is_moving = Arc::new(AtomicBool::new(false));
        let (moving, counted) = (Arc::clone(&is_moving), Arc::clone(&metrics));
        let run = move || move_on(&connection, &steps, &moving, &counted, &failed);
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(run);
        let thread = thread.map_err(|source| OpenError::File {
            path: "the thread that moves the log".into(),
            source,
        })?;
        let room = Room {
            path: path.to_owned(),
            page_size,
            unmoved: Cell::new(0),
        };
        Ok(Self {
            begin: Some(begin),
            is_moving,
            thread: Some(thread),
            next_at: STEP,
            room,
            metrics,
        })
    }

    /// The room on the disk.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// Looks whether it is time for something, after a commit on the writer's connection.
    pub(super) fn after_commit(&mut self, writer: &Connection) -> Result<(), StoreError> {
        let log = self.look(writer)?;
        // A log that has begun anew is short.
        self.next_at = self.next_at.min(log.pages + STEP);
        if self.is_moving.load(Ordering::Acquire) {
            return Ok(());
        }
        if log.pages >= STEP && log.pages - log.moved <= STEP && self.is_too_long(&log) {
            return self.finish(writer);
        }
        if log.pages >= self.next_at {
            self.next_at = log.pages + STEP;
            self.is_moving.store(true, Ordering::Release);
            // There is room, for nothing is being moved.
            let _ = self.begin.as_ref().map(|begin| begin.try_send(()));
        }
        Ok(())
    }

    fn is_too_long(&self, log: &Log) -> bool {
        let taken = log.pages.unsigned_abs() * self.room.page_size;
        log.pages >= TOO_LONG
            || self
                .room
                .free()
                .is_some_and(|free| taken > free / PART_OF_FREE_SPACE)
    }

    /// Moves what is left of a log that is long, while nobody writes: it begins anew with the next
    /// write.
    pub(super) fn in_a_pause(&mut self, writer: &Connection) -> Result<(), StoreError> {
        let log = self.look(writer)?;
        let is_worth_it =
            log.pages >= STEP && log.moved < log.pages && !self.is_moving.load(Ordering::Acquire);
        if is_worth_it {
            self.finish(writer)
        } else {
            Ok(())
        }
    }

    /// Moves all that can be moved now, however long it takes: without it the disk is too full for
    /// a write.
    pub(super) fn make_room(&mut self, writer: &Connection) -> Result<(), StoreError> {
        self.wait_until_moved();
        self.finish(writer)
    }

    /// Waits until the thread does nothing.
    pub(super) fn wait_until_moved(&self) {
        let is_there = || {
            self.thread
                .as_ref()
                .is_some_and(|thread| !thread.is_finished())
        };
        while self.is_moving.load(Ordering::Acquire) && is_there() {
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn finish(&self, writer: &Connection) -> Result<(), StoreError> {
        move_log(writer, &self.metrics)?;
        self.look(writer).map(drop)
    }

    fn look(&self, writer: &Connection) -> Result<Log, StoreError> {
        let sql = "PRAGMA wal_checkpoint(NOOP)";
        let log = writer.prepare_cached(sql)?.query_row([], |row| {
            Ok(Log {
                pages: row.get(1)?,
                moved: row.get(2)?,
            })
        })?;
        let left = u64::try_from(log.pages - log.moved).unwrap_or(0);
        self.room.unmoved.set(left * self.room.page_size);
        Ok(log)
    }

    /// Waits until nothing is moved any more, and ends the thread with its connection.
    pub(super) fn end(&mut self) {
        self.begin.take();
        // Nothing in there panics, and if it did there would be nothing to be done about it.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn move_on(
    connection: &Connection,
    steps: &Receiver<()>,
    is_moving: &AtomicBool,
    metrics: &Metrics,
    failed: &impl Fn(&StoreError),
) {
    while steps.recv().is_ok() {
        if let Err(error) = move_log(connection, metrics) {
            failed(&error);
        }
        is_moving.store(false, Ordering::Release);
    }
}

/// Moves what no reader still needs as it is in the file.
fn move_log(connection: &Connection, metrics: &Metrics) -> Result<(), StoreError> {
    let started = clock::monotonic();
    connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
        .query_row([], |_| Ok(()))?;
    metrics
        .checkpoint_seconds
        .observe(started.elapsed().as_secs_f64());
    Ok(())
}
