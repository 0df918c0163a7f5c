//! History: every version that was ever written, and bringing states back or to another address.

pub mod compare;
#[cfg(test)]
mod gone;
pub mod import;
pub mod preview;
pub mod purge;
pub mod rollback;
pub mod transfers;

use std::sync::Arc;

use super::Domain;
use super::access::{authorize, lock_in_the_way};
use super::error::Error;
use super::states::{Content, Listed};
use crate::domain::content::read::WhenFull;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::state::{Gone, Lookup, StateFilter, StateId, Visibility};
use crate::model::version::NewVersion;
use crate::model::version::{Kind, Version};
use crate::store::{StoreError, Tx, View};

pub use crate::model::version::VersionFilter;

/// Versions, and bringing states back or elsewhere.
pub struct History<'a>(pub(super) &'a Domain);

/// How often a restore looks anew because the state went to another address in between.
const MAX_ATTEMPTS: u32 = 8;

/// What keeps a state from being brought back or moved.
pub(super) enum Hindrance {
    NoState,
    Gone(Gone),
    Locked(Lock),
    Taken,
    /// The content of the version that was to come back was removed.
    Purged(u64),
}

impl Hindrance {
    pub(super) fn into_error(self, name: &StateName, target: &StateName) -> Error {
        match self {
            Self::NoState => Error::no_state(name),
            Self::Gone(left) => Error::gone(name, left),
            Self::Locked(lock) => Error::Locked(Box::new(lock)),
            Self::Taken => Error::AddressTaken(target.clone()),
            Self::Purged(number) => Error::Purged(name.clone(), number),
        }
    }
}

impl History<'_> {
    /// The versions of a state, newest first; of a hidden one too. None of an address that is only
    /// locked: the first apply may be under way.
    pub async fn versions(
        &self,
        caller: &Caller,
        name: &StateName,
        filter: VersionFilter,
    ) -> Result<Vec<Version>, Error> {
        authorize(caller, Permission::List, name)?;
        let wanted = name.clone();
        let versions = move |view: &View<'_>| match on_state(view, &wanted, |state| {
            view.versions(state, &filter)
        })? {
            Err(Hindrance::NoState) if view.lock(&wanted)?.is_some() => Ok(Ok(Vec::new())),
            found => Ok(found),
        };
        self.0
            .store
            .read(versions)
            .await?
            .map_err(|why| why.into_error(name, name))
    }

    /// One version without its bytes.
    pub fn version(
        &self,
        caller: &Caller,
        name: &StateName,
        number: u64,
    ) -> Result<Version, Error> {
        authorize(caller, Permission::List, name)?;
        let found = self
            .0
            .store
            .look(|view| on_state(view, name, |state| view.version(state, number)))?;
        found
            .map_err(|why| why.into_error(name, name))?
            .ok_or_else(|| self.0.no_version(name, number))
    }

    /// The exact bytes of one version.
    pub async fn content(
        &self,
        caller: &Caller,
        name: &StateName,
        number: u64,
    ) -> Result<Content, Error> {
        authorize(caller, Permission::List, name)?;
        let content = self.read(name, number).await?;
        self.0.buffer_read(caller, name, Some(number));
        Ok(content)
    }

    async fn read(&self, name: &StateName, number: u64) -> Result<Content, Error> {
        let found = self.0.store.look(|view| {
            on_state(view, name, |state| {
                Ok(view.version(state, number)?.map(|version| (state, version)))
            })
        })?;
        let (state, version) = found
            .map_err(|why| why.into_error(name, name))?
            .ok_or_else(|| self.0.no_version(name, number))?;
        let bytes = self
            .0
            .bytes_of(name, state, &version, WhenFull::Wait)
            .await?;
        Ok(Content::of(&version, bytes))
    }

    /// Brings a deleted or transferred state back as a new version with the same bytes, and a moved
    /// one to its old address, where it is brought back as well if it was deleted since. A live
    /// state stays as it is.
    ///
    /// Refused while the state is locked, unless `lock_id` names a lock of the caller's own.
    pub async fn restore(
        &self,
        caller: &Caller,
        name: &StateName,
        lock_id: Option<String>,
    ) -> Result<Version, Error> {
        authorize(caller, Permission::Save, name)?;
        for _ in 0..MAX_ATTEMPTS {
            let lookup = self.0.store.look(|view| view.lookup(name))?;
            let (lookup, away) = match lookup {
                Lookup::Moved(away) => (self.0.store.look(|view| view.lookup(&away))?, Some(away)),
                lookup @ (Lookup::State { .. } | Lookup::Free) => (lookup, None),
            };
            match (&lookup, &away) {
                (
                    Lookup::State {
                        current: Some(current),
                        visibility: Visibility::Live,
                        ..
                    },
                    None,
                ) => return Ok((**current).clone()),
                (_, Some(away)) => self.may_relocate(caller, away)?,
                (Lookup::State { .. } | Lookup::Moved(_) | Lookup::Free, None) => {}
            }
            if let Lookup::State {
                id,
                current: Some(current),
                visibility: Visibility::Deleted | Visibility::Transferred(_),
            } = &lookup
            {
                // What is to come back has to be readable; a damaged version is told before it is
                // current again.
                self.0
                    .bytes_of(away.as_ref().unwrap_or(name), *id, current, WhenFull::Wait)
                    .await?;
            }
            let job = Restore {
                caller: caller.clone(),
                name: name.clone(),
                away,
                lock_id: lock_id.clone(),
                at: clock::now(),
            };
            let (compaction, wanted) = (Arc::clone(&self.0.compaction), name.clone());
            let outcome = self
                .0
                .store
                .write_then(
                    0,
                    move |tx| job.run(tx),
                    move |_| compaction.remember(&wanted),
                )
                .await?;
            if let Some(version) = outcome.map_err(|why| why.into_error(name, name))? {
                return Ok(version);
            }
        }
        Err(Error::QueueFull)
    }

    /// Says whether a state may leave this address at all, before it is known where to.
    pub fn may_relocate(&self, caller: &Caller, from: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Delete, from)?;
        authorize(caller, Permission::Save, from)
    }

    /// Gives a state with its whole history another address; the old one answers from then on that
    /// it moved.
    pub async fn relocate(
        &self,
        caller: &Caller,
        from: &StateName,
        to: &StateName,
    ) -> Result<Listed, Error> {
        self.may_relocate(caller, from)?;
        authorize(caller, Permission::Save, to)?;
        let (who, source, target, at) = (caller.clone(), from.clone(), to.clone(), clock::now());
        let outcome = self
            .0
            .store
            .write(0, move |tx| relocate(tx, &who, &source, &target, at))
            .await?;
        outcome.map_err(|why| why.into_error(from, to))
    }
}

