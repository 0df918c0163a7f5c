//! Whose turn it is to change the index, and of which states this run of the program has made what
//! the index has.

use std::collections::HashMap;

use tokio::sync::{Mutex, Notify};

use crate::model::name::StateName;
use crate::model::state::StateId;

/// How many states are remembered; beyond, all are forgotten.
const MAX_MADE: usize = 10_000;

/// Who changes the index: one at a time, since a change is made from what the index has.
#[derive(Default)]
pub(in crate::domain) struct WordsIndex {
    pub(super) alone: Mutex<()>,
    /// Woken when there is something to be indexed that no write tells of.
    pub(in crate::domain::content) more: Notify,
    /// States of which all that the index has was made by this run, and so by its rules, and their
    /// names at that time.
    made: parking_lot::Mutex<HashMap<StateId, StateName>>,
}

impl WordsIndex {
    /// What the index has of these states is what this run finds them by.
    pub(super) fn note_made(&self, states: Vec<(StateId, StateName)>) {
        let mut made = self.made.lock();
        if made.len() >= MAX_MADE {
            made.clear();
        }
        made.extend(states);
    }

    /// Whether that is so of a state under this name.
    pub(super) fn has_made(&self, state: StateId, name: &StateName) -> bool {
        self.made.lock().get(&state) == Some(name)
    }
}
