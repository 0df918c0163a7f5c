//! One write: prepared before it queues, then looked at, judged, and stored or kept in one
//! transaction, all together or not at all.

use crate::domain::access::{Acted, freeze_in_the_way};
use crate::domain::content::encode::{self, Prepared};
use crate::domain::engine::budget::Reservation;
use crate::domain::error::Error;
use crate::domain::quotas;
use crate::domain::states::append::{Appended, append_rejected, appended, mend};
use crate::domain::states::compared::{Before, Compared};
use crate::domain::states::permit::WritePermit;
use crate::domain::states::rules::{FROZEN, Incoming, Situation, Verdict, WriteRefusal, judge};
use crate::model::caller::LiveCaller;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::{HeldLock, Lock, RefusedAttempt};
use crate::model::state::{Lookup, StateId, Visibility};
use crate::model::version::{NewVersion, Rejection, Version, VersionKind};
use crate::store::{StoreError, Tx};

/// A write as it is asked for, beside its bytes.
pub struct WriteRequest {
    /// The proof that the caller may write.
    pub permit: WritePermit,
    /// The memory that the bytes are in.
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
    Refused(WriteRefusal, u64),
    /// Its key may not write here, for this reason; it is kept under this number.
    Denied(Box<Error>, u64),
}

impl Written {
    /// Its name in metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Stored(_) => "stored",
            Self::Unchanged(_) => "unchanged",
            Self::Locked(..) => ErrorCode::Locked.as_str(),
            Self::Refused(refusal, _) => refusal.rejection.code(),
            Self::Denied(..) => Rejection::Forbidden.code(),
        }
    }
}

/// A write that is ready for its transaction, which may run more than once.
pub(super) struct WriteJob {
    request: WriteRequest,
    prepared: Prepared,
    compared: Option<Compared>,
}

/// One run of a write in its transaction, by a caller whose credentials stand in it.
struct WriteAct<'j> {
    request: &'j WriteRequest,
    prepared: &'j Prepared,
    compared: Option<&'j Compared>,
    by: LiveCaller<'j>,
}

impl WriteJob {
    /// Does all that needs no database. It takes a core for a while.
    pub(super) fn prepare(
        mut request: WriteRequest,
        bytes: Vec<u8>,
        before: Option<Before>,
    ) -> Result<Self, Error> {
        let max_nesting = request.permit.limits.max_nesting;
        let content_md5 = request.content_md5.take();
        let prepared = encode::prepare(&bytes, content_md5.as_deref(), max_nesting);
        let prepared = prepared.map_err(|error| {
            let is_bad = matches!(error, Error::Invalid { .. } | Error::TooLarge { .. });
            // A caller who may not write is told just that.
            let denied = request.permit.denied.clone().filter(|_| is_bad);
            denied.unwrap_or(error)
        })?;
        let compared = before.map(|before| before.compare(&bytes));
        drop(bytes);
        request
            .reservation
            .keep_only(prepared.blob.frame.len() as u64);
        Ok(Self {
            request,
            prepared,
            compared,
        })
    }

    /// About how many bytes it adds to the database.
    pub(super) fn size(&self) -> usize {
        self.prepared.blob.frame.len()
    }

    /// Stores the state, or keeps it as a rejected version, if the caller's credentials still
    /// stand.
    pub(super) fn run(&self, tx: &Tx<'_>) -> Acted<Written> {
        self.request.permit.acting.run(tx, |tx, by| {
            let act = WriteAct {
                request: &self.request,
                prepared: &self.prepared,
                compared: self.compared.as_ref(),
                by,
            };
            act.run(tx)
        })
    }
}

