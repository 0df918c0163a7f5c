//! Verbs on rejected versions: finding the one with some bytes, and keeping them within their
//! bounds.

use rusqlite::params;

use crate::model::digest::Digest;
use crate::model::state::StateId;
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

impl View<'_> {
    /// The rejected version of a state with these bytes, if they are kept already.
    pub fn rejected_with(&self, state: StateId, sha256: Digest) -> Result<Option<u64>, StoreError> {
        self.check_state(state);
        let sql = "SELECT number FROM versions WHERE state_id = ?1 AND kind = 'rejected' AND \
            sha256 = ?2 AND blob_id IS NOT NULL ORDER BY number DESC";
        let key = params![state, sha256.as_bytes()];
        self.one(sql, key, |row| rows::unsigned(row, 0))
    }
}

impl Tx<'_> {
    /// Removes the oldest rejected versions of a state beyond a number and a size on disk; the
    /// newest one always stays, and so do held ones, which are not counted.
    pub fn trim_rejected(
        &self,
        state: StateId,
        keep: usize,
        keep_bytes: u64,
    ) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "SELECT v.number, coalesce(b.stored, 0) FROM versions v LEFT JOIN blobs b ON \
            b.id = v.blob_id \
                   WHERE v.state_id = ?1 AND v.kind = 'rejected' AND v.held_at IS NULL ORDER BY \
                   v.number DESC";
        let mut statement = self.connection.prepared(sql)?;
        let kept: Vec<(u64, u64)> = statement
            .query_map([state], |row| {
                Ok((rows::unsigned(row, 0)?, rows::unsigned(row, 1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let mut bytes = 0;
        for (index, (number, stored)) in kept.into_iter().enumerate() {
            bytes += stored;
            if index > 0 && (index >= keep || bytes > keep_bytes) {
                self.remove_version(state, number)?;
            }
        }
        Ok(())
    }
}
