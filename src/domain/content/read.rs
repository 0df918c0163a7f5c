//! From a version to its bytes: from memory where they are cache, else read, decoded and proven
//! once for all who ask at the same time.

use std::sync::Arc;

use crate::blob::{self, BlobError, Frame};
use crate::domain::content::Content;
use crate::domain::content::cache::BytesKey;
use crate::domain::engine::budget::{Reservation, WhenFull};
use crate::domain::engine::cores::is_small;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::model::digest::Digest;
use crate::model::frame::{Bytes, ChainSize, FrameChain, Kept, StoredBlob};
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::{Reading, StoreError, View};

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

/// How many bytes come out of all frames on the way to a version's.
fn work(chain: ChainSize) -> u64 {
    chain.largest.saturating_mul(chain.frames)
}

/// What it takes to decode such frames onto bytes that are there: those are no part of it.
fn memory_beside(frames: &[StoredBlob]) -> u64 {
    let stored: u64 = frames.iter().map(|blob| blob.frame.len() as u64).sum();
    let largest = frames.iter().map(|blob| blob.size).max().unwrap_or(0);
    stored.saturating_add(largest.saturating_mul(frames.len().clamp(1, 2) as u64))
}

/// Proven bytes that are there, and by what a blob with them is known: their SHA-256, or what is
/// made of it where the frame is sealed.
#[derive(Clone)]
struct Known {
    names: [Digest; 2],
    bytes: Arc<LeasedBytes>,
}

/// Decodes a chain of frames, and compares what comes out with the digest it is known by.
fn decoded(
    chain: &FrameChain,
    known: Option<&Known>,
    (expected, named): (Digest, impl FnOnce(Digest) -> Digest),
    mut reservation: Reservation,
) -> ProvenBytes {
    let base = known.filter(|_| chain.is_onto_known);
    if base.is_some() {
        reservation.keep_only(memory_beside(&chain.frames));
    }
    let base = base.map(|known| (*known.bytes).as_ref());
    let bytes = blob::decode_onto(base, chain.frames.iter().map(frame), named, expected);
    bytes.map(|bytes| LeasedBytes::new(bytes, reservation))
}

type ProvenBytes = Result<Arc<LeasedBytes>, BlobError>;

/// What a read has found of some bytes.
enum Found {
    /// No frame.
    Nothing,
    /// Small bytes, which were decoded where they were read.
    Bytes(ProvenBytes),
    /// The frames of large ones.
    Frames(Reservation, FrameChain),
}

