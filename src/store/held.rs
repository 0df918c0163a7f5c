//! The files that this process has open, told apart from what their names lead to.
//!
//! A file that is removed or replaced lives on for the process that has it open. Commits into it
//! would be acknowledged, and gone when the process ends. So each commit is compared: the name must
//! still lead to the file that is open.
//!
//! A descriptor of the database file is held from before SQLite opens the file until after SQLite
//! has closed it. To close one earlier would drop SQLite's locks on the file. The same descriptor
//! carries a lock of its own, which a second server meets under any name of the file.

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rusqlite::Connection;

use super::connection;
use super::error::{OpenError, StoreError};
use crate::sabotage::{self, Fault};

/// The database file and its WAL, as they were opened.
#[derive(Debug)]
pub(super) struct HeldFiles {
    database: HeldFile,
    wal_path: PathBuf,
    /// SQLite makes it when it first reads.
    wal: OnceLock<HeldFile>,
    /// What was found at the first look that found one of them gone.
    gone: OnceLock<String>,
}

#[derive(Debug)]
struct HeldFile {
    path: PathBuf,
    file: File,
    id: FileId,
}

/// The identity of a file, under any name. No other file has the same while this one is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
        }
    }
}

impl HeldFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            id: FileId::of(&file.metadata()?),
            file,
        })
    }

    /// What became of the name, if it does not lead to this file any more. A look that fails for
    /// another reason says nothing about the file.
    fn what_became(&self) -> Option<&'static str> {
        match std::fs::metadata(&self.path) {
            Ok(found) if FileId::of(&found) == self.id => None,
            Ok(_) => Some("replaced by another file"),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Some("removed or renamed")
            }
            Err(_) => None,
        }
    }

    /// Where the file can still be read while this process lives.
    fn way_in(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

impl HeldFiles {
    /// Holds and locks the database file, which is there. SQLite has not opened it yet.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::File {
            path: path.to_owned(),
            source,
        };
        let database = HeldFile::open(path).map_err(failed)?;
        match database.file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            // The lock file has been locked in the same directory: this is one more guard, on file
            // systems that offer it.
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, "the database file cannot be locked");
            }
        }
        Ok(Self {
            database,
            wal_path: connection::wal_path(path),
            wal: OnceLock::new(),
            gone: OnceLock::new(),
        })
    }

    /// Holds the WAL too, which SQLite has opened by now.
    pub(super) fn take_wal(&self) {
        if self.wal.get().is_none()
            && let Ok(wal) = HeldFile::open(&self.wal_path)
        {
            let _ = self.wal.set(wal);
        }
    }

    /// Fails once a name leads to another file than the one that is open, and from then on. The
    /// first failure is logged.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if sabotage::is(Fault::HeldFiles) {
            return Ok(());
        }
        if self.gone.get().is_none() {
            let files = [Some(&self.database), self.wal.get()];
            let found = files
                .into_iter()
                .flatten()
                .find_map(|file| Some((file, file.what_became()?)));
            let Some((file, what)) = found else {
                return Ok(());
            };
            let text = format!("{} was {what}", file.path.display());
            if self.gone.set(text).is_ok() {
                self.log();
            }
        }
        Err(StoreError::Gone(
            self.gone.get().cloned().unwrap_or_default(),
        ))
    }

    /// Opens a connection that only reads: the files that are held, and no others of their names.
    pub(super) fn open_reader(&self, path: &Path) -> Result<Connection, StoreError> {
        self.check()?;
        let connection =
            connection::open_reader(path).map_err(|error| StoreError::Disk(error.to_string()))?;
        self.check()?;
        Ok(connection)
    }

    fn log(&self) {
        let what = self.gone.get().map_or("", String::as_str);
        let (pid, database) = (std::process::id(), self.database.way_in());
        let wal = self.wal.get().map(HeldFile::way_in).unwrap_or_default();
        tracing::error!(
            pid,
            database,
            wal,
            "{what} while the server had it open. Nothing is written any more. LEAVE THIS PROCESS \
                RUNNING: all that was acknowledged is in the files that it holds, and is gone \
                when it ends. Save them first: `statekeep salvage --pid {pid} OUT`, or copy \
                {database} to OUT/statekeep.db and {wal} to OUT/statekeep.db-wal, and \
                statekeep.rowkey beside them"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_gone_once_it_is_removed_renamed_or_replaced_and_stays_so() {
        let acts: [fn(&Path); 3] = [
            |path| std::fs::remove_file(path).unwrap(),
            |path| std::fs::rename(path, path.with_extension("old")).unwrap(),
            |path| {
                std::fs::write(path.with_extension("other"), "b").unwrap();
                std::fs::rename(path.with_extension("other"), path).unwrap();
            },
        ];
        for name in ["statekeep.db", "statekeep.db-wal"] {
            for act in acts {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("statekeep.db");
                std::fs::write(&path, "a").unwrap();
                std::fs::write(dir.path().join("statekeep.db-wal"), "a").unwrap();
                let held = HeldFiles::take(&path).unwrap();
                held.take_wal();
                std::fs::write(&path, "changed in place").unwrap();
                held.check().unwrap();
                act(&dir.path().join(name));
                assert!(matches!(held.check(), Err(StoreError::Gone(_))));
                let old = dir.path().join(name).with_extension("old");
                let _ = std::fs::rename(&old, dir.path().join(name));
                assert!(matches!(held.check(), Err(StoreError::Gone(_))));
            }
        }
    }

    #[test]
    fn a_file_that_is_held_is_held_under_each_of_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a.db"), dir.path().join("b.db"));
        std::fs::write(&path, "a").unwrap();
        std::fs::hard_link(&path, &other).unwrap();
        let held = HeldFiles::take(&path).unwrap();
        assert!(matches!(HeldFiles::take(&other), Err(OpenError::InUse(_))));
        drop(held);
        HeldFiles::take(&other).unwrap();
    }
}
