//! Taking what was removed off the disk: out of the database file, its free pages and its
//! WAL.
//!
//! SQLite overwrites what it frees (`secure_delete`), but copies that it left where rows were moved
//! from page to page may stay in the gaps of pages. So the file is written again with nothing in it
//! but what rows have, and then the WAL is emptied.

use std::path::Path;
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::{Connection, ffi};

use super::checkpoint::Room;
use super::connection::BUSY_TIMEOUT;
use super::error::StoreError;

/// How long writers wait here for a reader that still needs a part of the WAL.
const PATIENCE: Duration = Duration::from_millis(250);

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

/// Writes the whole file again. Needs room for it twice beside itself, all of it in the data
/// directory: for the new one, which is a temporary file there, and for the WAL through which that
/// becomes the database.
///
/// An error is this attempt's alone, unless a sync failed: what it wrote is undone, and nothing
/// that was acknowledged is touched.
pub(super) fn vacuum(
    connection: &Connection,
    temporary: &Path,
    room: &Room,
) -> Result<(), StoreError> {
    // Less than half of what it takes: it would only be found out after writers have waited for
    // long.
    if !room.is_at_least(content(connection)?) {
        return Err(StoreError::Full);
    }
    // It may be larger than the memory of the machine, and the data directory is the only one that
    // can be written for certain. A path that is no UTF-8 cannot be said in SQL: then it is the
    // system's, if there is one.
    if let Some(directory) = temporary.to_str() {
        connection.pragma_update(None, "temp_store_directory", directory)?;
    }
    connection.pragma_update(None, "temp_store", "FILE")?;
    let done = with_second_database(connection, || connection.execute_batch("VACUUM"));
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    done.map_err(|error| explain(connection, error))
}

/// How many bytes of the file hold something.
fn content(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| {
        connection.pragma_query_value(None, name, |row| {
            crate::store::tables::rows::unsigned(row, 0)
        })
    };
    Ok(pragma("page_size")? * (pragma("page_count")?.saturating_sub(pragma("freelist_count")?)))
}

/// What it means that the file could not be vacuumed: where nothing is left of the attempt, no
/// more than that, for any reason: no temporary file, a page that cannot be read. A later
/// attempt, and each write, finds the database as it was before.
fn explain(connection: &Connection, error: rusqlite::Error) -> StoreError {
    const SYNCS: [i32; 2] = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
    let code = error.sqlite_error().map(|error| error.extended_code);
    let is_undone = connection.is_autocommit() && code.is_none_or(|code| !SYNCS.contains(&code));
    let text = error.to_string();
    let error = StoreError::from(error);
    if is_undone && error.is_lasting_for_all() {
        return StoreError::Statement(format!("the file cannot be vacuumed: {text}"));
    }
    error
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::store::connection;

    /// The same numbers each time, as good as random.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 33).unwrap() % sides
        }

        fn bytes(&mut self) -> Vec<u8> {
            (0..100 + self.roll(1_400))
                .map(|_| u8::try_from(self.roll(256)).unwrap())
                .collect()
        }
    }

    /// Adds, changes and removes rows at random; what was in rows and is not any more.
    fn live_a_while(connection: &Connection) -> Vec<Vec<u8>> {
        let (mut dice, mut live, mut gone) = (
            Dice(2_463_534_242),
            Vec::<(i64, Vec<u8>)>::new(),
            Vec::new(),
        );
        for id in 0..8_000 {
            let (bytes, kind) = (dice.bytes(), dice.roll(20));
            if kind < 9 || live.is_empty() {
                connection
                    .prepare_cached("INSERT INTO t VALUES (?1, ?2)")
                    .unwrap()
                    .execute(rusqlite::params![id, bytes])
                    .unwrap();
                live.push((id, bytes));
                continue;
            }
            let which = dice.roll(live.len());
            if kind < 15 {
                let row = &mut live[which];
                connection
                    .prepare_cached("UPDATE t SET frame = ?2 WHERE id = ?1")
                    .unwrap()
                    .execute(rusqlite::params![row.0, bytes])
                    .unwrap();
                gone.push(std::mem::replace(&mut row.1, bytes));
            } else {
                let (id, bytes) = live.swap_remove(which);
                connection
                    .prepare_cached("DELETE FROM t WHERE id = ?1")
                    .unwrap()
                    .execute([id])
                    .unwrap();
                gone.push(bytes);
            }
        }
        gone
    }

    /// Whether any sixteen bytes of what went are still in a file.
    fn holds_any(file: &std::path::Path, gone: &[Vec<u8>]) -> bool {
        let parts: HashSet<&[u8]> = gone
            .iter()
            .flat_map(|bytes| bytes.chunks_exact(16))
            .collect();
        std::fs::read(file)
            .unwrap()
            .windows(16)
            .any(|window| parts.contains(window))
    }

    #[test]
    fn only_a_file_that_is_written_anew_holds_no_copies_of_what_went() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("statekeep.db");
        let connection = connection::open_writer(&path).unwrap();
        connection::use_wal(&connection, &path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, frame BLOB) STRICT; \
            PRAGMA synchronous = OFF",
            )
            .unwrap();
        let gone = live_a_while(&connection);
        assert!(truncate_wal(&connection).unwrap());
        assert!(holds_any(&path, &gone), "otherwise it need not be vacuumed");
        vacuum(&connection, dir.path(), &Room::of(&path)).unwrap();
        assert!(truncate_wal(&connection).unwrap());
        assert!(!holds_any(&path, &gone));
    }
}
