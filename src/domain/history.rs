//! History: every version that was ever written, and bringing states back or to another address.

use super::Domain;
use super::access::{authorize, lock_in_the_way};
use super::error::Error;
use super::reading::Patience;
use super::states::{Content, Listed, live};
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::version::{Kind, Version};
use crate::store::{Left, NewVersion, Place, Presence, StateFilter, StateId, StoreError, Tx, View};

pub use crate::store::VersionFilter;

/// Versions, and bringing states back or elsewhere.
pub struct History<'a>(pub(super) &'a Domain);

/// What keeps a state from being brought back or moved.
pub(super) enum Hindrance {
    NoState,
    Left(Left),
    Locked(Lock),
    Taken,
}

impl Hindrance {
    pub(super) fn into_error(self, name: &StateName, target: &StateName) -> Error {
        match self {
            Self::NoState => Error::no_state(name),
            Self::Left(left) => Error::left(name, left),
            Self::Locked(lock) => Error::Locked(Box::new(lock)),
            Self::Taken => Error::AddressTaken(target.clone()),
        }
    }
}

impl History<'_> {
    /// The versions of a state, newest first; of a hidden one too. None of an address that is only locked: the first apply may be under way.
    pub async fn versions(&self, caller: &Caller, name: &StateName, filter: VersionFilter) -> Result<Vec<Version>, Error> {
        authorize(caller, Permission::List, name)?;
        let wanted = name.clone();
        let versions = move |view: &View<'_>| match on_state(view, &wanted, |state| view.versions(state, &filter))? {
            Err(Hindrance::NoState) if view.lock(&wanted)?.is_some() => Ok(Ok(Vec::new())),
            found => Ok(found),
        };
        self.0.store.read(versions).await?.map_err(|why| why.into_error(name, name))
    }

    /// One version without its bytes.
    pub fn version(&self, caller: &Caller, name: &StateName, number: u64) -> Result<Version, Error> {
        authorize(caller, Permission::List, name)?;
        let found = self.0.store.look(|view| on_state(view, name, |state| view.version(state, number)))?;
        found.map_err(|why| why.into_error(name, name))?.ok_or_else(|| Error::NoVersion(name.clone(), number))
    }

    /// The exact bytes of one version.
    pub async fn content(&self, caller: &Caller, name: &StateName, number: u64) -> Result<Content, Error> {
        authorize(caller, Permission::List, name)?;
        let content = self.read(name, number).await?;
        self.0.gather_read(caller, name, Some(number));
        Ok(content)
    }

    async fn read(&self, name: &StateName, number: u64) -> Result<Content, Error> {
        let found =
            self.0.store.look(|view| on_state(view, name, |state| Ok(view.version(state, number)?.map(|version| (state, version)))))?;
        let (state, version) = found.map_err(|why| why.into_error(name, name))?.ok_or_else(|| Error::NoVersion(name.clone(), number))?;
        let bytes = self.0.bytes_of(name, state, &version, Patience::Some).await?;
        Ok(Content::of(&version, bytes))
    }

    /// Brings a deleted or transferred state back as a new version with the same bytes, or a moved one to its old address. A live state stays as it
    /// is.
    ///
    /// Refused while the state is locked, unless `lock_id` names a lock of the caller's own.
    pub async fn restore(&self, caller: &Caller, name: &StateName, lock_id: Option<String>) -> Result<Version, Error> {
        authorize(caller, Permission::Save, name)?;
        match self.0.store.look(|view| view.place(name))? {
            Place::Moved(from) => {
                self.relocate(caller, &from, name).await?;
                live(&self.0.store.look(|view| view.place(name))?, name).map(|(_, version)| version.clone())
            }
            Place::State { current: Some(current), presence: Presence::Deleted | Presence::Transferred(_), .. } => {
                // What is to come back has to be readable; a damaged version is told before it is current again.
                self.read(name, current.number).await?;
                let (caller, wanted, at) = (caller.clone(), name.clone(), clock::now());
                let outcome = self.0.store.write(0, move |tx| bring_back(tx, &caller, &wanted, lock_id.as_deref(), at)).await?;
                self.0.settling.remember(name);
                outcome.map_err(|why| why.into_error(name, name))
            }
            place @ (Place::State { .. } | Place::Free) => live(&place, name).map(|(_, version)| version.clone()),
        }
    }

    /// Says whether a state may leave this address at all, before it is known where to.
    pub fn may_relocate(&self, caller: &Caller, from: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Delete, from)?;
        authorize(caller, Permission::Save, from)
    }

    /// Gives a state with its whole history another address; the old one answers from then on that it moved.
    pub async fn relocate(&self, caller: &Caller, from: &StateName, to: &StateName) -> Result<Listed, Error> {
        self.may_relocate(caller, from)?;
        authorize(caller, Permission::Save, to)?;
        let (who, source, target, at) = (caller.clone(), from.clone(), to.clone(), clock::now());
        let outcome = self.0.store.write(0, move |tx| relocate(tx, &who, &source, &target, at)).await?;
        outcome.map_err(|why| why.into_error(from, to))
    }
}

