//! States as clients use them: reading the current version, writing the next one, deleting,
//! listing.

pub mod locks;
pub mod outputs;
pub mod prepare;
pub mod rules;
pub mod write;

use std::sync::Arc;

use tokio::sync::oneshot;

use super::access::{authorize, authorize_somewhere, denied, lock_in_the_way};
use super::error::Error;
use super::{Domain, panicked};
use crate::domain::content::cache::LeasedBytes;
use crate::domain::content::encode::Body;
use crate::domain::content::read::WhenFull;
use crate::domain::engine::budget::Reservation;
use crate::domain::states::rules::Refusal;
use crate::domain::states::write::NotWritten;
use crate::domain::states::write::Unprepared;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::digest::Digest;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::{HeldLock, Lock};
use crate::model::name::StateName;
use crate::model::permission::{Permission, Scope};
use crate::model::state::{Lookup, StateId, StateSummary, Visibility};
use crate::model::version::{Rejection, Version};
use crate::store::{StoreError, Tx, View};

pub use crate::model::state::StateFilter;

/// A list of states ends with the one whose lock takes all of its locks beyond so many bytes; real
/// locks have some 300.
const MAX_LOCKS_IN_A_LIST: usize = 1024 * 1024;

/// States as clients use them.
pub struct States<'a>(pub(super) &'a Domain);

/// Bytes that were read, and what a client is told of the version that they are.
pub struct Content {
    /// The exact bytes that were written, or the state that was made for a caller who may only read
    /// outputs.
    pub bytes: Arc<LeasedBytes>,
    /// The version's number.
    pub number: u64,
    /// When it was written.
    pub created_at: Timestamp,
    /// The SHA-256 of the bytes.
    pub sha256: Digest,
}

impl Content {
    /// The exact bytes of a version.
    pub(super) fn of(version: &Version, bytes: Arc<LeasedBytes>) -> Self {
        Self {
            bytes,
            number: version.number,
            created_at: version.created_at,
            sha256: version.sha256,
        }
    }
}

/// A write as it arrives.
pub struct Write {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The memory that they are in.
    pub reservation: Reservation,
    /// The client's `Content-MD5`.
    pub content_md5: Option<String>,
    /// The lock that it names.
    pub lock_id: Option<String>,
    /// Whether it is to be stored over the stale-write guard.
    pub force: bool,
}

/// What became of a write.
#[derive(Clone, Debug)]
pub enum Written {
    /// It is the current version now.
    Stored(Version),
    /// It was the current version already.
    Unchanged(Version),
    /// The holder of this lock keeps it out; it is kept under this number.
    Locked(Lock, u64),
    /// It is refused for this reason; it is kept under this number.
    Refused(Refusal, u64),
    /// Its key may not write here, for this reason; it is kept under this number.
    Denied(Box<Error>, u64),
}

impl Written {
    /// Its name in metrics.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Stored(_) => "stored",
            Self::Unchanged(_) => "unchanged",
            Self::Locked(..) => ErrorCode::Locked.as_str(),
            Self::Refused(refusal, _) => refusal.rejection.code(),
            Self::Denied(..) => Rejection::Forbidden.code(),
        }
    }
}

/// What became of a deletion.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The state is hidden; this was its last current version.
    Done(u64),
    /// The holder of this lock keeps it from being deleted.
    Locked(Lock),
}

/// A state in a list, with its lock.
pub struct Listed {
    /// The state.
    pub summary: StateSummary,
    /// The lock on it.
    pub lock: Option<HeldLock>,
}

