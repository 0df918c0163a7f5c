//! Checkpoints: moving the WAL into the database file, beside the writer and not in its way.
//!
//! Moving a long WAL takes as long as dozens of commits, and two more syncs. A thread of its own
//! does nearly all of it while the writer goes on. Only the writer can move the last part, because
//! nothing may be added meanwhile; then the WAL starts over. The writer does that in a pause, or if
//! the WAL is too long. What is in the WAL is as safe as in the file, so no request waits for a
//! checkpoint, unless the disk is too full for a write without one. The file needs room for the
//! part that is still to be moved, so that is measured after each commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::connection;
use super::error::{OpenError, StoreError};
use crate::metrics::Metrics;
use crate::model::clock;
use crate::store::statements::Prepare as _;

/// Each time the WAL has grown by so many pages (4 MiB), they are moved.
const STEP: i64 = 1_000;
/// A WAL of so many pages (64 MiB) starts over as soon as nearly all of it is moved. A start after
/// a crash reads it all, in some 50 ms.
const TOO_LONG: i64 = 16_000;
/// So does a WAL that takes more than this part of the free space on the disk.
const PART_OF_FREE_SPACE: u64 = 4;
/// How much of it may be left then for the writer to move, in pages (512 KiB): the next write waits
/// for that.
const LEFT_TO_THE_WRITER: i64 = 128;
/// Where it becomes so many times too long, because so little is never left, the writer moves more.
const FAR_TOO_LONG: i64 = 2;

/// How often it is looked whether the thread is through, where that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// How much may be left to the thread while long work of the server's own goes on, in pages.
const LEFT_TO_THE_THREAD: i64 = 2 * STEP;
/// How long such work waits for that, before it goes on all the same: longer than the writer waits
/// for a pause.
const WAIT_AT_MOST: Duration = Duration::from_millis(300);

/// How much of the WAL is not in the file yet, as it was seen last.
#[derive(Clone, Default)]
pub(super) struct Unmoved(Arc<LeftOfWal>);

#[derive(Default)]
struct LeftOfWal {
    pages: AtomicU64,
    /// Whether the WAL is so long that it has to start over.
    is_too_long: AtomicBool,
}

impl Unmoved {
    fn pages(&self) -> u64 {
        self.0.pages.load(Ordering::Relaxed)
    }

    fn note(&self, wal: &Wal) {
        let left = u64::try_from(wal.pages - wal.moved).unwrap_or(0);
        self.0.pages.store(left, Ordering::Relaxed);
        let is_too_long = wal.pages >= TOO_LONG;
        self.0.is_too_long.store(is_too_long, Ordering::Relaxed);
    }

    fn is_little(&self) -> bool {
        let is_too_long = self.0.is_too_long.load(Ordering::Relaxed);
        let most = if is_too_long {
            LEFT_TO_THE_WRITER
        } else {
            LEFT_TO_THE_THREAD
        };
        self.pages() <= most.unsigned_abs()
    }

    /// Waits until little is left, or until so little is that a long WAL starts over. What adds
    /// much in many commits would else add more than is moved meanwhile. A reader may delay that,
    /// so nobody waits for longer than 300 ms.
    pub(super) async fn wait_until_little(&self) {
        let wait = async {
            while !self.is_little() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let _ = tokio::time::timeout(WAIT_AT_MOST, wait).await;
    }
}

/// The room on the disk.
pub(super) struct Room {
    path: PathBuf,
    page_size: u64,
    unmoved: Unmoved,
}

impl Room {
    /// For data whose WAL nobody has counted yet.
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            page_size: 4_096,
            unmoved: Unmoved::default(),
        }
    }

    /// How many bytes are free for us; none where that cannot be told.
    fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Whether there is at least this much once the file has taken all of its WAL.
    pub(super) fn is_at_least(&self, bytes: u64) -> bool {
        self.free().is_none_or(|free| {
            free >= bytes.saturating_add(self.unmoved.pages().saturating_mul(self.page_size))
        })
    }
}

/// The thread that moves the WAL.
pub(super) struct Checkpoints {
    begin: Option<SyncSender<()>>,
    is_moving: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// How long the WAL has to be for the next step.
    next_at: i64,
    /// How much of it was moved when the thread last began.
    moved_before: i64,
    room: Room,
    metrics: Arc<Metrics>,
}

