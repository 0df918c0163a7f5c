//! Verbs on blobs: in a workspace the same bytes are kept once, for as long as a version refers to
//! them or they are the base of a delta. Workspaces share none (see [`super::separate`]).
//!
//! A frame is full, or a delta to another blob's bytes, its base; the base may be a delta itself. A
//! current version is full, also that of a deleted state. A chain has at most [`MAX_STEPS`] deltas
//! and no circle. The bytes of a blob never change, so its frame can be replaced by another frame
//! of the same bytes.

use std::collections::HashSet;

use rusqlite::{Row, params};

use crate::model::digest::Digest;
use crate::model::frame::{
    BlobId, Bytes, ChainSize, FrameChain, Kept, MAX_STEPS, StoredBlob, format_column,
};
use crate::model::state::StateId;
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::rows;
use crate::store::tables::seals::StandingFrame;
use crate::store::tx::Tx;
use crate::store::tx::View;

/// The delta chain of a version, or of the blob whose id is given, down to the full frame. It is
/// followed one step further than is allowed, so that a chain that is too long shows.
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

const KEPT: &str = "b.id, b.base, b.size, b.stored, b.digest, b.format FROM blobs b";

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        id: row.get(0)?,
        base: row.get(1)?,
        size: rows::unsigned(row, 2)?,
        stored: rows::unsigned(row, 3)?,
        digest: rows::digest(row, 4)?,
        seal: rows::format(row, 5)?.1,
    })
}

/// A blob with the same digest: whether its columns are as they are to be, and whether a version of
/// the state has it.
type AlikeBlob = (BlobId, bool, bool);
/// The number of the data key that has sealed a frame, and the frame, if it has to be opened.
type MaybeSealed = (Option<u32>, Option<Vec<u8>>);

