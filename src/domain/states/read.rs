//! Reading the current version, and listing states.

use std::sync::Arc;

use crate::config::MIB;
use crate::diff::OutputsPlace;
use crate::domain::access::{authorize, authorize_somewhere, denied, narrow};
use crate::domain::content::outputs::memory_for_outputs;
use crate::domain::engine::aside::AsideTurn;
use crate::domain::engine::budget::WhenFull;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::engine::shares::{Holder, ShareHold};
use crate::domain::error::Error;
use crate::domain::states::States;
use crate::domain::states::deaths::dead_lock;
use crate::domain::states::outputs::{list_of_outputs, only_outputs, place_of_outputs};
use crate::domain::states::waiting::Waiting;
use crate::model::caller::Caller;
use crate::model::clock;
use crate::model::clock::Timestamp;
use crate::model::consumer::WhatWasRead;
use crate::model::digest::Digest;
use crate::model::freeze::Freeze;
use crate::model::lock::HeldLock;
use crate::model::lock_death::LockDeath;
use crate::model::name::StateName;
use crate::model::page::{DamagedRow, ListPage};
use crate::model::permission::Permission;
use crate::model::state::{Lookup, StateFilter, StateId, StateSummary, Visibility};
use crate::model::version::Version;
use crate::model::waiter::Waiter;
use crate::store::{StoreError, Touches, Tx, View};

/// A list of states ends with the one whose lock takes all of its locks beyond so many bytes. Real
/// locks have some 300.
const MAX_LOCKS_IN_A_LIST: usize = 1024 * 1024;

/// The outputs of larger states than this are made aside of the cores.
const ASIDE_FROM: u64 = MIB;

/// Bytes that were read, and what a client is told of the version that they are.
pub struct StateContent {
    /// The exact bytes that were written, or the state that was made for a caller who may only read
    /// outputs.
    pub bytes: Arc<LeasedBytes>,
    /// The share that they are in until their reader has them; none if they are small.
    pub hold: Option<ShareHold>,
    /// The version's number.
    pub number: u64,
    /// When it was written.
    pub created_at: Timestamp,
    /// The SHA-256 of the bytes.
    pub sha256: Digest,
}

impl StateContent {
    /// The exact bytes of a version.
    pub(in crate::domain) fn of(
        version: &Version,
        bytes: Arc<LeasedBytes>,
        hold: Option<ShareHold>,
    ) -> Self {
        Self {
            bytes,
            hold,
            number: version.number,
            created_at: version.created_at,
            sha256: version.sha256,
        }
    }
}

/// A state in a list, with its lock.
pub struct Listed {
    /// The state.
    pub summary: StateSummary,
    /// The lock on it.
    pub lock: Option<HeldLock>,
    /// Since when its holder can write no more, if that is so. Only a list of states looks for it.
    pub died: Option<LockDeath>,
    /// The freeze that holds for it.
    pub freeze: Option<Freeze>,
    /// Who waits for the lock, the oldest first. Only a list of states looks for them.
    pub waiting: Vec<Waiter>,
}

/// A page of the list of states.
#[derive(Default)]
pub struct ListedStates {
    /// The states, and what is damaged beside them.
    pub page: ListPage<Listed>,
    /// The name behind which the next page begins; none at the end.
    pub next: Option<StateName>,
}

