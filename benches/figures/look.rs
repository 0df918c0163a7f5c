//! A look into the database, beside the server that writes it or after it has left.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use statekeep::store::FILE_NAME;

use crate::Res;

/// How often it is looked whether everything is compacted or indexed, and for how long at most.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const COMPACTED_WITHIN: Duration = Duration::from_mins(10);

/// How many steps each blob is away from one that is stored in full. One that none of these leads
/// to has no row.
const STEPS: &str = "WITH RECURSIVE away (id, steps) AS (SELECT id, 0 FROM blobs WHERE base IS \
    NULL \
    UNION ALL SELECT b.id, a.steps + 1 FROM away a JOIN blobs b ON b.base = a.id)";

/// A connection that only reads.
pub(crate) struct Look(Connection);

impl Look {
    pub(crate) fn into(data: &Path) -> Res<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Self(Connection::open_with_flags(
            data.join(FILE_NAME),
            flags,
        )?))
    }

    /// How many bytes of the database are in use: its pages but those that are free, with all rows
    /// and indexes.
    pub(crate) fn bytes_in_use(&self) -> Res<f64> {
        let sql = "SELECT CAST((page_count - freelist_count) * page_size AS REAL) FROM \
            pragma_page_count, pragma_freelist_count, pragma_page_size";
        Ok(self.0.query_row(sql, [], |row| row.get(0))?)
    }

    /// How many versions have been written and are not compacted.
    pub(crate) fn uncompacted(&self) -> Res<f64> {
        let sql = "SELECT CAST(coalesce(sum(current - compacted_up_to), 0) AS REAL) \
            FROM states WHERE compacted_up_to < current";
        Ok(self.0.query_row(sql, [], |row| row.get(0))?)
    }

    /// Waits until no version is uncompacted, and says for how many seconds.
    pub(crate) fn wait_until_compacted(&self) -> Res<f64> {
        let began = Instant::now();
        while self.uncompacted()? > 0.5 {
            if began.elapsed() > COMPACTED_WITHIN {
                return Err("versions are still not compacted".into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(began.elapsed().as_secs_f64())
    }

    /// Waits until every state can be found.
    pub(crate) fn wait_until_indexed(&self) -> Res<()> {
        let began = Instant::now();
        let sql = "SELECT EXISTS (SELECT 1 FROM pending_words)";
        while self.0.query_row(sql, [], |row| row.get::<_, bool>(0))? {
            if began.elapsed() > COMPACTED_WITHIN {
                return Err("states are still not indexed".into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// How many steps each version is away from a frame that is stored in full, the first version
    /// first.
    pub(crate) fn steps(&self) -> Res<Vec<u32>> {
        let sql = format!(
            "{STEPS} SELECT a.steps FROM versions v LEFT JOIN away a ON a.id = v.blob_id ORDER BY \
                v.state_id, v.number"
        );
        let mut statement = self.0.prepare(&sql)?;
        Ok(statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?)
    }
}