impl Domain {
    /// The same error, or what became of the version that it says is not there.
    pub(super) fn explained(&self, error: Error) -> Error {
        if let Error::NoVersion(name, number) = &error {
            self.no_version(name, *number)
        } else {
            error
        }
    }

    /// What is said of a version that is not there: whether it was pruned, when and by whom, as far
    /// as that can be told.
    pub(super) fn no_version(&self, name: &StateName, number: u64) -> Error {
        let never = || Error::NoVersion(name.clone(), number);
        let gone = self.store.look(|view| {
            let last = view
                .lookup(name)?
                .id()
                .map_or(Ok(0), |state| view.last_number(state))?;
            if (1..=last).contains(&number) {
                view.pruned(name, number).map(Some)
            } else {
                Ok(None)
            }
        });
        // Whoever cannot be told why is told that it is not there.
        let gone =
            gone.inspect_err(|error| tracing::warn!(state = %name, version = number, %error, "nobody can say what became of a version"));
        let Ok(Some(pruned)) = gone else {
            return never();
        };
        let what = pruned.map_or_else(
            || {
                "it is not there any more, or did not come along when the state was imported"
                    .to_owned()
            },
            |(at, by)| format!("it was pruned at {at} by {}", by.name),
        );
        Error::VersionGone(name.clone(), number, what)
    }
}

/// Does something with the state at an address, hidden or not.
pub(super) fn on_state<T>(
    view: &View<'_>,
    name: &StateName,
    with: impl FnOnce(StateId) -> Result<T, StoreError>,
) -> Result<Result<T, Hindrance>, StoreError> {
    match view.lookup(name)? {
        Lookup::State { id, .. } => with(id).map(Ok),
        Lookup::Free => Ok(Err(Hindrance::NoState)),
        Lookup::Moved(to) => Ok(Err(Hindrance::Gone(Gone::Moved(to)))),
    }
}

/// A state that is to come back, as its transaction needs it. It may run more than once.
pub(super) struct Restore {
    pub(super) caller: Caller,
    pub(super) name: StateName,
    /// Where it has moved to, and comes back from.
    pub(super) away: Option<StateName>,
    pub(super) lock_id: Option<String>,
    pub(super) at: Timestamp,
}

