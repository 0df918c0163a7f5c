//! That a version which is not found is not there. Versions are not listed a second time, so the
//! rows beside its place are looked at.

use rusqlite::params;

use crate::model::state::StateId;
use crate::store::error::{NotAsWritten, StoreError};
use crate::store::tables::hashed::VERSIONS;
use crate::store::tx::View;

/// How many rows on each side of a version that is not found are looked at: more than a page has.
const NEIGHBOURS: u32 = 64;

impl View<'_> {
    /// Sees to it that a version which is not found is not there: where a bit leads the search
    /// astray, a row beside the place is not as it was written, or the rows are in no order.
    pub(in crate::store) fn prove_neighbours(
        &self,
        state: StateId,
        number: u64,
    ) -> Result<(), StoreError> {
        let key = params![state, number.cast_signed(), NEIGHBOURS];
        for (side, order) in [("<", "DESC"), (">", "ASC")] {
            let sql = format!(
                "SELECT v.number{} FROM versions v WHERE v.state_id = ?1 AND v.number {side} ?2 \
                 ORDER BY v.number {order} LIMIT ?3",
                VERSIONS.proof
            );
            let beside = self.all_proven(&VERSIONS, &sql, key, |row| row.get(0));
            let beside: Vec<i64> = beside?;
            let is_in_order = beside.is_sorted_by(|one, next| match side {
                "<" => one > next,
                _ => one < next,
            });
            if !is_in_order {
                return Err(NotAsWritten::lost(VERSIONS.name, None).into());
            }
        }
        self.prove_beside(state, number)
    }

    /// The same for a row that a bit has taken to another state: it still lies beside its place.
    fn prove_beside(&self, state: StateId, number: u64) -> Result<(), StoreError> {
        for (side, order) in [("<", "DESC"), (">", "ASC")] {
            let sql = format!(
                "SELECT v.number{} FROM versions v WHERE (v.state_id, v.number) {side} (?1, ?2) \
                 ORDER BY v.state_id {order}, v.number {order} LIMIT 1",
                VERSIONS.proof
            );
            let key = params![state, number.cast_signed()];
            self.proven(&VERSIONS, &sql, key, |row| row.get::<_, i64>(0))?;
        }
        Ok(())
    }
}
