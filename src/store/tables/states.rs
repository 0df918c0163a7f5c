//! Verbs on states: where an address leads, making, hiding, moving, listing.

use rusqlite::{Row, params, params_from_iter};

use crate::model::clock::Timestamp;
use crate::model::name::StateName;
use crate::model::page::ListPage;
use crate::model::state::{Lookup, StateFilter, StateId, StateSummary, Visibility};
use crate::model::version::{Version, VersionKind};
use crate::store::error::{NotAsWritten, StoreError};
use crate::store::statements::Prepare as _;
use crate::store::tables::hashed::{BROKEN_LOCKS, LOCKS, MOVES, STATES};
use crate::store::tables::pages::ListOf;
use crate::store::tables::rows;
use crate::store::tables::rows::Query;
use crate::store::tables::separate::Copies;
use crate::store::tx::Tx;
use crate::store::tx::View;

/// Rows are counted when it is known whether they fit, and not by the statement.
const ALL: u32 = u32::MAX;
/// How many columns of a state stand before its proof in a list.
const WRITTEN_COLUMNS: usize = 9;

impl View<'_> {
    /// What is at an address.
    pub fn lookup(&self, name: &StateName) -> Result<Lookup, StoreError> {
        self.check_address(name);
        let sql = format!(
            "SELECT s.id, s.current, s.deleted_at, s.workspace, s.building_block{} FROM states s \
                WHERE s.workspace = ?1 AND s.building_block = ?2",
            STATES.proof
        );
        let key = params![name.workspace.as_str(), name.block.as_str()];
        let read = |row: &Row<'_>| {
            let (current, deleted_at) = (rows::maybe_unsigned(row, 1)?, rows::maybe_time(row, 2)?);
            Ok((row.get(0)?, current, deleted_at, rows::name(row, 3)?))
        };
        let Some((id, current, deleted_at, found)) = self.proven(&STATES, &sql, key, read)? else {
            self.agree_on_absence(&STATES, key)?;
            return Ok(self.moved_to(name)?.map_or(Lookup::Free, Lookup::Moved));
        };
        if found != *name {
            // An index leads elsewhere.
            return Err(NotAsWritten::changed(STATES.name, Some(name.to_string())).into());
        }
        let current = self.current_of(id, name, current)?.map(Box::new);
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

    /// The current version of a state whose row was proven. It is the highest one that was
    /// accepted, and it is there.
    fn current_of(
        &self,
        id: StateId,
        name: &StateName,
        current: Option<u64>,
    ) -> Result<Option<Version>, StoreError> {
        let cannot_be = |why: &str| Err(NotAsWritten::of_state(&name.to_string(), why).into());
        let above = "SELECT 1 FROM versions WHERE state_id = ?1 AND number > ?2 AND kind <> \
            'rejected' LIMIT 1";
        let number = current.unwrap_or(0);
        if self.exists(above, params![id, number.cast_signed()])? {
            return cannot_be("an accepted version is newer than its current one");
        }
        if current.is_none() {
            return Ok(None);
        }
        match self.version_of(id, number)? {
            None => cannot_be("its current version is not there"),
            Some(version) if matches!(version.kind, VersionKind::Rejected(_)) => {
                cannot_be("its current version is a rejected one")
            }
            Some(version) => Ok(Some(version)),
        }
    }

    /// Some states that are not compacted up to their current versions, by their ids.
    pub fn uncompacted(
        &self,
        after: Option<StateId>,
        limit: u32,
    ) -> Result<Vec<(StateId, StateName)>, StoreError> {
        let sql = "SELECT id, workspace, building_block FROM states \
            WHERE id > ?1 AND compacted_up_to < current ORDER BY id LIMIT ?2";
        let mut statement = self.connection.prepared(sql)?;
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
        self.prove_row(&STATES, params![state])?;
        let sql = "SELECT 1 FROM states WHERE id = ?1 AND deleted_at IS NOT NULL AND \
            imported_deleted = last_number";
        self.exists(sql, [state])
    }

    /// Where the state that was at this address is now.
    fn moved_to(&self, name: &StateName) -> Result<Option<StateName>, StoreError> {
        let sql = format!(
            "SELECT m.state_id{} FROM moves m WHERE m.workspace = ?1 AND m.building_block = ?2",
            MOVES.proof
        );
        let key = params![name.workspace.as_str(), name.block.as_str()];
        let Some(state) = self.proven(&MOVES, &sql, key, |row| row.get(0))? else {
            self.agree_on_absence(&MOVES, key)?;
            return Ok(None);
        };
        let lives = self.name_of(state)?;
        match lives {
            Some(lives) => Ok(Some(lives)),
            None => Err(NotAsWritten::lost(STATES.name, Some(name.to_string())).into()),
        }
    }

    /// The states that fit, by name. A lock that is held puts its address among them, whatever is
    /// there: a lock that nobody sees is never released. Whether a state fits is asked of proven
    /// rows alone, so that none is left out because of a rotten bit.
    pub fn states(&self, filter: &StateFilter) -> Result<ListPage<StateSummary>, StoreError> {
        if filter.frozen && !self.has_freezes()? {
            return Ok(ListPage::default());
        }
        let mut page = self.written_states(filter)?;
        if filter.frozen {
            // Where nothing was written, nothing is frozen.
            return Ok(page);
        }
        let mut locked = self.only_locked(filter)?;
        page.rows.append(&mut locked.rows);
        page.damaged.append(&mut locked.damaged);
        page.rows
            .sort_by(|one, other| key(&one.name).cmp(&key(&other.name)));
        page.rows.truncate(filter.limit as usize);
        Ok(page)
    }

    /// The states that fit of which there is a row.
    fn written_states(&self, filter: &StateFilter) -> Result<ListPage<StateSummary>, StoreError> {
        let mut query = Query::new(&format!(
            "SELECT s.id, s.workspace, s.building_block, s.current, s.created_at, s.updated_at, \
                s.deleted_at, max(s.versions, 0), max(s.stored, 0){} FROM states s WHERE TRUE",
            STATES.proof
        ));
        query.within(("s.workspace", "s.building_block"), filter);
        let (sql, values) = query.finish("ORDER BY s.workspace, s.building_block LIMIT ?", ALL);
        let list = ListOf {
            sql: &sql,
            limit: filter.limit,
            says: &|row| STATES.address_in(row, WRITTEN_COLUMNS),
        };
        self.page(&list, params_from_iter(values), |row| {
            STATES.prove(self.row_key, row)?;
            self.summary(row, filter)
        })
    }

    /// What a list says of a state whose row is proven; nothing, if the filter does not want it.
    fn summary(
        &self,
        row: &Row<'_>,
        filter: &StateFilter,
    ) -> Result<Option<StateSummary>, StoreError> {
        let (id, name): (StateId, _) = (row.get(0)?, rows::name(row, 1)?);
        let (current, deleted_at) = (rows::maybe_unsigned(row, 3)?, rows::maybe_time(row, 6)?);
        let is_live = deleted_at.is_none() && current.is_some();
        let needs_lock = filter.locked || !(is_live || filter.deleted);
        if needs_lock && self.lock(&name)?.is_none() {
            return Ok(None);
        }
        if filter.frozen && self.freeze(&name)?.is_none() {
            return Ok(None);
        }
        let (mut live, mut transferred_to) = (None, None);
        if deleted_at.is_none() {
            live = self.current_of(id, &name, current)?;
        } else if let Visibility::Transferred(target) = self.why_hidden(id)? {
            transferred_to = Some(target);
        }
        Ok(Some(StateSummary {
            name,
            current: live,
            created_at: Some(rows::time(row, 4)?),
            updated_at: Some(rows::time(row, 5)?),
            deleted_at,
            versions: rows::unsigned(row, 7)?,
            history_size: rows::unsigned(row, 8)?,
            transferred_to,
        }))
    }

    /// The addresses that fit where a lock is held and nothing was ever written.
    fn only_locked(&self, filter: &StateFilter) -> Result<ListPage<StateSummary>, StoreError> {
        let mut query = Query::new(&format!(
            "SELECT l.workspace, l.building_block{} FROM locks l WHERE NOT EXISTS (SELECT 1 FROM \
                states s WHERE s.workspace = l.workspace AND s.building_block = l.building_block)",
            LOCKS.proof
        ));
        query.within(("l.workspace", "l.building_block"), filter);
        let (sql, values) = query.finish("ORDER BY l.workspace, l.building_block LIMIT ?", ALL);
        let list = ListOf {
            sql: &sql,
            limit: filter.limit,
            says: &|row| LOCKS.address_in(row, 2),
        };
        self.page(&list, params_from_iter(values), |row| {
            LOCKS.prove(self.row_key, row)?;
            let name = rows::name(row, 0)?;
            // Whatever the index says: the second list has to agree that there is no state.
            let is_written = self.lookup(&name)?.id().is_some();
            Ok((!is_written).then(|| StateSummary::of_nothing(name)))
        })
    }
}

