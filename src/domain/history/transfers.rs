//! States that leave for a storage elsewhere: begun, then done or abandoned, by the client that
//! carries the bytes.
//!
//! The server never sees the other side. It keeps what has to outlive a command that dies on the
//! way: where the state is going, so that the next try goes on there and nowhere else, and the
//! lock, so that nobody writes meanwhile. Each step is one transaction, and each may be sent again.
//! Until the last one the state lives here; from it on its address answers that it has left, and a
//! checkout of old sources makes nothing anew.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::access::{Acted, act, authorize, lock_in_the_way};
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::domain::error::refusals::NotTransferred;
use crate::domain::states::locks::{self, LockTerms, Locking};
use crate::domain::states::read::live;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::Timestamp;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::printable::prints;
use crate::model::state::{Lookup, StateId};
use crate::model::transfer::TransferIntent;
use crate::store::{StoreError, Touches, Tx};

use crate::model::transfer::Transfer;

/// The most characters that may say where a state goes.
pub const MAX_TARGET: usize = 1_024;

/// What the lock of a transfer says that is being done.
const OPERATION: &str = "transfer";

/// States that leave for a storage elsewhere.
pub struct Transfers<'a> {
    engine: &'a Engine,
}

impl<'a> Transfers<'a> {
    pub(in crate::domain) const fn new(engine: &'a Engine) -> Self {
        Self { engine }
    }
}

/// What became of a step, or why it is not taken.
type Step = Acted<Transfer>;

impl Transfers<'_> {
    /// Says whether a caller may take a state elsewhere at all, before a body is read.
    pub fn may_transfer(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Save, name)
    }

    /// Notes where a live state is to go, and locks it for the caller. The same again goes on with
    /// it, under the same lock.
    ///
    /// `to` has 1 to [`MAX_TARGET`] characters, and all of them can be seen. It is shown
    /// to all callers who may see the state.
    pub async fn begin(
        &self,
        caller: &Caller,
        name: &StateName,
        to: String,
    ) -> Result<Transfer, Error> {
        self.may_transfer(caller, name)?;
        if to.trim().is_empty() || to.chars().count() > MAX_TARGET || !to.chars().all(prints) {
            let detail = format!(
                "to says where the state goes, in 1 to {MAX_TARGET} characters that can be seen: \
                    no line breaks, no invisible characters, and no other space than the plain one"
            );
            return Err(Error::invalid(ErrorCode::BadRequest, detail));
        }
        let (wanted, size) = (name.clone(), to.len());
        let lock_id = Uuid::new_v4().to_string();
        let room = self.engine.limits.room_for_removing();
        let trust = Arc::clone(&self.engine.trust);
        let job = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            // Several commands carry a transfer out, each with credentials of its own.
            let terms = LockTerms {
                room,
                now: trust.latest(),
                outlives_credentials: true,
            };
            begin(tx, by, &wanted, (&to, &lock_id), &terms)
        };
        act(
            self.engine,
            caller,
            (Touches::Address(name.clone()), size),
            job,
        )
        .await
    }

    /// The transfer that was begun, or by which the state has left.
    pub async fn show(&self, caller: &Caller, name: &StateName) -> Result<Transfer, Error> {
        if !caller.may(Permission::Plan, name) {
            authorize(caller, Permission::Inspect, name)?;
        }
        let (lookup, transfer) = self
            .engine
            .store
            .read_inline(|view| {
                let lookup = view.lookup(name)?;
                let transfer = lookup.id().map_or(Ok(None), |state| view.transfer(state))?;
                Ok((lookup, transfer))
            })
            .await?;
        if let Lookup::Moved(to) = lookup {
            return Err(Error::Moved {
                from: name.clone(),
                to,
            });
        }
        transfer.ok_or_else(|| Error::NoTransfer(name.clone()))
    }

    /// The state goes nowhere: what was begun is forgotten, and its lock released, if it is still
    /// held.
    ///
    /// Another key's lock takes the permission to break locks, and is broken by force.
    pub async fn abandon(&self, caller: &Caller, name: &StateName) -> Result<Transfer, Error> {
        self.may_transfer(caller, name)?;
        let wanted = name.clone();
        let job = move |tx: &Tx<'_>, by: LiveCaller<'_>| abandon(tx, by, &wanted);
        act(
            self.engine,
            caller,
            (Touches::Address(name.clone()), 0),
            job,
        )
        .await
    }

    /// The state has arrived where it was to go, with this version: it is hidden from now on, and
    /// its address says that it has left.
    ///
    /// Refused unless it was begun, the version is the current one, and nobody else holds the lock.
    /// Again: the same answer.
    pub async fn finish(
        &self,
        caller: &Caller,
        name: &StateName,
        version: u64,
    ) -> Result<Transfer, Error> {
        self.may_transfer(caller, name)?;
        let wanted = name.clone();
        let job = move |tx: &Tx<'_>, by: LiveCaller<'_>| finish(tx, by, &wanted, version);
        act(
            self.engine,
            caller,
            (Touches::Address(name.clone()), 0),
            job,
        )
        .await
    }
}

