//! Verbs on what is purged: content that leaves its version, and the note that it still has to leave the disk.

use rusqlite::{OptionalExtension as _, Row, params};

use super::blobs::BlobId;
use super::error::StoreError;
use super::rows;
use super::states::StateId;
use super::tx::{Tx, View};
use crate::model::clock::Timestamp;
use crate::model::name::StateName;

impl View<'_> {
    /// The versions of a state whose content was not removed.
    pub fn numbers_with_content(&self, state: StateId) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT number FROM versions WHERE state_id = ?1 AND blob_id IS NOT NULL";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map([state.0], |row| rows::unsigned(row, 0))?.collect::<rusqlite::Result<_>>()?)
    }

    /// The versions that have the same bytes as this one, itself among them, with the blob that these are in.
    pub fn sharing(&self, state: StateId, number: u64) -> Result<Vec<(BlobId, StateId, StateName, u64)>, StoreError> {
        let sql = "SELECT o.blob_id, o.state_id, s.workspace, s.building_block, o.number FROM versions v \
                   JOIN versions o ON o.blob_id = v.blob_id JOIN states s ON s.id = o.state_id WHERE v.state_id = ?1 AND v.number = ?2";
        let shared = |row: &Row<'_>| Ok((BlobId(row.get(0)?), StateId(row.get(1)?), rows::name(row, 2)?, rows::unsigned(row, 4)?));
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map(params![state.0, number.cast_signed()], shared)?.collect::<rusqlite::Result<_>>()?)
    }

    /// Since when something that was removed has to leave the disk, and whether only the log still holds it; none when nothing has to.
    pub fn pending_erasure(&self) -> Result<Option<(Timestamp, bool)>, StoreError> {
        let sql = "SELECT asked_at, rewritten FROM pending_erasure";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| Ok((rows::time(row, 0)?, row.get(1)?))).optional()?)
    }
}

impl Tx<'_> {
    /// Removes the content of versions, which is in these blobs and belongs to no other version. False, and nothing is done, where a blob that is none
    /// of these leans on one of them.
    pub fn remove_content(&self, state: StateId, numbers: &[u64], blobs: &[BlobId]) -> Result<bool, StoreError> {
        for blob in blobs {
            if self.leaning_on(*blob, u32::MAX)?.iter().any(|kept| !blobs.contains(&kept.id)) {
                return Ok(false);
            }
        }
        let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| self.connection.prepare_cached(sql)?.execute(values);
        for number in numbers {
            run("UPDATE versions SET blob_id = NULL WHERE state_id = ?1 AND number = ?2", params![state.0, number.cast_signed()])?;
        }
        for blob in blobs {
            // Nothing refers to them now, so the order in which they go does not matter.
            run("UPDATE blobs SET base = NULL WHERE id = ?1", params![blob])?;
        }
        for blob in blobs {
            self.drop_blob_unless_used(*blob)?;
        }
        Ok(true)
    }

    /// Notes that something that was removed has to leave the disk.
    pub fn ask_for_erasure(&self, at: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO pending_erasure (one, asked_at, rewritten) VALUES (1, ?1, 0)";
        self.connection.prepare_cached(sql)?.execute([at.millis()])?;
        Ok(())
    }

    /// Notes that only the log still holds what had to leave the disk since then.
    pub fn note_rewritten(&self, asked_at: Timestamp) -> Result<(), StoreError> {
        self.connection.prepare_cached("UPDATE pending_erasure SET rewritten = 1 WHERE asked_at = ?1")?.execute([asked_at.millis()])?;
        Ok(())
    }

    /// Notes that nothing is left of what had to leave the disk since then.
    pub fn end_erasure(&self, asked_at: Timestamp) -> Result<(), StoreError> {
        self.connection.prepare_cached("DELETE FROM pending_erasure WHERE asked_at = ?1")?.execute([asked_at.millis()])?;
        Ok(())
    }
}
