//! Verbs on what seals content: data keys, and how far content is sealed by the newest of them.
//!
//! Frames are sealed on their way into the tables and opened on their way out, so nothing above the
//! store knows of it. A frame is sealed anew in one transaction with the note of how far that is:
//! who goes on after a kill needs nothing but these rows.

use std::borrow::Cow;

use rusqlite::{Row, params};

use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::frame::{BlobId, Kept, StoredBlob, format_column};
use crate::seal::{DataKey, FramePlace, Keyring, StorageKey};
use crate::store::error::StoreError;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

/// How many blobs are looked at in one step.
const MOST_LOOKED_AT: u32 = 1_000;
/// A step seals so many bytes at most, and one frame at least: writes wait for it.
const MOST_SEALED: u64 = 256 * 1024;
/// Before the first blob: the index, which another key has sealed, is made anew first. While that
/// goes on, the note is below zero: one less than none for the first state, and so on.
const INDEX_FIRST: i64 = -1;
/// How many states a step has the index forget.
const MOST_FORGOTTEN: u32 = 100;

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

fn sealed(
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

    /// Seals some more content by the newest data key. Says whether that was the last of it: then
    /// the other data keys are gone, and what was in the clear has to leave the disk.
    pub fn seal_some(&self) -> Result<bool, StoreError> {
        let pending = "SELECT after FROM pending_seal";
        let (Some(after), Some(ring)) =
            (self.one(pending, [], |row| row.get(0))?, self.seals.ring())
        else {
            return Ok(true);
        };
        let newest = ring.newest().number();
        let kept = "SELECT max(number) FROM data_keys";
        if self.only(kept, [], |row| row.get::<_, u32>(0))? != newest {
            // A newer key was made in this very transaction, and is not in use yet.
            return Ok(false);
        }
        if after <= INDEX_FIRST {
            return self.forget_some_of_the_index(after).map(|()| false);
        }
        let sql = "SELECT id, format, stored FROM blobs WHERE id > ?1 ORDER BY id LIMIT ?2";
        // A row that says what cannot be is looked at on its own.
        let read = |row: &Row<'_>| {
            let seal = rows::format(row, 1).map_or(None, |(_, seal)| seal);
            let stored = rows::unsigned(row, 2).unwrap_or(0);
            Ok((row.get::<_, BlobId>(0)?, seal, stored))
        };
        let blobs: Vec<_> = self.all(sql, params![after, MOST_LOOKED_AT], read)?;
        if blobs.is_empty() {
            self.run("DELETE FROM pending_seal", [])?;
            let retired = "DELETE FROM data_keys WHERE number > 0 AND number < ?1";
            self.run(retired, [newest])?;
            self.ask_for_erasure(self.now())?;
            return Ok(true);
        }
        let (mut bytes, mut done) = (0, after);
        for (id, seal, stored) in blobs {
            if seal != Some(newest) {
                bytes += stored;
                self.seal_anew(id)?;
            }
            done = id.number();
            if bytes >= MOST_SEALED {
                break;
            }
        }
        self.note_sealed_to(done)?;
        Ok(false)
    }

    /// Has the index forget some more states, which it then follows again. It has no words: content
    /// was sealed before.
    fn forget_some_of_the_index(&self, note: i64) -> Result<(), StoreError> {
        let after = INDEX_FIRST - note;
        let sql = "SELECT max(id) FROM (SELECT id FROM states WHERE id > ?1 ORDER BY id LIMIT ?2)";
        let read = |row: &Row<'_>| row.get::<_, Option<i64>>(0);
        let Some(last) = self.only(sql, params![after, MOST_FORGOTTEN], read)? else {
            return self.note_sealed_to(0);
        };
        for sql in [
            "DELETE FROM found_entries WHERE state_id > ?1 AND state_id <= ?2",
            "DELETE FROM found_states WHERE state_id > ?1 AND state_id <= ?2",
            "INSERT INTO pending_words (workspace, state_id, stamp) SELECT workspace, id, 1 FROM \
                states WHERE id > ?1 AND id <= ?2 AND current IS NOT NULL AND deleted_at IS NULL \
                ON CONFLICT (workspace, state_id) DO UPDATE SET stamp = stamp + 1",
        ] {
            self.run(sql, params![after, last])?;
        }
        self.note_sealed_to(INDEX_FIRST - last)
    }

    fn note_sealed_to(&self, after: i64) -> Result<(), StoreError> {
        self.run("UPDATE pending_seal SET after = ?1", [after])
    }

    /// Seals a frame by the newest key. One that cannot be read stays as it is: it is damaged, and
    /// nothing that could be read needs its key.
    fn seal_anew(&self, id: BlobId) -> Result<(), StoreError> {
        let (kept, difference, blob) = match self.frame_to_seal(id) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(StoreError::BadRow(why) | StoreError::Damaged(why)) => {
                let blob = id.number();
                tracing::warn!(blob, why, "damaged content cannot be sealed, and stays");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let standing = self.standing_for(&kept, blob.format, &blob.frame)?;
        let alone = difference.is_none().then_some(&standing.frame);
        if let Some(difference) = difference {
            let sql = "UPDATE differences SET frame = ?2 WHERE id = ?1";
            self.run(sql, params![difference, standing.frame])?;
        }
        let sql = "UPDATE blobs SET digest = ?2, format = ?3, stored = ?4, frame = ?5 \
            WHERE id = ?1";
        let stored = i64::try_from(standing.frame.len()).unwrap_or(i64::MAX);
        let digest = standing.digest.as_bytes();
        let format = format_column(blob.format, standing.seal);
        self.run(sql, params![id, digest, format, stored, alone])
    }

    /// How a blob is kept, where its frame is if that is a delta, and the frame, opened.
    fn frame_to_seal(
        &self,
        id: BlobId,
    ) -> Result<Option<(Kept, Option<i64>, StoredBlob)>, StoreError> {
        let Some(kept) = self.kept_in(id)? else {
            return Ok(None);
        };
        let sql = "SELECT b.format, b.difference, coalesce(d.frame, b.frame) FROM blobs b \
            LEFT JOIN differences d ON d.id = b.difference WHERE b.id = ?1";
        let read = |row: &Row<'_>| {
            let blob = StoredBlob {
                format: rows::format(row, 0)?.0,
                size: kept.size,
                frame: row.get(2)?,
            };
            Ok((row.get(1)?, blob))
        };
        let (difference, blob) = self.only(sql, [id], read)?;
        let opened = self.opened((kept.seal, kept.digest), blob)?;
        Ok(Some((kept, difference, opened)))
    }
}
