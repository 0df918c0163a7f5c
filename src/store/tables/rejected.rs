//! Verbs on rejected versions: finding the one with some bytes, and keeping them within their
//! bounds.
//!
//! Those of keys that may only plan (`forbidden`) and those of keys that may write never push each
//! other out: each is trimmed among its own, and neither stands in for the other's bytes.

use rusqlite::params;

use crate::model::digest::Digest;
use crate::model::state::StateId;
use crate::model::version::Rejection;
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

impl View<'_> {
    /// The rejected version of a state with these bytes, if they are kept already. One of a key
    /// that may only plan does not count for a writer's: it goes earlier.
    pub fn rejected_with(
        &self,
        state: StateId,
        sha256: Digest,
        why: Rejection,
    ) -> Result<Option<u64>, StoreError> {
        self.check_state(state);
        let sql = "SELECT number FROM versions WHERE state_id = ?1 AND kind = 'rejected' AND \
            sha256 = ?2 AND blob_id IS NOT NULL AND (?3 OR rejection IS NOT ?4) ORDER BY number \
            DESC";
        let forbidden = Rejection::Forbidden;
        let key = params![state, sha256.as_bytes(), why == forbidden, forbidden.code()];
        self.one(sql, key, |row| rows::unsigned(row, 0))
    }
}

impl Tx<'_> {
    /// Removes the oldest rejected versions of a state beyond a number and a size on disk: among
    /// those of keys that may only plan, if `why` is `forbidden`, else among all others. The newest
    /// one always stays, and so do held ones, which are not counted.
    pub fn trim_rejected(
        &self,
        state: StateId,
        why: Rejection,
        keep: usize,
        keep_bytes: u64,
    ) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "SELECT v.number, coalesce(b.stored, 0) FROM versions v LEFT JOIN blobs b ON \
            b.id = v.blob_id \
                   WHERE v.state_id = ?1 AND v.kind = 'rejected' AND v.held_at IS NULL AND \
                   (v.rejection IS ?2) = ?3 ORDER BY v.number DESC";
        let mut statement = self.connection.prepared(sql)?;
        let forbidden = Rejection::Forbidden;
        let key = params![state, forbidden.code(), why == forbidden];
        let kept: Vec<(u64, u64)> = statement
            .query_map(key, |row| {
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
