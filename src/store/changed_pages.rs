//! Which pages commits have changed since a moment, read from the headers of their frames in the
//! WAL.
//!
//! Remains of purged content are looked for page by page, while others write. A write can move a
//! page, with its remains, to a number that was looked at before. So each page that changes
//! meanwhile is looked at once more.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::connection;
use super::error::StoreError;
use super::statements::Prepare as _;
use crate::sqlite_file::wal::{FRAME_HEADER_LEN, HEADER_LEN};

/// Where the salts are in the header of the WAL. They change each time the WAL starts over.
const SALTS: u64 = 16;
type Salts = [u8; 8];

/// The pages that were changed, while anybody wants to know.
pub(super) struct ChangedPages {
    wal: PathBuf,
    watch: Mutex<Option<Watch>>,
}

struct Watch {
    pages: BTreeSet<u32>,
    /// How far the WAL was read: of which round, and how many frames.
    salts: Option<Salts>,
    frames: u64,
    /// Why it is not known any more which pages have changed.
    lost: Option<StoreError>,
}

impl ChangedPages {
    /// For a database that nobody watches yet.
    pub(super) fn of(database: &Path) -> Self {
        Self {
            wal: connection::wal_path(database),
            watch: Mutex::new(None),
        }
    }

    /// Begins to note pages. The caller has the only connection that changes rows, outside of a
    /// transaction.
    pub(super) fn begin(&self, writer: &Connection) -> Result<(), StoreError> {
        let (salts, frames) = (
            salts(&self.wal).map_err(|error| failed(&error))?,
            frames(writer)?,
        );
        *self.watch.lock() = Some(Watch {
            pages: BTreeSet::new(),
            salts,
            frames,
            lost: None,
        });
        Ok(())
    }

    /// Notes the pages of a commit, if they are wanted, before the next one.
    pub(super) fn after_commit(&self, writer: &Connection) {
        let mut watch = self.watch.lock();
        if let Some(watch) = watch.as_mut()
            && let Err(error) = watch.read_on(&self.wal, writer)
        {
            watch.lost.get_or_insert(error);
        }
    }

    /// The pages that were changed since the last time.
    pub(super) fn take(&self) -> Result<Vec<u32>, StoreError> {
        let mut watch = self.watch.lock();
        let watch = watch.as_mut().ok_or_else(not_watched)?;
        match &watch.lost {
            Some(error) => Err(error.clone()),
            None => Ok(std::mem::take(&mut watch.pages).into_iter().collect()),
        }
    }

    /// Has [`Self::take`] give these again.
    pub(super) fn put_back(&self, pages: &[u32]) {
        if let Some(watch) = self.watch.lock().as_mut() {
            watch.pages.extend(pages);
        }
    }

    /// Notes no more pages.
    pub(super) fn end(&self) {
        self.watch.lock().take();
    }
}

impl Watch {
    fn read_on(&mut self, wal: &Path, writer: &Connection) -> Result<(), StoreError> {
        let frames = frames(writer)?;
        let salts = salts(wal).map_err(|error| failed(&error))?;
        let from = if salts == self.salts { self.frames } else { 0 };
        for page in pages(wal, from..frames).map_err(|error| failed(&error))? {
            self.pages.insert(page);
        }
        (self.salts, self.frames) = (salts, frames);
        Ok(())
    }
}

fn not_watched() -> StoreError {
    StoreError::Statement("nobody has asked which pages change".to_owned())
}

/// Nothing that was acknowledged depends on it.
fn failed(error: &io::Error) -> StoreError {
    StoreError::Statement(format!("the WAL cannot be looked at: {error}"))
}

/// How many frames of the WAL count.
fn frames(writer: &Connection) -> Result<u64, StoreError> {
    let sql = "PRAGMA wal_checkpoint(NOOP)";
    let frames: i64 = writer.prepared(sql)?.query_row([], |row| row.get(1))?;
    Ok(u64::try_from(frames).unwrap_or(0))
}

fn salts(wal: &Path) -> io::Result<Option<Salts>> {
    let mut salts = Salts::default();
    let read = File::open(wal).and_then(|file| file.read_exact_at(&mut salts, SALTS));
    match read {
        Ok(()) => Ok(Some(salts)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The numbers of the pages in some frames.
fn pages(wal: &Path, frames: std::ops::Range<u64>) -> io::Result<Vec<u32>> {
    if frames.is_empty() {
        return Ok(Vec::new());
    }
    let file = File::open(wal)?;
    let mut size = [0; 4];
    file.read_exact_at(&mut size, 8)?;
    let frame = FRAME_HEADER_LEN as u64 + u64::from(u32::from_be_bytes(size));
    let page = |index: u64| {
        let mut number = [0; 4];
        file.read_exact_at(&mut number, HEADER_LEN as u64 + index * frame)?;
        Ok(u32::from_be_bytes(number))
    };
    frames.map(page).collect()
}
