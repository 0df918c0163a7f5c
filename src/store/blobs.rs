//! Verbs on blobs: the same bytes are kept once, and as long as a version refers to them.

use rusqlite::params;

use super::error::StoreError;
use super::tx::Tx;
use crate::model::digest::Digest;

/// A version's bytes as they are kept; the store does not look inside.
#[derive(Clone)]
pub struct StoredBlob {
    /// How the frame is to be read.
    pub format: u32,
    /// The frame.
    pub frame: Vec<u8>,
}

impl Tx<'_> {
    /// Keeps a blob. Where the same bytes are kept already nothing is written, unless what is kept is not what it was: a write never leans on
    /// a frame that has been damaged, and mends it.
    pub fn put_blob(&self, sha256: Digest, blob: &StoredBlob) -> Result<(), StoreError> {
        let sql = "INSERT INTO blobs (id, format, stored, frame) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT DO UPDATE SET format = excluded.format, stored = excluded.stored, frame = excluded.frame \
                   WHERE frame IS NOT excluded.frame OR format IS NOT excluded.format";
        let stored = i64::try_from(blob.frame.len()).unwrap_or(i64::MAX);
        self.connection.prepare_cached(sql)?.execute(params![sha256.as_bytes(), blob.format, stored, blob.frame])?;
        Ok(())
    }

    /// Removes a blob that no version refers to any more.
    pub(super) fn drop_blob_unless_used(&self, id: &[u8]) -> Result<(), StoreError> {
        let sql = "DELETE FROM blobs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM versions WHERE blob_id = ?1)";
        self.connection.prepare_cached(sql)?.execute([id])?;
        Ok(())
    }
}