impl States<'_> {
    /// The current version's bytes.
    pub async fn read(&self, caller: &Caller, name: &StateName) -> Result<StateContent, Error> {
        let whole = caller.may(Permission::List, name) || caller.may(Permission::Plan, name);
        if !whole && !caller.may(Permission::Outputs, name) {
            return Err(denied(caller, Permission::List, name));
        }
        let address_info = self.engine.store.address_info(name).await?;
        if whole && address_info.has_stale_writers {
            self.clear_stale_mark(caller, name).await?;
        }
        let (state, version) = live(&address_info.lookup, name)?;
        let holder = Holder::of(caller, Some(name.workspace.as_str()));
        let which = (version.sha256, version.size);
        let hold = self.engine.hold_version(&holder, which).await?;
        let bytes = self
            .content
            .bytes_of(name, state, version, WhenFull::Wait)
            .await?;
        let mut content = StateContent::of(version, bytes, hold);
        let what = if whole {
            WhatWasRead::Whole
        } else {
            WhatWasRead::Outputs
        };
        if !whole {
            (content.bytes, content.sha256) =
                only_outputs(self.engine, version, content.bytes).await?;
            let size = content.bytes.as_ref().as_ref().len() as u64;
            content.hold = self.engine.hold_answer(&holder, size).await?;
        }
        self.events
            .count_current_read(caller, (name, state), version.number, what);
        Ok(content)
    }

    /// A caller who was refused without a lock has read the state now. That is on disk before the
    /// answer, and so before any write that follows it. If the writer has no room for it, the mark
    /// stays until the next read.
    async fn clear_stale_mark(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        let (key, address) = (&caller.actor.id, &caller.origin.address);
        let store = &self.engine.store;
        if store
            .read_inline(|view| view.is_stale_writer(name, key, address))
            .await?
        {
            let (name, key, address) = (name.clone(), key.clone(), address.clone());
            let touches = Touches::Address(name.clone());
            let clear = move |tx: &Tx<'_>| tx.clear_stale_writer(&name, &key, &address);
            if let Err(error) = store.write(touches, 0, clear).await {
                tracing::debug!(%error, "a stale mark stays until the next read");
            }
        }
        Ok(())
    }

    /// The outputs of the current version, as JSON. Secrets are shown in clear only to those who
    /// may read the whole state, and who ask for them.
    pub async fn outputs(
        &self,
        caller: &Caller,
        name: &StateName,
        reveal: bool,
    ) -> Result<Arc<LeasedBytes>, Error> {
        if reveal {
            authorize(caller, Permission::List, name)?;
        } else if !caller.may(Permission::Inspect, name) {
            authorize(caller, Permission::Outputs, name)?;
        }
        let address_info = self.engine.store.address_info(name).await?;
        let current = live(&address_info.lookup, name)?;
        let shown = (reveal, caller.may(Permission::Inspect, name));
        let turn = if current.1.size > ASIDE_FROM {
            Some(self.engine.place_aside(caller)?.turn().await?)
        } else {
            None
        };
        let made = self.listed_outputs(name, current, shown, turn).await?;
        let number = current.1.number;
        if reveal {
            let detail = serde_json::json!({ "what": "outputs" });
            self.events
                .record_reveal(caller, name, number, detail)
                .await?;
        }
        self.events
            .count_current_read(caller, (name, current.0), number, WhatWasRead::Outputs);
        Ok(made)
    }

    async fn listed_outputs(
        &self,
        name: &StateName,
        (state, version): (StateId, &Version),
        (reveal, may_inspect): (bool, bool),
        turn: Option<AsideTurn>,
    ) -> Result<Arc<LeasedBytes>, Error> {
        let bytes = self.content.bytes_of(name, state, version, WhenFull::Wait);
        let bytes = bytes.await?;
        let (looked_at, of) = (Arc::clone(&bytes), version.clone());
        let find = move || place_of_outputs(&of, looked_at.as_ref().as_ref());
        let place = match &turn {
            Some(turn) => self.engine.look_aside(turn, find).await?,
            None => {
                self.engine
                    .on_a_core(version.size, (), move |()| find())
                    .await?
            }
        };
        let size = place.as_ref().map_or(0, OutputsPlace::size);
        let needed = place.as_ref().map_or(0, |place| {
            memory_for_outputs(self.engine, place, version.size)
        });
        let listed = version.clone();
        let list = move |reservation| {
            list_of_outputs(
                &listed,
                bytes.as_ref().as_ref(),
                place,
                (reveal, may_inspect),
            )
            .map(|made| LeasedBytes::new(made, reservation))
        };
        if let Some(turn) = turn {
            return self.engine.aside(turn, needed, list).await?;
        }
        let reserved = self.engine.reserve_for_copies(needed, WhenFull::Wait);
        self.engine.on_a_core(size, reserved.await?, list).await?
    }

    /// The states that a caller may see, with their locks. A state of which something is damaged is
    /// told as such, and hides no other.
    pub async fn list(
        &self,
        caller: &Caller,
        mut filter: StateFilter,
    ) -> Result<ListedStates, Error> {
        authorize_somewhere(caller, Permission::Inspect)?;
        if !narrow(
            &caller.grant.scope,
            &mut filter.workspace,
            &mut filter.block,
        ) {
            return Ok(ListedStates::default());
        }
        let store = &self.engine.store;
        let (waiting, now) = (Waiting::now(self.engine, None), self.engine.time_for_ends());
        let list = move |view: &View<'_>| {
            let mut list = list_states(view, &filter)?;
            let rows = list.page.rows.iter_mut();
            for row in rows.filter(|row| row.lock.is_some()) {
                row.waiting = waiting.at(view, &row.summary.name);
                row.died = dead_lock(view, row.lock.as_ref(), now)?;
            }
            Ok(list)
        };
        let list = store.read(list).await?;
        store.note_damaged(&list.page.damaged);
        Ok(list)
    }
}

