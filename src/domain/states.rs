//! States as clients use them: reading the current version, writing the next one, deleting, listing.

use super::access::{authorize, authorize_somewhere, denied, lock_in_the_way};
use super::encoding;
use super::error::Error;
use super::rules::Refusal;
use super::writing::{Before, NotWritten, WriteJob};
use super::{Domain, off_thread, outputs};
use crate::blob;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::{HeldLock, Lock};
use crate::model::name::StateName;
use crate::model::permission::{Permission, Scope};
use crate::model::version::Version;
use crate::store::{Place, StateSummary, StoreError, StoredBlob, Tx, View};

pub use crate::store::StateFilter;

/// States as clients use them.
pub struct States<'a>(pub(super) &'a Domain);

/// Bytes that were read, with the version that they are.
pub struct Content {
    /// The exact bytes that were written, or the state that was made for a caller who may only read outputs.
    pub bytes: Vec<u8>,
    /// The version.
    pub version: Version,
    /// Whether the bytes were made, and are not the version's own.
    pub made: bool,
}

/// A write as it arrives.
pub struct Write {
    /// The bytes.
    pub bytes: Vec<u8>,
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
        let (key, address) = (caller.actor.id.clone(), caller.origin.address.clone());
        let wanted = name.clone();
        let (place, blob, was_refused) = self
            .0
            .store
            .read(move |view| {
                let place = view.place(&wanted)?;
                let blob = match (&place, place.live()) {
                    (Place::State { id, .. }, Some(current)) => view.blob(*id, current.number)?,
                    _ => None,
                };
                Ok((place, blob, view.is_stale_writer(&wanted, &key, &address)?))
            })
            .await?;
        if whole && was_refused {
            self.forgive(caller, name);
        }
        let version = live(place, name)?;
        let content = decode(name, version, blob, !whole).await?;
        self.0.gather_read(caller, name, Some(content.version.number));
        Ok(content)
    }

    /// Whoever was refused without a lock has read the state. Queued before the answer, and so before any write that follows it.
    fn forgive(&self, caller: &Caller, name: &StateName) {
        let (name, key, address) = (name.clone(), caller.actor.id.clone(), caller.origin.address.clone());
        self.0.store.post(move |tx| tx.clear_stale_writer(&name, &key, &address));
    }

    /// Stores a state as the next version, or says why not. Answers when it is on disk.
    pub async fn write(&self, caller: &Caller, name: &StateName, write: Write) -> Result<Written, Error> {
        self.may_write(caller, name)?;
        self.check_size(write.bytes.len() as u64)?;
        let Write { bytes, content_md5, lock_id, force } = write;
        // Under a lock nobody else's resources can be lost, and a write is trusted.
        let before = if lock_id.is_none() {
            let name = name.clone();
            self.0.store.read(move |view| Before::find(view, &name)).await?
        } else {
            None
        };
        let (prepared, compared) = off_thread(move || {
            let prepared = encoding::prepare(&bytes, content_md5.as_deref())?;
            Ok::<_, Error>((prepared, before.map(|before| before.compare(&bytes))))
        })
        .await??;
        let job = WriteJob {
            name: name.clone(),
            caller: caller.clone(),
            prepared,
            compared,
            lock_id,
            force,
            unlocked_writes: self.0.limits.unlocked_writes,
            has_space: self.0.has_space(),
            at: clock::now(),
        };
        let written = self.0.store.write(job.prepared.blob.frame.len(), move |tx| job.run(tx)).await?;
        written.map_err(|why| match why {
            NotWritten::Moved(to) => Error::Moved { from: name.clone(), to },
            NotWritten::NoSpace => Error::DiskFull,
        })
    }

    /// Refuses a body that is larger than the limit; its length may be known before it is read.
    pub fn check_size(&self, bytes: u64) -> Result<(), Error> {
        let limit = self.0.limits.max_state_size;
        if bytes <= limit {
            return Ok(());
        }
        let detail = format!("the state is larger than {limit} bytes, the limit of this server (--max-state-size); nothing was stored");
        Err(Error::TooLarge { code: "state_too_large", detail })
    }

    /// Hides a state. Its history stays, and it can be brought back.
    pub async fn delete(&self, caller: &Caller, name: &StateName, lock_id: Option<String>) -> Result<Deleted, Error> {
        self.may_delete(caller, name)?;
        let (name, caller, at) = (name.clone(), caller.clone(), clock::now());
        let wanted = name.clone();
        let outcome = self.0.store.write(0, move |tx| delete(tx, &caller, &wanted, lock_id.as_deref(), at)).await?;
        outcome.map_err(|place| match place {
            Place::Moved(to) => Error::Moved { from: name.clone(), to },
            Place::Free | Place::State { .. } => Error::no_state(&name),
        })
    }

    /// The states that a caller may see.
    pub async fn list(&self, caller: &Caller, mut filter: StateFilter) -> Result<Vec<Listed>, Error> {
        authorize_somewhere(caller, Permission::List)?;
        if !narrow(&caller.grant.scope, &mut filter.workspace, &mut filter.block) {
            return Ok(Vec::new());
        }
        let list = move |view: &View<'_>| {
            let found = view.states(&filter)?;
            found.into_iter().map(|summary| Ok(Listed { lock: view.lock(&summary.name)?, summary })).collect()
        };
        Ok(self.0.store.read(list).await?)
    }
}

