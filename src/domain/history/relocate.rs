//! Giving a state another address.

use crate::domain::access::{Acted, act, authorize, lock_in_the_way};
use crate::domain::error::Error;
use crate::domain::history::History;
use crate::domain::quotas;
use crate::domain::states::read::{Listed, absent};
use crate::model::caller::{Caller, LiveCaller};
use crate::model::event::{EventKind, NewEvent};
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::state::{Lookup, StateFilter, StateId, Visibility};
use crate::store::{StoreError, Touches, Tx};

impl History<'_> {
    /// Says whether a state may leave this address at all, before it is known where to.
    pub fn may_relocate(&self, caller: &Caller, from: &StateName) -> Result<(), Error> {
        may_relocate(caller, from)
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
        let (source, target) = (from.clone(), to.clone());
        let touches = Touches::Addresses(vec![from.clone(), to.clone()]);
        let min_free_space = self.engine.limits.min_free_space;
        let job = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            relocate(tx, by, (&source, &target), min_free_space)
        };
        act(self.engine, caller, (touches, 0), job).await
    }
}

/// Moving a state takes more than writing it: it is gone from its old address.
pub(in crate::domain) fn may_relocate(caller: &Caller, from: &StateName) -> Result<(), Error> {
    authorize(caller, Permission::Delete, from)?;
    authorize(caller, Permission::Save, from)
}

/// Gives a state another address that it may take, and tells of it at both.
pub(in crate::domain) fn relocated(
    tx: &Tx<'_>,
    caller: LiveCaller<'_>,
    state: StateId,
    (from, to): (&StateName, &StateName),
    min_free_space: u64,
) -> Result<(), StoreError> {
    tx.move_state(state, (from, to), tx.now(), min_free_space)?;
    for (here, other, word) in [(from, to, "to"), (to, from, "from")] {
        tx.record(
            &NewEvent::new(EventKind::StateMove, caller, tx.now())
                .on(here)
                .detail(serde_json::json!({ word: other.to_string() })),
        )?;
    }
    Ok(())
}

fn relocate(
    tx: &Tx<'_>,
    caller: LiveCaller<'_>,
    (from, to): (&StateName, &StateName),
    min_free_space: u64,
) -> Acted<Listed> {
    let lookup = tx.lookup(from)?;
    let id = match &lookup {
        Lookup::State {
            id,
            current: Some(_),
            visibility: Visibility::Live,
        } => *id,
        Lookup::State { .. } | Lookup::Moved(_) | Lookup::Free => {
            return Ok(Err(absent(&lookup, from)));
        }
    };
    for address in [from, to] {
        if let Some(lock) = lock_in_the_way(tx, &caller, address, None)? {
            return Ok(Err(Error::locked(lock)));
        }
    }
    if !tx.may_take(id, to)? {
        return Ok(Err(Error::AddressTaken(to.clone())));
    }
    let adds = quotas::of_move(tx, id, (from, to))?;
    if let Err(why) = quotas::judge(tx, to, adds)? {
        return Ok(Err(why));
    }
    relocated(tx, caller, id, (from, to), min_free_space)?;
    let only = StateFilter {
        workspace: Some(to.workspace.to_string()),
        block: Some(to.block.to_string()),
        limit: 1,
        ..StateFilter::default()
    };
    let moved = tx.states(&only)?.rows.pop().map(|summary| Listed {
        summary,
        lock: None,
        died: None,
        freeze: None,
        waiting: Vec::new(),
    });
    moved
        .map(Ok)
        .ok_or_else(|| StoreError::Statement("a moved state is not there".to_owned()))
}
