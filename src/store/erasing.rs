//! Taking what was removed off the disk: out of the database file, its free pages and its write-ahead log.
//!
//! SQLite overwrites what it frees (`secure_delete`), but copies that it left where rows were moved from page to page may stay in the gaps of pages.
//! So the file is written anew, with nothing in it but what rows have, and the log is cut to nothing after that.

use std::time::Duration;

use rusqlite::Connection;
use rusqlite::limits::Limit;

use super::connection::BUSY_TIMEOUT;
use super::error::StoreError;

/// How long writers wait here for a reader who still needs something of the log.
const PATIENCE: Duration = Duration::from_millis(250);

/// Does something that needs a second database for a moment, which is refused to whatever else is run.
pub(super) fn with_second_database<T>(connection: &Connection, work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let before = connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1)?;
    let done = work();
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, before)?;
    done
}

/// Writes the whole file anew. Needs room for it twice, in the data directory and where temporary files are.
pub(super) fn rewrite(connection: &Connection) -> Result<(), StoreError> {
    // It may be larger than the memory of the machine.
    connection.pragma_update(None, "temp_store", "FILE")?;
    let done = with_second_database(connection, || connection.execute_batch("VACUUM"));
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(done?)
}

/// Moves the whole log into the file and cuts it to nothing; false while a reader still needs something of it.
pub(super) fn empty_log(connection: &Connection) -> Result<bool, StoreError> {
    connection.busy_timeout(PATIENCE)?;
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(!is_busy?)
}
