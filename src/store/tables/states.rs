//! Verbs on states: where an address leads, making, hiding, moving, listing.

use rusqlite::{Row, params, params_from_iter};

use crate::model::clock::Timestamp;
use crate::model::name::StateName;
use crate::model::state::{Lookup, StateFilter, StateId, StateSummary, Visibility};
use crate::store::error::StoreError;
use crate::store::tables::rows;
use crate::store::tables::rows::Query;
use crate::store::tx::Tx;
use crate::store::tx::View;

impl View<'_> {
    /// What is at an address.
    pub fn lookup(&self, name: &StateName) -> Result<Lookup, StoreError> {
        self.check_address(name);
        let sql = "SELECT id, current, deleted_at FROM states WHERE workspace = ?1 AND \
            building_block = ?2";
        let found = self.one(
            sql,
            params![name.workspace.as_str(), name.block.as_str()],
            |row| {
                Ok((
                    row.get(0)?,
                    rows::maybe_unsigned(row, 1)?,
                    rows::maybe_time(row, 2)?,
                ))
            },
        )?;
        let Some((id, current, deleted_at)) = found else {
            return Ok(self.moved_to(name)?.map_or(Lookup::Free, Lookup::Moved));
        };
        let current = current
            .map(|number| self.version(id, number))
            .transpose()?
            .flatten()
            .map(Box::new);
        let visibility = if deleted_at.is_none() {
            Visibility::Live
        } else {
            self.why_hidden(id)?
        };
        Ok(Lookup::State {
            id,
            current,
            visibility,
        })
    }

    /// Some states that are not compacted up to their current versions, by their ids.
    pub fn uncompacted(
        &self,
        after: Option<StateId>,
        limit: u32,
    ) -> Result<Vec<(StateId, StateName)>, StoreError> {
        let sql = "SELECT id, workspace, building_block FROM states \
            WHERE id > ?1 AND compacted_up_to < current ORDER BY id LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let after = after.map_or(0, StateId::number);
        let found = statement.query_map(params![after, limit], |row| {
            Ok((row.get(0)?, rows::name(row, 1)?))
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    /// Up to which number a state is compacted, and its current version's number; none before
    /// the first accepted write.
    pub fn compacted_up_to(&self, state: StateId) -> Result<Option<(u64, u64)>, StoreError> {
        self.check_state(state);
        let sql =
            "SELECT compacted_up_to, current FROM states WHERE id = ?1 AND current IS NOT NULL";
        let numbers = |row: &Row<'_>| Ok((rows::unsigned(row, 0)?, rows::unsigned(row, 1)?));
        self.one(sql, [state], numbers)
    }

    /// Whether a hidden state has been hidden ever since the import of its newest version, and by
    /// it: nobody here deleted it.
    pub fn is_hidden_by_import(&self, state: StateId) -> Result<bool, StoreError> {
        self.check_state(state);
        let sql = "SELECT 1 FROM states WHERE id = ?1 AND deleted_at IS NOT NULL AND \
            imported_deleted = last_number";
        self.exists(sql, [state])
    }

    /// Where the state that was at this address is now.
    fn moved_to(&self, name: &StateName) -> Result<Option<StateName>, StoreError> {
        let sql = "SELECT s.workspace, s.building_block FROM moves m JOIN states s ON s.id = \
            m.state_id \
                   WHERE m.workspace = ?1 AND m.building_block = ?2";
        let key = params![name.workspace.as_str(), name.block.as_str()];
        self.one(sql, key, |row| rows::name(row, 0))
    }

    /// The states that fit, by name. A lock that is held puts its address among them, whatever is
    /// there: a lock that nobody sees is never released.
    pub fn states(&self, filter: &StateFilter) -> Result<Vec<StateSummary>, StoreError> {
        let mut states = self.written_states(filter)?;
        states.extend(self.only_locked(filter)?);
        states.sort_by(|one, other| key(&one.name).cmp(&key(&other.name)));
        states.truncate(filter.limit as usize);
        Ok(states)
    }

    /// The states that fit of which there is a row.
    fn written_states(&self, filter: &StateFilter) -> Result<Vec<StateSummary>, StoreError> {
        let mut query = Query::new(
            "SELECT s.id, s.workspace, s.building_block, s.current, s.created_at, s.updated_at, \
                s.deleted_at, \
             (SELECT count(*) FROM versions v WHERE v.state_id = s.id), \
             (SELECT coalesce(sum(stored), 0) FROM blobs WHERE id IN (SELECT blob_id FROM versions \
             v WHERE v.state_id = s.id)), \
             (SELECT target FROM transfers t WHERE t.state_id = s.id AND t.done_at IS NOT NULL) \
             FROM states s WHERE TRUE",
        );
        query.and("s.workspace = ?", filter.workspace.clone());
        query.and("s.building_block = ?", filter.block.clone());
        let is_locked = "EXISTS (SELECT 1 FROM locks l WHERE l.workspace = s.workspace AND \
            l.building_block = s.building_block)";
        let is_live = "s.deleted_at IS NULL AND s.current IS NOT NULL";
        query.and(&format!("{is_locked} = ?"), filter.locked.then_some(true));
        query.and(
            &format!("({is_live} OR {is_locked}) = ?"),
            (!filter.deleted).then_some(true),
        );
        if let Some(after) = &filter.after {
            query.and_two(
                "(s.workspace, s.building_block) > (?, ?)",
                after.workspace.to_string(),
                after.block.to_string(),
            );
        }
        let (sql, values) = query.finish(
            "ORDER BY s.workspace, s.building_block LIMIT ?",
            filter.limit,
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_map(params_from_iter(values), summary)?;
        found
            .map(|row| {
                let (id, current, mut summary) = row?;
                // A hidden state has no current version.
                let current = current.filter(|_| summary.deleted_at.is_none());
                summary.current = current
                    .map(|number| self.version(id, number))
                    .transpose()?
                    .flatten();
                Ok(summary)
            })
            .collect()
    }

    /// The addresses that fit where a lock is held and nothing was ever written.
    fn only_locked(&self, filter: &StateFilter) -> Result<Vec<StateSummary>, StoreError> {
        let mut query = Query::new(
            "SELECT workspace, building_block FROM locks l WHERE NOT EXISTS (SELECT 1 FROM states \
                s WHERE s.workspace = l.workspace AND s.building_block = l.building_block)",
        );
        query.and("workspace = ?", filter.workspace.clone());
        query.and("building_block = ?", filter.block.clone());
        if let Some(after) = &filter.after {
            query.and_two(
                "(workspace, building_block) > (?, ?)",
                after.workspace.to_string(),
                after.block.to_string(),
            );
        }
        let (sql, values) =
            query.finish("ORDER BY workspace, building_block LIMIT ?", filter.limit);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_map(params_from_iter(values), |row| rows::name(row, 0))?;
        found
            .map(|name| Ok(StateSummary::of_nothing(name?)))
            .collect()
    }
}

/// What states are sorted by.
fn key(name: &StateName) -> (&str, &str) {
    (name.workspace.as_str(), name.block.as_str())
}

fn summary(row: &Row<'_>) -> rusqlite::Result<(StateId, Option<u64>, StateSummary)> {
    let summary = StateSummary {
        name: rows::name(row, 1)?,
        current: None,
        created_at: Some(rows::time(row, 4)?),
        updated_at: Some(rows::time(row, 5)?),
        deleted_at: rows::maybe_time(row, 6)?,
        versions: rows::unsigned(row, 7)?,
        history_size: rows::unsigned(row, 8)?,
        transferred_to: row.get(9)?,
    };
    Ok((row.get(0)?, rows::maybe_unsigned(row, 3)?, summary))
}

impl Tx<'_> {
    /// Makes a state at an address where none is.
    pub fn make_state(&self, name: &StateName, at: Timestamp) -> Result<StateId, StoreError> {
        self.check_address(name);
        let next = "SELECT coalesce(max(id), 0) + 1 FROM states";
        let id: StateId = self.only(next, [], |row| row.get(0))?;
        let sql = "INSERT INTO states (id, workspace, building_block, last_number, \
            compacted_up_to, created_at, updated_at) \
                   VALUES (?1, ?2, ?3, 0, 0, ?4, ?4)";
        let values = params![
            id,
            name.workspace.as_str(),
            name.block.as_str(),
            at.millis()
        ];
        self.execute(sql, values)?;
        Ok(id)
    }

    /// A state is compacted up to a number: what is below has its counts and the frames that
    /// it keeps, what has the number has its counts.
    pub fn compact(&self, state: StateId, number: u64) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "UPDATE states SET compacted_up_to = max(compacted_up_to, ?2) WHERE id = ?1";
        self.run(sql, params![state, number.cast_signed()])
    }

    /// Hides a state.
    pub fn hide(&self, state: StateId, at: Timestamp) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "UPDATE states SET deleted_at = ?2, updated_at = ?2 WHERE id = ?1";
        self.run(sql, params![state, at.millis()])
    }

    /// Hides a state because its last version, which came from elsewhere, was the last of a deleted
    /// one.
    pub fn hide_as_imported(
        &self,
        state: StateId,
        number: u64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.check_state(state);
        self.hide(state, at)?;
        let sql = "UPDATE states SET imported_deleted = ?2 WHERE id = ?1";
        self.run(sql, params![state, number.cast_signed()])
    }

    /// Whether a state that lives at an address may take another: nothing was ever written there,
    /// or it was its own before.
    pub fn may_take(&self, state: StateId, name: &StateName) -> Result<bool, StoreError> {
        self.check_address(name);
        self.check_state(state);
        let key = params![name.workspace.as_str(), name.block.as_str()];
        let taken = "SELECT 1 FROM states WHERE workspace = ?1 AND building_block = ?2";
        if self.exists(taken, key)? {
            return Ok(false);
        }
        let left = "SELECT state_id FROM moves WHERE workspace = ?1 AND building_block = ?2";
        let left: Option<StateId> = self.one(left, key, |row| row.get(0))?;
        Ok(left.is_none_or(|id| id == state))
    }

    /// Gives a state another address that it [may take](Self::may_take). The old one answers that
    /// it moved.
    pub fn move_state(
        &self,
        state: StateId,
        from: &StateName,
        to: &StateName,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.check_address(from);
        self.check_address(to);
        self.check_state(state);
        let (new, old) = (
            (to.workspace.as_str(), to.block.as_str()),
            (from.workspace.as_str(), from.block.as_str()),
        );
        let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
            self.connection.prepare_cached(sql)?.execute(values)
        };
        run(
            "DELETE FROM moves WHERE workspace = ?1 AND building_block = ?2",
            params![new.0, new.1],
        )?;
        run(
            "UPDATE states SET workspace = ?2, building_block = ?3, updated_at = ?4 WHERE id = ?1",
            params![state, new.0, new.1, at.millis()],
        )?;
        run(
            "INSERT INTO moves (workspace, building_block, state_id, moved_at) \
             VALUES (?1, ?2, ?3, ?4)",
            params![old.0, old.1, state, at.millis()],
        )?;
        for table in ["broken_locks", "stale_writers"] {
            run(
                &format!("DELETE FROM {table} WHERE workspace = ?1 AND building_block = ?2"),
                params![old.0, old.1],
            )?;
        }
        Ok(())
    }
}
