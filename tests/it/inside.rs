//! A look into the database behind the server's back, to see how something is kept. Tests of what
//! clients see do not need it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::harness::{PATIENCE, eventually_within};

/// A connection that only reads, beside a running server.
pub fn open(data: &Path) -> Connection {
    let connection =
        Connection::open_with_flags(data.join("statekeep.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)
            .expect("the database");
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .expect("a connection");
    connection
}

/// One number that the database answers.
pub fn number(data: &Path, sql: &str) -> i64 {
    open(data)
        .query_row(sql, [], |row| row.get(0))
        .expect("a number")
}

/// Waits until all states are compacted: versions have their counts, and those before the current
/// one the frames that they keep.
pub fn compacted(data: &Path) {
    // The thread that does it has the lowest priority: beside others that never rest it gets next
    // to nothing.
    let connection = open(data);
    eventually_within(5 * PATIENCE, "all states are compacted", || {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM states WHERE compacted_up_to < current)";
        connection.query_row(sql, [], |row| row.get(0)) == Ok(true)
    });
}

/// How many bytes the frames of all versions take, one that two versions share for each.
pub fn stored_bytes(data: &Path) -> i64 {
    let sql = "SELECT sum(b.stored) FROM versions v JOIN blobs b ON b.id = v.blob_id";
    number(data, sql)
}

/// How many deltas lie between each blob and one that is stored in full, at most. Fails when one is
/// its own delta base.
pub fn most_steps(data: &Path) -> i64 {
    let sql = "WITH RECURSIVE way (at, steps) AS (SELECT id, 0 FROM blobs UNION ALL \
               SELECT b.base, steps + 1 FROM way JOIN blobs b ON b.id = at WHERE b.base IS NOT \
               NULL AND steps < 100) SELECT max(steps) FROM way";
    number(data, sql)
}
