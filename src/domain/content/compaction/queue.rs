//! The states that have versions to be compacted.

use std::collections::HashSet;

use parking_lot::Mutex;

use tokio::sync::Notify;

use crate::model::name::StateName;

/// How many states are remembered; beyond, all are looked through.
const MAX_REMEMBERED: usize = 10_000;

/// Which states have something to be compacted.
#[derive(Default)]
pub(in crate::domain) struct CompactionQueue {
    remembered: Mutex<Remembered>,
    more: Notify,
}

/// The states that were remembered.
#[derive(Default)]
pub(super) struct Remembered {
    pub(super) states: HashSet<StateName>,
    /// Some states are not among these.
    pub(super) and_others: bool,
}

impl CompactionQueue {
    /// A state has a new version.
    pub(in crate::domain) fn remember(&self, name: &StateName) {
        let mut remembered = self.remembered.lock();
        if remembered.states.contains(name) {
            return;
        }
        if remembered.states.len() < MAX_REMEMBERED {
            remembered.states.insert(name.clone());
        } else {
            remembered.and_others = true;
        }
        drop(remembered);
        self.more.notify_one();
    }

    /// Some states may have something to be compacted, and nobody knows which.
    pub(in crate::domain) fn look_through_all(&self) {
        self.remembered.lock().and_others = true;
        self.more.notify_one();
    }

    /// Whether nothing waits to be compacted.
    pub(super) fn is_idle(&self) -> bool {
        let remembered = self.remembered.lock();
        remembered.states.is_empty() && !remembered.and_others
    }

    /// Takes all that is remembered.
    pub(super) fn take(&self) -> Remembered {
        std::mem::take(&mut self.remembered.lock())
    }

    /// Waits until there may be something to compact.
    pub(super) async fn wait(&self) {
        self.more.notified().await;
    }
}