/// What states are sorted by.
fn key(name: &StateName) -> (&str, &str) {
    (name.workspace.as_str(), name.block.as_str())
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
        self.insert_hashed(&STATES, sql, values)?;
        Ok(id)
    }

    /// A state is compacted up to a number: the versions below have their counts and the frames
    /// that they keep, the version with the number has its counts.
    pub fn compact(&self, state: StateId, number: u64) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "UPDATE states SET compacted_up_to = max(compacted_up_to, ?2) WHERE id = ?1";
        let values = params![state, number.cast_signed()];
        self.update_hashed(&STATES, params![state], sql, values)
            .map(drop)
    }

    /// Hides a state.
    pub fn hide(&self, state: StateId, at: Timestamp) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "UPDATE states SET deleted_at = ?2, updated_at = ?2 WHERE id = ?1";
        let values = params![state, at.millis()];
        self.update_hashed(&STATES, params![state], sql, values)
            .map(drop)
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
        let values = params![state, number.cast_signed()];
        self.update_hashed(&STATES, params![state], sql, values)
            .map(drop)
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
        self.agree_on_absence(&STATES, key)?;
        let left = format!(
            "SELECT m.state_id{} FROM moves m WHERE m.workspace = ?1 AND m.building_block = ?2",
            MOVES.proof
        );
        let left: Option<StateId> = self.proven(&MOVES, &left, key, |row| row.get(0))?;
        if left.is_none() {
            self.agree_on_absence(&MOVES, key)?;
        }
        Ok(left.is_none_or(|id| id == state))
    }

    /// Gives a state another address that it [may take](Self::may_take). The old one answers that
    /// it moved. To another workspace it takes copies of the bytes that others need too, for which
    /// the disk has to have room beside `min_free_space`.
    pub fn move_state(
        &self,
        state: StateId,
        (from, to): (&StateName, &StateName),
        at: Timestamp,
        min_free_space: u64,
    ) -> Result<(), StoreError> {
        self.check_address(from);
        self.check_address(to);
        self.check_state(state);
        let (new, old) = (
            (to.workspace.as_str(), to.block.as_str()),
            (from.workspace.as_str(), from.block.as_str()),
        );
        self.delete_hashed(&MOVES, params![new.0, new.1])?;
        self.update_hashed(
            &STATES,
            params![state],
            "UPDATE states SET workspace = ?2, building_block = ?3, updated_at = ?4 WHERE id = ?1",
            params![state, new.0, new.1, at.millis()],
        )?;
        if new.0 != old.0 {
            self.separate(state, &mut Copies::new(), min_free_space)?;
        }
        self.insert_hashed(
            &MOVES,
            "INSERT INTO moves (workspace, building_block, state_id, moved_at) \
             VALUES (?1, ?2, ?3, ?4)",
            params![old.0, old.1, state, at.millis()],
        )?;
        self.delete_hashed(&BROKEN_LOCKS, params![old.0, old.1])?;
        self.run(
            "DELETE FROM stale_writers WHERE workspace = ?1 AND building_block = ?2",
            params![old.0, old.1],
        )
    }
}