/// How long the WAL is, and how much of that is in the file as well, in pages.
struct Wal {
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
        let room = Room {
            path: path.to_owned(),
            page_size,
            unmoved: Unmoved::default(),
        };
        let (moving, counted) = (Arc::clone(&is_moving), Arc::clone(&metrics));
        let unmoved = room.unmoved.clone();
        let run = move || {
            while steps.recv().is_ok() {
                match move_wal(&connection, &counted) {
                    Ok(wal) => unmoved.note(&wal),
                    Err(error) => failed(&error),
                }
                moving.store(false, Ordering::Release);
            }
        };
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(run);
        let thread = thread.map_err(|source| OpenError::File {
            path: "the thread that moves the WAL".into(),
            source,
        })?;
        Ok(Self {
            begin: Some(begin),
            is_moving,
            thread: Some(thread),
            next_at: STEP,
            moved_before: 0,
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
        let wal = self.measure(writer)?;
        // A WAL that has started over is short.
        self.next_at = self.next_at.min(wal.pages + STEP);
        if self.is_moving.load(Ordering::Acquire) {
            return Ok(());
        }
        let is_too_long = wal.pages >= STEP && self.is_too_long(&wal, 1);
        if is_too_long {
            let most = if self.is_too_long(&wal, FAR_TOO_LONG) {
                STEP
            } else {
                LEFT_TO_THE_WRITER
            };
            if wal.pages - wal.moved <= most {
                return self.finish(writer);
            }
        }
        // The thread goes on with a long one, as long as readers let it: each time less is left.
        let goes_on = is_too_long && wal.moved != self.moved_before;
        if goes_on || wal.pages >= self.next_at {
            self.moved_before = wal.moved;
            self.next_at = wal.pages + STEP;
            self.begin_to_move();
        }
        Ok(())
    }

    /// Whether no more of the WAL is still to be moved than is moved at a time. If there is more,
    /// the thread begins with it.
    pub(super) fn is_nearly_moved(&mut self, writer: &Connection) -> Result<bool, StoreError> {
        let wal = self.measure(writer)?;
        if self.is_moving.load(Ordering::Acquire) {
            return Ok(false);
        }
        let is_nearly_moved = wal.pages - wal.moved <= STEP;
        if !is_nearly_moved {
            self.begin_to_move();
        }
        Ok(is_nearly_moved)
    }

    fn begin_to_move(&self) {
        self.is_moving.store(true, Ordering::Release);
        // There is room, for nothing is being moved.
        let _ = self.begin.as_ref().map(|begin| begin.try_send(()));
    }

    /// Whether it is so many times too long.
    fn is_too_long(&self, wal: &Wal, times: i64) -> bool {
        let pages = wal.pages / times;
        let taken = pages.unsigned_abs() * self.room.page_size;
        pages >= TOO_LONG
            || self
                .room
                .free()
                .is_some_and(|free| taken > free / PART_OF_FREE_SPACE)
    }

    /// Moves the rest of a long WAL in a pause: it starts over with the next write.
    pub(super) fn in_a_pause(&mut self, writer: &Connection) -> Result<(), StoreError> {
        let wal = self.measure(writer)?;
        let is_worth_it =
            wal.pages >= STEP && wal.moved < wal.pages && !self.is_moving.load(Ordering::Acquire);
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
        let wal = move_wal(writer, &self.metrics)?;
        self.room.unmoved.note(&wal);
        Ok(())
    }

    /// How much of the WAL is still to be moved.
    pub(super) fn unmoved(&self) -> Unmoved {
        self.room.unmoved.clone()
    }

    fn measure(&self, writer: &Connection) -> Result<Wal, StoreError> {
        let wal = told(writer, "PRAGMA wal_checkpoint(NOOP)")?;
        self.room.unmoved.note(&wal);
        Ok(wal)
    }

    /// Waits until nothing is moved any more, and ends the thread with its connection.
    pub(super) fn end(&mut self) {
        self.begin.take();
        // Nothing in there panics, and if it did there would be nothing to be done about it.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Moves what no reader still needs as it is in the file, and says what the WAL is then.
fn move_wal(connection: &Connection, metrics: &Metrics) -> Result<Wal, StoreError> {
    let started = clock::monotonic();
    let wal = told(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
    metrics
        .checkpoint_seconds
        .observe(started.elapsed().as_secs_f64());
    Ok(wal)
}

/// What a checkpoint tells of the WAL.
fn told(connection: &Connection, checkpoint: &str) -> Result<Wal, StoreError> {
    let wal = connection.prepared(checkpoint)?.query_row([], |row| {
        Ok(Wal {
            pages: row.get(1)?,
            moved: row.get(2)?,
        })
    })?;
    Ok(wal)
}
