//! The two things that a job gets: a [`View`] can read, a [`Tx`] can also write. Their verbs are in
//! the files beside this one.

use std::cell::Cell;
use std::ops::Deref;

use rusqlite::Connection;

use super::checkpoint::Room;
use super::error::StoreError;

/// One moment of the database.
pub struct View<'c> {
    pub(super) connection: &'c Connection,
}

impl View<'_> {
    /// How many states that are not deleted, versions, held locks and active or ended keys there
    /// are.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let count = |sql: &str| -> Result<u64, StoreError> {
            Ok(self
                .connection
                .prepare_cached(sql)?
                .query_row([], |row| crate::store::tables::rows::unsigned(row, 0))?)
        };
        Ok(Counts {
            states: count(
                "SELECT count(*) FROM states WHERE current IS NOT NULL AND deleted_at IS NULL",
            )?,
            versions: count("SELECT count(*) FROM versions")?,
            locks: count("SELECT count(*) FROM locks")?,
            only_locked: count(
                "SELECT count(*) FROM locks l WHERE NOT EXISTS (SELECT 1 FROM states s WHERE \
                    s.workspace = l.workspace \
                 AND s.building_block = l.building_block AND s.current IS NOT NULL)",
            )?,
            keys: count("SELECT count(*) FROM keys")?,
        })
    }
}

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// States that are not deleted.
    pub states: u64,
    /// Versions.
    pub versions: u64,
    /// Locks that are held.
    pub locks: u64,
    /// Those of them on states that have no accepted version yet.
    pub only_locked: u64,
    /// API keys, ended ones too.
    pub keys: u64,
}

/// One job's part of a transaction: all that it does is committed together, or nothing of it.
pub struct Tx<'c> {
    view: View<'c>,
    room: &'c Room,
    changes_credentials: &'c Cell<bool>,
}

impl<'c> Tx<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        room: &'c Room,
        changes_credentials: &'c Cell<bool>,
    ) -> Self {
        Self {
            view: View { connection },
            room,
            changes_credentials,
        }
    }

    /// The connection, for whatever changes keys or tokens: what is remembered of them is forgotten
    /// after the commit.
    pub(super) fn credentials(&self) -> &Connection {
        self.changes_credentials.set(true);
        self.connection
    }

    /// Fails unless the disk has at least this much room: then it is seen whether some can be made,
    /// and the job runs once more.
    pub fn needs_room(&self, bytes: u64) -> Result<(), StoreError> {
        if self.room.is_at_least(bytes) {
            Ok(())
        } else {
            Err(StoreError::Full)
        }
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = View<'c>;

    fn deref(&self) -> &View<'c> {
        &self.view
    }
}