/// A page of the list of states. It ends early if the locks in it are large.
pub(super) fn list_states(
    view: &View<'_>,
    filter: &StateFilter,
) -> Result<ListedStates, StoreError> {
    let found = view.states(filter)?;
    let is_full = found.rows.len() == filter.limit as usize;
    let mut list = ListedStates::default();
    list.page.damaged = found.damaged;
    let (mut locks, mut reached) = (0, None);
    let has_freezes = view.has_freezes()?;
    let mut rest = found.rows.into_iter();
    while locks <= MAX_LOCKS_IN_A_LIST
        && let Some(summary) = rest.next()
    {
        let name = summary.name.clone();
        match lock_and_freeze(view, &name, has_freezes) {
            // A freeze whose time is over is none, and its row stays.
            Ok((_, None)) if filter.frozen => {}
            Ok((lock, freeze)) => {
                locks += lock.as_ref().map_or(0, |held| held.lock.text.len());
                list.page.rows.push(Listed {
                    summary,
                    lock,
                    died: None,
                    freeze,
                    waiting: Vec::new(),
                });
            }
            // Whether it is locked is not known, so nothing is told of it as if it were.
            Err(StoreError::BadRow(detail)) => {
                list.page.damaged.push(DamagedRow::of(&name, detail));
            }
            Err(error) => return Err(error),
        }
        reached = Some(name);
    }
    if is_full || rest.next().is_some() {
        list.next = reached;
    }
    Ok(list)
}

/// The lock on an address, and the freeze that holds for it now, if it is looked for.
pub(in crate::domain) fn lock_and_freeze(
    view: &View<'_>,
    name: &StateName,
    has_freezes: bool,
) -> Result<(Option<HeldLock>, Option<Freeze>), StoreError> {
    let lock = view.lock(name)?;
    if !has_freezes {
        return Ok((lock, None));
    }
    let (freeze, now) = (view.freeze(name)?, clock::now());
    Ok((lock, freeze.filter(|freeze| freeze.keeps_out(None, now))))
}

/// The state at an address and its live version, or why there is none.
pub(in crate::domain) fn live<'a>(
    lookup: &'a Lookup,
    name: &StateName,
) -> Result<(StateId, &'a Version), Error> {
    match lookup {
        Lookup::State {
            id,
            current: Some(current),
            visibility: Visibility::Live,
        } => Ok((*id, current)),
        Lookup::State { .. } | Lookup::Moved(_) | Lookup::Free => Err(absent(lookup, name)),
    }
}

/// Why clients get no state at an address.
pub(in crate::domain) fn absent(lookup: &Lookup, name: &StateName) -> Error {
    lookup
        .gone()
        .map_or_else(|| Error::no_state(name), |gone| Error::gone(name, gone))
}
