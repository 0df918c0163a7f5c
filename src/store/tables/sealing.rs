//! Verbs of the work of sealing: frames that the newest data key has not sealed are read in
//! batches, sealed beside the writer, and put in their places in short transactions.
//!
//! A frame is put only where its row is as it was read. Each job that writes a frame seals it by
//! the newest key, and a batch has none of that key: a row that still names another key, or none,
//! has the bytes that were read. A batch from before a change of the key is put nowhere. The note
//! of how far it is stands in the same transaction: who goes on after a kill needs nothing but
//! these rows.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Row, params};

use crate::model::clock;
use crate::model::frame::{BlobId, Kept, format_column};
use crate::seal::{FramePlace, Keyring};
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::rows;
use crate::store::tables::seals::{INDEX_FIRST, StandingFrame, sealed};
use crate::store::tx::{Tx, View};

/// How many blobs are looked at for one batch.
const MOST_LOOKED_AT: u32 = 1_000;
/// How many entries of a state the index forgets at a time.
const MOST_FORGOTTEN: u32 = 500;

/// How far sealing was, and for which data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SealPlace {
    newest: u32,
    after: i64,
}

/// Which frames are sealed next.
#[derive(Clone, Debug)]
pub struct SealPlan {
    at: SealPlace,
    blobs: Vec<BlobId>,
    /// All that was looked at: up to this blob.
    up_to: i64,
    bytes: u64,
}

impl SealPlan {
    /// How many bytes the frames have together.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next blob, unless its frame is one too many; says whether it did.
    fn take(&mut self, id: BlobId, seal: Option<u32>, stored: u64, most: u64) -> bool {
        let is_done = seal == Some(self.at.newest);
        let with_it = self.bytes.saturating_add(stored);
        if !is_done && self.bytes > 0 && with_it > most {
            return false;
        }
        if !is_done {
            self.bytes = with_it;
            self.blobs.push(id);
        }
        self.up_to = id.number();
        true
    }
}

/// A blob's row, without its frame.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FrameRow {
    kept: Kept,
    format: u32,
    /// Where the frame is if it is a delta.
    difference: Option<i64>,
}

impl FrameRow {
    const fn place(&self) -> FramePlace {
        FramePlace {
            digest: self.kept.digest,
            format: self.format,
            size: self.kept.size,
        }
    }
}

/// Frames as they were read.
pub struct UnsealedFrames {
    plan: SealPlan,
    ring: Option<Arc<Keyring>>,
    frames: Vec<(FrameRow, Vec<u8>)>,
}

/// Frames as they are to stand.
pub struct SealedFrames {
    plan: SealPlan,
    frames: Vec<(FrameRow, StandingFrame<'static>)>,
}

impl UnsealedFrames {
    /// Seals them; it takes a processor, and no database. One that cannot be opened is left out: it
    /// is damaged and stays as it is, and nothing that could be read needs its key.
    pub fn seal(self) -> Result<SealedFrames, StoreError> {
        let Self { plan, ring, frames } = self;
        let mut done = Vec::with_capacity(frames.len());
        for (row, frame) in frames {
            let Some(ring) = &ring else { break };
            match seal_anew(ring, row, frame) {
                Ok(standing) => done.push((row, standing)),
                Err(StoreError::BadRow(why)) => tell_damaged(row.kept.id, &why),
                Err(error) => return Err(error),
            }
        }
        Ok(SealedFrames { plan, frames: done })
    }
}

fn tell_damaged(blob: BlobId, why: &str) {
    let blob = blob.number();
    tracing::warn!(blob, why, "damaged content cannot be sealed, and stays");
}

fn seal_anew(
    ring: &Keyring,
    row: FrameRow,
    frame: Vec<u8>,
) -> Result<StandingFrame<'static>, StoreError> {
    let (kept, what) = (row.kept, (row.format, row.kept.size));
    match kept.seal {
        Some(number) => {
            let opened = ring.open_frame(number, row.place(), frame)?;
            sealed(ring, kept.digest, what, &opened)
        }
        None => sealed(ring, ring.names().digest(kept.digest), what, &frame),
    }
}