impl Restore {
    /// None where the state is not where it was when it was looked at.
    pub(super) fn run(
        &self,
        tx: &Tx<'_>,
    ) -> Result<Result<Option<Version>, Hindrance>, StoreError> {
        let here = tx.lookup(&self.name)?;
        let lookup = match (&here, &self.away) {
            (Lookup::Moved(away), Some(from)) if away == from => tx.lookup(away)?,
            (Lookup::Moved(_), _) | (Lookup::State { .. }, Some(_)) => return Ok(Ok(None)),
            (Lookup::State { .. }, None) | (Lookup::Free, _) => here,
        };
        let Lookup::State {
            id,
            current: Some(current),
            visibility,
        } = lookup
        else {
            return Ok(Err(Hindrance::NoState));
        };
        if visibility == Visibility::Live && self.away.is_none() {
            // Nobody has to bring it back, or somebody else did in between.
            return Ok(Ok(Some(*current)));
        }
        if visibility != Visibility::Live && current.purged {
            return Ok(Err(Hindrance::Purged(current.number)));
        }
        if let Some(lock) = self.lock_in_the_way(tx)? {
            return Ok(Err(Hindrance::Locked(lock)));
        }
        if let Some(away) = &self.away {
            if !tx.may_take(id, &self.name)? {
                return Ok(Err(Hindrance::Taken));
            }
            relocated(tx, &self.caller, id, (away, &self.name), self.at)?;
        }
        let transferred_to = match visibility {
            Visibility::Live => return Ok(Ok(Some(*current))),
            Visibility::Deleted => None,
            Visibility::Transferred(to) => Some(to),
        };
        self.bring_back(tx, id, &current, transferred_to)
            .map(|version| Ok(Some(version)))
    }

    fn lock_in_the_way(&self, tx: &Tx<'_>) -> Result<Option<Lock>, StoreError> {
        // A lock belongs to an address, so none of one's own lets a state leave the one where it
        // is.
        if let Some(away) = &self.away
            && let Some(lock) = lock_in_the_way(tx, &self.caller, away, None, self.at)?
        {
            return Ok(Some(lock));
        }
        lock_in_the_way(
            tx,
            &self.caller,
            &self.name,
            self.lock_id.as_deref(),
            self.at,
        )
    }

    fn bring_back(
        &self,
        tx: &Tx<'_>,
        id: StateId,
        current: &Version,
        transferred_to: Option<String>,
    ) -> Result<Version, StoreError> {
        let restored = NewVersion {
            sha256: current.sha256,
            size: current.size,
            head: current.head.clone(),
            kind: Kind::Restore,
            from_version: Some(current.number),
            created_at: self.at,
            created_by: self.caller.actor.clone(),
            address: self.caller.origin.address.clone(),
            lock: None,
        };
        let version = tx.append_again(id, &restored)?;
        tx.forget_broken_lock(&self.name)?;
        let event = NewEvent::new(EventKind::StateRestore, &self.caller, self.at)
            .on(&self.name)
            .version(version.number);
        let mut detail = serde_json::json!({ "from_version": current.number });
        if let Some(to) = transferred_to {
            detail["transferred_to"] = to.into();
        }
        tx.record(&event.detail(detail))?;
        Ok(version)
    }
}

/// Gives a state another address that it may take, and tells of it at both.
pub(super) fn relocated(
    tx: &Tx<'_>,
    caller: &Caller,
    state: StateId,
    (from, to): (&StateName, &StateName),
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.move_state(state, from, to, at)?;
    for (here, other, word) in [(from, to, "to"), (to, from, "from")] {
        tx.record(
            &NewEvent::new(EventKind::StateMove, caller, at)
                .on(here)
                .detail(serde_json::json!({ word: other.to_string() })),
        )?;
    }
    Ok(())
}

fn relocate(
    tx: &Tx<'_>,
    caller: &Caller,
    from: &StateName,
    to: &StateName,
    at: Timestamp,
) -> Result<Result<Listed, Hindrance>, StoreError> {
    let lookup = tx.lookup(from)?;
    let id = match &lookup {
        Lookup::State {
            id,
            current: Some(_),
            visibility: Visibility::Live,
        } => *id,
        Lookup::State { .. } | Lookup::Moved(_) | Lookup::Free => {
            return Ok(Err(lookup
                .gone()
                .map_or(Hindrance::NoState, Hindrance::Gone)));
        }
    };
    for address in [from, to] {
        if let Some(lock) = lock_in_the_way(tx, caller, address, None, at)? {
            return Ok(Err(Hindrance::Locked(lock)));
        }
    }
    if !tx.may_take(id, to)? {
        return Ok(Err(Hindrance::Taken));
    }
    relocated(tx, caller, id, (from, to), at)?;
    let only = StateFilter {
        workspace: Some(to.workspace.to_string()),
        block: Some(to.block.to_string()),
        limit: 1,
        ..StateFilter::default()
    };
    let moved = tx.states(&only)?.pop().map(|summary| Listed {
        summary,
        lock: None,
    });
    moved
        .map(Ok)
        .ok_or_else(|| StoreError::Statement("a moved state is not there".to_owned()))
}
