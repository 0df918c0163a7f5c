//! Who waits for a lock, as callers are told: without those whose credentials have ended since they
//! asked. And what is said of all locks together.

use serde::Serialize;

use crate::domain::engine::Engine;
use crate::domain::engine::waiters::TurnedAway;
use crate::model::clock::{self, Timestamp};
use crate::model::name::StateName;
use crate::model::waiter::Waiter;
use crate::store::{StoreError, View};

/// What is said of all locks that are held.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LockFacts {
    /// Since when the oldest of them has been held.
    pub oldest_lock_at: Option<Timestamp>,
    /// Those whose holder can write no more, of the first 10,000.
    pub dead_locks: u64,
    /// How many programs were turned away and ask again.
    pub waiting: usize,
}

/// Who waits at a moment.
pub(in crate::domain) struct Waiting {
    asking: Vec<TurnedAway>,
    at: Timestamp,
}

impl Waiting {
    /// Those that wait for one address, or for any.
    pub(in crate::domain) fn now(engine: &Engine, name: Option<&StateName>) -> Self {
        Self {
            asking: engine.waiters.asking(name, clock::monotonic()),
            at: engine.time_for_ends(),
        }
    }

    /// Those that wait for an address, the oldest first.
    pub(in crate::domain) fn at(&self, view: &View<'_>, name: &StateName) -> Vec<Waiter> {
        let asking = self.asking.iter().filter(|one| one.name == *name);
        asking
            .filter(|one| self.stands(view, one))
            .map(|one| one.waiter.clone())
            .collect()
    }

    /// What is said of all locks that are held.
    pub(in crate::domain) fn facts(&self, view: &View<'_>) -> Result<LockFacts, StoreError> {
        let standing = self.asking.iter().filter(|one| self.stands(view, one));
        Ok(LockFacts {
            oldest_lock_at: view.oldest_lock()?,
            dead_locks: view.dead_locks(self.at)?,
            waiting: standing.count(),
        })
    }

    /// Whether its credentials stand. Those that cannot be read let nobody in.
    fn stands(&self, view: &View<'_>, one: &TurnedAway) -> bool {
        let judged = view.live(&one.caller, self.at);
        judged.is_ok_and(|judged| judged.is_ok())
    }
}
