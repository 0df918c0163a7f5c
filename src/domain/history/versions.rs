//! The versions of a state, with or without their bytes.

use crate::domain::access::authorize;
use crate::domain::content::missing::no_version;
use crate::domain::engine::budget::WhenFull;
use crate::domain::engine::shares::Holder;
use crate::domain::error::Error;
use crate::domain::history::History;
use crate::domain::states::read::StateContent;
use crate::model::caller::Caller;
use crate::model::consumer::WhatWasRead;
use crate::model::name::StateName;
use crate::model::page::ListPage;
use crate::model::permission::Permission;
use crate::model::state::{Gone, Lookup, StateId};
use crate::model::version::Version;
use crate::store::{StoreError, View};

use crate::model::version::VersionFilter;

impl History<'_> {
    /// The versions of a state, newest first; of a hidden one too. None of an address that is only
    /// locked: the first apply may be under way.
    pub async fn versions(
        &self,
        caller: &Caller,
        name: &StateName,
        filter: VersionFilter,
    ) -> Result<ListPage<Version>, Error> {
        authorize(caller, Permission::Inspect, name)?;
        let wanted = name.clone();
        let versions = move |view: &View<'_>| match on_state(view, &wanted, |state| {
            view.versions(state, &filter)
        })? {
            Err(Error::NoState(_)) if view.lock(&wanted)?.is_some() => Ok(Ok(ListPage::default())),
            found => Ok(found),
        };
        let list = self.engine.store.read(versions).await??;
        self.engine.store.note_damaged(&list.damaged);
        Ok(list)
    }

    /// One version without its bytes.
    pub async fn version(
        &self,
        caller: &Caller,
        name: &StateName,
        number: u64,
    ) -> Result<Version, Error> {
        authorize(caller, Permission::Inspect, name)?;
        let found = self
            .engine
            .store
            .read_inline(|view| on_state(view, name, |state| view.version(state, number)))
            .await?;
        match found? {
            Some(version) => Ok(version),
            None => Err(no_version(&self.engine.store, name, number).await),
        }
    }

    /// The exact bytes of one version. While it is the current one, that is a read of the state as
    /// it is now.
    pub async fn content(
        &self,
        caller: &Caller,
        name: &StateName,
        number: u64,
    ) -> Result<StateContent, Error> {
        authorize(caller, Permission::List, name)?;
        let (content, live) = self.read(caller, name, number).await?;
        match live {
            Some(state) => {
                let whole = WhatWasRead::Whole;
                self.events
                    .count_current_read(caller, (name, state), number, whole);
            }
            None => self.events.count_read(caller, name, Some(number)),
        }
        Ok(content)
    }

    /// A version's bytes, and of which live state it is the current one, if it is.
    async fn read(
        &self,
        caller: &Caller,
        name: &StateName,
        number: u64,
    ) -> Result<(StateContent, Option<StateId>), Error> {
        let found = self
            .engine
            .store
            .read_inline(|view| {
                on_state(view, name, |state| {
                    let lookup = view.lookup(name)?;
                    let live = lookup.live().filter(|live| live.number == number);
                    let live = live.map(|_| state);
                    let version = view.version(state, number)?;
                    Ok(version.map(|version| (state, version, live)))
                })
            })
            .await?;
        let Some((state, version, live)) = found? else {
            return Err(no_version(&self.engine.store, name, number).await);
        };
        let holder = Holder::of(caller, Some(name.workspace.as_str()));
        let which = (version.sha256, version.size);
        let hold = self.engine.hold_version(&holder, which).await?;
        let bytes = self
            .content
            .bytes_of(name, state, &version, WhenFull::Wait)
            .await?;
        Ok((StateContent::of(&version, bytes, hold), live))
    }
}

/// Does something with the state at an address, hidden or not. The inner error says why there is
/// none.
pub(in crate::domain) fn on_state<T>(
    view: &View<'_>,
    name: &StateName,
    with: impl FnOnce(StateId) -> Result<T, StoreError>,
) -> Result<Result<T, Error>, StoreError> {
    match view.lookup(name)? {
        Lookup::State { id, .. } => with(id).map(Ok),
        Lookup::Free => Ok(Err(Error::no_state(name))),
        Lookup::Moved(to) => Ok(Err(Error::gone(name, Gone::Moved(to)))),
    }
}
