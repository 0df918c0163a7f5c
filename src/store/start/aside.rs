//! A WAL that is given up stays in the directory under another name, so that it can still be read.

use std::fs::File;
use std::io::{self, ErrorKind};

use super::files::DatabaseFiles;
use crate::model::clock;

/// How the names of kept WALs begin.
pub(in crate::store) const KEPT: &str = "statekeep.db.lost-wal-";

/// Keeps the WAL aside: instead of the one that SQLite reads, or a copy of it.
pub(super) fn keep_wal(files: &DatabaseFiles<'_>, instead: bool) -> io::Result<()> {
    let has_bytes = match std::fs::metadata(files.wal) {
        Ok(found) => found.len() > 0,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if !has_bytes {
        return Ok(());
    }
    let kept = files.dir.join(format!("{KEPT}{}", clock::now().millis()));
    if instead {
        std::fs::rename(files.wal, &kept)?;
    } else {
        std::fs::copy(files.wal, &kept)?;
        File::open(&kept)?.sync_all()?;
    }
    tracing::warn!(file = %kept.display(), "the WAL is kept under this name");
    File::open(files.dir)?.sync_all()
}