impl View<'_> {
    /// Which frames are to be sealed next: so many bytes at most, and one frame at least. None if
    /// nothing is to be sealed.
    pub fn next_to_seal(&self, most: u64) -> Result<Option<SealPlan>, StoreError> {
        let Some(at) = self.seal_place()? else {
            return Ok(None);
        };
        let mut plan = SealPlan {
            at,
            blobs: Vec::new(),
            up_to: at.after,
            bytes: 0,
        };
        if at.after > INDEX_FIRST && self.is_in_use(at.newest) {
            self.look_after(at.after, |id, seal, stored| {
                plan.take(id, seal, stored, most)
            })?;
        }
        Ok(Some(plan))
    }

    /// Reads the frames of a plan. One that cannot be read is left out, and so is one that was
    /// removed or sealed since.
    pub fn frames_to_seal(&self, plan: SealPlan) -> Result<UnsealedFrames, StoreError> {
        let mut frames = Vec::with_capacity(plan.blobs.len());
        for id in &plan.blobs {
            match self.frame_in(*id) {
                Ok(Some((row, frame))) if row.kept.seal != Some(plan.at.newest) => {
                    frames.push((row, frame));
                }
                Ok(_) => {}
                Err(StoreError::BadRow(why) | StoreError::Damaged(why)) => tell_damaged(*id, &why),
                Err(error) => return Err(error),
            }
        }
        let ring = self.seals.ring();
        Ok(UnsealedFrames { plan, ring, frames })
    }

    /// Up to which blob all are sealed, and the newest data key; none if nothing is to be sealed.
    fn seal_place(&self) -> Result<Option<SealPlace>, StoreError> {
        let sql = "SELECT after, (SELECT max(number) FROM data_keys) FROM pending_seal";
        let read = |row: &Row<'_>| {
            Ok(SealPlace {
                after: row.get(0)?,
                newest: row.get::<_, Option<u32>>(1)?.unwrap_or(0),
            })
        };
        self.one(sql, [], read)
    }

    /// Whether this data key is the one that seals. One that was made in this very transaction, or
    /// a moment ago, may not be yet.
    fn is_in_use(&self, newest: u32) -> bool {
        let ring = self.seals.ring();
        ring.is_some_and(|ring| ring.newest().number() == newest)
    }

    /// Shows the next blobs, which data key has sealed each, and how many bytes they have, until
    /// enough was seen; says how many were. A row that says what cannot be is looked at on its own.
    fn look_after(
        &self,
        after: i64,
        mut see: impl FnMut(BlobId, Option<u32>, u64) -> bool,
    ) -> Result<u32, StoreError> {
        let sql = "SELECT id, format, stored FROM blobs WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut statement = self.connection.prepared(sql)?;
        let mut found = statement.query(params![after, MOST_LOOKED_AT])?;
        let mut count = 0;
        while let Some(row) = found.next()? {
            let seal = rows::format(row, 1).map_or(None, |(_, seal)| seal);
            let stored = rows::unsigned(row, 2).unwrap_or(0);
            count += 1;
            if !see(row.get(0)?, seal, stored) {
                break;
            }
        }
        Ok(count)
    }

    /// A blob's row; none if it was removed.
    fn frame_row(&self, id: BlobId) -> Result<Option<FrameRow>, StoreError> {
        let Some(kept) = self.kept_in(id)? else {
            return Ok(None);
        };
        let sql = "SELECT format, difference FROM blobs WHERE id = ?1";
        let read = |row: &Row<'_>| {
            Ok(FrameRow {
                kept,
                format: rows::format(row, 0)?.0,
                difference: row.get(1)?,
            })
        };
        self.one(sql, [id], read)
    }

    /// The same with its frame as it stands.
    fn frame_in(&self, id: BlobId) -> Result<Option<(FrameRow, Vec<u8>)>, StoreError> {
        let Some(row) = self.frame_row(id)? else {
            return Ok(None);
        };
        let frame = if let Some(difference) = row.difference {
            let sql = "SELECT frame FROM differences WHERE id = ?1";
            self.only(sql, [difference], |row| row.get(0))?
        } else {
            let sql = "SELECT frame FROM blobs WHERE id = ?1";
            self.only(sql, [id], |row| row.get(0))?
        };
        Ok(Some((row, frame)))
    }
}

