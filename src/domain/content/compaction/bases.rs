//! Blobs that only other blobs need any more, as their delta base. Those get another base or are
//! stored in full, and the blobs that nothing needs go.

use std::collections::HashSet;
use std::sync::Arc;

use crate::blob::{self, DELTA, FULL};
use crate::domain::content::Content;
use crate::domain::content::read::SIZE_TAKEN_APART;
use crate::domain::engine::budget::WhenFull;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::model::frame::{BlobId, Kept};
use crate::store::Touches;

/// How many blobs are looked up at a time.
const BLOBS_AT_A_TIME: u32 = 50;
/// How many of those that nothing needs go in one transaction.
const ORPHANS_AT_A_TIME: u32 = 100;

impl Content {
    /// Removes all bytes that are kept only as delta bases, or for nothing at all, after their
    /// versions were removed.
    pub(in crate::domain) async fn release_bases(&self) -> Result<(), Error> {
        self.release_unused_bases().await?;
        loop {
            let orphans = self
                .engine
                .store
                .read(|view| view.orphans(ORPHANS_AT_A_TIME))
                .await?;
            if orphans.is_empty() {
                return Ok(());
            }
            let removed = self
                .engine
                .store
                .write(Touches::NoState, 0, move |tx| {
                    orphans
                        .iter()
                        .try_for_each(|orphan| tx.drop_blob_unless_used(*orphan))
                })
                .await;
            match removed.map_err(Error::from) {
                // They stay where a page of theirs is damaged. They only take room.
                Err(Error::Damaged(_)) => return Ok(()),
                done => done?,
            }
        }
    }

    /// Removes all bytes that are kept only as delta bases. A base of a damaged delta stays, and
    /// keeps none behind it.
    pub(in crate::domain) async fn release_unused_bases(&self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let bases = self
                .engine
                .store
                .read(move |view| view.bases_without_version(after, BLOBS_AT_A_TIME))
                .await?;
            let Some(last) = bases.last() else {
                return Ok(());
            };
            after = Some(*last);
            for base in bases {
                self.release(base, &HashSet::new()).await?;
            }
        }
    }

    /// Gives each delta to a blob the blob's own base, or stores it in full, and removes the blob
    /// if no version needs it. No blob of `but_these` becomes a base, and their deltas stay as they
    /// are. Returns whether the blob has no other delta any more: one that cannot be decoded stays.
    pub(in crate::domain) async fn release(
        &self,
        base: BlobId,
        but_these: &HashSet<BlobId>,
    ) -> Result<bool, Error> {
        let mut next = self.base_of(base).await?;
        while let Some(base) = next
            && but_these.contains(&base.id)
        {
            next = self.base_of(base.id).await?;
        }
        while let Some(kept) = self.deltas_to(base, but_these).await? {
            if !self.rebase(&kept, next).await? {
                return Ok(false);
            }
        }
        self.engine
            .store
            .write(Touches::NoState, 0, move |tx| {
                tx.drop_blob_unless_used(base)
            })
            .await?;
        Ok(true)
    }

    async fn deltas_to(
        &self,
        base: BlobId,
        but_these: &HashSet<BlobId>,
    ) -> Result<Option<Kept>, Error> {
        let all = self
            .engine
            .store
            .read(move |view| view.deltas_to(base, u32::MAX))
            .await?;
        Ok(all.into_iter().find(|kept| !but_these.contains(&kept.id)))
    }

    async fn base_of(&self, blob: BlobId) -> Result<Option<Kept>, Error> {
        Ok(self
            .engine
            .store
            .read_inline(
                |view| match view.kept_in(blob)?.and_then(|kept| kept.base) {
                    Some(base) => view.kept_in(base),
                    None => Ok(None),
                },
            )
            .await?)
    }

    /// Stores a blob as a delta to another base, or in full; false if its bytes cannot be read.
    async fn rebase(&self, kept: &Kept, base: Option<Kept>) -> Result<bool, Error> {
        let Some(bytes) = self.decode_blob(kept).await? else {
            return Ok(false);
        };
        if let Some(base) = base
            && let Some(base_bytes) = self.decode_blob(&base).await?
            && self
                .keep_as(kept, Arc::clone(&bytes), Some((base, base_bytes)))
                .await?
        {
            return Ok(true);
        }
        // If it has changed meanwhile, the caller looks again.
        self.keep_as(kept, bytes, None).await?;
        Ok(true)
    }

    async fn keep_as(
        &self,
        kept: &Kept,
        bytes: Arc<LeasedBytes>,
        base: Option<(Kept, Arc<LeasedBytes>)>,
    ) -> Result<bool, Error> {
        let (base, base_bytes) = base.unzip();
        let around = kept.size + base.map_or(0, |base| base.size);
        let reservation = self
            .engine
            .reserve_for_copies(around * SIZE_TAKEN_APART, WhenFull::Wait)
            .await?;
        let encoded = self
            .engine
            .on_a_core(around, reservation, move |_reservation| {
                blob::encode_slowly(
                    bytes.as_ref().as_ref(),
                    base_bytes.as_deref().map(AsRef::as_ref),
                )
            });
        let frame = encoded
            .await?
            .map_err(|error| Error::Internal(error.to_string()))?;
        let (kept, format) = (*kept, if base.is_some() { DELTA } else { FULL });
        Ok(self
            .engine
            .store
            .write(Touches::NoState, frame.len(), move |tx| {
                tx.replace_frame(&kept, base.as_ref(), format, &frame)
            })
            .await?)
    }
}