impl WriteAct<'_> {
    fn run(&self, tx: &Tx<'_>) -> Acted<Written> {
        let permit = &self.request.permit;
        let lookup = tx.lookup(&permit.name)?;
        if let Some(denied) = &permit.denied {
            return self.keep_denied(tx, &lookup, denied);
        }
        let lock = tx.lock(&permit.name)?;
        let freeze = freeze_in_the_way(tx, &permit.name, lock.as_ref())?;
        let held = (lock.as_ref(), freeze.is_some());
        match (self.verdict(tx, &lookup, held)?, lookup) {
            (
                Verdict::Unchanged,
                Lookup::State {
                    id,
                    current: Some(current),
                    ..
                },
            ) => self.unchanged(tx, id, *current).map(Ok),
            (Verdict::Gone(gone), _) => Ok(Err(Error::gone(&permit.name, gone))),
            (Verdict::Reject(refusal), lookup) => {
                tx.needs_room(permit.limits.min_free_space)?;
                if let Err(why) = self.judge_rejected(tx, &lookup, refusal.rejection)? {
                    return Ok(Err(why));
                }
                if refusal == FROZEN
                    && let Some(freeze) = freeze
                {
                    let state = self.state(tx, &lookup)?;
                    let number = self.kept(tx, state, refusal.rejection)?;
                    return Ok(Ok(Written::Locked(freeze, number)));
                }
                self.reject(tx, &lookup, lock, refusal).map(Ok)
            }
            (Verdict::Store | Verdict::Unchanged, lookup) => {
                tx.needs_room(permit.limits.min_free_space)?;
                let adds =
                    quotas::of_version(lookup.live().is_some(), self.prepared.blob.frame.len());
                if let Err(why) = quotas::judge(tx, &permit.name, adds)? {
                    return Ok(Err(why));
                }
                self.store(tx, &lookup, lock.as_ref())
                    .map(|version| Ok(Written::Stored(version)))
            }
        }
    }

    fn verdict(
        &self,
        tx: &Tx<'_>,
        lookup: &Lookup,
        (lock, is_frozen): (Option<&HeldLock>, bool),
    ) -> Result<Verdict, StoreError> {
        let (WritePermit { name, limits, .. }, caller) = (&self.request.permit, self.by);
        // Neither matters while a lock is held.
        let (broken, is_stale_writer) = if lock.is_some() {
            (None, false)
        } else {
            let (key, address) = (&caller.actor.id, &caller.origin.address);
            (
                tx.broken_lock(name)?,
                tx.is_stale_writer(name, key, address)?,
            )
        };
        let situation = Situation {
            lookup,
            lock,
            is_frozen,
            broken: broken.as_ref(),
            is_stale_writer,
            unlocked_writes: limits.unlocked_writes,
        };
        let head = &self.prepared.head;
        let incoming = Incoming {
            sha256: self.prepared.sha256,
            serial: head.serial,
            lineage: &head.lineage,
            lock_id: self.request.lock_id.as_deref(),
            force: self.request.force,
            actor: &caller.actor,
        };
        Ok(judge(&situation, &incoming))
    }

    /// The bytes are there already; so that the version can be read, they are mended.
    fn unchanged(&self, tx: &Tx<'_>, id: StateId, current: Version) -> Result<Written, StoreError> {
        self.mend(tx, id, current.number)?;
        self.flag_repeated_bytes(tx, &current)?;
        Ok(Written::Unchanged(current))
    }

    fn mend(&self, tx: &Tx<'_>, id: StateId, number: u64) -> Result<(), StoreError> {
        mend(tx, (id, number), self.prepared.sha256, &self.prepared.blob)
    }

    /// Keeps a state that its key may not write, unless it is there already: an apply may have made
    /// the resources in it.
    fn keep_denied(&self, tx: &Tx<'_>, lookup: &Lookup, denied: &Error) -> Acted<Written> {
        let current = lookup
            .live()
            .filter(|current| current.sha256 == self.prepared.sha256);
        if let (Some(current), Some(id)) = (current, lookup.id()) {
            self.mend(tx, id, current.number)?;
            return Ok(Err(denied.clone()));
        }
        if lookup.gone().is_some() {
            return Ok(Err(denied.clone()));
        }
        tx.needs_room(self.request.permit.limits.min_free_space)?;
        if let Err(why) = self.judge_rejected(tx, lookup, Rejection::Forbidden)? {
            return Ok(Err(why));
        }
        let state = self.state(tx, lookup)?;
        let number = self.kept(tx, state, Rejection::Forbidden)?;
        Ok(Ok(Written::Denied(Box::new(denied.clone()), number)))
    }

    /// Judges a rejected version by the quota of its workspace, unless it is kept already.
    fn judge_rejected(&self, tx: &Tx<'_>, lookup: &Lookup, why: Rejection) -> Acted<()> {
        let kept = |id| tx.rejected_with(id, self.prepared.sha256, why);
        if lookup.id().map_or(Ok(None), kept)?.is_some() {
            return Ok(Ok(()));
        }
        let adds = quotas::of_rejected(self.prepared.blob.frame.len());
        quotas::judge(tx, &self.request.permit.name, adds)
    }

    fn state(&self, tx: &Tx<'_>, lookup: &Lookup) -> Result<StateId, StoreError> {
        match lookup {
            Lookup::State { id, .. } => Ok(*id),
            Lookup::Free | Lookup::Moved(_) => tx.make_state(&self.request.permit.name, tx.now()),
        }
    }

    fn new_version(&self, tx: &Tx<'_>, kind: VersionKind, lock: Option<&HeldLock>) -> NewVersion {
        let caller = self.by;
        NewVersion {
            sha256: self.prepared.sha256,
            size: self.prepared.size,
            head: self.prepared.head.clone(),
            kind,
            from_version: None,
            created_at: tx.now(),
            created_by: caller.actor.clone(),
            address: caller.origin.address.clone(),
            lock: lock.map(HeldLock::note),
        }
    }

    fn event(&self, tx: &Tx<'_>, kind: EventKind, version: u64) -> NewEvent {
        NewEvent::new(kind, self.by, tx.now())
            .on(&self.request.permit.name)
            .version(version)
    }

    fn store(
        &self,
        tx: &Tx<'_>,
        lookup: &Lookup,
        lock: Option<&HeldLock>,
    ) -> Result<Version, StoreError> {
        let state = self.state(tx, lookup)?;
        let snapshot = snapshot_before(tx, lookup, lock)?;
        let new = self.new_version(tx, VersionKind::Write, lock);
        let version = tx.append(state, &new, &self.prepared.blob)?;
        let needs_person = lock.is_none() && self.drops_resources(lookup);
        let event = NewEvent {
            lock_id: self.request.lock_id.clone(),
            ..self.event(tx, EventKind::StateWrite, version.number)
        };
        let permit = &self.request.permit;
        if let Some(held) = lock {
            tx.keep_lock_alive(&permit.name, held, (&self.by, permit.acting.time()))?;
        }
        let append = Appended {
            name: &permit.name,
            state,
            snapshot,
            // The holder of a broken lock may go on writing until another writer does.
            ends_broken_lock: self.request.lock_id.is_none() || lock.is_some(),
            seen_by: Some(&self.by),
            event: event.attention(needs_person).detail(self.event_detail()),
        };
        appended(tx, &append)?;
        Ok(version)
    }

    /// What the event says beside the lock. It is as short as can be, for there is one for each
    /// version.
    fn event_detail(&self) -> serde_json::Value {
        let head = &self.prepared.head;
        let mut detail = serde_json::json!({ "serial": head.serial, "resources": head.resources });
        if self.request.force {
            detail["forced"] = true.into();
        }
        detail
    }

    fn drops_resources(&self, lookup: &Lookup) -> bool {
        lookup.live().is_some_and(|live| {
            Compared::drops_resources(
                self.compared,
                live,
                &self.prepared.head,
                self.request.lock_id.is_none(),
            )
        })
    }

    /// Without locks, the later of two first applies may send the very state that the earlier one
    /// wrote, and never its own. Its resources are in no state then, and only a person can find
    /// them. A client that sends its own write again is no reason to look.
    fn flag_repeated_bytes(&self, tx: &Tx<'_>, current: &Version) -> Result<(), StoreError> {
        if self.request.lock_id.is_some() || current.created_by == self.by.actor {
            return Ok(());
        }
        let detail = serde_json::json!({ "serial": current.head.serial, "unchanged": true });
        let event = self.event(tx, EventKind::StateWrite, current.number);
        tx.record(&event.attention(true).detail(detail))
    }

    /// Keeps a valid state that is refused: it may be the only record of an apply.
    fn reject(
        &self,
        tx: &Tx<'_>,
        lookup: &Lookup,
        lock: Option<HeldLock>,
        refusal: WriteRefusal,
    ) -> Result<Written, StoreError> {
        let (name, caller) = (&self.request.permit.name, self.by);
        let state = self.state(tx, lookup)?;
        let number = self.kept(tx, state, refusal.rejection)?;
        if refusal.rejection == Rejection::StaleWrite {
            tx.mark_stale_writer(name, &caller.actor.id, &caller.origin.address, tx.now())?;
        }
        let Some(held) = lock else {
            return Ok(Written::Refused(refusal, number));
        };
        let refused = RefusedAttempt::by(&caller, tx.now(), self.request.lock_id.as_deref(), None);
        tx.note_refusal(name, &refused)?;
        Ok(Written::Locked(held.lock, number))
    }

    /// The number under which the rejected state is kept, now or since an earlier write.
    fn kept(&self, tx: &Tx<'_>, state: StateId, rejection: Rejection) -> Result<u64, StoreError> {
        if let Some(number) = tx.rejected_with(state, self.prepared.sha256, rejection)? {
            self.mend(tx, state, number)?;
            return Ok(number);
        }
        let new = self.new_version(tx, VersionKind::Rejected(rejection), None);
        let number = append_rejected(tx, (state, rejection), &new, &self.prepared.blob)?.number;
        let event = NewEvent {
            lock_id: self.request.lock_id.clone(),
            ..self.event(tx, EventKind::StateWriteRejected, number)
        };
        let serial = self.prepared.head.serial;
        let detail = serde_json::json!({ "code": rejection.code(), "serial": serial });
        tx.record(&event.attention(true).detail(detail))?;
        Ok(number)
    }
}

/// The write of the same apply that the next one under its lock makes a snapshot: nearly always the
/// current version. Where the state was deleted, rolled back or restored under the lock in between,
/// it is one of the newest.
fn snapshot_before(
    tx: &Tx<'_>,
    lookup: &Lookup,
    lock: Option<&HeldLock>,
) -> Result<Option<u64>, StoreError> {
    let (
        Some(held),
        Lookup::State {
            id,
            current: Some(current),
            visibility,
        },
    ) = (lock, lookup)
    else {
        return Ok(None);
    };
    if current.kind == VersionKind::Write && *visibility == Visibility::Live {
        return Ok(held.last_write(Some(current)).map(|(number, _)| number));
    }
    tx.last_write_under(*id, &held.lock.id, held.locked_at)
}