/// Limits a question to what a scope reaches; false when nothing is left of it.
pub(super) fn narrow(scope: &Scope, workspace: &mut Option<String>, block: &mut Option<String>) -> bool {
    let limit = |wanted: &mut Option<String>, allowed: Option<&str>| match (wanted.as_deref(), allowed) {
        (_, None) => true,
        (Some(wanted), Some(allowed)) => wanted == allowed,
        (None, Some(allowed)) => {
            *wanted = Some(allowed.to_owned());
            true
        }
    };
    limit(workspace, scope.workspace()) && limit(block, scope.block())
}

/// The live version at a place, or why there is none.
pub(super) fn live(place: Place, name: &StateName) -> Result<Version, Error> {
    match place {
        Place::State { current: Some(current), deleted_at: None, .. } => Ok(*current),
        Place::Moved(to) => Err(Error::Moved { from: name.clone(), to }),
        Place::State { .. } | Place::Free => Err(Error::no_state(name)),
    }
}

/// Decodes a version and proves that its bytes are those that were written.
pub(super) async fn decode(name: &StateName, version: Version, blob: Option<StoredBlob>, only_outputs: bool) -> Result<Content, Error> {
    let Some(StoredBlob { format, frame }) = blob else {
        return Err(Error::Purged(name.clone(), version.number));
    };
    let (size, sha256) = (version.size, version.sha256);
    let decoded = off_thread(move || blob::decode(&frame, format, size, sha256)).await?;
    let bytes = decoded.map_err(|error| {
        tracing::error!(state = %name, version = version.number, %error, "a version is damaged");
        let number = version.number;
        Error::Damaged(format!(
            "version {number} of {name} is damaged and cannot be read; other versions are not affected, see its /versions"
        ))
    })?;
    if !only_outputs {
        return Ok(Content { bytes, version, made: false });
    }
    let head = version.head.clone();
    let bytes = off_thread(move || outputs::state_of_outputs(&bytes, &head)).await??;
    Ok(Content { bytes, version, made: true })
}

impl Domain {
    /// Whether the disk has more room than it has to keep.
    fn has_space(&self) -> bool {
        self.dir.free_space().is_none_or(|free| free >= self.limits.min_free_space)
    }
}

fn delete(
    tx: &Tx<'_>,
    caller: &Caller,
    name: &StateName,
    lock_id: Option<&str>,
    at: Timestamp,
) -> Result<Result<Deleted, Place>, StoreError> {
    let place = tx.place(name)?;
    let Place::State { id, current: Some(ref current), deleted_at } = place else { return Ok(Err(place)) };
    let number = current.number;
    if let Some(lock) = lock_in_the_way(tx, caller, name, lock_id, at)? {
        return Ok(Ok(Deleted::Locked(lock)));
    }
    if deleted_at.is_none() {
        tx.hide(id, at)?;
        tx.forget_broken_lock(name)?;
        tx.record(&NewEvent::new(EventKind::StateDelete, caller, at).on(name).version(number))?;
    }
    Ok(Ok(Deleted::Done(number)))
}
