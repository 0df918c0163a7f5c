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
/// How the names of copies from before an upgrade begin, and how one ends that was cut off.
const COPY: &str = "statekeep.db.schema-";
const PARTIAL: &str = ".partial";
/// How the names of logs begin that a person gave up.
const LOST_LOG: &str = "statekeep.db.lost-wal-";
/// What Linux adds to the path of a file that was removed.
const REMOVED: &str = " (deleted)";

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Neither a database nor its log is there, but perhaps these files.
    #[error(
        "there is neither a statekeep.db nor a statekeep.db-wal in {}; give the data directory, \
            a database file or its -wal file{}", .0.display(), also(.1)
    )]
    Nothing(PathBuf, Vec<PathBuf>),
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
        if is_log(path) {
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
            return Err(SourceError::Nothing(asked.to_owned(), files_beside(asked)));
        }
        Ok(Self { database, log })
    }
}

/// Other files of a data directory that hold states and are salvaged one by one: copies from before
/// an upgrade, and logs that a person gave up. They are of an earlier time, so they are never mixed
/// with the database.
pub fn files_beside(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let is_one = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        let begins = |begin: &str| name.as_bytes().starts_with(begin.as_bytes());
        let is_whole = !name.as_bytes().ends_with(PARTIAL.as_bytes());
        is_whole && (begins(COPY) || begins(LOST_LOG))
    };
    let mut files: Vec<PathBuf> = entries.filter(is_one).map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Whether a file is a log, by its name.
fn is_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.ends_with(LOG.as_bytes()) || name.starts_with(LOST_LOG.as_bytes())
}

/// How to salvage other files, as the end of a sentence.
fn also(files: &[PathBuf]) -> String {
    let lines = files.iter().map(|file| {
        let file = file.display();
        format!("\n  {file} is there, of an earlier time: statekeep salvage {file} OUT")
    });
    lines.collect()
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