impl States<'_> {
    /// Says whether a caller may write here at all, before a body is read.
    pub fn may_write(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Save, name)
    }

    /// Whether a valid state is kept that this caller may not write: they may plan here, and have
    /// applied nevertheless.
    pub fn keeps_denied(&self, caller: &Caller, name: &StateName) -> bool {
        caller.may(Permission::Plan, name)
    }

    /// Refuses a body that is too large, or that is too large to be kept of a caller who may not
    /// write.
    pub fn check_write(&self, caller: &Caller, name: &StateName, bytes: u64) -> Result<(), Error> {
        self.check_size(bytes)
            .or_else(|too_large| self.may_write(caller, name).and(Err(too_large)))
    }

    /// Says whether a caller may delete here at all, before a body is read.
    pub fn may_delete(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Delete, name)
    }

    /// The current version's bytes.
    pub async fn read(&self, caller: &Caller, name: &StateName) -> Result<Content, Error> {
        let whole = caller.may(Permission::List, name) || caller.may(Permission::Plan, name);
        if !whole && !caller.may(Permission::Outputs, name) {
            return Err(denied(caller, Permission::List, name));
        }
        let address_info = self.0.store.address_info(name)?;
        if whole && address_info.has_stale_writers {
            self.clear_stale_mark(caller, name)?;
        }
        let (state, version) = live(&address_info.lookup, name)?;
        let bytes = self
            .0
            .bytes_of(name, state, version, WhenFull::Wait)
            .await?;
        let mut content = Content::of(version, bytes);
        if !whole {
            (content.bytes, content.sha256) = self.0.outputs_of(version, content.bytes).await?;
        }
        self.0.buffer_read(caller, name, Some(version.number));
        Ok(content)
    }

    /// If the caller was refused without a lock, they have read the state now. Queued before the
    /// answer, and so before any write that follows it.
    fn clear_stale_mark(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        let (key, address) = (&caller.actor.id, &caller.origin.address);
        if self
            .0
            .store
            .look(|view| view.is_stale_writer(name, key, address))?
        {
            let (name, key, address) = (name.clone(), key.clone(), address.clone());
            self.0
                .store
                .post(move |tx| tx.clear_stale_writer(&name, &key, &address));
        }
        Ok(())
    }

    /// Stores a state as the next version, or says why not. Answers when it is on disk.
    pub async fn write(
        &self,
        caller: &Caller,
        name: &StateName,
        write: Write,
    ) -> Result<Written, Error> {
        let denied = self.may_write(caller, name).err();
        if let Some(denied) = denied.as_ref().filter(|_| !self.keeps_denied(caller, name)) {
            return Err(denied.clone());
        }
        self.check_write(caller, name, write.bytes.len() as u64)?;
        // Under a lock nobody else's resources can be lost, and a write is trusted.
        let before = if write.lock_id.is_none() {
            self.0.before(name, write.bytes.len() as u64).await
        } else {
            None
        };
        let Write {
            bytes,
            reservation,
            content_md5,
            lock_id,
            force,
        } = write;
        let limits = &self.0.limits;
        let unprepared = Unprepared {
            name: name.clone(),
            caller: caller.clone(),
            body: Arc::new(Body::new(bytes, content_md5)),
            reservation,
            before,
            lock_id,
            is_denied: denied.is_some(),
            force,
            unlocked_writes: limits.unlocked_writes,
            max_nesting: limits.max_nesting,
            min_free_space: limits.min_free_space,
        };
        let (reply, answer) = oneshot::channel();
        let (compaction, wanted) = (Arc::clone(&self.0.compaction), name.clone());
        let reply = Box::new(move |answer| {
            if let Ok(Ok(written)) = &answer
                && !matches!(written, Written::Unchanged(_))
            {
                compaction.remember(&wanted);
            }
            let _ = reply.send(answer);
        });
        self.0.begin_write(unprepared, reply);
        let written = answer.await.map_err(|_| panicked())?;
        let written = match denied {
            None => written?.map_err(|why| why.into_error(name))?,
            Some(denied) => kept(written, denied)?,
        };
        self.0
            .metrics
            .writes
            .with_label_values(&[written.outcome()])
            .inc();
        Ok(written)
    }

    /// Refuses a body that is larger than the limit; its length may be known before it is read.
    pub fn check_size(&self, bytes: u64) -> Result<(), Error> {
        let limit = self.0.limits.max_state_size;
        if bytes <= limit {
            return Ok(());
        }
        let detail = format!(
            "the state is larger than {limit} bytes, the limit of this server (--max-state-size); \
                nothing was stored"
        );
        Err(Error::TooLarge {
            code: ErrorCode::StateTooLarge,
            detail,
        })
    }

    /// Hides a state. Its history stays, and it can be brought back.
    pub async fn delete(
        &self,
        caller: &Caller,
        name: &StateName,
        lock_id: Option<String>,
    ) -> Result<Deleted, Error> {
        self.may_delete(caller, name)?;
        let (name, caller, at) = (name.clone(), caller.clone(), clock::now());
        let wanted = name.clone();
        let outcome = self
            .0
            .store
            .write(0, move |tx| {
                delete(tx, &caller, &wanted, lock_id.as_deref(), at)
            })
            .await?;
        outcome.map_err(|lookup| absent(&lookup, &name))
    }

    /// The states that a caller may see, and whether the list ends early because their locks are
    /// large.
    pub async fn list(
        &self,
        caller: &Caller,
        mut filter: StateFilter,
    ) -> Result<(Vec<Listed>, bool), Error> {
        authorize_somewhere(caller, Permission::List)?;
        if !narrow(
            &caller.grant.scope,
            &mut filter.workspace,
            &mut filter.block,
        ) {
            return Ok((Vec::new(), false));
        }
        let list = move |view: &View<'_>| {
            let (mut list, mut locks) = (Vec::new(), 0);
            let mut summaries = view.states(&filter)?.into_iter();
            while locks <= MAX_LOCKS_IN_A_LIST
                && let Some(summary) = summaries.next()
            {
                let lock = view.lock(&summary.name)?;
                locks += lock.as_ref().map_or(0, |held| held.lock.text.len());
                list.push(Listed { summary, lock });
            }
            Ok((list, summaries.next().is_some()))
        };
        Ok(self.0.store.read(list).await?)
    }
}

