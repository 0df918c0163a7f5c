//! Verbs that keep the event log within its bounds: counting rows, finding the oldest of a state,
//! and removing rows.
//!
//! The newest row always stays, so that no place in the log is given twice.

use rusqlite::{Row, params};

use crate::model::clock::Timestamp;
use crate::model::event_class::{EventClass, EventCount, EventShare};
use crate::store::error::StoreError;
use crate::store::tables::event_gaps::RemovedEvent;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

pub(super) fn share(row: &Row<'_>) -> rusqlite::Result<EventShare> {
    Ok(EventShare {
        workspace: row.get(0)?,
        block: row.get(1)?,
    })
}

impl View<'_> {
    /// The first and the last place in the log; none in an empty one. There are no more rows than
    /// places between them.
    pub fn event_places(&self) -> Result<Option<(u64, u64)>, StoreError> {
        let sql = "SELECT (SELECT min(seq) FROM events), (SELECT max(seq) FROM events)";
        self.only(sql, [], |row| {
            Ok(rows::maybe_unsigned(row, 0)?.zip(rows::maybe_unsigned(row, 1)?))
        })
    }

    /// How many rows each state has, of one class. All are looked at, in an index but for fresh
    /// ones.
    pub fn count_events(&self, class: EventClass) -> Result<Vec<EventCount>, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(EventCount {
                of: share(row)?,
                class,
                rows: rows::unsigned(row, 2)?,
            })
        };
        match class {
            EventClass::Ordinary => {
                // What is lasting is taken off again, since this index does not tell them apart. No
                // row that damage keeps out of it makes a count that keeps others from going.
                let sql = "SELECT workspace, building_block, max(sum(rows), 0) FROM (\
                 SELECT workspace, building_block, count(*) AS rows FROM events INDEXED BY \
                 events_state WHERE fresh IS NULL GROUP BY workspace, building_block UNION ALL \
                 SELECT workspace, building_block, count(*) FROM events NOT INDEXED WHERE \
                 seq >= ?1 AND fresh = 1 GROUP BY workspace, building_block UNION ALL \
                 SELECT workspace, building_block, -count(*) FROM events INDEXED BY \
                 events_lasting WHERE lasting = 1 GROUP BY workspace, building_block) \
                 GROUP BY workspace, building_block";
                self.all(sql, [self.first_fresh()?], read)
            }
            EventClass::Lasting => {
                let sql = "SELECT workspace, building_block, count(*) FROM events INDEXED BY \
                 events_lasting WHERE lasting = 1 GROUP BY workspace, building_block";
                self.all(sql, [], read)
            }
        }
    }

    /// The same of the rows behind a place. Only these are looked at.
    pub fn count_events_after(&self, place: u64) -> Result<Vec<EventCount>, StoreError> {
        let sql = "SELECT workspace, building_block, lasting IS 1, count(*) FROM events NOT \
            INDEXED WHERE seq > ?1 GROUP BY 1, 2, 3";
        self.all(sql, [place.cast_signed()], |row| {
            let is_lasting: bool = row.get(2)?;
            Ok(EventCount {
                of: share(row)?,
                class: EventClass::of(is_lasting),
                rows: rows::unsigned(row, 3)?,
            })
        })
    }

    /// The oldest rows of a state, at most so many, but for the newest of the log.
    pub fn oldest_events(
        &self,
        of: &EventShare,
        class: EventClass,
        limit: u64,
    ) -> Result<Vec<u64>, StoreError> {
        let read = |row: &Row<'_>| rows::unsigned(row, 0);
        let (workspace, block, limit) = (&of.workspace, &of.block, limit.cast_signed());
        match class {
            EventClass::Ordinary => {
                let sql = "SELECT seq FROM events INDEXED BY events_state WHERE fresh IS NULL \
                 AND workspace IS ?1 AND building_block IS ?2 AND lasting IS NULL AND seq < \
                 (SELECT max(seq) FROM events) UNION ALL SELECT seq FROM events NOT INDEXED \
                 WHERE seq >= ?4 AND fresh = 1 AND workspace IS ?1 AND building_block IS ?2 \
                 AND lasting IS NULL AND seq < (SELECT max(seq) FROM events) ORDER BY seq LIMIT ?3";
                let fresh = self.first_fresh()?;
                self.all(sql, params![workspace, block, limit, fresh], read)
            }
            EventClass::Lasting => {
                let sql = "SELECT seq FROM events INDEXED BY events_lasting WHERE workspace IS ?1 \
                 AND building_block IS ?2 AND lasting = 1 AND seq < (SELECT max(seq) FROM events) \
                 ORDER BY seq LIMIT ?3";
                self.all(sql, params![workspace, block, limit], read)
            }
        }
    }
}

impl Tx<'_> {
    /// Removes lasting events that last happened before a time, at most `limit` of them, and says
    /// whose they were.
    pub fn remove_lasting_events(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<EventShare>, StoreError> {
        // Without the `+`, SQLite looks for them by their places, among all events.
        let sql = "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < ?1 AND \
            last_at < ?1 AND lasting = 1 AND +seq < (SELECT max(seq) FROM events) LIMIT ?2) \
            RETURNING workspace, building_block, seq, chain";
        let mut removed = Vec::new();
        let shares = self.all(sql, params![before.millis(), limit], |row| {
            removed.push((row.get(2)?, row.get(3)?));
            share(row)
        })?;
        self.note_removed(removed)?;
        Ok(shares)
    }

    /// Removes the events at these places, and says how many there were.
    pub fn remove_events_at(&self, places: &[u64]) -> Result<usize, StoreError> {
        let mut removed: Vec<RemovedEvent> = Vec::new();
        for place in places {
            let sql = "DELETE FROM events WHERE seq = ?1 RETURNING seq, chain";
            let gone = self.one(sql, [place.cast_signed()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            removed.extend(gone);
        }
        let count = removed.len();
        self.note_removed(removed)?;
        Ok(count)
    }
}
