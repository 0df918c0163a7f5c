//! Whose turn it is to change the index.

use tokio::sync::{Mutex, Notify};

/// Who changes the index: one at a time, since a change is made from what the index has.
#[derive(Default)]
pub(in crate::domain) struct WordsIndex {
    pub(super) alone: Mutex<()>,
    /// Woken when there is something to be indexed that no write tells of.
    pub(in crate::domain::content) more: Notify,
}