/// Does something with the state at an address, hidden or not.
pub(super) fn on_state<T>(
    view: &View<'_>,
    name: &StateName,
    with: impl FnOnce(StateId) -> Result<T, StoreError>,
) -> Result<Result<T, Hindrance>, StoreError> {
    match view.place(name)? {
        Place::State { id, .. } => with(id).map(Ok),
        Place::Free => Ok(Err(Hindrance::NoState)),
        Place::Moved(to) => Ok(Err(Hindrance::Left(Left::Moved(to)))),
    }
}

fn bring_back(
    tx: &Tx<'_>,
    caller: &Caller,
    name: &StateName,
    lock_id: Option<&str>,
    at: Timestamp,
) -> Result<Result<Version, Hindrance>, StoreError> {
    let (id, current, transferred_to) = match tx.place(name)? {
        Place::State { id, current: Some(current), presence: Presence::Deleted } => (id, current, None),
        Place::State { id, current: Some(current), presence: Presence::Transferred(to) } => (id, current, Some(to)),
        // Somebody else brought it back, or wrote it, in between.
        Place::State { current: Some(current), presence: Presence::Live, .. } => return Ok(Ok(*current)),
        Place::Moved(to) => return Ok(Err(Hindrance::Left(Left::Moved(to)))),
        Place::State { current: None, .. } | Place::Free => return Ok(Err(Hindrance::NoState)),
    };
    if let Some(lock) = lock_in_the_way(tx, caller, name, lock_id, at)? {
        return Ok(Err(Hindrance::Locked(lock)));
    }
    let restored = NewVersion {
        sha256: current.sha256,
        size: current.size,
        head: current.head.clone(),
        kind: Kind::Restore,
        from_version: Some(current.number),
        created_at: at,
        created_by: caller.actor.clone(),
        address: caller.origin.address.clone(),
        lock: None,
    };
    let version = tx.append_again(id, &restored)?;
    tx.forget_broken_lock(name)?;
    let event = NewEvent::new(EventKind::StateRestore, caller, at).on(name).version(version.number);
    let mut detail = serde_json::json!({ "from_version": current.number });
    if let Some(to) = transferred_to {
        detail["transferred_to"] = to.into();
    }
    tx.record(&event.detail(detail))?;
    Ok(Ok(version))
}

fn relocate(
    tx: &Tx<'_>,
    caller: &Caller,
    from: &StateName,
    to: &StateName,
    at: Timestamp,
) -> Result<Result<Listed, Hindrance>, StoreError> {
    let place = tx.place(from)?;
    let id = match &place {
        Place::State { id, current: Some(_), presence: Presence::Live } => *id,
        Place::State { .. } | Place::Moved(_) | Place::Free => return Ok(Err(place.left().map_or(Hindrance::NoState, Hindrance::Left))),
    };
    for address in [from, to] {
        if let Some(lock) = lock_in_the_way(tx, caller, address, None, at)? {
            return Ok(Err(Hindrance::Locked(lock)));
        }
    }
    if !tx.may_take(id, to)? {
        return Ok(Err(Hindrance::Taken));
    }
    tx.move_state(id, from, to, at)?;
    for (here, other, word) in [(from, to, "to"), (to, from, "from")] {
        tx.record(&NewEvent::new(EventKind::StateMove, caller, at).on(here).detail(serde_json::json!({ word: other.to_string() })))?;
    }
    let only =
        StateFilter { workspace: Some(to.workspace.to_string()), block: Some(to.block.to_string()), limit: 1, ..StateFilter::default() };
    let moved = tx.states(&only)?.pop().map(|summary| Listed { summary, lock: None });
    moved.map(Ok).ok_or_else(|| StoreError::Statement("a moved state is not there".to_owned()))
}
