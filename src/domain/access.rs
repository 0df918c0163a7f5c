//! The one question before each act: may this caller do this here?

use super::error::Error;
use crate::model::caller::Caller;
use crate::model::name::StateName;
use crate::model::permission::{Permission, Scope};

/// The caller may do this to this state, or the act is denied without saying whether the state exists.
pub(super) fn authorize(caller: &Caller, permission: Permission, name: &StateName) -> Result<(), Error> {
    if caller.may(permission, name) { Ok(()) } else { Err(denied(caller, permission, name)) }
}

/// The caller may do this for the whole server.
pub(super) fn authorize_everywhere(caller: &Caller, permission: Permission) -> Result<(), Error> {
    if caller.grant.permissions.allows(permission) && caller.grant.scope == Scope::All {
        return Ok(());
    }
    Err(Error::Denied(format!("this needs the permission {}, which {} does not have", permission.name(&Scope::All), who(caller))))
}

/// The caller may do this somewhere: the answer is then limited to where.
pub(super) fn authorize_somewhere(caller: &Caller, permission: Permission) -> Result<(), Error> {
    if caller.grant.permissions.allows(permission) {
        return Ok(());
    }
    Err(Error::Denied(format!("this needs the permission {}, which {} does not have", permission.name(&caller.grant.scope), who(caller))))
}

/// What a caller is told who may not.
pub(super) fn denied(caller: &Caller, permission: Permission, name: &StateName) -> Error {
    if !caller.grant.scope.contains(name) {
        return Error::Denied(format!("{} is for {} and does not reach {name}", who(caller), caller.grant.scope));
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
