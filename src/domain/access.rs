//! The question before each act: may this caller do this here, and does a lock keep them from it?
//!
//! And once more in the transaction of the act: do their credentials still stand? A revocation that
//! was answered holds for each act that is committed after it, however early its request began.

use std::sync::Arc;

use crate::domain::engine::Engine;
use crate::domain::engine::trust::Trust;
use crate::domain::error::{Error, Unproven};
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::Timestamp;
use crate::model::key::Lapse;
use crate::model::lock::{HeldLock, Lock, RefusedAttempt};
use crate::model::name::StateName;
use crate::model::permission::{Permission, Scope};
use crate::model::token::OwnerId;
use crate::store::{StoreError, Touches, Tx};

/// What an act came to. The inner error is why nothing was done.
pub(super) type Acted<T> = Result<Result<T, Error>, StoreError>;

/// A caller who asks for an act, and the time by which credentials end.
#[derive(Clone)]
pub(super) struct Acting {
    caller: Caller,
    trust: Arc<Trust>,
}

impl Acting {
    pub(super) fn of(engine: &Engine, caller: &Caller) -> Self {
        Self {
            caller: caller.clone(),
            trust: Arc::clone(&engine.trust),
        }
    }

    /// Who asks.
    pub(super) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The time by which credentials end.
    pub(super) fn time(&self) -> Timestamp {
        self.trust.latest()
    }

    /// Looks at the credentials once more, and does a job only if they still stand.
    pub(super) fn run<T>(
        &self,
        tx: &Tx<'_>,
        job: impl FnOnce(&Tx<'_>, LiveCaller<'_>) -> Acted<T>,
    ) -> Acted<T> {
        match tx.live(&self.caller, self.trust.latest())? {
            Ok(live) => job(tx, live),
            Err(lapse) => Ok(Err(lapsed(&self.caller, lapse))),
        }
    }
}

/// What a caller is told whose credentials do not stand any more.
pub(super) fn lapsed(caller: &Caller, lapse: Lapse) -> Error {
    let key = Some(caller.actor.clone());
    Error::Unauthorized(Unproven::bad(lapse.as_str(), key))
}

/// Does in one transaction what a caller asks for, if their credentials still stand in it.
pub(super) async fn act<T: Send + 'static>(
    engine: &Engine,
    caller: &Caller,
    (touches, size): (Touches, usize),
    job: impl FnMut(&Tx<'_>, LiveCaller<'_>) -> Acted<T> + Send + 'static,
) -> Result<T, Error> {
    let (key, run) = (caller.key(), while_they_stand(engine, caller, job)?);
    let done = engine.store.write_of(key, (touches, size), run).await?;
    engine.note_quota(&done);
    done
}

/// The same for an act that adds something small, such as a token. The last part of the room on the
/// disk is not for it.
pub(super) async fn act_adding<T: Send + 'static>(
    engine: &Engine,
    caller: &Caller,
    (touches, size): (Touches, usize),
    mut job: impl FnMut(&Tx<'_>, LiveCaller<'_>) -> Acted<T> + Send + 'static,
) -> Result<T, Error> {
    let room = engine.limits.room_for_removing();
    let adding = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
        tx.needs_room(room)?;
        job(tx, by)
    };
    act(engine, caller, (touches, size), adding).await
}

/// As [`act`]; `then` is done with what came of it whether or not the caller still waits.
pub(super) async fn act_then<T: Send + 'static>(
    engine: &Engine,
    caller: &Caller,
    (touches, size): (Touches, usize),
    job: impl FnMut(&Tx<'_>, LiveCaller<'_>) -> Acted<T> + Send + 'static,
    then: impl FnOnce(&Acted<T>) + Send + 'static,
) -> Result<T, Error> {
    let (key, run) = (caller.key(), while_they_stand(engine, caller, job)?);
    let written = engine.store.write_of_then(key, (touches, size), run, then);
    let done = written.await?;
    engine.note_quota(&done);
    done
}

