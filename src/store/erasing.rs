//! Taking what was removed out of the WAL, and statements that need a second database.
//!
//! In the file, SQLite overwrites what it frees (`secure_delete`). What it left where it moved rows
//! from page to page is overwritten by [`super::remains`].

use std::time::Duration;

use rusqlite::Connection;
use rusqlite::limits::Limit;

use super::connection::BUSY_TIMEOUT;

/// How long writers wait here for a reader that still needs a part of the WAL.
const PATIENCE: Duration = Duration::from_millis(50);

/// Does something that needs a second database for a moment, which is refused to everything else
/// that runs.
pub(super) fn with_second_database<T>(
    connection: &Connection,
    work: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let before = connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1)?;
    let done = work();
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, before)?;
    done
}

/// Moves the whole log into the file and cuts it to nothing; false while a reader still needs
/// something of it.
pub(super) fn truncate_wal(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(PATIENCE)?;
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get::<_, bool>(0)
    });
    connection.busy_timeout(BUSY_TIMEOUT)?;
    is_busy.map(|is_busy| !is_busy)
}