/// What became of a write by somebody who may not write. Where nothing is kept of it, they are told
/// no more than that.
fn kept(
    written: Result<Result<Written, NotWritten>, Error>,
    denied: Error,
) -> Result<Written, Error> {
    match written {
        Ok(Ok(Written::Refused(_, number))) => Ok(Written::Denied(Box::new(denied), number)),
        Ok(_) | Err(Error::Invalid { .. } | Error::TooLarge { .. }) => Err(denied),
        Err(error) => Err(error),
    }
}

/// Limits a question to what a scope reaches; false when nothing is left of it.
pub(super) fn narrow(
    scope: &Scope,
    workspace: &mut Option<String>,
    block: &mut Option<String>,
) -> bool {
    let limit =
        |wanted: &mut Option<String>, allowed: Option<&str>| match (wanted.as_deref(), allowed) {
            (_, None) => true,
            (Some(wanted), Some(allowed)) => wanted == allowed,
            (None, Some(allowed)) => {
                *wanted = Some(allowed.to_owned());
                true
            }
        };
    limit(workspace, scope.workspace()) && limit(block, scope.block())
}

/// The state at an address and its live version, or why there is none.
pub(super) fn live<'a>(
    lookup: &'a Lookup,
    name: &StateName,
) -> Result<(StateId, &'a Version), Error> {
    match lookup {
        Lookup::State {
            id,
            current: Some(current),
            visibility: Visibility::Live,
        } => Ok((*id, current)),
        Lookup::State { .. } | Lookup::Moved(_) | Lookup::Free => Err(absent(lookup, name)),
    }
}

/// Why clients get no state at an address.
fn absent(lookup: &Lookup, name: &StateName) -> Error {
    lookup
        .gone()
        .map_or_else(|| Error::no_state(name), |left| Error::gone(name, left))
}

fn delete(
    tx: &Tx<'_>,
    caller: &Caller,
    name: &StateName,
    lock_id: Option<&str>,
    at: Timestamp,
) -> Result<Result<Deleted, Lookup>, StoreError> {
    let lookup = tx.lookup(name)?;
    let (id, number, is_live) = match &lookup {
        Lookup::State {
            id,
            current: Some(current),
            visibility: visibility @ (Visibility::Live | Visibility::Deleted),
        } => (*id, current.number, *visibility == Visibility::Live),
        Lookup::State { .. } | Lookup::Moved(_) | Lookup::Free => return Ok(Err(lookup)),
    };
    if let Some(lock) = lock_in_the_way(tx, caller, name, lock_id, at)? {
        return Ok(Ok(Deleted::Locked(lock)));
    }
    if is_live {
        tx.hide(id, at)?;
        tx.forget_broken_lock(name)?;
        tx.record(
            &NewEvent::new(EventKind::StateDelete, caller, at)
                .on(name)
                .version(number),
        )?;
    }
    Ok(Ok(Deleted::Done(number)))
}
