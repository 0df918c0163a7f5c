//! Permits: the proof that a caller may write to a state, or delete it. They are made here and
//! nowhere else, so that no write can be asked for without the question who asks. Each carries its
//! caller in a form that says who they are only in the transaction, after a second look.

use std::sync::Arc;

use crate::config::Limits;
use crate::domain::access::{Acting, authorize};
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::model::caller::Caller;
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;
use crate::model::permission::Permission;

/// The proof that a caller may send a state for this address.
///
/// It is given to a caller who may write, and to one who may only plan: they have applied
/// nevertheless, and the valid state that they send is kept as a rejected version.
#[derive(Clone)]
pub struct WritePermit {
    pub(super) acting: Acting,
    pub(super) name: StateName,
    pub(super) limits: Arc<Limits>,
    /// Why the state that is sent does not become current, for a caller who may not write.
    pub(super) denied: Option<Error>,
}

impl WritePermit {
    pub(super) fn of(engine: &Engine, caller: &Caller, name: &StateName) -> Result<Self, Error> {
        let denied = authorize(caller, Permission::Save, name).err();
        if let Some(denied) = &denied
            && !caller.may(Permission::Plan, name)
        {
            return Err(denied.clone());
        }
        Ok(Self {
            acting: Acting::of(engine, caller),
            name: name.clone(),
            limits: Arc::clone(&engine.limits),
            denied,
        })
    }

    /// Refuses a body of so many bytes, which may be known before it is read. A caller who may not
    /// write is told just that.
    pub fn check_size(&self, bytes: u64) -> Result<(), Error> {
        check_size(&self.limits, bytes)
            .map_err(|too_large| self.denied.clone().unwrap_or(too_large))
    }
}

/// The proof that a caller may delete a state.
pub struct DeletePermit {
    pub(super) caller: Caller,
    pub(super) name: StateName,
}

impl DeletePermit {
    pub(super) fn of(caller: &Caller, name: &StateName) -> Result<Self, Error> {
        authorize(caller, Permission::Delete, name)?;
        Ok(Self {
            caller: caller.clone(),
            name: name.clone(),
        })
    }
}

/// Refuses a state that is larger than the limit.
pub(in crate::domain) fn check_size(limits: &Limits, bytes: u64) -> Result<(), Error> {
    let limit = limits.max_state_size;
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
