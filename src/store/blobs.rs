//! Verbs on blobs: the same bytes are kept once, and as long as a version refers to them.

use rusqlite::{OptionalExtension as _, params};

use super::error::StoreError;
use super::tx::Tx;
use crate::model::digest::Digest;

/// A version's bytes as they are kept; the store does not look inside.
#[derive(Clone)]
pub struct StoredBlob {
    /// How the frame is to be read.
    pub format: u32,
    /// How many bytes come out of it.
    pub size: u64,
    /// The frame.
    pub frame: Vec<u8>,
}

/// A blob, as versions refer to it.
#[derive(Clone, Copy, Debug)]
pub struct BlobId(pub(super) i64);

impl Tx<'_> {
    /// Keeps a blob. Where the same bytes are kept already nothing is written, unless what is kept is not what it was: a write never leans on
    /// a frame that has been damaged, and mends it.
    pub fn put_blob(&self, sha256: Digest, blob: &StoredBlob) -> Result<BlobId, StoreError> {
        let sql = "INSERT INTO blobs (id, digest, format, size, stored, frame) \
                   VALUES ((SELECT coalesce(max(id), 0) + 1 FROM blobs), ?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (digest) DO UPDATE SET format = excluded.format, base = NULL, stored = excluded.stored, frame = excluded.frame \
                   WHERE frame IS NOT excluded.frame OR format IS NOT excluded.format RETURNING id";
        let stored = i64::try_from(blob.frame.len()).unwrap_or(i64::MAX);
        let values = params![sha256.as_bytes(), blob.format, blob.size.cast_signed(), stored, blob.frame];
        let written = self.connection.prepare_cached(sql)?.query_row(values, |row| row.get(0).map(BlobId)).optional()?;
        if let Some(id) = written {
            return Ok(id);
        }
        let kept = "SELECT id FROM blobs WHERE digest = ?1";
        Ok(self.connection.prepare_cached(kept)?.query_row([sha256.as_bytes()], |row| row.get(0).map(BlobId))?)
    }

    /// Removes a blob that no version refers to any more.
    pub(super) fn drop_blob_unless_used(&self, id: BlobId) -> Result<(), StoreError> {
        let sql = "DELETE FROM blobs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM versions WHERE blob_id = ?1)";
        self.connection.prepare_cached(sql)?.execute([id.0])?;
        Ok(())
    }
}
