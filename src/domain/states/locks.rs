//! Locks: who may write now. A lock belongs to the key that took it; its ID is no secret.

use std::sync::Arc;

use crate::domain::access::{Acted, act, act_then, authorize, denied, freeze_in_the_way};
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::domain::states::deaths::{self, dead_lock};
use crate::domain::states::read::lock_and_freeze;
use crate::domain::states::waiting::Waiting;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::{self, Timestamp};
use crate::model::event::{EventKind, NewEvent};
use crate::model::freeze::Freeze;
use crate::model::lock::{HeldLock, Lock, RefusedAttempt};
use crate::model::lock_death::{LockCredential, LockDeath};
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::state::Lookup;
use crate::model::waiter::Waiter;
use crate::sabotage::{self, Fault};
use crate::store::{StoreError, Touches, Tx, View};

/// The most locks of one key on addresses that have no state.
const MAX_ON_NOTHING_OF_A_KEY: u64 = 100;
/// The most locks of all keys on addresses that have no state.
const MAX_ON_NOTHING: u64 = 1_000;

/// Locks.
pub struct Locks<'a> {
    pub(super) engine: &'a Engine,
}

impl<'a> Locks<'a> {
    pub(in crate::domain) const fn new(engine: &'a Engine) -> Self {
        Self { engine }
    }
}

/// What became of a try to lock.
#[derive(Clone, Debug)]
pub enum Locking {
    /// The caller holds it, now or since an earlier try with the same ID.
    Held(Lock),
    /// Another holds it.
    HeldBy(Lock),
}

/// Which lock is to be released.
#[derive(Clone, Debug)]
pub enum Unlock {
    /// The one with this ID; `forced` when nobody but `force-unlock` asks in this way.
    Id {
        /// Its ID.
        id: String,
        /// Whether this is somebody's decision and not the end of a run.
        forced: bool,
    },
    /// Whatever lock is held.
    Any,
}

/// What became of a try to unlock.
#[derive(Clone, Debug)]
pub enum Unlocking {
    /// It is released.
    Released(Lock),
    /// Nothing was held.
    NothingHeld,
    /// A lock is removed whose row was damaged, so that nobody knows whose it was; this is the
    /// damage.
    DamagedRemoved(String),
    /// Another lock is held.
    OtherHeld(Lock),
}

/// What keeps callers from an address.
pub struct ShownLock {
    /// The lock.
    pub held: Option<HeldLock>,
    /// Since when its holder can write no more, if that is so.
    pub died: Option<LockDeath>,
    /// The last version that was written under it, with its time.
    pub last_write: Option<(u64, Timestamp)>,
    /// The freeze that holds.
    pub freeze: Option<Freeze>,
    /// Who waits for the address, the oldest first.
    pub waiting: Vec<Waiter>,
}

