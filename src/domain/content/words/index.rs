//! Whose turn it is to change the index.

use tokio::sync::Mutex;

/// Who changes the index: one at a time, since a change is made from what the index has.
#[derive(Default)]
pub(in crate::domain) struct WordsIndex {
    pub(super) alone: Mutex<()>,
}
