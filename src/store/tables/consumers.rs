//! Verbs on who read a state: the reads of each reader and day, with a mark of the outputs that
//! the last of them brought.
//!
//! A mark is made with the key of the rows' hashes, which is not in the database. So it tells
//! whether outputs are equal, and a short secret among them cannot be guessed from it.

use rusqlite::{Connection, Row, named_params, params};

use crate::model::consumer::{
    ConsumerDay, OTHER_READERS, OutputsMark, ReadCount, ReaderDay, UtcDay,
};
use crate::model::digest::Digest;
use crate::model::page::ListPage;
use crate::model::state::StateId;
use crate::store::error::StoreError;
use crate::store::row_hash::Purpose;
use crate::store::statements::Prepare as _;
use crate::store::tables::hashed::CONSUMERS;
use crate::store::tables::pages::ListOf;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

/// How many readers of a state have rows of their own on a day.
const MAX_READERS_A_DAY: u32 = 100;

/// What is known of the outputs of a version.
#[derive(Clone, Copy, Default)]
enum KnownOutputs {
    /// Nobody has looked at them yet.
    #[default]
    Waiting,
    /// They were looked at; there is no mark if they cannot be known.
    LookedAt(Option<OutputsMark>),
}

impl KnownOutputs {
    const fn is_looked_at(&self) -> bool {
        matches!(self, Self::LookedAt(_))
    }

    /// The bytes of the mark, as the column holds them.
    fn mark(&self) -> Option<&[u8]> {
        match self {
            Self::Waiting | Self::LookedAt(None) => None,
            Self::LookedAt(Some(mark)) => Some(mark.bytes().as_slice()),
        }
    }
}

fn mark(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<OutputsMark>> {
    let bytes: Option<[u8; 16]> = row.get(index)?;
    Ok(bytes.map(OutputsMark::new))
}

fn consumer(row: &Row<'_>) -> rusqlite::Result<ConsumerDay> {
    Ok(ConsumerDay {
        reader: row.get(0)?,
        day: UtcDay::from_number(row.get(1)?),
        count: ReadCount {
            name: row.get(2)?,
            first_at: rows::time(row, 3)?,
            last_at: rows::time(row, 4)?,
            whole: rows::unsigned(row, 5)?,
            outputs: rows::unsigned(row, 6)?,
            version: rows::unsigned(row, 7)?,
        },
        mark: mark(row, 8)?,
    })
}

impl View<'_> {
    /// The rows of a state behind one reader, in the order of readers and days: at most so many.
    pub fn consumers(
        &self,
        state: StateId,
        after: &str,
        limit: u32,
    ) -> Result<ListPage<ConsumerDay>, StoreError> {
        self.check_state(state);
        let sql = format!(
            "SELECT reader, day, reader_name, first_at, last_at, whole, outputs, version, mark{} \
                FROM consumers c WHERE state_id = ?1 AND reader > ?2 ORDER BY reader, day",
            CONSUMERS.proof
        );
        let list = ListOf {
            sql: &sql,
            limit,
            says: &|row| row.get(2).ok(),
        };
        self.page(&list, params![state, after], |row| {
            CONSUMERS.prove(self.row_key, row)?;
            Ok(Some(consumer(row)?))
        })
    }

    /// Versions that were read and whose outputs wait to be looked at, behind one of them.
    pub fn waiting_reads(
        &self,
        (state, version): (StateId, u64),
        limit: u32,
    ) -> Result<Vec<(StateId, u64)>, StoreError> {
        let sql = format!(
            "SELECT state_id, version{} FROM consumers c WHERE looked_at = 0 AND \
                (state_id, version) > (?1, ?2) ORDER BY state_id, version LIMIT ?3",
            CONSUMERS.proof
        );
        let values = params![state, version.cast_signed(), limit];
        let mut found: Vec<(StateId, u64)> = self
            .all(&sql, values, |row| {
                // What is damaged stays as it stands, for a verification.
                let fits = CONSUMERS.fits(self.row_key, row, 2)?;
                Ok(fits.then_some((row.get(0)?, rows::unsigned(row, 1)?)))
            })
            .map(|found: Vec<Option<_>>| found.into_iter().flatten().collect())?;
        found.dedup();
        Ok(found)
    }

    /// The mark of outputs with this digest.
    pub fn mark_of_outputs(
        &self,
        state: StateId,
        outputs: &Digest,
    ) -> Result<OutputsMark, StoreError> {
        let mut hashing = self.row_key.begin(Purpose::Outputs, CONSUMERS.name);
        hashing.value("state_id", &state)?;
        hashing.value("outputs", &outputs.as_bytes().as_slice())?;
        Ok(OutputsMark::new(hashing.end()))
    }

    /// What is known already of the outputs of a version, from the reads of a day.
    fn known_outputs(&self, key: &ReaderDay, version: u64) -> Result<KnownOutputs, StoreError> {
        let sql = format!(
            "SELECT mark{} FROM consumers c INDEXED BY consumers_day WHERE day = ?1 AND \
                state_id = ?2 AND version = ?3 AND looked_at = 1 LIMIT 1",
            CONSUMERS.proof
        );
        let values = params![key.day.number(), key.state, version.cast_signed()];
        let read = |row: &Row<'_>| mark(row, 0).map(KnownOutputs::LookedAt);
        let found = unless_damaged(self.proven(&CONSUMERS, &sql, values, read))?;
        Ok(found.unwrap_or_default())
    }

    fn has_reader(&self, key: &ReaderDay) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM consumers WHERE state_id = ?1 AND reader = ?2 AND day = ?3";
        self.exists(sql, params![key.state, key.reader, key.day.number()])
    }

    /// Whether all readers that a day has rows for are there.
    fn is_full(&self, key: &ReaderDay) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM consumers INDEXED BY consumers_day WHERE \
            day = ?1 AND state_id = ?2 LIMIT ?3)";
        let values = params![key.day.number(), key.state, MAX_READERS_A_DAY];
        let rows: u32 = self.only(sql, values, |row| row.get(0))?;
        Ok(rows >= MAX_READERS_A_DAY)
    }
}