fn begin(
    tx: &Tx<'_>,
    caller: LiveCaller<'_>,
    name: &StateName,
    (to, lock_id): (&str, &str),
    terms: &LockTerms,
) -> Step {
    let state = match live(&tx.lookup(name)?, name) {
        Ok((state, _)) => state,
        Err(why) => return Ok(Err(why)),
    };
    let open = tx.transfer(state)?;
    let intent = match &open {
        Some(open) if open.intent.to != to => {
            let to = open.intent.to.clone();
            return Ok(Err(Error::NotTransferred(NotTransferred::Begun(to))));
        }
        // Another caller goes on with it under the lock that it was begun with.
        Some(open) => TransferIntent {
            begun_by: caller.actor.clone(),
            ..open.intent.clone()
        },
        None => TransferIntent {
            to: to.to_owned(),
            lock_id: lock_id.to_owned(),
            begun_at: tx.now(),
            begun_by: caller.actor.clone(),
        },
    };
    let held = tx.lock(name)?;
    let was_locked = held.is_some_and(|held| held.lock.id == intent.lock_id);
    let lock = Lock::taken_for(
        &caller.actor.name,
        &intent.lock_id,
        (OPERATION, &format!("to {}", intent.to)),
        tx.now(),
    );
    match locks::take(tx, caller, name, (&lock, terms))? {
        Ok(Locking::Held(_)) => {}
        Ok(Locking::HeldBy(lock)) => return Ok(Err(Error::locked(lock))),
        Err(why) => return Ok(Err(why)),
    }
    let found = match open {
        Some(open) if was_locked => open,
        before => {
            tx.put_intent(state, &intent)?;
            let begun = noted(tx, state)?;
            let detail = serde_json::json!({ "to": begun.intent.to, "again": before.is_some() });
            tx.record(
                &event(EventKind::TransferBegin, caller, name, &begun, tx.now()).detail(detail),
            )?;
            begun
        }
    };
    Ok(Ok(found))
}

fn abandon(tx: &Tx<'_>, caller: LiveCaller<'_>, name: &StateName) -> Step {
    let lookup = tx.lookup(name)?;
    if let Some(left) = lookup.gone() {
        return Ok(Err(Error::gone(name, left)));
    }
    let Some(state) = lookup.id() else {
        return Ok(Err(Error::NoTransfer(name.clone())));
    };
    let Some(open) = tx.transfer(state)? else {
        return Ok(Err(Error::NoTransfer(name.clone())));
    };
    // Where it was broken, another may be held by now, which is not this one's to release.
    let held = tx
        .lock(name)?
        .filter(|held| held.lock.id == open.intent.lock_id);
    let mut forced = false;
    if let Some(held) = &held {
        forced = !held.is_own(&caller);
        if forced && !caller.may(Permission::Unlock, name) {
            return Ok(Err(locks::not_released(&caller, name, held)));
        }
        locks::let_go(tx, caller, name, (held, forced))?;
    }
    tx.forget_intent(state)?;
    let detail = serde_json::json!({ "to": open.intent.to, "forced": forced });
    tx.record(&event(EventKind::TransferAbandon, caller, name, &open, tx.now()).detail(detail))?;
    Ok(Ok(open))
}

fn finish(tx: &Tx<'_>, caller: LiveCaller<'_>, name: &StateName, arrived: u64) -> Step {
    let lookup = tx.lookup(name)?;
    let state = match (live(&lookup, name), lookup.id()) {
        (Ok((state, _)), _) => state,
        (Err(Error::Transferred { .. }), Some(state)) => {
            return Ok(same_version(noted(tx, state)?, arrived));
        }
        (Err(why), _) => return Ok(Err(why)),
    };
    let Some(open) = tx.transfer(state)? else {
        return Ok(Err(Error::NotTransferred(NotTransferred::NotBegun)));
    };
    let open = match same_version(open, arrived) {
        Ok(open) => open,
        Err(why) => return Ok(Err(why)),
    };
    if let Some(lock) = lock_in_the_way(tx, &caller, name, Some(&open.intent.lock_id))? {
        return Ok(Err(Error::locked(lock)));
    }
    if let Some(held) = tx.lock(name)? {
        let forced = !held.is_own(&caller);
        if forced && !caller.may(Permission::Unlock, name) {
            return Ok(Err(locks::not_released(&caller, name, &held)));
        }
        locks::let_go(tx, caller, name, (&held, forced))?;
    }
    tx.end_transfer(state, tx.now())?;
    tx.forget_broken_lock(name)?;
    let done = noted(tx, state)?;
    let detail = serde_json::json!({ "to": done.intent.to });
    tx.record(&event(EventKind::TransferFinish, caller, name, &done, tx.now()).detail(detail))?;
    Ok(Ok(done))
}

/// A transfer, if the version that has arrived is the one that is current here.
fn same_version(transfer: Transfer, arrived: u64) -> Result<Transfer, Error> {
    let current = transfer.version;
    if current == arrived {
        Ok(transfer)
    } else {
        Err(Error::NotTransferred(NotTransferred::NotCurrent {
            arrived,
            current,
        }))
    }
}

/// The transfer of a state that has one.
fn noted(tx: &Tx<'_>, state: StateId) -> Result<Transfer, StoreError> {
    tx.transfer(state)?
        .ok_or_else(|| StoreError::Statement("a transfer that was noted is not there".to_owned()))
}

/// An event about a transfer.
fn event(
    kind: EventKind,
    caller: LiveCaller<'_>,
    name: &StateName,
    transfer: &Transfer,
    at: Timestamp,
) -> NewEvent {
    NewEvent::new(kind, caller, at)
        .on(name)
        .version(transfer.version)
        .lock(&transfer.intent.lock_id)
}
