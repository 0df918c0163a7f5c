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
use crate::model::version::{NewVersion, Version};
use crate::store::{StoreError, Touches, Tx};

/// How many rejected versions of a state are kept.
const MAX_REJECTED: usize = 20;
/// How many bytes on disk the rejected versions of a state may take.
const MAX_REJECTED_BYTES: u64 = 64 * MIB;

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

/// Appends a rejected version, and trims the rejected ones of its state to their bounds.
pub(in crate::domain) fn append_rejected(
    tx: &Tx<'_>,
    state: StateId,
    new: &NewVersion,
    blob: &StoredBlob,
) -> Result<Version, StoreError> {
    let version = tx.append_rejected(state, new, blob)?;
    tx.trim_rejected(state, MAX_REJECTED, MAX_REJECTED_BYTES)?;
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
