//! Connections to SQLite: how each is set up, and what is refused before one is made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::error::{OpenError, is_without_room};
use super::privacy::see_to_file;
use super::start::header::APPLICATION_ID;
use crate::sabotage::{self, Fault};

/// How long a connection waits for another's lock; backup tools such as Litestream take one now and
/// then.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The WAL's file is cut back to this size after that.
const WAL_LIMIT: u32 = 64 * 1024 * 1024;
/// Page cache of the connection that writes, in KiB.
const WRITER_CACHE_KIB: i32 = 2_048;
/// Page cache of each connection that reads, in KiB: there are several, and the system has the
/// file's pages in memory anyway.
const READER_CACHE_KIB: i32 = 256;
/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 128;

/// Each commit is synced before it is answered.
fn synchronous() -> &'static str {
    if sabotage::is(Fault::SkipSync) {
        "NORMAL"
    } else {
        "FULL"
    }
}

/// Where a database file's WAL is.
pub(super) fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Where the index of the WAL is.
fn shm_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-shm");
    name.into()
}

/// Opens the connection that writes. It is known that the file is ours, or there is none, or an
/// empty one, which becomes ours. Until [`use_wal`], nothing of a new one is synced: whoever makes
/// it does that when it is whole.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
    for file in [path.to_owned(), wal_path(path), shm_path(path)] {
        see_to_file(&file)?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set_up = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        prepare(&connection, WRITER_CACHE_KIB)?;
        // A file that turns out to be too new has to stay as it is, and so does its WAL.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        if is_new {
            connection.pragma_update(None, "synchronous", "OFF")?;
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        Ok(connection)
    };
    let connection = set_up().map_err(|source| explain(path, source))?;
    if connection.is_readonly(rusqlite::MAIN_DB).unwrap_or(true) {
        return Err(OpenError::ReadOnly(path.to_owned()));
    }
    Ok(connection)
}

/// Turns the writing connection to WAL mode, once the file is known to be one that this
/// version may change.
pub(super) fn use_wal(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let set_up = || -> rusqlite::Result<()> {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous())?;
        connection.pragma_update(None, "secure_delete", true)?;
        // Checkpoints are made after answers, by `checkpoint`.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "journal_size_limit", WAL_LIMIT)
    };
    set_up().map_err(|source| explain(path, source))
}

/// Opens the connection that moves the WAL into the file, beside the one that writes.
pub(super) fn open_mover(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set_up = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        prepare(&connection, READER_CACHE_KIB)?;
        // The WAL is synced before any of it is moved, and the file before the WAL may start over.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        // The writer's is the last to close.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(connection)
    };
    set_up().map_err(|source| explain(path, source))
}

/// Opens a connection that can only read.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set_up = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        prepare(&connection, READER_CACHE_KIB)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    set_up().map_err(|source| explain(path, source))
}

fn prepare(connection: &Connection, cache_kib: i32) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Plans do not depend on the values that are bound: otherwise joins are compiled again for each
    // of them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    // What one job may have to undo is kept in memory: the pages that it changes, and no bytes of
    // states.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Gives back the memory of pages and statements that a connection keeps to be faster next time.
pub(super) fn give_back_memory(connection: &Connection) {
    connection.flush_prepared_statement_cache();
    // Only a favour to others: a connection that keeps its memory is as good.
    let _ = connection.execute_batch("PRAGMA shrink_memory");
}

/// The meaning of an error of SQLite for a person who starts the server.
pub(super) fn explain(path: &Path, source: rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode as Code;
    let is_without_room = is_without_room();
    match source.sqlite_error_code() {
        Some(Code::ReadOnly) => OpenError::ReadOnly(path.to_owned()),
        Some(Code::DiskFull) => OpenError::Full(path.to_owned()),
        Some(Code::NotADatabase | Code::DatabaseCorrupt) => OpenError::Damaged(path.to_owned()),
        Some(Code::SystemIoFailure | Code::CannotOpen) if is_without_room => {
            OpenError::Full(path.to_owned())
        }
        _ => OpenError::Database {
            path: path.to_owned(),
            source,
        },
    }
}
