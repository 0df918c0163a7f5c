//! What follows a version that is appended: in its transaction the event and the marks, and after
//! the commit its compaction. Every write, rollback, import and restore comes through here.

use std::sync::Arc;

use crate::config::MIB;
use crate::domain::access::{Acted, act_then};
use crate::domain::content::Content;
use crate::domain::error::Error;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::digest::Digest;
use crate::model::event::NewEvent;
use crate::model::frame::StoredBlob;
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::model::version::{NewVersion, Rejection, Version};
use crate::store::{StoreError, Touches, Tx};

/// How many rejected versions of a state are kept, and how many bytes on disk they may take.
const MAX_REJECTED: (usize, u64) = (20, 64 * MIB);
/// The same for those of keys that may only plan, which are counted apart: such a key removes no
/// record of what a writer's apply has done.
const MAX_FORBIDDEN: (usize, u64) = (10, 32 * MIB);

/// A version that was appended, and what its transaction does with it.
pub(in crate::domain) struct Appended<'a> {
    /// The address of its state.
    pub(in crate::domain) name: &'a StateName,
    /// Its state.
    pub(in crate::domain) state: StateId,
    /// The version that turns out to be a snapshot of an apply which goes on, if one does.
    pub(in crate::domain) snapshot: Option<u64>,
    /// Whether the holder of a lock that was broken may not write any more: they would overwrite
    /// this version.
    pub(in crate::domain) ends_broken_lock: bool,
    /// The writer who has seen the state by this, even if they were refused as stale before.
    pub(in crate::domain) seen_by: Option<&'a Caller>,
    /// The event that tells of it.
    pub(in crate::domain) event: NewEvent,
}

/// Does in the transaction of an append what follows it.
pub(in crate::domain) fn appended(tx: &Tx<'_>, append: &Appended<'_>) -> Result<(), StoreError> {
    if let Some(snapshot) = append.snapshot {
        tx.mark_intermediate(append.state, snapshot)?;
    }
    if append.ends_broken_lock {
        tx.forget_broken_lock(append.name)?;
    }
    if let Some(writer) = append.seen_by {
        tx.clear_stale_writer(append.name, &writer.actor.id, &writer.origin.address)?;
    }
    tx.record(&append.event)
}

/// Appends a version that was rejected for this reason, and trims those of its state that count
/// with it to their bounds.
pub(in crate::domain) fn append_rejected(
    tx: &Tx<'_>,
    (state, why): (StateId, Rejection),
    new: &NewVersion,
    blob: &StoredBlob,
) -> Result<Version, StoreError> {
    let version = tx.append_rejected(state, new, blob)?;
    let (keep, keep_bytes) = if why == Rejection::Forbidden {
        MAX_FORBIDDEN
    } else {
        MAX_REJECTED
    };
    tx.trim_rejected(state, why, keep, keep_bytes)?;
    Ok(version)
}

/// Keeps the bytes of a version once more if they were damaged or lost, since they are sent again:
/// "it is there already" is said only of what can be read.
pub(in crate::domain) fn mend(
    tx: &Tx<'_>,
    (state, number): (StateId, u64),
    sha256: Digest,
    blob: &StoredBlob,
) -> Result<(), StoreError> {
    let blob = tx.put_blob(state, sha256, blob)?;
    tx.lead_to(state, number, blob)
}

/// Has a state compacted once its append is on disk, even if its caller has gone away.
pub(in crate::domain) fn compact_after<T>(
    content: &Content,
    name: &StateName,
) -> impl FnOnce(&Result<Result<T, Error>, StoreError>) + Send + use<T> {
    let (compaction, name) = (Arc::clone(&content.compaction), name.clone());
    move |appended| {
        if matches!(appended, Ok(Ok(_))) {
            compaction.remember(&name);
        }
    }
}

/// Runs a job that appends to a state for a caller; `size` is about how many bytes it adds to the
/// database.
pub(in crate::domain) async fn append<T: Send + 'static>(
    content: &Content,
    caller: &Caller,
    name: &StateName,
    (touches, size): (Touches, usize),
    job: impl FnMut(&Tx<'_>, LiveCaller<'_>) -> Acted<T> + Send + 'static,
) -> Result<T, Error> {
    let compact = compact_after(content, name);
    act_then(&content.engine, caller, (touches, size), job, compact).await
}
