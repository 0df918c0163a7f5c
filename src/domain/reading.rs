//! From a version to its bytes: from memory where they are hot, else read, decoded and proven once for all who ask at the same time.

use std::sync::Arc;

use super::budget::Lease;
use super::error::Error;
use super::hot::Decoded;
use super::shared::Shared;
use super::{Domain, outputs};
use crate::blob;
use crate::config::COPIES_OF_A_BODY;
use crate::model::digest::Digest;
use crate::model::name::StateName;
use crate::model::version::Version;
use crate::store::{StateId, StoreError, StoredBlob};

/// How many times its size a state needs at most while its outputs or the addresses of its resources are taken apart.
pub(super) const SIZE_TAKEN_APART: u64 = 4;

/// Whether somebody waits for memory that is not there yet.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    Some,
    None,
}

/// Decoding under way.
pub(super) type Decoding = Shared<Digest, Arc<Decoded>>;

impl Domain {
    /// The exact bytes of a version, which are proven to be those that were written.
    pub(super) async fn bytes_of(
        &self,
        name: &StateName,
        state: StateId,
        version: &Version,
        patience: Patience,
    ) -> Result<Arc<Decoded>, Error> {
        if version.purged {
            return Err(Error::Purged(name.clone(), version.number));
        }
        let sha256 = version.sha256;
        if let Some(hot) = self.hot.get(sha256) {
            self.metrics.cache.with_label_values(&["hit"]).inc();
            return Ok(hot);
        }
        self.metrics.cache.with_label_values(&["miss"]).inc();
        let decoded = self.decoding.run(sha256, || self.decode(name, state, version, patience)).await;
        match &decoded {
            Ok(decoded) => {
                self.hot.put(sha256, decoded);
                self.note_readable(name, state, version.number).await;
            }
            Err(Error::Damaged(_)) => {
                self.metrics.damaged_reads.inc();
                self.note_damaged(name, state, version.number).await;
            }
            Err(_) => {}
        }
        decoded
    }

    /// The same for nobody: past what is kept for readers, and without waiting for memory.
    pub(super) async fn decode_for_nobody(&self, name: &StateName, state: StateId, version: &Version) -> Result<(), Error> {
        self.decode(name, state, version, Patience::None).await.map(drop)
    }

    async fn decode(&self, name: &StateName, state: StateId, version: &Version, patience: Patience) -> Result<Arc<Decoded>, Error> {
        let (number, size, sha256) = (version.number, version.size, version.sha256);
        // For the frame, and for what comes out of it.
        let lease = self.lend_for_copies(size.saturating_mul(COPIES_OF_A_BODY), patience).await?;
        let blob = self.store.read(move |view| view.blob(state, number)).await;
        let blob = blob.map_err(|error| match error {
            StoreError::Damaged(_) | StoreError::BadRow(_) => damaged(name, number, &error),
            StoreError::Full
            | StoreError::Busy
            | StoreError::Closed
            | StoreError::Disk(_)
            | StoreError::Panicked
            | StoreError::Statement(_) => error.into(),
        })?;
        let StoredBlob { format, frame, .. } = blob.ok_or_else(|| Error::Purged(name.clone(), number))?;
        let decoded = self.on_a_core(move || blob::decode(&frame, format, size, sha256)).await?;
        decoded.map(|bytes| Decoded::new(bytes, lease)).map_err(|error| damaged(name, number, &error))
    }

    async fn lend_for_copies(&self, bytes: u64, patience: Patience) -> Result<Lease, Error> {
        match (self.making_room(|| self.budget.for_copy(bytes)), patience) {
            (Err(_), Patience::Some) => self.budget.for_copy_soon(bytes).await,
            (lent, Patience::Some | Patience::None) => lent,
        }
    }

    /// The state that is made from a version for a caller who may only read outputs.
    pub(super) async fn outputs_of(&self, version: &Version, bytes: Arc<Decoded>) -> Result<Arc<Decoded>, Error> {
        let lease = self.lend_for_copies(version.size.saturating_mul(SIZE_TAKEN_APART), Patience::Some).await?;
        let head = version.head.clone();
        let made = self.on_a_core(move || outputs::state_of_outputs(bytes.as_ref().as_ref(), &head)).await??;
        Ok(Decoded::new(made, lease))
    }
}

/// What a reader is told of a version that cannot be read, once the log has the cause.
fn damaged(name: &StateName, number: u64, cause: &dyn std::fmt::Display) -> Error {
    tracing::error!(state = %name, version = number, error = %cause, "a version is damaged");
    Error::Damaged(format!(
        "version {number} of {name} is damaged and cannot be read; other versions are not affected, see its /versions. Writing the same bytes again \
         mends it; docs/operation.md says what else to do"
    ))
}
