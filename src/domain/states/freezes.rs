//! Freezes: for a while nothing changes a state, but for a run that is under way.

use std::time::Duration;

use serde_json::json;

use crate::domain::access::{act, act_adding, authorize};
use crate::domain::error::Error;
use crate::domain::states::locks::Locks;
use crate::domain::states::read::live;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::Timestamp;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::freeze::Freeze;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::printable::prints;
use crate::store::{StoreError, Touches, Tx};

/// The most characters of a freeze's reason. Clients show it with the lock.
pub const MAX_FREEZE_REASON: usize = 200;
/// The longest freeze with an end: a year.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// What lifting a freeze came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfrozen {
    /// The state is not frozen any more.
    Lifted,
    /// It was not frozen.
    WasNotFrozen,
    /// The row of a freeze was damaged or lost, and nothing of it is left; this is what was wrong.
    DamagedRemoved(String),
}

impl Locks<'_> {
    /// Says whether a caller may freeze here at all, before a body is read.
    pub fn may_freeze(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Freeze, name)
    }

    /// Freezes a state, in place of any other freeze: until then, or until it is lifted.
    pub async fn freeze(
        &self,
        caller: &Caller,
        name: &StateName,
        (until, reason): (Option<Timestamp>, &str),
    ) -> Result<Freeze, Error> {
        self.may_freeze(caller, name)?;
        let reason = checked_reason(reason)?;
        let (name, touches) = (name.clone(), Touches::Address(name.clone()));
        let freeze = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            if let Err(why) = live(&tx.lookup(&name)?, &name) {
                return Ok(Err(why));
            }
            let now = tx.now();
            if until.is_some_and(|until| until <= now || until > now + LONGEST) {
                let detail = "until lies in the future, and at most 366 days from now";
                return Ok(Err(Error::invalid(ErrorCode::BadRequest, detail)));
            }
            let new = Freeze {
                until,
                reason: reason.clone(),
                frozen_at: now,
                frozen_by: by.actor.clone(),
            };
            tx.put_freeze(&name, &new)?;
            let event = NewEvent::new(EventKind::StateFreeze, by, now).on(&name);
            tx.record(&event.detail(json!({ "until": new.until, "reason": new.reason })))?;
            Ok(Ok(new))
        };
        act_adding(self.engine, caller, (touches, 0), freeze).await
    }

    /// Lifts a freeze, also one whose row is damaged or lost, so that nobody knows whose it was;
    /// then a person is to look at it.
    pub async fn unfreeze(&self, caller: &Caller, name: &StateName) -> Result<Unfrozen, Error> {
        self.may_freeze(caller, name)?;
        let (name, touches) = (name.clone(), Touches::Address(name.clone()));
        let unfreeze = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let event = NewEvent::new(EventKind::StateUnfreeze, by, tx.now()).on(&name);
            match tx.freeze(&name) {
                Ok(None) => Ok(Ok(Unfrozen::WasNotFrozen)),
                Ok(Some(_)) => {
                    tx.remove_freeze(&name)?;
                    tx.record(&event)?;
                    Ok(Ok(Unfrozen::Lifted))
                }
                Err(StoreError::BadRow(what)) => {
                    tx.remove_damaged_freeze(&name)?;
                    let event = event.attention(true);
                    tx.record(&event.detail(json!({ "damaged": what })))?;
                    Ok(Ok(Unfrozen::DamagedRemoved(what)))
                }
                Err(error) => Err(error),
            }
        };
        act(self.engine, caller, (touches, 0), unfreeze).await
    }
}

fn checked_reason(reason: &str) -> Result<String, Error> {
    let reason = reason.trim();
    let length = reason.chars().count();
    if (1..=MAX_FREEZE_REASON).contains(&length) && reason.chars().all(prints) {
        return Ok(reason.to_owned());
    }
    let detail = format!(
        "a freeze has a reason of 1 to {MAX_FREEZE_REASON} characters that can be seen: no line \
            breaks, no invisible characters, and no other space than the plain one"
    );
    Err(Error::invalid(ErrorCode::BadRequest, detail))
}
