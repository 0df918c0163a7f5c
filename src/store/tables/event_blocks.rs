//! Verbs on the blocks of the event log: 1,024 places each, with the times that are among them.
//!
//! Triggers keep them, so they are true even where a clock was set back. The newest places have no
//! block yet; what is asked of them is asked of their rows.

use rusqlite::params;

use crate::model::clock::Timestamp;
use crate::model::event_class::EventShare;
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::event_bounds::share;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

/// How many places a block has.
pub(super) const BLOCK: i64 = 1_024;
/// An event goes into the indexes by state and by actor with the others of its run of so many
/// places, once an event is behind them: a trigger sees to it. Until then it is fresh.
const RUN: i64 = 128;
/// How many blocks are looked at for old events in one step.
const MAX_BLOCKS: u32 = 64;

/// Ordinary events that are too old, in some blocks.
#[derive(Debug, Default)]
pub struct OldEvents {
    /// Their places, each with whose event it is.
    pub places: Vec<(EventShare, u64)>,
    /// The blocks that have no ordinary events without them.
    pub swept: Vec<i64>,
    /// From which block on there may be more.
    pub next: Option<i64>,
}

impl View<'_> {
    /// The newest time in the event log, and so of everything that was ever done; none when nothing
    /// was.
    pub fn newest_time(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT max(at) FROM (SELECT max(last_at) AS at FROM event_blocks UNION ALL \
            SELECT max(last_at) FROM events NOT INDEXED WHERE seq >= ?1)";
        let newest = self.newest_block()? * BLOCK;
        self.only(sql, [newest], |row| rows::maybe_time(row, 0))
    }

    /// The first block that may have events which happened since a time.
    pub(super) fn first_block_since(&self, since: Timestamp) -> Result<i64, StoreError> {
        let sql = "SELECT block FROM event_blocks WHERE last_at >= ?1 ORDER BY block LIMIT 1";
        let found = self.one(sql, [since.millis()], |row| row.get(0))?;
        match found {
            Some(block) => Ok(block),
            None => self.newest_block(),
        }
    }

    /// The last block that may have events which happened until a time; none where none has.
    pub(super) fn last_block_until(&self, until: Timestamp) -> Result<Option<i64>, StoreError> {
        let newest = self.newest_block()?;
        let sql = "SELECT 1 FROM events NOT INDEXED WHERE seq >= ?1 AND at < ?2 LIMIT 1";
        if self.exists(sql, params![newest * BLOCK, until.millis()])? {
            return Ok(Some(newest));
        }
        let sql = "SELECT block FROM event_blocks WHERE first_at < ?1 ORDER BY block DESC LIMIT 1";
        self.one(sql, [until.millis()], |row| row.get(0))
    }

    /// From which place on events may be fresh.
    pub(super) fn first_fresh(&self) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(max(seq), 0) FROM events";
        self.only(sql, [], |row| Ok(row.get::<_, i64>(0)? / RUN * RUN))
    }

    /// The block of the newest places, which has no row yet.
    fn newest_block(&self) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(max(block) + 1, 0) FROM event_blocks";
        self.only(sql, [], |row| row.get(0))
    }

    /// Ordinary events that last happened before a time, in some blocks from one on: at most about
    /// so many. The newest event of the log is not among them.
    pub fn old_events(
        &self,
        from: i64,
        before: Timestamp,
        limit: usize,
    ) -> Result<OldEvents, StoreError> {
        let sql = "SELECT block FROM event_blocks WHERE block >= ?1 AND swept = 0 AND first_at < \
            ?2 ORDER BY block LIMIT ?3";
        let values = params![from, before.millis(), MAX_BLOCKS];
        let mut blocks: Vec<i64> = self.all(sql, values, |row| row.get(0))?;
        let newest = self.newest_block()?;
        if blocks.len() < MAX_BLOCKS as usize {
            blocks.push(newest);
        }
        let mut old = OldEvents::default();
        for block in blocks {
            self.add_old_of(block, before, &mut old)?;
            old.next = (block < newest).then_some(block + 1);
            if old.places.len() >= limit {
                break;
            }
        }
        // Events are still added to that one.
        old.swept.retain(|block| *block < newest);
        Ok(old)
    }

    fn add_old_of(
        &self,
        block: i64,
        before: Timestamp,
        old: &mut OldEvents,
    ) -> Result<(), StoreError> {
        let sql = "SELECT workspace, building_block, seq, at < ?3 AND last_at < ?3 AND seq < \
            (SELECT max(seq) FROM events) FROM events NOT INDEXED WHERE seq >= ?1 AND seq < ?2 AND \
            lasting IS NULL";
        let values = params![block * BLOCK, (block + 1) * BLOCK, before.millis()];
        let mut statement = self.connection.prepared(sql)?;
        let mut found = statement.query(values)?;
        let mut has_younger = false;
        while let Some(row) = found.next()? {
            if row.get(3)? {
                old.places.push((share(row)?, rows::unsigned(row, 2)?));
            } else {
                has_younger = true;
            }
        }
        if !has_younger {
            old.swept.push(block);
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// Notes that blocks have no ordinary events any more, and gives up those without any event.
    pub fn note_swept(&self, blocks: &[i64]) -> Result<(), StoreError> {
        for block in blocks {
            self.run(
                "UPDATE event_blocks SET swept = 1 WHERE block = ?1",
                [block],
            )?;
        }
        let sql = "SELECT coalesce(min(seq) / 1024, 0) FROM events";
        let first: i64 = self.only(sql, [], |row| row.get(0))?;
        self.run("DELETE FROM event_blocks WHERE block < ?1", [first])
    }
}
