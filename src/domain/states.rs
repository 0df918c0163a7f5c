//! States as clients use them: reading the current version, writing the next one, deleting, listing.

use super::access::{authorize, authorize_somewhere, denied};
use super::encoding::{self, Prepared};
use super::error::Error;
use super::rules::{Incoming, Refusal, Situation, Verdict, judge};
use super::{Domain, off_thread, outputs};
use crate::blob;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::{HeldLock, Lock, Refused};
use crate::model::name::StateName;
use crate::model::permission::{Permission, Scope};
use crate::model::version::{Kind, Rejection, Version};
use crate::store::{NewVersion, Place, StateId, StateSummary, StoreError, StoredBlob, Tx};

pub use crate::store::StateFilter;

/// How many rejected versions of a state are kept.
pub const MAX_REJECTED: usize = 20;
/// How many bytes on disk the rejected versions of a state may take.
pub const MAX_REJECTED_BYTES: u64 = 64 * crate::config::MIB;

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
    Done(Option<u64>),
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
        let prepared = off_thread(move || encoding::prepare(&bytes, content_md5.as_deref())).await??;
        self.0.require_space()?;
        let job = WriteJob {
            name: name.clone(),
            caller: caller.clone(),
            prepared,
            lock_id,
            force,
            unlocked_writes: self.0.limits.unlocked_writes,
            at: clock::now(),
        };
        let written = self.0.store.write(job.prepared.blob.frame.len(), move |tx| job.run(tx)).await?;
        written.map_err(|to| Error::Moved { from: name.clone(), to })
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
        let list = move |view: &crate::store::View<'_>| {
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
    /// Refuses to store when the disk has less room than it has to keep.
    fn require_space(&self) -> Result<(), Error> {
        let is_full = self.dir.free_space().is_some_and(|free| free < self.limits.min_free_space);
        if is_full { Err(Error::DiskFull) } else { Ok(()) }
    }
}

/// Everything that one write needs in its transaction. It may run more than once.
struct WriteJob {
    name: StateName,
    caller: Caller,
    prepared: Prepared,
    lock_id: Option<String>,
    force: bool,
    unlocked_writes: crate::config::UnlockedWrites,
    at: Timestamp,
}

impl WriteJob {
    /// The outer result is the database's, the inner one says where the state moved to.
    fn run(&self, tx: &Tx<'_>) -> Result<Result<Written, StateName>, StoreError> {
        let place = tx.place(&self.name)?;
        let lock = tx.lock(&self.name)?;
        let broken = tx.broken_lock(&self.name)?;
        let situation = Situation {
            place: &place,
            lock: lock.as_ref(),
            broken: broken.as_ref(),
            is_stale_writer: tx.is_stale_writer(&self.name, &self.caller.actor.id, &self.caller.origin.address)?,
            unlocked_writes: self.unlocked_writes,
        };
        let incoming = Incoming {
            sha256: self.prepared.sha256,
            serial: self.prepared.head.serial,
            lineage: &self.prepared.head.lineage,
            lock_id: self.lock_id.as_deref(),
            force: self.force,
            actor: &self.caller.actor,
        };
        let written = match (judge(&situation, &incoming), place) {
            (Verdict::Unchanged, Place::State { current: Some(current), .. }) => Written::Unchanged(*current),
            (Verdict::Moved(to), _) => return Ok(Err(to)),
            (Verdict::Reject(refusal), place) => self.reject(tx, &place, lock, refusal)?,
            (Verdict::Store | Verdict::Unchanged, place) => Written::Stored(self.store(tx, &place, lock.as_ref())?),
        };
        Ok(Ok(written))
    }

    fn state(&self, tx: &Tx<'_>, place: &Place) -> Result<StateId, StoreError> {
        match place {
            Place::State { id, .. } => Ok(*id),
            Place::Free | Place::Moved(_) => tx.make_state(&self.name, self.at),
        }
    }

    fn new_version(&self, kind: Kind, lock: Option<&HeldLock>) -> NewVersion {
        NewVersion {
            sha256: self.prepared.sha256,
            size: self.prepared.size,
            head: self.prepared.head.clone(),
            kind,
            from_version: None,
            created_at: self.at,
            created_by: self.caller.actor.clone(),
            address: self.caller.origin.address.clone(),
            lock: lock.map(HeldLock::note),
        }
    }