/// The frames that lead to some bytes, or how large they are where they are kept in another way
/// since and take more.
fn chain_within(
    view: &View<'_>,
    bytes: Bytes,
    reserved: ChainSize,
    known: &[Digest],
) -> Result<Result<FrameChain, ChainSize>, StoreError> {
    let now = view.chain_size(bytes)?;
    if memory(now) > memory(reserved) {
        Ok(Err(now))
    } else {
        view.chain_onto(bytes, known).map(Ok)
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
        self.cached_or_decoded(name, state, (version, None), when_full)
            .await
    }

    /// The same beside the bytes of another version, which are not decoded again if they are met on
    /// the way.
    pub(in crate::domain) async fn bytes_beside(
        &self,
        name: &StateName,
        state: StateId,
        (version, other): (&Version, &Version),
        bytes: &Arc<LeasedBytes>,
    ) -> Result<Arc<LeasedBytes>, Error> {
        let sealed = self.engine.store.naming(true);
        let known = Known {
            names: [other.sha256, sealed(other.sha256)],
            bytes: Arc::clone(bytes),
        };
        self.cached_or_decoded(name, state, (version, Some(known)), WhenFull::Wait)
            .await
    }

    async fn cached_or_decoded(
        &self,
        name: &StateName,
        state: StateId,
        (version, known): (&Version, Option<Known>),
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
        // Bytes that were there already prove nothing of the frames that lead to them.
        let is_proof = known.is_none();
        let decode = || self.decode(name, state, (version, known), when_full);
        let decoded = self.decoding.run(key.clone(), decode).await;
        match &decoded {
            Ok(decoded) if !is_proof => self.cache.put(key, decoded),
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
        self.decode(name, state, (version, None), WhenFull::Fail)
            .await
            .map(drop)
    }

    /// The same, for work that nobody waits for: it is no use of what is kept for readers, and
    /// changes nothing of it.
    pub(in crate::domain) async fn bytes_for_nobody(
        &self,
        name: &StateName,
        state: StateId,
        version: &Version,
    ) -> Result<Arc<LeasedBytes>, Error> {
        let kept = self.cache.get(&BytesKey::of(name, version.sha256));
        match kept {
            Some(kept) => Ok(kept),
            None => {
                self.decode(name, state, (version, None), WhenFull::Fail)
                    .await
            }
        }
    }

    /// The same from the database, whether or not it is cache.
    async fn decode(
        &self,
        name: &StateName,
        state: StateId,
        (version, known): (&Version, Option<Known>),
        when_full: WhenFull,
    ) -> Result<Arc<LeasedBytes>, Error> {
        let number = version.number;
        let bytes = Bytes::Of(state, number);
        let known_by = (version.sha256, self.engine.store.naming(false));
        match self.decode_chain(bytes, known_by, known, when_full).await {
            Ok(Some(decoded)) => decoded.map_err(|error| damaged(name, number, &error)),
            Ok(None) => Err(self.why_empty(name, state, number).await),
            Err(Error::Damaged(cause)) => Err(damaged(name, number, &cause)),
            Err(error) => Err(error),
        }
    }

    /// Some bytes, which are known by this digest, out of their frames; none where there is no
    /// frame.
    async fn decode_chain(
        &self,
        bytes: Bytes,
        (digest, named): (Digest, impl Fn(Digest) -> Digest + Clone + Send + 'static),
        known: Option<Known>,
        when_full: WhenFull,
    ) -> Result<Option<ProvenBytes>, Error> {
        let (name, base) = (named.clone(), known.clone());
        let met = known
            .as_ref()
            .map_or(Vec::new(), |known| known.names.to_vec());
        let take = move |size, reservation, chain: FrameChain| {
            if chain.frames.is_empty() {
                Found::Nothing
            } else if is_small(work(size)) {
                Found::Bytes(decoded(&chain, base.as_ref(), (digest, &name), reservation))
            } else {
                Found::Frames(reservation, chain)
            }
        };
        let (size, found) = self.read_chain((bytes, met), when_full, take).await?;
        let (reservation, chain) = match found {
            Found::Nothing => return Ok(None),
            Found::Bytes(decoded) => return Ok(Some(decoded)),
            Found::Frames(reservation, chain) => (reservation, chain),
        };
        let known_by = (digest, named);
        let decode = move |reservation| decoded(&chain, known.as_ref(), known_by, reservation);
        let decoded = self
            .engine
            .on_a_core(work(size), reservation, decode)
            .await?;
        Ok(Some(decoded))
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
        let take = |_, reservation, chain: FrameChain| (reservation, chain.frames);
        let read = self.read_chain((bytes, Vec::new()), when_full, take);
        let (_, found) = read.await?;
        Ok(found)
    }

    /// Reads the frames that lead to some bytes, or from known ones to them. `take` makes something
    /// of them where they were read. Says how large they were taken for.
    async fn read_chain<T: Send + 'static>(
        &self,
        (bytes, known): (Bytes, Vec<Digest>),
        when_full: WhenFull,
        take: impl Fn(ChainSize, Reservation, FrameChain) -> T + Clone + Send + 'static,
    ) -> Result<(ChainSize, T), Error> {
        let store = &self.engine.store;
        let mut wanted = store.read_inline(|view| view.chain_size(bytes)).await?;
        loop {
            let reserved = self.engine.reserve_for_copies(memory(wanted), when_full);
            let reservation = reserved.await?;
            // The memory is with the frames from the first moment.
            let known = known.clone();
            let read = move |view: &View<'_>| {
                let found = chain_within(view, bytes, wanted, &known)?;
                Ok(found.map(|chain| (reservation, chain)))
            };
            let take = take.clone();
            let then = move |found: Result<(Reservation, FrameChain), ChainSize>| {
                found.map(|(reservation, chain)| take(wanted, reservation, chain))
            };
            match store.read_then(reading(wanted), read, then).await? {
                Ok(found) => return Ok((wanted, found)),
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
        let known_by = (kept.digest, self.engine.store.naming(kept.seal.is_some()));
        let decoded = self.decode_chain(Bytes::In(kept.id), known_by, None, WhenFull::Wait);
        let decoded = decoded.await?;
        Ok(decoded.and_then(Result::ok))
    }
}

/// The place that reading these frames takes.
fn reading(chain: ChainSize) -> Reading {
    if is_small(work(chain)) {
        Reading::Brief
    } else {
        Reading::Large
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
