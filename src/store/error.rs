//! What can go wrong in the store, sorted by what it means for the caller and for the process.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::privacy::NotPrivate;
use super::start::loss::Loss;
use crate::seal::SealError;

/// Why a read or a write did not happen. Nothing of a failed write is kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk.
    #[error("the disk is full")]
    Full,
    /// The writer has as much queued as it takes.
    #[error("the writer's queue is full")]
    Busy,
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
    /// A sync or a write failed: what the disk holds is unknown until the database is opened again.
    #[error("the disk failed, nothing is written until the server has been started again: {0}")]
    Disk(String),
    /// The database file or its WAL was removed or replaced: what is open is not what the next
    /// start finds.
    #[error("{0} while the server had it open; nothing is written any more")]
    Gone(String),
    /// The database is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A row does not say what it has to say; only what needs this row is lost.
    #[error("a row is damaged: {0}")]
    BadRow(String),
    /// The job panicked.
    #[error("a job panicked")]
    Panicked,
    /// A statement failed that cannot fail.
    #[error("the database refuses a statement: {0}")]
    Statement(String),
}

impl StoreError {
    /// Whether the store must not write any more, when a job fails so. Damage that a job meets is
    /// that job's alone: nothing of it is kept, and what lies elsewhere can be read and written as
    /// before.
    pub(super) const fn is_lasting(&self) -> bool {
        matches!(self, Self::Disk(_) | Self::Gone(_))
    }

    /// Whether the database is damaged where the job looked.
    pub(super) const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }

    /// Whether it must not write any more, when a transaction cannot begin or end so: then no write
    /// can.
    pub(super) const fn is_lasting_for_all(&self) -> bool {
        matches!(self, Self::Disk(_) | Self::Gone(_) | Self::Damaged(_))
    }

    /// Whether the process has to stay all the same: it alone has what was acknowledged.
    pub const fn keeps_the_process(&self) -> bool {
        matches!(self, Self::Gone(_))
    }
}

/// A row, or its absence, that is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotAsWritten(String);

impl NotAsWritten {
    /// A row of a table does not fit its hash.
    pub(super) fn changed(table: &str, address: Option<String>) -> Self {
        Self(format!(
            "a row of {table}{} is not as it was written",
            at(address)
        ))
    }

    /// One list of a table has a row that another has not.
    pub(super) fn lost(table: &str, address: Option<String>) -> Self {
        Self(format!(
            "two lists of {table} do not agree on whether there is a row{}",
            at(address)
        ))
    }

    /// A state does not fit its versions.
    pub(super) fn of_state(address: &str, why: &str) -> Self {
        Self(format!("the row of the state {address} cannot be: {why}"))
    }
}

fn at(address: Option<String>) -> String {
    address
        .map(|address| format!(" of {address}"))
        .unwrap_or_default()
}

impl From<NotAsWritten> for rusqlite::Error {
    fn from(error: NotAsWritten) -> Self {
        Self::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
    }
}

impl From<NotAsWritten> for StoreError {
    fn from(error: NotAsWritten) -> Self {
        Self::BadRow(error.0)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        use rusqlite::ffi;
        if let rusqlite::Error::FromSqlConversionFailure(_, _, source) = &error
            && let Some(found) = source.downcast_ref::<NotAsWritten>()
        {
            return Self::BadRow(found.to_string());
        }
        let is_without_room = is_without_room();
        let text = error.to_string();
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            // No room for the index of the WAL, which SQLite reports as a failure of its own kind.
            _ if extended == Some(ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            Some(Code::DiskFull) => Self::Full,
            Some(Code::SystemIoFailure)
                if is_without_room && extended == Some(ffi::SQLITE_IOERR_WRITE) =>
            {
                Self::Full
            }
            Some(Code::CannotOpen) if is_without_room => Self::Full,
            // There is nowhere to put a temporary file; nothing of ours was touched.
            _ if extended == Some(ffi::SQLITE_IOERR_GETTEMPPATH) => Self::Statement(text),
            Some(Code::SystemIoFailure | Code::CannotOpen | Code::ReadOnly) => Self::Disk(text),
            // Nothing that was written is too big: then the length that a row says is damaged.
            Some(Code::DatabaseCorrupt | Code::NotADatabase | Code::TooBig) => Self::Damaged(text),
            None if is_bad_row(&error) => Self::BadRow(text),
            _ => Self::Statement(text),
        }
    }
}

