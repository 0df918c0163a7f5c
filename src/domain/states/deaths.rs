//! Locks whose holder can write no more, as callers meet them: told to those who look, and released
//! when another takes the lock.
//!
//! A death is judged when it matters and never by a timer: in the transaction of the newcomer's
//! lock, by the rows of the credentials as they are there.

use crate::model::caller::LiveCaller;
use crate::model::clock::Timestamp;
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::{HeldLock, Lock};
use crate::model::lock_death::LockDeath;
use crate::model::name::StateName;
use crate::store::{StoreError, Tx, View};

/// Since when the holder of a lock can write no more, if there is a lock and that is so.
pub(in crate::domain) fn dead_lock(
    view: &View<'_>,
    held: Option<&HeldLock>,
    now: Timestamp,
) -> Result<Option<LockDeath>, StoreError> {
    let death = held.map(|held| view.lock_death(held, now)).transpose()?;
    Ok(death.flatten())
}

/// Releases a dead lock for one who takes it, and has a person look at the state: an apply may have
/// died. What its holder brings later is still taken if nobody has written by then.
pub(super) fn release(
    tx: &Tx<'_>,
    by: LiveCaller<'_>,
    name: &StateName,
    (held, death, newcomer): (&HeldLock, &LockDeath, &Lock),
) -> Result<(), StoreError> {
    tx.break_lock(name, held, (tx.now(), true))?;
    let event = NewEvent::new(EventKind::LockDied, by, tx.now())
        .on(name)
        .lock(&held.lock.id);
    let detail = serde_json::json!({
        "holder": held.holder,
        "locked_at": held.locked_at,
        "operation": held.lock.operation,
        "who": held.lock.who,
        "address": held.address,
        "died": death,
        "newcomer": newcomer.note(),
    });
    tx.record(&event.attention(true).detail(detail))
}
