//! Transfers: states that go to a storage elsewhere, or have gone.

use super::actor::Actor;
use super::clock::Timestamp;

/// That a state is to go to a storage elsewhere.
#[derive(Clone, Debug)]
pub struct TransferIntent {
    /// Where to, as the client wrote it.
    pub to: String,
    /// The ID of the lock under which it is done.
    pub lock_id: String,
    /// Since when.
    pub begun_at: Timestamp,
    /// Who began it, or went on with it last.
    pub begun_by: Actor,
}

/// A transfer, as far as it has come.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// What is to be done.
    pub intent: TransferIntent,
    /// The number of the state's current version; the last one where the state is hidden.
    pub version: u64,
    /// Since when it is done, if it is.
    pub done_at: Option<Timestamp>,
}
