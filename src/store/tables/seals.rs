//! Verbs on what seals content: data keys, and how far content is sealed by the newest of them.
//!
//! Frames are sealed on their way into the tables and opened on their way out, so nothing above the
//! store knows of it. What already stands there is sealed by the verbs in [`super::sealing`].

use std::borrow::Cow;

use rusqlite::{Row, params};

use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::frame::{Kept, StoredBlob};
use crate::seal::{DataKey, FramePlace, Keyring, StorageKey};
use crate::store::error::StoreError;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

/// Before the first blob: the index, which another key has sealed, is made anew first. While that
/// goes on, the note is below zero: one less than none for the first state, and so on.
pub(in crate::store) const INDEX_FIRST: i64 = -1;

/// A frame as it stands in the database.
pub(in crate::store) struct StandingFrame<'f> {
    /// By what the bytes are known.
    pub(in crate::store) digest: Digest,
    /// The number of the data key; none if it stands in the clear.
    pub(in crate::store) seal: Option<u32>,
    /// The frame.
    pub(in crate::store) frame: Cow<'f, [u8]>,
}

/// How content is sealed.
#[derive(Clone, Debug)]
pub struct SealFacts {
    /// The data key that seals.
    pub data_key: u32,
    /// The mark of the storage key that the data keys need.
    pub storage_key: String,
    /// Since when.
    pub since: Timestamp,
    /// If content is still to be sealed by it: since when, up to which blob that is done, and which
    /// is the last.
    pub pending: Option<(Timestamp, u64, u64)>,
}

impl View<'_> {
    /// A frame as it is to stand: sealed, where content is. `sha256` is of the bytes.
    pub(in crate::store) fn standing<'f>(
        &self,
        sha256: Digest,
        (format, size): (u32, u64),
        frame: &'f [u8],
    ) -> Result<StandingFrame<'f>, StoreError> {
        let Some(ring) = self.seals.ring() else {
            return Ok(StandingFrame {
                digest: sha256,
                seal: None,
                frame: frame.into(),
            });
        };
        sealed(&ring, ring.names().digest(sha256), (format, size), frame)
    }

    /// The same of another frame for a blob that is there.
    pub(in crate::store) fn standing_for<'f>(
        &self,
        blob: &Kept,
        format: u32,
        frame: &'f [u8],
    ) -> Result<StandingFrame<'f>, StoreError> {
        match (blob.seal, self.seals.ring()) {
            (Some(_), Some(ring)) => sealed(&ring, blob.digest, (format, blob.size), frame),
            _ => self.standing(blob.digest, (format, blob.size), frame),
        }
    }

    /// Whether the digest of a blob, in one column, belongs to the SHA-256 of its version and to
    /// its format, in the next two.
    pub(in crate::store) fn is_name_of_its_version(
        &self,
        row: &Row<'_>,
        at: usize,
    ) -> rusqlite::Result<bool> {
        let found = row.get_ref(at)?.as_blob()?;
        let Ok(sha256) = rows::digest(row, at + 1) else {
            return Ok(false);
        };
        let is_sealed = rows::format(row, at + 2).is_ok_and(|(_, seal)| seal.is_some());
        let named = match self.seals.ring().filter(|_| is_sealed) {
            Some(ring) => ring.names().digest(sha256),
            None => sha256,
        };
        Ok(found == named.as_bytes())
    }

    /// Opens a frame.
    pub(in crate::store) fn opened(
        &self,
        (seal, digest): (Option<u32>, Digest),
        blob: StoredBlob,
    ) -> Result<StoredBlob, StoreError> {
        let Some(number) = seal else {
            return Ok(blob);
        };
        let ring = self.seals.ring().ok_or_else(no_keys)?;
        let StoredBlob {
            format,
            size,
            frame,
        } = blob;
        let at = FramePlace {
            digest,
            format,
            size,
        };
        Ok(StoredBlob {
            format,
            size,
            frame: ring.open_frame(number, at, frame)?,
        })
    }

    /// How content is sealed; none where it stands in the clear.
    pub fn seal_facts(&self) -> Result<Option<SealFacts>, StoreError> {
        let sql = "SELECT number, lower(hex(storage_key)), made_at FROM data_keys \
            ORDER BY number DESC LIMIT 1";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, rows::time(row, 2)?));
        let Some((data_key, storage_key, since)) = self.one(sql, [], read)? else {
            return Ok(None);
        };
        let sql = "SELECT asked_at, max(after, 0), (SELECT coalesce(max(id), 0) FROM blobs) \
            FROM pending_seal";
        let read = |row: &Row<'_>| {
            let (done, of) = (rows::unsigned(row, 1)?, rows::unsigned(row, 2)?);
            Ok((rows::time(row, 0)?, done, of))
        };
        Ok(Some(SealFacts {
            data_key,
            storage_key,
            since,
            pending: self.one(sql, [], read)?,
        }))
    }
}

fn no_keys() -> StoreError {
    StoreError::BadRow("content is said to be sealed, and there is no key".to_owned())
}

/// A frame as it stands where it is sealed, under the digest by which its blob is known then.
pub(in crate::store) fn sealed(
    ring: &Keyring,
    digest: Digest,
    (format, size): (u32, u64),
    frame: &[u8],
) -> Result<StandingFrame<'static>, StoreError> {
    let at = FramePlace {
        digest,
        format,
        size,
    };
    Ok(StandingFrame {
        digest,
        seal: Some(ring.newest().number()),
        frame: ring.seal_frame(at, frame)?.into(),
    })
}

impl Tx<'_> {
    /// Asks for all content to be sealed by the newest data key. `false` if there is none.
    pub fn ask_for_sealing(&self) -> Result<bool, StoreError> {
        if self.seals.ring().is_none() {
            return Ok(false);
        }
        // What is asked for already goes on.
        let sql = "INSERT OR IGNORE INTO pending_seal (one, asked_at, after) VALUES (1, ?1, 0)";
        self.run(sql, [self.now().millis()])?;
        Ok(true)
    }

    /// Makes a new data key, and has all of them sealed by a storage key. Gives the keys that are
    /// to be used once this is committed; none where content is not sealed.
    pub fn change_storage_key(
        &self,
        storage_key: &StorageKey,
    ) -> Result<Option<Keyring>, StoreError> {
        let at = self.now();
        let Some(ring) = self.seals.ring() else {
            return Ok(None);
        };
        let newest = DataKey::random(ring.newest().number() + 1)?;
        let ring = ring.with(newest.clone());
        let sql = "INSERT OR REPLACE INTO data_keys (number, storage_key, sealed, made_at) VALUES \
            (?1, ?2, ?3, coalesce((SELECT made_at FROM data_keys WHERE number = ?1), ?4))";
        for key in ring.all() {
            let sealed = key.sealed_by(storage_key)?;
            let values = params![key.number(), storage_key.mark().0, sealed, at.millis()];
            self.run(sql, values)?;
        }
        let sql = "INSERT OR REPLACE INTO pending_seal (one, asked_at, after) VALUES (1, ?1, ?2)";
        self.run(sql, params![at.millis(), INDEX_FIRST])?;
        Ok(Some(ring))
    }
}
