//! Who waits for a lock, as callers are told: without those whose credentials have ended since they
//! asked.

use crate::domain::engine::Engine;
use crate::domain::engine::waiters::TurnedAway;
use crate::model::clock::{self, Timestamp};
use crate::model::name::StateName;
use crate::model::waiter::Waiter;
use crate::store::View;

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

    /// How many wait.
    pub(in crate::domain) fn count(&self, view: &View<'_>) -> usize {
        let standing = self.asking.iter().filter(|one| self.stands(view, one));
        standing.count()
    }

    /// Whether its credentials stand. Those that cannot be read let nobody in.
    fn stands(&self, view: &View<'_>, one: &TurnedAway) -> bool {
        let judged = view.live(&one.caller, self.at);
        judged.is_ok_and(|judged| judged.is_ok())
    }
}
