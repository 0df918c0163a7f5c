//! Verbs on serials: which one a rollback has to lie above.
//!
//! Serials are unsigned and kept as their two's complement: those that SQLite takes for negative
//! are the highest.

use rusqlite::params;

use crate::model::state::StateId;
use crate::model::version::Rejection;
use crate::store::error::StoreError;
use crate::store::tables::rows;
use crate::store::tables::rows::Compact;
use crate::store::tx::View;

impl View<'_> {
    /// The highest serial that a state ever had in one lineage: of its versions of every kind above
    /// a number, and of all that were removed. What a key sent that may only plan does not count:
    /// it could take the last serial there is.
    pub fn highest_serial(
        &self,
        state: StateId,
        lineage: &str,
        above: u64,
    ) -> Result<Option<u64>, StoreError> {
        self.check_state(state);
        let sql = "SELECT serial FROM (\
                       SELECT serial FROM versions WHERE state_id = ?1 AND lineage = ?2 AND number \
                       > ?3 AND rejection IS NOT ?4 \
                       UNION ALL SELECT serial FROM removed_serials WHERE state_id = ?1 AND \
                       lineage = ?2\
                   ) ORDER BY serial < 0 DESC, serial DESC LIMIT 1";
        let forbidden = Rejection::Forbidden.code();
        let key = params![state, Compact(lineage), above.cast_signed(), forbidden];
        let serial = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(0)?.cast_unsigned());
        self.one(sql, key, serial)
    }

    /// The highest number that was ever given to a version of a state; 0 where there is no such
    /// state.
    pub fn last_number(&self, state: StateId) -> Result<u64, StoreError> {
        self.check_state(state);
        let sql = "SELECT last_number FROM states WHERE id = ?1";
        Ok(self
            .one(sql, [state], |row| rows::unsigned(row, 0))?
            .unwrap_or(0))
    }
}
