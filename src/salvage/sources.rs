//! Where the database and its log are: in a directory, beside a file, or held by a process whose
//! files were removed. They are opened for reading alone, and nothing is locked.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The database in a data directory.
const DATABASE: &str = "statekeep.db";
/// What is added to a database's path for its log.
const LOG: &str = "-wal";
/// What Linux adds to the path of a file that was removed.
const REMOVED: &str = " (deleted)";

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Neither a database nor its log is there.
    #[error(
        "there is neither a statekeep.db nor a statekeep.db-wal in {0}; give the data directory, \
            a database file or its -wal file"
    )]
    Nothing(PathBuf),
    /// The process has no database open.
    #[error(
        "process {0} has no statekeep.db open; give the process id of the running `statekeep serve`"
    )]
    NotInProcess(u32),
    /// The system refuses.
    #[error("{}: {source}; check that it is there and that this user may read it", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The files that are read. At least one is there.
#[derive(Debug)]
pub struct DamagedFiles {
    /// The database.
    pub database: Option<File>,
    /// Its write-ahead log.
    pub log: Option<File>,
}

impl DamagedFiles {
    /// What is at a path: a data directory, a database, or a log alone.
    pub fn at(path: &Path) -> Result<Self, SourceError> {
        let failed = |source| SourceError::File {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            return Self::of(&path.join(DATABASE), path);
        }
        if path.as_os_str().as_bytes().ends_with(LOG.as_bytes()) {
            return Self::found(None, open(path)?, path);
        }
        Self::of(path, path)
    }

    fn of(database: &Path, asked: &Path) -> Result<Self, SourceError> {
        let mut log = database.as_os_str().to_owned();
        log.push(LOG);
        Self::found(open(database)?, open(Path::new(&log))?, asked)
    }

    /// What a process holds open, also when its files were removed or replaced.
    pub fn of_process(pid: u32) -> Result<Self, SourceError> {
        let dir = PathBuf::from(format!("/proc/{pid}/fd"));
        let failed = |source| SourceError::File {
            path: dir.clone(),
            source,
        };
        let (mut database, mut log) = (None, None);
        for entry in std::fs::read_dir(&dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            // A descriptor may be closed meanwhile.
            let Ok(target) = std::fs::read_link(&path) else {
                continue;
            };
            let target = still_named(target);
            let slot = if target.ends_with(DATABASE) {
                &mut database
            } else if target.ends_with([DATABASE, LOG].concat()) {
                &mut log
            } else {
                continue;
            };
            if slot.is_none() {
                *slot = open(&path)?;
            }
        }
        if database.is_none() && log.is_none() {
            return Err(SourceError::NotInProcess(pid));
        }
        Ok(Self { database, log })
    }

    fn found(database: Option<File>, log: Option<File>, asked: &Path) -> Result<Self, SourceError> {
        if database.is_none() && log.is_none() {
            return Err(SourceError::Nothing(asked.to_owned()));
        }
        Ok(Self { database, log })
    }
}

/// The path that a removed file had.
fn still_named(target: PathBuf) -> PathBuf {
    let bytes = target.into_os_string().into_vec();
    let name = bytes.strip_suffix(REMOVED.as_bytes()).unwrap_or(&bytes);
    OsString::from_vec(name.to_vec()).into()
}

/// Opens a file that can be read at any offset; none if there is none, or nothing in it.
fn open(path: &Path) -> Result<Option<File>, SourceError> {
    let failed = |source| SourceError::File {
        path: path.to_owned(),
        source,
    };
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() && found.len() > 0 => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    File::open(path).map(Some).map_err(failed)
}
