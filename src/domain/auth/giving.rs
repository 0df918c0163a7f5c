//! What keys and trusts have in common when they are made: names, permissions, and that nobody
//! gives away more than they have.

use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::model::caller::{Caller, Proof};
use crate::model::client_certificate::CertificateBinding;
use crate::model::clock;
use crate::model::error_code::ErrorCode;
use crate::model::permission::{Grant, PermissionSet, Scope, role};
use crate::model::printable::prints;

use std::time::Duration;

/// The longest name of a key or a trust, in characters.
pub const MAX_KEY_NAME: usize = 100;
/// The farthest end of a key or a trust: a hundred years.
const MAX_LIFETIME: u64 = 100 * 365 * 24 * 60 * 60;

/// A value of a request that is not possible.
pub(super) fn bad_request(detail: impl Into<String>) -> Error {
    Error::invalid(ErrorCode::BadRequest, detail)
}

/// The name of a key or a trust, which is `what`.
pub(super) fn checked_name(what: &str, name: &str) -> Result<String, Error> {
    let name = name.trim();
    let is_good =
        !name.is_empty() && name.chars().count() <= MAX_KEY_NAME && name.chars().all(prints);
    if is_good {
        return Ok(name.to_owned());
    }
    Err(bad_request(format!(
        "{what} needs a name of 1 to {MAX_KEY_NAME} characters that can be seen: no line \
            breaks, no invisible characters, and no other space than the plain one"
    )))
}

/// When a key or a trust ends that is to live for so many seconds.
pub(super) fn checked_end(
    engine: &Engine,
    expires_in: Option<u64>,
) -> Result<Option<clock::Timestamp>, Error> {
    match expires_in {
        Some(seconds) if (1..=MAX_LIFETIME).contains(&seconds) => {
            Ok(Some(engine.time_for_ends() + Duration::from_secs(seconds)))
        }
        Some(_) => Err(bad_request(format!(
            "expires_in has to be from 1 to {MAX_LIFETIME} seconds"
        ))),
        None => Ok(None),
    }
}

/// The permissions of `what`, of roles and by their names.
pub(super) fn wanted_permissions(
    what: &str,
    (roles, permissions): (&[String], &[String]),
    scope: &Scope,
) -> Result<PermissionSet, Error> {
    let mut wanted = PermissionSet::parse(permissions.iter().map(String::as_str), scope)
        .map_err(|error| bad_request(error.to_string()))?;
    for name in roles {
        let role = role(name, scope).map_err(|error| bad_request(error.to_string()))?;
        wanted = wanted.union(role);
    }
    if wanted.is_empty() {
        return Err(bad_request(format!(
            "{what} needs a role or at least one permission"
        )));
    }
    Ok(wanted)
}

/// A caller who makes a key or a trust (`what`), or shows a key's secret, must have all of it, for
/// as long, and be bound to a client certificate only if it is too. A token makes none.
pub(super) fn may_give(
    caller: &Caller,
    what: &str,
    (grant, client_sans): (&Grant, &CertificateBinding),
    expires_at: Option<clock::Timestamp>,
) -> Result<(), Error> {
    if matches!(caller.proof, Proof::Token(..) | Proof::IdToken(_)) {
        return Err(Error::Denied(format!(
            "a token makes and rotates no {what}s; use the key's own credentials"
        )));
    }
    if !caller.grant.covers(grant) {
        return Err(Error::Denied(format!(
            "nobody gives away more than they have: the {what} could do what the caller may not"
        )));
    }
    if !client_sans.is_within(&caller.client_sans) {
        return Err(Error::Denied(format!(
            "nobody gives away more than they have: the {what} would not need the client \
                certificate that the caller's key is bound to"
        )));
    }
    if caller
        .ends
        .is_some_and(|end| expires_at.is_none_or(|expires_at| expires_at > end))
    {
        return Err(Error::Denied(format!(
            "nobody gives away more than they have: the {what} would outlive the caller's own"
        )));
    }
    Ok(())
}
