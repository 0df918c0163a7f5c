//! Verbs on blobs: the same bytes are kept once, and as long as a version refers to them or another
//! blob leans on them.
//!
//! A frame may be a difference to another blob's bytes, its base, which may be one itself. What
//! clients get, or would get if a deleted state came back, stands alone; nothing is more than
//! [`MAX_STEPS`] differences away from a frame that stands alone; and nothing leans on itself. The
//! bytes of a blob never change, so replacing a frame by another one of the same bytes does no harm
//! to what leans on it.

use std::collections::HashSet;

use rusqlite::{OptionalExtension as _, Row, params};

use crate::model::digest::Digest;
use crate::model::frame::{BlobId, Bytes, ChainSize, Kept, MAX_STEPS, StoredBlob};
use crate::model::state::StateId;
use crate::store::error::StoreError;
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

/// The blobs on the way from that of a version, or from the one whose id is given, to one that
/// stands alone. One more step than there may be is looked at, so that it shows.
const CHAIN: &str = "WITH RECURSIVE chain (step, id) AS (\
    SELECT 0, coalesce(?3, (SELECT blob_id FROM versions WHERE state_id = ?1 AND number = ?2)) \
    UNION ALL SELECT step + 1, b.base FROM chain c JOIN blobs b ON b.id = c.id WHERE b.base IS NOT \
    NULL AND step <= 8)";

/// The parameters of [`CHAIN`].
fn parameters(bytes: Bytes) -> (Option<StateId>, Option<i64>, Option<BlobId>) {
    match bytes {
        Bytes::Of(state, number) => (Some(state), Some(number.cast_signed()), None),
        Bytes::In(blob) => (None, None, Some(blob)),
    }
}

const KEPT: &str = "b.id, b.base, b.size, b.stored, b.digest FROM blobs b";

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        id: row.get(0)?,
        base: row.get(1)?,
        size: rows::unsigned(row, 2)?,
        stored: rows::unsigned(row, 3)?,
        digest: rows::digest(row, 4)?,
    })
}