impl Tx<'_> {
    /// Puts frames that were sealed in their places, for about so long, and notes how far that is.
    /// What is left is in the next plan. Gives how many bytes were put; none if nothing is to be
    /// sealed any more: then the other data keys are gone, and what was in the clear has to leave
    /// the disk.
    pub fn put_sealed(
        &self,
        batch: &SealedFrames,
        most: Duration,
    ) -> Result<Option<u64>, StoreError> {
        let Some(at) = self.seal_place()? else {
            return Ok(None);
        };
        let plan = &batch.plan;
        if at != plan.at || !self.is_in_use(at.newest) {
            return Ok(Some(0));
        }
        if at.after <= INDEX_FIRST {
            return self.forget_some_of_the_index(at, most).map(|()| Some(0));
        }
        if plan.blobs.is_empty() {
            return self.end_sealing(plan);
        }
        let began = clock::monotonic();
        let (mut bytes, mut done) = (0, plan.up_to);
        for (row, standing) in &batch.frames {
            let id = row.kept.id;
            if self.frame_row(id)? == Some(*row) {
                self.put_frame(row, standing)?;
                bytes += standing.frame.len() as u64;
            } else if self.is_left_to_seal(id, at.newest)? {
                done = id.number() - 1;
                break;
            }
            if began.elapsed() >= most {
                done = id.number();
                break;
            }
        }
        self.note_sealed_to(done)?;
        Ok(Some(bytes))
    }

    /// Ends the work if all blobs behind those that are done are sealed. There may always be some:
    /// others write, and do not wait for it.
    fn end_sealing(&self, plan: &SealPlan) -> Result<Option<u64>, StoreError> {
        let newest = plan.at.newest;
        let mut are_sealed = true;
        let seen = self.look_after(plan.up_to, |_, seal, _| {
            are_sealed = seal == Some(newest);
            are_sealed
        })?;
        if !are_sealed || seen >= MOST_LOOKED_AT {
            self.note_sealed_to(plan.up_to)?;
            return Ok(Some(0));
        }
        self.run("DELETE FROM pending_seal", [])?;
        let retired = "DELETE FROM data_keys WHERE number > 0 AND number < ?1";
        self.run(retired, [newest])?;
        self.ask_for_erasure(self.now())?;
        Ok(None)
    }

    fn note_sealed_to(&self, after: i64) -> Result<(), StoreError> {
        self.run("UPDATE pending_seal SET after = ?1", [after])
    }

    /// Whether a blob that was another one when it was read is still to be sealed.
    fn is_left_to_seal(&self, id: BlobId, newest: u32) -> Result<bool, StoreError> {
        let sql = "SELECT format FROM blobs WHERE id = ?1";
        let format = self.one(sql, [id], |row| rows::format(row, 0))?;
        Ok(format.is_some_and(|(_, seal)| seal != Some(newest)))
    }

    /// Puts a frame in the place of another one of the same bytes. One that another key has sealed
    /// is as long and has the same digest: then SQLite writes over it where it is.
    fn put_frame(&self, row: &FrameRow, standing: &StandingFrame<'_>) -> Result<(), StoreError> {
        let (id, kept, frame) = (row.kept.id, &row.kept, &standing.frame);
        if let Some(difference) = row.difference {
            let sql = "UPDATE differences SET frame = ?2 WHERE id = ?1";
            self.run(sql, params![difference, frame])?;
        }
        let alone = row.difference.is_none().then_some(frame);
        let format = format_column(row.format, standing.seal);
        if kept.digest == standing.digest && kept.stored == frame.len() as u64 {
            // A column that is named has its index written anew.
            let sql = "UPDATE blobs SET format = ?2, frame = ?3 WHERE id = ?1";
            return self.run(sql, params![id, format, alone]);
        }
        let sql = "UPDATE blobs SET digest = ?2, format = ?3, stored = ?4, frame = ?5 \
            WHERE id = ?1";
        let stored = i64::try_from(frame.len()).unwrap_or(i64::MAX);
        let digest = standing.digest.as_bytes();
        self.run(sql, params![id, digest, format, stored, alone])
    }

    /// Has the index forget some more states, which it then follows again, for about so long. It
    /// has no words: content was sealed before.
    fn forget_some_of_the_index(&self, at: SealPlace, most: Duration) -> Result<(), StoreError> {
        let began = clock::monotonic();
        let mut after = INDEX_FIRST - at.after;
        loop {
            let next = "SELECT id FROM states WHERE id > ?1 ORDER BY id LIMIT 1";
            let Some(state) = self.one(next, [after], |row| row.get::<_, i64>(0))? else {
                return self.note_sealed_to(0);
            };
            if self.forget_in_the_index(state, at.newest)? {
                after = state;
            }
            if began.elapsed() >= most {
                return self.note_sealed_to(INDEX_FIRST - after);
            }
        }
    }

    /// Has the index forget a state, but for entries that the newest data key has sealed already.
    /// Says whether it has; otherwise some entries are left.
    fn forget_in_the_index(&self, state: i64, newest: u32) -> Result<bool, StoreError> {
        for sql in [
            "DELETE FROM found_states WHERE state_id = ?1",
            "INSERT INTO pending_words (workspace, state_id, stamp) SELECT workspace, id, 1 FROM \
                states WHERE id = ?1 AND current IS NOT NULL AND deleted_at IS NULL \
                ON CONFLICT (workspace, state_id) DO UPDATE SET stamp = stamp + 1",
        ] {
            self.run(sql, [state])?;
        }
        // The number of the key stands in front.
        let sql = "DELETE FROM found_entries WHERE (state_id, kind, address) IN (SELECT state_id, \
            kind, address FROM found_entries WHERE state_id = ?1 \
            AND substr(sealed, 1, 4) IS NOT ?2 LIMIT ?3)";
        let values = params![state, newest.to_be_bytes(), MOST_FORGOTTEN];
        Ok(self.execute(sql, values)? < MOST_FORGOTTEN as usize)
    }
}

#[cfg(test)]
mod tests;