impl Locks<'_> {
    /// Says whether a caller may lock here at all, before a body is read.
    pub fn may_lock(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Plan, name)
    }

    /// Says whether a caller may unlock here at all, before a body is read.
    pub fn may_unlock(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        let may = caller.may(Permission::Plan, name) || caller.may(Permission::Unlock, name);
        if may {
            Ok(())
        } else {
            Err(denied(caller, Permission::Unlock, name))
        }
    }

    /// Takes a lock, or says who holds it.
    pub async fn lock(
        &self,
        caller: &Caller,
        name: &StateName,
        lock: Lock,
    ) -> Result<Locking, Error> {
        self.may_lock(caller, name)?;
        if !lock.is_for_a_plan() && !caller.may(Permission::Save, name) {
            return Err(only_plans(caller, name, &lock));
        }
        let (wanted, size) = (name.clone(), lock.text.len());
        let touches = Touches::Address(wanted.clone());
        let room = self.engine.limits.room_for_removing();
        let too_early = self.seen_too_early(&wanted).await?;
        let note = self.noting(caller, name, &lock);
        let trust = Arc::clone(&self.engine.trust);
        let job = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            if too_early.as_ref().is_some_and(Option::is_none) {
                tx.remove_lock(&wanted)?;
            }
            let terms = LockTerms {
                room,
                now: trust.latest(),
                outlives_credentials: false,
            };
            take(tx, by, &wanted, (&lock, &terms))
        };
        act_then(self.engine, caller, (touches, size), job, note).await
    }

    /// Notes whether a caller waits for a lock.
    fn noting(
        &self,
        caller: &Caller,
        name: &StateName,
        lock: &Lock,
    ) -> impl FnOnce(&Acted<Locking>) + Send + use<> {
        let (waiters, lock) = (Arc::clone(&self.engine.waiters), lock.note());
        let (caller, name) = (caller.clone(), name.clone());
        move |done| match done {
            Ok(Ok(Locking::HeldBy(_))) => {
                let when = (clock::now(), clock::monotonic());
                waiters.turned_away(&caller, &name, lock, when);
            }
            Ok(Ok(Locking::Held(_)) | Err(_)) => waiters.ended(&caller, &name, &lock.id),
            // The store failed, and the caller may ask again.
            Err(_) => {}
        }
    }

    /// The lock as it was before its transaction, for a sabotaged server that believes it still is.
    async fn seen_too_early(&self, name: &StateName) -> Result<Option<Option<HeldLock>>, Error> {
        if !sabotage::is(Fault::LockOutside) {
            return Ok(None);
        }
        let seen = self.engine.store.read_inline(|view| view.lock(name)).await;
        Ok(Some(seen?))
    }

    /// Releases a lock, or says which other one is held.
    pub async fn unlock(
        &self,
        caller: &Caller,
        name: &StateName,
        unlock: Unlock,
    ) -> Result<Unlocking, Error> {
        self.may_unlock(caller, name)?;
        let name = name.clone();
        let touches = Touches::Address(name.clone());
        let job = move |tx: &Tx<'_>, by: LiveCaller<'_>| release(tx, by, &name, &unlock);
        act(self.engine, caller, (touches, 0), job).await
    }

    /// The lock that is held, with its evidence, the freeze, and who waits.
    pub async fn show(&self, caller: &Caller, name: &StateName) -> Result<ShownLock, Error> {
        if !caller.may(Permission::Plan, name) {
            authorize(caller, Permission::Inspect, name)?;
        }
        let (waiting, now) = (
            Waiting::now(self.engine, Some(name)),
            self.engine.time_for_ends(),
        );
        let find = |view: &View<'_>| {
            let held = lock_and_freeze(view, name, true)?;
            let died = dead_lock(view, held.0.as_ref(), now)?;
            Ok((view.lookup(name)?, (held, died), waiting.at(view, name)))
        };
        let found = self.engine.store.read_inline(find).await?;
        let (lookup, ((held, freeze), died), waiting) = found;
        if let Some(left) = lookup.gone() {
            return Err(Error::gone(name, left));
        }
        let current = match &lookup {
            Lookup::State { current, .. } => current.as_deref(),
            Lookup::Moved(_) | Lookup::Free => None,
        };
        if held.is_none() && freeze.is_none() {
            return Err(Error::NoLock(name.clone()));
        }
        let last_write = held.as_ref().and_then(|held| held.last_write(current));
        Ok(ShownLock {
            held,
            died,
            last_write,
            freeze,
            waiting,
        })
    }
}

/// Why a key that may not write gets no lock for what ends in a write: by then things would be made
/// that could not be stored.
fn only_plans(caller: &Caller, name: &StateName, lock: &Lock) -> Error {
    let operation = if lock.operation.is_empty() {
        "an operation that it does not name"
    } else {
        &lock.operation
    };
    let (key, permission) = (
        &caller.actor.name,
        Permission::Save.name(&caller.grant.scope),
    );
    Error::Denied(format!(
        "{name} is not locked for {operation:?}: the key {key:?} may lock it for a plan only, \
            since it lacks the permission {permission}"
    ))
}

/// Whether an address has a state that was ever accepted.
fn has_versions(lookup: &Lookup) -> bool {
    matches!(
        lookup,
        Lookup::State {
            current: Some(_),
            ..
        }
    )
}

