//! The question before each act: may this caller do this here, and does a lock keep them from it?

use crate::domain::error::Error;
use crate::model::caller::Caller;
use crate::model::lock::{Lock, RefusedAttempt};
use crate::model::name::StateName;
use crate::model::permission::{Permission, Scope};
use crate::store::{StoreError, Tx};

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
    format!("the key {:?}", caller.actor.name)
}

/// The lock that keeps a caller from an act, after noting that it turned them away; none when
/// `lock_id` names a lock of their own.
pub(super) fn lock_in_the_way(
    tx: &Tx<'_>,
    caller: &Caller,
    name: &StateName,
    lock_id: Option<&str>,
) -> Result<Option<Lock>, StoreError> {
    let held = tx
        .lock(name)?
        .filter(|held| !lock_id.is_some_and(|id| held.is_held_by(&caller.actor, id)));
    let Some(held) = held else { return Ok(None) };
    tx.note_refusal(name, &RefusedAttempt::by(caller, tx.now(), lock_id, None))?;
    Ok(Some(held.lock))
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
