//! Holds: a version that somebody holds is neither pruned nor purged, by no caller and no
//! policy.

use crate::domain::access::{Acted, act, act_adding, authorize};
use crate::domain::content::missing::explained;
use crate::domain::error::Error;
use crate::domain::retention::Retention;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::printable::prints;
use crate::model::state::{Gone, Lookup};
use crate::model::version::{Hold, Version};
use crate::store::{Touches, Tx};

/// The most characters of a hold's reason.
pub const MAX_REASON: usize = 500;

impl Retention<'_> {
    /// Whether somebody may hold versions of a state and let them go.
    pub fn may_hold(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Operate, name)
    }

    /// Holds a version, of a deleted state too. Held already for this reason, nothing is done; for
    /// another, the new one counts.
    pub async fn hold(
        &self,
        caller: &Caller,
        name: &StateName,
        number: u64,
        reason: &str,
    ) -> Result<Version, Error> {
        self.may_hold(caller, name)?;
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > MAX_REASON || !reason.chars().all(prints) {
            let detail = format!(
                "a hold has a reason of 1 to {MAX_REASON} characters that can be seen: no line \
                    breaks, no invisible characters, and no other space than the plain one"
            );
            return Err(Error::invalid(ErrorCode::BadRequest, detail));
        }
        let reason = Some(reason.to_owned());
        self.change_hold(caller, name, number, reason).await
    }

    /// Lets a version go. One that nobody holds is left as it is.
    pub async fn release(
        &self,
        caller: &Caller,
        name: &StateName,
        number: u64,
    ) -> Result<Version, Error> {
        self.may_hold(caller, name)?;
        self.change_hold(caller, name, number, None).await
    }

    async fn change_hold(
        &self,
        caller: &Caller,
        name: &StateName,
        number: u64,
        reason: Option<String>,
    ) -> Result<Version, Error> {
        let name = name.clone();
        let touches = (Touches::Address(name.clone()), 0);
        // To let a version go makes room in the end.
        let is_release = reason.is_none();
        let job =
            move |tx: &Tx<'_>, by: LiveCaller<'_>| change(tx, by, &name, number, reason.as_deref());
        let changed = if is_release {
            act(self.engine, caller, touches, job).await
        } else {
            act_adding(self.engine, caller, touches, job).await
        };
        match changed {
            Ok(version) => Ok(version),
            Err(error) => Err(explained(&self.engine.store, error).await),
        }
    }
}

/// The inner error is why there is no such version.
fn change(
    tx: &Tx<'_>,
    caller: LiveCaller<'_>,
    name: &StateName,
    number: u64,
    reason: Option<&str>,
) -> Acted<Version> {
    let state = match tx.lookup(name)? {
        Lookup::State { id, .. } => id,
        Lookup::Free => return Ok(Err(Error::no_state(name))),
        Lookup::Moved(to) => return Ok(Err(Error::gone(name, Gone::Moved(to)))),
    };
    let Some(version) = tx.version(state, number)? else {
        return Ok(Err(Error::NoVersion(name.clone(), number)));
    };
    let before = version.held.as_ref().map(|hold| hold.reason.as_str());
    if before == reason {
        return Ok(Ok(version));
    }
    let hold = reason.map(|reason| Hold {
        reason: reason.to_owned(),
        at: tx.now(),
        by: caller.actor.clone(),
    });
    tx.set_hold(state, number, hold.as_ref())?;
    let kind = if hold.is_some() {
        EventKind::VersionHold
    } else {
        EventKind::VersionRelease
    };
    let told = reason.or(before);
    tx.record(
        &NewEvent::new(kind, caller, tx.now())
            .on(name)
            .version(number)
            .detail(serde_json::json!({ "reason": told })),
    )?;
    Ok(Ok(Version {
        held: hold,
        ..version
    }))
}