/// Why a caller takes no further lock on an address without a state, if they have too many: each is
/// a row that nobody may ever release.
fn too_many_on_nothing(tx: &Tx<'_>, caller: LiveCaller<'_>) -> Result<Option<Error>, StoreError> {
    let (own, all) = tx.locks_on_nothing(&caller.actor.id)?;
    let of_key = (own >= MAX_ON_NOTHING_OF_A_KEY).then_some(("this key has", own));
    let of_all = (all >= MAX_ON_NOTHING).then_some(("all keys together have", all));
    Ok(of_key
        .or(of_all)
        .map(|(whose, held)| Error::TooManyLocks { whose, held }))
}

/// How a lock is taken.
pub(in crate::domain) struct LockTerms {
    /// How much room on the disk a new one needs, in bytes.
    pub(in crate::domain) room: u64,
    /// The time by which credentials end.
    pub(in crate::domain) now: Timestamp,
    /// Whether nothing but its release ends it.
    pub(in crate::domain) outlives_credentials: bool,
}

/// Takes a lock for a caller, or says who holds it. One whose holder can write no more is released
/// for that, and a person is to look at it: an apply may have died under it. The inner error is
/// that the state has left the address, or that the caller has too many locks.
pub(in crate::domain) fn take(
    tx: &Tx<'_>,
    caller: LiveCaller<'_>,
    name: &StateName,
    (lock, terms): (&Lock, &LockTerms),
) -> Acted<Locking> {
    let lookup = tx.lookup(name)?;
    if let Some(gone) = lookup.gone() {
        return Ok(Err(Error::gone(name, gone)));
    }
    let was = tx.lock(name)?;
    if let Some(held) = &was
        && held.is_own(&caller)
        && held.lock.id == lock.id
    {
        tx.keep_lock_alive(name, held, (&caller, terms.now))?;
        return Ok(Ok(Locking::Held(held.lock.clone())));
    }
    let dead = match was {
        Some(held) => match tx.lock_death(&held, terms.now)? {
            Some(death) => Some((held, death)),
            None => return turned_away(tx, caller, name, (lock, held)),
        },
        None => None,
    };
    if !lock.is_for_a_plan()
        && let Some(freeze) = freeze_in_the_way(tx, name, None)?
    {
        return Ok(Ok(Locking::HeldBy(freeze)));
    }
    tx.needs_room(terms.room)?;
    if !has_versions(&lookup)
        && !sabotage::is(Fault::Locks)
        && let Some(refused) = too_many_on_nothing(tx, caller)?
    {
        return Ok(Err(refused));
    }
    if let Some((held, death)) = &dead {
        deaths::release(tx, caller, name, (held, death, lock))?;
    }
    let credential = LockCredential::of(&caller).filter(|_| !terms.outlives_credentials);
    let held = HeldLock {
        lock: lock.clone(),
        holder: caller.actor.clone(),
        address: caller.origin.address.clone(),
        locked_at: tx.now(),
        permissions: Some(caller.grant.permissions.without_admin_only()),
        credential,
        refused: 0,
        latest_refusal: None,
    };
    tx.put_lock(name, &held)?;
    if lock.is_for_a_plan() {
        // Its end is the event of both.
        return Ok(Ok(Locking::Held(held.lock)));
    }
    let event = NewEvent::new(EventKind::LockAcquire, caller, tx.now())
        .on(name)
        .lock(&lock.id);
    tx.record(&event.detail(serde_json::json!({ "operation": lock.operation, "who": lock.who })))?;
    Ok(Ok(Locking::Held(held.lock)))
}

/// Says who holds a lock, and notes that it turned a caller away.
fn turned_away(
    tx: &Tx<'_>,
    caller: LiveCaller<'_>,
    name: &StateName,
    (lock, held): (&Lock, HeldLock),
) -> Acted<Locking> {
    tx.note_refusal(
        name,
        &RefusedAttempt::by(&caller, tx.now(), Some(&lock.id), Some(&lock.who)),
    )?;
    Ok(Ok(Locking::HeldBy(held.lock)))
}