    fn store(&self, tx: &Tx<'_>, place: &Place, lock: Option<&HeldLock>) -> Result<Version, StoreError> {
        let state = self.state(tx, place)?;
        let number = tx.append(state, &self.new_version(Kind::Write, lock), &self.prepared.blob)?;
        tx.set_current(state, number, self.at)?;
        if let Some(held) = lock {
            if let Some(snapshot) = place.live().filter(|before| before.lock.as_ref().is_some_and(|lock| lock.id == held.lock.id)) {
                tx.mark_intermediate(state, snapshot.number)?;
            }
            tx.note_write_under_lock(&self.name, number, self.at)?;
        }
        // The holder of a broken lock may go on writing until somebody else does.
        if self.lock_id.is_none() {
            tx.forget_broken_lock(&self.name)?;
        }
        tx.clear_stale_writer(&self.name, &self.caller.actor.id, &self.caller.origin.address)?;
        let event = NewEvent::new(EventKind::StateWrite, &self.caller, self.at).on(&self.name).version(number);
        let event = event.attention(lock.is_none() && self.drops_resources(place)).detail(serde_json::json!({
            "serial": self.prepared.head.serial, "resources": self.prepared.head.resources, "locked": lock.is_some(), "forced": self.force,
        }));
        tx.record(&NewEvent { lock_id: self.lock_id.clone(), ..event })?;
        tx.version(state, number)?.ok_or_else(|| StoreError::Statement("a new version is not there".to_owned()))
    }

    fn drops_resources(&self, place: &Place) -> bool {
        let before = place.live().and_then(|current| current.head.resources);
        before.zip(self.prepared.head.resources).is_some_and(|(before, after)| after < before)
    }

    /// Keeps a valid state that is refused: it may be the only record of what an apply did.
    fn reject(&self, tx: &Tx<'_>, place: &Place, lock: Option<HeldLock>, refusal: Refusal) -> Result<Written, StoreError> {
        let rejection = refusal.rejection;
        let state = self.state(tx, place)?;
        let number = match tx.rejected_with(state, self.prepared.sha256)? {
            Some(number) => number,
            None => self.keep(tx, state, rejection)?,
        };
        if rejection == Rejection::StaleWrite {
            tx.mark_stale_writer(&self.name, &self.caller.actor.id, &self.caller.origin.address, self.at)?;
        }
        let Some(held) = lock else { return Ok(Written::Refused(refusal, number)) };
        tx.note_refusal(&self.name, &refused(&self.caller, self.at, self.lock_id.clone(), None))?;
        Ok(Written::Locked(held.lock, number))
    }

    fn keep(&self, tx: &Tx<'_>, state: StateId, rejection: Rejection) -> Result<u64, StoreError> {
        let number = tx.append(state, &self.new_version(Kind::Rejected(rejection), None), &self.prepared.blob)?;
        tx.trim_rejected(state, MAX_REJECTED, MAX_REJECTED_BYTES)?;
        let event = NewEvent::new(EventKind::StateWriteRejected, &self.caller, self.at).on(&self.name).version(number).attention(true);
        let event = event.detail(serde_json::json!({ "code": rejection.code(), "serial": self.prepared.head.serial }));
        tx.record(&NewEvent { lock_id: self.lock_id.clone(), ..event })?;
        Ok(number)
    }
}

/// A try that a lock turned away, as its evidence remembers it.
pub(super) fn refused(caller: &Caller, at: Timestamp, lock_id: Option<String>, who: Option<String>) -> Refused {
    Refused { at, key: caller.actor.clone(), address: caller.origin.address.clone(), lock_id, who }
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
    let lock = tx.lock(name)?;
    if let Some(held) = lock.filter(|held| !lock_id.is_some_and(|id| held.is_held_by(&caller.actor, id))) {
        tx.note_refusal(name, &refused(caller, at, lock_id.map(str::to_owned), None))?;
        return Ok(Ok(Deleted::Locked(held.lock)));
    }
    if deleted_at.is_none() {
        tx.hide(id, at)?;
        tx.forget_broken_lock(name)?;
        tx.record(&NewEvent::new(EventKind::StateDelete, caller, at).on(name).version(number))?;
    }
    Ok(Ok(Deleted::Done(Some(number))))
}
