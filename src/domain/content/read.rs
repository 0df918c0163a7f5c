//! From a version to its bytes: from memory where they are cache, else read, decoded and proven
//! once for all who ask at the same time.

use std::sync::Arc;

use crate::blob::{self, Frame};
use crate::domain::content::Content;
use crate::domain::content::cache::BytesKey;
use crate::domain::engine::budget::{Reservation, WhenFull};
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::model::frame::{Bytes, ChainSize, Kept, StoredBlob};
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::{StoreError, View};

/// How many times its size a state needs at most while its outputs or the addresses of its
/// resources are taken apart.
pub(in crate::domain) const SIZE_TAKEN_APART: u64 = 4;

/// What it takes to decode a version: its frames, the bytes that come out of one of them, and those
/// that it is a difference to.
fn memory(chain: ChainSize) -> u64 {
    chain
        .stored
        .saturating_add(chain.largest.saturating_mul(chain.frames.clamp(1, 2)))
}

/// The frames that lead to some bytes, or how large they are where they are kept in another way
/// since and take more.
fn chain_within(
    view: &View<'_>,
    bytes: Bytes,
    reserved: ChainSize,
) -> Result<Result<Vec<StoredBlob>, ChainSize>, StoreError> {
    let now = view.chain_size(bytes)?;
    if memory(now) > memory(reserved) {
        Ok(Err(now))
    } else {
        view.chain(bytes).map(Ok)
    }
}

/// A frame as the decoder wants it.
pub(in crate::domain) fn frame(blob: &StoredBlob) -> Frame<'_> {
    Frame {
        format: blob.format,
        size: blob.size,
        bytes: &blob.frame,
    }
}

impl Content {
    /// The exact bytes of a version, which are proven to be those that were written.
    pub(in crate::domain) async fn bytes_of(
        &self,
        name: &StateName,
        state: StateId,
        version: &Version,
        when_full: WhenFull,
    ) -> Result<Arc<LeasedBytes>, Error> {
        if version.purged {
            return Err(Error::Purged(name.clone(), version.number));
        }
        let key = BytesKey::of(name, version.sha256);
        if let Some(cache) = self.cache.get(&key) {
            self.engine.metrics.cache.with_label_values(&["hit"]).inc();
            return Ok(cache);
        }
        self.engine.metrics.cache.with_label_values(&["miss"]).inc();
        let decoded = self
            .decoding
            .run(key.clone(), || self.decode(name, state, version, when_full))
            .await;
        match &decoded {
            Ok(decoded) => {
                self.cache.put(key, decoded);
                self.damaged
                    .note_readable(name, state, version.number)
                    .await;
            }
            Err(Error::Damaged(_)) => {
                self.engine.metrics.damaged_reads.inc();
                self.damaged.note_damaged(name, state, version.number).await;
            }
            Err(_) => {}
        }
        decoded
    }

    /// The same for nobody: past what is kept for readers, and without waiting for memory.
    pub(in crate::domain) async fn check_readable(
        &self,
        name: &StateName,
        state: StateId,
        version: &Version,
    ) -> Result<(), Error> {
        self.decode(name, state, version, WhenFull::Fail)
            .await
            .map(drop)
    }

    /// The same from the database, whether or not it is cache.
    async fn decode(
        &self,
        name: &StateName,
        state: StateId,
        version: &Version,
        when_full: WhenFull,
    ) -> Result<Arc<LeasedBytes>, Error> {
        let (number, sha256) = (version.number, version.sha256);
        let chain = self.chain(Bytes::Of(state, number), when_full).await;
        let (reservation, chain) = chain.map_err(|error| {
            if let Error::Damaged(cause) = &error {
                damaged(name, number, cause)
            } else {
                error
            }
        })?;
        if chain.is_empty() {
            return Err(self.why_empty(name, state, number).await);
        }
        let decode = move |reservation| {
            blob::decode(chain.iter().map(frame), sha256)
                .map(|bytes| LeasedBytes::new(bytes, reservation))
        };
        self.engine
            .on_a_core(reservation, decode)
            .await?
            .map_err(|error| damaged(name, number, &error))
    }

    /// A version without bytes was purged; or they should be there and are not.
    async fn why_empty(&self, name: &StateName, state: StateId, number: u64) -> Error {
        match self
            .engine
            .store
            .read_inline(|view| view.version(state, number))
            .await
        {
            Ok(Some(version)) if !version.purged => {
                damaged(name, number, &"its bytes are not there")
            }
            Ok(_) => Error::Purged(name.clone(), number),
            Err(error) => error.into(),
        }
    }

    /// The frames that lead to some bytes, with memory for them and for what comes out of them.
    pub(in crate::domain) async fn chain(
        &self,
        bytes: Bytes,
        when_full: WhenFull,
    ) -> Result<(Reservation, Vec<StoredBlob>), Error> {
        let mut wanted = self
            .engine
            .store
            .read_inline(|view| view.chain_size(bytes))
            .await?;
        loop {
            let reservation = self
                .engine
                .reserve_for_copies(memory(wanted), when_full)
                .await?;
            // The memory is with the frames from the first moment.
            match self
                .engine
                .store
                .read(move |view| {
                    Ok(chain_within(view, bytes, wanted)?.map(|chain| (reservation, chain)))
                })
                .await?
            {
                Ok(found) => return Ok(found),
                Err(now) => wanted = now,
            }
        }
    }

    /// The exact bytes in a blob, whether or not a version still refers to it; none where they
    /// cannot be read.
    pub(in crate::domain) async fn decode_blob(
        &self,
        kept: &Kept,
    ) -> Result<Option<Arc<LeasedBytes>>, Error> {
        let digest = kept.digest;
        let (reservation, chain) = self.chain(Bytes::In(kept.id), WhenFull::Wait).await?;
        let decode = move |reservation| {
            blob::decode(chain.iter().map(frame), digest)
                .map(|bytes| LeasedBytes::new(bytes, reservation))
        };
        Ok(self.engine.on_a_core(reservation, decode).await?.ok())
    }
}

/// What a reader is told of a version that cannot be read, once the log has the cause.
fn damaged(name: &StateName, number: u64, cause: &impl std::fmt::Display) -> Error {
    tracing::error!(state = %name, version = number, error = %cause, "a version is damaged");
    Error::Damaged(format!(
        "version {number} of {name} is damaged and cannot be read; other versions are not \
            affected, see its /versions. Writing the same bytes again \
         mends it; docs/operation.md says what else to do"
    ))
}