fn release(
    tx: &Tx<'_>,
    caller: LiveCaller<'_>,
    name: &StateName,
    unlock: &Unlock,
) -> Acted<Unlocking> {
    if let Some(gone) = tx.lookup(name)?.gone() {
        return Ok(Err(Error::gone(name, gone)));
    }
    let held = match (lock_or_damage(tx, name), unlock) {
        (Err(StoreError::BadRow(what)), Unlock::Any) => {
            return remove_damaged(tx, caller, name, what);
        }
        (held, _) => held?,
    };
    let Some(held) = held else {
        return Ok(Ok(Unlocking::NothingHeld));
    };
    let is_own = held.is_own(&caller);
    let forced = match unlock {
        Unlock::Id { id, .. } if *id != held.lock.id => {
            return Ok(Ok(Unlocking::OtherHeld(held.lock)));
        }
        Unlock::Id { forced, .. } => *forced || !is_own,
        Unlock::Any => true,
    };
    let may_release = is_own && caller.may(Permission::Plan, name);
    if !may_release && !caller.may(Permission::Unlock, name) {
        return Ok(Err(not_released(&caller, name, &held)));
    }
    let_go(tx, caller, name, (&held, forced))?;
    Ok(Ok(Unlocking::Released(held.lock)))
}

/// The lock on an address. Where there is none, the memory of one that was broken is looked at too:
/// damage there is in the way of writes.
fn lock_or_damage(tx: &Tx<'_>, name: &StateName) -> Result<Option<HeldLock>, StoreError> {
    let held = tx.lock(name)?;
    if held.is_none() {
        tx.broken_lock(name)?;
    }
    Ok(held)
}

/// Removes a lock that cannot be read. It may be anybody's, so it takes the permission to break
/// another's, and a person is to look at it.
fn remove_damaged(
    tx: &Tx<'_>,
    caller: LiveCaller<'_>,
    name: &StateName,
    what: String,
) -> Acted<Unlocking> {
    if !caller.may(Permission::Unlock, name) {
        return Ok(Err(denied(&caller, Permission::Unlock, name)));
    }
    tx.remove_damaged_lock(name)?;
    let event = NewEvent::new(EventKind::LockBreak, caller, tx.now())
        .on(name)
        .attention(true);
    tx.record(&event.detail(serde_json::json!({ "damaged": what })))?;
    Ok(Ok(Unlocking::DamagedRemoved(what)))
}

/// What a caller is told who may not release a lock.
pub(in crate::domain) fn not_released(caller: &Caller, name: &StateName, held: &HeldLock) -> Error {
    if held.holder.id != caller.actor.id || held.is_own(caller) {
        return denied(caller, Permission::Unlock, name);
    }
    let unlock = Permission::Unlock.name(&caller.grant.scope);
    Error::Denied(format!(
        "the lock on {name} was taken with permissions that this token lacks; release it with the \
            credentials that took it, with the key's own, or with a token that has {unlock}"
    ))
}

/// Releases a lock, or breaks it by force, for a caller who may.
pub(in crate::domain) fn let_go(
    tx: &Tx<'_>,
    caller: LiveCaller<'_>,
    name: &StateName,
    (held, forced): (&HeldLock, bool),
) -> Result<(), StoreError> {
    let event = |kind| {
        NewEvent::new(kind, caller, tx.now())
            .on(name)
            .lock(&held.lock.id)
    };
    let lock = &held.lock;
    if forced {
        tx.break_lock(name, held, (tx.now(), false))?;
        let detail = serde_json::json!({
            "holder": held.holder,
            "locked_at": held.locked_at,
            "operation": lock.operation,
            "who": lock.who,
        });
        return tx.record(&event(EventKind::LockBreak).attention(true).detail(detail));
    }
    tx.remove_lock(name)?;
    tx.record(&if lock.is_for_a_plan() {
        let detail = serde_json::json!({ "operation": lock.operation, "who": lock.who });
        let plan = event(EventKind::LockPlan);
        plan.since(held.locked_at).detail(detail)
    } else {
        event(EventKind::LockRelease)
    })
}
