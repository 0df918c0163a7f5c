//! Verbs on what is purged: content that leaves its version, and the note that it still has to
//! leave the disk.

use std::collections::HashSet;

use rusqlite::{Row, params};

use crate::model::clock::Timestamp;
use crate::model::frame::{BlobId, Purgeable};
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::hashed::{STATES, VERSIONS};
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

const PURGEABLE: &str = "SELECT v.number, v.blob_id, v.sha256, v.held_at IS NOT NULL, v.number IS \
    s.current AND s.deleted_at IS NULL \
    FROM versions v JOIN states s ON s.id = v.state_id WHERE v.state_id = ?1";

fn purgeable(row: &Row<'_>) -> rusqlite::Result<Purgeable> {
    let blob: Option<BlobId> = row.get(1)?;
    let content = blob
        .map(|id| Ok::<_, rusqlite::Error>((id, rows::digest(row, 2)?)))
        .transpose()?;
    Ok(Purgeable {
        number: rows::unsigned(row, 0)?,
        content,
        held: row.get(3)?,
        current: row.get(4)?,
    })
}

impl View<'_> {
    /// One version of a state.
    pub fn purgeable(&self, state: StateId, number: u64) -> Result<Option<Purgeable>, StoreError> {
        self.check_state(state);
        self.prove_row(&STATES, params![state])?;
        let key = params![state, number.cast_signed()];
        self.prove_row(&VERSIONS, key)?;
        let sql = format!("{PURGEABLE} AND v.number = ?2");
        self.one(&sql, key, purgeable)
    }

    /// All versions of a state whose content was not removed, the oldest first.
    pub fn all_purgeable(&self, state: StateId) -> Result<Vec<Purgeable>, StoreError> {
        self.check_state(state);
        let sql = format!("{PURGEABLE} AND v.blob_id IS NOT NULL ORDER BY v.number");
        self.all(&sql, [state], purgeable)
    }

    /// A version whose bytes are in this blob and which is none of those that go.
    pub fn sharing(
        &self,
        blob: BlobId,
        goes: impl Fn(StateId, u64) -> bool,
    ) -> Result<Option<(StateName, u64)>, StoreError> {
        let sql = "SELECT v.state_id, v.number, s.workspace, s.building_block FROM versions v JOIN \
            states s ON s.id = v.state_id WHERE v.blob_id = ?1";
        let mut statement = self.connection.prepared(sql)?;
        let mut found = statement.query([blob])?;
        while let Some(row) = found.next()? {
            let number = rows::unsigned(row, 1)?;
            if !goes(row.get(0)?, number) {
                return Ok(Some((rows::name(row, 2)?, number)));
            }
        }
        Ok(None)
    }

    /// Those of some blobs that are the base of a delta outside of these blobs.
    pub fn bases_of_others(&self, blobs: &HashSet<BlobId>) -> Result<Vec<BlobId>, StoreError> {
        let mut statement = self
            .connection
            .prepared("SELECT id FROM blobs WHERE base = ?1")?;
        let mut found = Vec::new();
        for blob in blobs {
            let deltas = statement
                .query_map([blob], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            if deltas.iter().any(|other| !blobs.contains(other)) {
                found.push(*blob);
            }
        }
        Ok(found)
    }

    /// Since when removed bytes have to leave the disk, and whether only the WAL still holds them;
    /// none when there are none.
    pub fn pending_erasure(&self) -> Result<Option<(Timestamp, bool)>, StoreError> {
        let sql = "SELECT asked_at, rewritten FROM pending_erasure";
        self.one(sql, [], |row| Ok((rows::time(row, 0)?, row.get(1)?)))
    }
}

impl Tx<'_> {
    /// Removes the content of some versions, until so many bytes of frames are gone, and says of
    /// how many versions; the rest is for another transaction. Bases of other deltas stay; bases
    /// that only these versions needed go too.
    pub fn remove_content(
        &self,
        state: StateId,
        versions: &[(u64, BlobId)],
        most_bytes: u64,
    ) -> Result<usize, StoreError> {
        self.check_state(state);
        let leave = "UPDATE versions SET blob_id = NULL WHERE state_id = ?1 AND number = ?2";
        let mut bytes = 0;
        for (count, (number, blob)) in (1..).zip(versions) {
            bytes += self.kept_in(*blob)?.map_or(0, |kept| kept.stored);
            let key = params![state, number.cast_signed()];
            self.update_hashed(&VERSIONS, key, leave, key)?;
            self.drop_blob_unless_used(*blob)?;
            if bytes >= most_bytes {
                return Ok(count);
            }
        }
        Ok(versions.len())
    }

    /// Notes that something that was removed has to leave the disk.
    pub fn ask_for_erasure(&self, at: Timestamp) -> Result<(), StoreError> {
        // Each time is another one: who erases notes its own.
        let sql = "INSERT OR REPLACE INTO pending_erasure (one, asked_at, rewritten) VALUES (1, \
            coalesce((SELECT max(?1, asked_at + 1) FROM pending_erasure), ?1), 0)";
        self.run(sql, [at.millis()])
    }

    /// Notes that only the WAL still holds what had to leave the disk since then.
    pub fn note_pages_swept(&self, asked_at: Timestamp) -> Result<(), StoreError> {
        self.run(
            "UPDATE pending_erasure SET rewritten = 1 WHERE asked_at = ?1",
            [asked_at.millis()],
        )
    }

    /// Notes that nothing is left of what had to leave the disk since then.
    pub fn end_erasure(&self, asked_at: Timestamp) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM pending_erasure WHERE asked_at = ?1",
            [asked_at.millis()],
        )
    }
}