impl View<'_> {
    /// The delta chain of some bytes, the full frame first; empty when they were removed.
    pub fn chain(&self, bytes: Bytes) -> Result<Vec<StoredBlob>, StoreError> {
        self.chain_onto(bytes, &[]).map(|chain| chain.frames)
    }

    /// The same from the last bytes on that are known by one of these digests, if they are met.
    pub fn chain_onto(&self, bytes: Bytes, known: &[Digest]) -> Result<FrameChain, StoreError> {
        self.check_bytes(bytes);
        let sql = format!(
            "{CHAIN} SELECT b.format, b.size, coalesce(d.frame, b.frame), b.digest \
             FROM chain c JOIN blobs b ON b.id = c.id \
             LEFT JOIN differences d ON d.id = b.difference ORDER BY c.step"
        );
        let mut statement = self.connection.prepared(&sql)?;
        let blob = |row: &Row<'_>| {
            let (format, seal) = rows::format(row, 0)?;
            let blob = StoredBlob {
                format,
                size: rows::unsigned(row, 1)?,
                frame: row.get(2)?,
            };
            Ok(((seal, rows::digest(row, 3)?), blob))
        };
        let mut chain = FrameChain::default();
        for found in statement.query_map(parameters(bytes), blob)? {
            let (sealed, blob) = found?;
            if known.contains(&sealed.1) {
                chain.is_onto_known = true;
                break;
            }
            chain.frames.push(self.opened(sealed, blob)?);
        }
        chain.frames.reverse();
        Ok(chain)
    }

    /// By what the bytes of each blob of that chain are known, those asked for first.
    pub fn chain_digests(&self, bytes: Bytes) -> Result<Vec<Digest>, StoreError> {
        self.check_bytes(bytes);
        let sql = format!(
            "{CHAIN} SELECT b.digest FROM chain c JOIN blobs b ON b.id = c.id ORDER BY c.step"
        );
        self.all(&sql, parameters(bytes), |row| rows::digest(row, 0))
    }

    /// How large that chain is.
    pub fn chain_size(&self, bytes: Bytes) -> Result<ChainSize, StoreError> {
        self.check_bytes(bytes);
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
        self.only(&sql, parameters(bytes), size)
    }

    /// How a version's bytes are kept; none when they were removed.
    pub fn kept(&self, state: StateId, number: u64) -> Result<Option<Kept>, StoreError> {
        self.check_state(state);
        let sql = format!(
            "SELECT {KEPT} JOIN versions v ON v.blob_id = b.id \
             WHERE v.state_id = ?1 AND v.number = ?2"
        );
        self.one(&sql, params![state, number.cast_signed()], kept)
    }

    /// How a blob is kept.
    pub fn kept_in(&self, id: BlobId) -> Result<Option<Kept>, StoreError> {
        self.one(&format!("SELECT {KEPT} WHERE b.id = ?1"), [id], kept)
    }

    /// Some of the blobs that are deltas to a base.
    pub fn deltas_to(&self, id: BlobId, limit: u32) -> Result<Vec<Kept>, StoreError> {
        self.all(
            &format!("SELECT {KEPT} WHERE b.base = ?1 LIMIT ?2"),
            params![id, limit],
            kept,
        )
    }

    /// Some of the blobs that are only kept as bases, because no version refers to them, by their
    /// ids.
    pub fn bases_without_version(
        &self,
        after: Option<BlobId>,
        limit: u32,
    ) -> Result<Vec<BlobId>, StoreError> {
        let sql = "SELECT DISTINCT base FROM blobs b WHERE base > ?1 AND NOT EXISTS (SELECT 1 FROM \
            versions WHERE blob_id = b.base) \
                   ORDER BY base LIMIT ?2";
        let mut statement = self.connection.prepared(sql)?;
        let after = after.map_or(i64::MIN, BlobId::number);
        Ok(statement
            .query_map(params![after, limit], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Some of the blobs that no version refers to and no delta has as its base. The tables
    /// themselves are asked too: a damaged index must not cost bytes that a version has.
    pub fn orphans(&self, limit: u32) -> Result<Vec<BlobId>, StoreError> {
        let sql = "SELECT id FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM versions WHERE blob_id = \
            b.id) \
                   AND NOT EXISTS (SELECT 1 FROM blobs WHERE base = b.id) LIMIT ?1";
        let mut statement = self.connection.prepared(sql)?;
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
            let mut statement = self.connection.prepared(sql)?;
            let mut used = statement.query([])?;
            while let Some(row) = used.next()? {
                found.remove(&row.get::<_, BlobId>(0)?);
            }
        }
        Ok(found.into_iter().collect())
    }

    fn check_bytes(&self, bytes: Bytes) {
        match bytes {
            Bytes::Of(state, _) => self.check_state(state),
            Bytes::In(_) => {}
        }
    }

    /// The blob and the bases below it, down to the full frame.
    fn chain_down_from(&self, from: BlobId) -> Result<Vec<BlobId>, StoreError> {
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
        self.exists(sql, [id])
    }

    /// Whether a blob's frame may be replaced by a delta to another blob.
    pub fn may_be_delta_to(&self, kept: &Kept, base: &Kept) -> Result<bool, StoreError> {
        let way = self.chain_down_from(base.id)?;
        let is_base = !self.deltas_to(kept.id, 1)?.is_empty();
        // The chains of its own deltas must not get longer.
        let most = if is_base {
            self.chain_down_from(kept.id)?.len().saturating_sub(1)
        } else {
            MAX_STEPS as usize
        };
        Ok(way.len() <= most && !way.contains(&kept.id) && !self.is_current(kept.id)?)
    }
}

impl Tx<'_> {
    /// Keeps a blob for a version of a state. If a version of its workspace has the same bytes
    /// already, nothing is written. If their frame has been damaged, this one replaces it.
    pub fn put_blob(
        &self,
        state: StateId,
        sha256: Digest,
        blob: &StoredBlob,
    ) -> Result<BlobId, StoreError> {
        let standing = self.standing(sha256, (blob.format, blob.size), &blob.frame)?;
        let stored = i64::try_from(standing.frame.len()).unwrap_or(i64::MAX);
        let (digest, size) = (standing.digest.as_bytes(), blob.size.cast_signed());
        let format = format_column(blob.format, standing.seal);
        let Some((id, is_as_it_was)) = self.blob_with(state, &standing, blob)? else {
            let sql = "INSERT INTO blobs (id, digest, format, size, stored, frame) \
                       VALUES ((SELECT coalesce(max(id), 0) + 1 FROM blobs), ?1, ?2, ?3, ?4, ?5) \
                       RETURNING id";
            let values = params![digest, format, size, stored, standing.frame];
            return self.only(sql, values, |row| row.get(0));
        };
        if !is_as_it_was {
            let sql = "UPDATE blobs SET format = ?2, base = NULL, size = ?3, stored = ?4, \
                difference = NULL, frame = ?5 WHERE id = ?1";
            self.execute(sql, params![id, format, size, stored, standing.frame])?;
        }
        Ok(id)
    }

    /// The blob with a digest that a version of the state's workspace has, and whether it is kept
    /// in just this way, column by column. The state's own comes first, and one that has to be
    /// mended before one that has not.
    fn blob_with(
        &self,
        state: StateId,
        standing: &StandingFrame<'_>,
        blob: &StoredBlob,
    ) -> Result<Option<(BlobId, bool)>, StoreError> {
        // What is sealed is never sealed alike: it is opened, and compared then.
        let sql = "SELECT id, format % 256 = ?2 AND base IS NULL AND size = ?3 AND stored = ?4 AND \
            difference IS NULL AND (?7 IS NOT NULL OR frame IS ?5), EXISTS (SELECT 1 FROM versions \
            WHERE blob_id = b.id AND state_id = ?6), format, iif(?7 IS NULL, NULL, frame) \
            FROM blobs b WHERE substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 \
            AND EXISTS (SELECT 1 FROM versions v JOIN states s ON s.id = v.state_id \
            WHERE v.blob_id = b.id AND s.workspace = (SELECT workspace FROM states WHERE id = ?6))";
        let read = |row: &Row<'_>| {
            let frame: Option<Vec<u8>> = row.get(4)?;
            Ok((
                (row.get(0)?, row.get(1)?, row.get(2)?),
                (rows::format(row, 3)?.1, frame),
            ))
        };
        let values = params![
            standing.digest.as_bytes(),
            blob.format,
            blob.size.cast_signed(),
            i64::try_from(standing.frame.len()).unwrap_or(i64::MAX),
            standing.frame,
            state,
            standing.seal
        ];
        // Nearly always there is one at most, and sorting would cost more than the search.
        let found: Vec<(AlikeBlob, MaybeSealed)> = self.all(sql, values, read)?;
        let looked_at = found.into_iter().map(|((id, fits, is_own), sealed)| {
            let is_as_it_was = fits && self.opens_to(standing, blob, sealed)?;
            Ok((id, is_as_it_was, is_own))
        });
        let found: Vec<(BlobId, bool, bool)> = looked_at.collect::<Result<_, StoreError>>()?;
        let best = found
            .into_iter()
            .min_by_key(|(_, is_as_it_was, is_own)| (!is_own, *is_as_it_was));
        Ok(best.map(|(id, is_as_it_was, _)| (id, is_as_it_was)))
    }

    /// Whether what is kept is sealed if it is to be, and then just this frame.
    fn opens_to(
        &self,
        wanted: &StandingFrame<'_>,
        blob: &StoredBlob,
        (seal, frame): MaybeSealed,
    ) -> Result<bool, StoreError> {
        let Some(frame) = frame.filter(|_| seal.is_some()) else {
            return Ok(seal.is_none() && wanted.seal.is_none());
        };
        let standing = StoredBlob {
            frame,
            ..blob.clone()
        };
        match self.opened((seal, wanted.digest), standing) {
            Ok(opened) => Ok(opened.frame == blob.frame),
            Err(StoreError::BadRow(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Replaces a blob's frame by another one of the same bytes: a full one, or a delta to a base.
    /// `false`, and nothing is done, if either has changed since it was read.
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
                || !self.may_be_delta_to(was, base)?
                // The state of one may have moved to another workspace meanwhile.
                || !self.are_of_one_workspace(was.id, base.id)?)
        {
            return Ok(false);
        }
        let standing = self.standing_for(was, format, frame)?;
        let frame = &standing.frame;
        let difference = base.map(|_| self.put_delta(frame)).transpose()?;
        let alone = base.is_none().then_some(frame);
        let sql = "UPDATE blobs SET format = ?2, base = ?3, stored = ?4, difference = ?5, frame = \
            ?6, digest = ?7 WHERE id = ?1";
        let stored = i64::try_from(frame.len()).unwrap_or(i64::MAX);
        let values = params![
            was.id,
            format_column(format, standing.seal),
            base.map(|base| base.id),
            stored,
            difference,
            alone,
            standing.digest.as_bytes()
        ];
        self.execute(sql, values)?;
        Ok(true)
    }

    /// Keeps a delta's frame. The schema removes it with its blob, or when the blob gets another
    /// frame.
    fn put_delta(&self, frame: &[u8]) -> Result<i64, StoreError> {
        let sql = "INSERT INTO differences (id, frame) VALUES ((SELECT coalesce(max(id), 0) + 1 \
            FROM differences), ?1) RETURNING id";
        self.only(sql, [frame], |row| row.get(0))
    }

    /// Removes a blob that no version refers to and no delta has as its base; then its own base, if
    /// that was only kept for it.
    pub fn drop_blob_unless_used(&self, id: BlobId) -> Result<(), StoreError> {
        let sql = "DELETE FROM blobs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM versions WHERE \
            blob_id = ?1) \
                   AND NOT EXISTS (SELECT 1 FROM blobs WHERE base = ?1) RETURNING base";
        let mut unused = Some(id);
        while let Some(id) = unused {
            unused = self.one(sql, [id], |row| row.get(0))?.flatten();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
