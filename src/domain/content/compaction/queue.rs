//! The states that have versions to be compacted.

use std::collections::HashSet;
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::domain::engine::single_flight::open;
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
        let mut remembered = open(&self.remembered);
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
        open(&self.remembered).and_others = true;
        self.more.notify_one();
    }

    /// Whether nothing waits to be compacted.
    pub(super) fn is_idle(&self) -> bool {
        let remembered = open(&self.remembered);
        remembered.states.is_empty() && !remembered.and_others
    }

    /// Takes all that is remembered.
    pub(super) fn take(&self) -> Remembered {
        std::mem::take(&mut open(&self.remembered))
    }

    /// Waits until there may be something to compact.
    pub(super) async fn wait(&self) {
        self.more.notified().await;
    }
}