/// Whether the last call to the system that failed on this thread found no room.
///
/// SQLite reports a full disk only for ENOSPC. A quota (EDQUOT) and a limit on the size of files
/// (EFBIG) are a failed write to it, as a broken disk is. This tells them apart right after such a
/// report: the call that failed is the last one, or a later one found no room.
pub(super) fn is_without_room() -> bool {
    matches!(
        std::io::Error::last_os_error().kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

fn is_bad_row(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
    )
}

/// Why a data directory cannot be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Others could use the database's file, or own it.
    #[error(transparent)]
    NotPrivate(#[from] NotPrivate),
    /// The file is something else.
    #[error(
        "{0} is not a statekeep database; nothing was changed. Give --data a directory of its own"
    )]
    NotOurs(PathBuf),
    /// It is ours and cannot be read as it is.
    #[error(
        "{0} is damaged; nothing was changed. Copy the directory first. Then `statekeep salvage` \
            reads out all that can be read, and `statekeep restore` goes back to a backup"
    )]
    Damaged(PathBuf),
    /// Another program has it open, although it is only being made.
    #[error("{0} is used by another program; end that and start again")]
    Unfinished(PathBuf),
    /// Acknowledged writes are missing.
    #[error(transparent)]
    Loss(Box<Loss>),
    /// A restore was cut off here.
    #[error(
        "a restore into {} was cut off, or still runs: {remains} is there, and no database. \
            Nothing was changed. Run `statekeep restore FILE --data {}` again, which removes the \
            remains first; for a new and empty server, name another directory by --data",
        .dir.display(), .dir.display()
    )]
    BegunRestore {
        /// The directory.
        dir: PathBuf,
        /// What is there of it.
        remains: &'static str,
    },
    /// A newer version made it.
    #[error(
        "{path} was made by a newer statekeep (its schema is version {found}, this one knows \
            {known}); nothing was changed. Start that version again, or a newer one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// Another process has it open.
    #[error("{0} is in use by another process, perhaps under another name; stop that one first")]
    InUse(PathBuf),
    /// The key of the rows' hashes is not there, though the rows have hashes.
    #[error(
        "{0} is missing, so it cannot be told whether the rows are as they were written; nothing \
            was changed. Put the file back, from a backup; or, if it is lost, start once with \
            `statekeep serve --new-row-key`, which believes the rows as they stand"
    )]
    RowKeyMissing(PathBuf),
    /// The key of the rows' hashes is of other data.
    #[error(
        "{0} is not the key of this data, so it cannot be told whether the rows are as they were \
            written; nothing was changed. Put the file back that belongs to this database; or, if \
            it is lost, start once with `statekeep serve --new-row-key`, which believes the rows \
            as they stand"
    )]
    OtherRowKey(PathBuf),
    /// What should be a key is none.
    #[error(
        "{0} is damaged: it holds no key; nothing was changed. Put it back, from a backup; or, if \
            it is lost, remove it and start once with `statekeep serve --new-row-key`, which \
            believes the rows as they stand"
    )]
    NoRowKey(PathBuf),
    /// Content is sealed, and the storage key is not given.
    #[error(
        "the content is sealed by the storage key {mark}, {}; nothing was changed. Name the \
            file that holds it by STATEKEEP_STORAGE_KEY_FILE, or for `serve` by \
            --storage-key-file; without that key nothing can be read",
        if *.is_any_given { "which is none of those that are given" } else { "which is not given" }
    )]
    StorageKey {
        /// The mark of the key that is needed.
        mark: String,
        /// Whether other keys are given.
        is_any_given: bool,
    },
    /// A data key does not open, though its storage key is there.
    #[error(
        "the data key {number} in {} does not open: {error}; nothing was changed. Go back to a \
            backup by `statekeep restore`",
        .path.display()
    )]
    DataKeys {
        /// The database.
        path: PathBuf,
        /// The data key's number.
        number: u32,
        /// Why it does not open.
        error: SealError,
    },
    /// The file may not be written.
    #[error(
        "{0} cannot be written; check its owner and mode, and that its file system is not mounted \
            read-only"
    )]
    ReadOnly(PathBuf),
    /// No room.
    #[error(
        "there is no room left on the disk of {0}; nothing was lost. Free some and start again"
    )]
    Full(PathBuf),
    /// SQLite refuses it.
    #[error("{path} cannot be opened: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("the schema of {path} cannot be brought up to date: {reason}")]
    Migration {
        /// The file.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
    /// The rows cannot be given their hashes.
    #[error("the rows cannot be given their hashes, and nothing was changed: {0}")]
    Rows(String),
    /// A file operation failed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