/// A damaged row is told by whoever lists it, and keeps no other from being written.
fn unless_damaged<T: Default>(found: Result<T, StoreError>) -> Result<T, StoreError> {
    match found {
        Err(StoreError::BadRow(why)) => {
            tracing::debug!(why, "a damaged row of a reader stays as it stands");
            Ok(T::default())
        }
        found => found,
    }
}

impl Tx<'_> {
    /// Counts reads, beside those that are counted already.
    pub fn count_reads(&self, key: &ReaderDay, count: &ReadCount) -> Result<(), StoreError> {
        let mut key = key.clone();
        let mut is_there = self.has_reader(&key)?;
        if !is_there && self.is_full(&key)? {
            OTHER_READERS.clone_into(&mut key.reader);
            is_there = self.has_reader(&key)?;
        }
        let mut count = count.clone();
        if key.reader == OTHER_READERS {
            OTHER_READERS.clone_into(&mut count.name);
        }
        if is_there {
            return unless_damaged(self.add_reads(&key, &count));
        }
        let known = self.known_outputs(&key, count.version)?;
        let sql = "INSERT INTO consumers (state_id, reader, day, reader_name, first_at, last_at, \
            whole, outputs, version, looked_at, mark) VALUES (:state, :reader, :day, :name, \
            :first_at, :last_at, :whole, :outputs, :version, :looked_at, :mark)";
        let values = named_params! {
            ":state": key.state,
            ":reader": key.reader,
            ":day": key.day.number(),
            ":name": count.name,
            ":first_at": count.first_at.millis(),
            ":last_at": count.last_at.millis(),
            ":whole": count.whole.cast_signed(),
            ":outputs": count.outputs.cast_signed(),
            ":version": count.version.cast_signed(),
            ":looked_at": known.is_looked_at(),
            ":mark": known.mark(),
        };
        self.insert_hashed(&CONSUMERS, sql, values)
    }

    fn add_reads(&self, key: &ReaderDay, count: &ReadCount) -> Result<(), StoreError> {
        let day = key.day.number();
        let place = params![key.state, key.reader, day];
        let select = format!(
            "SELECT reader, day, reader_name, first_at, last_at, whole, outputs, version, mark, \
                looked_at{} FROM consumers c WHERE state_id = ?1 AND reader = ?2 AND day = ?3",
            CONSUMERS.proof
        );
        let read = |row: &Row<'_>| Ok((consumer(row)?, row.get(9)?));
        let Some((was, looked_at)) = self.proven(&CONSUMERS, &select, place, read)? else {
            return Ok(());
        };
        let mut sum = was.count.clone();
        sum.add(count.clone());
        let known = if sum.version != was.count.version {
            self.known_outputs(key, sum.version)?
        } else if looked_at {
            KnownOutputs::LookedAt(was.mark)
        } else {
            KnownOutputs::Waiting
        };
        let sql = "UPDATE consumers SET reader_name = :name, first_at = :first_at, last_at = \
            :last_at, whole = :whole, outputs = :outputs, version = :version, looked_at = \
            :looked_at, mark = :mark WHERE state_id = :state AND reader = :reader AND day = :day";
        let values = named_params! {
            ":state": key.state,
            ":reader": key.reader,
            ":day": key.day.number(),
            ":name": sum.name,
            ":first_at": sum.first_at.millis(),
            ":last_at": sum.last_at.millis(),
            ":whole": sum.whole.cast_signed(),
            ":outputs": sum.outputs.cast_signed(),
            ":version": sum.version.cast_signed(),
            ":looked_at": known.is_looked_at(),
            ":mark": known.mark(),
        };
        self.update_hashed(&CONSUMERS, place, sql, values).map(drop)
    }

    /// Notes what the outputs of a version are with the reads that wait for that; none if they
    /// cannot be known.
    pub fn mark_reads(
        &self,
        (state, version): (StateId, u64),
        outputs: Option<&Digest>,
    ) -> Result<(), StoreError> {
        let mark = outputs.map(|outputs| self.mark_of_outputs(state, outputs));
        let mark = mark.transpose()?;
        let sql = "SELECT reader, day FROM consumers WHERE looked_at = 0 AND state_id = ?1 AND \
            version = ?2";
        let waiting: Vec<(String, i64)> =
            self.all(sql, params![state, version.cast_signed()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let sql = "UPDATE consumers SET looked_at = 1, mark = ?4 WHERE state_id = ?1 AND reader = \
            ?2 AND day = ?3";
        for (reader, day) in waiting {
            let bytes = mark.as_ref().map(|mark| mark.bytes().as_slice());
            let (place, values) = (
                params![state, reader, day],
                params![state, reader, day, bytes],
            );
            let marked = self.update_hashed(&CONSUMERS, place, sql, values);
            unless_damaged(marked.map(drop))?;
        }
        Ok(())
    }

    /// Removes rows of days before this one, at most so many, and says how many.
    pub fn remove_old_reads(&self, before: UtcDay, limit: u32) -> Result<usize, StoreError> {
        let sql = "DELETE FROM consumers WHERE (state_id, reader, day) IN (SELECT state_id, \
            reader, day FROM consumers INDEXED BY consumers_day WHERE day < ?1 LIMIT ?2)";
        self.execute(sql, params![before.number(), limit])
    }

    /// Forgets what is known of the outputs of some versions of a state, for good.
    pub fn forget_outputs(&self, state: StateId, versions: &[u64]) -> Result<(), StoreError> {
        let sql = "SELECT reader, day, version FROM consumers WHERE state_id = ?1";
        let rows: Vec<(String, i64, u64)> = self.all(sql, [state], |row| {
            Ok((row.get(0)?, row.get(1)?, rows::unsigned(row, 2)?))
        })?;
        let sql = "UPDATE consumers SET looked_at = 1, mark = NULL WHERE state_id = ?1 AND reader \
            = ?2 AND day = ?3";
        for (reader, day, _) in rows.iter().filter(|(.., of)| versions.contains(of)) {
            let place = params![state, reader, day];
            let forgotten = self.update_hashed(&CONSUMERS, place, sql, place);
            unless_damaged(forgotten.map(drop))?;
        }
        Ok(())
    }

    /// Removes rows of a state, at most so many, and says how many.
    pub fn remove_reads_of(&self, state: StateId, limit: usize) -> Result<usize, StoreError> {
        let sql = "DELETE FROM consumers WHERE (state_id, reader, day) IN (SELECT state_id, \
            reader, day FROM consumers WHERE state_id = ?1 LIMIT ?2)";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.execute(sql, params![state, limit])
    }
}

/// Has all outputs looked at once more: their marks were made with a key that is gone.
pub(in crate::store) fn forget_marks(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "UPDATE consumers SET looked_at = 0, mark = NULL WHERE mark IS NOT NULL";
    connection.prepared(sql)?.execute([]).map(drop)
}