/// A job that is done only if the caller's credentials still stand, with its place in the queue.
fn while_they_stand<T, J>(
    engine: &Engine,
    caller: &Caller,
    mut job: J,
) -> Result<impl FnMut(&Tx<'_>) -> Acted<T> + Send + 'static + use<T, J>, Error>
where
    J: FnMut(&Tx<'_>, LiveCaller<'_>) -> Acted<T> + Send + 'static,
    T: 'static,
{
    let (acting, place) = (Acting::of(engine, caller), engine.place_in_queue(caller)?);
    Ok(move |tx: &Tx<'_>| {
        // It is taken until the act is answered.
        let _place = &place;
        acting.run(tx, &mut job)
    })
}

/// The caller may do this to this state, or the act is denied without saying whether the state
/// exists.
pub(super) fn authorize(
    caller: &Caller,
    permission: Permission,
    name: &StateName,
) -> Result<(), Error> {
    if caller.may(permission, name) {
        Ok(())
    } else {
        Err(denied(caller, permission, name))
    }
}

/// The caller may do this for the whole server.
pub(super) fn authorize_everywhere(caller: &Caller, permission: Permission) -> Result<(), Error> {
    if caller.grant.permissions.allows(permission) && caller.grant.scope == Scope::All {
        return Ok(());
    }
    Err(Error::Denied(format!(
        "this needs the permission {}, which {} does not have",
        permission.name(&Scope::All),
        who(caller)
    )))
}

/// The caller may do this somewhere: the answer is then limited to where.
pub(super) fn authorize_somewhere(caller: &Caller, permission: Permission) -> Result<(), Error> {
    if caller.grant.permissions.allows(permission) {
        return Ok(());
    }
    Err(Error::Denied(format!(
        "this needs the permission {}, which {} does not have",
        permission.name(&caller.grant.scope),
        who(caller)
    )))
}

/// What a caller is told who may not.
pub(super) fn denied(caller: &Caller, permission: Permission, name: &StateName) -> Error {
    if !caller.grant.scope.contains(name) {
        return Error::OutOfScope(format!(
            "{} is for {} and does not reach {name}",
            who(caller),
            caller.grant.scope
        ));
    }
    Error::Denied(format!(
        "this needs the permission {} on {name}, which {} does not have",
        permission.name(&caller.grant.scope),
        who(caller)
    ))
}

fn who(caller: &Caller) -> String {
    let kind = match caller.owner() {
        Some(OwnerId::Trust(_)) => "trust",
        Some(OwnerId::Key(_)) | None => "key",
    };
    format!("the {kind} {:?}", caller.actor.name)
}

/// The lock, or the freeze as one, that keeps a caller from an act; none when `lock_id` names a
/// lock of their own that was there before any freeze. That a lock turned them away is noted.
pub(super) fn lock_in_the_way(
    tx: &Tx<'_>,
    caller: &Caller,
    name: &StateName,
    lock_id: Option<&str>,
) -> Result<Option<Lock>, StoreError> {
    let held = tx.lock(name)?;
    let is_own = |held: &HeldLock| lock_id.is_some_and(|id| held.is_held_by(&caller.actor, id));
    match held {
        Some(held) if !is_own(&held) => {
            tx.note_refusal(name, &RefusedAttempt::by(caller, tx.now(), lock_id, None))?;
            Ok(Some(held.lock))
        }
        own => freeze_in_the_way(tx, name, own.as_ref()),
    }
}

/// Why an act is refused that names a lock which is not held any more: whoever broke it may have
/// done so to keep the state from this very act.
pub(super) fn stale_lock(
    tx: &Tx<'_>,
    name: &StateName,
    lock_id: Option<&str>,
) -> Result<Option<Error>, StoreError> {
    let is_stale = lock_id.is_some() && tx.lock(name)?.is_none();
    Ok(is_stale.then(|| Error::StaleLockId(name.clone())))
}

/// The freeze of a state as a lock, if it keeps out a caller with this lock of their own.
pub(super) fn freeze_in_the_way(
    tx: &Tx<'_>,
    name: &StateName,
    own: Option<&HeldLock>,
) -> Result<Option<Lock>, StoreError> {
    let freeze = tx.freeze(name)?;
    let freeze = freeze.filter(|freeze| freeze.keeps_out(own, tx.now()));
    Ok(freeze.map(|freeze| freeze.as_lock(name)))
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
