//! Deleting a state: it is hidden, its history stays, and it can be brought back.

use crate::domain::access::{Acted, act, lock_in_the_way, stale_lock};
use crate::domain::error::Error;
use crate::domain::states::States;
use crate::domain::states::permit::DeletePermit;
use crate::domain::states::read::absent;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::state::{Lookup, Visibility};
use crate::store::{Touches, Tx};

/// What became of a deletion.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The state is hidden; this was its last current version.
    Done(u64),
    /// The holder of this lock keeps it from being deleted.
    Locked(Lock),
}

impl States<'_> {
    /// Permits a caller to delete a state, before a body is read.
    pub fn may_delete(&self, caller: &Caller, name: &StateName) -> Result<DeletePermit, Error> {
        DeletePermit::of(caller, name)
    }

    /// Hides a state. Its history stays, and it can be brought back.
    pub async fn delete(
        &self,
        permit: DeletePermit,
        lock_id: Option<String>,
    ) -> Result<Deleted, Error> {
        let DeletePermit { caller, name } = permit;
        let touches = Touches::Address(name.clone());
        let job = move |tx: &Tx<'_>, by: LiveCaller<'_>| delete(tx, by, &name, lock_id.as_deref());
        act(self.engine, &caller, (touches, 0), job).await
    }
}

/// The inner error is why there is no state to delete.
fn delete(
    tx: &Tx<'_>,
    by: LiveCaller<'_>,
    name: &StateName,
    lock_id: Option<&str>,
) -> Acted<Deleted> {
    let lookup = tx.lookup(name)?;
    let (id, number, is_live) = match &lookup {
        Lookup::State {
            id,
            current: Some(current),
            visibility: visibility @ (Visibility::Live | Visibility::Deleted),
        } => (*id, current.number, *visibility == Visibility::Live),
        Lookup::State { .. } | Lookup::Moved(_) | Lookup::Free => {
            return Ok(Err(absent(&lookup, name)));
        }
    };
    if let Some(lock) = lock_in_the_way(tx, &by, name, lock_id)? {
        return Ok(Ok(Deleted::Locked(lock)));
    }
    if is_live {
        if let Some(why) = stale_lock(tx, name, lock_id)? {
            return Ok(Err(why));
        }
        tx.hide(id, tx.now())?;
        tx.forget_broken_lock(name)?;
        tx.record(
            &NewEvent::new(EventKind::StateDelete, by, tx.now())
                .on(name)
                .version(number),
        )?;
    }
    Ok(Ok(Deleted::Done(number)))
}