impl View<'_> {
    /// The frames that lead to some bytes, that which stands alone first; none when they were
    /// removed.
    pub fn chain(&self, bytes: Bytes) -> Result<Vec<StoredBlob>, StoreError> {
        let sql = format!(
            "{CHAIN} SELECT b.format, b.size, coalesce(d.frame, b.frame) FROM chain c JOIN blobs b \
                ON b.id = c.id \
             LEFT JOIN differences d ON d.id = b.difference ORDER BY c.step DESC"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let blob = |row: &Row<'_>| {
            Ok(StoredBlob {
                format: row.get(0)?,
                size: rows::unsigned(row, 1)?,
                frame: row.get(2)?,
            })
        };
        let found = statement.query_map(parameters(bytes), blob)?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    /// How large they are.
    pub fn chain_size(&self, bytes: Bytes) -> Result<ChainSize, StoreError> {
        let sql = format!(
            "{CHAIN} SELECT coalesce(sum(b.stored), 0), coalesce(max(b.size), 0), count(*) FROM \
                chain c JOIN blobs b ON b.id = c.id"
        );
        let size = |row: &Row<'_>| {
            Ok(ChainSize {
                stored: rows::unsigned(row, 0)?,
                largest: rows::unsigned(row, 1)?,
                frames: rows::unsigned(row, 2)?,
            })
        };
        Ok(self
            .connection
            .prepare_cached(&sql)?
            .query_row(parameters(bytes), size)?)
    }

    /// How a version's bytes are kept; none when they were removed.
    pub fn kept(&self, state: StateId, number: u64) -> Result<Option<Kept>, StoreError> {
        let sql = format!(
            "SELECT {KEPT} JOIN versions v ON v.blob_id = b.id WHERE v.state_id = ?1 AND v.number = ?2"
        );
        Ok(self
            .connection
            .prepare_cached(&sql)?
            .query_row(params![state, number.cast_signed()], kept)
            .optional()?)
    }

    /// How a blob is kept.
    pub fn kept_in(&self, id: BlobId) -> Result<Option<Kept>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT {KEPT} WHERE b.id = ?1"))?
            .query_row([id], kept)
            .optional()?)
    }

    /// Some of the blobs that lean on a blob.
    pub fn leaning_on(&self, id: BlobId, limit: u32) -> Result<Vec<Kept>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {KEPT} WHERE b.base = ?1 LIMIT ?2"))?;
        Ok(statement
            .query_map(params![id, limit], kept)?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Some of the blobs that no version refers to any more, and others still lean on, by their
    /// ids.
    pub fn only_leaned_on(
        &self,
        after: Option<BlobId>,
        limit: u32,
    ) -> Result<Vec<BlobId>, StoreError> {
        let sql = "SELECT DISTINCT base FROM blobs b WHERE base > ?1 AND NOT EXISTS (SELECT 1 FROM \
            versions WHERE blob_id = b.base) \
                   ORDER BY base LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let after = after.map_or(i64::MIN, BlobId::number);
        Ok(statement
            .query_map(params![after, limit], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Some of the blobs that nothing refers to any more, and nothing leans on. An index alone is
    /// not believed: one that has been damaged must not cost bytes that a version has.
    pub fn orphans(&self, limit: u32) -> Result<Vec<BlobId>, StoreError> {
        let sql = "SELECT id FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM versions WHERE blob_id = \
            b.id) \
                   AND NOT EXISTS (SELECT 1 FROM blobs WHERE base = b.id) LIMIT ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut found = statement
            .query_map([limit], |row| row.get(0))?
            .collect::<rusqlite::Result<HashSet<_>>>()?;
        for sql in [
            "SELECT blob_id FROM versions NOT INDEXED WHERE blob_id IS NOT NULL",
            "SELECT base FROM blobs NOT INDEXED WHERE base IS NOT NULL",
        ] {
            if found.is_empty() {
                break;
            }
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut used = statement.query([])?;
            while let Some(row) = used.next()? {
                found.remove(&row.get::<_, BlobId>(0)?);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The blob and those on its way to one that stands alone.
    fn way_down(&self, from: BlobId) -> Result<Vec<BlobId>, StoreError> {
        let mut way = vec![from];
        let mut at = self.kept_in(from)?;
        while let Some(base) = at.and_then(|kept| kept.base)
            && way.len() <= MAX_STEPS as usize
        {
            way.push(base);
            at = self.kept_in(base)?;
        }
        Ok(way)
    }

    /// Whether clients get these bytes, or would get them if a deleted state came back.
    fn is_current(&self, id: BlobId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM versions v JOIN states s ON s.id = v.state_id AND s.current = \
            v.number WHERE v.blob_id = ?1";
        Ok(self.connection.prepare_cached(sql)?.exists([id])?)
    }

    /// Whether a blob's frame may be replaced by a difference to another blob.
    pub fn may_lean(&self, kept: &Kept, base: &Kept) -> Result<bool, StoreError> {
        let way = self.way_down(base.id)?;
        let is_leaned_on = !self.leaning_on(kept.id, 1)?.is_empty();
        // Whatever leans on it must not end up further away than it was.
        let most = if is_leaned_on {
            self.way_down(kept.id)?.len().saturating_sub(1)
        } else {
            MAX_STEPS as usize
        };
        Ok(way.len() <= most && !way.contains(&kept.id) && !self.is_current(kept.id)?)
    }
}

impl Tx<'_> {
    /// Keeps a blob. Where the same bytes are kept already nothing is written, unless what is kept
    /// is not what it was: a write never leans on a frame that has been damaged, and mends it.
    pub fn put_blob(&self, sha256: Digest, blob: &StoredBlob) -> Result<BlobId, StoreError> {
        let stored = i64::try_from(blob.frame.len()).unwrap_or(i64::MAX);
        let Some((id, is_as_it_was)) = self.blob_with(sha256, blob, stored)? else {
            let sql = "INSERT INTO blobs (id, digest, format, size, stored, frame) \
                       VALUES ((SELECT coalesce(max(id), 0) + 1 FROM blobs), ?1, ?2, ?3, ?4, ?5) \
                       RETURNING id";
            let values = params![
                sha256.as_bytes(),
                blob.format,
                blob.size.cast_signed(),
                stored,
                blob.frame
            ];
            return Ok(self
                .connection
                .prepare_cached(sql)?
                .query_row(values, |row| row.get(0))?);
        };
        if !is_as_it_was {
            let sql = "UPDATE blobs SET format = ?2, base = NULL, size = ?3, stored = ?4, \
                difference = NULL, frame = ?5 WHERE id = ?1";
            self.connection.prepare_cached(sql)?.execute(params![
                id,
                blob.format,
                blob.size.cast_signed(),
                stored,
                blob.frame
            ])?;
        }
        Ok(id)
    }

    /// The blob with a digest, and whether it is kept in just this way, column by column.
    fn blob_with(
        &self,
        sha256: Digest,
        blob: &StoredBlob,
        stored: i64,
    ) -> Result<Option<(BlobId, bool)>, StoreError> {
        let sql = "SELECT id, format = ?2 AND base IS NULL AND size = ?3 AND stored = ?4 AND \
            difference IS NULL AND frame IS ?5 FROM blobs \
                   WHERE substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1";
        let found = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let values = params![
            sha256.as_bytes(),
            blob.format,
            blob.size.cast_signed(),
            stored,
            blob.frame
        ];
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row(values, found)
            .optional()?)
    }

    /// Replaces a blob's frame by another one of the same bytes: one that stands alone, or a
    /// difference to a base. Nothing is done, and `false` answered, where anything has changed
    /// since both were looked at.
    pub fn replace_frame(
        &self,
        was: &Kept,
        base: Option<&Kept>,
        format: u32,
        frame: &[u8],
    ) -> Result<bool, StoreError> {
        if self.kept_in(was.id)?.as_ref() != Some(was) {
            return Ok(false);
        }
        if let Some(base) = base
            && (self
                .kept_in(base.id)?
                .is_none_or(|now| now.digest != base.digest)
                || !self.may_lean(was, base)?)
        {
            return Ok(false);
        }
        let difference = base.map(|_| self.put_difference(frame)).transpose()?;
        let alone = base.is_none().then_some(frame);
        let sql = "UPDATE blobs SET format = ?2, base = ?3, stored = ?4, difference = ?5, frame = \
            ?6 WHERE id = ?1";
        let stored = i64::try_from(frame.len()).unwrap_or(i64::MAX);
        let values = params![
            was.id,
            format,
            base.map(|base| base.id),
            stored,
            difference,
            alone
        ];
        self.connection.prepare_cached(sql)?.execute(values)?;
        Ok(true)
    }

    /// Keeps a frame that is a difference; it goes with the blob that refers to it, or when that is
    /// kept in another way.
    fn put_difference(&self, frame: &[u8]) -> Result<i64, StoreError> {
        let sql = "INSERT INTO differences (id, frame) VALUES ((SELECT coalesce(max(id), 0) + 1 \
            FROM differences), ?1) RETURNING id";
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row([frame], |row| row.get(0))?)
    }

    /// Removes a blob that no version refers to any more and no other blob leans on, and with it
    /// what was only kept because it leaned on it.
    pub fn drop_blob_unless_used(&self, id: BlobId) -> Result<(), StoreError> {
        let sql = "DELETE FROM blobs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM versions WHERE \
            blob_id = ?1) \
                   AND NOT EXISTS (SELECT 1 FROM blobs WHERE base = ?1) RETURNING base";
        let mut unused = Some(id);
        while let Some(id) = unused {
            unused = self
                .connection
                .prepare_cached(sql)?
                .query_row([id], |row| row.get(0))
                .optional()?
                .flatten();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
