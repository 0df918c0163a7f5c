//! What is remembered of hooks while the server runs: what sends for them, and which fail.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::hooks::plan::FAILS_AFTER;
use crate::domain::hooks::sender::SendHook;
use crate::model::clock::{self, Timestamp};
use crate::model::hook::HookId;

/// What is remembered of hooks.
#[derive(Default)]
pub(in crate::domain) struct HookState {
    pub(super) sender: OnceLock<Box<dyn SendHook>>,
    /// Rings when there is one more, or one less.
    pub(super) changed: Notify,
    failing: Mutex<BTreeMap<HookId, Timestamp>>,
}

impl HookState {
    /// Notes that a hook fails, and gives the time since when.
    pub(super) fn fails(&self, id: HookId, since: Timestamp) -> Timestamp {
        *self.failing.lock().entry(id).or_insert(since)
    }

    /// Notes that a hook does not fail.
    pub(super) fn is_well(&self, id: HookId) {
        self.failing.lock().remove(&id);
    }

    /// Since when a hook fails, if it does.
    pub(super) fn failing_since(&self, id: HookId) -> Option<Timestamp> {
        self.failing.lock().get(&id).copied()
    }

    /// How many hooks have failed for so long that a person should look.
    pub(in crate::domain) fn failing(&self) -> u64 {
        let now = clock::now();
        let failing = self.failing.lock();
        let is_long = |since: &&Timestamp| now.since(**since) >= FAILS_AFTER;
        failing.values().filter(is_long).count() as u64
    }
}
