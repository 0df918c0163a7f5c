//! Verbs on what is known about damage: how far the background verification is, and which versions
//! cannot be read.

use rusqlite::{Row, params};

use crate::model::clock::Timestamp;
use crate::model::name::StateName;
use crate::model::scrub::{PassUnderWay, Scrub};
use crate::model::state::StateId;
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::hashed::STATES;
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

fn scrub(row: &Row<'_>) -> rusqlite::Result<Scrub> {
    let at: Option<StateId> = row.get(1)?;
    let at = at
        .map(|state| Ok::<_, rusqlite::Error>((state, rows::unsigned(row, 2)?)))
        .transpose()?;
    let so_far: Option<String> = row.get(3)?;
    let under_way = rows::maybe_time(row, 0)?
        .zip(so_far)
        .map(|(started_at, so_far)| PassUnderWay {
            started_at,
            at,
            so_far,
        });
    let last = match (
        rows::maybe_time(row, 4)?,
        rows::maybe_time(row, 5)?,
        row.get::<_, Option<String>>(6)?,
    ) {
        (Some(began), Some(finished), Some(came_to)) => Some((began, finished, came_to)),
        _ => None,
    };
    Ok(Scrub { under_way, last })
}

impl View<'_> {
    /// How far the background verification is.
    pub fn scrub(&self) -> Result<Scrub, StoreError> {
        let sql = "SELECT started_at, state_id, number, so_far, last_started_at, last_finished_at, \
            last_came_to FROM scrub WHERE id = 1";
        Ok(self.one(sql, [], scrub)?.unwrap_or_default())
    }

    /// The versions that are known to be damaged, at most `limit`.
    pub fn damaged_versions(&self, limit: usize) -> Result<Vec<(StateId, u64)>, StoreError> {
        let mut statement = self
            .connection
            .prepared("SELECT state_id, number FROM damaged_versions LIMIT ?1")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found =
            statement.query_map([limit], |row| Ok((row.get(0)?, rows::unsigned(row, 1)?)))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    /// The name of a state, where there is one.
    pub fn name_of(&self, state: StateId) -> Result<Option<StateName>, StoreError> {
        let sql = format!(
            "SELECT s.workspace, s.building_block{} FROM states s WHERE s.id = ?1",
            STATES.proof
        );
        self.proven(&STATES, &sql, [state], |row| rows::name(row, 0))
    }
}

impl Tx<'_> {
    /// Writes down how far the background verification is.
    pub fn save_scrub(&self, scrub: &Scrub) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO scrub (id, started_at, state_id, number, so_far, \
            last_started_at, last_finished_at, last_came_to) \
                   VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let pass = scrub.under_way.as_ref();
        let at = pass.and_then(|pass| pass.at);
        let last = scrub.last.as_ref();
        self.run(
            sql,
            params![
                pass.map(|pass| pass.started_at.millis()),
                at.map(|(state, _)| state),
                at.map(|(_, number)| number.cast_signed()),
                pass.map(|pass| &pass.so_far),
                last.map(|(began, ..)| began.millis()),
                last.map(|(_, finished, _)| finished.millis()),
                last.map(|(.., came_to)| came_to),
            ],
        )
    }

    /// Notes that a version is damaged; says whether that is new.
    pub fn note_damaged(
        &self,
        state: StateId,
        number: u64,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.check_state(state);
        let sql = "INSERT OR IGNORE INTO damaged_versions (state_id, number, found_at) \
            VALUES (?1, ?2, ?3)";
        Ok(self.execute(sql, params![state, number.cast_signed(), at.millis()])? > 0)
    }

    /// Forgets that a version is damaged.
    pub fn forget_damaged(&self, state: StateId, number: u64) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "DELETE FROM damaged_versions WHERE state_id = ?1 AND number = ?2";
        self.run(sql, params![state, number.cast_signed()])
    }
}

#[cfg(test)]
impl Tx<'_> {
    /// Loses the table of damaged versions, for tests of what becomes of an act that fails.
    pub(crate) fn lose_damaged_versions(&self) -> Result<(), StoreError> {
        Ok(self
            .connection
            .execute_batch("DROP TABLE damaged_versions")?)
    }
}
