//! The two things that a job gets: a [`View`] can read, a [`Tx`] can also write. Their verbs are in
//! the files beside this one.

use std::cell::Cell;
use std::ops::Deref;

use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use super::checkpoint::Room;
use super::error::StoreError;
use super::row_hash::RowKey;
use super::seals::{DirectoryKeys, Seals};
use super::tables::rows;
use super::touches::Touches;
use crate::model::clock::Timestamp;
use crate::model::event_head::EventHead;
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::store::statements::Prepare as _;

/// A connection, and the keys of what is behind it.
#[derive(Clone, Copy)]
pub(super) struct Data<'c> {
    pub(super) connection: &'c Connection,
    pub(super) keys: &'c DirectoryKeys,
}

/// One moment of the database.
pub struct View<'c> {
    pub(super) connection: &'c Connection,
    /// What the rows' hashes are made with.
    pub(super) row_key: &'c RowKey,
    /// What content is sealed with.
    pub(super) seals: &'c Seals,
    /// What the job declared that reads here; none where it only reads.
    touches: Option<&'c Touches>,
}

impl<'c> View<'c> {
    pub(super) const fn of(data: Data<'c>) -> Self {
        Self {
            connection: data.connection,
            row_key: &data.keys.rows,
            seals: &data.keys.seals,
            touches: None,
        }
    }

    /// Sees to it that a verb on an address is one that the job declared.
    #[track_caller]
    pub(super) fn check_address(&self, name: &StateName) {
        debug_assert!(
            self.touches
                .is_none_or(|touches| touches.has_address(name, || self.state_at(name))),
            "a job declares {:?} and touches {name}",
            self.touches
        );
    }

    /// Sees to it that a verb on a state is one that the job declared.
    #[track_caller]
    pub(super) fn check_state(&self, state: StateId) {
        debug_assert!(
            self.touches
                .is_none_or(|touches| touches.has_state(state, || self.address_of(state))),
            "a job declares {:?} and touches {state:?}, which is {:?}",
            self.touches,
            self.address_of(state)
        );
    }

    /// The row that a statement finds, if it finds one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepared(sql)?;
        Ok(statement.query_row(values, read).optional()?)
    }

    /// The row of a statement that always finds one.
    pub(super) fn only<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut statement = self.connection.prepared(sql)?;
        Ok(statement.query_row(values, read)?)
    }

    /// All rows that a statement finds.
    pub(super) fn all<T, C: FromIterator<T>>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<C, StoreError> {
        let mut statement = self.connection.prepared(sql)?;
        Ok(statement
            .query_map(values, read)?
            .collect::<rusqlite::Result<C>>()?)
    }

    /// Whether a statement finds a row.
    pub(super) fn exists(&self, sql: &str, values: impl Params) -> Result<bool, StoreError> {
        Ok(self.connection.prepared(sql)?.exists(values)?)
    }

    /// None where it cannot be read, either: another verb says so.
    fn state_at(&self, name: &StateName) -> Option<StateId> {
        let sql = "SELECT id FROM states WHERE workspace = ?1 AND building_block = ?2";
        let key = [name.workspace.as_str(), name.block.as_str()];
        self.one(sql, key, |row| row.get(0)).ok().flatten()
    }

    /// None where the row is not as it was written, either.
    fn address_of(&self, state: StateId) -> Option<StateName> {
        self.name_of(state).ok().flatten()
    }

    /// How many states that are not deleted, versions, held locks and active or ended keys there
    /// are.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let count = |sql: &str| self.only(sql, [], |row| rows::unsigned(row, 0));
        // One row for each workspace.
        let used = "SELECT max(coalesce(sum(states), 0), 0), max(coalesce(sum(versions), 0), 0) \
            FROM workspace_use";
        let (states, versions) = self.only(used, [], |row| {
            Ok((rows::unsigned(row, 0)?, rows::unsigned(row, 1)?))
        })?;
        Ok(Counts {
            states,
            versions,
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
    pending: &'c Pending,
    now: Timestamp,
}

/// What a transaction has done so far that is known outside of the database.
#[derive(Default)]
pub(super) struct Pending {
    /// Whether something since the last commit may have changed a key or a token.
    pub(super) changes_credentials: Cell<bool>,
    /// The last event, those of the transaction among them.
    pub(super) events: Cell<EventHead>,
}

impl<'c> Tx<'c> {
    pub(super) const fn new(
        data: Data<'c>,
        touches: &'c Touches,
        room: &'c Room,
        pending: &'c Pending,
        now: Timestamp,
    ) -> Self {
        Self {
            view: View {
                connection: data.connection,
                row_key: &data.keys.rows,
                seals: &data.keys.seals,
                touches: Some(touches),
            },
            room,
            pending,
            now,
        }
    }

    /// The time at which this happens: when the transaction began, the same for all that a job
    /// does.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The connection, for a verb that changes keys or tokens: what is remembered of them is
    /// forgotten after the commit.
    pub(super) fn credentials(&self) -> &Connection {
        self.pending.changes_credentials.set(true);
        self.connection
    }

    /// The last event, those of this transaction among them.
    pub(super) const fn last_event_head(&self) -> EventHead {
        self.pending.events.get()
    }

    /// Notes the event that this transaction has recorded.
    pub(super) fn set_last_event(&self, head: EventHead) {
        self.pending.events.set(head);
    }

    /// Runs a statement that changes rows, and says how many.
    pub(super) fn execute(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepared(sql)?.execute(values)?)
    }

    /// Runs a statement that changes rows.
    pub(super) fn run(&self, sql: &str, values: impl Params) -> Result<(), StoreError> {
        self.execute(sql, values).map(drop)
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
