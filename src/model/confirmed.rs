//! What a person has confirmed at a start that would be refused otherwise, and what came of it.

use super::clock::Timestamp;
use super::on_loss::OnLoss;

/// What was confirmed; nothing, unless a flag says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// What is to be done if acknowledged writes are missing.
    pub on_loss: OnLoss,
    /// The key of the rows' hashes is lost, or rows are to be believed as they stand: there is to
    /// be a new key.
    pub new_row_key: bool,
}

/// What a new key of the rows' hashes came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewRowKey {
    /// When it was made.
    pub at: Timestamp,
    /// How many rows got a hash.
    pub rows: u64,
    /// How many of them did not fit the key before; none where that was lost.
    pub changed: Option<u64>,
    /// How many states got another current version, and how many unreadable locks were removed.
    pub mended: u64,
}
